-- The demo's tables: rooms, their members and the messages in them, with the
-- trigger functions and the policies of Supabase's guide (only its doubled
-- "AS $$" and one word of a policy are mended).

CREATE TABLE rooms (
	id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
	name text NOT NULL
);

CREATE TABLE room_members (
	user_id uuid NOT NULL,
	room_id uuid NOT NULL REFERENCES rooms
);

CREATE TABLE room_messages (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	room_id uuid NOT NULL REFERENCES rooms,
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

-- Who may listen to the private channel of a room: its members.
CREATE POLICY "room_members_can_read" ON realtime.messages
FOR SELECT TO authenticated
USING (
  topic LIKE 'room:%' AND
  EXISTS (
    SELECT 1 FROM room_members
    WHERE user_id = auth.uid()
    AND room_id = SPLIT_PART(topic, ':', 2)::uuid
  )
);

-- ... and who may send to it.  The guide has USING, which PostgreSQL refuses for
-- INSERT.
CREATE POLICY "room_members_can_write" ON realtime.messages
FOR INSERT TO authenticated
WITH CHECK (
  topic LIKE 'room:%' AND
  EXISTS (
    SELECT 1 FROM room_members
    WHERE user_id = auth.uid()
    AND room_id = SPLIT_PART(topic, ':', 2)::uuid
  )
);

CREATE INDEX idx_room_members_user_room
ON room_members(user_id, room_id);

-- The policies read it with the rights of the client's role.
GRANT SELECT ON room_members TO authenticated;

INSERT INTO rooms VALUES ('7b0c0a52-6f0e-4a8e-9a64-3a7a2f1d9d01', 'lobby');
INSERT INTO room_members VALUES ('550e8400-e29b-41d4-a716-446655440000', '7b0c0a52-6f0e-4a8e-9a64-3a7a2f1d9d01');
