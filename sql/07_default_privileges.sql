--
-- What ALTER DEFAULT PRIVILEGES gives away is not given by us.
--
-- Where somebody grants clients' roles everything on all tables to come, which
-- is usual, that shall not mean signing keys, or partitions that are made later.
--

-- Leave a table to its owner and those named.
CREATE FUNCTION realtime.take_back_grants(relation regclass, except_roles name[]) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	grantee text;
BEGIN
	FOR grantee IN
		SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END
		FROM pg_class c, aclexplode(c.relacl) a
		WHERE c.oid = relation AND a.grantee <> c.relowner
		  AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = a.grantee AND r.rolname = ANY (except_roles))
	LOOP
		EXECUTE format('REVOKE ALL ON TABLE %s FROM %s', relation, grantee);
	END LOOP;
END
$$;
REVOKE EXECUTE ON FUNCTION realtime.take_back_grants(regclass, name[]) FROM PUBLIC;
