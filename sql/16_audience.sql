--
-- realtime.message_audience: whom messages on channels have reached.
--
-- A message's row is written once, by its sender, and what becomes of it later
-- goes here: rows are only ever added, and the counts of a message are the sums
-- over its rows.  There may be several for each: one for each batch in which
-- gateways' counts arrived, and those of its webhooks.
--

CREATE TABLE realtime.message_audience
(
	message_id uuid NOT NULL,
	inserted_at timestamptz NOT NULL,
	ws_audience integer NOT NULL DEFAULT 0,
	wh_audience integer NOT NULL DEFAULT 0,
	wh_delivered integer NOT NULL DEFAULT 0,
	recorded_at timestamptz NOT NULL DEFAULT now(),
	xid xid8 NOT NULL DEFAULT pg_current_xact_id()
)
PARTITION BY RANGE (inserted_at);
COMMENT ON TABLE realtime.message_audience IS
	'whom messages on channels have reached, in daily partitions like realtime.messages; the counts of a message are the sums over its rows';
COMMENT ON COLUMN realtime.message_audience.inserted_at IS 'that of the message';
COMMENT ON COLUMN realtime.message_audience.ws_audience IS 'sockets that it was queued to';
COMMENT ON COLUMN realtime.message_audience.wh_audience IS 'webhooks that it was to be delivered to';
COMMENT ON COLUMN realtime.message_audience.wh_delivered IS 'webhooks that have taken it';
COMMENT ON COLUMN realtime.message_audience.xid IS 'transaction that wrote the row; leave it to its default';

-- An insert never fails for want of a day's partition.
CREATE TABLE realtime.message_audience_default PARTITION OF realtime.message_audience DEFAULT;

CREATE INDEX message_audience_message_id_idx ON realtime.message_audience (message_id);

-- Statistics of deliveries read by transaction what is new; those of sockets
-- have none.
CREATE INDEX message_audience_xid_idx ON realtime.message_audience (xid)
	WHERE wh_audience <> 0 OR wh_delivered <> 0;

GRANT INSERT ON realtime.message_audience TO realtime_executor;
