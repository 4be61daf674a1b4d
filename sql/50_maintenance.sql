--
-- Partitions of realtime.messages: one for each UTC day, made ahead, dropped
-- when realtime.retention says so.
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
-- Rows that came while their day had no partition are in messages_default.  A
-- few of them move to the partition when it is made; where there are many, the
-- day is left to messages_default, and its rows are deleted when they are old.
--

CREATE FUNCTION realtime.is_member(partition regclass) RETURNS boolean
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT EXISTS (SELECT FROM pg_depend d
				   WHERE d.classid = 'pg_class'::regclass
					 AND d.objid = partition
					 AND d.deptype = 'e')
$$;

CREATE FUNCTION realtime.make_partition(day date) RETURNS text
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET timezone = 'UTC'
	AS $$
DECLARE
	most_moved CONSTANT integer := 10000;
	name CONSTANT text := 'messages_' || to_char(day, 'YYYY_MM_DD');
	day_start CONSTANT timestamptz := day::timestamptz;
	day_end CONSTANT timestamptz := (day + 1)::timestamptz;
	stray integer;
BEGIN
	SELECT count(*) INTO stray
	FROM (SELECT FROM ONLY realtime.messages_default m
		  WHERE m.inserted_at >= day_start AND m.inserted_at < day_end
		  LIMIT most_moved + 1) s;
	IF stray > most_moved THEN
		RETURN 'left to messages_default:';
	END IF;

	-- made apart and attached, which locks out nobody but other maintenance
	EXECUTE format('CREATE TABLE realtime.%I (LIKE realtime.messages INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE INCLUDING COMPRESSION)', name);
	EXECUTE format('ALTER TABLE realtime.%I OWNER TO %I', name,
				   (SELECT pg_get_userbyid(c.relowner) FROM pg_class c
					WHERE c.oid = 'realtime.messages'::regclass));
	EXECUTE format('ALTER TABLE realtime.%I ENABLE ROW LEVEL SECURITY', name);
	IF stray > 0 THEN
		LOCK TABLE realtime.messages_default IN SHARE ROW EXCLUSIVE MODE;
		EXECUTE format('WITH moved AS (DELETE FROM ONLY realtime.messages_default m'
					   ' WHERE m.inserted_at >= %L AND m.inserted_at < %L RETURNING m.*)'
					   ' INSERT INTO realtime.%I SELECT * FROM moved',
					   day_start, day_end, name);
	END IF;
	EXECUTE format('ALTER TABLE realtime.messages ATTACH PARTITION realtime.%I FOR VALUES FROM (%L) TO (%L)',
				   name, day_start, day_end);
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
BEGIN
	-- the table first: once that is locked, nothing else can fail
	LOCK TABLE realtime.messages IN ACCESS EXCLUSIVE MODE;
	IF NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = partition) THEN
		RETURN;					-- somebody else was faster
	END IF;
	-- one that was made by hand is no member
	IF realtime.is_member(partition) THEN
		EXECUTE format('ALTER EXTENSION realtime DROP TABLE %s', partition);
	END IF;
	EXECUTE format('DROP TABLE %s', partition);
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
	days_ahead CONSTANT integer := 3;
	today CONSTANT date := current_date;
	retention CONSTANT interval := current_setting('realtime.retention')::interval;
	oldest timestamptz := '-infinity';
	deleted bigint;
	day date;
	old record;
BEGIN
	BEGIN
		LOCK TABLE realtime.messages IN SHARE UPDATE EXCLUSIVE MODE;
	EXCEPTION WHEN lock_not_available THEN
		RETURN;
	END;

	IF retention > interval '0' THEN
		oldest := now() - retention;
		DELETE FROM ONLY realtime.messages_default m WHERE m.inserted_at < oldest;
		GET DIAGNOSTICS deleted = ROW_COUNT;
		IF deleted > 0 THEN
			action := format('deleted %s old rows from', deleted);
			partition := 'messages_default';
			RETURN NEXT;
		END IF;
	END IF;

	FOR day IN SELECT today + n FROM generate_series(-1, days_ahead) n LOOP
		partition := 'messages_' || to_char(day, 'YYYY_MM_DD');
		CONTINUE WHEN to_regclass(format('realtime.%I', partition)) IS NOT NULL
			OR (day + 1)::timestamptz <= oldest;
		BEGIN
			action := realtime.make_partition(day);
		EXCEPTION
			-- the lock, or a row that came to messages_default meanwhile
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

	FOR old IN
		SELECT c.oid::regclass AS table, c.relname AS name
		FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
		WHERE i.inhparent = 'realtime.messages'::regclass
		  AND c.relname ~ '^messages_\d{4}_\d\d_\d\d$'
		ORDER BY c.relname
	LOOP
		BEGIN
			CONTINUE WHEN (to_date(substr(old.name, 10), 'YYYY_MM_DD') + 1)::timestamptz > oldest;
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
COMMENT ON FUNCTION realtime.maintain() IS
	'make partitions of realtime.messages ahead and drop those that are too old';

REVOKE EXECUTE ON FUNCTION
	realtime.is_member(regclass), realtime.make_partition(date),
	realtime.drop_partition(regclass), realtime.maintain()
	FROM PUBLIC;

SELECT count(*) AS partitions FROM realtime.maintain();
