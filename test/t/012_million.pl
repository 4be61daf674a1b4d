# A transaction with a million messages: it is delivered at commit, whole and
# in order, the hub's memory stays bounded because bodies are left in the WAL,
# and while the transaction is open nobody else waits for it.

use strict;
use warnings;

use IPC::Run ();
use RealtimeServer;
use Test::More;

my $count = 1_000_000;
my $growth_limit_kb = 48 * 1024;

my $server = RealtimeServer->start_new('million');
my $node = $server->node;
# With a buffer of megabytes a reader that has no CPU for half a second acknowledges nothing
# for as long, and is closed as too slow.
my $client = $server->member('million', receive_buffer => 256 * 1024);
my $bystander = $server->member('bystander');
my $hub = $server->hub_pid;
my $base = $server->memory_kb($hub, 'RssAnon');
my $peak = $base;

ok($base > 0, "the hub uses $base kB before");

# The writer keeps its transaction open until it is told to commit.
my ($in, $out) = ('', '');
my $writer = IPC::Run::start(
	[ 'psql', '-XAtq', '-h', $node->host, '-p', $node->port, 'postgres' ],
	'<', \$in, '>', \$out, '2>&1', IPC::Run::timeout(300));

$in .= <<"SQL";
BEGIN;
INSERT INTO realtime.messages (topic, extension, event, payload)
	SELECT 'million', 'broadcast', 'e', jsonb_build_object('n', n)
	FROM generate_series(1, $count) AS n;
SELECT 'written';
SQL
while ($out !~ /written|ERROR/)
{
	$writer->pump_nb;
	select undef, undef, undef, 0.05;
	my $now = $server->memory_kb($hub, 'RssAnon');
	$peak = $now if $now > $peak;
}
like($out, qr/^written$/m, 'a million messages are written, not yet committed');

$server->publish('bystander', 1);
my $message = $bystander->broadcast;
is($message && $message->{payload}{n}, 1, 'another message overtakes the open transaction');
is($client->broadcast(0), undef, 'none of the million came before the commit');

$in .= "COMMIT;\n\\q\n";
$writer->pump_nb;
my ($next, $disorder) = (1, 0);
my $whole = $client->each_payload(
	sub {
		my ($n) = $_[0] =~ /"n": ?(\d+)/;
		$disorder++ if $n != $next;
		$next++;
		if ($next % 20000 == 0)
		{
			my $now = $server->memory_kb($hub, 'RssAnon');
			$peak = $now if $now > $peak;
		}
		return $next <= $count;
	});
ok($whole, 'all of them arrive') or diag('received ' . ($next - 1));
is($disorder, 0, 'in order');
$writer->finish;

cmp_ok($peak - $base, '<', $growth_limit_kb,
	sprintf 'memory of the hub grew by %d kB at most', $peak - $base);
is($server->hub_pid, $hub, 'the hub is the same');
is($server->stat('spilled'), 1, 'the transaction was read twice');
$server->cluster_alive('after a million messages');

# No leak: after the next small messages the memory is back.
$server->publish('million', 0);
ok($client->broadcast, 'the next message comes');
cmp_ok($server->memory_kb($hub, 'RssAnon') - $base, '<', 16 * 1024, 'the memory is given back');

done_testing();
