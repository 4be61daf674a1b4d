-- What became of messages on channels, and statistics over them: counts per
-- message, totals per channel and time, and that these follow whatever is done to
-- the table.  That they do so among concurrent transactions, 128_stats.pl shows.

SET timezone = 'UTC';
SELECT realtime.recount_messages();
DELETE FROM realtime.messages WHERE channel_id IS NOT NULL;
INSERT INTO realtime.channels (id, pattern) VALUES
	('00000000-0000-0000-0000-00000000000a', 'stats-a'),
	('00000000-0000-0000-0000-00000000000b', 'stats-b:%');

-- three days, 72 messages on each channel, one in three an "often"
CREATE FUNCTION test.at(hours numeric) RETURNS timestamptz LANGUAGE sql
	AS $$ SELECT date_trunc('day', now()) - interval '1 day' + hours * interval '1 hour' $$;
INSERT INTO realtime.messages (topic, extension, event, payload, channel_id, inserted_at, id, skip_broadcast)
SELECT 'stats-' || c, 'broadcast', CASE n % 3 WHEN 0 THEN 'often' ELSE 'event ' || n % 12 END, '{}',
	   ('00000000-0000-0000-0000-00000000000' || c)::uuid, test.at(n / 3.0),
	   ('00000000-0000-0000-000' || c || '-' || lpad(n::text, 12, '0'))::uuid, true
FROM generate_series(0, 71) n, unnest(ARRAY['a', 'b']) c;
INSERT INTO realtime.messages (topic, extension, event, payload, skip_broadcast)
VALUES ('stats-a', 'broadcast', 'not on a channel', '{}', true);

-- counts are sums
INSERT INTO realtime.message_audience (message_id, inserted_at, ws_audience, wh_audience, wh_delivered)
SELECT m.id, m.inserted_at, v.ws, v.audience, v.delivered
FROM realtime.messages m, (VALUES (3, 0, 0), (4, 2, 0), (0, 0, 1)) v(ws, audience, delivered)
WHERE m.channel_id IS NOT NULL AND m.event = 'event 1';
SELECT id, channel_id, channel_name, event_name, payload, type, sender_type, sender_id,
	   ws_audience_count, wh_audience_count, wh_delivered_count, created_at - test.at(0) AS created_after
FROM realtime.message_details WHERE created_at < test.at(1) ORDER BY created_at, id;

CREATE VIEW test.stats AS
	SELECT c.name, s.*
	FROM (VALUES ('all', NULL, NULL),
				 ('a', '00000000-0000-0000-0000-00000000000a'::uuid, NULL),
				 ('b since the middle of an hour', '00000000-0000-0000-0000-00000000000b', test.at(17.5)),
				 ('a since an hour', '00000000-0000-0000-0000-00000000000a', test.at(21)),
				 ('since then', NULL, test.at(23) + interval '20 minutes'),
				 ('right after it', NULL, test.at(23) + interval '20 minutes 1 microsecond'),
				 ('none', NULL, 'infinity'),
				 ('all again', NULL, '-infinity'),
				 ('no channel', '00000000-0000-0000-0000-00000000000c', NULL)) c(name, id, since),
		 LATERAL realtime.message_stats(c.id, c.since) s;
TABLE test.stats;
-- counted, it is the same; the server may be counting, too
CREATE TABLE test.before AS TABLE test.stats;
CREATE FUNCTION test.roll_up() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	PERFORM FROM realtime.rollup_position FOR UPDATE;
	RETURN realtime.roll_up();
END
$$;
SELECT test.roll_up();
SELECT count(*) AS rows, sum(messages) AS messages, sum(wh_audience) AS audience, sum(wh_delivered) AS delivered
FROM realtime.message_rollups;
TABLE test.stats EXCEPT TABLE test.before;

-- what is changed or deleted changes them at once, and only once
CREATE PROCEDURE test.same_when_counted() LANGUAGE plpgsql AS $$
BEGIN
	TRUNCATE test.before;
	INSERT INTO test.before TABLE test.stats;
	PERFORM test.roll_up();
	ASSERT NOT EXISTS (TABLE test.stats EXCEPT TABLE test.before);
	ASSERT (SELECT total_messages FROM test.stats WHERE name = 'all')
		= (SELECT count(*) FROM realtime.messages WHERE channel_id IS NOT NULL);
