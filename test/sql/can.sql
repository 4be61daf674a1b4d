--
-- realtime.can(): what a token may do on a private channel, and why.
--
TRUNCATE realtime.messages;
SET client_min_messages = error;
SELECT count(*) > 0 AS set_up FROM realtime.setup_api_roles();
RESET client_min_messages;
\pset null '-'
CREATE TABLE test.membership (user_id uuid, topic text);
INSERT INTO test.membership VALUES ('11111111-1111-1111-1111-111111111111', 'room:1');
ALTER TABLE test.membership ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON test.membership USING (user_id = auth.uid());
GRANT SELECT ON test.membership TO authenticated;
\set ann '''{"sub": "11111111-1111-1111-1111-111111111111"}'''
\set bob '''{"sub": "22222222-2222-2222-2222-222222222222"}'''

-- no policy at all
SELECT action, allowed, reason FROM realtime.can('authenticated', :ann, 'room:1');

-- policies as upstream's documentation has them
CREATE POLICY read ON realtime.messages FOR SELECT TO authenticated
	USING (EXISTS (SELECT FROM test.membership m WHERE m.topic = realtime.topic())
		   AND messages.extension IN ('broadcast', 'presence'));
CREATE POLICY write ON realtime.messages FOR INSERT TO authenticated
	WITH CHECK (realtime.topic() = 'room:1' AND messages.extension = 'broadcast');
SELECT * FROM realtime.can('authenticated', :ann, 'room:1');
SELECT action, allowed, reason FROM realtime.can('authenticated', :bob, 'room:1');
SELECT action, allowed, reason FROM realtime.can('authenticated', :ann, 'room:2');
SELECT action, allowed, reason FROM realtime.can('anon', '{}', 'room:1');
SELECT action, allowed, reason FROM realtime.can('service_role', '{}', 'room:1');
-- nothing is left of what was acted as
SELECT current_user = session_user AS same_user, current_setting('role') AS role,
	   coalesce(current_setting('realtime.topic', true), '') AS topic,
	   coalesce(current_setting('request.jwt.claims', true), '') AS claims,
	   current_setting('transaction_read_only') AS read_only;

-- a restrictive one
CREATE POLICY strict ON realtime.messages AS RESTRICTIVE TO authenticated
	USING (current_setting('request.headers')::jsonb ->> 'x-tenant' = 'acme');
SELECT * FROM realtime.can('authenticated', :ann, 'room:1');
SELECT action, allowed, reason FROM realtime.can('authenticated', :ann, 'room:1', '{"x-tenant": "acme"}');
DROP POLICY strict ON realtime.messages;

-- errors
CREATE FUNCTION test.fail() RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE 'it is "late"'; END$$;
CREATE POLICY failing ON realtime.messages TO authenticated USING (topic = 'room:1' OR test.fail());
SELECT action, allowed, reason FROM realtime.can('authenticated', :ann, 'room:1');
SELECT action, allowed, reason, policies FROM realtime.can('authenticated', :ann, 'room:2');
SELECT action, allowed, reason FROM realtime.can('authenticated', '{"sub": "nobody"}', 'room:2');
DROP POLICY failing ON realtime.messages;
CREATE POLICY itself ON realtime.messages TO anon USING (EXISTS (SELECT FROM realtime.messages m WHERE m.topic = messages.topic));
SELECT action, allowed, reason FROM realtime.can('anon', '{}', 'room:1');
DROP POLICY itself ON realtime.messages;
-- a policy must not write
CREATE TABLE test.visits (topic text);
GRANT INSERT ON test.visits TO anon;
CREATE FUNCTION test.visit(t text) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN INSERT INTO test.visits VALUES (t); RETURN true; END$$;
CREATE POLICY visit ON realtime.messages TO anon USING (test.visit(topic));
SELECT action, allowed, reason FROM realtime.can('anon', '{}', 'room:1');
DROP POLICY visit ON realtime.messages;

