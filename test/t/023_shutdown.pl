# Shutting down with a thousand clients: smart, fast and immediate all end
# within five seconds; in the orderly ways every client is told to come back
# with close code 1012.

use strict;
use warnings;

use RealtimeServer;
use Test::More;
use Time::HiRes qw(time);

my $clients = 1000;
my $server = RealtimeServer->start_new('shutdown');
my $node = $server->node;

for my $mode (qw(smart fast immediate))
{
	my @clients = map { $server->member('room:' . $_ % 50) } 1 .. $clients;
	my @pids = ($server->hub_pid, $server->programs);

	is(scalar @clients, $clients, "$mode: a thousand clients joined");
	my $start = time();
	$node->stop($mode);
	my $took = time() - $start;
	cmp_ok($took, '<', 5, sprintf '%s shutdown took %.2f s', $mode, $took);

	my %codes;
	$codes{ $_->close_code // 'open' }++ for @clients;
	if ($mode eq 'immediate')
	{
		is($codes{open} // 0, 0, 'immediate: every connection ended');
	}
	else
	{
		is_deeply(\%codes, { 1012 => $clients }, "$mode: each client got close code 1012")
		  or diag(explain(\%codes));
	}
	is_deeply([ grep { $server->process_alive($_) } @pids ], [], "$mode: no process is left");
	ok(!defined $server->http_get('/healthz'), "$mode: the port is free");
	$_->abandon for @clients;
	$node->start;
	$server->wait_until_healthy;
}

# Clients that do not read cannot hold up a shutdown.
{
	my @stuck = map { $server->member('stuck', receive_buffer => 4096) } 1 .. 20;

	$server->sql(q{SELECT realtime.send(jsonb_build_object('text', repeat('x', 100000)), 'e', 'stuck', false)
		FROM generate_series(1, 5)});
	my $start = time();
	$node->stop('fast');
	cmp_ok(time() - $start, '<', 5, 'clients that never read do not delay a shutdown');
}

done_testing();
