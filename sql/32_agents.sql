--
-- Agents: channels for widgets that have no account, whose names are the secret.
--
-- An agent has two channels for each of its end users and conversations:
--
--	  agent-<agent_id>-user-<end_user_id>-<hmac>
--	  conv-<conversation_id>-<hmac>
--
-- The HMAC is keyed with the agent's signing key, so nobody else can make up a
-- name, and a client that joins one is held to it (check_channels below, which
-- gateways ask).  A backend with an API key of the agent has both told with one
-- POST, or another session with realtime.realtime_publish().
--
-- Clients' roles have no right on these tables: what they may know comes out of
-- the functions, which run with the rights of the extension's owner.
--

CREATE TABLE realtime.agents
(
	agent_id text COLLATE "C" NOT NULL,
	description text,
	event text NOT NULL DEFAULT 'refresh',
	enabled boolean NOT NULL DEFAULT true,
	created_at timestamptz NOT NULL DEFAULT now(),
	CONSTRAINT agents_pkey PRIMARY KEY (agent_id),
	CONSTRAINT agents_agent_id_length CHECK (octet_length(agent_id) BETWEEN 1 AND 128),
	CONSTRAINT agents_agent_id_characters CHECK (agent_id !~ '[[:cntrl:]]'),
	-- Then a name has one reading: its first "-user-" ends the agent_id.
	CONSTRAINT agents_agent_id_not_ambiguous CHECK (agent_id !~ '-user(-|$)'),
	CONSTRAINT agents_event_length CHECK (octet_length(event) BETWEEN 1 AND 255)
);
COMMENT ON TABLE realtime.agents IS 'whose channels carry an HMAC in their names';
COMMENT ON COLUMN realtime.agents.event IS 'event that its channels receive from realtime_publish';
COMMENT ON COLUMN realtime.agents.enabled IS 'if not, its channels and API keys are good for nothing';

CREATE TABLE realtime.agent_api_keys
(
	key_hash bytea NOT NULL,
	agent_id text COLLATE "C" NOT NULL,
	prefix text NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now(),
	revoked_at timestamptz,
	last_used_at timestamptz,
	CONSTRAINT agent_api_keys_pkey PRIMARY KEY (key_hash),
	CONSTRAINT agent_api_keys_prefix_key UNIQUE (agent_id, prefix),
	CONSTRAINT agent_api_keys_agent_id_fkey FOREIGN KEY (agent_id)
		REFERENCES realtime.agents ON UPDATE CASCADE ON DELETE CASCADE,
	CONSTRAINT agent_api_keys_hash_length CHECK (octet_length(key_hash) = 32)
);
COMMENT ON TABLE realtime.agent_api_keys IS 'keys that publish for an agent';
COMMENT ON COLUMN realtime.agent_api_keys.key_hash IS 'SHA-256 of the key, which is not stored';
COMMENT ON COLUMN realtime.agent_api_keys.prefix IS 'how the key begins, to tell it from others';
COMMENT ON COLUMN realtime.agent_api_keys.last_used_at IS 'to the minute';

CREATE TABLE realtime.signing_keys
(
	agent_id text COLLATE "C" NOT NULL,
	version integer NOT NULL,
	secret text NOT NULL,
	state text NOT NULL DEFAULT 'current',
	created_at timestamptz NOT NULL DEFAULT now(),
	not_after timestamptz,
	CONSTRAINT signing_keys_pkey PRIMARY KEY (agent_id, version),
	CONSTRAINT signing_keys_agent_id_fkey FOREIGN KEY (agent_id)
		REFERENCES realtime.agents ON UPDATE CASCADE ON DELETE CASCADE,
	CONSTRAINT signing_keys_state CHECK (state IN ('current', 'previous', 'revoked')),
	CONSTRAINT signing_keys_not_after CHECK ((not_after IS NULL) = (state = 'current'))
);
COMMENT ON TABLE realtime.signing_keys IS 'secrets that the names of an agent''s channels are derived with';
COMMENT ON COLUMN realtime.signing_keys.not_after IS 'when a key that is not current ceased or ceases to be good';

