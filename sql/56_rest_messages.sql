--
-- /api/realtime/messages and /publish: what was published on channels.
--

-- A page of messages, newest first.  Only the conditions that are wanted are
-- written, and planned with their values: what comes out is a scan of the one
-- index or the other in its order, of those partitions that are left, which stops
-- at the limit.  Behind a place in time the messages next to it are wanted.  It is
-- null where its payloads are more than fits into an answer, and then it is not put
-- together.
CREATE FUNCTION realtime.messages_page(
		channel_id uuid, event_name text, before_at timestamptz, before_id uuid, after_at timestamptz, after_id uuid,
		page_limit bigint, page_offset bigint)
	RETURNS jsonb
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS $page$
DECLARE
	message CONSTANT text := $$
		'id', m.id, 'eventName', coalesce(nullif(m.event_name, ''), 'message'), 'type', coalesce(m.type, 'message'),
		'channelId', m.channel_id, 'channelName', m.channel_name,
		'payload', CASE WHEN jsonb_typeof(m.payload) = 'object' THEN m.payload
						WHEN m.payload IS NOT NULL THEN jsonb_build_object('payload', m.payload)
						WHEN m.binary_payload IS NOT NULL
						THEN jsonb_build_object('payload', translate(encode(m.binary_payload, 'base64'), E'\n', ''))
						ELSE '{}' END,
		'senderType', m.sender_type, 'senderId', m.sender_id,
		'wsAudienceCount', m.ws_audience_count, 'whAudienceCount', m.wh_audience_count,
		'whDeliveredCount', m.wh_delivered_count, 'createdAt', realtime.iso_time(m.created_at) $$;
	payload_bytes CONSTANT text := $$
		coalesce(octet_length(d.payload::text), (octet_length(d.binary_payload) + 2) / 3 * 4, 0) $$;
	max_bytes CONSTANT bigint := 7 * 1024 * 1024;
	page jsonb;
BEGIN
	EXECUTE 'SELECT CASE WHEN count(*) = 0 THEN ''[]'' ELSE'
		' jsonb_agg(jsonb_build_object(' || message || ') ORDER BY m.created_at DESC, m.id DESC)'
		' FILTER (WHERE m.page_bytes <= $9) END'
		' FROM (SELECT *, sum(' || payload_bytes || ') OVER () AS page_bytes'
		' FROM (SELECT * FROM realtime.message_details d WHERE true'
		|| CASE WHEN channel_id IS NULL THEN '' ELSE ' AND d.channel_id = $1' END
		|| CASE WHEN event_name IS NULL THEN '' ELSE ' AND d.event_name = $2' END
		|| CASE WHEN before_at IS NULL THEN '' ELSE ' AND d.created_at <= $3 AND (d.created_at, d.id) < ($3, $4)' END
		|| CASE WHEN after_at IS NULL THEN '' ELSE ' AND d.created_at >= $5 AND (d.created_at, d.id) > ($5, $6)' END
		|| format(' ORDER BY d.created_at %1$s, d.id %1$s LIMIT $7 OFFSET $8) d) m',
				  CASE WHEN after_at IS NOT NULL AND before_at IS NULL THEN 'ASC' ELSE 'DESC' END)
	INTO page
	USING channel_id, event_name, before_at, before_id, after_at, after_id, page_limit, page_offset, max_bytes;
	RETURN page;
END
$page$;

CREATE FUNCTION realtime.http_messages_list(request jsonb, OUT status integer, OUT body jsonb)
	RETURNS record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	query CONSTANT jsonb := coalesce(request -> 'query', '{}');
	page_limit CONSTANT numeric := realtime.query_number(query, 'limit', 100);
	page_offset CONSTANT numeric := realtime.query_number(query, 'offset', 0);
	before record;
	after record;
BEGIN
	body := coalesce(realtime.refuse_stranger(request), realtime.http_fault('INVALID_INPUT',
		realtime.uuid_fault('channelId', query -> 'channelId'),
		realtime.number_fault('limit', page_limit, 1, 1000),
		realtime.number_fault('offset', page_offset, 0, 9223372036854775807),
		realtime.uuid_fault('before', query -> 'before'),
		realtime.uuid_fault('after', query -> 'after')));
	IF body IS NOT NULL THEN
		status := body -> 'statusCode';
		RETURN;
	END IF;

	SELECT m.inserted_at, m.id INTO before FROM realtime.messages m WHERE m.id = (query ->> 'before')::uuid;
	SELECT m.inserted_at, m.id INTO after FROM realtime.messages m WHERE m.id = (query ->> 'after')::uuid;
	body := realtime.http_fault('INVALID_INPUT',
		CASE WHEN query ? 'before' AND before.id IS NULL THEN 'before: Message not found' END,
		CASE WHEN query ? 'after' AND after.id IS NULL THEN 'after: Message not found' END);
	IF body IS NOT NULL THEN
		status := 400;
		RETURN;
	END IF;

	status := 200;
	body := realtime.messages_page((query ->> 'channelId')::uuid, query ->> 'eventName',
								   before.inserted_at, before.id, after.inserted_at, after.id,
								   page_limit::bigint, page_offset::bigint);
	IF body IS NULL THEN
		status := 400;
		body := realtime.http_fault('INVALID_INPUT', 'limit: These messages have more than 7 MB of payload, ask for fewer');
	END IF;
END
$$;
COMMENT ON FUNCTION realtime.http_messages_list(jsonb) IS 'GET /api/realtime/messages';