END
$$;
DELETE FROM realtime.messages WHERE channel_id IS NOT NULL AND event = 'event 1' AND inserted_at > test.at(12);
SELECT name, total_messages, wh_delivery_rate FROM test.stats;
CALL test.same_when_counted();
UPDATE realtime.messages SET event = 'rare' WHERE event = 'often' AND channel_id = '00000000-0000-0000-0000-00000000000a';
UPDATE realtime.messages SET channel_id = '00000000-0000-0000-0000-00000000000a' WHERE event = 'event 1';
SELECT name, total_messages, wh_delivery_rate, top_events -> 0 AS first FROM test.stats WHERE name IN ('a', 'all', 'b since the middle of an hour');
CALL test.same_when_counted();
-- to another day, and off any channel, and on it again
UPDATE realtime.messages SET inserted_at = inserted_at + interval '1 day' WHERE channel_id IS NOT NULL AND inserted_at < test.at(2);
UPDATE realtime.messages SET channel_id = NULL WHERE event = 'event 2';
SELECT name, total_messages FROM test.stats WHERE name IN ('a', 'all', 'since then');
CALL test.same_when_counted();
UPDATE realtime.messages SET channel_id = '00000000-0000-0000-0000-00000000000b' WHERE event = 'event 2';
SELECT name, total_messages FROM test.stats WHERE name IN ('a', 'all', 'since then');
CALL test.same_when_counted();
-- an update of nothing that matters is none
UPDATE realtime.messages SET payload = '{"n": 1}' WHERE channel_id IS NOT NULL;
SELECT count(*) FROM realtime.message_corrections;

-- in one partition, in the transaction that sends, and rolled back
SELECT format('DELETE FROM realtime.messages_%s WHERE event = %L', to_char(test.at(0), 'YYYY_MM_DD'), 'event 4') AS command \gset
:command;
BEGIN;
INSERT INTO realtime.messages (topic, extension, event, payload, channel_id, skip_broadcast)
SELECT 'stats-a', 'broadcast', 'new', '{}', '00000000-0000-0000-0000-00000000000a', true FROM generate_series(1, 100);
SELECT total_messages, top_events -> 0 AS first FROM realtime.message_stats();
SELECT test.roll_up();
SELECT total_messages, top_events -> 0 AS first FROM realtime.message_stats();
DELETE FROM realtime.messages WHERE event = 'new' AND number % 2 = 0;
SELECT total_messages, top_events -> 0 AS first FROM realtime.message_stats();
COMMIT;
CALL test.same_when_counted();
BEGIN;
DELETE FROM realtime.messages WHERE event = 'new';
SELECT total_messages FROM realtime.message_stats();
ROLLBACK;
SELECT total_messages FROM realtime.message_stats();
CALL test.same_when_counted();

-- events without a name, and with more of it than can be published
INSERT INTO realtime.messages (topic, extension, event, payload, channel_id, skip_broadcast)
SELECT 'stats-a', 'broadcast', e, '{}', '00000000-0000-0000-0000-00000000000a', true
FROM (VALUES (NULL), (repeat('é', 10000))) v(e), generate_series(1, 200);
SELECT length(e ->> 'eventName'), e -> 'count' AS count FROM realtime.message_stats() s, jsonb_array_elements(s.top_events) e LIMIT 2;
CALL test.same_when_counted();

-- a channel that is gone
DELETE FROM realtime.channels WHERE pattern = 'stats-a';
SELECT total_messages, top_events FROM realtime.message_stats('00000000-0000-0000-0000-00000000000a');
SELECT channel_name, channel_id, count(*) FROM realtime.message_details GROUP BY 1, 2 ORDER BY 1;

-- a partition that is dropped
SELECT realtime.drop_partition(format('realtime.messages_%s', to_char(test.at(0), 'YYYY_MM_DD'))::regclass);
SELECT total_messages = (SELECT count(*) FROM realtime.messages WHERE channel_id IS NOT NULL) AS right FROM realtime.message_stats();
CALL test.same_when_counted();
SELECT count(*) FROM realtime.message_rollups WHERE hour < test.at(24);

-- rows that wait for their partition are not deleted when it comes
INSERT INTO realtime.messages (topic, extension, event, payload, channel_id, inserted_at, skip_broadcast)
SELECT 'stats-b:1', 'broadcast', 'stray', '{}', '00000000-0000-0000-0000-00000000000b', test.at(n), true FROM generate_series(0, 23) n;
CALL test.same_when_counted();
SELECT realtime.make_partition('messages', test.at(0)::date);
SELECT count(*) FROM realtime.message_corrections;
CALL test.same_when_counted();
SELECT sum(messages) FROM realtime.message_rollups WHERE hour < test.at(24);

-- all gone
TRUNCATE realtime.messages;
TABLE test.stats;
SELECT test.roll_up();
SELECT count(*) FROM realtime.message_rollups;

-- not for everybody
CREATE ROLE reader;
GRANT USAGE ON SCHEMA realtime TO reader;
GRANT SELECT ON realtime.message_details TO reader;
SET ROLE reader;
SELECT test.failure('SELECT * FROM realtime.message_stats()');
SELECT test.failure('SELECT * FROM realtime.message_details');
SELECT test.failure('SELECT realtime.roll_up()');
RESET ROLE;
REVOKE ALL ON realtime.message_details FROM reader;
REVOKE ALL ON SCHEMA realtime FROM reader;
DROP ROLE reader;

DELETE FROM realtime.channels WHERE pattern LIKE 'stats-%';
