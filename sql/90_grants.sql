--
-- Rights of the roles that clients' tokens name, where these exist.  What rows
-- they may read and write, policies on realtime.messages say.
--

DO $$
BEGIN
	PERFORM realtime.grant_to_api_roles();

	IF current_database() <> current_setting('realtime.database') THEN
		RAISE WARNING 'messages of database "%" are not served', current_database()
			USING HINT = format('Set realtime.database = ''%s'' and restart the server to serve this database instead of "%s".',
								current_database(), current_setting('realtime.database'));
	END IF;
END
$$;
