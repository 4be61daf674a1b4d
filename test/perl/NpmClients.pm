#-------------------------------------------------------------------------
#
# NpmClients.pm
#	  Run tests of the unmodified npm clients (test/clients) against a server.
#
# Each result is one of the calling test.  Packages come from the lock file
# (npm ci).
#
#-------------------------------------------------------------------------
package NpmClients;

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter 'import';
use File::Basename;
use IPC::Run ();
use TapProgram;

our @EXPORT = qw(npm_clients npm_clients_setup npm_clients_ok);

my $directory = abs_path(dirname(__FILE__) . '/../clients');

# Names of all tests.
sub npm_clients { return map { basename($_, '.test.mjs') } sort glob "$directory/*.test.mjs"; }

# What the tests write to: triggers and policies as in Supabase's guide, word by
# word but for the policy for INSERT, which PostgreSQL wants WITH CHECK for.
sub npm_clients_setup
{
	my ($server) = @_;

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

-- Channels: all may subscribe, and publish on one kind of them.
INSERT INTO realtime.channels (pattern) VALUES ('chat:%'), ('read:%');
CREATE POLICY "chat_read" ON realtime.messages
FOR SELECT TO anon, authenticated
USING (channel_name LIKE 'chat:%');
CREATE POLICY "chat_publish" ON realtime.messages
FOR INSERT TO anon, authenticated
WITH CHECK (channel_name LIKE 'chat:%');
SQL
	return;
}

# Run some of them against a RealtimeServer, or what is in front of it if it has
# a `url`.
sub npm_clients_ok
{
	my ($server, @names) = @_;
	my $node = $server->node;
	my @command = ('node', '--test', '--test-reporter=tap');

	local $ENV{REALTIME_URL} = $server->{url} // ($server->{tls} ? 'https' : 'http') . '://127.0.0.1:' . $server->port;
	local $ENV{NODE_EXTRA_CA_CERTS} = $server->{tls}->ca if $server->{tls};
	local $ENV{REALTIME_JWT_SECRET} = $RealtimeServer::jwt_secret;
	local $ENV{PGHOST} = $node->host;
	local $ENV{PGPORT} = $node->port;
	local $ENV{PGDATABASE} = 'postgres';
	local $ENV{PGUSER} = getpwuid $<;

	# supabase-js leaves a timer of 10 s behind, which nothing here waits for.
	push @command, '--test-force-exit'
	  if IPC::Run::run([ 'node', '--test-force-exit', '--version' ], '>', '/dev/null', '2>', '/dev/null');

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	tap_program_ok("$_.test.mjs", [ @command, "$directory/$_.test.mjs" ]) for @names;
	return;
}

1;
