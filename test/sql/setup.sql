--
-- The extension, and what the other tests look at it with.
--
SET client_min_messages = error;
CREATE EXTENSION realtime;
CREATE EXTENSION pg_walinspect;
RESET client_min_messages;

CREATE SCHEMA test;

-- Identifiers and times differ from run to run.
CREATE FUNCTION test.mask(t text) RETURNS text
	LANGUAGE sql IMMUTABLE
	RETURN regexp_replace(regexp_replace(t,
		'[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}', '<uuid>', 'g'),
		'messages_\d{4}_\d\d_\d\d', 'messages_<day>', 'g');

CREATE FUNCTION test.little_endian(b bytea, at integer, bytes integer) RETURNS bigint
	LANGUAGE sql IMMUTABLE
	RETURN (SELECT sum(get_byte(b, at + n)::bigint << (8 * n)) FROM generate_series(0, bytes - 1) n);

-- What was published: the records of this extension in the WAL since a point,
-- as src/proto/wal_record.h describes them.
CREATE FUNCTION test.published_raw(since pg_lsn,
		OUT lsn pg_lsn, OUT version integer, OUT kind integer, OUT flags integer, OUT origin bigint,
		OUT inserted_at timestamptz, OUT id uuid, OUT top_xid bigint, OUT number bigint,
		OUT topic text, OUT event text, OUT payload bytea, OUT seal bytea)
	RETURNS SETOF record LANGUAGE sql
	AS $$
	SELECT r.start_lsn,
		   get_byte(b, 0), get_byte(b, 1), get_byte(b, 2), test.little_endian(b, 6, 2),
		   CASE test.little_endian(b, 12, 8) WHEN 9223372036854775807 THEN 'infinity'
		   ELSE '2000-01-01 00:00:00+00'::timestamptz + test.little_endian(b, 12, 8) * interval '1 microsecond' END,
		   encode(substr(b, 21, 16), 'hex')::uuid,
		   test.little_endian(b, 36, 8), test.little_endian(b, 44, 4),
		   convert_from(substr(b, head, topic_len), 'UTF8'),
		   convert_from(substr(b, head + topic_len, event_len), 'UTF8'),
		   substr(b, head + topic_len + event_len, payload_len),
		   substr(b, head + topic_len + event_len + payload_len)
	FROM pg_get_wal_records_info(since, pg_current_wal_flush_lsn()) r,
		 LATERAL (SELECT decode(replace(split_part(r.description, 'bytes): ', 2), ' ', ''), 'hex')) d(b),
		 -- 32 is the flag of a message with a sender
		 LATERAL (SELECT 49 + CASE WHEN get_byte(b, 2) & 32 <> 0 THEN 16 ELSE 0 END,
						 get_byte(b, 3), test.little_endian(b, 4, 2)::integer,
						 test.little_endian(b, 8, 4)::integer) l(head, event_len, topic_len, payload_len)
	WHERE r.resource_manager = 'LogicalMessage'
	  AND r.description LIKE 'transactional, prefix "realtime"%'
	ORDER BY r.start_lsn
	$$;

CREATE FUNCTION test.published(since pg_lsn,
		OUT topic text, OUT event text, OUT private boolean, OUT "binary" boolean, OUT payload text)
	RETURNS SETOF record LANGUAGE sql
	AS $$
	SELECT r.topic, r.event, r.flags & 1 <> 0, r.flags & 2 <> 0,
		   CASE WHEN r.flags & 2 <> 0 THEN encode(r.payload, 'hex')
		   ELSE test.mask(convert_from(r.payload, 'UTF8')) END
	FROM test.published_raw(since) r
	$$;

-- What a command fails with.
CREATE FUNCTION test.failure(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message text;
	detail text;
	hint text;
BEGIN
	EXECUTE command;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(E'\n', SQLSTATE || ': ' || message, nullif('DETAIL: ' || detail, 'DETAIL: '), nullif('HINT: ' || hint, 'HINT: '));
END
$$;

GRANT USAGE ON SCHEMA test TO PUBLIC;

-- the table
SELECT attname, format_type(atttypid, atttypmod) AS type, attnotnull AS not_null,
	   pg_get_expr(adbin, adrelid) AS "default"
FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE attrelid = 'realtime.messages'::regclass AND attnum > 0
ORDER BY attnum;
SELECT conname, pg_get_constraintdef(oid)
FROM pg_constraint WHERE conrelid = 'realtime.messages'::regclass AND contype <> 'n' ORDER BY conname;
SELECT indexrelid::regclass, pg_get_indexdef(indexrelid)
FROM pg_index WHERE indrelid = 'realtime.messages'::regclass ORDER BY 1;
SELECT pg_get_partkeydef('realtime.messages'::regclass), relrowsecurity, relforcerowsecurity
FROM pg_class WHERE oid = 'realtime.messages'::regclass;
SELECT count(*) FROM pg_policy WHERE polrelid = 'realtime.messages'::regclass;

SET timezone = 'UTC';
-- partitions: yesterday to three days ahead, and DEFAULT
SELECT c.relname = 'messages_' || to_char(now() AT TIME ZONE 'UTC' + (n - 2) * interval '1 day', 'YYYY_MM_DD') AS named_so,
	   pg_get_expr(c.relpartbound, c.oid) ~ '^FOR VALUES FROM \(.* 00:00:00.*\) TO \(.* 00:00:00.*\)$' AS a_day
FROM (SELECT c.*, row_number() OVER (ORDER BY relname) AS n
	  FROM pg_inherits i JOIN pg_class c ON c.oid = inhrelid
	  WHERE inhparent = 'realtime.messages'::regclass AND relname <> 'messages_default') c;
SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE oid = 'realtime.messages_default'::regclass;

-- identifiers: version 7, in order, the clock's time in front
SELECT count(DISTINCT id), bool_and(substr(id::text, 15, 1) = '7') AS version_7,
	   bool_and(substr(id::text, 20, 1) IN ('8', '9', 'a', 'b')) AS variant,
	   bool_and(id > before OR before IS NULL) AS in_order,
	   bool_and(abs(extract(epoch FROM clock_timestamp()) * 1000 -
			('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint) < 60000) AS recent
FROM (SELECT id, lag(id) OVER (ORDER BY n) AS before
	  FROM (SELECT n, realtime.uuid_v7() AS id FROM generate_series(1, 10000) n) i) o;
