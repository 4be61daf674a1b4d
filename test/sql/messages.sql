--
-- Every inserted row is published, whatever inserted it; nothing else is.
--
SET timezone = 'UTC';
TRUNCATE realtime.messages;
SELECT pg_current_wal_insert_lsn() AS start \gset

INSERT INTO realtime.messages (topic, extension, event, payload, private)
VALUES ('insert', 'broadcast', 'ev', '{"n": 1}', true),
	   ('insert', 'broadcast', 'ev', '[2]', false),
	   ('insert', 'broadcast', 'ev', '"three"', false),
	   ('insert', 'broadcast', 'ev', 'null', false);
INSERT INTO realtime.messages (topic, extension, event, binary_payload)
VALUES ('insert', 'broadcast', 'ev', '\x0005');
INSERT INTO realtime.messages (topic, extension, event, payload)
SELECT 'select', 'broadcast', 'ev', jsonb_build_object('n', n) FROM generate_series(6, 8) n;
COPY realtime.messages (topic, extension, event, payload) FROM stdin;
copy	broadcast	ev	{"n": 9}
copy	broadcast	ev	{"n": 10}
\.
-- not these: another extension, silenced, rolled back
INSERT INTO realtime.messages (topic, extension) VALUES ('presence', 'presence');
INSERT INTO realtime.messages (topic, extension, event, payload, skip_broadcast)
VALUES ('silent', 'broadcast', 'ev', '{}', true);
-- a row is published once, whether it is wanted twice or not
INSERT INTO realtime.messages (id, inserted_at, topic, extension, event, payload)
VALUES ('01900000-0000-7000-8000-000000000001', now()::date, 'conflict', 'broadcast', 'ev', '{"n": 11}');
INSERT INTO realtime.messages (id, inserted_at, topic, extension, event, payload)
VALUES ('01900000-0000-7000-8000-000000000001', now()::date, 'conflict', 'broadcast', 'ev', '{}')
ON CONFLICT DO NOTHING;
INSERT INTO realtime.messages (id, inserted_at, topic, extension, event, payload)
VALUES ('01900000-0000-7000-8000-000000000001', now()::date, 'conflict', 'broadcast', 'ev', '{}')
ON CONFLICT (id, inserted_at) DO UPDATE SET event = 'updated';
MERGE INTO realtime.messages m
USING (VALUES ('01900000-0000-7000-8000-000000000001'::uuid), ('01900000-0000-7000-8000-000000000002')) v(id)
ON m.id = v.id
WHEN MATCHED THEN UPDATE SET event = 'merged'
WHEN NOT MATCHED THEN INSERT (id, topic, extension, event, payload) VALUES (v.id, 'merge', 'broadcast', 'ev', '{"n": 12}');
-- a toasted payload comes whole
INSERT INTO realtime.messages (topic, extension, event, payload)
SELECT 'toast', 'broadcast', 'ev', jsonb_agg(md5(n::text)) FROM generate_series(1, 2000) n;
-- into a day that has no partition
INSERT INTO realtime.messages (topic, extension, event, payload, inserted_at)
VALUES ('2001', 'broadcast', 'ev', '{"n": 14}', '2001-01-01'),
	   ('infinity', 'broadcast', 'ev', '{"n": 15}', 'infinity');
SELECT topic, event, private, "binary", left(payload, 30) AS payload FROM test.published(:'start');
SELECT topic, inserted_at FROM realtime.messages_default ORDER BY topic;
SELECT r.payload = convert_to(m.payload::text, 'UTF8') AS whole, length(r.payload)
FROM test.published_raw(:'start') r JOIN realtime.messages m USING (id) WHERE m.topic = 'toast';

-- UPDATE and DELETE publish nothing, not even where a row changes its partition
SELECT pg_current_wal_insert_lsn() AS start \gset
UPDATE realtime.messages SET event = 'changed', payload = '{"changed": true}', binary_payload = NULL;
UPDATE realtime.messages SET topic = 'moved', inserted_at = inserted_at + interval '1 day' WHERE topic = 'insert';
UPDATE realtime.messages SET inserted_at = '2001-01-02' WHERE topic = 'select';
UPDATE realtime.messages SET inserted_at = now(), id = realtime.uuid_v7() WHERE topic = '2001';
SELECT topic, tableoid = 'realtime.messages_default'::regclass AS in_default, count(*)
FROM realtime.messages WHERE topic IN ('moved', 'select', '2001') GROUP BY 1, 2 ORDER BY 1, 2;
-- ... but what the same transaction inserts beside is
BEGIN;
UPDATE realtime.messages SET inserted_at = inserted_at - interval '1 day' WHERE topic = 'moved';
INSERT INTO realtime.messages (topic, extension, event, payload) VALUES ('beside', 'broadcast', 'ev', '{"n": 16}');
COMMIT;
INSERT INTO realtime.messages (topic, extension, event, payload) VALUES ('after', 'broadcast', 'ev', '{"n": 17}');
DELETE FROM realtime.messages WHERE topic <> 'copy';
TRUNCATE realtime.messages;
SELECT * FROM test.published(:'start');

