--
-- /api/realtime: what its endpoints have in common.
--
-- A gateway routes a request and verifies a token (gateway/api_routes.c), and an
-- executor calls the function of the endpoint with
--
--	  {"admin": true | "keyHash": hex,		who asks
--	   "id": text,							of the path
--	   "query": {name: text, ...},			parameters, each once
--	   "body": JSON}
--
-- Faults of requests are told in the words of InsForge's server, which are those
-- of the library that it validates with (insforge-oaura.md section 3).
--

-- Body of an error; its status is in it.
CREATE FUNCTION realtime.http_error(status integer, code text, message text) RETURNS jsonb
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS $$ SELECT jsonb_build_object('error', code, 'message', message, 'statusCode', status) $$;

-- The error of a request that has these faults, or null: it has none.
CREATE FUNCTION realtime.http_fault(code text, VARIADIC faults text[]) RETURNS jsonb
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT realtime.http_error(400, code, array_to_string(faults, ', '))
	WHERE array_to_string(faults, ', ') <> ''
$$;

-- The error of a request by nobody who may, or null.
CREATE FUNCTION realtime.refuse_stranger(request jsonb) RETURNS jsonb
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	IF request -> 'admin' = 'true'
		OR EXISTS (SELECT FROM realtime.use_api_key(request ->> 'keyHash') u WHERE u.role = 'project_admin') THEN
		RETURN NULL;
	END IF;
	RETURN realtime.http_error(401, 'AUTH_INVALID_API_KEY', 'Invalid API key');
END
$$;

-- A time as JavaScript prints it.
CREATE FUNCTION realtime.iso_time(at timestamptz) RETURNS text
	LANGUAGE sql STABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS $$ SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') $$;

--
-- Faults of single values: null where there is none.  What is SQL's null is not
-- in the request.
--

-- It has another type than the one expected, or is not there but has to be.
CREATE FUNCTION realtime.type_fault(path text, value jsonb, expected text, required boolean DEFAULT false)
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT CASE WHEN value IS NULL THEN CASE WHEN required THEN path || ': Required' END
				WHEN jsonb_typeof(value) <> expected
				THEN format('%s: Expected %s, received %s', path, expected, jsonb_typeof(value))
		   END
$$;

