--
-- Sending.  All of it runs with the rights of the caller, who needs INSERT on
-- realtime.messages and, under row-level security, a policy that lets him.
--

CREATE FUNCTION realtime.send(payload jsonb, event text, topic text, private boolean DEFAULT true)
	RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'send_payload_first';
COMMENT ON FUNCTION realtime.send(jsonb, text, text, boolean) IS
	'send a message to a topic when this transaction commits';

CREATE FUNCTION realtime.send(topic_name text, event_name text, payload jsonb, private boolean DEFAULT true)
	RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'send_topic_first';
COMMENT ON FUNCTION realtime.send(text, text, jsonb, boolean) IS
	'send a message to a topic when this transaction commits';

-- For calls with untyped literals: the JSON among the first and third is the
-- payload.  Without names, so that named arguments never mean this one.
CREATE FUNCTION realtime.send(text, text, text, private boolean DEFAULT true)
	RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'send_texts';
COMMENT ON FUNCTION realtime.send(text, text, text, boolean) IS
	'send a message to a topic when this transaction commits';

CREATE FUNCTION realtime.send_binary(payload bytea, event text, topic text, private boolean DEFAULT true)
	RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'send_binary';
COMMENT ON FUNCTION realtime.send_binary(bytea, text, text, boolean) IS
	'send bytes to a topic when this transaction commits';

CREATE FUNCTION realtime.broadcast_changes(
		topic_name text, event_name text, operation text,
		table_name text, table_schema text,
		new record, old record, level text DEFAULT 'ROW')
	RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'broadcast_changes';
COMMENT ON FUNCTION realtime.broadcast_changes(text, text, text, text, text, record, record, text) IS
	'from a row trigger, send what changed to a private channel';

CREATE FUNCTION realtime.topic() RETURNS text
	LANGUAGE C STABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'realtime_topic';
COMMENT ON FUNCTION realtime.topic() IS
	'topic that is being authorised or was sent to, for use in policies';
