--
-- realtime.broadcast_changes(), called as the documentation tells users to.
--
\set SHOW_CONTEXT never
SET timezone = 'UTC';
TRUNCATE realtime.messages;
SELECT pg_current_wal_insert_lsn() AS start \gset
CREATE TABLE public.room_messages (id bigint PRIMARY KEY, room_id integer, status text, body text);
CREATE TABLE public."Odd ""table" (id uuid, "When" timestamptz, tags text[], extra jsonb, n numeric);

-- word for word, but for the doubled AS $$
CREATE OR REPLACE FUNCTION notify_table_changes()
RETURNS TRIGGER
SECURITY DEFINER
LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM realtime.broadcast_changes(
    TG_TABLE_NAME ||':' || COALESCE(NEW.id, OLD.id)::text,
    TG_OP,
    TG_OP,
    TG_TABLE_NAME,
    TG_TABLE_SCHEMA,
    NEW,
    OLD
  );
  RETURN COALESCE(NEW, OLD);
END;
$$;

CREATE OR REPLACE FUNCTION room_messages_broadcast_trigger()
RETURNS TRIGGER
SECURITY DEFINER
LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM realtime.broadcast_changes(
    'room:' || COALESCE(NEW.room_id, OLD.room_id)::text,
    TG_OP,
    TG_OP,
    TG_TABLE_NAME,
    TG_TABLE_SCHEMA,
    NEW,
    OLD
  );
  RETURN COALESCE(NEW, OLD);
END;
$$;

CREATE OR REPLACE FUNCTION notify_custom_event()
RETURNS TRIGGER
SECURITY DEFINER
LANGUAGE plpgsql
AS $$
BEGIN
  PERFORM realtime.send(
    'room:' || NEW.room_id::text,
    'status_changed',
    jsonb_build_object('id', NEW.id, 'status', NEW.status),
    false
  );
  RETURN NEW;
END;
$$;

CREATE OR REPLACE FUNCTION notify_status_changes()
RETURNS TRIGGER
SECURITY DEFINER
LANGUAGE plpgsql
AS $$
BEGIN
-- Only broadcast significant changes
IF TG_OP = 'UPDATE' AND OLD.status IS DISTINCT FROM NEW.status THEN
  PERFORM realtime.broadcast_changes(
    'room:' || NEW.room_id::text,
    TG_OP,
    TG_OP,
    TG_TABLE_NAME,
    TG_TABLE_SCHEMA,
    NEW,
    OLD
  );
END IF;
RETURN NEW;
END;
$$;

CREATE TRIGGER messages_broadcast_trigger
  AFTER INSERT OR UPDATE OR DELETE ON room_messages
  FOR EACH ROW EXECUTE FUNCTION notify_table_changes();
INSERT INTO room_messages VALUES (1, 7, 'new', 'hello');
UPDATE room_messages SET body = 'hello, world';
DELETE FROM room_messages;
DROP TRIGGER messages_broadcast_trigger ON room_messages;

CREATE TRIGGER messages_broadcast_trigger
  AFTER INSERT OR UPDATE OR DELETE ON room_messages
  FOR EACH ROW EXECUTE FUNCTION room_messages_broadcast_trigger();
INSERT INTO room_messages VALUES (2, 7, NULL, 'a'), (3, 8, 'new', 'b');
DROP TRIGGER messages_broadcast_trigger ON room_messages;

CREATE TRIGGER messages_broadcast_trigger
  AFTER UPDATE ON room_messages
  FOR EACH ROW EXECUTE FUNCTION notify_custom_event();
CREATE TRIGGER significant
  AFTER UPDATE ON room_messages
  FOR EACH ROW EXECUTE FUNCTION notify_status_changes();
UPDATE room_messages SET status = 'read' WHERE id = 3;
UPDATE room_messages SET status = 'read' WHERE id = 3;

CREATE TRIGGER odd
  AFTER INSERT OR UPDATE OR DELETE ON "Odd ""table"
  FOR EACH ROW EXECUTE FUNCTION notify_table_changes();
INSERT INTO "Odd ""table" VALUES
	('00000000-0000-4000-8000-000000000000', '2026-01-01 12:00+00', '{a,"b c"}', '{"deep": [1, {"er": null}]}', 1.50);
