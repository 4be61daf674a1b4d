--
-- Tokens: made by superusers, with a secret that nobody else sees.
--
\set SHOW_CONTEXT never
\set VERBOSITY terse
\pset null (null)

CREATE FUNCTION test.base64url(t text) RETURNS bytea LANGUAGE sql IMMUTABLE
	RETURN decode(translate(t, '-_', '+/') || repeat('=', (4 - length(t) % 4) % 4), 'base64');

-- A token taken apart; genuine says whether the secret of the test servers
-- (test/perl/RealtimeServer.pm) signed it.
CREATE FUNCTION test.token(token text, OUT header jsonb, OUT claims jsonb, OUT pieces integer, OUT genuine boolean)
	LANGUAGE sql AS $$
	SELECT convert_from(test.base64url(split_part(token, '.', 1)), 'UTF8')::jsonb,
		   convert_from(test.base64url(split_part(token, '.', 2)), 'UTF8')::jsonb,
		   length(token) - length(replace(token, '.', '')) + 1,
		   encode(test.base64url(split_part(token, '.', 3)), 'hex') =
			   realtime.channel_hmac(split_part(token, '.', 1) || '.' || split_part(token, '.', 2),
									 'what the tests sign their tokens with')
	$$;

-- a token for an hour
SELECT header, claims - 'iat' - 'exp' AS claims, pieces, genuine,
	   (claims->>'exp')::bigint - (claims->>'iat')::bigint AS ttl,
	   abs((claims->>'iat')::bigint - extract(epoch FROM now())) < 100 AS fresh
FROM test.token(realtime.sign_jwt('{"role": "anon"}'));
SELECT claims - 'iat' - 'exp' AS claims, genuine, (claims->>'exp')::bigint - (claims->>'iat')::bigint AS ttl
FROM test.token(realtime.sign_jwt('{"role": "authenticated", "sub": "größe-😀", "app": {"exp": [1, null]}}', '10 days'));
SELECT claims, genuine FROM test.token(realtime.sign_jwt(ttl => '1 month', claims => '{"role": "anon", "exp": 2000000000, "iat": 1}'));
-- what is expired, or not good yet, may be wanted for a test
SELECT claims, genuine
FROM test.token(realtime.sign_jwt('{"role": "anon", "iat": 1, "exp": 1000000000.5, "nbf": 4000000000}', '-1 hour'));
SELECT length(claims->>'role') AS role_length
FROM test.token(realtime.sign_jwt(jsonb_build_object('role', repeat('r', 63))));
SELECT realtime.sign_jwt(NULL), realtime.sign_jwt('{"role": "anon"}', NULL);

-- claims that nobody would accept
\set VERBOSITY default
SELECT realtime.sign_jwt('{}');												-- fails
SELECT realtime.sign_jwt('{"sub": "role"}');								-- fails
SELECT realtime.sign_jwt('["role"]');										-- fails
SELECT realtime.sign_jwt('"role"');											-- fails
SELECT realtime.sign_jwt('null');											-- fails
\set VERBOSITY terse
SELECT realtime.sign_jwt('{"role": ""}');									-- fails
SELECT realtime.sign_jwt('{"role": null}');									-- fails
SELECT realtime.sign_jwt('{"role": ["anon"]}');								-- fails
SELECT realtime.sign_jwt(jsonb_build_object('role', repeat('r', 64)));		-- fails
SELECT realtime.sign_jwt('{"role": "anon", "exp": "tomorrow"}');			-- fails
SELECT realtime.sign_jwt('{"role": "anon", "exp": -1}');					-- fails
SELECT realtime.sign_jwt('{"role": "anon", "exp": 1e300}');					-- fails
SELECT realtime.sign_jwt('{"role": "anon", "nbf": true}');					-- fails
SELECT realtime.sign_jwt('{"role": "anon", "iat": null}');					-- fails
SELECT realtime.sign_jwt(jsonb_build_object('role', 'anon', 'x', repeat('x', 8192)));	-- fails
SELECT realtime.sign_jwt(('{"role": "anon", "x": ' || repeat('[', 100) || repeat(']', 100) || '}')::jsonb);	-- fails
-- times that are none
SELECT realtime.sign_jwt('{"role": "anon"}', '0');							-- fails
SELECT realtime.sign_jwt('{"role": "anon"}', '-1 second');					-- fails
SELECT realtime.sign_jwt('{"role": "anon"}', '1000000 years');				-- fails

-- nobody else may sign, whatever was granted
SET ROLE authenticated;
SELECT realtime.sign_jwt('{"role": "anon"}');								-- fails
RESET ROLE;
GRANT USAGE ON SCHEMA realtime TO realtime_mallory;
GRANT EXECUTE ON FUNCTION realtime.sign_jwt TO realtime_mallory;
SET ROLE realtime_mallory;
SELECT realtime.sign_jwt('{"role": "service_role"}');						-- fails
-- nor see what with (the messages are PostgreSQL's, and not the same in all versions)
\set VERBOSITY sqlstate
SHOW realtime.jwt_secret;													-- fails
SHOW realtime.jwt_secret_file;												-- fails
SHOW realtime.jwt_jwks;														-- fails
SELECT current_setting('realtime.jwt_secret', true);						-- fails
SET realtime.jwt_secret = 'a secret that is long enough, but not his';		-- fails
SELECT set_config('realtime.jwt_secret', '', true);							-- fails
SELECT count(*) FROM pg_file_settings;										-- fails
SELECT pg_read_file('realtime/jwt_secret');									-- fails
\set VERBOSITY default
SELECT count(*) AS seen FROM pg_settings WHERE name IN ('realtime.jwt_secret', 'realtime.jwt_jwks', 'realtime.jwt_secret_file');
RESET ROLE;
REVOKE EXECUTE ON FUNCTION realtime.sign_jwt FROM realtime_mallory;
REVOKE USAGE ON SCHEMA realtime FROM realtime_mallory;
-- superusers see that there is one
SHOW realtime.jwt_secret;
SHOW realtime.jwt_jwks;
SELECT count(*) AS listed FROM pg_settings WHERE setting LIKE '%what the tests sign%';
-- a secret that is refused is not told
ALTER SYSTEM SET realtime.jwt_secret = 'too short a secret, 31 bytes...';	-- fails

DROP FUNCTION test.token;
DROP FUNCTION test.base64url;
