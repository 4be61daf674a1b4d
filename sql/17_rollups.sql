--
-- realtime.message_rollups: messages on channels, counted by the hour.
--
-- Statistics over millions of rows are sums over these and what is newer than
-- these.  A row of realtime.messages is not counted by its time, which says
-- nothing about when it was committed, but by its transaction:
-- realtime.rollup_position is a snapshot, and counted is exactly what it sees.
-- Each step of realtime.roll_up() replaces it by a later one and adds what that
-- sees and the one before did not.  So a transaction that commits late is
-- counted once, whenever that is, and waits for nobody.
--
-- What is deleted or changed after that, triggers put into
-- realtime.message_corrections, for the next step.  A partition that is dropped
-- takes its hours with it, and after a TRUNCATE all is counted again.
--

CREATE TABLE realtime.message_rollups
(
	channel_id uuid NOT NULL,
	hour timestamptz NOT NULL,
	event text NOT NULL,
	messages bigint NOT NULL,
	wh_audience bigint NOT NULL,
	wh_delivered bigint NOT NULL,
	CONSTRAINT message_rollups_pkey PRIMARY KEY (channel_id, hour, event)
)
WITH (fillfactor = 80);
COMMENT ON TABLE realtime.message_rollups IS
	'messages on channels by the hour, for realtime.message_stats()';

CREATE TABLE realtime.rollup_position
(
	is_only_row boolean PRIMARY KEY DEFAULT true CHECK (is_only_row),
	counted_before xid8 NOT NULL DEFAULT '0',
	uncounted xid8[] NOT NULL DEFAULT '{}'
);
COMMENT ON TABLE realtime.rollup_position IS
	'which transactions realtime.message_rollups has: all before counted_before that are not among the uncounted';
INSERT INTO realtime.rollup_position DEFAULT VALUES;

CREATE TABLE realtime.message_corrections
(
	counted_with xid8 NOT NULL,
	message_id uuid NOT NULL,
	old_at timestamptz,
	old_channel uuid,
	old_event text,
	new_at timestamptz,
	new_channel uuid,
	new_event text
);
COMMENT ON TABLE realtime.message_corrections IS
	'messages that were deleted or changed, until the next realtime.roll_up()';

-- By transaction, and by time: see above.
CREATE INDEX messages_xid_idx ON realtime.messages (xid) WHERE channel_id IS NOT NULL;
CREATE INDEX messages_inserted_at_id_idx ON realtime.messages (inserted_at, id) WHERE channel_id IS NOT NULL;
CREATE INDEX messages_channel_id_inserted_at_id_idx ON realtime.messages (channel_id, inserted_at, id)
	WHERE channel_id IS NOT NULL;

CREATE FUNCTION realtime.note_deleted_messages() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	INSERT INTO realtime.message_corrections (counted_with, message_id, old_at, old_channel, old_event)
	SELECT o.xid, o.id, o.inserted_at, o.channel_id, o.event
	FROM old_rows o WHERE o.channel_id IS NOT NULL;
	RETURN NULL;
END
$$;

CREATE FUNCTION realtime.note_changed_messages() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	INSERT INTO realtime.message_corrections
	SELECT o.xid, o.id, o.inserted_at, o.channel_id, o.event, n.inserted_at, n.channel_id, n.event
	FROM old_rows o JOIN new_rows n ON n.id = o.id AND n.xid = o.xid AND n.number = o.number
	WHERE (o.inserted_at, o.channel_id, o.event) IS DISTINCT FROM (n.inserted_at, n.channel_id, n.event);
	RETURN NULL;
END
$$;

-- Begin again with nothing counted.
CREATE FUNCTION realtime.recount_messages() RETURNS void
	LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
	UPDATE realtime.rollup_position SET counted_before = '0', uncounted = '{}';
	DELETE FROM realtime.message_rollups;
$$;
COMMENT ON FUNCTION realtime.recount_messages() IS
	'have all messages on channels counted again, in case somebody has disabled triggers of realtime.messages';

CREATE FUNCTION realtime.note_truncated_messages() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	PERFORM realtime.recount_messages();
	RETURN NULL;
END
$$;