-- exactly the surviving rows, with their transaction
SELECT pg_current_wal_insert_lsn() AS start \gset
BEGIN;
INSERT INTO realtime.messages (topic, extension, event, payload) VALUES ('kept', 'broadcast', 'ev', '{"n": 1}');
SAVEPOINT a;
INSERT INTO realtime.messages (topic, extension, event, payload) VALUES ('gone', 'broadcast', 'ev', '{"n": 2}');
ROLLBACK TO a;
SAVEPOINT b;
INSERT INTO realtime.messages (topic, extension, event, payload) VALUES ('kept', 'broadcast', 'ev', '{"n": 3}');
RELEASE b;
COMMIT;
SELECT count(DISTINCT xid) AS transactions, count(*) FROM realtime.messages;
SELECT count(DISTINCT top_xid) AS transactions, count(*), bool_and(top_xid = (SELECT max(xid::text::bigint) FROM realtime.messages)) AS its
FROM test.published_raw(:'start');

-- nobody says that another transaction sent it, whatever the row is
\pset format unaligned
\pset tuples_only on
BEGIN;
SELECT pg_current_xact_id() AS xid \gset
INSERT INTO realtime.messages (topic, extension, event, payload, xid) VALUES ('own xid', 'broadcast', 'ev', '{}', :'xid');
SAVEPOINT a;
INSERT INTO realtime.messages (topic, extension, event, payload, xid) VALUES ('own xid', 'broadcast', 'ev', '{}', :'xid');
COMMIT;
SELECT test.failure(format('INSERT INTO realtime.messages (topic, extension, event, payload, xid) VALUES (''room'', ''broadcast'', ''ev'', ''{}'', %L)', :'xid'));
SELECT test.failure($$INSERT INTO realtime.messages (topic, extension, xid) VALUES ('room', 'presence', '3')$$);
SELECT test.failure($$INSERT INTO realtime.messages (topic, extension, event, payload, skip_broadcast, xid) VALUES ('room', 'broadcast', 'ev', '{}', true, '3')$$);
SELECT test.failure($$UPDATE realtime.messages SET xid = '3'$$);
SELECT test.failure($$UPDATE realtime.messages SET xid = pg_current_xact_id()$$);
SELECT test.failure($$UPDATE realtime.messages SET xid = '3', inserted_at = '2001-01-01'$$);
SELECT test.failure(format('INSERT INTO realtime.messages (topic, extension, payload, event, inserted_at, id, xid, number) SELECT m.topic, m.extension, m.payload, m.event, m.inserted_at, m.id, m.xid, m.number FROM realtime.messages m WHERE xid = %L LIMIT 1 ON CONFLICT (id, inserted_at) DO UPDATE SET xid = pg_current_xact_id()', :'xid'));
\pset format aligned
\pset tuples_only off
-- a row keeps its own when it moves
UPDATE realtime.messages SET xid = xid, inserted_at = '2001-01-01' WHERE topic = 'own xid';
SELECT count(*), bool_and(xid = :'xid') AS its_own FROM realtime.messages WHERE topic = 'own xid';

