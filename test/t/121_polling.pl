# Engine.IO by long-polling, as raw HTTP: every answer, the rules that a client must
# keep, and the way to a WebSocket.  Each request is a connection of its own, so
# with four gateways most of them arrive at one that does not have the session.

use strict;
use warnings;

use JSON::PP;
use MIME::Base64 qw(encode_base64);
use PollingClient;
use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;
use Time::HiRes qw(time);

my $server = RealtimeServer->start_new('polling', conf => <<'CONF');
realtime.gateways = 4
realtime.allowed_origins = 'https://good.example'
realtime.send_timeout = 20s
realtime.connect_timeout = 5s
CONF
$server->sql(q{
SELECT realtime.setup_api_roles();
INSERT INTO realtime.channels (pattern) VALUES ('chat:%');
CREATE POLICY all_publish ON realtime.messages FOR INSERT TO authenticated WITH CHECK (true)});
wait_for(sub { $server->stat('gateways') == 4 && $server->stat('executors') == 2 }, 'the gateways');

sub request { return PollingClient::request(@_); }
sub target { return PollingClient::target(@_); }
sub ask { return PollingClient->ask_at($server, @_); }
sub publish { my ($channel, @n) = @_; $server->sql(join ';', map { qq{SELECT realtime.publish('$channel', 'e', '{"n": $_}')} } @n); return; }

