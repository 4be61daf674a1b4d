--
-- Default privileges may have given others what the parts above do not say.
--

DO $$
DECLARE
	command text;
BEGIN
	PERFORM realtime.take_back_grants(c.oid, CASE WHEN c.relname IN ('commits', 'message_audience') THEN '{realtime_executor}'::name[] ELSE '{}' END)
	FROM pg_class c
	WHERE c.relkind IN ('r', 'p', 'v') AND c.oid IN (SELECT d.objid FROM pg_depend d
													 WHERE d.classid = 'pg_class'::regclass AND d.deptype = 'e'
													   AND d.refobjid = (SELECT e.oid FROM pg_extension e WHERE e.extname = 'realtime'));

	FOR command IN
		SELECT format('REVOKE ALL ON FUNCTION %s FROM %s', o.function, o.grantee)
		FROM (
			SELECT DISTINCT p.oid::regprocedure, a.grantee::regrole
			FROM pg_proc p, aclexplode(p.proacl) a, pg_depend d
			WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
			  AND d.refobjid = (SELECT e.oid FROM pg_extension e WHERE e.extname = 'realtime')
			  AND a.grantee NOT IN (p.proowner, 0)
		) o(function, grantee)
		WHERE (o.function, o.grantee) NOT IN (
			('realtime.status()'::regprocedure, 'pg_monitor'::regrole),
			('realtime.roll_up()'::regprocedure, 'realtime_executor'::regrole))
		-- what executors call for programs (exec/calls.c)
		  AND NOT (o.function::text ~ '^realtime\.((http|check)_[a-z_]+|[a-z_]+_webhooks)\(jsonb\)$'
				   AND o.grantee = 'realtime_executor'::regrole)
	LOOP
		EXECUTE command;
	END LOOP;
END
$$;

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
