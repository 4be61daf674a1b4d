# A send() that waits for the table sees what changed meanwhile: row-level
# security that is forced upon the owner holds for a message he was about to
# send.

use strict;
use warnings;

use RealtimeServer;
use Test::More;

my $server = RealtimeServer->start_new('forced');
my $node = $server->node;

$server->sql(<<'SQL');
CREATE ROLE keeper;
GRANT USAGE, CREATE ON SCHEMA realtime TO keeper;
ALTER TABLE realtime.messages OWNER TO keeper;
SQL

my $sender = $node->background_psql('postgres', on_error_stop => 0);
$sender->query_safe('SET ROLE keeper');
$sender->query_safe(q{SELECT realtime.send('room', 'e', '{"n": 1}'::jsonb, false)});
is($server->sql('SELECT count(*) FROM realtime.messages'), 1, 'the owner may send without a policy');

my $changer = $node->background_psql('postgres');
$changer->query_safe('BEGIN');
$changer->query_safe('ALTER TABLE realtime.messages FORCE ROW LEVEL SECURITY');

$sender->query_until(qr/sending/,
	qq{\\echo sending\nSELECT realtime.send('room', 'e', '{"n": 2}'::jsonb, false);\n});
wait_for(
	sub { $server->sql(q{SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'realtime.messages'::regclass}) },
	'the sender to wait for the table');
$changer->query_safe('COMMIT');
$sender->query('SELECT 1');
like($sender->{stderr}, qr/violates row-level security/, 'but not once row-level security is forced upon him');
is($server->sql('SELECT count(*) FROM realtime.messages'), 1, 'and nothing is stored');

$changer->quit;
$sender->quit;
done_testing();
