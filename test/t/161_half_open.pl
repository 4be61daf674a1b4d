# A peer that is gone without a word (A8, E8): the network is taken away, so that
# nothing arrives any more and nobody is told.  What waits for clients that
# should have spoken is freed by realtime.idle_timeout; a stream, whose client has
# nothing to say, when what was sent to it is not acknowledged.

use strict;
use warnings;

use Namespace 'net';

use Baseline;
use EventStreamClient;
use RealtimeServer;
use Test::More;
use Time::HiRes qw(time);

my $each = 30;
my $idle = 5;
my $unacknowledged = 30;		# USER_TIMEOUT_MS of the gateway

my $server = RealtimeServer->start_new('half_open', conf => <<"CONF");
realtime.idle_timeout = ${idle}s
realtime.keepalive_interval = 1s
CONF
my $gateway = $server->gateway_pid;

# One of each, so that what is kept for good is there before.
sub stream { return EventStreamClient->connect($server); }
sub freed { my ($left) = @_; return $server->sockets($gateway) <= $left; }

my $quiet = $server->sockets($gateway);
{
	my @first = ($server->member('room'), stream());
	$_->abandon for @first;
	wait_for(sub { freed($quiet) }, 'them to be gone');
}
my $baseline = Baseline->take($server);

#
# While the network is there
#
# Silence ends a connection, and so does a join after which nothing is said.  A
# ping is a sign of life, and so is half a frame.
{
	my %client = map { $_ => $server->member('room') } qw(silent ping heartbeat);
	$client{upgraded} = $server->client;
	my $start = time();
	my %ended;

	while (keys %ended < 2 && time() - $start < $idle + 5)
	{
		$client{ping}->send_frame(WebSocketClient::PING, 'here');
		$client{heartbeat}->push('phoenix', 'heartbeat');
		for my $name (keys %client)
		{
			my $code = $client{$name}->close_code(0.05) // next;
			$ended{$name} //= [ $code, time() - $start ];
		}
	}
	is_deeply([ sort keys %ended ], [ 'silent', 'upgraded' ], 'those that say nothing are closed, the others are not');
	cmp_ok($ended{$_}[1], '<', $idle + 5, sprintf '%s: closed with %s after %.1f s', $_, $ended{$_}[0], $ended{$_}[1])
	  for sort keys %ended;
	$_->abandon for values %client;
	$baseline->returns('silent clients');
}

#
# The network goes
#
my @members = map { $server->member('room') } 1 .. $each;
my @streams = map { stream() } 1 .. $each;
# one request is half said, one is not begun
my @strangers = map { $server->client(upgrade => 0) } 1 .. $each;
$_->send_raw("GET /realtime/v1/websocket HTTP/1.1\r\nHost: local") for @strangers[ 0 .. $each / 2 ];
wait_for(sub { $server->sockets($gateway) == $quiet + 3 * $each }, 'all to be there');
ok((!grep { !$_->heartbeat } @members), 'all are there');

my $start = time();
Namespace::loopback('down');
$server->publish('room', $_) for 1 .. 20;
wait_for(sub { freed($quiet + 2 * $each) }, 'the members to be freed', $idle + 10);
my $took = time() - $start;
cmp_ok($took, '<', $idle + 5, sprintf '%d members are freed after %.1f s', $each, $took);
wait_for(sub { freed($quiet + $each) }, 'the requests to be freed', 20);
$took = time() - $start;
cmp_ok($took, '<', 10 + 5, sprintf '%d requests that never end are freed after %.1f s', $each, $took);
wait_for(sub { freed($quiet) }, 'the streams to be freed', $unacknowledged + 10);
$took = time() - $start;
cmp_ok($took, '<', $unacknowledged + 5, sprintf '%d streams are freed after %.1f s', $each, $took);
cmp_ok($took, '>', 10 + 5 - 1 + 5, 'and not by their silence');

#
# The network is back
#
Namespace::loopback('up');
my $back = wait_for(sub { eval { $server->member('room') } }, 'a client to join');
$server->publish('room', 21);
is($back->broadcast->{payload}{n}, 21, 'clients are served again');
$members[0]->push('phoenix', 'heartbeat');
ok($members[0]->wait_eof(10), 'an old client learns that its connection is gone');
$_->abandon for $back, @members, @streams, @strangers;
$baseline->agrees(0);
is($server->gateway_pid, $gateway, 'all of this was one gateway');
$server->cluster_alive('after the network was gone');

done_testing();