CREATE UNIQUE INDEX signing_keys_current_key ON realtime.signing_keys (agent_id) WHERE state = 'current';

CREATE VIEW realtime.good_signing_keys AS
	SELECT k.agent_id, k.version, k.secret, k.not_after
	FROM realtime.signing_keys k JOIN realtime.agents a USING (agent_id)
	WHERE a.enabled
	  AND (k.state = 'current' OR k.state = 'previous' AND k.not_after > now());
COMMENT ON VIEW realtime.good_signing_keys IS 'keys that names of agent channels are verified with at present';

-- Who restores a database wants his widgets to work with it.
SELECT pg_extension_config_dump('realtime.agents', '');
SELECT pg_extension_config_dump('realtime.agent_api_keys', '');
SELECT pg_extension_config_dump('realtime.signing_keys', '');

--
-- Gateways check again what they found good when this changes.
--

CREATE FUNCTION realtime.note_agents_changed() RETURNS trigger
	LANGUAGE C VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'note_agents_changed';
COMMENT ON FUNCTION realtime.note_agents_changed() IS
	'trigger of realtime.agents and realtime.signing_keys: tells gateways that names may have become good or bad';

CREATE TRIGGER agents_changed
	AFTER INSERT OR UPDATE OF agent_id, enabled OR DELETE OR TRUNCATE ON realtime.agents
	FOR EACH STATEMENT EXECUTE FUNCTION realtime.note_agents_changed();

CREATE TRIGGER signing_keys_changed
	AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON realtime.signing_keys
	FOR EACH STATEMENT EXECUTE FUNCTION realtime.note_agents_changed();

--
-- Agents and their keys.
--

CREATE FUNCTION realtime.random_secret() RETURNS text
	LANGUAGE C VOLATILE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'random_secret';
COMMENT ON FUNCTION realtime.random_secret() IS '256 random bits in hex';

-- A new version of the signing key; the caller has seen to the one before it.
CREATE FUNCTION realtime.add_signing_key(agent_id text, secret text) RETURNS integer
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	least_bytes CONSTANT integer := 16;
	most_keys CONSTANT integer := 4096;		-- check_channels() has it too
	new_version integer;
BEGIN
	-- before a constraint could show the row in its message
	IF octet_length(secret) < least_bytes THEN
		RAISE EXCEPTION 'signing secret is too short'
			USING ERRCODE = 'invalid_parameter_value',
				  HINT = format('Use at least %s bytes, or leave it out to have one generated.', least_bytes);
	END IF;

	INSERT INTO realtime.signing_keys (agent_id, version, secret)
	SELECT add_signing_key.agent_id, coalesce(max(k.version), 0) + 1,
		   coalesce(add_signing_key.secret, realtime.random_secret())
	FROM realtime.signing_keys k WHERE k.agent_id = add_signing_key.agent_id
	RETURNING version INTO new_version;

	IF (SELECT count(*) FROM realtime.good_signing_keys) > most_keys THEN
		RAISE WARNING 'there are more than % signing keys in use', most_keys
			USING DETAIL = 'Names of conversation channels do not tell their agent, and are tried with so many keys only.',
				  HINT = 'Disable or delete agents that are not used.';
	END IF;
	RETURN new_version;
END
$$;

CREATE FUNCTION realtime.create_agent_key(agent_id text) RETURNS text
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	api_key CONSTANT text := 'rtk_' || realtime.random_secret();
BEGIN
	INSERT INTO realtime.agent_api_keys (key_hash, agent_id, prefix)
	SELECT sha256(convert_to(api_key, 'UTF8')), a.agent_id, left(api_key, 12)
	FROM realtime.agents a WHERE a.agent_id = create_agent_key.agent_id;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'agent "%" does not exist', agent_id
			USING ERRCODE = 'undefined_object';
	END IF;
	RETURN api_key;
END
$$;
COMMENT ON FUNCTION realtime.create_agent_key(text) IS
	'another API key for an agent; it is shown this once';

