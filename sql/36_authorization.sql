--
-- Why may a client join a private channel, or not?
--
-- Executors decide by the policies on realtime.messages.  This says what they
-- would decide for a token with these claims, and which policy is the reason.
--

CREATE FUNCTION realtime.can(
		role text,
		claims jsonb,
		topic text,
		headers jsonb DEFAULT '{}',
		OUT action text,
		OUT allowed boolean,
		OUT reason text,
		OUT policies jsonb)
	RETURNS SETOF record
	LANGUAGE C VOLATILE PARALLEL UNSAFE
	ROWS 5
	AS 'MODULE_PATHNAME', 'realtime_can';
COMMENT ON FUNCTION realtime.can(text, jsonb, text, jsonb) IS
	'what a token may do on a private channel, and which policy decides; for superusers';

REVOKE EXECUTE ON FUNCTION realtime.can(text, jsonb, text, jsonb) FROM PUBLIC;
