--
-- realtime.history(): newest first, page by page, by the index.
--
SET timezone = 'UTC';
TRUNCATE realtime.messages;
SET session_replication_role = replica;		-- nothing of this is news
-- three days, 50 topics, and moments that several messages share
INSERT INTO realtime.messages (topic, extension, event, payload, private, inserted_at)
SELECT 'room:' || n % 50, 'broadcast', 'ev', jsonb_build_object('n', n), n % 3 = 0,
	   now()::date + interval '36 hours' - (n / 200) * interval '10 minutes'
FROM generate_series(1, 60000) n;
INSERT INTO realtime.messages (topic, extension, inserted_at) VALUES ('room:7', 'presence', now());
RESET session_replication_role;
VACUUM ANALYZE realtime.messages;

SELECT count(*), min(topic), max(topic) FROM realtime.history('room:7');
SELECT count(*) FROM realtime.history('room:7', max_rows => 5000);
SELECT count(*) FROM realtime.history('nobody');
-- every row once, in order, whatever the size of the page
CREATE FUNCTION test.pages(topic text, page integer) RETURNS SETOF realtime.messages LANGUAGE plpgsql AS $$
DECLARE
	m realtime.messages;
	at timestamptz;
	at_id uuid;
	n integer;
BEGIN
	LOOP
		n := 0;
		FOR m IN SELECT * FROM realtime.history(topic, before => at, before_id => at_id, max_rows => page) LOOP
			n := n + 1;
			at := m.inserted_at;
			at_id := m.id;
			RETURN NEXT m;
		END LOOP;
		EXIT WHEN n < page;
	END LOOP;
END
$$;
SELECT page, count(*), count(DISTINCT id) AS ids,
	   bool_and(before IS NULL OR (p.inserted_at, p.id) < (before, before_id)) AS in_order
FROM (VALUES (1000), (7), (3)) v(page),
	 LATERAL (SELECT h.*, lag(inserted_at) OVER w AS before, lag(id) OVER w AS before_id
			  FROM test.pages('room:7', page) WITH ORDINALITY h WINDOW w AS (ORDER BY ordinality)) p
GROUP BY page ORDER BY page;
-- by time alone: before is exclusive, after as well
SELECT count(*), min(inserted_at) - now()::date AS first, max(inserted_at) - now()::date AS last
FROM realtime.history('room:7', now()::date + interval '2 hours', now()::date + interval '1 hour');
SELECT count(*) FROM realtime.history('room:7', NULL, NULL, NULL);
SELECT count(*) FROM realtime.history('room:7', now()::date, now()::date);

-- the plan of its query, for arguments unknown: nothing but the index
CREATE FUNCTION test.plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		RETURN NEXT test.mask(line);
	END LOOP;
END
$$;
SELECT proconfig,
	   regexp_replace(regexp_replace(regexp_replace(pg_get_function_sqlbody(oid),
			'^BEGIN ATOMIC\s*|;\s*END$', '', 'g'), '\mhistory\.', '', 'g'),
			'\m(?<!\.)(topic|before_id|before|after|max_rows)\M', ':\1', 'g') AS query
FROM pg_proc WHERE proname = 'history' AND pronamespace = 'realtime'::regnamespace \gset
SELECT :'proconfig' AS settings;
\set topic '$1'
\set before '$2'
\set after '$3'
\set max_rows '$4'
\set before_id '$5'
PREPARE body(text, timestamptz, timestamptz, integer, uuid) AS :query;
SET plan_cache_mode = force_generic_plan;
SET enable_sort = off;
\pset format unaligned
\pset tuples_only on
SELECT test.plan($$EXECUTE body('room:7', now()::date, '2001-01-01', 20, NULL)$$);
\pset format aligned
\pset tuples_only off
RESET enable_sort;
RESET plan_cache_mode;
DEALLOCATE body;

-- a page reads a page, not the topic, wherever it begins
CREATE FUNCTION test.rows_read(before timestamptz, OUT by_index bigint, OUT by_scan bigint) LANGUAGE plpgsql AS $$
DECLARE
	was record;
BEGIN
	SELECT sum(s.idx_tup_fetch) AS by_index, sum(s.seq_tup_read) AS by_scan INTO was
	FROM pg_stat_xact_all_tables s WHERE schemaname = 'realtime';
	PERFORM FROM realtime.history('room:7', before, max_rows => 20);
	SELECT sum(s.idx_tup_fetch) - was.by_index, sum(s.seq_tup_read) - was.by_scan INTO by_index, by_scan
	FROM pg_stat_xact_all_tables s WHERE schemaname = 'realtime';
END
$$;
SELECT n, by_index BETWEEN 20 AND 40 AS by_index, by_scan
FROM generate_series(1, 10) n, LATERAL test.rows_read(now()::date - n * interval '2 hours');

-- as a role that row-level security applies to: what it may read
SET ROLE authenticated;
SELECT count(*) FROM realtime.history('room:7');
RESET ROLE;
CREATE POLICY read_public ON realtime.messages FOR SELECT TO authenticated USING (NOT private);
SET ROLE authenticated;
SELECT count(*), bool_or(private) AS private FROM realtime.history('room:7', max_rows => 10000);
RESET ROLE;
DROP POLICY read_public ON realtime.messages;
TRUNCATE realtime.messages;
DROP FUNCTION test.pages;
