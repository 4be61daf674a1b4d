--
-- realtime.send() stores a row by itself or by a real INSERT, as the case may
-- be: rows and messages are the same.
--
SET timezone = 'UTC';
TRUNCATE realtime.messages;
CREATE ROLE realtime_sender;
GRANT USAGE ON SCHEMA realtime TO realtime_sender;
GRANT INSERT, SELECT ON realtime.messages TO realtime_sender;
CREATE POLICY everything ON realtime.messages TO realtime_sender USING (true) WITH CHECK (true);
SELECT pg_current_wal_insert_lsn() AS start \gset

-- A real INSERT is one that fires the trigger.
CREATE FUNCTION test.path() RETURNS text LANGUAGE sql AS $$
	SELECT CASE WHEN count(*) > 0 THEN 'INSERT' ELSE 'direct' END
	FROM pg_stat_xact_user_functions WHERE funcname = 'publish_message';
$$;
SET track_functions = 'all';

CREATE FUNCTION test.send_all(topic text) RETURNS void LANGUAGE sql AS $$
	SELECT realtime.send('{"n": 1, "s": "ü€😀\n\""}'::jsonb, 'ev', topic);
	SELECT realtime.send(topic, 'ev', '[1, {"a": null}]'::jsonb, false);
	SELECT realtime.send('{"id": 7}'::jsonb, 'ev', topic);
	SELECT realtime.send_binary('\x0001', 'ev', topic, false);
	SELECT realtime.send(topic, 'ev', jsonb_build_object('big', (SELECT jsonb_agg(md5(n::text)) FROM generate_series(1, 1000) n)));
$$;
CREATE FUNCTION test.send_all_path(topic text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM test.send_all(topic);
	RETURN test.path();
END
$$;
GRANT EXECUTE ON FUNCTION test.send_all TO realtime_sender;

-- directly, as the owner
SELECT test.send_all_path('direct');
-- for want of a plain table: another trigger, another default, another column
CREATE FUNCTION test.nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER other BEFORE INSERT ON realtime.messages FOR EACH ROW EXECUTE FUNCTION test.nothing();
SELECT test.send_all_path('trigger');
DROP TRIGGER other ON realtime.messages;
ALTER TABLE realtime.messages ALTER updated_at SET DEFAULT transaction_timestamp();
SELECT test.send_all_path('default');
ALTER TABLE realtime.messages ALTER updated_at SET DEFAULT now();
ALTER TABLE realtime.messages ADD COLUMN more integer;
SELECT test.send_all_path('column');
ALTER TABLE realtime.messages DROP COLUMN more;
-- the dropped column leaves a hole for good
SELECT test.send_all_path('hole');
-- for want of rights: row-level security
SET ROLE realtime_sender;
SELECT test.send_all_path('policy');
RESET ROLE;

-- for want of the right to all columns
REVOKE INSERT ON realtime.messages FROM realtime_sender;
GRANT INSERT (topic, extension, payload, event, private, id, binary_payload) ON realtime.messages TO realtime_sender;
ALTER TABLE realtime.messages DISABLE ROW LEVEL SECURITY;
SET ROLE realtime_sender;
SELECT test.send_all_path('columns');
RESET ROLE;
ALTER TABLE realtime.messages ENABLE ROW LEVEL SECURITY;

-- all alike, but for what must differ
SELECT topic, count(*) FROM realtime.messages GROUP BY topic ORDER BY topic COLLATE "C";
SELECT count(DISTINCT (extension, test.mask(payload::text), event, private, binary_payload, skip_broadcast, expires_at)) AS rows,
	   count(DISTINCT id) AS ids, bool_and(updated_at <= inserted_at AND inserted_at <= now()) AS times,
	   bool_and(payload ->> 'id' = id::text OR payload ->> 'id' = '7' OR jsonb_typeof(payload) = 'array' OR payload IS NULL) AS payload_ids
FROM realtime.messages;
SELECT count(*) AS messages, count(DISTINCT (r.event, r.flags, test.mask(encode(r.payload, 'escape')))) AS kinds,
	   count(*) FILTER (WHERE r.topic = m.topic AND r.event = m.event
						AND r.top_xid = m.xid::text::bigint AND r.inserted_at = m.inserted_at
						AND r.payload = coalesce(m.binary_payload, convert_to(m.payload::text, 'UTF8'))) AS like_rows
FROM test.published_raw(:'start') r JOIN realtime.messages m USING (id);
DROP POLICY everything ON realtime.messages;

-- a trigger's changes are what is stored and sent; a row it drops is neither
SELECT pg_current_wal_insert_lsn() AS start \gset
CREATE FUNCTION test.edit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.event = 'drop' THEN
		RETURN NULL;
	END IF;
	NEW.topic := upper(NEW.topic);
	RETURN NEW;
END
$$;
CREATE TRIGGER edit BEFORE INSERT ON realtime.messages FOR EACH ROW EXECUTE FUNCTION test.edit();
SELECT realtime.send('room', 'ev', '{"n": 1}');
SELECT realtime.send('room', 'drop', '{"n": 2}');
DROP TRIGGER edit ON realtime.messages;
SELECT * FROM test.published(:'start');
SELECT topic FROM realtime.messages WHERE topic ILIKE 'room';

-- a trigger that is disabled publishes nothing, for send() neither
SELECT pg_current_wal_insert_lsn() AS start \gset
ALTER TABLE realtime.messages DISABLE TRIGGER messages_publish;
SELECT realtime.send('quiet', 'ev', '{"n": 3}');
ALTER TABLE realtime.messages ENABLE TRIGGER messages_publish;
SELECT realtime.send('loud', 'ev', '{"n": 4}');
SELECT topic FROM realtime.messages WHERE topic IN ('quiet', 'loud') ORDER BY topic;
SELECT * FROM test.published(:'start');

-- changes of the table are seen at once, in the same session and transaction
SELECT pg_current_wal_insert_lsn() AS start \gset
BEGIN;
SELECT realtime.send('room', 'ev', '{"n": 5}');
ALTER TABLE realtime.messages ADD CONSTRAINT no_six CHECK (payload ->> 'n' <> '6') NOT VALID;
SELECT split_part(test.mask(test.failure($$SELECT realtime.send('room', 'ev', '{"n": 6}')$$)), E'\n', 1);
SELECT realtime.send('room', 'ev', '{"n": 7}');
ROLLBACK;
SELECT realtime.send('room', 'ev', '{"n": 6}');

-- an index that somebody adds is kept, a unique one is enforced
CREATE UNIQUE INDEX one_eight ON realtime.messages (inserted_at, id, (payload ->> 'n')) WHERE topic = 'room';
SELECT realtime.send('room', 'ev', '{"n": 8}');
SET enable_seqscan = off;
SELECT count(*) FROM realtime.messages WHERE topic = 'room' AND inserted_at > '2001-01-01' AND payload ->> 'n' = '8';
DROP INDEX realtime.one_eight;

-- leave the table as it was, without the hole
DROP OWNED BY realtime_sender;
DROP ROLE realtime_sender;
DROP EXTENSION realtime;
SET client_min_messages = error;
CREATE EXTENSION realtime;
RESET client_min_messages;
