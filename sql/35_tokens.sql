--
-- Tokens, for a first try and for tests; applications have them from their
-- authentication server.
--

CREATE FUNCTION realtime.sign_jwt(claims jsonb, ttl interval DEFAULT '1 hour') RETURNS text
	LANGUAGE C VOLATILE STRICT
	AS 'MODULE_PATHNAME', 'sign_jwt';
COMMENT ON FUNCTION realtime.sign_jwt(jsonb, interval) IS
	'a JSON Web Token with these claims, signed with the configured secret; for superusers';
REVOKE ALL ON FUNCTION realtime.sign_jwt(jsonb, interval) FROM PUBLIC;