-- Deletes what was published on channels up to now, as much of it at a time as
-- keeps nobody waiting: status 100 asks to be called again, with what it returned
-- as "continued".  Partitions are gone through in their order.  Going on from the
-- last row deleted keeps the scan clear of those before it.  Without those joins
-- each row is looked up in the one partition that has it, whatever the statistics.
CREATE FUNCTION realtime.http_messages_delete(request jsonb, OUT status integer, OUT body jsonb)
	RETURNS record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	SET enable_hashjoin = off
	SET enable_mergejoin = off
	AS $$
DECLARE
	batch_rows CONSTANT integer := 1000;
	enough CONSTANT interval := least(interval '250 ms', current_setting('realtime.statement_timeout')::interval / 4);
	stop_at CONSTANT timestamptz := clock_timestamp() + enough;
	until CONSTANT timestamptz := coalesce((request #>> '{continued,until}')::timestamptz, clock_timestamp());
	last_at timestamptz := coalesce((request #>> '{continued,last}')::timestamptz, '-infinity');
	deleted bigint := coalesce((request #>> '{continued,deleted}')::bigint, 0);
	found_rows integer;
	deleted_rows integer;
BEGIN
	body := realtime.refuse_stranger(request);
	IF body IS NOT NULL THEN
		status := body -> 'statusCode';
		RETURN;
	END IF;

	status := 100;
	WHILE status = 100 AND clock_timestamp() < stop_at LOOP
		WITH old AS (
			SELECT m.id, m.inserted_at FROM realtime.messages m
			WHERE m.channel_id IS NOT NULL AND m.inserted_at >= last_at AND m.inserted_at <= until
			ORDER BY m.inserted_at, m.id LIMIT batch_rows
		), gone AS (
			DELETE FROM realtime.messages m USING old
			WHERE m.id = old.id AND m.inserted_at = old.inserted_at
			RETURNING m.id
		)
		SELECT count(*), (SELECT count(*) FROM gone), coalesce(max(o.inserted_at), last_at)
		INTO found_rows, deleted_rows, last_at
		FROM old o;
		deleted := deleted + deleted_rows;
		IF found_rows < batch_rows THEN
			status := 200;
		END IF;
	END LOOP;
	body := CASE status WHEN 200 THEN jsonb_build_object('deleted', deleted)
						ELSE jsonb_build_object('deleted', deleted, 'until', until, 'last', last_at) END;
END
$$;
COMMENT ON FUNCTION realtime.http_messages_delete(jsonb) IS 'DELETE /api/realtime/messages';

CREATE FUNCTION realtime.http_messages_stats(request jsonb, OUT status integer, OUT body jsonb)
	RETURNS record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	query CONSTANT jsonb := coalesce(request -> 'query', '{}');
	since CONSTANT timestamptz := realtime.query_time(query, 'since');
BEGIN
	body := coalesce(realtime.refuse_stranger(request), realtime.http_fault('INVALID_INPUT',
		realtime.uuid_fault('channelId', query -> 'channelId'),
		CASE WHEN query ? 'since' AND since IS NULL THEN 'since: Invalid date' END));
	IF body IS NOT NULL THEN
		status := body -> 'statusCode';
		RETURN;
	END IF;
	status := 200;
	SELECT jsonb_build_object('totalMessages', s.total_messages, 'whDeliveryRate', s.wh_delivery_rate,
							  'topEvents', s.top_events,
							  'retentionDays', (SELECT c.retention_days FROM realtime.config c))
	INTO body
	FROM realtime.message_stats((query ->> 'channelId')::uuid, since) s;
END
$$;
COMMENT ON FUNCTION realtime.http_messages_stats(jsonb) IS 'GET /api/realtime/messages/stats';

-- An administrator's message, which the gateway has looked at.
CREATE FUNCTION realtime.http_publish(request jsonb, OUT status integer, OUT body jsonb)
	RETURNS record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	asked CONSTANT jsonb := request -> 'body';
	id uuid;
BEGIN
	body := realtime.refuse_stranger(request);
	IF body IS NOT NULL THEN
		status := body -> 'statusCode';
		RETURN;
	END IF;
	id := realtime.publish(asked ->> 'channel', asked ->> 'event', asked -> 'payload',
						   coalesce(asked ->> 'type', 'message'));
	IF id IS NULL THEN
		status := 404;
		body := realtime.channel_not_found();
	ELSE
		status := 201;
		body := jsonb_build_object('messageId', id);
	END IF;
EXCEPTION WHEN program_limit_exceeded THEN
	-- what has passed the gateway as text may be longer as the payload that it means
	status := 413;
	body := realtime.http_error(413, 'INVALID_INPUT', 'Payload size exceeds the limit');
END
$$;
COMMENT ON FUNCTION realtime.http_publish(jsonb) IS 'POST /api/realtime/publish, with the rights of the server';

REVOKE EXECUTE ON FUNCTION
	realtime.messages_page(uuid, text, timestamptz, uuid, timestamptz, uuid, bigint, bigint),
	realtime.http_messages_list(jsonb), realtime.http_messages_delete(jsonb), realtime.http_messages_stats(jsonb),
	realtime.http_publish(jsonb)
	FROM PUBLIC;

GRANT EXECUTE ON FUNCTION
	realtime.http_messages_list(jsonb), realtime.http_messages_delete(jsonb), realtime.http_messages_stats(jsonb),
	realtime.http_publish(jsonb)
	TO realtime_executor;
