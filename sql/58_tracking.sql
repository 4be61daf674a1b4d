--
-- Messages on channels with what became of them, and statistics over them.
--
-- Both are for those who may read everything: the rights of the client's role
-- that tokens of administrators name are in 80_api_roles.sql.
--

-- One row of the view costs one look into one partition of
-- realtime.message_audience, so a page of it costs as many, whatever else there is.
CREATE VIEW realtime.message_details WITH (security_invoker = true) AS
	SELECT m.id, c.id AS channel_id, m.topic AS channel_name, m.event AS event_name,
		   m.payload, m.binary_payload, m.type, m.sender_type, m.sender_id,
		   coalesce(a.ws_audience_count, 0) AS ws_audience_count,
		   coalesce(a.wh_audience_count, 0) AS wh_audience_count,
		   coalesce(a.wh_delivered_count, 0) AS wh_delivered_count,
		   m.inserted_at AS created_at
	FROM realtime.messages m
		 LEFT JOIN realtime.channels c ON c.id = m.channel_id
		 CROSS JOIN LATERAL (SELECT sum(a.ws_audience)::integer AS ws_audience_count,
									sum(a.wh_audience)::integer AS wh_audience_count,
									sum(a.wh_delivered)::integer AS wh_delivered_count
							 FROM realtime.message_audience a
							 WHERE a.message_id = m.id AND a.inserted_at = m.inserted_at) a
	WHERE m.channel_id IS NOT NULL;
COMMENT ON VIEW realtime.message_details IS
	'messages published on channels, and how many sockets and webhooks each has reached; channel_id is null if the channel is gone';

-- Whole hours that are counted, and rows for the rest: those that are not
-- counted yet, and of the first hour those since its middle.
CREATE FUNCTION realtime.message_stats(
		channel_id uuid DEFAULT NULL,
		since timestamptz DEFAULT NULL,
		OUT total_messages bigint,
		OUT wh_delivery_rate double precision,
		OUT top_events jsonb)
	RETURNS record
	LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	SET plan_cache_mode = force_custom_plan
	SET jit = off
	SET max_parallel_workers_per_gather = 0
	AS $$
DECLARE
	most_events CONSTANT integer := 10;
	counted record;
	first_hour timestamptz := coalesce(date_bin('1 hour', since, '2000-01-01 00:00:00+00'), '-infinity');