-- a role without any right on realtime.* sends through them
GRANT ALL ON room_messages TO anon;
SET ROLE anon;
INSERT INTO room_messages VALUES (4, 9, 'new', 'from anon');
UPDATE room_messages SET status = 'old' WHERE id = 4;
RESET ROLE;
SELECT topic, event, private, payload FROM test.published(:'start');
-- same keys as jsonb_build_object makes of it, and the row's id
SELECT bool_and(payload ->> 'id' = id::text) AS ids,
	   array_agg(DISTINCT (SELECT string_agg(k, ',' ORDER BY k) FROM jsonb_object_keys(payload) k)) AS keys,
	   bool_and(private AND extension = 'broadcast') AS private
FROM realtime.messages WHERE payload ? 'operation';
SELECT payload = jsonb_build_object('id', m.id, 'operation', 'INSERT', 'table', 'Odd "table', 'schema', 'public',
									'record', to_jsonb(t), 'old_record', NULL) AS same
FROM realtime.messages m, "Odd ""table" t WHERE payload ->> 'table' = 'Odd "table';

-- rows that a cascade deletes
SELECT pg_current_wal_insert_lsn() AS start \gset
CREATE TABLE public.rooms (id integer PRIMARY KEY);
CREATE TABLE public.seats (id integer PRIMARY KEY, room_id integer REFERENCES rooms ON DELETE CASCADE);
INSERT INTO rooms VALUES (1), (2);
INSERT INTO seats VALUES (1, 1), (2, 1), (3, 2);
CREATE TRIGGER seats AFTER DELETE ON seats FOR EACH ROW EXECUTE FUNCTION room_messages_broadcast_trigger();
CREATE TRIGGER rooms AFTER DELETE ON rooms FOR EACH ROW EXECUTE FUNCTION notify_table_changes();
DELETE FROM rooms WHERE id = 1;
SELECT topic, payload FROM test.published(:'start') ORDER BY topic, payload;
DROP TABLE seats, rooms;

-- called by hand, with any record, and nulls
SELECT pg_current_wal_insert_lsn() AS start \gset
\o /dev/null
SELECT realtime.broadcast_changes('t', 'e', 'INSERT', 'tab', 'sch', ROW(1, 'x'), NULL);
SELECT realtime.broadcast_changes('t', 'e', 'UPDATE', NULL, NULL, m, m) FROM room_messages m WHERE id = 2;
SELECT realtime.broadcast_changes(topic_name => 't', event_name => 'e', operation => 'DELETE',
								  table_name => 'tab', table_schema => 'sch', new => NULL, old => ROW(1), level => 'ROW');
SELECT realtime.broadcast_changes('t', 'e', 'INSERT', 'tab', 'sch', NULL, NULL, NULL);
\o
SELECT * FROM test.published(:'start');

-- errors, in upstream's words
\pset format unaligned
\pset tuples_only on
SELECT test.failure($$SELECT realtime.broadcast_changes('t', 'e', 'INSERT', 'tab', 'sch', NULL, NULL, 'STATEMENT')$$);
SELECT test.failure($$SELECT realtime.broadcast_changes('t', 'e', 'INSERT', 'tab', 'sch', NULL, NULL, 'COLUMN')$$);
SELECT test.failure($$SELECT realtime.broadcast_changes('t', 'e', 'TRUNCATE', 'tab', 'sch', NULL, NULL)$$);
SELECT test.failure($$SELECT realtime.broadcast_changes('t', 'e', NULL, 'tab', 'sch', NULL, NULL)$$);
SELECT test.failure($$SELECT realtime.broadcast_changes(NULL, 'e', 'INSERT', 'tab', 'sch', NULL, NULL)$$);
SELECT test.failure($$SELECT realtime.broadcast_changes('t', NULL, 'INSERT', 'tab', 'sch', NULL, NULL)$$);
SET realtime.on_error = 'warning';
SELECT test.failure($$SELECT realtime.broadcast_changes('t', 'e', 'INSERT', 'tab', 'sch', NULL, NULL, 'STATEMENT')$$);
SELECT test.failure($$SELECT realtime.broadcast_changes(NULL, 'e', 'INSERT', 'tab', 'sch', NULL, NULL)$$);
RESET realtime.on_error;
\pset format aligned
\pset tuples_only off
CREATE TRIGGER statement AFTER INSERT ON room_messages
	FOR EACH STATEMENT EXECUTE FUNCTION notify_table_changes();
INSERT INTO room_messages VALUES (5, 7, 'new', 'statement');	-- fails: a topic of nulls
DROP TABLE room_messages, "Odd ""table";
