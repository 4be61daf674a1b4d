# The extension and its database come and go while the server runs: not yet
# created, the database not there yet, dropped and made again under clients,
# renamed schemas in the way.  The workers idle and come back; they never block
# anybody's DROP DATABASE and never loop.

use strict;
use warnings;

use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;
use Time::HiRes qw(time);

my $server = RealtimeServer->new('life', extension => 0,
	conf => "realtime.database = 'later'\n");
my $node = $server->node;

sub log_size { return -s $node->logfile; }

#
# Neither database nor extension
#
$server->start;
my $hub = $server->hub_pid;
my $gateway = $server->gateway_pid;
ok($hub, 'there is a hub before there is a database');

my $client = $server->member('room');
pass('clients can connect and join');

$server->sql('CREATE DATABASE later');
$server->sql('CREATE EXTENSION realtime', 'later');

# Publish in the served database and test that the client hears.
sub hears
{
	my ($name, $n) = @_;
	$server->sql(qq{SELECT realtime.send('{"n": $n}'::jsonb, 'e', 'room', false)}, 'later');
	my $message = $client->broadcast;
	return is($message && !exists $message->{close} && $message->{payload}{n}, $n, $name);
}
hears('the first message after CREATE DATABASE and CREATE EXTENSION arrives', 1);
is($server->hub_pid, $hub, 'without a restart of the hub');

# Another database's messages are none of this server's business.
$server->sql('CREATE EXTENSION realtime');
$server->publish('room', 99);
hears('a message of another database is not delivered', 2);

#
# DROP and CREATE EXTENSION with clients
#
for my $round (1 .. 3)
{
	$server->sql('DROP EXTENSION realtime', 'later');
	my $code = eval { $client->expect(sub { exists $_[0]{close} }, 0.2) };
	if ($code)
	{
		like($code->{close}, qr/^(1001|1012)$/, "round $round: DROP EXTENSION sends clients away");
		$client = $server->member('room');
	}
	$server->sql('CREATE EXTENSION realtime', 'later');
	hears("round $round: after DROP and CREATE EXTENSION messages arrive", 10 + $round);
}
$node->safe_psql('later', <<'SQL');
BEGIN;
DROP EXTENSION realtime;
CREATE EXTENSION realtime;
SELECT realtime.send('{"n": 20}'::jsonb, 'e', 'room', false);
COMMIT;
SQL
my $message = $client->broadcast;
is($message && $message->{payload}{n}, 20, 'dropped, created and used in one transaction');

# A message whose extension is gone by the time it commits
$node->safe_psql('later', <<'SQL');
BEGIN;
SELECT realtime.send('{"n": 21}'::jsonb, 'e', 'room', false);
DROP EXTENSION realtime;
COMMIT;
SQL
$server->sql('CREATE EXTENSION realtime', 'later');
$client->broadcast(0.1);
hears('sent and dropped in one transaction: the server goes on', 22);

#
# What is done to the table
#
for my $sql (
	'TRUNCATE realtime.messages',
	'VACUUM FULL realtime.messages',
	'ANALYZE realtime.messages',
	'ALTER TABLE realtime.messages ADD COLUMN extra text')
{
	my ($code) = $node->psql('later', $sql);
	next if $code != 0;
	hears("after $sql", 30);
}

#
# Databases come and go
#
$server->sql('CREATE DATABASE other');
my $start = time();
$server->sql('DROP DATABASE other');
cmp_ok(time() - $start, '<', 1, sprintf 'DROP DATABASE of another database took %.2f s', time() - $start);
$start = time();
$server->sql('CREATE DATABASE copy TEMPLATE later');
cmp_ok(time() - $start, '<', 5, 'CREATE DATABASE ... TEMPLATE of the served database is not blocked');
hears('and messages flow', 40);

my $before = log_size();
$start = time();
$server->sql('DROP DATABASE later');
cmp_ok(time() - $start, '<', 1, 'DROP DATABASE of the served database is not blocked');
ok(wait_for(sub { $server->healthy }, 'the gateway'), 'the gateway goes on');
wait_for(sub { $server->hub_pid }, 'the hub');
cmp_ok(log_size() - $before, '<', 20_000, 'no flood of log lines');

$server->sql('CREATE DATABASE later');
$server->sql('CREATE EXTENSION realtime', 'later');
$client = $server->member('room');
hears('after the database was made again', 50);

#
# A schema of that name that is somebody else's
#
$server->sql('DROP EXTENSION realtime', 'later');
$server->sql('CREATE SCHEMA IF NOT EXISTS realtime; CREATE TABLE realtime.messages (n int); INSERT INTO realtime.messages VALUES (1)', 'later');
my ($code, undef, $error) = $node->psql('later', 'CREATE EXTENSION realtime');
isnt($code, 0, 'CREATE EXTENSION refuses objects that are not its own');
ok($server->hub_pid, 'and the hub goes on');
$server->sql('DROP SCHEMA realtime CASCADE', 'later');
$server->sql('CREATE EXTENSION realtime', 'later');
hears('until the real one is back', 60);

$server->cluster_alive('after all of this');

#
# Without preloading
#
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''\n");
$node->restart;
my (undef, $out, $err) = $node->psql('later', q{SELECT realtime.send('{"n": 1}'::jsonb, 'e', 'room', false)});
like("$out$err", qr/shared_preload_libraries|^$/, 'without preloading, sending says why nobody hears or just stores');
is($server->sql('SELECT 1', 'later'), 1, 'and the session goes on');

done_testing();
