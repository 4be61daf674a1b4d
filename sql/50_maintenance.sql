--
-- Partitions of realtime.messages and the tables that go with it: one for each
-- UTC day, made ahead, dropped when realtime.retention or realtime.config says so.
--
-- Called every hour by the worker "realtime maintenance", and by hand wherever
-- none runs.  It never lets senders wait longer than lock_timeout: what cannot
-- be locked in that time is left for the next call.  Two calls at once do no
-- harm: the second one returns at once, because the lock on the table it takes
-- excludes itself.  (An advisory lock would do, too, but any role could hold
-- that one for ever.)
--
-- Partitions belong to the extension, so DROP EXTENSION drops them and pg_dump
-- leaves them out; CREATE EXTENSION in the restored database makes new ones.
--
-- Rows that came while their day had no partition are in <table>_default.  A
-- few of them move to the partition when it is made; where there are many, the
-- day is left to <table>_default, and its rows are deleted when they are old.
--

-- What an administrator sets over HTTP.  At most one row, and none at first: a
-- dump brings its own.
CREATE TABLE realtime.config
(
	is_only_row boolean PRIMARY KEY DEFAULT true CHECK (is_only_row),
	retention_days integer,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	CONSTRAINT config_retention_days_range CHECK (retention_days BETWEEN 1 AND 36500)
);
COMMENT ON TABLE realtime.config IS 'settings that can be changed over HTTP';
COMMENT ON COLUMN realtime.config.retention_days IS
	'how long messages are kept; null = as the setting realtime.retention says';
SELECT pg_extension_config_dump('realtime.config', '');

-- Messages that were inserted before this time are too old.
CREATE FUNCTION realtime.oldest_kept() RETURNS timestamptz
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT CASE WHEN r.retention > interval '0' THEN now() - r.retention ELSE '-infinity' END
	FROM (SELECT coalesce((SELECT make_interval(days => c.retention_days) FROM realtime.config c),
						  current_setting('realtime.retention')::interval)) r(retention)
$$;

CREATE FUNCTION realtime.daily_tables(OUT name text, OUT time_column text) RETURNS SETOF record
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS $$ VALUES ('messages', 'inserted_at'), ('commits', 'committed_at'), ('message_audience', 'inserted_at') $$;

CREATE FUNCTION realtime.is_member(partition regclass) RETURNS boolean
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT EXISTS (SELECT FROM pg_depend d
				   WHERE d.classid = 'pg_class'::regclass
					 AND d.objid = partition
					 AND d.deptype = 'e')
$$;

-- The hub goes on from the newest row of realtime.commits when it starts, so
-- that one stays, however old it is.
CREATE FUNCTION realtime.holds_newest_commit(partition regclass) RETURNS boolean
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT EXISTS (SELECT FROM (SELECT c.tableoid FROM realtime.commits c
								ORDER BY c.lsn DESC LIMIT 1) newest
				   WHERE newest.tableoid = partition)
$$;

CREATE FUNCTION realtime.make_partition(parent text, day date) RETURNS text
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET timezone = 'UTC'
	AS $$
DECLARE
	most_moved CONSTANT integer := 10000;
	name CONSTANT text := parent || to_char(day, '_YYYY_MM_DD');
	strays text;
	stray integer;
	given text;
	model record;
