--
-- Roles that clients' tokens name, and the functions that policies ask who
-- the client is.
--
-- On Supabase they are there already.  Elsewhere realtime.setup_api_roles()
-- makes what is missing, and never replaces anything.  What it makes in the
-- schema auth is the user's, no part of the extension: pg_dump keeps it.
--

-- Names in the setting realtime.jwt_roles, read as the server reads them.
CREATE FUNCTION realtime.jwt_roles() RETURNS SETOF name
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT CASE WHEN m[1] LIKE '"%' THEN replace(substr(m[1], 2, length(m[1]) - 2), '""', '"')
		   ELSE lower(m[1] COLLATE "C") END
	FROM regexp_matches(current_setting('realtime.jwt_roles'), '"(?:[^"]|"")*"|[^,"\s]+', 'g') m
$$;

-- Give the roles that exist the rights that they lack.  Executors act as those
-- that tokens may name, hence as none that could make itself more powerful.
CREATE FUNCTION realtime.grant_to_api_roles(OUT action text, OUT object text) RETURNS SETOF record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	named CONSTANT name[] := ARRAY(SELECT realtime.jwt_roles());
	role record;
	command text;
BEGIN
	FOR role IN
		SELECT r.oid, r.rolname AS name, r.rolname = ANY (named) AS is_named,
			   r.rolsuper OR r.rolcreaterole OR r.rolreplication
			   OR r.rolname ~ '^pg_' OR r.rolname = 'realtime_executor'
			   OR pg_has_role(r.oid, m.relowner, 'MEMBER')
			   OR EXISTS (SELECT FROM pg_roles g
						  WHERE pg_has_role(r.oid, g.oid, 'MEMBER')
							AND (g.rolsuper OR g.rolcreaterole OR g.rolreplication
								 OR g.rolname ~ '^pg_' OR g.rolname = 'realtime_executor')) AS is_powerful
		FROM pg_roles r, pg_class m
		WHERE m.oid = 'realtime.messages'::regclass
		  AND r.rolname = ANY (named || ARRAY['anon', 'authenticated', 'service_role', 'project_admin']::name[])
		ORDER BY r.rolname
	LOOP
		IF role.is_powerful THEN
			RAISE WARNING 'role "%" is too powerful for a token', role.name
				USING HINT = 'Take it out of realtime.jwt_roles.';
			CONTINUE;
		END IF;
		FOR action, object, command IN
			SELECT 'grant ' || right_name || ' to ' || role.name, g.object_name,
				   format('GRANT %s ON %s TO %I', right_name, g.object_name, role.name)
			FROM (
				SELECT 'USAGE', 'SCHEMA realtime'
				WHERE NOT has_schema_privilege(role.oid, 'realtime', 'USAGE')
				UNION ALL
				SELECT p.name, 'TABLE realtime.messages'
				FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE']) p(name)
				WHERE NOT has_table_privilege(role.oid, 'realtime.messages', p.name)
				  AND NOT (role.name = 'project_admin' AND p.name = 'UPDATE')
				UNION ALL
				SELECT p.name, 'TABLE realtime.channels'
				FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) p(name)
				WHERE role.name IN ('service_role', 'project_admin')
				  AND NOT has_table_privilege(role.oid, 'realtime.channels', p.name)
				UNION ALL
				SELECT 'SELECT', 'TABLE realtime.' || t.name
				FROM unnest(ARRAY['message_audience', 'message_details']) t(name)
				WHERE role.name IN ('service_role', 'project_admin')
				  AND NOT has_table_privilege(role.oid, 'realtime.' || t.name, 'SELECT')
				UNION ALL
				-- not what signs what is posted to webhooks
				SELECT 'SELECT (' || string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) || ')',
					   'TABLE realtime.channels'
				FROM pg_attribute a
				WHERE role.name NOT IN ('service_role', 'project_admin')
				  AND a.attrelid = 'realtime.channels'::regclass AND a.attnum > 0 AND NOT a.attisdropped
				  AND a.attname <> 'webhook_secret'
				  AND NOT has_column_privilege(role.oid, a.attrelid, a.attnum, 'SELECT')
				HAVING count(*) > 0
				UNION ALL
				SELECT 'EXECUTE', 'FUNCTION ' || f.name
				FROM (VALUES (true, 'realtime.topic()'),
							 (true, 'realtime.channel_name()'),
							 (true, 'realtime.channel_matches(text,text)'),
							 (role.name IN ('service_role', 'project_admin'), 'realtime.publish(text,text,jsonb)'),
							 (role.name IN ('service_role', 'project_admin'), 'realtime.publish(text,text,jsonb,text)'),
							 (role.name IN ('service_role', 'project_admin'), 'realtime.publish_changes()'),
							 (role.name IN ('service_role', 'project_admin'),
							  'realtime.message_stats(uuid,timestamp with time zone)'),
							 (role.name = 'service_role', 'realtime.user_channel(text,text)'),
							 (role.name = 'service_role', 'realtime.conversation_channel(text,text)'),
							 (role.name = 'service_role', 'realtime.realtime_publish(text,text,text)')) f(is_due, name)
				WHERE f.is_due AND NOT has_function_privilege(role.oid, f.name, 'EXECUTE')
			) g(right_name, object_name)
		LOOP
			EXECUTE command;
			RETURN NEXT;
		END LOOP;
		IF role.is_named AND NOT pg_has_role('realtime_executor', role.oid, 'MEMBER') THEN
			EXECUTE format('GRANT %I TO realtime_executor', role.name);
			action := 'grant to realtime_executor';
			object := 'ROLE ' || role.name;
			RETURN NEXT;
		END IF;
	END LOOP;
