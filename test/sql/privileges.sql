--
-- Who may do what.
--
-- tables
CREATE TABLE test.roles (name text PRIMARY KEY);
INSERT INTO test.roles VALUES
	('anon'), ('authenticated'), ('service_role'), ('realtime_executor'), ('pg_monitor'), ('realtime_mallory');
SELECT r.name AS role, regexp_replace(c.relname, '\d{4}_\d\d_\d\d$', '<day>') AS relation,
	   string_agg(DISTINCT p.privilege, ', ' ORDER BY p.privilege) AS privileges
FROM test.roles r, pg_class c,
	 (VALUES ('SELECT'), ('INSERT'), ('UPDATE'), ('DELETE'), ('TRUNCATE'), ('REFERENCES'), ('TRIGGER')) p(privilege)
WHERE c.relnamespace = 'realtime'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND has_table_privilege(r.name, c.oid, p.privilege)
GROUP BY 1, 2 ORDER BY 1, 2;
SELECT r.name AS role, a.attrelid::regclass, string_agg(a.attname, ', ' ORDER BY a.attnum) AS columns
FROM test.roles r, pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.relnamespace = 'realtime'::regnamespace AND a.attacl IS NOT NULL
  AND has_column_privilege(r.name, a.attrelid, a.attnum, 'SELECT')
GROUP BY 1, 2 ORDER BY 1;
SELECT count(*) AS sequences FROM pg_class WHERE relnamespace = 'realtime'::regnamespace AND relkind = 'S';
SELECT count(*) AS with_owners_among_clients FROM pg_class
WHERE relnamespace = 'realtime'::regnamespace AND relowner <> (SELECT oid FROM pg_roles WHERE rolname = CURRENT_USER);
-- the schema
SELECT r.name AS role, has_schema_privilege(r.name, 'realtime', 'USAGE') AS usage,
	   has_schema_privilege(r.name, 'realtime', 'CREATE') AS "create"
FROM test.roles r ORDER BY 1;
-- memberships
SELECT r.name AS member_of FROM test.roles r
WHERE r.name <> 'realtime_executor' AND pg_has_role('realtime_executor', r.name, 'MEMBER') ORDER BY 1;
SELECT r.rolname AS member FROM pg_roles r
WHERE NOT r.rolsuper AND r.rolname <> 'realtime_executor' AND pg_has_role(r.oid, 'realtime_executor', 'MEMBER');
-- functions
\pset format unaligned
SELECT p.oid::regprocedure AS function,
	   has_function_privilege('anon', p.oid, 'EXECUTE') AS anon,
	   has_function_privilege('service_role', p.oid, 'EXECUTE') AS service_role,
	   has_function_privilege('realtime_executor', p.oid, 'EXECUTE') AS executor,
	   has_function_privilege('pg_monitor', p.oid, 'EXECUTE') AS pg_monitor,
	   p.provolatile AS volatile, p.proparallel AS parallel, p.proisstrict AS strict, p.prosecdef AS definer
FROM pg_proc p WHERE p.pronamespace = 'realtime'::regnamespace
ORDER BY p.proname, p.oid::regprocedure::text COLLATE "C";
\pset format aligned

-- audit: every function is in C, or parsed when it was made, or has its own search path; one that is
-- SECURITY DEFINER has its own in any case, and is not for everybody
SELECT p.oid::regprocedure AS offender
FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
WHERE p.pronamespace = 'realtime'::regnamespace
  AND (p.prosecdef OR (l.lanname <> 'c' AND p.prosqlbody IS NULL))
  AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (p.proconfig), false);
SELECT p.oid::regprocedure AS offender
FROM pg_proc p
WHERE p.pronamespace = 'realtime'::regnamespace AND p.prosecdef
  AND has_function_privilege('realtime_mallory', p.oid, 'EXECUTE');
DROP TABLE test.roles;
-- all of it belongs to the extension
SELECT c.relname FROM pg_class c
WHERE c.relnamespace = 'realtime'::regnamespace AND c.relkind IN ('r', 'p')
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e');
-- of its data only these are dumped
SELECT unnest(extconfig)::regclass AS dumped FROM pg_extension WHERE extname = 'realtime' ORDER BY 1;
SELECT extrelocatable FROM pg_extension WHERE extname = 'realtime';

