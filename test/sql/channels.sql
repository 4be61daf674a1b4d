--
-- Channel names that carry their own proof.
--
\set VERBOSITY terse
\set agent 'agent-7b0c0a52-6f0e-4a8e-9a64-3a7a2f1d9d01-user-user_42'
\set conv 'conv-550e8400-e29b-41d4-a716-446655440000'
\set secret 'test_signing_secret'
SELECT realtime.channel_hmac(:'agent', :'secret') = 'db977d6ffbe5374ae19347b19c525b20a99d45c612fee93bab35932826bf6ea5' AS agent,
	   realtime.channel_hmac(:'conv', :'secret') = 'a92e82e219b70f54e73b62bd3e28edacc53c8d55b68638d673689a47971bfdaa' AS conv;
SELECT realtime.derive_channel(:'conv', :'secret');
SELECT realtime.verify_channel(realtime.derive_channel(:'agent', :'secret'), :'secret') AS agent,
	   realtime.verify_channel(realtime.derive_channel(:'conv', :'secret'), :'secret') AS conv;

-- as any other implementation computes it (RFC 2104), UTF-8 and long keys included
CREATE FUNCTION test.hmac(message bytea, key bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	k bytea := CASE WHEN length(key) > 64 THEN sha256(key) ELSE key END;
	inner_pad bytea := '';
	outer_pad bytea := '';
BEGIN
	FOR i IN 0..63 LOOP
		inner_pad := inner_pad || set_byte('\x00', 0, CASE WHEN i < length(k) THEN get_byte(k, i) ELSE 0 END # 54);
		outer_pad := outer_pad || set_byte('\x00', 0, CASE WHEN i < length(k) THEN get_byte(k, i) ELSE 0 END # 92);
	END LOOP;
	RETURN encode(sha256(outer_pad || sha256(inner_pad || message)), 'hex');
END
$$;
SELECT left(name, 10) AS name, left(secret, 10) AS secret,
	   realtime.channel_hmac(name, secret) = test.hmac(convert_to(name, 'UTF8'), convert_to(secret, 'UTF8')) AS equal
FROM (VALUES ('a', 'k'), ('', ''), ('a-b-c', ''), ('', 'k'), ('größe-😀', 'schlüssel'),
			 ('a', repeat('k', 64)), ('a', repeat('k', 65)), (repeat('n', 1000), 'k')) v(name, secret);

-- what is not verified
SELECT channel, realtime.verify_channel(channel, :'secret') AS verified
FROM (SELECT realtime.derive_channel('room', :'secret')) d(good),
	 LATERAL (VALUES (1, good),
					 (2, replace(good, 'room', 'moor')),
					 (3, overlay(good PLACING CASE right(good, 1) WHEN '0' THEN '1' ELSE '0' END FROM length(good))),
					 (4, 'room-' || upper(substr(good, 6))),
					 (5, left(good, -1)),
					 (6, good || '0'),
					 (7, replace(good, '-', '_')),
					 (8, substr(good, 5)),
					 (9, 'room'),
					 (10, 'room-'),
					 (11, '-'),
					 (12, '')) v(n, channel)
ORDER BY n;
SELECT realtime.verify_channel(realtime.derive_channel('room', :'secret'), 'another secret');
SELECT realtime.channel_hmac(NULL, 'k') IS NULL AND realtime.channel_hmac('a', NULL) IS NULL
	AND realtime.derive_channel(NULL, 'k') IS NULL AND realtime.verify_channel('a', NULL) IS NULL AS strict;

-- a derived channel is a topic like any other
SELECT octet_length(realtime.derive_channel(:'agent', :'secret')) <= 246 AS fits;
