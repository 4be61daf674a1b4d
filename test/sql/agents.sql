--
-- Agents: names that are secrets, keys that publish.
--
\set SHOW_CONTEXT never
TRUNCATE realtime.messages;
\set agent '7b0c0a52-6f0e-4a8e-9a64-3a7a2f1d9d01'
-- names come and go, keys and times differ
CREATE FUNCTION test.mask_keys(t text) RETURNS text LANGUAGE sql IMMUTABLE
	RETURN regexp_replace(t, '[0-9a-f]{64}', '<hex>', 'g');
CREATE FUNCTION test.hash(api_key text) RETURNS text LANGUAGE sql IMMUTABLE
	RETURN encode(sha256(convert_to(api_key, 'UTF8')), 'hex');
CREATE FUNCTION test.check(VARIADIC names text[]) RETURNS TABLE (n bigint, valid boolean, until_in_minutes numeric) LANGUAGE sql AS $$
	SELECT n, (c ->> 'valid')::boolean, round(((c ->> 'until')::numeric - extract(epoch FROM now())) / 60)
	FROM realtime.check_channels(jsonb_build_object('names', to_jsonb(names))) r,
		 jsonb_array_elements(r.body -> 'channels') WITH ORDINALITY c(c, n)
	WHERE r.status = 200 AND c ->> 'name' = names[n]
$$;

-- without agents, names mean nothing
SELECT * FROM realtime.check_channels('{"names": ["agent-x", "conv-y"]}');

--
-- agents
--
SELECT agent_id = :'agent' AS its_id, api_key ~ '^rtk_[0-9a-f]{64}$' AS key, api_key
FROM realtime.create_agent(:'agent', 'test_signing_secret') \gset
SELECT :'its_id' AS its_id, :'key' AS key;
SELECT agent_id ~ '^[0-9a-f-]{36}$' AS uuid, api_key <> :'api_key' AS another_key FROM realtime.create_agent();
SELECT a.agent_id = :'agent' AS given, a.description, a.event, a.enabled, k.version, k.state,
	   CASE a.agent_id WHEN :'agent' THEN k.secret ELSE test.mask_keys(k.secret) END AS secret, k.not_after
FROM realtime.agents a JOIN realtime.signing_keys k USING (agent_id) ORDER BY 1;
-- of an API key only the hash is there
SELECT octet_length(key_hash), encode(key_hash, 'hex') = test.hash(:'api_key') AS hash,
	   prefix = left(:'api_key', 12) AS prefix, revoked_at, last_used_at
FROM realtime.agent_api_keys WHERE agent_id = :'agent';
-- secrets are random
SELECT count(DISTINCT realtime.random_secret()), bool_and(realtime.random_secret() ~ '^[0-9a-f]{64}$') FROM generate_series(1, 1000);
-- refused
\pset format unaligned
\pset tuples_only on
SELECT split_part(test.failure(format('SELECT realtime.create_agent(%L)', id)), E'\n', 1)
FROM unnest(ARRAY[:'agent', '', repeat('x', 129), E'tab\t', 'x-user-y', 'x-user', NULL]) id;
SELECT count(*) FROM realtime.create_agent(repeat('x', 128)) UNION ALL
SELECT count(*) FROM realtime.create_agent('user') UNION ALL
SELECT count(*) FROM realtime.create_agent('x-users-y') UNION ALL
SELECT count(*) FROM realtime.create_agent('größe 😀');
SELECT test.failure($$SELECT realtime.create_agent('short', 'fifteen bytes..')$$);
SELECT split_part(test.failure(format('INSERT INTO realtime.agents (agent_id, event) VALUES (''e'', %L)', event)), E'\n', 1)
FROM unnest(ARRAY['', repeat('x', 256)]) event;
SELECT test.failure(format('INSERT INTO realtime.signing_keys (agent_id, version, secret) VALUES (%L, 9, %L)', :'agent', 'x'));
DELETE FROM realtime.agents WHERE agent_id <> :'agent';
SELECT count(*) FROM realtime.signing_keys UNION ALL SELECT count(*) FROM realtime.agent_api_keys;