--
-- Row-level security decides who may send.
--
\set SHOW_CONTEXT never
TRUNCATE realtime.messages;
SELECT pg_current_wal_insert_lsn() AS start \gset
\pset format unaligned
\pset tuples_only on
CREATE TABLE public.members (name text, topic text);
INSERT INTO members VALUES ('ann', 'room:1');
-- without a policy nobody may
SET ROLE authenticated;
SELECT test.failure($$SELECT realtime.send('room:1', 'ev', '{}')$$);
SELECT test.failure($$INSERT INTO realtime.messages (topic, extension, event, payload) VALUES ('room:1', 'broadcast', 'ev', '{}')$$);
RESET ROLE;
-- a policy by realtime.topic(), as upstream's documentation has them
CREATE POLICY send ON realtime.messages FOR INSERT TO authenticated
	WITH CHECK (realtime.topic() = 'room:1' AND extension = 'broadcast');
SET ROLE authenticated;
SELECT realtime.send('room:1', 'ev', '{"n": 1}');
SELECT test.failure($$SELECT realtime.send('room:2', 'ev', '{}')$$);
SELECT realtime.send('room:1', 'ev', '{"n": 2}');
RESET ROLE;
-- for another role it is no use
SET ROLE anon;
SELECT test.failure($$SELECT realtime.send('room:1', 'ev', '{}')$$);
RESET ROLE;
-- a policy that looks into another table: an error in it is not mistaken for a denial
CREATE POLICY members ON realtime.messages FOR INSERT TO anon
	WITH CHECK (EXISTS (SELECT FROM members m WHERE m.topic = messages.topic));
SET ROLE anon;
SELECT test.failure($$SELECT realtime.send('room:1', 'ev', '{}')$$);
RESET ROLE;
GRANT SELECT ON members TO anon;
SET ROLE anon;
SELECT realtime.send('room:1', 'ev', '{"n": 3}');
SELECT test.failure($$SELECT realtime.send('room:2', 'ev', '{}')$$);
-- what one prepared call was allowed, the next one with another role is not
RESET ROLE;
SET ROLE authenticated;
SELECT test.failure($$SELECT realtime.send('room:2', 'ev', '{}')$$);
RESET ROLE;
-- who bypasses row-level security needs no policy
SET ROLE service_role;
SELECT realtime.send('room:3', 'ev', '{"n": 4}');
RESET ROLE;
SET row_security = off;
SET ROLE authenticated;
SELECT test.failure($$SELECT realtime.send('room:1', 'ev', '{}')$$);
RESET ROLE;
RESET row_security;
-- without rights on the table, and without the schema
GRANT USAGE ON SCHEMA realtime TO realtime_mallory;
SET ROLE realtime_mallory;
SELECT test.failure($$SELECT realtime.send('room:1', 'ev', '{}')$$);
RESET ROLE;
REVOKE USAGE ON SCHEMA realtime FROM realtime_mallory;
SET ROLE realtime_mallory;
SELECT test.failure($$SELECT realtime.send('room:1', 'ev', '{}')$$);
-- upstream's way
RESET ROLE;
SET realtime.on_error = 'warning';
SET ROLE anon;
SELECT realtime.send('room:2', 'ev', '{}');
RESET ROLE;
RESET realtime.on_error;
-- clients may not look into others' rows, nor into partitions
SET ROLE anon;
SELECT count(*) FROM realtime.messages;
SELECT test.failure($$SELECT count(*) FROM realtime.messages_default$$);
SELECT test.failure($$DELETE FROM realtime.messages$$);
SELECT test.failure($$TRUNCATE realtime.messages$$);
UPDATE realtime.messages SET event = 'mine';
RESET ROLE;
SELECT test.failure($$SELECT realtime.status()$$) AS superuser;
SET ROLE pg_monitor;
SELECT test.failure($$SELECT realtime.status()$$) AS monitor;
RESET ROLE;
SET ROLE authenticated;
SELECT test.failure($$SELECT realtime.status()$$) AS authenticated;
RESET ROLE;
\pset format aligned
\pset tuples_only off
SELECT * FROM test.published(:'start');
SELECT count(*), count(*) FILTER (WHERE event = 'mine') AS mine FROM realtime.messages;
DROP POLICY send ON realtime.messages;
DROP POLICY members ON realtime.messages;
DROP TABLE members;
