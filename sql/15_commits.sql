--
-- realtime.commits: in which order transactions with messages committed.
--
-- Neither id nor inserted_at of a message tells when it committed.  Whatever
-- reads the past in the order in which clients heard it joins realtime.messages
-- with this table by xid.  Executors write it in batches, a moment after the
-- messages were released; the hub, when the server starts, goes on from the row
-- with the highest lsn, which maintenance therefore never drops.
--

CREATE TABLE realtime.commits
(
	lsn pg_lsn NOT NULL,
	xid xid8 NOT NULL,
	messages integer NOT NULL,
	committed_at timestamptz NOT NULL,
	restart_lsn pg_lsn NOT NULL,
	early_at timestamptz,
	epoch bigint NOT NULL,
	timeline integer NOT NULL,
	CONSTRAINT commits_pkey PRIMARY KEY (lsn, committed_at)
)
PARTITION BY RANGE (committed_at);
COMMENT ON TABLE realtime.commits IS
	'one row for each committed transaction with messages, in daily partitions like realtime.messages';
COMMENT ON COLUMN realtime.commits.lsn IS 'end of its commit record: the order of commits';
COMMENT ON COLUMN realtime.commits.xid IS 'the transaction; realtime.messages has it too';
COMMENT ON COLUMN realtime.commits.messages IS 'how many messages it sent';
COMMENT ON COLUMN realtime.commits.restart_lsn IS
	'reading the WAL from here finds all messages of transactions that commit later';
COMMENT ON COLUMN realtime.commits.early_at IS
	'time of its oldest message or its own, where that is long before the commits that precede it; else null';
COMMENT ON COLUMN realtime.commits.epoch IS 'changes when the hub could not go on without a gap';

-- An insert never fails for want of a day's partition.
CREATE TABLE realtime.commits_default PARTITION OF realtime.commits DEFAULT;

CREATE INDEX commits_xid_idx ON realtime.commits (xid);

-- Few have early_at.  All that come behind some commit and have it not have no
-- message that is older than 10 s before it.
CREATE INDEX commits_early_idx ON realtime.commits (lsn) WHERE early_at IS NOT NULL;

--
-- realtime.horizon: how far back history is whole.
--
-- Its one row is changed by whatever drops messages or commits; a client that
-- comes back with a place before it cannot be given all that it has missed.
--

CREATE TABLE realtime.horizon
(
	is_only_row boolean PRIMARY KEY DEFAULT true CHECK (is_only_row),
	dropped_before timestamptz NOT NULL DEFAULT '-infinity'
);
COMMENT ON TABLE realtime.horizon IS 'how far back history is whole';
INSERT INTO realtime.horizon DEFAULT VALUES;

CREATE FUNCTION realtime.raise_horizon(dropped_before timestamptz) RETURNS void
	LANGUAGE sql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
	UPDATE realtime.horizon h SET dropped_before = raise_horizon.dropped_before
	WHERE h.dropped_before < raise_horizon.dropped_before
$$;
REVOKE EXECUTE ON FUNCTION realtime.raise_horizon(timestamptz) FROM PUBLIC;

GRANT SELECT, INSERT ON realtime.commits TO realtime_executor;
