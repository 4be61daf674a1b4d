--
-- realtime.send() in every spelling, its errors, and what it leaves behind.
--
SET timezone = 'UTC';
TRUNCATE realtime.messages;
SELECT pg_current_wal_insert_lsn() AS start \gset
-- the results are void
\o /dev/null

-- typed arguments, upstream's order
SELECT realtime.send('{"n": 1}'::jsonb, 'ev', 'room', false);
SELECT realtime.send('{"n": 2}'::jsonb, 'ev', 'room');
SELECT realtime.send('{"n": 3}'::jsonb, 'ev'::text, 'room'::text, true);
SELECT realtime.send(jsonb_build_object('n', 4), 'ev'::varchar, 'room'::name, false);
-- typed arguments, topic first
SELECT realtime.send('room', 'ev', '{"n": 5}'::jsonb, false);
SELECT realtime.send('room', 'ev', '{"n": 6}'::jsonb);
SELECT realtime.send('room'::text, 'ev'::text, '{"n": 7}'::jsonb, true);
SELECT realtime.send('room:' || 1::text, 'ev'::name, jsonb_build_object('n', 8), false);
-- named arguments
SELECT realtime.send(payload => '{"n": 9}', event => 'ev', topic => 'room', private => false);
SELECT realtime.send(topic => 'room', event => 'ev', payload => '{"n": 10}');
SELECT realtime.send(topic_name => 'room', event_name => 'ev', payload => '{"n": 11}', private => false);
SELECT realtime.send(payload => '{"n": 12}', topic_name => 'room', event_name => 'ev');
SELECT realtime.send('{"n": 13}', event => 'ev', topic => 'room');
SELECT realtime.send('room', event_name => 'ev', payload => '{"n": 14}');
-- untyped literals, both orders
SELECT realtime.send('{"n": 15}', 'ev', 'room', false);
SELECT realtime.send('{"n": 16}', 'ev', 'room');
SELECT realtime.send('room', 'ev', '{"n": 17}', false);
SELECT realtime.send('room', 'ev', '{"n": 18}');
SELECT realtime.send('room', 'ev', '{"n": 19}', private => false);
SELECT realtime.send('{"n": 20}', 'ev', 'room', private => 'off');
-- half of them typed
SELECT realtime.send('room'::text, 'ev', '{"n": 21}');
SELECT realtime.send('{"n": 22}', 'ev', 'room'::text);
SELECT realtime.send('{"n": 23}'::text, 'ev', 'room');
-- arrays, white space, and topics that start like JSON
SELECT realtime.send('[24]', 'ev', 'room');
SELECT realtime.send('room', 'ev', E' \n\t[25]');
SELECT realtime.send('[draft] room', 'ev', '{"n": 26}');
SELECT realtime.send('{"n": 27}', 'ev', '{room}');
-- an id of its own is kept; the row has another one
SELECT realtime.send('{"n": 28, "id": "mine"}'::jsonb, 'ev', 'room');
SELECT realtime.send('{"n": 29, "id": null}'::jsonb, 'ev', 'room');
SELECT realtime.send('{"n": {"id": 30}}'::jsonb, 'ev', 'room');
SELECT realtime.send('{}', 'ev', 'room');
-- bytes
SELECT realtime.send_binary('\x00ff31', 'ev', 'room', false);
SELECT realtime.send_binary('\x32', 'ev', 'room');
SELECT realtime.send_binary(payload => '\x', event => 'ev', topic => 'room', private => true);
-- prepared statements and parameters
PREPARE s(jsonb, text, text, boolean) AS SELECT realtime.send($1, $2, $3, $4);
EXECUTE s('{"n": 33}', 'ev', 'room', false);
PREPARE t AS SELECT realtime.send($1, $2, $3);
EXECUTE t('room', 'ev', '{"n": 34}');
DEALLOCATE ALL;

