-- Channels: what patterns stand for, which one goes first, publishing on them from
-- the database, and who may see what.
SET client_min_messages = warning;
DO $$
BEGIN
	IF to_regrole('project_admin') IS NULL THEN
		CREATE ROLE project_admin NOLOGIN BYPASSRLS;
	END IF;
	PERFORM realtime.grant_to_api_roles();
END
$$;
\set VERBOSITY terse
SET client_min_messages = notice;

-- Patterns: % is any run, * is one part or at the end all that is left.
SELECT pattern, name, realtime.channel_matches(pattern, name)
FROM (VALUES
	('orders', 'orders'), ('orders', 'Orders'), ('chat:%', 'chat:'), ('chat:%', 'chat:a:b'),
	('chat:*', 'chat:'), ('chat:*', 'chat:a:b'), ('chat:*', 'chat:*'),
	('user:*:notifications', 'user:123:notifications'), ('user:*:notifications', 'user:1:x:notifications'),
	('user:%:notifications', 'user:1:x:notifications'), ('chat_1', 'chatx1'), ('a\%', 'a\b'), ('%', ''),
	('%', E'a\nb')) p(pattern, name);
SELECT realtime.channel_matches(NULL, 'a') IS NULL AS strict;

-- Not for the inside of a pattern to be made of just anything.
INSERT INTO realtime.channels (pattern) VALUES (''); -- fails
INSERT INTO realtime.channels (pattern) VALUES (E'a\tb'); -- fails
INSERT INTO realtime.channels (pattern, webhook_format) VALUES ('a', 'xml'); -- fails

-- A message published from here: to whom it goes, and as what it is stored.
CREATE VIEW published AS
	SELECT m.topic, m.event, m.payload, m.private, m.extension, c.pattern, m.sender_type, m.sender_id,
		   m.channel_name = m.topic AND m.event_name = m.event AND m.created_at = m.inserted_at AS twins, m.type
	FROM realtime.messages m LEFT JOIN realtime.channels c ON c.id = m.channel_id
	WHERE m.event <> 'old' ORDER BY m.id;
UPDATE realtime.messages SET event = 'old';
SELECT realtime.publish('order:1', 'created', '{"id": 1}') IS NULL AS none; -- no channel
INSERT INTO realtime.channels (pattern, description) VALUES ('order:%', 'orders');
SELECT realtime.publish('order:1', 'created', '{"id": 1}') AS id \gset
SELECT event FROM realtime.messages WHERE id = :'id';
SELECT realtime.publish(channel => 'order:1', event => 'list', payload => '[1, 2]') IS NOT NULL AS named;
SELECT realtime.publish('order:1', 'scalar', '7') IS NOT NULL AS scalar;
SELECT * FROM published;
SELECT realtime.publish('order:1', 'connect', '{}'); -- fails
SELECT realtime.publish('order:1', 'presence:join', '{}'); -- fails
SELECT realtime.publish('order:1', NULL, '{}'); -- fails
SELECT realtime.publish('order:1', 'none', NULL); -- fails
-- One that is rolled back is none.
BEGIN;
SELECT realtime.publish('order:1', 'undone', '{}') IS NOT NULL AS published;
ROLLBACK;
SELECT count(*) FROM published WHERE event = 'undone';

-- The best of several: exact, longest prefix, fewest wildcards, most literal bytes, oldest.
DELETE FROM realtime.channels;
INSERT INTO realtime.channels (pattern) VALUES
	('%'), ('chat:%'), ('chat:*:%'), ('chat:room%'), ('chat:room:1'), ('chat:%:1'), ('%chat:room:2');
