--
-- CREATE EXTENSION refuses a schema that somebody else could have prepared.
--
\set SHOW_CONTEXT never
SET client_min_messages = error;
DO $$
DECLARE
	role text;
BEGIN
	FOREACH role IN ARRAY ARRAY['anon', 'authenticated', 'service_role', 'realtime_mallory'] LOOP
		IF to_regrole(role) IS NULL THEN
			EXECUTE format('CREATE ROLE %I', role);
		END IF;
	END LOOP;
	ALTER ROLE service_role BYPASSRLS;
END
$$;

-- a schema of another role
CREATE SCHEMA realtime AUTHORIZATION realtime_mallory;
CREATE EXTENSION realtime;					-- fails

-- one that another role may create in
ALTER SCHEMA realtime OWNER TO CURRENT_USER;
GRANT CREATE ON SCHEMA realtime TO realtime_mallory;
CREATE EXTENSION realtime;					-- fails
GRANT CREATE ON SCHEMA realtime TO PUBLIC;
REVOKE CREATE ON SCHEMA realtime FROM realtime_mallory;
CREATE EXTENSION realtime;					-- fails
REVOKE CREATE ON SCHEMA realtime FROM PUBLIC;

-- one with something of another role in it, whatever that is
CREATE FUNCTION realtime.eq(text, name) RETURNS boolean LANGUAGE sql RETURN true;
CREATE OPERATOR realtime.= (LEFTARG = text, RIGHTARG = name, FUNCTION = realtime.eq);
ALTER OPERATOR realtime.= (text, name) OWNER TO realtime_mallory;
CREATE EXTENSION realtime;					-- fails
DROP OPERATOR realtime.= (text, name);
DROP FUNCTION realtime.eq;

-- an object of the same name is never replaced
CREATE FUNCTION realtime.topic() RETURNS text LANGUAGE sql RETURN 'mine';
CREATE EXTENSION realtime;					-- fails
DROP FUNCTION realtime.topic();

-- a role for the executors that could do more than they, or that others could use
CREATE FUNCTION create_extension() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
	hint text;
BEGIN
	CREATE EXTENSION realtime;
	DROP EXTENSION realtime;
	RETURN 'created';
EXCEPTION WHEN insufficient_privilege THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(E'\n', SQLERRM, detail, hint);
END
$$;
\pset format unaligned
\pset tuples_only on
CREATE ROLE realtime_executor;
SELECT create_extension();
ALTER ROLE realtime_executor LOGIN NOINHERIT CONNECTION LIMIT 0;
SELECT create_extension();
ALTER ROLE realtime_executor SUPERUSER CREATEDB CREATEROLE REPLICATION BYPASSRLS CONNECTION LIMIT 1 PASSWORD 'guess';
SELECT create_extension();
ALTER ROLE realtime_executor LOGIN NOINHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 0 PASSWORD NULL;
SELECT create_extension();
GRANT realtime_executor TO realtime_mallory;
SELECT create_extension();
REVOKE realtime_executor FROM realtime_mallory;
GRANT realtime_mallory TO realtime_executor;
GRANT pg_write_server_files TO realtime_mallory;
SELECT create_extension();
REVOKE pg_write_server_files FROM realtime_mallory;
SELECT create_extension();
-- made where it is absent
DROP OWNED BY realtime_executor;
DROP ROLE realtime_executor;
SELECT create_extension();
SELECT rolcanlogin, rolinherit, rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls, rolconnlimit, rolpassword IS NULL
FROM pg_authid WHERE rolname = 'realtime_executor';
\pset format aligned
\pset tuples_only off
DROP FUNCTION create_extension;

-- a safe schema is fine, and a search path full of traps does no harm
CREATE SCHEMA traps;
CREATE FUNCTION traps.now() RETURNS timestamptz LANGUAGE sql RETURN '2000-01-01'::timestamptz;
CREATE FUNCTION traps.eq(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'trapped'; END $$;
CREATE OPERATOR traps.= (LEFTARG = text, RIGHTARG = text, FUNCTION = traps.eq);
CREATE TEMP TABLE messages (nothing integer);
CREATE TEMP TABLE pg_depend (nothing integer);
SET search_path = traps, pg_temp, pg_catalog, public;
CREATE EXTENSION realtime;
SELECT count(*) FROM realtime.history('room'::pg_catalog.text);
SELECT count(*) FROM realtime.maintain();
RESET search_path;
SELECT pg_get_expr(adbin, adrelid)
FROM pg_attrdef WHERE adrelid = 'realtime.messages'::regclass ORDER BY adnum;
DROP EXTENSION realtime;
DROP SCHEMA traps CASCADE;
DROP SCHEMA realtime;
DROP TABLE messages, pg_temp.pg_depend;
