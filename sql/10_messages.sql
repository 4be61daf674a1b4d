--
-- realtime.messages: what was sent, and what policies are written about.
--

CREATE FUNCTION realtime.uuid_v7() RETURNS uuid
	LANGUAGE C VOLATILE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'uuid_v7';
COMMENT ON FUNCTION realtime.uuid_v7() IS
	'a new time-ordered identifier (UUID version 7)';

CREATE FUNCTION realtime.message_number() RETURNS integer
	LANGUAGE C VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'message_number';
COMMENT ON FUNCTION realtime.message_number() IS
	'default of realtime.messages.number: counts the messages of a transaction';

CREATE TABLE realtime.messages
(
	topic text NOT NULL,
	extension text NOT NULL,
	payload jsonb,
	event text,
	private boolean DEFAULT false,
	updated_at timestamptz NOT NULL DEFAULT now(),
	inserted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	id uuid NOT NULL DEFAULT realtime.uuid_v7(),
	binary_payload bytea,
	skip_broadcast boolean NOT NULL DEFAULT false,
	expires_at timestamptz,
	xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
	number integer NOT NULL DEFAULT realtime.message_number(),
	channel_id uuid,
	sender_type text NOT NULL DEFAULT 'system',
	sender_id uuid,
	channel_name text GENERATED ALWAYS AS (topic) STORED,
	event_name text GENERATED ALWAYS AS (event) STORED,
	created_at timestamptz GENERATED ALWAYS AS (inserted_at) STORED,
	type text,
	CONSTRAINT messages_pkey PRIMARY KEY (id, inserted_at),
	CONSTRAINT messages_payload_exclusive CHECK (payload IS NULL OR binary_payload IS NULL),
	CONSTRAINT messages_sender_type_known CHECK (sender_type IN ('system', 'user')),
	CONSTRAINT messages_type_known CHECK (type IN ('message', 'broadcast'))
)
PARTITION BY RANGE (inserted_at);
COMMENT ON TABLE realtime.messages IS
	'messages sent, in daily partitions; its row-level security policies say who may read and write private channels';
COMMENT ON COLUMN realtime.messages.skip_broadcast IS 'store the row, publish nothing';
COMMENT ON COLUMN realtime.messages.xid IS 'transaction that sent the message; leave it to its default';
COMMENT ON COLUMN realtime.messages.number IS 'its place among the messages of that transaction; leave it to its default';
COMMENT ON COLUMN realtime.messages.channel_id IS
	'row of realtime.channels that it was published on; null of a message that was sent to a topic';
COMMENT ON COLUMN realtime.messages.sender_type IS 'user: a client published it; system: the database did';
COMMENT ON COLUMN realtime.messages.sender_id IS 'claim sub of the client that published it';
COMMENT ON COLUMN realtime.messages.channel_name IS 'topic by another name, for policies on channels';
COMMENT ON COLUMN realtime.messages.event_name IS 'event by another name';
COMMENT ON COLUMN realtime.messages.created_at IS 'inserted_at by another name';
COMMENT ON COLUMN realtime.messages.type IS 'what its sender called it; null stands for message';

-- An insert never fails for want of a day's partition.
CREATE TABLE realtime.messages_default PARTITION OF realtime.messages DEFAULT;

-- Serves history and replay: one topic, newest first.  Ascending, because then
-- each new entry is the last one of its topic, where a B-tree splits best.
CREATE INDEX messages_topic_inserted_at_id_idx
	ON realtime.messages (topic, inserted_at, id);

ALTER TABLE realtime.messages ENABLE ROW LEVEL SECURITY;
ALTER TABLE realtime.messages_default ENABLE ROW LEVEL SECURITY;

CREATE FUNCTION realtime.publish_message() RETURNS trigger
	LANGUAGE C VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'publish_message';
COMMENT ON FUNCTION realtime.publish_message() IS
	'trigger of realtime.messages: publishes an inserted row';

CREATE FUNCTION realtime.note_move() RETURNS trigger
	LANGUAGE C VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'note_move';
COMMENT ON FUNCTION realtime.note_move() IS
	'trigger of realtime.messages: an UPDATE that moves a row to another partition is no new message, and none changes xid or number';

-- Whoever could put these on a table of his own could publish to any topic.
REVOKE EXECUTE ON FUNCTION realtime.publish_message(), realtime.note_move() FROM PUBLIC;

CREATE TRIGGER messages_publish
	AFTER INSERT ON realtime.messages
	FOR EACH ROW EXECUTE FUNCTION realtime.publish_message();

CREATE TRIGGER messages_note_move
	BEFORE UPDATE OF inserted_at, xid, number ON realtime.messages
	FOR EACH ROW EXECUTE FUNCTION realtime.note_move();
