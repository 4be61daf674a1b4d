--
-- /api/realtime/channels, /permissions and /config.
--

-- A channel as clients see it; its secret is not shown.
CREATE FUNCTION realtime.channel_json(channel realtime.channels) RETURNS jsonb
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT jsonb_build_object(
		'id', channel.id, 'pattern', channel.pattern, 'description', channel.description,
		'webhookUrls', channel.webhook_urls, 'webhookFormat', channel.webhook_format,
		'webhookOrdered', channel.webhook_ordered, 'webhookSigned', channel.webhook_secret IS NOT NULL,
		'enabled', channel.enabled, 'persist', channel.persist,
		'isPublic', channel.is_public, 'ownerId', channel.owner_id,
		'createdAt', realtime.iso_time(channel.created_at), 'updatedAt', realtime.iso_time(channel.updated_at))
$$;

-- What is wrong with a channel that is to be made, or with what is to be changed.
CREATE FUNCTION realtime.channel_fault(request jsonb, is_new boolean) RETURNS jsonb
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT coalesce(
		realtime.http_fault('REALTIME_INVALID_CHANNEL_REQUEST', realtime.body_fault(request)),
		realtime.http_fault('REALTIME_INVALID_CHANNEL_REQUEST',
			CASE WHEN is_new THEN realtime.text_fault('pattern', c.body -> 'pattern', true, 1, 255, 'Channel pattern is required')
				 ELSE realtime.text_fault('pattern', c.body -> 'pattern', false, 1, 255) END,
			realtime.text_fault('description', c.body -> 'description'),
			realtime.urls_fault('webhookUrls', c.body -> 'webhookUrls'),
			realtime.type_fault('enabled', c.body -> 'enabled', 'boolean'),
			realtime.choice_fault('webhookFormat', c.body -> 'webhookFormat', 'envelope', 'raw'),
			realtime.text_fault('webhookSecret', nullif(c.body -> 'webhookSecret', 'null'), shortest => 1),
			realtime.type_fault('webhookOrdered', c.body -> 'webhookOrdered', 'boolean'),
			realtime.type_fault('persist', c.body -> 'persist', 'boolean'),
			realtime.type_fault('isPublic', c.body -> 'isPublic', 'boolean'),
			realtime.uuid_fault('ownerId', nullif(c.body -> 'ownerId', 'null'))),
		CASE WHEN c.body ->> 'pattern' !~ '^[A-Za-z0-9-]+(:[A-Za-z0-9%*:-]+)?$'
			 THEN realtime.http_error(400, 'REALTIME_INVALID_CHANNEL_PATTERN',
				'Invalid channel pattern. Use alphanumeric characters, colons, hyphens, and % for wildcards.') END)
	FROM (SELECT request -> 'body') c(body)
$$;

-- Members of a JSON array as texts.
CREATE FUNCTION realtime.json_texts(list jsonb) RETURNS text[]
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS $$ SELECT ARRAY(SELECT e FROM jsonb_array_elements_text(list) e) $$;

-- The id in the path; null if no channel can have it.
CREATE FUNCTION realtime.request_id(request jsonb) RETURNS uuid
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS $$ SELECT CASE WHEN realtime.uuid_fault('id', request -> 'id') IS NULL THEN (request ->> 'id')::uuid END $$;

CREATE FUNCTION realtime.channel_not_found() RETURNS jsonb
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS $$ SELECT realtime.http_error(404, 'REALTIME_CHANNEL_NOT_FOUND', 'Channel not found') $$;

CREATE FUNCTION realtime.channel_duplicate() RETURNS jsonb
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS $$ SELECT realtime.http_error(409, 'DATABASE_DUPLICATE', 'A channel with this pattern already exists') $$;

CREATE FUNCTION realtime.http_channels_list(request jsonb, OUT status integer, OUT body jsonb)
	RETURNS record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	body := realtime.refuse_stranger(request);
	IF body IS NOT NULL THEN
		status := body -> 'statusCode';
		RETURN;
	END IF;
	status := 200;
	SELECT coalesce(jsonb_agg(realtime.channel_json(c) ORDER BY c.created_at DESC, c.id), '[]') INTO body
	FROM realtime.channels c;
END
$$;
COMMENT ON FUNCTION realtime.http_channels_list(jsonb) IS 'GET /api/realtime/channels';

CREATE FUNCTION realtime.http_channel_create(request jsonb, OUT status integer, OUT body jsonb)
	RETURNS record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	asked CONSTANT jsonb := request -> 'body';
	made realtime.channels;