BEGIN
	SELECT format('FROM ONLY realtime.%1$I s WHERE s.%2$I >= %3$L AND s.%2$I < %4$L',
				  parent || '_default', t.time_column, day::timestamptz, (day + 1)::timestamptz)
	INTO STRICT strays
	FROM realtime.daily_tables() t WHERE t.name = parent;
	EXECUTE format('SELECT count(*) FROM (SELECT %s LIMIT %s) s', strays, most_moved + 1) INTO stray;
	IF stray > most_moved THEN
		RETURN format('left to %s_default:', parent);
	END IF;

	-- made apart and attached, which locks out nobody but other maintenance
	EXECUTE format('CREATE TABLE realtime.%I (LIKE realtime.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED INCLUDING STORAGE INCLUDING COMPRESSION)',
				   name, parent);
	SELECT c.relowner::regrole AS owner, c.relrowsecurity AS has_policies INTO STRICT model
	FROM pg_class c WHERE c.oid = format('realtime.%I', parent)::regclass;
	EXECUTE format('ALTER TABLE realtime.%I OWNER TO %s', name, model.owner);
	PERFORM realtime.take_back_grants(format('realtime.%I', name)::regclass, '{}');
	IF model.has_policies THEN
		EXECUTE format('ALTER TABLE realtime.%I ENABLE ROW LEVEL SECURITY', name);
	END IF;
	IF stray > 0 THEN
		EXECUTE format('LOCK TABLE realtime.%I IN SHARE ROW EXCLUSIVE MODE', parent || '_default');
		SELECT string_agg(quote_ident(a.attname), ', ') INTO STRICT given
		FROM pg_attribute a
		WHERE a.attrelid = format('realtime.%I', name)::regclass
		  AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '';
		IF parent = 'messages' THEN
			-- they are not deleted
			ALTER TABLE realtime.messages_default DISABLE TRIGGER messages_note_deleted;
		END IF;
		EXECUTE format('WITH moved AS (DELETE %1$s RETURNING s.*) INSERT INTO realtime.%2$I (%3$s) SELECT %3$s FROM moved',
					   strays, name, given);
		IF parent = 'messages' THEN
			ALTER TABLE realtime.messages_default ENABLE TRIGGER messages_note_deleted;
		END IF;
	END IF;
	IF parent = 'messages' THEN
		PERFORM realtime.watch_messages(format('realtime.%I', name)::regclass);
	END IF;
	EXECUTE format('ALTER TABLE realtime.%I ATTACH PARTITION realtime.%I FOR VALUES FROM (%L) TO (%L)',
				   parent, name, day::timestamptz, (day + 1)::timestamptz);
	-- in the extension's own script it is a member already
	IF NOT realtime.is_member(format('realtime.%I', name)::regclass) THEN
		EXECUTE format('ALTER EXTENSION realtime ADD TABLE realtime.%I', name);
	END IF;
	RETURN 'created';
END
$$;

CREATE FUNCTION realtime.drop_partition(partition regclass) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	parent regclass;
BEGIN
	SELECT i.inhparent INTO parent FROM pg_inherits i WHERE i.inhrelid = partition;
	IF parent IS NOT NULL THEN
		-- the table first: once that is locked, nothing else can fail
		EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', parent);
	END IF;
	IF NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = partition) THEN
		RETURN;					-- somebody else was faster
	END IF;
	IF parent = 'realtime.messages'::regclass THEN
		PERFORM realtime.forget_rollups(partition);
	END IF;
	-- one that was made by hand is no member
	IF realtime.is_member(partition) THEN
		EXECUTE format('ALTER EXTENSION realtime DROP TABLE %s', partition);
	END IF;
	EXECUTE format('DROP TABLE %s', partition);
END
$$;

CREATE FUNCTION realtime.make_partitions(parent text, oldest timestamptz, OUT action text, OUT partition text)
	RETURNS SETOF record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET timezone = 'UTC'
	AS $$
DECLARE
	days_ahead CONSTANT integer := 3;
	day date;
BEGIN
	FOR day IN SELECT current_date + n FROM generate_series(-1, days_ahead) n LOOP
		partition := parent || to_char(day, '_YYYY_MM_DD');
		CONTINUE WHEN to_regclass(format('realtime.%I', partition)) IS NOT NULL
			OR (day + 1)::timestamptz <= oldest;
		BEGIN
			action := realtime.make_partition(parent, day);
		EXCEPTION
			-- the lock, or a row that came to the DEFAULT partition meanwhile
			WHEN lock_not_available OR check_violation THEN
				action := 'put off';
			-- one day's trouble, as a partition made by hand that overlaps,
			-- must not keep the others from being served
			WHEN OTHERS THEN
				RAISE WARNING 'could not make %: %', partition, SQLERRM;
				action := 'could not make';
		END;
		RETURN NEXT;
	END LOOP;
END
$$;

CREATE FUNCTION realtime.drop_partitions(parent text, oldest timestamptz, OUT action text, OUT partition text)
	RETURNS SETOF record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET timezone = 'UTC'
	AS $$
DECLARE
	old record;
