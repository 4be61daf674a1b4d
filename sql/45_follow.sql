--
-- Followed tables: those of the publication supabase_realtime, and those named
-- by realtime.follow().
--
-- A followed table has an internal trigger (src/api/follow.c) that captures its
-- changes.  realtime.follow_tables() compares the tables that are to have it with
-- those that have, and an event trigger calls that after whatever may change the
-- one or the other.
--
-- A partitioned table is followed as its partitions, or as itself where the
-- publication says publish_via_partition_root; the triggers are on the partitions
-- in any case, with the table as which changes are shown as their argument.
--

CREATE FUNCTION realtime.capture() RETURNS trigger
	LANGUAGE C
	AS 'MODULE_PATHNAME', 'capture';

CREATE FUNCTION realtime.note_tables_changed() RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'note_tables_changed';

CREATE FUNCTION realtime.attach_capture(tab regclass, shown_as regclass, events integer, capture regprocedure) RETURNS void
	LANGUAGE C STRICT VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'attach_capture';

CREATE FUNCTION realtime.detach_capture(capture_trigger oid) RETURNS void
	LANGUAGE C STRICT VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'detach_capture';

-- What realtime.follow() was told.  pg_dump writes names, so that they can be
-- restored where the tables have other OIDs.
CREATE TABLE realtime.follows
(
	relation regclass PRIMARY KEY
);
COMMENT ON TABLE realtime.follows IS
	'tables named by realtime.follow()';
SELECT pg_extension_config_dump('realtime.follows', '');

-- The triggers that there are; events as in pg_trigger.tgtype.
CREATE VIEW realtime.captures AS
	SELECT t.oid AS capture_trigger,
		   t.tgrelid::regclass AS tab,
		   split_part(encode(t.tgargs, 'escape'), '\000', 1)::oid AS shown_as,
		   t.tgtype::integer & 28 AS events
	FROM pg_catalog.pg_trigger t
	WHERE t.tgfoid = 'realtime.capture()'::regprocedure AND t.tgisinternal;

-- Tables of the extension are nobody's to follow.
CREATE FUNCTION realtime.is_own_table(tab oid) RETURNS boolean
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT EXISTS (
		SELECT FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
		WHERE d.classid = 'pg_class'::regclass AND d.objid = tab
		  AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = 'realtime')
$$;

-- The triggers that there should be.
CREATE FUNCTION realtime.wanted_captures(OUT tab oid, OUT shown_as oid, OUT events integer) RETURNS SETOF record
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT l.tab, f.shown_as, bit_or(f.events)
	FROM (
		SELECT c.oid, c.relkind,
			   CASE WHEN p.pubinsert THEN 4 ELSE 0 END | CASE WHEN p.pubdelete THEN 8 ELSE 0 END |
			   CASE WHEN p.pubupdate THEN 16 ELSE 0 END
		FROM pg_publication_tables t
			 JOIN pg_publication p ON p.pubname = t.pubname
			 JOIN pg_namespace n ON n.nspname = t.schemaname
			 JOIN pg_class c ON c.relname = t.tablename AND c.relnamespace = n.oid
		WHERE t.pubname = 'supabase_realtime'
		UNION ALL
		SELECT c.oid, c.relkind, 28
		FROM realtime.follows w JOIN pg_class c ON c.oid = w.relation
	) f(shown_as, kind, events)
	CROSS JOIN LATERAL (
		SELECT f.shown_as WHERE f.kind = 'r'
		UNION ALL
		SELECT c.oid FROM pg_partition_tree(f.shown_as) t JOIN pg_class c ON c.oid = t.relid
		WHERE f.kind = 'p' AND c.relkind = 'r'
	) l(tab)
	WHERE f.events <> 0 AND NOT realtime.is_own_table(l.tab)
	GROUP BY l.tab, f.shown_as
$$;

-- Have the one be the other; returns how many triggers were made and taken away.
-- The planner takes catalog functions for expensive ones: compiling the query
-- would take a hundred times longer than it does.
CREATE FUNCTION realtime.follow_tables() RETURNS integer
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET jit = off
	AS $$
DECLARE
	difference record;
	steps integer := 0;
BEGIN
	FOR difference IN
		SELECT h.capture_trigger, w.tab, w.shown_as, w.events
		FROM realtime.captures h
			 FULL JOIN realtime.wanted_captures() w
				ON w.tab = h.tab AND w.shown_as = h.shown_as AND w.events = h.events
		WHERE h.capture_trigger IS NULL OR w.tab IS NULL
		-- tables are locked in one order
		ORDER BY coalesce(w.tab, h.tab), h.capture_trigger
	LOOP
		IF difference.capture_trigger IS NOT NULL THEN
			PERFORM realtime.detach_capture(difference.capture_trigger);
		ELSE
			PERFORM realtime.attach_capture(difference.tab, difference.shown_as, difference.events,
											'realtime.capture()'::regprocedure);
		END IF;
		steps := steps + 1;
	END LOOP;
	RETURN steps;
END
$$;

-- After commands that may change which tables are followed, what they look like
-- or who may see them.  It runs as the extension's owner, because who adds a
-- table to a publication may do so without being allowed to make a trigger.  An
-- error here shall not keep anybody from his command; it is said, and the table
-- is not followed.
CREATE FUNCTION realtime.note_command() RETURNS event_trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	SET jit = off
	AS $$