CREATE FUNCTION realtime.text_fault(
		path text, value jsonb, required boolean DEFAULT false, shortest integer DEFAULT 0, longest integer DEFAULT NULL,
		empty text DEFAULT 'String must contain at least 1 character(s)')
	RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT coalesce(realtime.type_fault(path, value, 'string', required),
		CASE WHEN value = '""' AND shortest > 0 THEN path || ': ' || empty
			 WHEN length(value #>> '{}') < shortest
			 THEN format('%s: String must contain at least %s character(s)', path, shortest)
			 WHEN length(value #>> '{}') > longest
			 THEN format('%s: String must contain at most %s character(s)', path, longest)
		END)
$$;

CREATE FUNCTION realtime.uuid_fault(path text, value jsonb) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT coalesce(realtime.type_fault(path, value, 'string'),
		CASE WHEN value #>> '{}' !~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN path || ': Invalid uuid' END)
$$;

CREATE FUNCTION realtime.choice_fault(path text, value jsonb, VARIADIC choices text[]) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT CASE WHEN jsonb_typeof(value) <> 'string'
				THEN format('%s: Expected %s, received %s', path, c.quoted, jsonb_typeof(value))
				WHEN value #>> '{}' <> ALL (choices)
				THEN format('%s: Invalid enum value. Expected %s, received ''%s''', path, c.quoted, value #>> '{}')
		   END
	FROM (SELECT string_agg(format('''%s''', u.choice), ' | ' ORDER BY u.place)
		  FROM unnest(choices) WITH ORDINALITY u(choice, place)) c(quoted)
$$;

-- URLs that the courier can send to, each of which may have a fault.
CREATE FUNCTION realtime.urls_fault(path text, value jsonb) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT coalesce(realtime.type_fault(path, value, 'array'), (
		SELECT string_agg(f.fault, ', ' ORDER BY u.place)
		FROM jsonb_array_elements(CASE jsonb_typeof(value) WHEN 'array' THEN value ELSE '[]' END)
				WITH ORDINALITY u(url, place),
			 LATERAL (SELECT coalesce(
				realtime.type_fault(format('%s.%s', path, u.place - 1), u.url, 'string'),
				CASE WHEN u.url #>> '{}' !~* '^https?://([^/?#@[:space:]]*@)?(\[[0-9a-f:.]+\]|[^]/?#@:\\[:space:][<>^|%"]+)(:[0-9]{1,5})?([/?#][^[:space:]]*)?$'
					 THEN format('%s.%s: Invalid url', path, u.place - 1) END)) f(fault)))
$$;

-- A parameter as a number: null if it is none, 0 if it is empty, as JavaScript has it.
CREATE FUNCTION realtime.query_number(query jsonb, name text, when_absent numeric) RETURNS numeric
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT CASE WHEN p.value IS NULL THEN when_absent
				WHEN p.value = '' THEN 0
				WHEN p.value ~ '^[+-]?([0-9]{1,20}\.?[0-9]{0,20}|\.[0-9]{1,20})([eE][+-]?[0-9]{1,2})?$' THEN p.value::numeric
		   END
	FROM (SELECT btrim(query ->> name, E' \t\r\n')) p(value)
$$;

-- A number that has to be whole and in a range; null is none at all.
CREATE FUNCTION realtime.number_fault(path text, number numeric, lowest numeric, highest numeric) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT CASE WHEN number IS NULL THEN path || ': Expected number, received nan'
		   ELSE nullif(concat_ws(', ',
				CASE WHEN number % 1 <> 0 THEN path || ': Expected integer, received float' END,
				CASE WHEN number < lowest THEN format('%s: Number must be greater than or equal to %s', path, lowest) END,
				CASE WHEN number > highest THEN format('%s: Number must be less than or equal to %s', path, highest) END), '')
		   END
$$;

-- A parameter as a time: an ISO 8601 date or date and time, in UTC where it does
-- not say otherwise; null if it is none.
CREATE FUNCTION realtime.query_time(query jsonb, name text) RETURNS timestamptz
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	SET timezone = 'UTC'
	AS $$
DECLARE
	-- a plus sign that was not encoded is a space
	value CONSTANT text := regexp_replace(query ->> name, '(:[0-9]{2}(\.[0-9]+)?) ([0-9]{2}:?[0-9]{2})$', '\1+\3');
BEGIN
	IF value ~ '^[0-9]{4}$' THEN
		RETURN (value || '-01-01')::timestamptz;
	ELSIF value ~ '^[0-9]{4}-[0-9]{2}$' THEN
		RETURN (value || '-01')::timestamptz;
	ELSIF value ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?$' THEN
		RETURN value::timestamptz;
	END IF;
	RETURN NULL;
EXCEPTION
	WHEN data_exception THEN
		RETURN NULL;
END
$$;

-- A body that is no object has this fault alone.
CREATE FUNCTION realtime.body_fault(request jsonb) RETURNS text
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS $$ SELECT realtime.type_fault('body', request -> 'body', 'object', true) $$;

REVOKE EXECUTE ON FUNCTION
	realtime.http_error(integer, text, text), realtime.http_fault(text, text[]), realtime.refuse_stranger(jsonb),
	realtime.iso_time(timestamptz), realtime.type_fault(text, jsonb, text, boolean),
	realtime.text_fault(text, jsonb, boolean, integer, integer, text), realtime.uuid_fault(text, jsonb),
	realtime.choice_fault(text, jsonb, text[]), realtime.urls_fault(text, jsonb),
	realtime.query_number(jsonb, text, numeric), realtime.number_fault(text, numeric, numeric, numeric),
	realtime.query_time(jsonb, text), realtime.body_fault(jsonb)
	FROM PUBLIC;