-- Triggers of a statement are those of the table that it names: each partition
-- has them, too.
CREATE FUNCTION realtime.watch_messages(messages regclass) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	EXECUTE format('CREATE TRIGGER messages_note_deleted AFTER DELETE ON %s REFERENCING OLD TABLE AS old_rows
					FOR EACH STATEMENT EXECUTE FUNCTION realtime.note_deleted_messages()', messages);
	EXECUTE format('CREATE TRIGGER messages_note_changed AFTER UPDATE ON %s REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
					FOR EACH STATEMENT EXECUTE FUNCTION realtime.note_changed_messages()', messages);
	EXECUTE format('CREATE TRIGGER messages_note_truncated AFTER TRUNCATE ON %s
					FOR EACH STATEMENT EXECUTE FUNCTION realtime.note_truncated_messages()', messages);
END
$$;

-- A partition is dropped, under a lock that lets nobody else at the table.
CREATE FUNCTION realtime.forget_rollups(partition regclass) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	bounds CONSTANT text[] := (SELECT regexp_match(pg_get_expr(c.relpartbound, c.oid),
												   $re$FROM \((?:'(.*)'|MINVALUE)\) TO \((?:'(.*)'|MAXVALUE)\)$re$)
							   FROM pg_class c WHERE c.oid = partition);
	bound_from CONSTANT timestamptz := coalesce(bounds[1], '-infinity');
	bound_to CONSTANT timestamptz := coalesce(bounds[2], 'infinity');
BEGIN
	IF bounds IS NULL THEN
		PERFORM realtime.recount_messages();	-- the DEFAULT partition
		RETURN;
	END IF;
	DELETE FROM realtime.message_rollups r WHERE r.hour >= bound_from AND r.hour < bound_to;
	-- what moved a message from here, or to here, is half forgotten
	UPDATE realtime.message_corrections c SET old_channel = NULL
	WHERE c.old_at >= bound_from AND c.old_at < bound_to;
	UPDATE realtime.message_corrections c SET new_channel = NULL
	WHERE c.new_at >= bound_from AND c.new_at < bound_to;
END
$$;

-- One step: add what was committed since the last one, in some thousand messages
-- at most, and say whether there is more.
--
-- It is one statement, because what it counts and what it says to have counted
-- must be the same snapshot.  Transactions that go on, this one among them, are
-- put down as uncounted.  Corrections are judged by the position before the
-- step: who was not counted then was gone, or changed, when he was.  So all
-- there are have to be taken before the position may move.
--
-- Sums of deliveries follow the rows of realtime.message_audience, which a
-- transaction of its own has written later than that of the message.
CREATE FUNCTION realtime.roll_up(OUT more boolean) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	SET plan_cache_mode = force_custom_plan
	SET enable_seqscan = off
	SET jit = off
	AS $$
DECLARE
	step CONSTANT integer := 20000;
	was record;
BEGIN
	-- in the order of those who lock all of it, as TRUNCATE
	LOCK TABLE realtime.messages IN ACCESS SHARE MODE;
	SELECT p.counted_before, p.uncounted INTO was
	FROM realtime.rollup_position p FOR UPDATE SKIP LOCKED;
	IF NOT FOUND THEN
		more := false;			-- somebody else is at it
		RETURN;
	END IF;

	WITH now AS MATERIALIZED (
		SELECT pg_snapshot_xmax(s) AS end_xid,
			   ARRAY(SELECT x FROM pg_snapshot_xip(s) x) || pg_current_xact_id() AS running,
			   (SELECT count(*) FROM (SELECT FROM realtime.message_corrections LIMIT step + 1) c) > step AS is_correcting,
			   -- the last transaction of the step
			   (SELECT m.xid FROM realtime.messages m
				WHERE m.channel_id IS NOT NULL AND m.xid >= was.counted_before
				ORDER BY m.xid OFFSET step LIMIT 1) AS last_xid
		FROM pg_current_snapshot() s
	), next AS MATERIALIZED (
		SELECT CASE WHEN n.is_correcting THEN was.counted_before
			   ELSE least(n.end_xid, (n.last_xid::text::bigint + 1)::text::xid8) END AS counted_before,
			   n.*
		FROM now n
	), position AS MATERIALIZED (
		SELECT n.counted_before, n.counted_before < n.end_xid AS more,
			   CASE WHEN n.is_correcting THEN was.uncounted
			   ELSE ARRAY(SELECT x FROM unnest(n.running) x WHERE x < n.counted_before) END AS uncounted
		FROM next n
	), corrected AS (
		DELETE FROM realtime.message_corrections c
		WHERE c.ctid = ANY (ARRAY(SELECT d.ctid FROM realtime.message_corrections d LIMIT step))
		RETURNING c.*
	), deltas(channel_id, at, event, messages, wh_audience, wh_delivered) AS (
		SELECT m.channel_id, m.inserted_at, m.event, 1, 0, 0
		FROM (SELECT m.xid, m.channel_id, m.inserted_at, m.event FROM realtime.messages m
			  WHERE m.channel_id IS NOT NULL
				AND m.xid >= was.counted_before AND m.xid < (SELECT p.counted_before FROM position p)
			  UNION ALL
			  SELECT m.xid, m.channel_id, m.inserted_at, m.event FROM realtime.messages m
			  WHERE m.channel_id IS NOT NULL AND m.xid = ANY (was.uncounted)) m, position p
		WHERE m.xid <> ALL (p.uncounted)
		UNION ALL
		SELECT m.channel_id, m.inserted_at, m.event, 0, a.wh_audience, a.wh_delivered
		FROM (SELECT a.* FROM realtime.message_audience a
			  WHERE (a.wh_audience <> 0 OR a.wh_delivered <> 0)
				AND a.xid >= was.counted_before AND a.xid < (SELECT p.counted_before FROM position p)
			  UNION ALL
			  SELECT a.* FROM realtime.message_audience a
			  WHERE (a.wh_audience <> 0 OR a.wh_delivered <> 0) AND a.xid = ANY (was.uncounted)) a,
			 position p,
			 realtime.messages m
		WHERE a.xid <> ALL (p.uncounted)
		  AND m.id = a.message_id AND m.inserted_at = a.inserted_at AND m.channel_id IS NOT NULL
		UNION ALL
		SELECT v.channel_id, v.at, v.event, v.sign * s.messages, v.sign * s.wh_audience, v.sign * s.wh_delivered
		FROM corrected c,
			 LATERAL (VALUES (-1, c.old_channel, c.old_at, c.old_event),
							 (1, c.new_channel, c.new_at, c.new_event)) v(sign, channel_id, at, event),
			 LATERAL (SELECT (c.counted_with < was.counted_before AND c.counted_with <> ALL (was.uncounted))::integer AS messages,
							 coalesce(sum(a.wh_audience), 0) AS wh_audience,
							 coalesce(sum(a.wh_delivered), 0) AS wh_delivered
					  FROM realtime.message_audience a
					  WHERE a.message_id = c.message_id AND a.inserted_at = v.at
						AND (a.wh_audience <> 0 OR a.wh_delivered <> 0)
						AND a.xid < was.counted_before AND a.xid <> ALL (was.uncounted)) s
		WHERE v.channel_id IS NOT NULL
	), added AS (
		INSERT INTO realtime.message_rollups AS r
		SELECT d.channel_id, date_bin('1 hour', d.at, '2000-01-01 00:00:00+00'), left(coalesce(d.event, ''), 255),
			   sum(d.messages), sum(d.wh_audience), sum(d.wh_delivered)
		FROM deltas d
		GROUP BY 1, 2, 3
		ON CONFLICT (channel_id, hour, event) DO UPDATE
		SET messages = r.messages + EXCLUDED.messages,
			wh_audience = r.wh_audience + EXCLUDED.wh_audience,
			wh_delivered = r.wh_delivered + EXCLUDED.wh_delivered
	)
	UPDATE realtime.rollup_position o
	SET counted_before = p.counted_before, uncounted = p.uncounted
	FROM position p
	RETURNING p.more INTO more;
END
$$;
COMMENT ON FUNCTION realtime.roll_up() IS
	'count some of the messages on channels that were committed since the last time; returns whether there are more';

REVOKE EXECUTE ON FUNCTION
	realtime.note_deleted_messages(), realtime.note_changed_messages(), realtime.note_truncated_messages(),
	realtime.recount_messages(), realtime.watch_messages(regclass), realtime.forget_rollups(regclass),
	realtime.roll_up()
	FROM PUBLIC;
GRANT EXECUTE ON FUNCTION realtime.roll_up() TO realtime_executor;

SELECT realtime.watch_messages('realtime.messages');
SELECT realtime.watch_messages('realtime.messages_default');