CREATE FUNCTION realtime.revoke_agent_key(agent_id text, prefix text) RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	UPDATE realtime.agent_api_keys k SET revoked_at = now()
	WHERE k.agent_id = revoke_agent_key.agent_id AND k.prefix = revoke_agent_key.prefix
	  AND k.revoked_at IS NULL;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'agent "%" has no such key in use', agent_id
			USING ERRCODE = 'undefined_object',
				  HINT = 'realtime.agent_api_keys shows how the keys begin.';
	END IF;
END
$$;
COMMENT ON FUNCTION realtime.revoke_agent_key(text, text) IS
	'take back the API key of an agent that begins with prefix';

CREATE FUNCTION realtime.create_agent(
		INOUT agent_id text DEFAULT gen_random_uuid()::text,
		signing_secret text DEFAULT NULL,
		OUT api_key text)
	RETURNS record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	INSERT INTO realtime.agents (agent_id) VALUES (create_agent.agent_id);
	PERFORM realtime.add_signing_key(agent_id, signing_secret);
	api_key := realtime.create_agent_key(agent_id);
END
$$;
COMMENT ON FUNCTION realtime.create_agent(text, text) IS
	'a new agent with a signing key and an API key, which is shown this once';

CREATE FUNCTION realtime.rotate_signing_key(
		agent_id text,
		grace interval DEFAULT '0',
		secret text DEFAULT NULL)
	RETURNS integer
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	IF grace IS NULL OR grace < interval '0' OR grace > interval '1 year' THEN
		RAISE EXCEPTION 'grace must be between 0 and 1 year'
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	PERFORM FROM realtime.agents a WHERE a.agent_id = rotate_signing_key.agent_id FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'agent "%" does not exist', agent_id
			USING ERRCODE = 'undefined_object';
	END IF;

	-- also a key that was rotated before shall not outlive the grace
	UPDATE realtime.signing_keys k
	SET state = CASE WHEN grace > interval '0' THEN 'previous' ELSE 'revoked' END,
		not_after = least(k.not_after, now() + grace)
	WHERE k.agent_id = rotate_signing_key.agent_id AND k.state <> 'revoked';
	RETURN realtime.add_signing_key(agent_id, secret);
END
$$;
COMMENT ON FUNCTION realtime.rotate_signing_key(text, interval, text) IS
	'give an agent a new signing key; names by the old one are good for the grace';

--
-- Names.
--

-- What is wrong with a part of a name, or null.
CREATE FUNCTION realtime.id_fault(what text, id text) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT CASE WHEN id IS NULL THEN what || ' must not be null'
				WHEN id = '' THEN what || ' must not be empty'
				WHEN octet_length(convert_to(id, 'UTF8')) > 128 THEN what || ' is too long'
				WHEN id ~ '[[:cntrl:]]' THEN what || ' must not contain control characters'
		   END
$$;

-- The name without its HMAC; what is longer with it than a topic may be is none.
CREATE FUNCTION realtime.agent_channel_name(agent_id text, end_user_id text) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT n.name
	FROM (VALUES ('agent-' || agent_id || '-user-' || end_user_id)) n(name)
	WHERE octet_length(convert_to(n.name, 'UTF8')) + 65 <= 246
$$;

CREATE FUNCTION realtime.sign_channel(agent_id text, name text) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	key text;
BEGIN
	SELECT k.secret INTO key FROM realtime.signing_keys k
	WHERE k.agent_id = sign_channel.agent_id AND k.state = 'current';
	IF NOT FOUND THEN
		RAISE EXCEPTION 'agent "%" does not exist', agent_id
			USING ERRCODE = 'undefined_object';
	END IF;
	RETURN realtime.derive_channel(name, key);
END
$$;

CREATE FUNCTION realtime.user_channel(agent_id text, end_user_id text) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	name CONSTANT text := realtime.agent_channel_name(agent_id, end_user_id);
	fault CONSTANT text := coalesce(realtime.id_fault('agent_id', agent_id),
									realtime.id_fault('end_user_id', end_user_id),
									CASE WHEN name IS NULL THEN 'agent_id and end_user_id are too long together' END);