\o
SELECT * FROM test.published(:'start');
-- the rows are the messages
SELECT count(*) AS rows,
	   count(*) FILTER (WHERE (r.topic, r.event, r.flags & 1 <> 0, r.top_xid, r.number, r.inserted_at, r.version, r.kind, r.origin, length(r.seal))
						 = (m.topic, m.event, m.private, m.xid::text::bigint, m.number, m.inserted_at, 3, 1, 0, 32)) AS like_messages,
	   count(*) FILTER (WHERE r.payload = convert_to(m.payload::text, 'UTF8')) AS json,
	   count(*) FILTER (WHERE r.payload = m.binary_payload) AS bytes,
	   count(*) FILTER (WHERE m.payload ->> 'id' = m.id::text) AS with_id
FROM realtime.messages m JOIN test.published_raw(:'start') r USING (id);
SELECT DISTINCT extension, skip_broadcast, expires_at, updated_at <= inserted_at AS times_are_sane,
	   tableoid = ('realtime.messages_' || to_char(inserted_at, 'YYYY_MM_DD'))::regclass AS in_partition
FROM realtime.messages;

--
-- Errors: none of these leaves anything behind.
--
SELECT pg_current_wal_insert_lsn() AS start \gset
SELECT count(*) AS before FROM realtime.messages \gset
\pset format unaligned
\pset tuples_only on
SELECT test.failure($$SELECT realtime.send(NULL::jsonb, 'ev', 'room')$$);
SELECT test.failure($$SELECT realtime.send('{}'::jsonb, NULL, 'room')$$);
SELECT test.failure($$SELECT realtime.send('{}'::jsonb, 'ev', NULL)$$);
SELECT test.failure($$SELECT realtime.send('{}'::jsonb, 'ev', 'room', NULL)$$);
SELECT test.failure($$SELECT realtime.send(NULL, 'ev', '{}'::jsonb)$$);
SELECT test.failure($$SELECT realtime.send(NULL, NULL, NULL)$$);
SELECT test.failure($$SELECT realtime.send('room', 'ev', NULL)$$);
SELECT test.failure($$SELECT realtime.send(NULL, 'ev', '{}')$$);
SELECT test.failure($$SELECT realtime.send('{}', 'ev', NULL)$$);
SELECT test.failure($$SELECT realtime.send('', 'ev', '{}')$$);
SELECT test.failure($$SELECT realtime.send('room', '', '{}')$$);
SELECT test.failure($$SELECT realtime.send(repeat('x', 246), 'ev', '{}'::jsonb)$$);
SELECT test.failure($$SELECT realtime.send(repeat('x', 247), 'ev', '{}'::jsonb)$$);
SELECT test.failure($$SELECT realtime.send(repeat('ü', 124), 'ev', '{}'::jsonb)$$);
SELECT test.failure($$SELECT realtime.send('room', repeat('x', 255), '{}'::jsonb)$$);
SELECT test.failure($$SELECT realtime.send('room', repeat('x', 256), '{}'::jsonb)$$);
SELECT test.failure($$SELECT realtime.send('room', repeat('x', 10000000), '{}'::jsonb)$$);
SELECT test.failure($$SELECT realtime.send('1'::jsonb, 'ev', 'room')$$);
SELECT test.failure($$SELECT realtime.send('null'::jsonb, 'ev', 'room')$$);
SELECT test.failure($$SELECT realtime.send('"text"'::jsonb, 'ev', 'room')$$);
SELECT test.failure($$SELECT realtime.send('room', 'ev', 'other room')$$);
SELECT test.failure($$SELECT realtime.send('{}', 'ev', '[]')$$);
SELECT test.failure($$SELECT realtime.send('{room}', 'ev', '[other room]')$$);
SELECT test.failure($$SELECT realtime.send('room', 'ev', '{"n": }')$$);
SELECT test.failure($$SELECT realtime.send(payload => '1', event => 'ev', topic => 'room')$$);
SELECT test.failure($$SELECT realtime.send_binary(NULL, 'ev', 'room')$$);
SET realtime.max_message_size = '1kB';
SELECT test.failure($$SELECT realtime.send_binary(convert_to(repeat('x', 1024), 'UTF8'), 'ev', 'room')$$);
SELECT test.failure($$SELECT realtime.send_binary(convert_to(repeat('x', 1025), 'UTF8'), 'ev', 'room')$$);
SELECT test.failure($$SELECT realtime.send(jsonb_build_array(repeat('x', 1020)), 'ev', 'room')$$);
SELECT test.failure($$SELECT realtime.send(jsonb_build_array(repeat('x', 1021)), 'ev', 'room')$$);
RESET realtime.max_message_size;
SELECT test.failure($$SELECT realtime.send('room', 'ev', jsonb_build_array(repeat('x', 50000000)))$$);
SELECT test.failure($$SELECT realtime.send('room', 'ev', '{}', 'maybe')$$);
BEGIN READ ONLY;
SELECT test.failure($$SELECT realtime.send('room', 'ev', '{}')$$);
COMMIT;
-- in a parallel worker, where a function's author lied about it
CREATE FUNCTION test.liar(n integer) RETURNS integer LANGUAGE plpgsql PARALLEL SAFE COST 10000 AS $$
BEGIN
	PERFORM realtime.send('room', 'ev', '{}');
	RETURN n;
