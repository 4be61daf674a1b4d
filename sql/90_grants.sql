--
-- Rights of the roles that clients' tokens name, where these exist.  What rows
-- they may read and write, policies on realtime.messages say.
--

DO $$
DECLARE
	role name;
BEGIN
	FOR role IN
		SELECT r.rolname FROM pg_roles r
		WHERE r.rolname = ANY (ARRAY['anon', 'authenticated', 'service_role']::name[])
	LOOP
		EXECUTE format('GRANT USAGE ON SCHEMA realtime TO %I', role);
		EXECUTE format('GRANT SELECT, INSERT, UPDATE ON realtime.messages TO %I', role);
	END LOOP;

	IF current_database() <> current_setting('realtime.database') THEN
		RAISE WARNING 'messages of database "%" are not served', current_database()
			USING HINT = format('Set realtime.database = ''%s'' and restart the server to serve this database instead of "%s".',
								current_database(), current_setting('realtime.database'));
	END IF;
END
$$;
