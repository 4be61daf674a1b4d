# The opening handshake, and HTTP that only looks like it: what two parsers
# could read differently is refused, never upgraded, and nothing behind it is
# parsed (reliability.md B1-B6).

use strict;
use warnings;

use RealtimeServer;
use Test::More;
use Time::HiRes qw(time);

my $server = RealtimeServer->start_new('http', conf => <<'CONF');
realtime.header_timeout = 2s
realtime.allowed_origins = 'https://good.example, http://localhost:3000'
CONF
my $gateway = $server->gateway_pid;
my $key = 'apikey=' . $server->anon_token;
my $path = "/realtime/v1/websocket?$key&vsn=2.0.0";

# An upgrade request; see WebSocketClient::upgrade_request.
sub upgrade { return WebSocketClient::upgrade_request($path, @_); }

# Send a request on a connection of its own; [status, head, body] or undef.
sub ask
{
	my ($request) = @_;
	my $client = $server->client(upgrade => 0);
	my $answer = $client->http($request, 5);

	$client->abandon;
	return $answer;
}

#
# Upgrades that are accepted
#
for (
	[ 'the plain upgrade', upgrade() ],
	[ 'the native path', WebSocketClient::upgrade_request("/socket/websocket?$key&vsn=2.0.0") ],
	[ 'without vsn', WebSocketClient::upgrade_request("/socket/websocket?$key") ],
	[ 'vsn 1.0.0', WebSocketClient::upgrade_request("/realtime/v1/websocket?$key&vsn=1.0.0") ],
	[ 'Connection: keep-alive, Upgrade', upgrade({ connection => ['keep-alive, Upgrade'] }) ],
	[ 'Upgrade: WebSocket', upgrade({ upgrade => ['WebSocket'] }) ],
	[ 'an extension is offered', upgrade({ 'sec-websocket-extensions' => ['permessage-deflate'] }) ],
	[ 'an allowed origin', upgrade({ origin => ['https://good.example'] }) ],
	[ 'another allowed origin', upgrade({ origin => ['http://localhost:3000'] }) ],
	[ 'an origin in capitals', upgrade({ origin => ['HTTPS://GOOD.example'] }) ])
{
	my ($name, $request) = @$_;
	my $answer = ask($request);
	is($answer && $answer->[0], 101, "$name: upgraded");
	unlike($answer->[1], qr/sec-websocket-(extensions|protocol)/i, "$name: nothing is negotiated") if $answer;
}

#
# Upgrades that are refused: [name, request, statuses allowed]
#
for (
	[ 'POST', upgrade({}, "POST $path HTTP/1.1"), 400, 405 ],
	[ 'HTTP/1.0', upgrade({}, "GET $path HTTP/1.0"), 400, 426 ],
	[ 'HTTP/2.0', upgrade({}, "GET $path HTTP/2.0"), 400, 505 ],
	[ 'no Host', upgrade({ host => [] }), 400 ],
	[ 'two Hosts', upgrade({ host => [ 'a', 'b' ] }), 400 ],
	[ 'no Upgrade', upgrade({ upgrade => [] }), 400, 426 ],
	[ 'Upgrade: h2c', upgrade({ upgrade => ['h2c'] }), 400, 426 ],
	[ 'no Connection', upgrade({ connection => [] }), 400, 426 ],
	[ 'no key', upgrade({ 'sec-websocket-key' => [] }), 400 ],
	[ 'two keys', upgrade({ 'sec-websocket-key' => [ ('dGhlIHNhbXBsZSBub25jZQ==') x 2 ] }), 400 ],
	[ 'a key of 15 bytes', upgrade({ 'sec-websocket-key' => ['dGhlIHNhbXBsZSBub25j'] }), 400 ],
	[ 'a key that is no base64', upgrade({ 'sec-websocket-key' => ['dGhlIHNhbXBsZSBub25jZ!=='] }), 400 ],
	[ 'a key of 4 KiB', upgrade({ 'sec-websocket-key' => [ 'A' x 4096 ] }), 400 ],
	[ 'version 8', upgrade({ 'sec-websocket-version' => ['8'] }), 426 ],
	[ 'version 99', upgrade({ 'sec-websocket-version' => ['99'] }), 426 ],
	[ 'empty version', upgrade({ 'sec-websocket-version' => [''] }), 400, 426 ],
	[ 'no version', upgrade({ 'sec-websocket-version' => [] }), 400, 426 ],
	[ 'vsn 9.9.9', WebSocketClient::upgrade_request("/socket/websocket?$key&vsn=9.9.9"), 403 ],
	[ 'unknown path', WebSocketClient::upgrade_request('/elsewhere'), 404 ],
	[ 'another origin', upgrade({ origin => ['https://evil.example'] }), 403 ],
	[ 'origin null', upgrade({ origin => ['null'] }), 403 ],
	[ 'another scheme', upgrade({ origin => ['http://good.example'] }), 403 ],
	[ 'another port', upgrade({ origin => ['https://good.example:8443'] }), 403 ],
	[ 'an origin with ours as its prefix', upgrade({ origin => ['https://good.example.evil'] }), 403 ],
	[ 'two origins', upgrade({ origin => [ 'https://good.example', 'https://evil.example' ] }), 400, 403 ])
{
	my ($name, $request, @statuses) = @$_;
	my $answer = ask($request);
	my $status = $answer ? $answer->[0] : 'none';
	ok((grep { $_ eq $status } @statuses), "$name: refused with @statuses") or diag("got $status");
	like($answer->[1], qr/^sec-websocket-version: *13\r$/mi, "$name: told which version is spoken")
	  if $name =~ /version \d/ && $answer;
}

