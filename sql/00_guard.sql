\echo Use "CREATE EXTENSION realtime" to load this file. \quit

--
-- Guard: the schema belongs to whoever installs, and to nobody else.
--
-- The script runs as a superuser.  An object that somebody else could put into
-- the schema, before or after, might be called by it or by what it creates.
-- So: names that are not qualified are looked up in pg_catalog only, nothing
-- here says OR REPLACE or IF NOT EXISTS, and a schema that exists already must
-- be the installing role's or a superuser's, hold nothing of other roles, and
-- let nobody else create in it.
--

SET LOCAL search_path TO pg_catalog, pg_temp;

DO $$
DECLARE
	trusted oid[] := ARRAY(SELECT r.oid FROM pg_catalog.pg_roles r
						   WHERE r.rolsuper OR r.rolname OPERATOR(pg_catalog.=) CURRENT_USER);
	intruder text;
BEGIN
	SELECT pg_catalog.pg_get_userbyid(s.owner) INTO intruder
	FROM (SELECT n.nspowner AS owner FROM pg_catalog.pg_namespace n
		  WHERE n.oid OPERATOR(pg_catalog.=) 'realtime'::pg_catalog.regnamespace::oid
		  UNION ALL
		  SELECT c.relowner FROM pg_catalog.pg_class c
		  WHERE c.relnamespace OPERATOR(pg_catalog.=) 'realtime'::pg_catalog.regnamespace::oid
		  UNION ALL
		  SELECT p.proowner FROM pg_catalog.pg_proc p
		  WHERE p.pronamespace OPERATOR(pg_catalog.=) 'realtime'::pg_catalog.regnamespace::oid
		  UNION ALL
		  SELECT t.typowner FROM pg_catalog.pg_type t
		  WHERE t.typnamespace OPERATOR(pg_catalog.=) 'realtime'::pg_catalog.regnamespace::oid
		  UNION ALL
		  SELECT o.oprowner FROM pg_catalog.pg_operator o
		  WHERE o.oprnamespace OPERATOR(pg_catalog.=) 'realtime'::pg_catalog.regnamespace::oid) s
	WHERE s.owner OPERATOR(pg_catalog.<>) ALL (trusted)
	LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'schema "realtime" exists already and is not safe to install into'
			USING ERRCODE = 'insufficient_privilege',
				  DETAIL = pg_catalog.format('It, or an object in it, belongs to role "%s".', intruder),
				  HINT = 'Drop or rename the schema, or give it to the installing role.';
	END IF;

	SELECT CASE a.grantee WHEN 0::oid THEN 'PUBLIC' ELSE pg_catalog.pg_get_userbyid(a.grantee)::text END
	INTO intruder
	FROM pg_catalog.pg_namespace n, LATERAL pg_catalog.aclexplode(n.nspacl) a
	WHERE n.oid OPERATOR(pg_catalog.=) 'realtime'::pg_catalog.regnamespace::oid
	  AND a.privilege_type OPERATOR(pg_catalog.=) 'CREATE'
	  AND a.grantee OPERATOR(pg_catalog.<>) ALL (trusted)
	LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'schema "realtime" exists already and is not safe to install into'
			USING ERRCODE = 'insufficient_privilege',
				  DETAIL = pg_catalog.format('Role "%s" may create objects in it.', intruder),
				  HINT = 'REVOKE CREATE ON SCHEMA realtime from that role.';
	END IF;
END
$$;