CREATE FUNCTION best(name text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message uuid := realtime.publish(name, 'best', '{}');
BEGIN
	RETURN (SELECT c.pattern FROM realtime.messages m JOIN realtime.channels c ON c.id = m.channel_id WHERE m.id = message);
END
$$;
SELECT name, best(name)
FROM unnest(ARRAY['chat:room:1', 'chat:room:2', 'chat:other', 'chat:other:1', 'chat:a:b', 'chat:', 'mail', 'chat:%']) name;
-- What changes is seen at once, by the transaction that changes it as well.
BEGIN;
UPDATE realtime.channels SET enabled = false WHERE pattern IN ('chat:room:1', 'chat:room%');
SELECT best('chat:room:1');
SAVEPOINT s;
DELETE FROM realtime.channels WHERE pattern LIKE 'chat:%';
SELECT best('chat:room:1');
ROLLBACK TO s;
SELECT best('chat:room:1');
TRUNCATE realtime.channels;
SELECT best('chat:room:1');
ROLLBACK;
SELECT best('chat:room:1');
UPDATE realtime.channels SET pattern = 'mail' WHERE pattern = '%';
SELECT best('mail'), best('post');
-- ... and of what is equally close the older one
DELETE FROM realtime.channels;
INSERT INTO realtime.channels (pattern, created_at) VALUES ('a%b:*', '2020-01-02'), ('a*%:b', '2020-01-01'), ('a*:b%', '2020-01-01 12:00');
SELECT best('axb:b');

-- In a session that only replicates, too.
SET session_replication_role = replica;
DELETE FROM realtime.channels;
RESET session_replication_role;
SELECT best('axb:b');

-- updated_at is kept.
INSERT INTO realtime.channels (pattern, updated_at) VALUES ('old', '2020-01-01');
UPDATE realtime.channels SET description = 'x' WHERE pattern = 'old' RETURNING updated_at = now() AS touched;

-- A channel that does not store: told, and not there.
INSERT INTO realtime.channels (pattern, persist) VALUES ('cursor:*', false);
SELECT realtime.publish('cursor:1', 'moved', '{"x": 1}') IS NOT NULL AS published;
SELECT count(*) FROM realtime.messages WHERE event = 'moved';

-- Rows inserted by hand name a channel and a sender, too; what is generated is not theirs to say.
INSERT INTO realtime.messages (topic, event, payload, extension, private, sender_type, sender_id, type)
VALUES ('order:2', 'by hand', '{}', 'broadcast', true, 'user', '00000000-0000-0000-0000-000000000001', 'broadcast');
SELECT * FROM published WHERE event = 'by hand';
-- the message would name the partition of the day
\set VERBOSITY sqlstate
INSERT INTO realtime.messages (topic, event, payload, extension, sender_type) VALUES ('a', 'b', '{}', 'broadcast', 'robot'); -- fails
INSERT INTO realtime.messages (topic, event, payload, extension, type) VALUES ('a', 'b', '{}', 'broadcast', 'shout'); -- fails
\set VERBOSITY terse
INSERT INTO realtime.messages (topic, event, payload, extension, channel_name) VALUES ('a', 'b', '{}', 'broadcast', 'c'); -- fails

-- Triggers: on the table's name, or on what the argument says.
INSERT INTO realtime.channels (pattern) VALUES ('todos'), ('todo:*');
CREATE TABLE todos (id integer PRIMARY KEY, task text);
CREATE TRIGGER todos_publish AFTER INSERT OR UPDATE OR DELETE ON todos
	FOR EACH ROW EXECUTE FUNCTION realtime.publish_changes();
CREATE TRIGGER todos_publish_one AFTER UPDATE ON todos
	FOR EACH ROW EXECUTE FUNCTION realtime.publish_changes('todo:{id}:{task}');
INSERT INTO todos VALUES (1, 'write');
UPDATE todos SET task = 'read';
UPDATE todos SET task = NULL;
DELETE FROM todos;
SELECT topic, event, payload FROM published WHERE topic LIKE 'todo%';
CREATE TRIGGER todos_wrong AFTER INSERT ON todos
	FOR EACH ROW EXECUTE FUNCTION realtime.publish_changes('todo:{nothing}');
INSERT INTO todos VALUES (1, 'write'); -- fails
DROP TRIGGER todos_wrong ON todos;
CREATE TRIGGER todos_wrong BEFORE INSERT ON todos
	FOR EACH ROW EXECUTE FUNCTION realtime.publish_changes();
INSERT INTO todos VALUES (1, 'write'); -- fails
DROP TRIGGER todos_wrong ON todos;

-- Who may what.
SET ROLE anon;
SELECT pattern, enabled, is_public FROM realtime.channels ORDER BY pattern;
SELECT webhook_secret FROM realtime.channels; -- fails
SELECT * FROM realtime.channels; -- fails
INSERT INTO realtime.channels (pattern) VALUES ('mine'); -- fails
SELECT realtime.publish('todos', 'x', '{}'); -- fails
SELECT realtime.channel_name() IS NULL AS none;
SET realtime.channel_name = 'chat:1';
SELECT realtime.channel_name();
RESET realtime.channel_name;
RESET ROLE;
-- A client's write publishes all the same.
GRANT INSERT ON todos TO anon;
SET ROLE anon;
INSERT INTO todos VALUES (2, 'by anon');
RESET ROLE;
SELECT payload FROM published WHERE topic = 'todos' AND payload ->> 'id' = '2';
SET ROLE project_admin;
SELECT count(webhook_secret) FROM realtime.channels;
INSERT INTO realtime.channels (pattern) VALUES ('admin:%');
SELECT realtime.publish('admin:1', 'x', '{}') IS NOT NULL AS published;
RESET ROLE;

-- Every row has its entries in every index that it belongs to, in those of others as well.
CREATE EXTENSION amcheck;
SELECT realtime.publish('admin:1', 'x', '{"n": 1}') IS NOT NULL AS published, realtime.send('{"n": 1}'::jsonb, 'x', 'room:1', true);
CREATE INDEX by_hand ON realtime.messages ((payload ->> 'n')) WHERE event = 'x';
SELECT realtime.publish('admin:1', 'x', '{"n": 2}') IS NOT NULL AS published, realtime.send('{"n": 2}'::jsonb, 'x', 'room:1', true);
SELECT count(bt_index_check(i.indexrelid, true)) > 0 AS checked
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE c.relkind = 'i' AND i.indrelid IN (SELECT t.relid FROM pg_partition_tree('realtime.messages') t WHERE t.isleaf);
DROP INDEX realtime.by_hand;
SELECT realtime.publish('admin:1', 'x', '{"n": 3}') IS NOT NULL AS published, realtime.send('{"n": 3}'::jsonb, 'x', 'room:1', true);
SELECT count(bt_index_check(i.indexrelid, true)) > 0 AS checked
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE c.relkind = 'i' AND i.indrelid IN (SELECT t.relid FROM pg_partition_tree('realtime.messages') t WHERE t.isleaf);
DROP EXTENSION amcheck;

DROP TABLE todos;
DROP FUNCTION best(text);
DROP VIEW published;
DELETE FROM realtime.channels;