#
# What two parsers could read differently.  A second request follows at once;
# its answer must not come.
#
my $second = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
my $get = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n";
for (
	[ 'Content-Length and Transfer-Encoding',
		"POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" ],
	[ 'two Content-Length', "POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcd" ],
	[ 'Content-Length: +4', "POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: +4\r\n\r\nabcd" ],
	[ 'Content-Length of 20 digits', "POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n" ],
	[ 'Transfer-Encoding: xchunked', "POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" ],
	[ 'Transfer-Encoding: gzip, chunked', "POST /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" ],
	[ 'space before the colon', "${get}X-A : 1\r\n\r\n" ],
	[ 'a folded header', "${get}X-A: 1\r\n 2\r\n\r\n" ],
	[ 'NUL in a value', "${get}X-A: 1\x002\r\n\r\n" ],
	[ 'a bare CR', "${get}X-A: 1\r2\r\n\r\n" ],
	[ 'a bare LF', "${get}X-A: 1\nX-B: 2\r\n\r\n" ],
	[ 'bare LF line ends', "GET /healthz HTTP/1.1\nHost: localhost\n\n" ],
	[ 'a control byte in a value', "${get}X-A: \x01\r\n\r\n" ],
	[ 'a control byte in the target', "GET /health\x01z HTTP/1.1\r\nHost: localhost\r\n\r\n" ],
	[ 'a space in the target', "GET /health z HTTP/1.1\r\nHost: localhost\r\n\r\n" ],
	[ 'a header without a name', "${get}: 1\r\n\r\n" ],
	[ 'a header without a colon', "${get}X-A\r\n\r\n" ],
	[ 'absolute form with another authority', "GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" ],
	[ 'no Host', "GET /healthz HTTP/1.1\r\n\r\n" ],
	[ 'no version', "GET /healthz\r\n\r\n" ],
	[ 'garbage', "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n" ])
{
	my ($name, $request) = @$_;
	my $client = $server->client(upgrade => 0);
	my $answer = $client->http($request . $second, 5);

	is($answer ? $answer->[0] : 'none', 400, "$name: 400");
	ok($client->wait_eof(5), "$name: and the connection is closed");
	is($client->{in}, '', "$name: nothing after it is answered");
	$client->abandon;
}

#
# Too much of everything
#
for (
	[ 'a header of 64 KiB', "${get}X-A: " . 'a' x 65536 . "\r\n\r\n", 431 ],
	[ '5,000 headers', $get . join('', map { "X-$_: 1\r\n" } 1 .. 5000) . "\r\n", 431 ],
	[ 'a target of 64 KiB', 'GET /' . 'a' x 65536 . " HTTP/1.1\r\nHost: localhost\r\n\r\n", 414, 431 ],
	[ 'a megabyte without a line end', 'a' x 1048576, 400, 414, 431 ])
{
	my ($name, $request, @statuses) = @$_;
	my $before = $server->memory_kb($gateway, 'RssAnon');
	my $answer = ask($request);
	# the server may close while we still send, and the reset eat its answer
	my $status = $answer ? $answer->[0] : 'reset';

	ok((grep { $_ eq $status } @statuses, 'reset'), "$name: @statuses") or diag("got $status");
	cmp_ok($server->memory_kb($gateway, 'RssAnon') - $before, '<', 512, "$name: little of it was kept");
}

#
# Plain requests
#
is_deeply([ ($server->http_get('/healthz'))[0] ], [200], '/healthz');
is_deeply([ ($server->http_get('/nothing'))[0] ], [404], 'an unknown path');
is((ask("DELETE /healthz HTTP/1.1\r\nHost: a\r\n\r\n") // [0])->[0], 405, 'DELETE /healthz');
{
	my $answer = ask("HEAD /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
	is($answer && $answer->[0], 200, 'HEAD /healthz');
}
{
	my $client = $server->client(upgrade => 0);
	is_deeply([ map { $client->http($_ == 1 ? $second x 3 : undef)->[0] } 1 .. 3 ], [ 200, 200, 200 ],
		'three pipelined requests on one connection');
}
{
	my $client = $server->client(upgrade => 0);
	$client->send_raw($_) for split //, upgrade();
	is($client->http(undef, 5)->[0], 101, 'a request that comes a byte at a time');
	ok($client->heartbeat, 'is a WebSocket then');
}
{
	my $client = $server->client(upgrade => 0);
	$client->send_raw(upgrade() . WebSocketClient::frame(1, '[null,"1","phoenix","heartbeat",{}]'));
	is($client->http(undef, 5)->[0], 101, 'a frame in the same segment as the request');
	ok($client->reply('1', 5), 'is answered');
}

#
# Slowloris: clients that never finish their request do not keep others out,
# and are closed when the header timeout is over.
#
{
	my $start = time();
	my @slow = map { $server->client(upgrade => 0) } 1 .. 300;
	my @silent = map { $server->client(upgrade => 0) } 1 .. 300;

	while (time() - $start < 1.5)
	{
		$_->send_raw('G', 0) for @slow;
		my $good_start = time();
		my $good = $server->member('good');
		cmp_ok(time() - $good_start, '<', 1, 'a good client connects and joins');
		$good->abandon;
		select undef, undef, undef, 0.5;
	}
	is(scalar(grep { $_->wait_eof(4) } @slow, @silent), 600, 'the slow ones are closed');
	cmp_ok(time() - $start, '<', 2 + 2 + 2, 'at the header timeout');
}

is($server->gateway_pid, $gateway, 'all of this was one gateway');
$server->cluster_alive('after broken requests');

done_testing();