BEGIN
	IF fault IS NOT NULL THEN
		RAISE EXCEPTION '%', fault USING ERRCODE = 'invalid_parameter_value';
	END IF;
	RETURN realtime.sign_channel(agent_id, name);
END
$$;
COMMENT ON FUNCTION realtime.user_channel(text, text) IS
	'name of the channel that tells an end user of an agent about his conversations';

CREATE FUNCTION realtime.conversation_channel(agent_id text, conversation_id text) RETURNS text
	LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	fault CONSTANT text := coalesce(realtime.id_fault('agent_id', agent_id),
									realtime.id_fault('conversation_id', conversation_id));
BEGIN
	IF fault IS NOT NULL THEN
		RAISE EXCEPTION '%', fault USING ERRCODE = 'invalid_parameter_value';
	END IF;
	RETURN realtime.sign_channel(agent_id, 'conv-' || conversation_id);
END
$$;
COMMENT ON FUNCTION realtime.conversation_channel(text, text) IS
	'name of the channel that tells about one conversation of an agent';

--
-- Publishing.  Clients are told that there is something new, never what.
--

-- One kind of channel, by its name without HMAC: under each key that is good.
CREATE FUNCTION realtime.publish_to_channels(agent_id text, name text, payload jsonb) RETURNS text[]
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	at CONSTANT text := to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');
	event_name CONSTANT text := (SELECT a.event FROM realtime.agents a WHERE a.agent_id = publish_to_channels.agent_id);
	channels CONSTANT text[] := ARRAY(
		SELECT realtime.derive_channel(name, k.secret)
		FROM realtime.good_signing_keys k WHERE k.agent_id = publish_to_channels.agent_id
		ORDER BY k.version DESC);
	channel text;
BEGIN
	FOREACH channel IN ARRAY channels LOOP
		PERFORM realtime.send(payload => payload || jsonb_build_object('at', at),
							  event => event_name, topic => channel, private => false);
	END LOOP;
	RETURN channels;
END
$$;

CREATE FUNCTION realtime.realtime_publish(
		agent_id text,
		end_user_id text DEFAULT NULL,
		conversation_id text DEFAULT NULL)
	RETURNS text[]
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	name CONSTANT text := realtime.agent_channel_name(agent_id, end_user_id);
	ids CONSTANT jsonb := jsonb_strip_nulls(
		jsonb_build_object('endUserId', end_user_id, 'conversationId', conversation_id));
	fault text := realtime.id_fault('agent_id', agent_id);
	is_enabled boolean;
	channels text[] := '{}';
BEGIN
	IF end_user_id IS NOT NULL THEN
		fault := coalesce(fault, realtime.id_fault('end_user_id', end_user_id),
						  CASE WHEN name IS NULL THEN 'agent_id and end_user_id are too long together' END);
	END IF;
	IF conversation_id IS NOT NULL THEN
		fault := coalesce(fault, realtime.id_fault('conversation_id', conversation_id));
	END IF;
	IF ids = '{}' THEN
		fault := coalesce(fault, 'one of end_user_id and conversation_id must be given');
	END IF;
	IF fault IS NOT NULL THEN
		RAISE EXCEPTION '%', fault USING ERRCODE = 'invalid_parameter_value';
	END IF;

	SELECT a.enabled INTO is_enabled FROM realtime.agents a WHERE a.agent_id = realtime_publish.agent_id;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'agent "%" does not exist', agent_id USING ERRCODE = 'undefined_object';
	ELSIF NOT is_enabled THEN
		RAISE EXCEPTION 'agent "%" is disabled', agent_id USING ERRCODE = 'object_not_in_prerequisite_state';
	END IF;

	-- who may hear of a conversation need not know with whom it is
	IF end_user_id IS NOT NULL THEN
		channels := realtime.publish_to_channels(agent_id, name, '{"type": "list"}' || ids);
	END IF;
	IF conversation_id IS NOT NULL THEN
		channels := channels || realtime.publish_to_channels(agent_id, 'conv-' || conversation_id,
															 '{"type": "thread"}' || (ids - 'endUserId'));
	END IF;
	RETURN channels;
