--
-- /api/realtime: what its functions make of requests that no gateway sends, and
-- who may call them.  test/t/113_rest_api.pl has the requests of clients.
--
SET timezone = 'UTC';
-- a request by nobody
SELECT f.name, r.status, r.body ->> 'error' AS error
FROM (VALUES ('{}'::jsonb), ('{"admin": null}'), ('{"admin": "true"}'), ('{"admin": false, "keyHash": null}'),
			 ('{"keyHash": 7}'), ('{"keyHash": "x"}'), ('{"keyHash": {"a": true}}'), ('[]'), ('null')) q(request),
	 (VALUES ('list'), ('delete')) f(name),
	 LATERAL (SELECT * FROM realtime.http_channels_list(q.request) WHERE f.name = 'list'
			  UNION ALL
			  SELECT * FROM realtime.http_messages_delete(q.request) WHERE f.name = 'delete') r
GROUP BY 1, 2, 3 ORDER BY 1;
-- each function refuses strangers before it looks at anything else
SELECT count(*) AS functions,
	   count(*) FILTER (WHERE x.answer = '(401,"{""error"": ""AUTH_INVALID_API_KEY"", ""message"": ""Invalid API key"", ""statusCode"": 401}")') AS refuse
FROM (SELECT (xpath('/table/row/r/text()', query_to_xml(format('SELECT %s(''{"id": 1, "body": 1, "query": 1}'')::text AS r', p.oid::regproc), true, false, '')))[1]::text AS answer
	  FROM pg_proc p WHERE p.pronamespace = 'realtime'::regnamespace AND p.proname ~ '^http_' AND p.proname <> 'http_realtime_publish'
		AND pg_get_function_result(p.oid) = 'record') x;

-- a request without what the endpoint has
SELECT (realtime.http_channel_create('{"admin": true}')).*;
SELECT (realtime.http_channel_update('{"admin": true}')).*;
SELECT (realtime.http_channel_get('{"admin": true}')).*;
SELECT (realtime.http_channel_get('{"admin": true, "id": null}')).*;
SELECT (realtime.http_channel_delete('{"admin": true, "id": 7}')).*;
SELECT (realtime.http_messages_list('{"admin": true}')).status;
SELECT (realtime.http_messages_stats('{"admin": true}')).status;
SELECT (realtime.http_config_update('{"admin": true, "body": null}')).*;

-- texts of faults
SELECT realtime.http_fault('CODE', NULL, 'a: x', NULL, 'b: y'), realtime.http_fault('CODE', NULL, NULL) AS none;
SELECT realtime.number_fault('n', n, 1, 10) FROM (VALUES (NULL), (0), (1), (10), (11), (1.5), (0.5)) v(n);
SELECT v.text, realtime.query_number(jsonb_build_object('n', v.text), 'n', 7) AS number, realtime.query_time(jsonb_build_object('n', v.text), 'n') AS time
FROM (VALUES (NULL), (''), (' 5 '), ('1e2'), ('1e400'), ('0x10'), ('NaN'), ('Infinity'), ('5,0'), ('--5'), ('5.'), ('.'), ('2024'), ('2024-02'),
	('2024-02-29'), ('2023-02-29'), ('2024-01-15T10:30:00.123456789Z'), ('2024-01-15 10:30'), ('2024-01-15T10:30:00 02:00'), ('2024-01-15T24:00:00Z'), ('today')) v(text);

-- how long messages are kept
SHOW realtime.retention;
SELECT now() - realtime.oldest_kept() AS by_setting;
SELECT (realtime.http_config_update('{"admin": true, "body": {"retentionDays": 40}}')).status;
SELECT now() - realtime.oldest_kept() AS by_row;
SELECT (realtime.http_config_update('{"admin": true, "body": {"retentionDays": null}}')).status;
SELECT now() - realtime.oldest_kept() AS by_setting;
DELETE FROM realtime.config;
\set VERBOSITY terse
INSERT INTO realtime.config (retention_days) VALUES (0); -- fails
\set VERBOSITY default

-- in the database's own functions nothing of a caller's path is used
CREATE SCHEMA trap;
CREATE FUNCTION trap.get(jsonb, text) RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trapped'; END $$;
CREATE OPERATOR trap.-> (LEFTARG = jsonb, RIGHTARG = text, FUNCTION = trap.get);
SET search_path = trap, pg_catalog;
SELECT '{}'::jsonb -> 'a'; -- fails
SELECT (realtime.http_channels_list('{"admin": true}')).status;
SELECT (realtime.http_messages_list('{"admin": true, "query": {"limit": "1"}}')).status;
RESET search_path;
\set VERBOSITY terse
DROP SCHEMA trap CASCADE;
\set VERBOSITY default

-- keys
SELECT length(realtime.create_api_key()) AS key, length(realtime.create_anon_key('visitors')) AS anon_key;
SELECT role, length(prefix), name, expires_at, last_used_at FROM realtime.api_keys ORDER BY role;
SET ROLE anon;
SELECT realtime.create_api_key(); -- fails
SELECT * FROM realtime.api_keys; -- fails
SELECT realtime.http_channels_list('{"admin": true}'); -- fails
SELECT realtime.check_api_key('{}'); -- fails
RESET ROLE;
DELETE FROM realtime.api_keys;