END
$$;
CREATE TABLE test.numbers AS SELECT n FROM generate_series(1, 1000) n;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET parallel_leader_participation = off;
SELECT test.failure($$SELECT count(*) FROM test.numbers WHERE test.liar(n) > 0$$);
RESET ALL;
SET timezone = 'UTC';
DROP TABLE test.numbers;
\pset format aligned
\pset tuples_only off
-- four of them were at the limit, not beyond
SELECT length(topic), length(event), length(payload) FROM test.published(:'start');
SELECT count(*) - :before AS rows FROM realtime.messages;

--
-- realtime.on_error = 'warning': upstream's way
--
SELECT pg_current_wal_insert_lsn() AS start \gset
SET realtime.on_error = 'warning';
BEGIN;
SELECT realtime.send('room', 'ev', '{"n": 1}');
SELECT realtime.send(NULL::jsonb, 'ev', 'room');
SELECT realtime.send('1'::jsonb, 'ev', 'room');
SELECT realtime.send('{}'::jsonb, 'ev', repeat('x', 247));
SELECT realtime.topic();
SELECT realtime.send('room', 'ev', '{"n": 2}');
COMMIT;
BEGIN READ ONLY;
SELECT realtime.send('room', 'ev', '{"n": 3}');
COMMIT;
RESET realtime.on_error;
SELECT * FROM test.published(:'start');

--
-- realtime.topic() holds the last topic for the rest of the transaction.
--
SELECT realtime.topic() IS NULL AS none;
BEGIN;
SELECT realtime.send('room:1', 'ev', '{}');
SELECT realtime.topic();
SAVEPOINT a;
SELECT realtime.send('room:2', 'ev', '{}');
SELECT realtime.topic();
ROLLBACK TO a;
SELECT realtime.topic();
COMMIT;
SELECT realtime.topic() IS NULL AS none;
SET realtime.topic = 'session';
BEGIN;
SELECT realtime.send('session', 'ev', '{}');
SELECT realtime.send('other', 'ev', '{}');
SELECT realtime.topic();
COMMIT;
SELECT realtime.topic();
RESET realtime.topic;

--
-- A row is there for the next statement of the same function.
--
DO $$
BEGIN
	PERFORM realtime.send('seen', 'ev', '{}');
	ASSERT (SELECT count(*) FROM realtime.messages WHERE topic = 'seen') = 1;
	PERFORM realtime.send('seen', 'ev', '{}') FROM generate_series(1, 1000);
	ASSERT (SELECT count(*) FROM realtime.messages WHERE topic = 'seen') = 1001;
END
$$;
-- rolled back with its savepoint, error, or transaction
SELECT count(*) AS before FROM realtime.messages \gset
DO $$
BEGIN
	PERFORM realtime.send('gone', 'ev', '{}');
	RAISE division_by_zero;
EXCEPTION WHEN division_by_zero THEN
	PERFORM realtime.send('kept', 'ev', '{}');
END
$$;
SELECT topic FROM realtime.messages WHERE topic IN ('gone', 'kept');
