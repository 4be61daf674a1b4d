--
-- realtime.setup_api_roles(): what is missing, and nothing else.
--
\set SHOW_CONTEXT never
-- the roles are there already (guard.sql), and so is a function somebody wrote
CREATE SCHEMA auth;
REVOKE ALL ON SCHEMA auth FROM PUBLIC;
CREATE FUNCTION auth.uid() RETURNS text LANGUAGE sql RETURN 'mine';
REVOKE EXECUTE ON FUNCTION auth.uid() FROM PUBLIC;
REVOKE UPDATE ON realtime.messages FROM anon;
REVOKE authenticated FROM realtime_executor;
SELECT * FROM realtime.setup_api_roles();
-- a second call finds nothing to do
SELECT * FROM realtime.setup_api_roles();
SELECT auth.uid();
DROP FUNCTION auth.uid();
SELECT * FROM realtime.setup_api_roles();
SELECT count(*) AS members_of_the_extension FROM pg_depend d
WHERE d.deptype = 'e' AND d.classid = 'pg_proc'::regclass
  AND d.objid IN (SELECT oid FROM pg_proc WHERE pronamespace = 'auth'::regnamespace);

-- who is it? Both spellings of claims, and none
SET ROLE anon;
SELECT auth.uid(), auth.user_id(), auth.role(), auth.email(), auth.jwt();
SET request.jwt.claims = '{"sub": "7b0c0a52-6f0e-4a8e-9a64-3a7a2f1d9d01", "role": "authenticated", "email": "a@example.org", "more": 1}';
SELECT auth.uid() = auth.user_id() AS same, auth.uid(), auth.role(), auth.email(), auth.jwt() ->> 'more' AS more;
SET request.jwt.claim.sub = '550e8400-e29b-41d4-a716-446655440000';
SET request.jwt.claim.role = 'anon';
SET request.jwt.claim.email = 'b@example.org';
SELECT auth.uid(), auth.user_id(), auth.role(), auth.email();
SET request.jwt.claims = '';
SET request.jwt.claim.sub = '';
SELECT auth.uid(), auth.jwt();
SET request.jwt.claim.sub = 'no uuid';
SELECT auth.uid();								-- fails
SELECT realtime.setup_api_roles();				-- fails
RESET ALL;
RESET ROLE;
-- not for those to whom somebody granted it
GRANT EXECUTE ON FUNCTION realtime.setup_api_roles() TO realtime_mallory;
GRANT USAGE ON SCHEMA realtime TO realtime_mallory;
SET ROLE realtime_mallory;
SELECT realtime.setup_api_roles();				-- fails
RESET ROLE;
REVOKE EXECUTE ON FUNCTION realtime.setup_api_roles() FROM realtime_mallory;
REVOKE USAGE ON SCHEMA realtime FROM realtime_mallory;

-- a role that could do more than its tokens should
REVOKE anon FROM realtime_executor;
ALTER ROLE anon CREATEROLE;
SELECT * FROM realtime.setup_api_roles();
ALTER ROLE anon NOCREATEROLE;
DO $$ BEGIN EXECUTE format('GRANT %I TO anon', CURRENT_USER); END $$;
SELECT * FROM realtime.setup_api_roles();
DO $$ BEGIN EXECUTE format('REVOKE %I FROM anon', CURRENT_USER); END $$;
SELECT * FROM realtime.setup_api_roles();
SELECT realtime.jwt_roles();
DROP SCHEMA auth CASCADE;