-- number counts the messages of a transaction, and is in the WAL as well
SELECT pg_current_wal_insert_lsn() AS numbered \gset
BEGIN;
INSERT INTO realtime.messages (topic, extension, event, payload) VALUES ('number', 'broadcast', 'a', '{}'), ('number', 'broadcast', 'b', '{}');
SAVEPOINT s;
SELECT realtime.send('{}', 'rolled back', 'number', false);
ROLLBACK TO s;
SELECT realtime.send('{}', 'c', 'number', false);
COMMIT;
SELECT realtime.send('{}', 'd', 'number', false);
SELECT m.event, m.number, r.number = m.number AS in_the_wal
FROM realtime.messages m JOIN test.published_raw(:'numbered') r USING (id) WHERE m.topic = 'number' ORDER BY m.xid::text::bigint, m.number;
SELECT test.failure($$INSERT INTO realtime.messages (topic, extension, event, payload, number) VALUES ('number', 'broadcast', 'ev', '{}', 1)$$);
SELECT test.failure($$INSERT INTO realtime.messages (topic, extension, event, payload, number) VALUES ('number', 'broadcast', 'ev', '{}', realtime.message_number() + 1)$$);
SELECT test.failure($$UPDATE realtime.messages SET number = number + 1 WHERE topic = 'number'$$);
DELETE FROM realtime.messages WHERE topic = 'number';
-- ... and what an UPDATE that failed left behind is of no use for another one
BEGIN;
INSERT INTO realtime.messages (id, topic, extension, event, payload, inserted_at)
VALUES ('01900000-0000-7000-8000-000000000001', 'own xid', 'broadcast', 'ev', '{}', '2001-01-01');
SAVEPOINT a;
UPDATE realtime.messages SET inserted_at = '2001-01-02' WHERE id = '01900000-0000-7000-8000-000000000001';
ROLLBACK TO a;
INSERT INTO realtime.messages (id, topic, extension, event, payload, inserted_at, xid)
VALUES ('01900000-0000-7000-8000-000000000001', 'own xid', 'broadcast', 'ev', '{}', '2001-01-02', '3');	-- fails
ROLLBACK;

-- a row that can be no message is an error
CREATE FUNCTION test.insert_failure(columns text, vals text) RETURNS text LANGUAGE sql AS $$
	SELECT test.failure(format('INSERT INTO realtime.messages (extension, %s) VALUES (''broadcast'', %s)', columns, vals))
$$;
\pset format unaligned
\pset tuples_only on
SELECT pg_current_wal_insert_lsn() AS start \gset
SELECT test.insert_failure('topic', $$'room'$$);
SELECT test.insert_failure('topic, event', $$'room', 'ev'$$);
SELECT test.insert_failure('topic, payload', $$'room', '{}'$$);
SELECT test.insert_failure('topic, event, payload, private', $$'room', 'ev', '{}', NULL$$);
SELECT test.insert_failure('topic, event, payload', $$'', 'ev', '{}'$$);
SELECT test.insert_failure('topic, event, payload', $$'room', '', '{}'$$);
SELECT test.insert_failure('topic, event, payload', $$repeat('x', 247), 'ev', '{}'$$);
SELECT test.insert_failure('topic, event, payload', $$'room', repeat('x', 256), '{}'$$);
SELECT test.insert_failure('topic, event, payload', $$'room', 'ev', jsonb_build_array(repeat('x', 3000 * 1024))$$);
SELECT test.mask(split_part(test.insert_failure('topic, event, payload, binary_payload', $$'room', 'ev', '{}', '\x00'$$), E'\n', 1));
SELECT count(*) FROM test.published(:'start');
-- ... or with realtime.on_error = 'warning' a row that is kept and not published
SET realtime.on_error = 'warning';
INSERT INTO realtime.messages (topic, extension, event, payload)
VALUES ('warning', 'broadcast', NULL, '{}'), ('warning', 'broadcast', 'ev', '{"n": 1}');
RESET realtime.on_error;
SELECT count(*) FROM realtime.messages WHERE topic = 'warning';
SELECT * FROM test.published(:'start');
-- replicated rows are not published twice
SET session_replication_role = replica;
INSERT INTO realtime.messages (topic, extension, event, payload) VALUES ('replica', 'broadcast', 'ev', '{}');
SELECT realtime.send('replica', 'ev', '{}');
RESET session_replication_role;
SELECT count(*) FROM realtime.messages WHERE topic = 'replica';
SELECT topic FROM test.published(:'start');
\pset format aligned
\pset tuples_only off

-- the trigger functions are of no use elsewhere
CREATE TABLE test.fake (LIKE realtime.messages);
CREATE TRIGGER fake BEFORE INSERT ON test.fake FOR EACH ROW EXECUTE FUNCTION realtime.publish_message();
INSERT INTO test.fake (topic, extension, updated_at, inserted_at, id, skip_broadcast, xid)
VALUES ('room', 'broadcast', now(), now(), realtime.uuid_v7(), false, '1');	-- fails
DROP TABLE test.fake;
SELECT realtime.publish_message();				-- fails
SET ROLE authenticated;
CREATE TEMP TABLE fake (topic text);
CREATE TRIGGER fake AFTER INSERT ON fake FOR EACH ROW EXECUTE FUNCTION realtime.publish_message();	-- fails
RESET ROLE;
DROP TABLE fake;