BEGIN
	IF message_stats.channel_id IS NOT NULL
		AND NOT EXISTS (SELECT FROM realtime.channels c WHERE c.id = message_stats.channel_id) THEN
		total_messages := 0;	-- it is gone, and its messages are on none
		wh_delivery_rate := 0;
		top_events := '[]';
		RETURN;
	END IF;
	IF first_hour < since THEN
		first_hour := first_hour + interval '1 hour';
	END IF;

	-- a function that is STABLE sees one snapshot from begin to end
	SELECT p.counted_before, p.uncounted INTO STRICT counted FROM realtime.rollup_position p;
	WITH parts(channel_id, event, messages, wh_audience, wh_delivered) AS (
		SELECT r.channel_id, r.event, r.messages, r.wh_audience, r.wh_delivered
		FROM realtime.message_rollups r
		WHERE r.hour >= first_hour
		UNION ALL
		-- of the hour that began before
		SELECT m.channel_id, m.event, count(*), 0, 0
		FROM realtime.messages m
		WHERE m.channel_id IS NOT NULL AND m.inserted_at >= since AND m.inserted_at < first_hour
		GROUP BY m.channel_id, m.event
		UNION ALL
		SELECT m.channel_id, m.event, 0, a.wh_audience, a.wh_delivered
		FROM realtime.messages m JOIN realtime.message_audience a ON a.message_id = m.id AND a.inserted_at = m.inserted_at
		WHERE m.channel_id IS NOT NULL AND m.inserted_at >= since AND m.inserted_at < first_hour
		  AND a.inserted_at >= since AND a.inserted_at < first_hour
		  AND (a.wh_audience <> 0 OR a.wh_delivered <> 0)
		UNION ALL
		-- not counted yet
		SELECT m.channel_id, m.event, count(*), 0, 0
		FROM realtime.messages m
		WHERE m.channel_id IS NOT NULL AND m.inserted_at >= first_hour AND m.xid >= counted.counted_before
		GROUP BY m.channel_id, m.event
		UNION ALL
		SELECT m.channel_id, m.event, count(*), 0, 0
		FROM realtime.messages m
		WHERE m.channel_id IS NOT NULL AND m.inserted_at >= first_hour AND m.xid = ANY (counted.uncounted)
		GROUP BY m.channel_id, m.event
		UNION ALL
		SELECT m.channel_id, m.event, 0, a.wh_audience, a.wh_delivered
		FROM (SELECT a.* FROM realtime.message_audience a
			  WHERE (a.wh_audience <> 0 OR a.wh_delivered <> 0) AND a.xid >= counted.counted_before
			  UNION ALL
			  SELECT a.* FROM realtime.message_audience a
			  WHERE (a.wh_audience <> 0 OR a.wh_delivered <> 0) AND a.xid = ANY (counted.uncounted)) a,
			 realtime.messages m
		WHERE m.id = a.message_id AND m.inserted_at = a.inserted_at
		  AND m.channel_id IS NOT NULL AND m.inserted_at >= first_hour
		UNION ALL
		-- counted, and deleted or changed
		SELECT v.channel_id, v.event, v.sign * s.messages, v.sign * s.wh_audience, v.sign * s.wh_delivered
		FROM realtime.message_corrections c,
			 LATERAL (VALUES (-1, c.old_channel, c.old_at, c.old_event),
							 (1, c.new_channel, c.new_at, c.new_event)) v(sign, channel_id, at, event),
			 LATERAL (SELECT (c.counted_with < counted.counted_before AND c.counted_with <> ALL (counted.uncounted))::integer AS messages,
							 coalesce(sum(a.wh_audience), 0) AS wh_audience,
							 coalesce(sum(a.wh_delivered), 0) AS wh_delivered
					  FROM realtime.message_audience a
					  WHERE a.message_id = c.message_id AND a.inserted_at = v.at
						AND (a.wh_audience <> 0 OR a.wh_delivered <> 0)
						AND a.xid < counted.counted_before AND a.xid <> ALL (counted.uncounted)) s
		WHERE v.at >= first_hour
	), events AS (
		SELECT left(coalesce(p.event, ''), 255) AS event, sum(p.messages) AS messages,
			   sum(p.wh_audience) AS wh_audience, sum(p.wh_delivered) AS wh_delivered
		FROM parts p
		WHERE p.channel_id = message_stats.channel_id
			  OR (message_stats.channel_id IS NULL AND p.channel_id IS NOT NULL)
		GROUP BY 1
	)
	SELECT coalesce(sum(e.messages), 0),
		   coalesce(sum(e.wh_delivered) / nullif(sum(e.wh_audience), 0), 0),
		   coalesce((SELECT jsonb_agg(jsonb_build_object('eventName', t.event, 'count', t.messages)
									  ORDER BY t.messages DESC, t.event COLLATE "C")
					 FROM (SELECT e.event, e.messages FROM events e
						   WHERE e.messages > 0
						   ORDER BY e.messages DESC, e.event COLLATE "C" LIMIT most_events) t), '[]')
	INTO total_messages, wh_delivery_rate, top_events
	FROM events e;
END
$$;
COMMENT ON FUNCTION realtime.message_stats(uuid, timestamptz) IS
	'number of messages published on channels, share of webhook deliveries that succeeded, and the ten most frequent events; of one channel, and since some time, if so asked';

REVOKE EXECUTE ON FUNCTION realtime.message_stats(uuid, timestamptz) FROM PUBLIC;
