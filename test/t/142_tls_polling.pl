# Sessions that are polled over TLS, with several gateways: the gateway that has
# accepted a connection keeps its TLS and relays it to the one that has the
# session.  To clients that is the same; nothing leaks, and who does not read or
# dies takes nobody along.

use strict;
use warnings;

use MIME::Base64 qw(decode_base64url encode_base64url);
use PollingClient;
use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;
use TlsFiles;
use WebSocketClient;

use constant { GATEWAYS => 3, ROUNDS => 100 };

# A request for a session that there is not, in the gateway of a slot.
sub request
{
	my ($slot, $method, $body) = @_;
	my $sid = encode_base64url(chr($slot) . pack('n*', map { rand 65536 } 1 .. 7));

	return PollingClient::request($method // 'GET', PollingClient::target(sid => $sid), $body);
}

# Is this the answer of the gateway that should know the session?
sub is_unknown { my ($answer) = @_; return $answer && $answer->[0] == 400 && $answer->[2] =~ /"code":1,/; }

my $files = TlsFiles->new;
my $server = RealtimeServer->start_new('tls_polling',
	conf => $files->conf($files->certificate) . "realtime.ssl = off\nrealtime.send_timeout = 60s\nrealtime.ping_interval = 10min\nrealtime.header_timeout = 60s\nrealtime.gateways = " . GATEWAYS . "\n");
wait_for(sub { $server->stat('gateways') == GATEWAYS && $server->stat('executors') == 2 },
	'the gateways and executors');
$server->sql('SELECT realtime.setup_api_roles()');
$server->sql(q{INSERT INTO realtime.channels (pattern) VALUES ('poll:%')});
my $hub = $server->hub_pid;

# Who has which slot can be seen as long as sockets are handed over themselves.
my @gateways = map {
	my $client = $server->client(upgrade => 0);

	$client->http(request($_));
	wait_for(sub { $server->gateway_of($client) }, 'its connection to be seen');
} 0 .. GATEWAYS - 1;
is_deeply([ sort @gateways ], [ sort $server->programs ], 'without TLS each slot is another gateway');

$server->reconfigure('realtime.ssl' => 'on');
$server->{tls} = $files;
$server->wait_until_healthy;

# One connection wanders from gateway to gateway.
sub wander
{
	my ($rounds) = @_;
	my $client = $server->client(upgrade => 0);
	my $good = grep { is_unknown($client->http(request(($_ + $_ * $_ % 2) % GATEWAYS))) } 1 .. $rounds;

	$client->abandon;
	return $good;
}

is(wander(GATEWAYS), GATEWAYS, 'every gateway answers');
my $before = $server->quiet_sockets($hub, @gateways);
is(wander(ROUNDS), ROUNDS, ROUNDS . ' requests of a connection that wanders are answered');
is($server->quiet_sockets($hub, @gateways), $before, 'no descriptor is left anywhere');

# Requests for all of them in one piece, and a head in small ones.
{
	my $client = $server->client(upgrade => 0);
	my @requests = map { (request($_), request(2 - $_, 'POST', "4{\"$_\":1}")) } 0 .. 2, 0 .. 2;
	my @answers;

	$client->send_raw(join '', @requests, "GET /healthcheck HTTP/1.1\r\nHost: localhost\r\n\r\n");
	push @answers, $client->http(undef) for 1 .. @requests + 1;
	is(scalar(grep { is_unknown($_) } @answers), 12, 'pipelined requests are all answered');
	is($answers[-1][2], 'ok', 'in their order');
	$client->send_raw($_) for split //, request(1);
	ok(is_unknown($client->http(undef)), 'and one whose head comes slowly');
	ok(is_unknown($client->http(request(2, 'POST', 'x' x 60_000))), 'and one with a large body');
	$client->send_raw("GET /healthcheck HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
	is($client->http(undef)->[2], 'ok', 'the last one');
	ok($client->wait_eof && $client->tls_ended, 'ends the connection, and TLS before');
	$client->abandon;
}

# Sessions, each of whose requests may arrive anywhere.
{
	my @clients = map { PollingClient->member($server, 'poll:all') } 1 .. 4;
	my $large = 40;

	# more than one answer holds, and more than a pair of sockets does
	$server->sql(qq{SELECT realtime.publish('poll:all', 'n', jsonb_build_object('n', n, 'x', repeat('x', 20000)))
		FROM generate_series(1, $large) n});
	for my $client (@clients)
	{
		my @got = map { $client->event } 1 .. $large;
		is(join(' ', map { $_->[1]{n} } @got), join(' ', 1 .. $large), 'a session gets all messages in order');
		is(scalar(grep { length $_->[1]{x} != 20_000 } @got), 0, 'whole');
	}

	# a client that asks, and does not read what it gets
	my $slow = $server->client(upgrade => 0, receive_buffer => 32768);
	$clients[0]->begin_poll($slow);
	$server->sql(q{SELECT realtime.publish('poll:all', 'n', jsonb_build_object('n', 100, 'x', repeat('x', 200000)))});
	is($_->event->[1]{n}, 100, 'others do not wait for one that does not read') for @clients[ 1 .. 3 ];
	my $answer = $slow->http(undef);
	is($answer->[0], 200, 'which gets its answer when it reads');
	like($answer->[2], qr/"n": ?100,.*x{20000}/, 'whole');
	$slow->abandon;
}

# A WebSocket that takes a session over wherever it arrives.
{
	my $good = 0;

	for my $n (1 .. 6)
	{
		my $session = PollingClient->member($server, 'poll:over');
		my $ws = $server->client(path => PollingClient::target(transport => 'websocket', sid => $session->sid));

		$ws->send_frame(WebSocketClient::TEXT, '2probe');
		$good++ if $ws->next_frame->{payload} eq '3probe';
		$ws->send_frame(WebSocketClient::TEXT, '5');
		$server->sql(qq{SELECT realtime.publish('poll:over', 'n', '{"n": $n}')});
		my $frame;
		do { $frame = $ws->next_frame } while ($frame && $frame->{payload} !~ /"n": ?$n,/);
		$good++ if $frame;
		$ws->abandon;
	}
	is($good, 12, 'WebSockets take over sessions of any gateway');
}

# A poll of a session, on a connection that another gateway has accepted: the
# session, the connection and the process ids of both gateways.
sub relayed_poll
{
	my $session = PollingClient->member($server, 'poll:death');
	my $has_it = $gateways[ ord decode_base64url($session->sid) ];
	my $before = $server->stat('handovers');
	my $accepted_by;
	my $client = wait_for(
		sub {
			my $candidate = $server->client(upgrade => 0);

			$accepted_by = $server->gateway_of($candidate);
			return $candidate if defined $accepted_by && $accepted_by != $has_it;
			$candidate->abandon;
			return;
		},
		'a connection that another gateway accepts');
	$session->begin_poll($client);
	wait_for(sub { $server->stat('handovers') > $before }, 'the connection to be handed over');
	return ($session, $client, $has_it, $accepted_by);
}

sub replaced
{
	my ($victim) = @_;

	wait_for(
		sub { !$server->process_alive($victim) && $server->stat('gateways') == GATEWAYS && $server->programs == GATEWAYS },
		'another gateway');
	my ($new) = grep { my $pid = $_; !grep { $_ == $pid } @gateways } $server->programs;
	@gateways = map { $_ == $victim ? $new : $_ } @gateways;
	return;
}

# The gateway that has a session dies, and one that relays to it.
{
	my ($session, $client, $has_it, $accepted_by) = relayed_poll();

	kill 'KILL', $has_it;
	ok($client->wait_eof, 'a connection ends with the gateway that has its session');
	is($client->{in}, '', 'without an answer');
	replaced($has_it);
	like($session->poll->[2], qr/"code":1,/, 'the session is unknown');
	$client->abandon;

	($session, $client, $has_it, $accepted_by) = relayed_poll();
	kill 'KILL', $accepted_by;
	ok($client->wait_eof, 'a connection ends with the gateway that has accepted it');
	replaced($accepted_by);
	ok(wait_for(sub { $session->poll->[2] =~ /"code":1,/ }, 'the session to end'),
		'and the session with the request that it had under way');
	$client->abandon;
}
is(wander(20), 20, 'connections wander again');
is($server->hub_pid, $hub, 'the hub is the same');
is($server->stat('handovers_dropped'), 0, 'nothing was dropped');
$server->cluster_alive('relays');
done_testing();