END
$$;
COMMENT ON FUNCTION realtime.realtime_publish(text, text, text) IS
	'when this transaction commits, tell the widgets of an end user, of a conversation, or both, to fetch anew; returns the channels';

--
-- What executors call for gateways: request in, HTTP status and body out.
--

-- What is wrong with an id in a request, or null; null as an id is none.
CREATE FUNCTION realtime.json_id_fault(what text, id jsonb) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT CASE coalesce(jsonb_typeof(id), 'null')
				WHEN 'null' THEN NULL
				WHEN 'string' THEN realtime.id_fault(what, id #>> '{}')
				ELSE what || ' must be a string'
		   END
$$;

-- POST /functions/v1/realtime-publish: {"keyHash": hex | null, "body": JSON}
CREATE FUNCTION realtime.http_realtime_publish(request jsonb, OUT status integer, OUT body jsonb)
	RETURNS record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	asked CONSTANT jsonb := request -> 'body';
	hash CONSTANT bytea := CASE WHEN request ->> 'keyHash' ~ '^[0-9a-f]{64}$' THEN decode(request ->> 'keyHash', 'hex') END;
	agent record;
	fault text;
BEGIN
	SELECT a.agent_id, a.enabled INTO agent
	FROM realtime.agent_api_keys k JOIN realtime.agents a USING (agent_id)
	WHERE k.key_hash = hash AND k.revoked_at IS NULL;
	IF NOT FOUND THEN
		status := 401;
		body := jsonb_build_object('ok', false, 'error', 'invalid API key');
		RETURN;
	END IF;
	IF NOT agent.enabled THEN
		status := 403;
		body := jsonb_build_object('ok', false, 'error', 'agent is disabled');
		RETURN;
	END IF;

	-- rarely, and without waiting for anybody: publishing is to be cheap
	UPDATE realtime.agent_api_keys k SET last_used_at = now()
	WHERE k.key_hash IN (SELECT u.key_hash FROM realtime.agent_api_keys u
						 WHERE u.key_hash = hash
						   AND (u.last_used_at IS NULL OR u.last_used_at < now() - interval '1 minute')
						 FOR NO KEY UPDATE SKIP LOCKED);

	IF jsonb_typeof(asked) IS DISTINCT FROM 'object' THEN
		fault := 'body must be a JSON object';
	ELSIF coalesce(asked ->> 'endUserId', asked ->> 'conversationId') IS NULL THEN
		fault := 'endUserId or conversationId is required';
	ELSE
		fault := coalesce(realtime.json_id_fault('endUserId', asked -> 'endUserId'),
						  realtime.json_id_fault('conversationId', asked -> 'conversationId'),
						  CASE WHEN asked ->> 'endUserId' IS NOT NULL
									AND realtime.agent_channel_name(agent.agent_id, asked ->> 'endUserId') IS NULL
							   THEN 'endUserId is too long' END);
	END IF;
	IF fault IS NOT NULL THEN
		status := 400;
		body := jsonb_build_object('ok', false, 'error', fault);
		RETURN;
	END IF;

	status := 200;
	body := jsonb_build_object('ok', true, 'channels', realtime.realtime_publish(
		agent.agent_id, asked ->> 'endUserId', asked ->> 'conversationId'));
END
$$;
COMMENT ON FUNCTION realtime.http_realtime_publish(jsonb) IS
	'POST /functions/v1/realtime-publish';

-- Are these names good?  {"names": [text, ...]}
--
-- "until" is when a name ceases to be good, in Unix seconds; null where no end
-- is known.  A "conv-" name does not tell its agent, so all keys are tried, with
-- all such names at once.  How many of either there may be bounds what made-up
-- names cost, because others' names wait for the same answer: a fifth of a second
-- at most where SHA-256 is done by the processor.
CREATE FUNCTION realtime.check_channels(request jsonb, OUT status integer, OUT body jsonb)
	RETURNS record
	LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	most_names CONSTANT integer := 256;		-- gateways ask for no more
	most_keys CONSTANT integer := 4096;
	mode text := current_setting('realtime.agent_channels');
	fault text;
	conversations text[];
	key_secrets text[];
	key_ends timestamptz[];
	key_numbers integer[];
	channels jsonb;
BEGIN
	IF jsonb_typeof(request -> 'names') IS DISTINCT FROM 'array' THEN
		fault := 'names must be an array';
	ELSIF jsonb_array_length(request -> 'names') > most_names THEN
		fault := format('there must be no more than %s names', most_names);
	END IF;
	IF fault IS NOT NULL THEN
		status := 400;
		body := jsonb_build_object('ok', false, 'error', fault);
		RETURN;
	END IF;
	IF mode = 'auto' THEN
		mode := CASE WHEN EXISTS (SELECT FROM realtime.agents) THEN 'require' ELSE 'off' END;
	END IF;

	conversations := ARRAY(
		SELECT DISTINCT n.name FROM jsonb_array_elements_text(request -> 'names') n(name)
		WHERE n.name ~ '^conv-.*-[0-9a-f]{64}$');
	-- of two keys with one secret, that which lasts longer says until when
	IF conversations <> '{}' THEN
		SELECT array_agg(k.secret ORDER BY k.not_after DESC NULLS FIRST, k.place),
			   array_agg(k.not_after ORDER BY k.not_after DESC NULLS FIRST, k.place)
		INTO key_secrets, key_ends
		FROM (SELECT g.secret, g.not_after, row_number() OVER (ORDER BY g.agent_id, g.version) AS place
			  FROM realtime.good_signing_keys g
			  ORDER BY g.agent_id, g.version LIMIT most_keys) k;
		key_numbers := realtime.match_channels(conversations, coalesce(key_secrets, '{}'));
	END IF;

	SELECT coalesce(jsonb_agg(jsonb_build_object(
						'name', n.name,
						'valid', c.number IS NOT NULL OR a.is_good IS NOT NULL,
						'until', floor(extract(epoch FROM coalesce(key_ends[c.number], a.not_after)))) ORDER BY n.place),
					'[]')
	INTO channels
	FROM jsonb_array_elements_text(request -> 'names') WITH ORDINALITY n(name, place)
		 LEFT JOIN unnest(conversations, key_numbers) c(name, number) ON c.name = n.name AND c.number > 0
		 LEFT JOIN LATERAL (
			SELECT true AS is_good, k.not_after FROM realtime.good_signing_keys k
			WHERE k.agent_id = substring(n.name FROM '^agent-(.*?)-user-')
			  AND realtime.verify_channel(n.name, k.secret)
			ORDER BY k.not_after DESC NULLS FIRST LIMIT 1) a ON true;

	status := 200;
	body := jsonb_build_object('mode', mode, 'channels', channels);
END
$$;
COMMENT ON FUNCTION realtime.check_channels(jsonb) IS
	'which of these names of agent channels are good';

REVOKE EXECUTE ON FUNCTION
	realtime.note_agents_changed(), realtime.random_secret(), realtime.add_signing_key(text, text),
	realtime.create_agent(text, text), realtime.create_agent_key(text), realtime.revoke_agent_key(text, text),
	realtime.rotate_signing_key(text, interval, text),
	realtime.id_fault(text, text), realtime.json_id_fault(text, jsonb),
	realtime.agent_channel_name(text, text), realtime.sign_channel(text, text),
	realtime.user_channel(text, text), realtime.conversation_channel(text, text),
	realtime.publish_to_channels(text, text, jsonb), realtime.realtime_publish(text, text, text),
	realtime.http_realtime_publish(jsonb), realtime.check_channels(jsonb)
	FROM PUBLIC;

GRANT EXECUTE ON FUNCTION realtime.http_realtime_publish(jsonb), realtime.check_channels(jsonb)
	TO realtime_executor;
