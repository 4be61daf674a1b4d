# A hundred clients that never read and a hundred that read one byte a second,
# beside a healthy one: it receives everything, in order and promptly; the
# slow ones are closed and counted, and what they held is given back.

use strict;
use warnings;

use IPC::Run ();
use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;
use Time::HiRes qw(time);

my $each = 100;
my $rate = 400;					# messages a second
my $seconds = 20;				# at most; it ends when all slow ones are closed

my $server = RealtimeServer->start_new('slow', conf => <<'CONF');
realtime.max_send_queue = 256kB
realtime.send_timeout = 3s
CONF
my $node = $server->node;
my $gateway = $server->gateway_pid;
my $healthy = $server->member('crowd');

$server->publish('crowd', 0);
ok($healthy->broadcast, 'the healthy client hears');
my $memory = $server->memory_kb($gateway, 'RssAnon');
my $descriptors = $server->descriptors($gateway);

my @deaf = map { $server->member('crowd', receive_buffer => 4096) } 1 .. $each;
my @trickling = map { $server->member('crowd', receive_buffer => 4096) } 1 .. $each;

append_to_file($node->basedir . '/messages.sql', <<'SQL');
SELECT realtime.send(jsonb_build_object('n', nextval('n'), 'at', extract(epoch FROM clock_timestamp()),
	'text', repeat('x', 4000)), 'e', 'crowd', false)
SQL
$server->sql('CREATE SEQUENCE n');
my $writer = IPC::Run::start(
	[
		'pgbench', '--no-vacuum', '--client=1', "--rate=$rate", "--time=$seconds",
		'--file', $node->basedir . '/messages.sql', '-h', $node->host, '-p', $node->port, 'postgres'
	],
	'>', \my $pgbench, '2>&1', IPC::Run::timeout($RealtimeServer::patience + $seconds));

# The healthy client reads; each second the trickling ones take one byte.
my ($received, $disorder, @delays) = (0, 0);
my $next_trickle = time();
my $deadline = time() + $seconds + 10;
while (time() < $deadline)
{
	my $alive = $healthy->each_payload(
		sub {
			my ($n) = $_[0] =~ /"n": ?(\d+)/ or return 1;
			my ($at) = $_[0] =~ /"at": ?([\d.]+)/;
			$disorder++ if $n != ++$received;
			push @delays, time() - $at;
			return time() < $next_trickle;
		},
		0.2);
	last if $healthy->eof;
	if (time() >= $next_trickle)
	{
		$_->read_more(0, 1) for @trickling;
		$next_trickle = time() + 1;
		$writer->pump_nb;
		last if !$alive && !$writer->pumpable;
	}
}
$writer->finish;
my $sent = $server->sql('SELECT last_value FROM n');
$healthy->each_payload(
	sub {
		my ($n) = $_[0] =~ /"n": ?(\d+)/ or return 1;
		$disorder++ if $n != ++$received;
		return $received < $sent;
	},
	2) if $received < $sent;

cmp_ok($sent, '>', $rate * $seconds / 4, "$sent messages were sent");
is($received, $sent, 'the healthy client received every message');
is($disorder, 0, 'in order');
@delays = sort { $a <=> $b } @delays;
cmp_ok($delays[ int(@delays * 0.5) ], '<', 0.1, sprintf 'half of them within %.1f ms', $delays[ int(@delays * 0.5) ] * 1000);
cmp_ok($delays[-1], '<', 3, sprintf 'the latest one after %.0f ms', $delays[-1] * 1000);

wait_for(sub { $server->stat('slow_closed') >= 2 * $each }, 'the slow clients to be closed');
is($server->stat('slow_closed'), 2 * $each, 'each slow client was closed and counted');
is(scalar(grep { $_->wait_eof(5) } @deaf, @trickling), 2 * $each, 'each saw its connection end');
wait_for(sub { $server->stat('connections') == 1 }, 'one connection to be left', 10);

wait_for(sub { $server->descriptors($gateway) <= $descriptors }, 'the descriptors to be given back', 10);
is($server->descriptors($gateway), $descriptors, 'the descriptors are given back');
cmp_ok($server->memory_kb($gateway, 'RssAnon') - $memory, '<', 8 * 1024, 'and so is the memory');
is($server->gateway_pid, $gateway, 'the gateway is the same');
$server->cluster_alive('after 200 slow clients');

done_testing();