BEGIN
	body := coalesce(realtime.refuse_stranger(request), realtime.channel_fault(request, true));
	IF body IS NOT NULL THEN
		status := body -> 'statusCode';
		RETURN;
	END IF;
	INSERT INTO realtime.channels (pattern, description, webhook_urls, webhook_format, webhook_secret,
								   webhook_ordered, enabled, persist, is_public, owner_id)
	VALUES (asked ->> 'pattern', asked ->> 'description', realtime.json_texts(asked -> 'webhookUrls'),
			coalesce(asked ->> 'webhookFormat', 'envelope'), asked ->> 'webhookSecret',
			coalesce((asked ->> 'webhookOrdered')::boolean, false), coalesce((asked ->> 'enabled')::boolean, true),
			coalesce((asked ->> 'persist')::boolean, true), coalesce((asked ->> 'isPublic')::boolean, true),
			(asked ->> 'ownerId')::uuid)
	ON CONFLICT (pattern) DO NOTHING
	RETURNING * INTO made;
	IF FOUND THEN
		status := 201;
		body := realtime.channel_json(made);
	ELSE
		status := 409;
		body := realtime.channel_duplicate();
	END IF;
END
$$;
COMMENT ON FUNCTION realtime.http_channel_create(jsonb) IS 'POST /api/realtime/channels';

CREATE FUNCTION realtime.http_channel_get(request jsonb, OUT status integer, OUT body jsonb)
	RETURNS record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	body := realtime.refuse_stranger(request);
	IF body IS NOT NULL THEN
		status := body -> 'statusCode';
		RETURN;
	END IF;
	SELECT 200, realtime.channel_json(c) INTO status, body
	FROM realtime.channels c WHERE c.id = realtime.request_id(request);
	IF NOT FOUND THEN
		status := 404;
		body := realtime.channel_not_found();
	END IF;
END
$$;
COMMENT ON FUNCTION realtime.http_channel_get(jsonb) IS 'GET /api/realtime/channels/:id';

-- What is absent stays; null takes a secret or an owner away.
CREATE FUNCTION realtime.http_channel_update(request jsonb, OUT status integer, OUT body jsonb)
	RETURNS record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	asked CONSTANT jsonb := request -> 'body';
	changed realtime.channels;
BEGIN
	body := coalesce(realtime.refuse_stranger(request), realtime.channel_fault(request, false));
	IF body IS NOT NULL THEN
		status := body -> 'statusCode';
		RETURN;
	END IF;
	UPDATE realtime.channels c
	SET pattern = coalesce(asked ->> 'pattern', c.pattern),
		description = coalesce(asked ->> 'description', c.description),
		webhook_urls = coalesce(realtime.json_texts(asked -> 'webhookUrls'), c.webhook_urls),
		webhook_format = coalesce(asked ->> 'webhookFormat', c.webhook_format),
		webhook_secret = CASE WHEN asked ? 'webhookSecret' THEN asked ->> 'webhookSecret' ELSE c.webhook_secret END,
		webhook_ordered = coalesce((asked ->> 'webhookOrdered')::boolean, c.webhook_ordered),
		enabled = coalesce((asked ->> 'enabled')::boolean, c.enabled),
		persist = coalesce((asked ->> 'persist')::boolean, c.persist),
		is_public = coalesce((asked ->> 'isPublic')::boolean, c.is_public),
		owner_id = CASE WHEN asked ? 'ownerId' THEN (asked ->> 'ownerId')::uuid ELSE c.owner_id END
	WHERE c.id = realtime.request_id(request)
	RETURNING * INTO changed;
	IF FOUND THEN
		status := 200;
		body := realtime.channel_json(changed);
	ELSE
		status := 404;
		body := realtime.channel_not_found();
	END IF;
EXCEPTION
	WHEN unique_violation THEN
		status := 409;
		body := realtime.channel_duplicate();
END
$$;
COMMENT ON FUNCTION realtime.http_channel_update(jsonb) IS 'PUT /api/realtime/channels/:id';

CREATE FUNCTION realtime.http_channel_delete(request jsonb, OUT status integer, OUT body jsonb)
	RETURNS record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	body := realtime.refuse_stranger(request);
	IF body IS NOT NULL THEN
		status := body -> 'statusCode';
		RETURN;
	END IF;
	DELETE FROM realtime.channels c WHERE c.id = realtime.request_id(request);
	IF FOUND THEN
		status := 200;
		body := '{"message": "Channel deleted"}';
	ELSE
		status := 404;
		body := realtime.channel_not_found();
	END IF;
END
$$;
COMMENT ON FUNCTION realtime.http_channel_delete(jsonb) IS 'DELETE /api/realtime/channels/:id';

CREATE FUNCTION realtime.http_webhooks_test(request jsonb, OUT status integer, OUT body jsonb)
	RETURNS record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	body := realtime.refuse_stranger(request);
	IF body IS NOT NULL THEN
		status := body -> 'statusCode';
		RETURN;
	END IF;
	SELECT 202, jsonb_build_object('deliveries', realtime.test_webhooks(c.id)) INTO status, body
	FROM realtime.channels c WHERE c.id = realtime.request_id(request);
	IF NOT FOUND THEN
		status := 404;
		body := realtime.channel_not_found();
	END IF;