--
-- names
--
SELECT realtime.user_channel(:'agent', 'user_42');
SELECT realtime.conversation_channel(:'agent', '550e8400-e29b-41d4-a716-446655440000');
SELECT octet_length(realtime.user_channel(:'agent', repeat('ü', 64)));
SELECT octet_length(realtime.conversation_channel(:'agent', repeat('x', 128)));
SELECT realtime.create_agent(repeat('a', 100)) IS NOT NULL;
SELECT octet_length(realtime.user_channel(repeat('a', 100), repeat('x', 69)));
SELECT test.failure($$SELECT realtime.user_channel(repeat('a', 100), repeat('x', 70))$$);
SELECT test.failure(format('SELECT realtime.user_channel(%L, %L)', :'agent', id))
FROM unnest(ARRAY[NULL, '', repeat('x', 129), repeat('ü', 65), E'a\nb', E'a\u0085b']) id;
SELECT test.failure(format('SELECT realtime.conversation_channel(%L, %L)', :'agent', id))
FROM unnest(ARRAY[NULL, '', repeat('x', 129), E'\x7f']) id;
SELECT test.failure($$SELECT realtime.user_channel('nobody', 'x')$$);
SELECT test.failure($$SELECT realtime.conversation_channel('nobody', 'x')$$);
SELECT test.failure($$SELECT realtime.user_channel(NULL, 'x')$$);
DELETE FROM realtime.agents WHERE agent_id <> :'agent';
\pset format aligned
\pset tuples_only off

-- a name has one reading, whatever the ids are
SELECT realtime.create_agent(id) IS NOT NULL AS created FROM unnest(ARRAY['a', 'a-b', 'user', 'a-user1']) id;
SELECT id, end_user, (SELECT valid FROM test.check(realtime.user_channel(id, end_user))) AS valid,
	   substring(realtime.user_channel(id, end_user) FROM '^agent-(.*?)-user-') = id AS agent
FROM unnest(ARRAY['a', 'a-b', 'user', 'a-user1']) id, unnest(ARRAY['x', 'x-user-y', 'user', '-user-', 'b-user-x', '😀']) end_user;
DELETE FROM realtime.agents WHERE agent_id <> :'agent';

--
-- are they good?
--
SELECT realtime.user_channel(:'agent', 'user_42') AS user_name,
	   realtime.conversation_channel(:'agent', 'c-1') AS conv_name \gset
SELECT * FROM realtime.create_agent('other', 'another_signing_secret') \gset other_
SELECT * FROM test.check(:'user_name', :'conv_name',
	realtime.user_channel('other', 'user_42'), realtime.conversation_channel('other', 'c-1'),
	-- not these: other digits, other cases and lengths, another agent's, none at all
	replace(:'user_name', 'user_42', 'user_43'),
	upper(:'user_name'), 'agent-' || upper(substr(:'user_name', 7)),
	left(:'conv_name', -1), :'conv_name' || '0', replace(:'conv_name', 'conv-', 'conv'),
	replace(:'user_name', :'agent', 'other'), replace(:'user_name', :'agent', 'nobody'),
	'realtime:' || :'conv_name', 'agent-', 'conv-', '',
	realtime.derive_channel('room', 'test_signing_secret'),
	'conv-1-garbage', 'conv-1-' || repeat('a', 64));
-- whatever comes, there is an answer
SELECT r.* FROM unnest(ARRAY['{}', '[]', 'null', '{"names": null}', '{"names": "x"}', '{"names": []}', '{"names": [null, 1, {"a": []}]}']::jsonb[]) q,
	LATERAL realtime.check_channels(q) r;

--
-- publishing
--
SELECT pg_current_wal_insert_lsn() AS start \gset
CREATE FUNCTION test.told(since pg_lsn) RETURNS TABLE (topic text, event text, private boolean, payload text) LANGUAGE sql AS $$
	SELECT test.mask_keys(p.topic), p.event, p.private,
		   regexp_replace(p.payload, '"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"', '"<time>"')
	FROM test.published(since) p WHERE p.topic <> ''
