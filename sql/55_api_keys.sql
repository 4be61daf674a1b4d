--
-- API keys: who administers channels over HTTP without a token.
--
-- "ik_" and 64 hex digits stands for the role project_admin, "anon_" and as many
-- for anon.  A key has 256 random bits and is looked up by its hash, which
-- nobody who does not have the key can steer: there is no text to compare, and
-- the time that it takes tells nothing.
--

CREATE TABLE realtime.api_keys
(
	key_hash bytea NOT NULL,
	id uuid NOT NULL DEFAULT gen_random_uuid(),
	role text COLLATE "C" NOT NULL,
	prefix text COLLATE "C" NOT NULL,
	name text,
	created_at timestamptz NOT NULL DEFAULT now(),
	expires_at timestamptz,
	last_used_at timestamptz,
	CONSTRAINT api_keys_pkey PRIMARY KEY (key_hash),
	CONSTRAINT api_keys_id_key UNIQUE (id),
	CONSTRAINT api_keys_prefix_key UNIQUE (prefix),
	CONSTRAINT api_keys_hash_length CHECK (octet_length(key_hash) = 32),
	CONSTRAINT api_keys_role CHECK (role IN ('project_admin', 'anon'))
);
COMMENT ON TABLE realtime.api_keys IS 'keys that stand for the roles project_admin and anon';
COMMENT ON COLUMN realtime.api_keys.key_hash IS 'SHA-256 of the key, which is not stored';
COMMENT ON COLUMN realtime.api_keys.prefix IS 'how the key begins, to tell it from others';
COMMENT ON COLUMN realtime.api_keys.expires_at IS 'when it ceases to be good, also by being revoked or replaced';
COMMENT ON COLUMN realtime.api_keys.last_used_at IS 'to the minute';

SELECT pg_extension_config_dump('realtime.api_keys', '');

-- A new key of a role, which is shown this once.
CREATE FUNCTION realtime.add_api_key(role text, name text, expires_at timestamptz) RETURNS text
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	kind CONSTANT text := CASE role WHEN 'anon' THEN 'anon_' ELSE 'ik_' END;
	api_key CONSTANT text := kind || realtime.random_secret();
BEGIN
	IF expires_at <= now() THEN
		RAISE EXCEPTION 'expires_at must be in the future'
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	INSERT INTO realtime.api_keys (key_hash, role, prefix, name, expires_at)
	VALUES (sha256(convert_to(api_key, 'UTF8')), role, left(api_key, length(kind) + 12), name, expires_at);
	RETURN api_key;
END
$$;

CREATE FUNCTION realtime.create_api_key(name text DEFAULT NULL, expires_at timestamptz DEFAULT NULL) RETURNS text
	LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$ SELECT realtime.add_api_key('project_admin', name, expires_at) $$;
COMMENT ON FUNCTION realtime.create_api_key(text, timestamptz) IS
	'a key that administers channels over HTTP; it is shown this once';

CREATE FUNCTION realtime.create_anon_key(name text DEFAULT NULL, expires_at timestamptz DEFAULT NULL) RETURNS text
	LANGUAGE sql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$ SELECT realtime.add_api_key('anon', name, expires_at) $$;
COMMENT ON FUNCTION realtime.create_anon_key(text, timestamptz) IS
	'a key that clients without an account connect with as the role anon; it is shown this once';

CREATE FUNCTION realtime.revoke_api_key(prefix text, grace interval DEFAULT '0') RETURNS void
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	IF grace IS NULL OR grace < interval '0' OR grace > interval '1 year' THEN
		RAISE EXCEPTION 'grace must be between 0 and 1 year'
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	UPDATE realtime.api_keys k SET expires_at = least(k.expires_at, now() + grace)
	WHERE k.prefix = revoke_api_key.prefix AND (k.expires_at IS NULL OR k.expires_at > now());
	IF NOT FOUND THEN
		RAISE EXCEPTION 'there is no such key in use'
			USING ERRCODE = 'undefined_object',
				  HINT = 'realtime.api_keys shows how the keys begin.';
	END IF;
END
$$;
COMMENT ON FUNCTION realtime.revoke_api_key(text, interval) IS
	'take back the API key that begins with prefix, when the grace is over';

CREATE FUNCTION realtime.rotate_api_key(prefix text, grace interval DEFAULT '7 days') RETURNS text
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	old realtime.api_keys;
BEGIN
	PERFORM realtime.revoke_api_key(prefix, grace);
	SELECT * INTO STRICT old FROM realtime.api_keys k WHERE k.prefix = rotate_api_key.prefix;
	RETURN realtime.add_api_key(old.role, old.name, NULL);
END
$$;
COMMENT ON FUNCTION realtime.rotate_api_key(text, interval) IS
	'a key in place of the one that begins with prefix, which stays good for the grace; it is shown this once';

-- Whose key is it?  No row if it is good for nothing.  Noted rarely, and without
-- waiting for anybody; not at all on a standby.
CREATE FUNCTION realtime.use_api_key(hash text, OUT role text, OUT id uuid, OUT expires_at timestamptz)
	RETURNS SETOF record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	used CONSTANT bytea := CASE WHEN hash ~ '^[0-9a-f]{64}$' THEN decode(hash, 'hex') END;
	used_before timestamptz;
BEGIN
	SELECT k.role, k.id, k.expires_at, k.last_used_at INTO role, id, expires_at, used_before
	FROM realtime.api_keys k
	WHERE k.key_hash = used AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp());
	IF NOT FOUND THEN
		RETURN;
	END IF;
	IF (used_before IS NULL OR used_before < now() - interval '1 minute')
		AND NOT current_setting('transaction_read_only')::boolean THEN
		UPDATE realtime.api_keys k SET last_used_at = now()
		WHERE k.key_hash IN (SELECT u.key_hash FROM realtime.api_keys u
							 WHERE u.key_hash = used FOR NO KEY UPDATE SKIP LOCKED);
	END IF;
	RETURN NEXT;
END
$$;

-- For sockets: {"keyHash": hex}.  "expiresAt" is in Unix seconds.
CREATE FUNCTION realtime.check_api_key(request jsonb, OUT status integer, OUT body jsonb)
	RETURNS record
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	SELECT 200, jsonb_build_object('role', u.role, 'id', u.id,
								   'expiresAt', floor(extract(epoch FROM u.expires_at)))
	INTO status, body
	FROM realtime.use_api_key(request ->> 'keyHash') u;
	IF NOT FOUND THEN
		status := 401;
		body := '{"error": "Invalid API key"}';
	END IF;
END
$$;
COMMENT ON FUNCTION realtime.check_api_key(jsonb) IS
	'whose is the API key with this hash?';

REVOKE EXECUTE ON FUNCTION
	realtime.add_api_key(text, text, timestamptz), realtime.create_api_key(text, timestamptz),
	realtime.create_anon_key(text, timestamptz), realtime.revoke_api_key(text, interval),
	realtime.rotate_api_key(text, interval), realtime.use_api_key(text), realtime.check_api_key(jsonb)
	FROM PUBLIC;

GRANT EXECUTE ON FUNCTION realtime.check_api_key(jsonb) TO realtime_executor;