END
$$;
COMMENT ON FUNCTION realtime.http_webhooks_test(jsonb) IS 'POST /api/realtime/channels/:id/webhooks/test';

-- Policies on one of the two tables, but those that come with the role project_admin.
CREATE FUNCTION realtime.policies_json(table_name name) RETURNS jsonb
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT jsonb_build_object('policies', coalesce(jsonb_agg(jsonb_build_object(
			'policyName', p.policyname, 'tableName', p.tablename, 'command', p.cmd, 'roles', p.roles,
			'using', p.qual, 'withCheck', p.with_check) ORDER BY p.policyname), '[]'))
	FROM pg_policies p
	WHERE p.schemaname = 'realtime' AND p.tablename = table_name AND p.policyname <> 'project_admin_policy'
$$;

CREATE FUNCTION realtime.http_permissions(request jsonb, OUT status integer, OUT body jsonb)
	RETURNS record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	body := realtime.refuse_stranger(request);
	IF body IS NOT NULL THEN
		status := body -> 'statusCode';
		RETURN;
	END IF;
	status := 200;
	body := jsonb_build_object('subscribe', realtime.policies_json('channels'),
							   'publish', realtime.policies_json('messages'));
END
$$;
COMMENT ON FUNCTION realtime.http_permissions(jsonb) IS 'GET /api/realtime/permissions';

CREATE FUNCTION realtime.http_config_get(request jsonb, OUT status integer, OUT body jsonb)
	RETURNS record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	body := realtime.refuse_stranger(request);
	IF body IS NOT NULL THEN
		status := body -> 'statusCode';
		RETURN;
	END IF;
	status := 200;
	body := jsonb_build_object('retentionDays', (SELECT c.retention_days FROM realtime.config c));
END
$$;
COMMENT ON FUNCTION realtime.http_config_get(jsonb) IS 'GET /api/realtime/config';

-- A century is as good as for ever, and a time that can be subtracted.
CREATE FUNCTION realtime.http_config_update(request jsonb, OUT status integer, OUT body jsonb)
	RETURNS record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	days CONSTANT jsonb := request #> '{body,retentionDays}';
BEGIN
	body := coalesce(
		realtime.refuse_stranger(request),
		realtime.http_fault('INVALID_INPUT', realtime.body_fault(request)),
		realtime.http_fault('INVALID_INPUT', realtime.type_fault('retentionDays', coalesce(nullif(days, 'null'), '1'), 'number')),
		realtime.http_fault('INVALID_INPUT',
			CASE WHEN days IS NULL THEN 'retentionDays: Required' END,
			CASE WHEN jsonb_typeof(days) = 'number' THEN realtime.number_fault('retentionDays', days::numeric, NULL, 36500) END,
			CASE WHEN jsonb_typeof(days) = 'number' AND days::numeric <= 0 THEN 'retentionDays: Number must be greater than 0' END));
	IF body IS NOT NULL THEN
		status := body -> 'statusCode';
		RETURN;
	END IF;
	INSERT INTO realtime.config AS c (retention_days) VALUES ((request #>> '{body,retentionDays}')::integer)
	ON CONFLICT (is_only_row) DO UPDATE SET retention_days = excluded.retention_days, updated_at = now();
	status := 200;
	body := '{"message": "Retention config updated successfully"}';
END
$$;
COMMENT ON FUNCTION realtime.http_config_update(jsonb) IS 'PATCH /api/realtime/config';

REVOKE EXECUTE ON FUNCTION
	realtime.channel_json(realtime.channels), realtime.channel_fault(jsonb, boolean), realtime.json_texts(jsonb),
	realtime.request_id(jsonb), realtime.channel_not_found(), realtime.channel_duplicate(), realtime.policies_json(name),
	realtime.http_channels_list(jsonb), realtime.http_channel_create(jsonb), realtime.http_channel_get(jsonb),
	realtime.http_channel_update(jsonb), realtime.http_channel_delete(jsonb), realtime.http_webhooks_test(jsonb),
	realtime.http_permissions(jsonb),
	realtime.http_config_get(jsonb), realtime.http_config_update(jsonb)
	FROM PUBLIC;

GRANT EXECUTE ON FUNCTION
	realtime.http_channels_list(jsonb), realtime.http_channel_create(jsonb), realtime.http_channel_get(jsonb),
	realtime.http_channel_update(jsonb), realtime.http_channel_delete(jsonb), realtime.http_webhooks_test(jsonb),
	realtime.http_permissions(jsonb),
	realtime.http_config_get(jsonb), realtime.http_config_update(jsonb)
	TO realtime_executor;