$$;
SELECT realtime.realtime_publish(:'agent', 'user_42', 'c-1') = ARRAY[:'user_name', :'conv_name'] AS both;
SELECT realtime.realtime_publish(:'agent', conversation_id => 'c-1') = ARRAY[:'conv_name'] AS conversation;
UPDATE realtime.agents SET event = 'changed' WHERE agent_id = :'agent';
SELECT realtime.realtime_publish(:'agent', 'user_42') = ARRAY[:'user_name'] AS end_user;
UPDATE realtime.agents SET event = 'refresh' WHERE agent_id = :'agent';
SELECT * FROM test.told(:'start');
SELECT topic = :'user_name' AS its_channel, abs(extract(epoch FROM (payload ->> 'at')::timestamptz - inserted_at)) < 60 AS recent
FROM realtime.messages WHERE event = 'changed';
\pset format unaligned
\pset tuples_only on
SELECT test.failure(format('SELECT realtime.realtime_publish(%s)', args))
FROM unnest(ARRAY[format('%L', :'agent'), '''nobody'', ''x''', 'NULL, ''x''', format('%L, ''''', :'agent'), format('%L, NULL, ''''', :'agent'),
	format('%L, repeat(''x'', 129)', :'agent'), format('%L, ''x'', E''\n''', :'agent')]) args;
UPDATE realtime.agents SET enabled = false WHERE agent_id = :'agent';
SELECT test.failure(format('SELECT realtime.realtime_publish(%L, ''user_42'')', :'agent'));
SELECT valid FROM test.check(:'user_name', :'conv_name');
UPDATE realtime.agents SET enabled = true WHERE agent_id = :'agent';
\pset format aligned
\pset tuples_only off

--
-- POST /functions/v1/realtime-publish
--
CREATE FUNCTION test.post(api_key text, body jsonb) RETURNS TABLE (status integer, body jsonb) LANGUAGE sql
	SECURITY DEFINER
	AS $$
	SELECT r.status, test.mask_keys(r.body::text)::jsonb
	FROM realtime.http_realtime_publish(jsonb_build_object('keyHash', test.hash(api_key), 'body', body)) r
$$;
SELECT pg_current_wal_insert_lsn() AS start \gset
SELECT * FROM test.post(:'api_key', '{"endUserId": "user_42", "conversationId": "c-1"}');
SELECT * FROM test.post(:'api_key', '{"endUserId": "user_42", "conversationId": null, "more": {"a": 1}}');
SELECT * FROM test.post(:'api_key', '{"conversationId": "c-1"}');
SELECT * FROM test.told(:'start');
SELECT realtime.http_realtime_publish(jsonb_build_object('keyHash', test.hash(:'api_key'), 'body', '{"endUserId": "user_42"}'::jsonb)) =
	ROW(200, jsonb_build_object('ok', true, 'channels', jsonb_build_array(:'user_name'))) AS its_channel;
-- refused: by the body ...
SELECT pg_current_wal_insert_lsn() AS start \gset
SELECT left(b::text, 40) AS request, r.*
FROM unnest(ARRAY['[]', '"x"', 'null', '{}', '{"endUserId": null}', '{"enduserid": "x"}',
	'{"endUserId": 1}', '{"endUserId": ["x"]}', '{"endUserId": "x", "conversationId": true}', '{"endUserId": ""}',
	'{"endUserId": "x", "conversationId": ""}', '{"endUserId": "a\u0001"}', '{"conversationId": "a\nb"}']::jsonb[]
	|| jsonb_build_object('endUserId', repeat('x', 129)) || jsonb_build_object('conversationId', repeat('ü', 65))) b,
	LATERAL test.post(:'api_key', b) r;
