--
-- realtime.maintain(): partitions ahead, old ones dropped, strays moved.
--
SET timezone = 'Pacific/Kiritimati';		-- days are UTC days wherever one is
TRUNCATE realtime.messages, realtime.commits;
-- nothing to do
SELECT * FROM realtime.maintain();

CREATE FUNCTION test.day(n integer) RETURNS timestamptz LANGUAGE sql
	RETURN (date_trunc('day', now() AT TIME ZONE 'UTC') + n * interval '1 day') AT TIME ZONE 'UTC';
CREATE FUNCTION test.partition(n integer) RETURNS text LANGUAGE sql
	RETURN 'messages_' || to_char(test.day(n) AT TIME ZONE 'UTC', 'YYYY_MM_DD');
-- what maintain() says, with days counted from today
CREATE FUNCTION test.maintain() RETURNS SETOF text LANGUAGE sql AS $$
	SELECT m.action || ' ' ||
		   coalesce((SELECT CASE WHEN m.partition ~ '^commits' THEN 'commits of ' ELSE '' END || 'day ' || n
					 FROM generate_series(-9, 9) n
					 WHERE m.partition IN (test.partition(n), replace(test.partition(n), 'messages', 'commits'))),
					m.partition)
	FROM realtime.maintain() m
$$;
CREATE FUNCTION test.drop_day(n integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('ALTER EXTENSION realtime DROP TABLE realtime.%I', test.partition(n));
	EXECUTE format('DROP TABLE realtime.%I', test.partition(n));
END
$$;
CREATE FUNCTION test.send_at(n integer, note text) RETURNS void LANGUAGE sql AS $$
	INSERT INTO realtime.messages (topic, extension, event, payload, inserted_at)
	VALUES (note, 'broadcast', 'ev', '{}', test.day(n) + interval '1 second'),
		   (note, 'broadcast', 'ev', '{}', test.day(n) + interval '23:59:59.999999')
$$;
-- where rows are
CREATE FUNCTION test.places(OUT topic text, OUT place text, OUT count bigint) RETURNS SETOF record LANGUAGE sql AS $$
	SELECT m.topic, CASE c.relname WHEN 'messages_default' THEN 'default' ELSE 'own partition' END, count(*)
	FROM realtime.messages m JOIN pg_class c ON c.oid = m.tableoid
	WHERE c.relname IN ('messages_default', 'messages_' || to_char(m.inserted_at AT TIME ZONE 'UTC', 'YYYY_MM_DD'))
	GROUP BY 1, 2 ORDER BY 1, 2
$$;

-- a lost partition comes back, and the rows that came meanwhile go into it; they are not published again
SELECT test.drop_day(2);
SELECT test.send_at(2, 'stray');
SELECT test.send_at(3, 'at home');
SELECT * FROM test.places();
SELECT pg_current_wal_insert_lsn() AS start \gset
SELECT test.maintain();
SELECT * FROM test.places();
SELECT count(*) AS published FROM test.published(:'start');

-- without today's partition sending goes on
SELECT test.drop_day(0);
SELECT pg_current_wal_insert_lsn() AS start \gset
SELECT realtime.send('today', 'ev', '{"n": 1}');
SELECT * FROM test.places() WHERE topic = 'today';
SELECT test.maintain();
SELECT realtime.send('today', 'ev', '{"n": 2}');
SELECT * FROM test.places() WHERE topic = 'today';
SELECT * FROM test.published(:'start');

-- a day that has too many of them stays where it is
SELECT test.drop_day(2);
SET session_replication_role = replica;
INSERT INTO realtime.messages (topic, extension, inserted_at)
SELECT 'many', 'presence', test.day(2) FROM generate_series(1, 10001);
RESET session_replication_role;
SELECT test.maintain();
SELECT test.maintain();
SELECT realtime.send('now', 'ev', '{}');
SELECT * FROM test.places();
DELETE FROM realtime.messages WHERE topic = 'many';
SELECT test.maintain();

-- new partitions are like the old ones, and members of the extension
SELECT c.relrowsecurity, pg_get_userbyid(c.relowner) = CURRENT_USER AS owner, c.relacl IS NULL AS no_grants,
	   (SELECT count(*) FROM pg_index WHERE indrelid = c.oid) AS indexes,
	   (SELECT string_agg(tgname, ', ' ORDER BY tgname) FROM pg_trigger WHERE tgrelid = c.oid) AS triggers,
	   (SELECT string_agg(conname, ', ' ORDER BY conname) FROM pg_constraint WHERE conrelid = c.oid AND contype = 'c') AS checks,
	   (SELECT count(*) FROM pg_depend WHERE objid = c.oid AND classid = 'pg_class'::regclass AND deptype = 'e') AS member
FROM pg_class c WHERE relname IN (test.partition(2), test.partition(3), 'messages_default');
SELECT test.send_at(2, 'new partition');
SELECT pg_current_wal_insert_lsn() AS start \gset
INSERT INTO realtime.messages (topic, extension, event, payload, inserted_at)
VALUES ('new partition', 'broadcast', 'ev', '{}', test.day(2));
SELECT topic FROM test.published(:'start');

-- old ones go, with their rows, and old rows of the DEFAULT partition
CREATE FUNCTION test.make_day(n integer) RETURNS text LANGUAGE sql AS $$
	SELECT realtime.make_partition('messages', (test.day(n) AT TIME ZONE 'UTC')::date)
$$;
SELECT n, test.make_day(n) FROM generate_series(-6, -2) n;
SELECT test.send_at(n, 'day ' || n) FROM generate_series(-8, -2) n;
SHOW realtime.retention;
SELECT test.maintain();
SELECT * FROM test.places() WHERE topic LIKE 'day %';
SELECT test.maintain();
SELECT realtime.drop_partition(('realtime.' || test.partition(n))::regclass) FROM generate_series(-3, -2) n;

-- realtime.commits goes by the same days
CREATE FUNCTION test.commit_at(n integer, at pg_lsn) RETURNS void LANGUAGE sql AS $$
	INSERT INTO realtime.commits (lsn, xid, messages, committed_at, restart_lsn, epoch, timeline)
	VALUES (at, '1000', 1, test.day(n) + interval '1 hour', at, 1, 1)
$$;
CREATE FUNCTION test.commit_places(OUT lsn pg_lsn, OUT day text, OUT place text) RETURNS SETOF record LANGUAGE sql AS $$
	SELECT c.lsn, 'day ' || (c.committed_at AT TIME ZONE 'UTC')::date - (now() AT TIME ZONE 'UTC')::date,
		   CASE p.relname WHEN 'commits_default' THEN 'default' ELSE 'own partition' END
	FROM realtime.commits c JOIN pg_class p ON p.oid = c.tableoid WHERE c.lsn > 'FFFFFFFF/0' ORDER BY c.lsn
$$;
SELECT realtime.drop_partition(replace('realtime.' || test.partition(2), 'messages', 'commits')::regclass);
SELECT test.commit_at(2, 'FFFFFFFF/2');
SELECT * FROM test.commit_places();
SELECT test.maintain();
SELECT * FROM test.commit_places();
SELECT c.relrowsecurity, c.relacl IS NULL AS no_grants, realtime.is_member(c.oid) AS member
FROM pg_class c WHERE c.relname = replace(test.partition(2), 'messages', 'commits');
-- old ones go, but never the newest row: the hub goes on from it
TRUNCATE realtime.commits;
SELECT n, realtime.make_partition('commits', (test.day(n) AT TIME ZONE 'UTC')::date) FROM generate_series(-7, -5) n;
SELECT test.commit_at(-8, 'FFFFFFFF/1'), test.commit_at(-7, 'FFFFFFFF/2'), test.commit_at(-6, 'FFFFFFFF/3'), test.commit_at(-5, 'FFFFFFFF/4');
UPDATE realtime.commits SET lsn = 'FFFFFFFF/5' WHERE lsn = 'FFFFFFFF/3';
SELECT test.maintain();
SELECT * FROM test.commit_places();
SELECT test.commit_at(-8, 'FFFFFFFF/6'), test.commit_at(-8, 'FFFFFFFF/5');
SELECT test.maintain();
SELECT * FROM test.commit_places();
SELECT test.commit_at(0, 'FFFFFFFF/7');
SELECT test.maintain();
SELECT * FROM test.commit_places();
SELECT realtime.make_partition('agents', current_date);	-- fails

-- what somebody else attached stays
CREATE TABLE test.archive (LIKE realtime.messages INCLUDING ALL);
ALTER TABLE realtime.messages ATTACH PARTITION test.archive FOR VALUES FROM ('2000-01-01+00') TO ('2001-01-01+00');
SELECT test.maintain();
SELECT count(*) FROM pg_inherits WHERE inhrelid = 'test.archive'::regclass;
DROP TABLE test.archive;

-- it runs with the rights of its caller
SET ROLE authenticated;
SELECT realtime.maintain();						-- fails
SELECT realtime.make_partition('messages', current_date);	-- fails
SELECT realtime.drop_partition('realtime.messages_default');	-- fails
RESET ROLE;

-- everything goes with the extension
BEGIN;
SET LOCAL client_min_messages = warning;
DROP EXTENSION realtime CASCADE;
SELECT count(*) FROM pg_class WHERE relnamespace = 'realtime'::regnamespace;
SELECT to_regrole('realtime_executor') IS NOT NULL AS but_for_the_role;
ROLLBACK;
TRUNCATE realtime.messages, realtime.commits;
