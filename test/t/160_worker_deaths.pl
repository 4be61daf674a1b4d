# Every worker and every signal (E1, E2), and the postmaster killed (E3): who
# goes on, who is replaced, how long that takes, and a client that comes back
# with its cursor has missed nothing.
#
# KILL restarts the whole server by PostgreSQL's design, for any of its processes.
# So does QUIT, which in a worker means that the postmaster wants it to leave
# without touching anything.

use strict;
use warnings;

use RealtimeServer;
use Test::More;
use Time::HiRes qw(time sleep);

my $server = RealtimeServer->start_new('deaths');
my $node = $server->node;
my $n = 0;

# The workers of ours: process id => type.
sub workers
{
	my $rows = $server->try_sql(q{SELECT pid, backend_type FROM pg_stat_activity
		WHERE backend_type IN ('realtime hub', 'realtime executor')}) // return ();
	return map { split /\|/ } split /\n/, $rows;
}

# The same, once all three serve.
sub settled_workers
{
	return %{ wait_for(sub { my %workers = workers(); $server->healthy && keys %workers == 3 && \%workers }, 'all workers') };
}

# Come with a cursor: the client, and whether all that was missed is coming.
sub come_back
{
	my ($cursor) = @_;
	my $client = $server->client;
	my $reply = $client->join('room', broadcast => $cursor ? { resume => $cursor } : {}) or return;

	return if $reply->{payload}{status} ne 'ok';
	return ($client, $reply->{payload}{response});
}

my ($client, $answer) = come_back();
my $cursor = $answer->{cursor};

# [signal, what it does to a worker]
for my $case ([ INT => 'goes on' ], [ HUP => 'goes on' ], [ TERM => 'replaced' ], [ QUIT => 'restart' ], [ KILL => 'restart' ])
{
	my ($signal, $fate) = @$case;

	for my $type ('realtime executor', 'realtime hub')
	{
		my %before = settled_workers();
		my ($victim) = grep { $before{$_} eq $type } keys %before;
		my $restarts = $server->crash_restarts;
		my $started = time();

		kill $signal, $victim;
		if ($fate eq 'goes on')
		{
			$server->publish('room', ++$n);
			my $message = $client->broadcast;
			is($message && $message->{payload}{n}, $n, "SIG$signal to $type: a client hears");
			$cursor = $message->{meta}{cursor};
			is({ workers() }->{$victim}, $type, "SIG$signal to $type: it is the same process");
			next;
		}
		if ($fate eq 'restart')
		{
			wait_for(sub { $server->crash_restarts > $restarts }, 'the crash restart');
			wait_for(sub { defined $server->try_sql('SELECT 1') }, 'the end of recovery');
		}
		my $recovered = time();
		wait_for(sub { !exists { settled_workers() }->{$victim} }, "another $type");
		my $up = time();
		cmp_ok($up - $recovered, '<', 5, sprintf 'SIG%s to %s: %sserves again after %.2f s', $signal, $type,
			$fate eq 'restart' ? sprintf('recovery took %.2f s, ', $recovered - $started) : '', $up - $recovered);
		is($server->crash_restarts - $restarts, $fate eq 'restart' ? 1 : 0, "SIG$signal to $type: crash restarts");

		# committed before anybody is back
		$server->publish('room', ++$n);
		if ($fate eq 'restart' || $type eq 'realtime hub')
		{
			ok($client->wait_eof, "SIG$signal to $type: connections end");
			($client, $answer) = wait_for(sub { my @r = eval { come_back($cursor) }; @r ? \@r : undef }, 'a client to come back')->@*;
			ok($answer->{recovered}, "SIG$signal to $type: a client comes back with its cursor");
		}
		my $message = $client->broadcast;
		is($message && $message->{payload}{n}, $n, "SIG$signal to $type: and hears what it has missed");
		is($client->broadcast(0), undef, "SIG$signal to $type: once");
		$cursor = $message->{meta}{cursor};
	}
	$server->cluster_alive("SIG$signal to every worker") if $fate ne 'restart';
}

#
# kill -9 of the postmaster
#
{
	my %workers = settled_workers();
	my $postmaster = $node->{_pid};
	my @all = ((keys %workers), map { $server->programs($_) } 'realtime_gateway', 'realtime_courier');

	cmp_ok(scalar @all, '>=', 4, scalar @all . ' processes of ours');
	my $started = time();
	kill 'KILL', $postmaster;
	wait_for(sub { !grep { $server->process_alive($_) } @all }, 'all of ours to end', 5);
	my $took = time() - $started;
	cmp_ok($took, '<', 1, sprintf 'kill -9 of the postmaster: none of them is left after %.0f ms', $took * 1000);
	ok($client->wait_eof(1), 'connections end');
	my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $server->port, Listen => 1, ReuseAddr => 1);
	ok($listen, 'the port is free');
	close $listen if $listen;
	$node->_update_pid(-1);
	wait_for(sub { !$server->process_alive($postmaster) }, 'the postmaster to be reaped');
	undef $node->{_pid};

	wait_for(sub { unlink $node->data_dir . '/postmaster.pid'; $node->start(fail_ok => 1) }, 'the server to start again');
	($client, $answer) = wait_for(sub { my @r = eval { come_back($cursor) }; @r ? \@r : undef }, 'a client to come back')->@*;
	ok($answer->{recovered}, 'and a client comes back with its cursor');
}

$client->abandon;
$node->stop;
done_testing();