SELECT * FROM realtime.http_realtime_publish(jsonb_build_object('keyHash', test.hash(:'api_key')));
SELECT realtime.create_agent_key(agent_id) AS long_key FROM realtime.create_agent(repeat('a', 100)) \gset
SELECT * FROM test.post(:'long_key', jsonb_build_object('endUserId', repeat('x', 70)));
SELECT status FROM test.post(:'long_key', jsonb_build_object('endUserId', repeat('x', 69)));
-- ... by the key: the same answer for none, a wrong one, one that was revoked
SELECT r.* FROM unnest(ARRAY['{}', '{"keyHash": null}', '{"keyHash": ""}', '{"keyHash": 5}', '{"keyHash": "zz"}', '[]', 'null']::jsonb[]
	|| jsonb_build_object('keyHash', repeat('0', 64), 'body', '{"endUserId": "x"}'::jsonb)
	|| jsonb_build_object('keyHash', upper(test.hash(:'api_key')), 'body', '{"endUserId": "x"}'::jsonb)
	|| jsonb_build_object('keyHash', :'api_key', 'body', '{"endUserId": "x"}'::jsonb)) q, LATERAL realtime.http_realtime_publish(q) r;
SELECT realtime.create_agent_key(:'agent') AS second_key \gset
SELECT status FROM test.post(:'second_key', '{"endUserId": "x"}');
SELECT realtime.revoke_agent_key(:'agent', left(:'second_key', 12));
SELECT * FROM test.post(:'second_key', '{"endUserId": "x"}');
SELECT status FROM test.post(:'api_key', '{"endUserId": "x"}');
\pset format unaligned
\pset tuples_only on
SELECT test.failure(format('SELECT realtime.revoke_agent_key(%L, %L)', :'agent', left(:'second_key', 12)));
SELECT test.failure(format('SELECT realtime.revoke_agent_key(''other'', %L)', left(:'api_key', 12)));
SELECT test.failure($$SELECT realtime.create_agent_key('nobody')$$);
\pset format aligned
\pset tuples_only off
-- ... and where the agent is disabled
UPDATE realtime.agents SET enabled = false WHERE agent_id = :'agent';
SELECT * FROM test.post(:'api_key', '{"endUserId": "x"}');
SELECT * FROM test.post(:'api_key', '[]');
UPDATE realtime.agents SET enabled = true WHERE agent_id = :'agent';
-- last_used_at is set once a minute, if at all, and waits for nobody
SELECT last_used_at IS NOT NULL AS used, last_used_at AS used_at FROM realtime.agent_api_keys WHERE key_hash = sha256(convert_to(:'api_key', 'UTF8')) \gset
SELECT status FROM test.post(:'api_key', '{"endUserId": "x"}');
SELECT :'used' AS used, last_used_at = :'used_at' AS unchanged FROM realtime.agent_api_keys WHERE key_hash = sha256(convert_to(:'api_key', 'UTF8'));
UPDATE realtime.agent_api_keys SET last_used_at = now() - interval '61 seconds' WHERE key_hash = sha256(convert_to(:'api_key', 'UTF8'));
SELECT status FROM test.post(:'api_key', '{"endUserId": "x"}');
SELECT last_used_at > now() - interval '60 seconds' AS updated FROM realtime.agent_api_keys WHERE key_hash = sha256(convert_to(:'api_key', 'UTF8'));

--
-- rotation
--
DELETE FROM realtime.agents WHERE agent_id <> :'agent';
SELECT realtime.rotate_signing_key(:'agent', '1 hour');
SELECT version, state, test.mask_keys(secret) AS secret, not_after - created_at > interval '59 minutes' AS has_end FROM realtime.signing_keys ORDER BY 1;
SELECT * FROM test.check(:'user_name', :'conv_name', realtime.user_channel(:'agent', 'user_42'), realtime.conversation_channel(:'agent', 'c-1'));
-- both names are told, the new one first
SELECT realtime.realtime_publish(:'agent', 'user_42', 'c-1') =
	ARRAY[realtime.user_channel(:'agent', 'user_42'), :'user_name', realtime.conversation_channel(:'agent', 'c-1'), :'conv_name'] AS both;
