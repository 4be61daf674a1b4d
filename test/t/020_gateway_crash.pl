# The gateway dies in every way a process can; no backend notices.  A new one
# serves within a second, and clients that join again hear what is sent.

use strict;
use warnings;

use RealtimeServer;
use Test::More;
use Time::HiRes qw(time);

my $server = RealtimeServer->start_new('gateway');
my $hub = $server->hub_pid;
my $n = 0;

# After the gateway $old went away: the client's connection ends, a new gateway
# comes, a client joins and hears.  Returns how long that took.
sub comes_back
{
	my ($what, $old, $client) = @_;
	my $start = time();

	ok($client->wait_eof, "$what: the connection ends");
	my $new = wait_for(sub { eval { $server->member('room') } }, 'a client to join again');
	my $took = time() - $start;
	$server->publish('room', ++$n);
	my $message = $new->broadcast;
	is($message && $message->{payload}{n}, $n, "$what: a client joins again and hears");
	isnt($server->gateway_pid, $old, "$what: there is another process");
	return $took;
}

# The gateway, once it has lived so long that its successor starts without a
# delay; one that dies young is started with a delay that doubles.
sub settled_gateway
{
	return wait_for(
		sub {
			my $pid = $server->gateway_pid;
			return $server->process_age($pid) > 1.2 ? $pid : undef;
		},
		'a gateway that has lived for a second');
}

for my $signal (qw(KILL KILL SEGV ABRT TERM INT QUIT))
{
	my $client = $server->member('room');
	my $gateway = settled_gateway();

	$server->publish('room', ++$n);
	ok($client->broadcast, "before SIG$signal the client hears");
	kill $signal, $gateway;
	cmp_ok(comes_back("SIG$signal", $gateway, $client), '<', 1, "SIG$signal: within a second");
}

# One that dies at once, time and again, is not started in a tight loop.
{
	my $before = $server->stat('gateway_failures');
	my $start = time();

	for my $round (1 .. 4)
	{
		my $client = wait_for(sub { eval { $server->member('room') } }, 'a client to join');
		my $gateway = $server->gateway_pid;
		kill 'KILL', $gateway;
		comes_back("killed young, round $round", $gateway, $client);
	}
	is($server->stat('gateway_failures') - $before, 4, 'four failures are counted');
	cmp_ok(time() - $start, '>', 0.5, 'and there were delays between them');
}

# What is committed while there is no gateway is no message for anybody who
# joins later, and does not upset those who do.
{
	my $client = $server->member('room');
	my $gateway = settled_gateway();

	kill 'STOP', $gateway;
	$server->publish('room', ++$n) for 1 .. 3;
	kill 'KILL', $gateway;
	comes_back('messages on their way', $gateway, $client);
}

# A gateway that hangs is found out by what piles up for it, and replaced.
{
	my $client = $server->member('room');
	my $bystander = $server->member('other');
	my $gateway = settled_gateway();

	kill 'STOP', $gateway;
	my $gone = eval {
		wait_for(
			sub {
				$server->sql(q{SELECT realtime.send(jsonb_build_object('text', repeat('x', 500000)), 'e', 'room', false)
					FROM generate_series(1, 20)});
				return !$server->process_alive($gateway);
			},
			'the hub to replace a gateway that reads nothing');
	};
	ok($gone, 'a gateway that reads nothing is killed');
	kill 'CONT', $gateway unless $gone;
	comes_back('hanging', $gateway, $client);
}

is($server->hub_pid, $hub, 'the hub is the same');
cmp_ok($server->stat('gateway_failures'), '>=', 12, 'the failures are counted');
$server->cluster_alive('after a dozen gateways');

done_testing();