BEGIN
	FOR old IN
		SELECT c.oid::regclass AS table, c.relname AS name
		FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
		WHERE i.inhparent = format('realtime.%I', parent)::regclass
		  AND c.relname ~ ('^' || parent || '_\d{4}_\d\d_\d\d$')
		ORDER BY c.relname
	LOOP
		BEGIN
			CONTINUE WHEN (to_date(right(old.name, 10), 'YYYY_MM_DD') + 1)::timestamptz > oldest
				OR realtime.holds_newest_commit(old.table);
			IF parent <> 'message_audience' THEN
				PERFORM realtime.raise_horizon((to_date(right(old.name, 10), 'YYYY_MM_DD') + 1)::timestamptz);
			END IF;
			PERFORM realtime.drop_partition(old.table);
			action := 'dropped';
		EXCEPTION
			WHEN lock_not_available THEN
				action := 'not dropped yet:';
			WHEN OTHERS THEN
				RAISE WARNING 'could not drop %: %', old.name, SQLERRM;
				action := 'could not drop';
		END;
		partition := old.name;
		RETURN NEXT;
	END LOOP;
END
$$;

-- Old rows of the DEFAULT partition; returns their number.
CREATE FUNCTION realtime.delete_strays(parent text, oldest timestamptz) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	deleted bigint;
BEGIN
	CASE
		WHEN oldest = '-infinity' THEN
			RETURN 0;			-- everything is kept
		WHEN parent = 'messages' THEN
			DELETE FROM ONLY realtime.messages_default m WHERE m.inserted_at < oldest;
		WHEN parent = 'commits' THEN
			DELETE FROM ONLY realtime.commits_default c WHERE c.committed_at < oldest
				AND c.lsn < (SELECT max(n.lsn) FROM realtime.commits n);
		WHEN parent = 'message_audience' THEN
			DELETE FROM ONLY realtime.message_audience_default a WHERE a.inserted_at < oldest;
	END CASE;
	GET DIAGNOSTICS deleted = ROW_COUNT;
	IF deleted > 0 AND parent <> 'message_audience' THEN
		PERFORM realtime.raise_horizon(oldest);
	END IF;
	RETURN deleted;
END
$$;

CREATE FUNCTION realtime.maintain(OUT action text, OUT partition text)
	RETURNS SETOF record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET timezone = 'UTC'
	SET lock_timeout = '100ms'
	AS $$
DECLARE
	oldest CONSTANT timestamptz := realtime.oldest_kept();
	parent text;
	deleted bigint;
BEGIN
	BEGIN
		LOCK TABLE realtime.messages IN SHARE UPDATE EXCLUSIVE MODE;
	EXCEPTION WHEN lock_not_available THEN
		RETURN;
	END;

	FOR parent IN SELECT t.name FROM realtime.daily_tables() t LOOP
		deleted := realtime.delete_strays(parent, oldest);
		IF deleted > 0 THEN
			action := format('deleted %s old rows from', deleted);
			partition := parent || '_default';
			RETURN NEXT;
		END IF;
		RETURN QUERY SELECT * FROM realtime.make_partitions(parent, oldest);
		RETURN QUERY SELECT * FROM realtime.drop_partitions(parent, oldest);
	END LOOP;
	deleted := realtime.delete_dead_letters(oldest);
	IF deleted > 0 THEN
		action := format('deleted %s old rows from', deleted);
		partition := 'webhook_dead_letters';
		RETURN NEXT;
	END IF;

	-- where no hub has it done all the time
	WHILE realtime.roll_up() LOOP
		NULL;
	END LOOP;
	DELETE FROM realtime.message_rollups r WHERE r.messages = 0 AND r.wh_audience = 0 AND r.wh_delivered = 0;

	-- pg_upgrade carries no triggers of ours over
	BEGIN
		PERFORM realtime.note_tables_changed() FROM realtime.follow_tables() f(steps) WHERE f.steps > 0;
	EXCEPTION WHEN lock_not_available THEN
		NULL;					-- at the next call
	END;
END
$$;
COMMENT ON FUNCTION realtime.maintain() IS
	'make partitions of realtime.messages and the tables that go with it ahead and drop those that are too old';

REVOKE EXECUTE ON FUNCTION
	realtime.oldest_kept(), realtime.daily_tables(), realtime.is_member(regclass), realtime.holds_newest_commit(regclass),
	realtime.make_partition(text, date), realtime.drop_partition(regclass),
	realtime.make_partitions(text, timestamptz), realtime.drop_partitions(text, timestamptz),
	realtime.delete_strays(text, timestamptz), realtime.maintain()
	FROM PUBLIC;

SELECT count(*) AS partitions FROM realtime.maintain();