SELECT jsonb_array_length(body -> 'channels') AS channels FROM test.post(:'api_key', '{"endUserId": "user_42", "conversationId": "c-1"}');
-- a shorter grace holds for older keys, too
SELECT realtime.rotate_signing_key(:'agent', '30 minutes', 'third_signing_secret');
SELECT valid, until_in_minutes <= 30 AS in_time FROM test.check(:'user_name');
SELECT version, state, test.mask_keys(secret) AS secret FROM realtime.signing_keys ORDER BY 1;
-- a grace ends
UPDATE realtime.signing_keys SET not_after = now() WHERE version = 1;
SELECT * FROM test.check(:'user_name', :'conv_name');
SELECT array_length(realtime.realtime_publish(:'agent', 'user_42'), 1) AS channels;
-- one secret twice: what lasts longer counts
SELECT realtime.user_channel(:'agent', 'user_42') AS user_name, realtime.conversation_channel(:'agent', 'c-1') AS conv_name \gset
SELECT realtime.rotate_signing_key(:'agent', '30 minutes', 'third_signing_secret');
SELECT * FROM test.check(:'user_name', :'conv_name');
-- without grace all old names are void at once
SELECT realtime.rotate_signing_key(:'agent');
SELECT version, state, not_after IS NULL AS endless FROM realtime.signing_keys ORDER BY 1;
SELECT * FROM test.check(:'user_name', :'conv_name', realtime.user_channel(:'agent', 'user_42'));
SELECT array_length(realtime.realtime_publish(:'agent', 'user_42'), 1) AS channels;
\pset format unaligned
\pset tuples_only on
SELECT test.failure($$SELECT realtime.rotate_signing_key('nobody')$$);
SELECT test.failure(format('SELECT realtime.rotate_signing_key(%L, %s)', :'agent', args))
FROM unnest(ARRAY['NULL', '''-1 second''', '''2 years''', '''0'', ''fifteen bytes..''']) args;
-- one current key
SELECT test.failure(format('INSERT INTO realtime.signing_keys (agent_id, version, secret) VALUES (%L, 99, repeat(''x'', 16))', :'agent'));
\pset format aligned
\pset tuples_only off

--
-- More keys than names of conversations are tried with: agents' own names go on.
--
SET client_min_messages = error;
INSERT INTO realtime.agents (agent_id) SELECT 'many' || to_char(n, 'FM0000') FROM generate_series(1, 4096) n;
INSERT INTO realtime.signing_keys (agent_id, version, secret) SELECT agent_id, 1, agent_id || '-------------' FROM realtime.agents WHERE agent_id LIKE 'many%';
RESET client_min_messages;
SELECT realtime.create_agent('zzz') IS NOT NULL AS created;
SELECT * FROM test.check(realtime.conversation_channel('many0001', 'c'), realtime.conversation_channel('many4095', 'c'),
	realtime.conversation_channel('zzz', 'c'), realtime.user_channel('zzz', 'u'));
DELETE FROM realtime.agents WHERE agent_id <> :'agent';

--
-- Gateways are told what changes names, after the commit; nothing else.
--
CREATE FUNCTION test.notes(since pg_lsn) RETURNS bigint LANGUAGE sql AS $$
	SELECT count(*) FROM test.published_raw(since) r
	WHERE r.kind = 2 AND r.topic = '' AND r.event = '' AND r.payload = '' AND length(r.seal) = 32
