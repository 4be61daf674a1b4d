--
-- Channel names that carry their own proof: name-<hmac>.
--

CREATE FUNCTION realtime.channel_hmac(name text, secret text) RETURNS text
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'channel_hmac_hex';
COMMENT ON FUNCTION realtime.channel_hmac(text, text) IS
	'HMAC-SHA256 of a channel name, in lower-case hex';

CREATE FUNCTION realtime.derive_channel(name text, secret text) RETURNS text
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'derive_channel';
COMMENT ON FUNCTION realtime.derive_channel(text, text) IS
	'a channel name with its HMAC appended';

CREATE FUNCTION realtime.verify_channel(channel text, secret text) RETURNS boolean
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'verify_channel';
COMMENT ON FUNCTION realtime.verify_channel(text, text) IS
	'whether a channel name ends with the right HMAC, compared in constant time';

CREATE FUNCTION realtime.match_channels(channels text[], secrets text[]) RETURNS integer[]
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'match_channels';
COMMENT ON FUNCTION realtime.match_channels(text[], text[]) IS
	'for each channel which of the secrets it is good by, 0 if none; much faster than one by one';
REVOKE EXECUTE ON FUNCTION realtime.match_channels(text[], text[]) FROM PUBLIC;