END
$$;

CREATE FUNCTION realtime.setup_api_roles(OUT action text, OUT object text) RETURNS SETOF record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS $setup$
DECLARE
	command text;
	role name;
BEGIN
	IF NOT (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = CURRENT_USER) THEN
		RAISE EXCEPTION 'must be superuser to set up API roles'
			USING ERRCODE = 'insufficient_privilege';
	END IF;

	action := 'create';
	FOR object, command IN
		SELECT w.object, w.command
		FROM (VALUES
			(to_regrole('anon') IS NULL, 'ROLE anon', 'NOLOGIN NOINHERIT'),
			(to_regrole('authenticated') IS NULL, 'ROLE authenticated', 'NOLOGIN NOINHERIT'),
			(to_regrole('service_role') IS NULL, 'ROLE service_role', 'NOLOGIN NOINHERIT BYPASSRLS'),
			(to_regrole('project_admin') IS NULL, 'ROLE project_admin', 'NOLOGIN NOINHERIT BYPASSRLS'),
			(to_regnamespace('auth') IS NULL, 'SCHEMA auth', ''),
			(to_regprocedure('auth.jwt()') IS NULL, 'FUNCTION auth.jwt()', $$
				RETURNS jsonb LANGUAGE sql STABLE PARALLEL SAFE
				RETURN coalesce(nullif(current_setting('request.jwt.claim', true), ''),
								nullif(current_setting('request.jwt.claims', true), ''))::jsonb $$),
			(to_regprocedure('auth.uid()') IS NULL, 'FUNCTION auth.uid()', $$
				RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
				RETURN coalesce(nullif(current_setting('request.jwt.claim.sub', true), ''),
								nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid $$),
			-- a policy compares it with an owner's id
			(to_regprocedure('auth.user_id()') IS NULL, 'FUNCTION auth.user_id()', $$
				RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
				RETURN coalesce(nullif(current_setting('request.jwt.claim.sub', true), ''),
								nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid $$),
			(to_regprocedure('auth.role()') IS NULL, 'FUNCTION auth.role()', $$
				RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
				RETURN coalesce(nullif(current_setting('request.jwt.claim.role', true), ''),
								nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role') $$),
			(to_regprocedure('auth.email()') IS NULL, 'FUNCTION auth.email()', $$
				RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
				RETURN coalesce(nullif(current_setting('request.jwt.claim.email', true), ''),
								nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'email') $$)
		) w(is_absent, object, command)
		WHERE w.is_absent
	LOOP
		EXECUTE 'CREATE ' || object || ' ' || command;
		RETURN NEXT;
	END LOOP;

	FOREACH role IN ARRAY ARRAY['anon', 'authenticated', 'service_role', 'project_admin'] LOOP
		IF NOT has_schema_privilege(role, 'auth', 'USAGE') THEN
			EXECUTE format('GRANT USAGE ON SCHEMA auth TO %I', role);
			action := 'grant USAGE to ' || role;
			object := 'SCHEMA auth';
			RETURN NEXT;
		END IF;
		action := 'grant EXECUTE to ' || role;
		FOR object, command IN
			SELECT 'FUNCTION ' || f, format('GRANT EXECUTE ON FUNCTION %s TO %I', f, role)
			FROM unnest(ARRAY['auth.jwt()', 'auth.uid()', 'auth.user_id()', 'auth.role()', 'auth.email()']) f
			WHERE NOT has_function_privilege(role, f, 'EXECUTE')
		LOOP
			EXECUTE command;
			RETURN NEXT;
		END LOOP;
	END LOOP;
	RETURN QUERY SELECT * FROM realtime.grant_to_api_roles();
END
$setup$;
COMMENT ON FUNCTION realtime.setup_api_roles() IS
	'create the roles anon, authenticated, service_role, project_admin and the functions auth.uid(), ... where they are absent, and grant what clients need; returns what was done';

REVOKE EXECUTE ON FUNCTION
	realtime.jwt_roles(), realtime.grant_to_api_roles(), realtime.setup_api_roles()
	FROM PUBLIC;