$$;
SELECT pg_current_wal_insert_lsn() AS start \gset
SELECT realtime.rotate_signing_key(:'agent') IS NOT NULL AS rotated;
SELECT test.notes(:'start') > 0 AS told;
SELECT pg_current_wal_insert_lsn() AS start \gset
UPDATE realtime.agents SET enabled = false;
SELECT test.notes(:'start');
SELECT pg_current_wal_insert_lsn() AS start \gset
UPDATE realtime.agents SET enabled = true;
SELECT test.notes(:'start');
SELECT pg_current_wal_insert_lsn() AS start \gset
UPDATE realtime.agents SET description = 'd', event = 'refresh';
UPDATE realtime.agent_api_keys SET last_used_at = NULL;
SELECT status FROM test.post(:'api_key', '{"endUserId": "x"}');
SELECT last_used_at IS NOT NULL AS used FROM realtime.agent_api_keys WHERE key_hash = sha256(convert_to(:'api_key', 'UTF8'));
SELECT test.notes(:'start');
SELECT pg_current_wal_insert_lsn() AS start \gset
DELETE FROM realtime.signing_keys WHERE state <> 'current';
SELECT test.notes(:'start');
SELECT pg_current_wal_insert_lsn() AS start \gset
TRUNCATE realtime.agents CASCADE;
SELECT test.notes(:'start') > 0 AS told;
-- the trigger function is of no use elsewhere
CREATE TABLE test.fake (n integer);
CREATE TRIGGER fake AFTER INSERT ON test.fake FOR EACH ROW EXECUTE FUNCTION realtime.note_agents_changed();
INSERT INTO test.fake VALUES (1);				-- fails
DROP TABLE test.fake;
SELECT realtime.note_agents_changed();			-- fails

--
-- Who may.
--
SELECT api_key FROM realtime.create_agent(:'agent', 'test_signing_secret') \gset
SET ROLE service_role;
SELECT realtime.user_channel(:'agent', 'user_42') IS NOT NULL AS "user", realtime.conversation_channel(:'agent', 'c-1') IS NOT NULL AS conversation,
	array_length(realtime.realtime_publish(:'agent', 'user_42', 'c-1'), 1) AS channels;
\pset format unaligned
\pset tuples_only on
SELECT test.failure(command) FROM unnest(ARRAY[
	'SELECT FROM realtime.agents', 'SELECT FROM realtime.agent_api_keys', 'SELECT FROM realtime.signing_keys', 'SELECT FROM realtime.good_signing_keys',
	'SELECT realtime.create_agent()', 'SELECT realtime.create_agent_key(''x'')', 'SELECT realtime.revoke_agent_key(''x'', ''y'')',
	'SELECT realtime.rotate_signing_key(''x'')', 'SELECT realtime.http_realtime_publish(''{}'')', 'SELECT realtime.check_channels(''{}'')',
	'SELECT realtime.publish_to_channels(''x'', ''y'', ''{}'')', 'SELECT realtime.sign_channel(''x'', ''y'')', 'SELECT realtime.add_signing_key(''x'', ''y'')']) command;
RESET ROLE;
SET ROLE authenticated;
SELECT test.failure(command) FROM unnest(ARRAY['SELECT realtime.user_channel(''x'', ''y'')',
	'SELECT realtime.conversation_channel(''x'', ''y'')', 'SELECT realtime.realtime_publish(''x'', ''y'')']) command;
RESET ROLE;
\pset format aligned
\pset tuples_only off
-- executors call two functions, and see no table
SET ROLE realtime_executor;
SELECT status FROM realtime.http_realtime_publish('{}');
SELECT status FROM realtime.check_channels('{"names": []}');
SELECT count(*) FROM realtime.signing_keys;		-- fails
RESET ROLE;
-- whatever the caller's search path holds
CREATE SCHEMA traps;
CREATE FUNCTION traps.sha256(bytea) RETURNS bytea LANGUAGE plpgsql AS $$ BEGIN RAISE 'trapped'; END $$;
CREATE FUNCTION traps.eq(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'trapped'; END $$;
CREATE OPERATOR traps.= (LEFTARG = text, RIGHTARG = text, FUNCTION = traps.eq);
CREATE TEMP TABLE agents (agent_id text);
SET search_path = traps, pg_temp, pg_catalog;
SELECT realtime.user_channel(:'agent', 'user_42') IS NOT NULL AS fine;
SELECT status FROM realtime.check_channels('{"names": ["conv-x", "agent-y-user-z"]}');
RESET search_path;
DROP TABLE pg_temp.agents;
SET client_min_messages = warning;
DROP SCHEMA traps CASCADE;
RESET client_min_messages;
DELETE FROM realtime.agents;
TRUNCATE realtime.messages;
