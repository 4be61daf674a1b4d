-- The demo's tables: rooms and the messages in them, with the trigger
-- functions of Supabase's guide (only its doubled "AS $$" is mended).

CREATE TABLE rooms (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name text NOT NULL
);

CREATE TABLE room_messages (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	room_id bigint NOT NULL REFERENCES rooms,
	author text NOT NULL,
	body text NOT NULL,
	status text NOT NULL DEFAULT 'sent'
);

CREATE INDEX ON room_messages (room_id);

-- Every change of a row, to the private channel <table>:<id>.
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

CREATE TRIGGER rooms_broadcast_trigger
	AFTER INSERT OR UPDATE OR DELETE ON rooms
	FOR EACH ROW EXECUTE FUNCTION notify_table_changes();

-- Every change of a room's messages, to the private channel room:<room>.
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

CREATE TRIGGER messages_broadcast_trigger
	AFTER INSERT OR UPDATE OR DELETE ON room_messages
	FOR EACH ROW EXECUTE FUNCTION room_messages_broadcast_trigger();

-- A message of one's own making, to the public channel room:<room>.
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

CREATE TRIGGER status_broadcast_trigger
	AFTER INSERT OR UPDATE OF status ON room_messages
	FOR EACH ROW EXECUTE FUNCTION notify_custom_event();

INSERT INTO rooms (name) VALUES ('lobby');