# Is the answer this error?
sub error_is
{
	my ($answer, $code, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is($answer && "$answer->[0] $answer->[2]",
		($code == 4 ? 403 : 400) . " {\"code\":$code,\"message\":\""
		  . ('Transport unknown', 'Session ID unknown', 'Bad handshake method', 'Bad request', 'Forbidden',
			'Unsupported protocol version')[$code] . '"}', $name);
}

# Does nobody know the session any more?
sub is_over
{
	my ($client, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return error_is($client->post('3'), 1, $name);
}

#
# The handshake
#
{
	my $client = PollingClient->connect($server);
	my $answer = ask(request('GET', target()));
	my $handshake = $client->handshake;

	like($client->sid, qr/^[A-Za-z0-9_-]{20}$/, 'an id');
	delete $handshake->{sid};
	is_deeply($handshake, { upgrades => ['websocket'], pingInterval => 25000, pingTimeout => 20000, maxPayload => 1_000_000 },
		'what a session begins with');
	like($answer->[1], qr{^Content-Type: text/plain; charset=UTF-8\r$}m, 'as text');
	like($answer->[1], qr{^Cache-Control: no-store\r$}m, 'which nobody keeps');
	is(ask(request('GET', '/socket.io?EIO=4&transport=polling&t=abc'))->[0], 200, 'without the slash, with a parameter t');
}
error_is(ask(request('GET', '/socket.io/?EIO=4')), 0, 'no transport');
error_is(ask(request('GET', target(transport => 'carrier'))), 0, 'one that there is not');
error_is(ask(request('GET', target(j => 0))), 0, 'JSONP');
error_is(ask(request('POST', target(), '40')), 2, 'a session does not begin with POST');
error_is(ask(request('PUT', target())), 2, 'nor with PUT');
error_is(ask(request('GET', target(transport => 'websocket'))), 3, 'a WebSocket takes an upgrade');
error_is(ask(request('GET', target(EIO => 3))), 5, 'an old protocol');
error_is(ask(request('GET', target(EIO => undef))), 5, 'none');
error_is(ask(request('GET', target(sid => 'x' x 20))), 1, 'a GET of no session');
error_is(ask(request('POST', target(sid => 'x' x 20), '3')), 1, 'a POST of none');
error_is(ask(WebSocketClient::upgrade_request(target(transport => 'websocket', sid => 'x' x 20))), 1, 'a WebSocket of none');

#
# Pages of other origins
#
{
	my $answer = ask(request('GET', target(), undef, Origin => 'https://good.example'));

	like($answer->[1], qr{^Access-Control-Allow-Origin: https://good.example\r$}m, 'an allowed origin is named');
	like($answer->[1], qr{^Access-Control-Allow-Credentials: true\r$}m, 'with credentials');
	like($answer->[1], qr{^Vary: Origin\r$}m, 'for it alone');
	error_is(ask(request('GET', target(), undef, Origin => 'https://evil.example')), 4, 'another one');
	$answer = ask(request('OPTIONS', target(sid => 'x' x 20), undef, Origin => 'https://good.example',
			'Access-Control-Request-Method' => 'POST', 'Access-Control-Request-Headers' => 'x-one, x-two'));
	is($answer->[0], 204, 'a preflight');
	like($answer->[1], qr{^Access-Control-Allow-Methods: GET,HEAD,PUT,PATCH,POST,DELETE\r$}m, 'all methods');
	like($answer->[1], qr{^Access-Control-Allow-Headers: x-one, x-two\r$}m, 'all headers');
}

#
# Talking
#
{
	my $client = PollingClient->connect($server);
	my $answer = $client->post('40{"token":"nonsense"}');

	is("$answer->[0] $answer->[2]", '200 ok', 'a POST is answered');
	like($answer->[1], qr{^Content-Type: text/html\r$}m, 'like that');
	like($client->packet, qr/^44\{"message":"Invalid token"/, 'a bad token');
}
{
	my $client = PollingClient->connect($server);
	my $token = $server->token(role => 'authenticated', sub => '123e4567-e89b-12d3-a456-426614174001');
	my ($answer, $get);

	$client->post(qq(40{"token":"$token"}), '3', $client->subscribe_packet('chat:1'), $client->subscribe_packet('chat:2'));
	like($client->packet, qr/^40\{"sid":"/, 'several packets in a POST');
	is_deeply([ sort map { $client->packet =~ /^43(\d\[\{"ok":true,"channel":"chat:\d)/ } 1 .. 2 ],
		[ '0[{"ok":true,"channel":"chat:1', '1[{"ok":true,"channel":"chat:2' ], 'all are answered');

	$get = $client->begin_poll;
	ok(!$get->read_more(0.3), 'a GET waits');
	publish('chat:1', 1);
	$answer = $get->http(undef);
	like($answer->[2], qr/^42\["e",\{"n": ?1,"meta"/, 'until there is something');
	$get->abandon;
	publish('chat:1', 2);
	publish('chat:2', 3);
	wait_for(sub { $server->stat('deliveries') >= 3 }, 'deliveries');
	$answer = $client->poll;
	is(scalar(() = $answer->[2] =~ /\x1e/g), 1, 'several packets in an answer');
	like($answer->[2], qr/^42\["e",\{"n": ?2,.*\x1e42\["e",\{"n": ?3,/s, 'in their order');

	# the same connection, over and over, with what follows already sent
	my $connection = $client->connection;
	for my $n (4 .. 20)
	{
		$connection->send_raw(request('POST', target(sid => $client->sid),
				qq(42["realtime:publish",{"channel":"chat:1","event":"e","payload":{"n":$n}}]))
			  . request('GET', target(sid => $client->sid)));
	}
	my @got;
	for my $n (4 .. 20)
	{
		push @got, $connection->http(undef)->[2];
		push @got, $connection->http(undef)->[2] =~ /"n": ?(\d+),/;
	}
	is("@got", join(' ', map { "ok $_" } 4 .. 20), 'pipelined requests are answered in their order');
	$connection->abandon;

	# binary, both ways
	$server->sql(q{SELECT realtime.send_binary('\x0001feff'::bytea, 'bin', 'chat:1', true)});
	like($client->packet, qr/^451-\["bin",/, 'a message with bytes');
	is($client->packet, 'bAAH+/w==', 'they follow as base64');
	$client->post('451-["realtime:publish",{"channel":"chat:1","event":"e","payload":{"b":{"_placeholder":true,"num":0}}}]',
		'b' . encode_base64("\x01\x02\x1e\xff", ''));
	is_deeply($client->event->[1]{b}, { type => 'Buffer', data => [ 1, 2, 30, 255 ] }, 'bytes of a client');

	# what ends a session
	$answer = $client->post('1');
	is("$answer->[0] $answer->[2]", '200 ok', 'the client closes');
	is_over($client, 'and the session is over');
}

#
# Rules
#
for (
	[ 'an unknown type', 'x' ],
	[ 'an empty packet', '' ],
	[ 'a ping', '2' ],
	[ 'bad JSON', '42[' ],
	[ 'bytes that nobody waits for', 'bAQID' ],
	[ 'bad base64', 'b*' ],
	[ 'bad UTF-8', "42[\"\xff\"]" ])
{
	my ($name, $packet) = @$_;
	my $client = PollingClient->member($server, 'chat:rules');
	my $get = $client->begin_poll;

	is($client->post($packet)->[0], 200, "$name: answered");
	is($get->http(undef)->[2], '1', "$name: the GET that waits is told");
	is_over($client, "$name: the session is over");
	$get->abandon;
}
{
	my $client = PollingClient->member($server, 'chat:rules');
	my $get = $client->begin_poll;

	wait_for(sub { $server->stat('connections') == 1 }, 'the others to end');
	error_is($client->poll, 3, 'a second GET');
	is($get->http(undef)->[2], '1', 'the first one is told');
	is_over($client, 'the session is over');
	$get->abandon;
}
{
	my $client = PollingClient->member($server, 'chat:rules');
	my $post = $client->connection;

	$post->send_raw(request('GET', target(sid => 'x' x 20)));
	$post->http(undef);
	$post->send_raw("POST ${\ target(sid => $client->sid)} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n42[");
	wait_for(sub { $client->post('3')->[0] == 400 }, 'a second POST to be refused');
	is_over($client, 'the session is over');
	$post->send_raw('"x",{}]');
	error_is($post->http(undef), 1, 'and the first one comes too late');
	$post->abandon;
}
{
	my $client = PollingClient->member($server, 'chat:rules');

	is(ask(request('PUT', target(sid => $client->sid), '3'))->[0], 400, 'PUT');
	is($client->post('42["x",{"a":"' . 'x' x 999_980 . '"}]')->[0], 200, 'a body of nearly a million bytes');
	is($client->post('4' . 'x' x 1_000_000)->[0], 413, 'one of more');
	my $other = PollingClient->member($server, 'chat:rules');
	is(ask("POST ${\ target(sid => $other->sid)} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
			  . sprintf("%x\r\n", 1_000_001) . 'x' x 1_000_001)->[0], 413, 'or in chunks');
}

# A client that is gone is gone, whether it waited or sent.
for my $what ('GET', 'POST')
{
	my $client = PollingClient->member($server, 'chat:gone');
	my $connection = $what eq 'GET' ? $client->begin_poll : $client->connection;

	$connection->send_raw("POST ${\ target(sid => $client->sid)} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n42")
	  if $what eq 'POST';
	ok(!$connection->read_more(0.2), "a $what that waits");
	$connection->abandon;
	wait_for(sub { $client->post('3')->[0] == 400 }, 'the session to end');
	pass("ends the session when its connection does");
}
wait_for(sub { $server->stat('connections') == 0 }, 'all sessions to be over');

#
# Backpressure
#
{
	my $client = PollingClient->member($server, 'chat:large');
	my $slow = $server->stat('slow_closed');

	$server->sql(q{SELECT realtime.publish('chat:large', 'e', jsonb_build_object('n', n, 'x', repeat('x', 10000))) FROM generate_series(1, 400) n});
	wait_for(sub { $server->stat('slow_closed') == $slow + 1 }, 'the session to be closed');
	pass('who does not poll is closed when too much is queued');
	is_over($client, 'and told so');

	$client = PollingClient->member($server, 'chat:large');
	my @got;
	my $writer = IPC::Run::start([ 'psql', '-XAtq', '-d', $server->node->connstr('postgres'), '-c',
			q{SELECT realtime.publish('chat:large', 'e', jsonb_build_object('n', n, 'x', repeat('x', 10000))) FROM generate_series(1, 400) n} ],
		'>', \my $out);
	while (@got < 400)
	{
		my $packet = $client->packet // last;
		push @got, $packet =~ /^42\["e",\{"n": ?(\d+),/;
	}
	$writer->finish;
	is("@got", join(' ', 1 .. 400), 'who polls gets all that is more than its queue holds, in order');
}

#
# The way to a WebSocket
#
sub websocket
{
	my ($client) = @_;
	return $server->client(path => target(transport => 'websocket', sid => $client->sid));
}
sub text { my ($socket) = @_; my $frame = $socket->next_frame; return $frame && $frame->{opcode} == 1 ? $frame->{payload} : undef; }

{
	my $client = PollingClient->member($server, 'chat:up');
	my $get = $client->begin_poll;
	my $socket = websocket($client);

	publish('chat:up', 1);
	like($get->http(undef)->[2], qr/^42\["e",\{"n": ?1,/, 'polling goes on beside a WebSocket');
	$client->begin_poll($get);
	$socket->send_frame(WebSocketClient::TEXT, '2probe');
	is(text($socket), '3probe', 'a probe is answered');
	is($get->http(undef)->[2], '6', 'and the GET that waits');
	is($client->poll->[2], '6', 'as is any later one');
	publish('chat:up', 2);
	wait_for(sub { $client->post('3')->[0] == 200 }, 'a POST');
	publish('chat:up', 3);

	# the session's own packets may follow at once
	my $others = PollingClient->member($server, 'chat:other');
	$socket->send_raw(WebSocketClient::frame(WebSocketClient::TEXT, '5')
		  . WebSocketClient::frame(WebSocketClient::TEXT, $client->subscribe_packet('chat:late'))
		  . WebSocketClient::frame(WebSocketClient::TEXT, '42["realtime:publish",{"channel":"chat:up","event":"e","payload":{"n":4}}]'));
	my @got = map { text($socket) } 1 .. 4;
	is(join(' ', map { /"n": ?(\d),/ ? $1 : () } @got), '2 3 4', 'it takes over with all that is queued');
	is(scalar(grep { /^431\[\{"ok":true/ } @got), 1, 'and with what the client says');
	error_is($client->poll, 1, 'and nothing is polled any more');
	error_is($client->post('3'), 1, 'or posted');
	publish('chat:late', 5);
	like(text($socket), qr/"n": ?5,/, 'the session lives');
	$socket->send_frame(WebSocketClient::TEXT, '1');
	ok($socket->next_frame->{opcode} == WebSocketClient::CLOSE, 'until it is closed');
	$get->abandon;
	$socket->abandon;
}
{
	my $client = PollingClient->member($server, 'chat:up');
	my $socket = websocket($client);

	error_is(ask(WebSocketClient::upgrade_request(target(transport => 'websocket', sid => $client->sid))), 3, 'a second WebSocket');
	$socket->send_frame(WebSocketClient::TEXT, '5');
	is($socket->next_frame->{opcode}, WebSocketClient::CLOSE, 'taking over without a probe');
	$socket->abandon;
	for my $packet ('2', '42["x"]', '2probe2')
	{
		$socket = websocket($client);
		$socket->send_frame(WebSocketClient::TEXT, $packet);
		is($socket->next_frame->{opcode}, WebSocketClient::CLOSE, "or saying \"$packet\"");
		$socket->abandon;
	}
	$socket = websocket($client);
	$socket->send_frame(WebSocketClient::TEXT, '2probe');
	is(text($socket), '3probe', 'one that probes');
	$socket->abandon;
	publish('chat:up', 7);
	is($client->event->[1]{n}, 7, 'and goes away: polling goes on');

	$socket = websocket($client);
	my $began = time();
	is($socket->next_frame(15)->{opcode}, WebSocketClient::CLOSE, 'one that says nothing');
	cmp_ok(time() - $began, '>', 9, 'has ten seconds for it');
	$socket->abandon;
	publish('chat:up', 8);
	is($client->event->[1]{n}, 8, 'and polling still goes on');

	# a session that ends takes its WebSocket along
	$socket = websocket($client);
	$client->post('1');
	ok($socket->wait_eof(5), 'with the session the WebSocket ends');
}
wait_for(sub { $server->stat('connections') == 0 }, 'all sessions to be over');

#
# The heartbeat
#
$server->reconfigure('realtime.ping_interval' => 1000, 'realtime.ping_timeout' => 2000);
{
	my $client = wait_for(
		sub {
			my $new = PollingClient->connect($server);
			return $new->handshake->{pingInterval} == 1000 && $new;
		},
		'the setting');
	$client->authenticate;
	for my $n (1 .. 3)
	{
		is($client->poll->[2], '2', "ping $n");
		is($client->post('3')->[2], 'ok', "pong $n");
	}
	is($client->poll->[2], '2', 'one that is not answered');
	is($client->poll->[2], '1', 'ends the session');
	is_over($client, 'for good');
}

#
# Limits and the end
#
$server->reconfigure('realtime.ping_interval' => 25000, 'realtime.ping_timeout' => 20000, 'realtime.max_connections' => 1);
{
	my $refused = wait_for(
		sub {
			my $answer = ask(request('GET', target()));
			return $answer->[0] == 503 && $answer;
		},
		'a session too many');
	like($refused->[1], qr/^Retry-After: \d+\r$/m, 'is refused, for now');
}
$server->reconfigure('realtime.max_connections' => 1000);
{
	my $client = wait_for(sub { eval { PollingClient->member($server, 'chat:end') } }, 'a session');
	my $get = $client->begin_poll;

	ok(!$get->read_more(0.2), 'a GET that waits');
	$server->cluster_alive('polling');
	$server->node->stop;
	ok($get->wait_eof(5), 'ends with the server');
}

done_testing();