-- system columns
CREATE POLICY sys ON realtime.messages TO anon USING (messages.tableoid::regclass::text LIKE '%messages%');
SELECT * FROM realtime.can('anon', '{}', 'room:1');
BEGIN READ ONLY;
SELECT action, allowed, reason FROM realtime.can('anon', '{}', 'room:1');
COMMIT;
DROP POLICY sys ON realtime.messages;
SELECT count(*) FROM realtime.messages;

-- what others gave the table
CREATE POLICY all_of_it ON realtime.messages TO anon USING (true);
ALTER TABLE realtime.messages ADD CONSTRAINT no_room CHECK (topic !~ '^room');
SELECT action, allowed, regexp_replace(reason, '\d{4}_\d\d_\d\d', '<day>') AS reason FROM realtime.can('anon', '{}', 'room:1');
ALTER TABLE realtime.messages DROP CONSTRAINT no_room;
CREATE FUNCTION test.veto() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE insufficient_privilege USING MESSAGE = 'closed'; END$$;
CREATE TRIGGER veto BEFORE INSERT ON realtime.messages FOR EACH ROW WHEN (new.extension = 'presence') EXECUTE FUNCTION test.veto();
SELECT action, allowed, reason FROM realtime.can('anon', '{}', 'room:1') WHERE action LIKE '%write';
DROP TRIGGER veto ON realtime.messages;
DROP POLICY all_of_it ON realtime.messages;
-- topics that nobody can join
SELECT allowed FROM realtime.can('anon', '{}', repeat('x', 247));	-- fails
SELECT allowed FROM realtime.can('anon', '{}', '');	-- fails
SELECT count(*) FROM realtime.can('anon', '{}', repeat('x', 246));

-- rights on the table and on the schema
REVOKE SELECT ON realtime.messages FROM anon;
SELECT action, allowed, reason FROM realtime.can('anon', '{}', 'room:1');
REVOKE USAGE ON SCHEMA realtime FROM anon;
SELECT action, allowed, reason FROM realtime.can('anon', '{}', 'room:1') LIMIT 1;
GRANT USAGE ON SCHEMA realtime TO anon;
GRANT SELECT ON realtime.messages TO anon;
-- no row-level security
ALTER TABLE realtime.messages DISABLE ROW LEVEL SECURITY;
SELECT action, allowed, reason FROM realtime.can('anon', '{}', 'room:1') LIMIT 1;
ALTER TABLE realtime.messages ENABLE ROW LEVEL SECURITY;

-- roles that may not be used; more of them in t/064
CREATE FUNCTION test.refusal(who text) RETURNS text LANGUAGE sql
	AS $$SELECT string_agg(DISTINCT reason, '|') FROM realtime.can(who, '{}', 'room:1') WHERE NOT allowed$$;
SELECT test.refusal('pg_read_all_data');
SELECT test.refusal('nobody');

-- arguments
SELECT test.failure($$SELECT realtime.can(NULL, '{}', 'room:1')$$);
SELECT test.failure($$SELECT realtime.can('anon', '{}', NULL)$$);
SELECT test.failure($$SELECT realtime.can('anon', '[]', 'room:1')$$);
SELECT test.failure($$SELECT realtime.can('anon', '{}', 'room:1', '"x"')$$);
SELECT count(*) FROM realtime.can('anon', NULL, 'room:1', NULL);
SELECT count(*) FROM realtime.can('anon', '{"sub": 7}', E'a''; DROP TABLE test.visits; --\\%s"');
SELECT count(*) FROM test.visits;
-- for superusers only
GRANT EXECUTE ON FUNCTION realtime.can(text, jsonb, text, jsonb) TO authenticated;
SET ROLE authenticated;
SELECT test.failure($$SELECT realtime.can('anon', '{}', 'room:1')$$);
RESET ROLE;
REVOKE EXECUTE ON FUNCTION realtime.can(text, jsonb, text, jsonb) FROM authenticated;
-- nor where no role can be changed
CREATE FUNCTION test.definer() RETURNS bigint LANGUAGE sql SECURITY DEFINER
	AS $$SELECT count(*) FROM realtime.can('anon', '{}', 'room:1')$$;
SELECT test.failure('SELECT test.definer()');

DROP POLICY read ON realtime.messages;
DROP POLICY write ON realtime.messages;
DROP TABLE test.membership, test.visits;
