--
-- realtime_executor: the role that executors connect as.
--
-- Executors run what others wrote: policies, and the functions that these call.
-- So the role they fall back to may do next to nothing.  NOINHERIT: it has the
-- rights of a client's role only while it acts as that one.  LOGIN, because
-- PostgreSQL 15 and 16 connect no background worker as a role without it.
-- Nobody else gets in: CONNECTION LIMIT 0 does not count background workers and
-- refuses every session from outside, also where pg_hba.conf trusts everybody,
-- which therefore needs no line for this role.
--
-- Roles belong to all databases of a cluster.  One that is there already, from
-- the extension in another database or in a former life of this one, is taken
-- as it is if it is exactly like that.  DROP EXTENSION leaves it.
--

DO $$
DECLARE
	attributes CONSTANT text :=
		'LOGIN NOINHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS'
		' CONNECTION LIMIT 0 PASSWORD NULL';
	wrong text;
BEGIN
	IF to_regrole('realtime_executor') IS NULL THEN
		EXECUTE 'CREATE ROLE realtime_executor ' || attributes;
	END IF;

	SELECT string_agg(a.name, ', ') INTO wrong
	FROM pg_authid r,
		 LATERAL (VALUES (NOT r.rolcanlogin, 'NOLOGIN'),
						 (r.rolinherit, 'INHERIT'),
						 (r.rolsuper, 'SUPERUSER'),
						 (r.rolcreatedb, 'CREATEDB'),
						 (r.rolcreaterole, 'CREATEROLE'),
						 (r.rolreplication, 'REPLICATION'),
						 (r.rolbypassrls, 'BYPASSRLS'),
						 (r.rolconnlimit <> 0, 'CONNECTION LIMIT ' || r.rolconnlimit),
						 (r.rolpassword IS NOT NULL, 'a password')) a(is_so, name)
	WHERE r.rolname = 'realtime_executor' AND a.is_so;
	IF wrong IS NOT NULL THEN
		RAISE EXCEPTION 'role "realtime_executor" exists already and is not safe to use'
			USING ERRCODE = 'insufficient_privilege',
				  DETAIL = format('It has %s.', wrong),
				  HINT = format('Drop it, or: ALTER ROLE realtime_executor %s', attributes);
	END IF;

	SELECT string_agg(m.member::regrole::text, ', ' ORDER BY m.member::regrole::text) INTO wrong
	FROM pg_auth_members m
	WHERE m.roleid = 'realtime_executor'::regrole;
	IF wrong IS NOT NULL THEN
		RAISE EXCEPTION 'role "realtime_executor" exists already and is not safe to use'
			USING ERRCODE = 'insufficient_privilege',
				  DETAIL = format('It has members: %s.', wrong),
				  HINT = format('REVOKE realtime_executor FROM %s', wrong);
	END IF;

	SELECT string_agg(r.rolname, ', ' ORDER BY r.rolname) INTO wrong
	FROM pg_roles r
	WHERE pg_has_role('realtime_executor', r.oid, 'MEMBER')
	  AND (r.rolsuper OR r.rolcreaterole OR r.rolreplication OR r.rolname ~ '^pg_');
	IF wrong IS NOT NULL THEN
		RAISE EXCEPTION 'role "realtime_executor" exists already and is not safe to use'
			USING ERRCODE = 'insufficient_privilege',
				  DETAIL = format('It is a member of too powerful roles: %s.', wrong),
				  HINT = 'Revoke that membership.';
	END IF;

	-- a database may be closed to PUBLIC
	IF NOT has_database_privilege('realtime_executor', current_database(), 'CONNECT') THEN
		EXECUTE format('GRANT CONNECT ON DATABASE %I TO realtime_executor', current_database());
	END IF;
END
$$;

GRANT USAGE ON SCHEMA realtime TO realtime_executor;
