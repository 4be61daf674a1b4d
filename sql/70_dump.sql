--
-- Policies in dumps, and whether they are enabled.
--
-- pg_dump leaves out what belongs to an extension and, unlike rights that were
-- granted, the policies that users made on its tables as well; but here those
-- say who may do what.  So a table of the extension poses as its configuration,
-- which is dumped.  It never has a row: the condition with which pg_dump reads
-- it goes on to list the policies there are, and what a restore inserts into it
-- a trigger turns into policies again.  One that cannot be made is an error that
-- restores none of them, because fewer restrictive policies mean more rights.
--

CREATE TABLE realtime.dumped_policies
(
	table_name name NOT NULL,
	policy_name name NOT NULL,
	permissive text NOT NULL,
	roles name[] NOT NULL,
	command text NOT NULL,
	using_expression text,
	check_expression text
);
COMMENT ON TABLE realtime.dumped_policies IS
	'always empty: carries the policies on realtime''s tables through pg_dump';

CREATE FUNCTION realtime.restore_policy() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	EXECUTE format('CREATE POLICY %I ON realtime.%I AS %s FOR %s TO %s',
				   NEW.policy_name, NEW.table_name, NEW.permissive, NEW.command,
				   (SELECT string_agg(CASE r WHEN 'public' THEN 'PUBLIC' ELSE quote_ident(r) END, ', ')
					FROM unnest(NEW.roles) r))
		|| coalesce(' USING (' || NEW.using_expression || ')', '')
		|| coalesce(' WITH CHECK (' || NEW.check_expression || ')', '');
	RETURN NULL;
END
$$;
REVOKE EXECUTE ON FUNCTION realtime.restore_policy() FROM PUBLIC;

CREATE TRIGGER dumped_policies_restore
	BEFORE INSERT ON realtime.dumped_policies
	FOR EACH ROW EXECUTE FUNCTION realtime.restore_policy();

SELECT pg_extension_config_dump('realtime.dumped_policies', $$WHERE false
	UNION ALL
	SELECT p.tablename, p.policyname, p.permissive, p.roles, p.cmd, p.qual, p.with_check
	FROM pg_catalog.pg_policies p
		 JOIN pg_catalog.pg_class c ON c.relname = p.tablename AND c.relnamespace = 'realtime'::pg_catalog.regnamespace
	WHERE p.schemaname = 'realtime' AND NOT c.relispartition$$);

-- Row-level security itself, which is enabled for realtime.messages only until
-- somebody says otherwise: a table that it were lost for would be open.

CREATE TABLE realtime.dumped_row_security
(
	table_name name NOT NULL,
	is_enabled boolean NOT NULL,
	is_forced boolean NOT NULL
);
COMMENT ON TABLE realtime.dumped_row_security IS
	'always empty: carries through pg_dump whether realtime''s tables have row-level security';

CREATE FUNCTION realtime.restore_row_security() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	EXECUTE format('ALTER TABLE realtime.%I %s ROW LEVEL SECURITY, %s ROW LEVEL SECURITY', NEW.table_name,
				   CASE WHEN NEW.is_enabled THEN 'ENABLE' ELSE 'DISABLE' END,
				   CASE WHEN NEW.is_forced THEN 'FORCE' ELSE 'NO FORCE' END);
	RETURN NULL;
END
$$;
REVOKE EXECUTE ON FUNCTION realtime.restore_row_security() FROM PUBLIC;

CREATE TRIGGER dumped_row_security_restore
	BEFORE INSERT ON realtime.dumped_row_security
	FOR EACH ROW EXECUTE FUNCTION realtime.restore_row_security();

SELECT pg_extension_config_dump('realtime.dumped_row_security', $$WHERE false
	UNION ALL
	SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity
	FROM pg_catalog.pg_class c
	WHERE c.relnamespace = 'realtime'::pg_catalog.regnamespace AND NOT c.relispartition
	  AND c.relkind IN ('r', 'p')
	  AND EXISTS (SELECT FROM pg_catalog.pg_depend d
				  WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e')
	  AND (c.relrowsecurity OR c.relforcerowsecurity OR c.relname = 'messages')$$);
