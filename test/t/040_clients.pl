# The unmodified npm clients: every test of test/clients against one server with
# one gateway.

use strict;
use warnings;

use NpmClients;
use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;

my $server = RealtimeServer->start_new('clients');

# What the tests write to: triggers and policies as in Supabase's guide, word by
# word but for the policy for INSERT, which PostgreSQL wants WITH CHECK for.
$server->sql(<<'SQL');
SELECT realtime.setup_api_roles();
CREATE TABLE tickets (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, room_id int, status text);
CREATE FUNCTION notify_custom_event() RETURNS trigger SECURITY DEFINER LANGUAGE plpgsql AS $$
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
CREATE TRIGGER tell AFTER INSERT ON tickets FOR EACH ROW EXECUTE FUNCTION notify_custom_event();

CREATE TABLE changes (id int PRIMARY KEY, note text);
CREATE FUNCTION notify_table_changes() RETURNS trigger SECURITY DEFINER LANGUAGE plpgsql AS $$
BEGIN
  PERFORM realtime.broadcast_changes(
    'tickets:' || COALESCE(NEW.id, OLD.id)::text,
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
CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE ON changes FOR EACH ROW EXECUTE FUNCTION notify_table_changes();

CREATE TABLE room_members (user_id uuid NOT NULL, room_id uuid NOT NULL);
GRANT SELECT ON room_members TO authenticated;

-- Simple policy with indexed columns
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

-- Required index for performance
CREATE INDEX idx_room_members_user_room
ON room_members(user_id, room_id);

-- Simple policy with indexed columns
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

CREATE TABLE room_messages (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, room_id uuid, body text);
CREATE OR REPLACE FUNCTION room_messages_broadcast_trigger()
RETURNS TRIGGER SECURITY DEFINER LANGUAGE plpgsql AS $$
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
CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE ON room_messages FOR EACH ROW EXECUTE FUNCTION room_messages_broadcast_trigger();
SQL

my @names = npm_clients();
ok(@names > 0, 'there are client tests');
npm_clients_ok($server, @names);

$server->cluster_alive('after the client tests');
done_testing();