BEGIN
	-- temporary tables come and go, and are never followed
	IF TG_TAG IN ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'ALTER TABLE')
		AND NOT EXISTS (SELECT FROM pg_event_trigger_ddl_commands() c
						WHERE c.schema_name IS DISTINCT FROM 'pg_temp')
	THEN
		RETURN;
	END IF;
	IF realtime.follow_tables() > 0
		OR TG_TAG NOT IN ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'CREATE SCHEMA',
						  'CREATE PUBLICATION', 'ALTER PUBLICATION', 'DROP PUBLICATION')
		AND EXISTS (SELECT FROM realtime.captures)
	THEN
		PERFORM realtime.note_tables_changed();
	END IF;
EXCEPTION
	WHEN OTHERS THEN
		RAISE WARNING 'realtime could not keep up with %: %', TG_TAG, SQLERRM
			USING HINT = 'SELECT realtime.follow_tables() tries again.';
END
$$;

-- After DROP: triggers went with their tables; columns and policies matter, too.
-- While the extension itself is dropped there is nobody to tell.
CREATE FUNCTION realtime.note_drop() RETURNS event_trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	SET jit = off
	AS $$
BEGIN
	DELETE FROM realtime.follows w
	WHERE w.relation IN (SELECT d.objid FROM pg_event_trigger_dropped_objects() d
						 WHERE d.classid = 'pg_class'::regclass AND d.objsubid = 0);
	IF EXISTS (SELECT FROM pg_event_trigger_dropped_objects() d
			   WHERE d.object_type = 'trigger' AND d.object_identity LIKE 'realtime_capture_%'
				  OR d.object_type IN ('policy', 'table column') AND EXISTS (SELECT FROM realtime.captures))
	THEN
		PERFORM realtime.note_tables_changed();
	END IF;
EXCEPTION
	WHEN OTHERS THEN
		RAISE WARNING 'realtime could not keep up with %: %', TG_TAG, SQLERRM;
END
$$;

CREATE FUNCTION realtime.follow(tab regclass) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	found record;
BEGIN
	SELECT c.relkind, c.relpersistence, realtime.is_own_table(c.oid) AS is_ours, c.relnamespace
	INTO STRICT found
	FROM pg_class c WHERE c.oid = tab;
	IF found.relkind NOT IN ('r', 'p') OR found.relpersistence = 't' THEN
		RAISE EXCEPTION '"%" is no table that can be followed', tab
			USING ERRCODE = 'wrong_object_type';
	ELSIF found.is_ours OR found.relnamespace IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace) THEN
		RAISE EXCEPTION 'table "%" must not be followed', tab
			USING ERRCODE = 'insufficient_privilege';
	END IF;
	-- its trigger does the rest
	INSERT INTO realtime.follows VALUES (tab) ON CONFLICT DO NOTHING;
END
$$;
COMMENT ON FUNCTION realtime.follow(regclass) IS
	'have changes of a table captured for clients that listen to it';

CREATE FUNCTION realtime.unfollow(tab regclass) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	was_there boolean;
BEGIN
	DELETE FROM realtime.follows WHERE relation = tab;
	was_there := FOUND;
	IF realtime.follow_tables() > 0 THEN
		PERFORM realtime.note_tables_changed();
	END IF;
	RETURN was_there;
END
$$;
COMMENT ON FUNCTION realtime.unfollow(regclass) IS
	'undo realtime.follow(); a table of the publication supabase_realtime is followed nevertheless';

CREATE VIEW realtime.followed_tables AS
	SELECT DISTINCT n.nspname AS schema_name, c.relname AS table_name,
		   c.oid IN (SELECT w.relation FROM realtime.follows w) AS by_name,
		   (c.relname, n.nspname) IN (SELECT p.tablename, p.schemaname
									  FROM pg_catalog.pg_publication_tables p
									  WHERE p.pubname = 'supabase_realtime') AS by_publication
	FROM realtime.captures h
		 JOIN pg_catalog.pg_class c ON c.oid = h.shown_as
		 JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace;
COMMENT ON VIEW realtime.followed_tables IS
	'tables whose changes clients may listen to';

-- Rows come from realtime.follow(), and from dumps that are restored.
CREATE FUNCTION realtime.follow_inserted() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	IF realtime.follow_tables() > 0 THEN
		PERFORM realtime.note_tables_changed();
	END IF;
	RETURN NULL;
END
$$;
CREATE TRIGGER follows_inserted AFTER INSERT ON realtime.follows
	FOR EACH STATEMENT EXECUTE FUNCTION realtime.follow_inserted();

-- The publication is made where it is absent (see the end).  CREATE PUBLICATION,
-- as a dump has it, replaces it as long as it is empty.
CREATE FUNCTION realtime.replace_publication() RETURNS event_trigger
	LANGUAGE c VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'replace_publication';

REVOKE EXECUTE ON FUNCTION
	realtime.capture(), realtime.note_tables_changed(),
	realtime.attach_capture(regclass, regclass, integer, regprocedure), realtime.detach_capture(oid),
	realtime.is_own_table(oid), realtime.wanted_captures(), realtime.follow_tables(),
	realtime.note_command(), realtime.note_drop(),
	realtime.follow(regclass), realtime.unfollow(regclass), realtime.follow_inserted(), realtime.replace_publication()
	FROM PUBLIC;

DO $$
BEGIN
	IF NOT EXISTS (SELECT FROM pg_publication p WHERE p.pubname = 'supabase_realtime') THEN
		-- wal_level is of no importance to us
		SET LOCAL client_min_messages = error;
		SET LOCAL log_min_messages = error;
		CREATE PUBLICATION supabase_realtime;
		SET LOCAL client_min_messages = warning;
		SET LOCAL log_min_messages = DEFAULT;
	END IF;
	PERFORM realtime.follow_tables();
END
$$;
