# pg_dump and restore: the extension comes back as CREATE EXTENSION, messages
# are not carried over, and what the users made around it works in the new
# database.  Not policies: pg_dump leaves those on an extension's tables out.

use strict;
use warnings;

use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;

my $server = RealtimeServer->start_new('dump', extension => 0,
	conf => "realtime.database = 'restored'\n");
my $node = $server->node;

$server->sql('CREATE DATABASE original');
$node->safe_psql('original', <<'SQL');
CREATE EXTENSION realtime;
CREATE TABLE orders (id int PRIMARY KEY, state text);
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
	PERFORM realtime.send(jsonb_build_object('n', NEW.id), 'e', 'orders', false);
	RETURN NEW;
END $$;
CREATE TRIGGER tell AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION tell();
INSERT INTO orders VALUES (1, 'new'), (2, 'new');
SQL
is($server->sql('SELECT count(*) FROM realtime.messages', 'original'), 2, 'two messages in the original');

my $dump = $node->basedir . '/dump.sql';
$node->command_ok([ 'pg_dump', '--file', $dump, $node->connstr('original') ], 'pg_dump');
$server->sql('CREATE DATABASE restored');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $node->connstr('restored') ], 'restore');

is($server->sql('SELECT count(*) FROM orders', 'restored'), 2, 'the rows of the user are back');
is($server->sql('SELECT count(*) FROM realtime.messages', 'restored'), 0, 'messages are not carried over');

my $client = $server->member('orders');
$server->sql(q{INSERT INTO orders VALUES (3, 'new')}, 'restored');
my $message = $client->broadcast;
is($message && $message->{payload}{n}, 3, 'the restored database is served');

# pg_dump of the restored one is the same
my $again = $node->basedir . '/again.sql';
$node->command_ok([ 'pg_dump', '--file', $again, $node->connstr('restored') ], 'pg_dump of the restored database');
like(slurp_file($again), qr/CREATE EXTENSION IF NOT EXISTS realtime/, 'has the extension');
unlike(slurp_file($again), qr/messages_\d{4}_\d\d_\d\d|CREATE TABLE realtime/, 'and none of its objects');

done_testing();
