# HTTP that no client would send (reliability.md B1 to B3, B5 to B7), over the wire
# and one case after the other: on every path that is upgraded, on every path
# that takes a body.  Behind each request stands another one, which is answered
# or not, as the first one deserves.  After each case the gateway is the same
# and has the memory and the descriptors that it had.

use strict;
use warnings;

use Baseline;
use JSON::PP;
use LogSecrets;
use RealtimeServer;
use Test::More;

my $server = RealtimeServer->start_new('http_table', conf => <<'CONF');
realtime.idle_timeout = 10min
realtime.allowed_origins = 'https://good.example'
CONF
my $gateway = $server->gateway_pid;
my $token = $server->anon_token;

$server->sql('SELECT realtime.setup_api_roles()');
$server->sql(q{CREATE POLICY everybody ON realtime.messages FOR INSERT TO anon, authenticated WITH CHECK (true)});
$server->sql(q{INSERT INTO realtime.channels (pattern) VALUES ('room:%')});
my $channel = $server->sql('SELECT id FROM realtime.channels');
my $admin_key = $server->sql(q{SELECT realtime.create_api_key('table')});
my $agent_key = $server->sql(q{SELECT api_key FROM realtime.create_agent('an-agent')});
my $bystander = $server->member('bystander');

# What stands behind each request, and the answer to it.
my $second = "GET /api/ping HTTP/1.1\r\nHost: localhost\r\n\r\n";

# Send a request and the second one: [status, head, body] of the first answer and
# the status of the second one, 'closed' where the connection ends instead.
sub both
{
	my ($request) = @_;
	my $client = $server->client(upgrade => 0);
	my $first = $client->http($request . $second, 20) // [ 'none', '', '' ];

	$first = $client->http(undef, 20) // [ 'none', '', '' ] while $first->[0] eq '100';
	my $next = $client->http(undef, 20);
	my $end = $next ? $next->[0] : $client->wait_eof(5) && $client->{in} eq '' ? 'closed' : 'open';
	$client->abandon;
	return ($first, $end);
}

my $baseline;
my $cases = 0;

# One case.  $end is 'closed' or the status of the second answer; a list of
# statuses is given where several would do.
sub case
{
	my ($row, $name, $request, $wanted, $end, $look) = @_;
	my ($first, $then) = both($request);

	$cases++;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @wanted = ref $wanted ? @$wanted : ($wanted);
	ok((grep { $_ eq $first->[0] } @wanted) && $then eq $end, "$row: $name: @wanted, then $end")
	  or diag("got $first->[0], then $then: $first->[2]");
	$look->($first) if $look;
	$baseline->returns("$row: $name");
	return;
}

#
# The measures themselves: they would notice
#
{
	my $measure = Baseline->take($server, memory_kb => 2048);
	my @idle = map { $server->client(upgrade => 0) } 1 .. 3;
	wait_for(sub { $measure->difference =~ /^\d+ descriptors instead of/ }, 'three connections to be noticed');
	$_->abandon for @idle;
	$measure->returns('three connections that are gone');
	my $hoard = $server->client;
	$hoard->send_raw(substr(WebSocketClient::frame(WebSocketClient::TEXT, 'x' x 2_800_000), 0, 2_700_000));
	$measure->{descriptors}++;
	$measure->{sockets}++;
	wait_for(sub { $measure->difference =~ /^\d+ kB instead of/ }, 'memory to be noticed');
	pass('memory is noticed');
	$hoard->abandon;

	my $key = 'ik_' . 'a1' x 32;
	is(scalar(LogSecrets::found_in($_->[1])), $_->[2], "$_->[0] in a log") for
	  [ 'a token', "LOG:  GET /?apikey=$token&x", 2 ], [ 'half a token', 'x ' . substr($token, 0, 30), 1 ],
	  [ 'the claims of one', (split /\./, $token)[1], 1 ], [ 'a key', "DETAIL:  key $key", 1 ],
	  [ 'the secret', "secret = '$RealtimeServer::jwt_secret'", 1 ], [ 'nothing of that', 'LOG:  realtime.jwt_secret was changed', 0 ];
}

# What comes first takes memory that is kept.
both("POST /api/broadcast HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer $token\r\nContent-Length: 1000000\r\n\r\n" . ' ' x 1_000_000);
$baseline = Baseline->take($server, memory_kb => 8 * 1024);

#
# B1, B5: handshakes, on each path that is upgraded.  [name, headers that differ,
# request line, statuses on Phoenix' paths]; Engine.IO has 400 and 403 for all.
#
my %upgraded = (
	'/realtime/v1/websocket' => "/realtime/v1/websocket?vsn=2.0.0&apikey=$token",
	'/socket/websocket' => "/socket/websocket?vsn=1.0.0&apikey=$token",
	'/socket.io/' => '/socket.io/?EIO=4&transport=websocket');
my @good_key = ('dGhlIHNhbXBsZSBub25jZQ==');
for (
	(map { my $method = $_; [ $method, {}, sub { "$method $_[0] HTTP/1.1" }, 405 ] } qw(POST PUT DELETE PATCH TRACE FOO)),
	[ 'HEAD', {}, sub { "HEAD $_[0] HTTP/1.1" }, 405 ],
	[ 'HTTP/1.0', {}, sub { "GET $_[0] HTTP/1.0" }, [ 400, 426 ] ],
	[ 'HTTP/0.9', {}, sub { "GET $_[0] HTTP/0.9" }, 505 ],
	[ 'HTTP/2.0', {}, sub { "GET $_[0] HTTP/2.0" }, 505 ],
	[ 'HTTP/1.2', {}, sub { "GET $_[0] HTTP/1.2" }, 505 ],
	[ 'no Host', { host => [] }, undef, 400 ],
	[ 'two Hosts', { host => [ 'localhost', 'localhost' ] }, undef, 400 ],
	[ 'an empty Host', { host => [''] }, undef, 400 ],
	[ 'a Host with a path', { host => ['localhost/x'] }, undef, 400 ],
	[ 'a Host with a user', { host => ['a@localhost'] }, undef, 400 ],
	[ 'two Hosts in one', { host => ['a, b'] }, undef, 400 ],
	[ 'no Upgrade', { upgrade => [] }, undef, [ 400, 426 ] ],
	[ 'Upgrade: websockets', { upgrade => ['websockets'] }, undef, [ 400, 426 ] ],
	[ 'Upgrade: h2c', { upgrade => ['h2c'] }, undef, [ 400, 426 ] ],
	[ 'no Connection', { connection => [] }, undef, [ 400, 426 ] ],
	[ 'Connection: close', { connection => ['close'] }, undef, [ 400, 426 ] ],
	[ 'no key', { 'sec-websocket-key' => [] }, undef, 400 ],
	[ 'two keys', { 'sec-websocket-key' => [ @good_key, @good_key ] }, undef, 400 ],
	[ 'an empty key', { 'sec-websocket-key' => [''] }, undef, 400 ],
	[ 'a key of 15 bytes', { 'sec-websocket-key' => ['dGhlIHNhbXBsZSBub25j'] }, undef, 400 ],
	[ 'a key of 17 bytes', { 'sec-websocket-key' => ['dGhlIHNhbXBsZSBub25jZTE='] }, undef, 400 ],
	[ 'a key without padding', { 'sec-websocket-key' => ['dGhlIHNhbXBsZSBub25jZQAA'] }, undef, 400 ],
	[ 'a key that is no base64', { 'sec-websocket-key' => ['dGhlIHNhbXBsZSBub25j-Q=='] }, undef, 400 ],
	[ 'a key of 4 KiB', { 'sec-websocket-key' => [ 'A' x 4096 ] }, undef, 400 ],
	(map { [ "version \"$_\"", { 'sec-websocket-version' => [$_] }, undef, [ 400, 426 ] ] } '', 0, 8, 12, 14, 99, '013', '13, 8', '13.0', -13),
	[ 'no version', { 'sec-websocket-version' => [] }, undef, [ 400, 426 ] ],
	[ 'two versions', { 'sec-websocket-version' => [ 13, 13 ] }, undef, 400 ],
	[ 'a body', { 'content-length' => [5] }, undef, 400 ],
	[ 'a body in chunks', { 'transfer-encoding' => ['chunked'] }, undef, 400 ],
	(map { [ "origin $_", { origin => [$_] }, undef, 403 ] } 'https://evil.example', 'null', 'http://good.example',
		'https://good.example:8443', 'https://good.example.evil', 'https://evil.example/https://good.example', 'https://good.example@evil.example',
		'https://good.example/', 'good.example', '*', ''),
	[ 'two origins', { origin => [ 'https://good.example', 'https://evil.example' ] }, undef, 403 ],
	[ 'one origin twice', { origin => [ ('https://good.example') x 2 ] }, undef, 403 ],
	[ 'two origins in one', { origin => ['https://good.example, https://evil.example'] }, undef, 403 ])
{
	my ($name, $headers, $line, $wanted) = @$_;

	for my $path (sort keys %upgraded)
	{
		my $target = $upgraded{$path};
		my $request = WebSocketClient::upgrade_request($target, $headers, $line ? $line->($target) : undef);
		my $engine = $path eq '/socket.io/';
		# its connection goes on, and the head of a head has no body to be read
		next if $engine && $name eq 'HEAD';
		my @statuses = ref $wanted ? @$wanted : ($wanted);
		# polling lives at the same path, with other methods and without an upgrade
		@statuses = map { $_ == 405 || $_ == 426 ? 400 : $_ } @statuses if $engine;
		my ($first, $then) = both($request);

		$cases++;
		ok((grep { $_ eq $first->[0] } @statuses), "B1, B5: $path, $name: @statuses")
		  or diag("got $first->[0], then $then");
		is($then, 'closed', "B1, B5: $path, $name: and the connection ends") unless $engine;
		like($first->[1], qr/^sec-websocket-version: *13\r$/mi, "$path, $name: told which version is spoken") if $first->[0] eq '426';
	}
	$baseline->returns("B1, B5: $name");
}

#
# B6: an upgrade octet by octet, and frames in its segment
#
for my $path (sort keys %upgraded)
{
	my $frame = WebSocketClient::frame(WebSocketClient::PING, 'at once');
	my $request = WebSocketClient::upgrade_request($upgraded{$path}, { origin => ['https://good.example'] });

	for my $way ('in one segment', 'octet by octet')
	{
		my $client = $server->client(upgrade => 0);
		$client->send_raw($_) for $way eq 'in one segment' ? $request . $frame : split //, $request . $frame;
		is($client->http(undef)->[0], 101, "B6: $path $way: upgraded");
		my $got;
		wait_for(sub { $got = $client->next_frame; !$got || $got->{opcode} == WebSocketClient::PONG }, 'a pong');
		is($got && $got->{payload}, 'at once', "B6: $path $way: and the frame is answered");
		$client->abandon;
		$baseline->returns("B6: $path $way");
	}
}

#
# B2: what two parsers could read differently, where a body would be read
#
my $post = "POST /api/broadcast HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer $token\r\nContent-Type: application/json\r\n";
my $get = "GET /api/ping HTTP/1.1\r\nHost: localhost\r\n";
my $body = '{"messages":[{"topic":"t","event":"e","payload":{}}]}';
my $length = length $body;
my $hex = sprintf '%x', $length;
my $chunked = "${post}Transfer-Encoding: chunked\r\n\r\n";

case('B2', 'a good body', "${post}Content-Length: $length\r\n\r\n$body", 202, 200);
case('B2', 'good chunks', "$chunked$hex\r\n$body\r\n0\r\n\r\n", 202, 200);
case('B2', 'chunks with an extension and a trailer', "$chunked$hex;a=\"b\"\r\n$body\r\n000\r\nX-A: 1\r\n\r\n", 202, 200);
case('B2', 'CHUNKED in capitals', "${post}Transfer-Encoding: CHUNKED\r\n\r\n$hex\r\n$body\r\n0\r\n\r\n", 202, 200);
case('B2', 'an empty line before the request', "\r\n${post}Content-Length: $length\r\n\r\n$body", 202, 200);
case('B2', 'absolute form with the authority of Host', $get =~ s{ /}{ http://localhost/}r . "\r\n", 200, 200);
case('B2', 'OPTIONS *', "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 404, 200);
for (
	[ 'Content-Length and Transfer-Encoding', "${post}Content-Length: $length\r\nTransfer-Encoding: chunked\r\n\r\n$hex\r\n$body\r\n0\r\n\r\n" ],
	[ 'the other way round', "${post}Transfer-Encoding: chunked\r\nContent-Length: $length\r\n\r\n0\r\n\r\n" ],
	[ 'one length twice', "${post}Content-Length: $length\r\nContent-Length: $length\r\n\r\n$body" ],
	(map { [ "Content-Length: $_", "${post}Content-Length: $_\r\n\r\n$body" ] } "$length, $length", "+$length", "-$length", "0x$hex", "$length.0",
		"$length $length", "${length}e0", '', ' ', '9' x 19, '9' x 100, "\xd9\xa5"),
	[ 'Transfer-Encoding twice', "${post}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" ],
	(map { [ "Transfer-Encoding: $_", "${post}Transfer-Encoding: $_\r\n\r\n0\r\n\r\n" ] } 'xchunked', 'chunked, chunked', 'chunked, identity',
		'identity, chunked', 'gzip, chunked', 'chunked;q=1', '"chunked"', 'identity', '', 'chunked,', "chun\tked", "\xa0chunked"),
	[ 'chunks in HTTP/1.0', $chunked =~ s/1\.1/1.0/r . "0\r\n\r\n" ],
	(map { [ "a chunk of \"$_->[0]\" bytes", "$chunked$_->[1]\r\n$body\r\n0\r\n\r\n" ] } [ 'zz', 'zz' ], [ '-1', '-1' ], [ '+1', "+$hex" ], [ '0x', "0x$hex" ],
		[ 'blank in front', " $hex" ], [ 'blank behind', "$hex " ], [ 'tab behind', "$hex\t;x" ], [ 'nothing', '' ], [ ';', ';x' ], [ '17 digits', '0' x 15 . $hex ],
		[ 'control byte', "$hex;\x01" ]),
	[ 'a line feed behind the size', "$chunked$hex\n$body\r\n0\r\n\r\n" ],
	[ 'a line feed behind the data', "$chunked$hex\r\n$body\n0\r\n\r\n" ],
	[ 'more data than the chunk has', "$chunked$hex\r\n${body}x\r\n0\r\n\r\n" ],
	[ 'a folded trailer', "$chunked$hex\r\n$body\r\n0\r\nX: 1\r\n 2\r\n\r\n" ],
	[ 'extensions of 100 kB', "$chunked$hex;" . 'x' x 100_000 . "\r\n$body\r\n0\r\n\r\n" ],
	[ 'a trailer of 100 kB', "$chunked$hex\r\n$body\r\n0\r\nX: " . 'x' x 100_000 . "\r\n\r\n" ],
	(map { [ "header name \"$_\"", "${get}$_: 1\r\n\r\n" ] } 'X A', 'X-A ', ' X-A', "X\tA", '(X)', 'X/A', "X\xc3\xa4", '"X"', '', 'X@A', "X\x00", "X\x7f"),
	[ 'a header without a colon', "${get}X-A\r\n\r\n" ],
	[ 'a folded header', "${get}X-A: 1\r\n\t2\r\n\r\n" ],
	(map { [ sprintf('byte %02x in a value', ord), "${get}X-A: 1${_}2\r\n\r\n" ] } "\x00", "\x01", "\x08", "\x0b", "\x0c", "\x1b", "\x7f", "\r", "\n"),
	[ 'bare line feeds', "GET /api/ping HTTP/1.1\nHost: localhost\n\n" ],
	[ 'a bare line feed at the end', "${get}X-A: 1\r\n\n" ],
	[ 'two carriage returns', "${get}X-A: 1\r\r\n\r\n" ],
	(map { [ "request line \"$_\"", "$_\r\nHost: localhost\r\n\r\n" ] } 'GET /api/ping', 'GET  /api/ping HTTP/1.1', "GET\t/api/ping HTTP/1.1", 'GET /api/ping  HTTP/1.1',
		'GET /api/ping HTTP/1.1 ', ' GET /api/ping HTTP/1.1', 'GET /api/ping http/1.1', 'GET /api/ping HTTP/11', 'GET /api/ping HTTP/1.01', 'GET /api/ping HTTP/1.1 x',
		'GET /api/pi ng HTTP/1.1', 'G(E)T /api/ping HTTP/1.1', "GET /api/p\xc3\xafng HTTP/1.1", 'GET /api/ping#x HTTP/1.1', 'GET api/ping HTTP/1.1', 'GET * HTTP/1.1',
		'CONNECT localhost:80 HTTP/1.1', 'GET http:///api/ping HTTP/1.1', 'GET ftp://localhost/api/ping HTTP/1.1', 'GET http://evil.example/api/ping HTTP/1.1',
		'GET http://a@localhost/api/ping HTTP/1.1', 'GET http://localhost:1/api/ping HTTP/1.1'),
	[ 'two empty lines before the request', "\r\n\r\n$get\r\n" ],
	[ 'a TLS handshake', "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" . "\x55" x 512 ],
	[ 'the preface of HTTP/2', "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505 ],
	[ 'a startup packet of PostgreSQL', pack('NNZ*Z*x', 30, 196608, 'user', 'postgres') ])
{
	my ($name, $request, $status) = @$_;
	$status //= $name =~ /HTTP\/2/ ? [ 400, 505 ] : 400;
	case('B2', $name, $request, $status, 'closed');
}

#
# B3: too much of everything
#
my $filler = sub { my ($bytes) = @_; my $head = "${get}X-A: "; return $head . 'a' x ($bytes - length($head) - 4) . "\r\n\r\n"; };
case('B3', 'a head of 16 KiB less a byte', $filler->(16 * 1024 - 1), 200, 200);
case('B3', 'a head of 16 KiB and a byte', $filler->(16 * 1024 + 1), 431, 'closed');
case('B3', '100 headers', $get . join('', map { "X-$_: 1\r\n" } 1 .. 99) . "\r\n", 200, 200);
case('B3', '101 headers', $get . join('', map { "X-$_: 1\r\n" } 1 .. 100) . "\r\n", 431, 'closed');
for (
	[ 'a header of 64 KiB', "${get}X-A: " . 'a' x 65536 . "\r\n\r\n", 431 ],
	[ 'a header name of 64 KiB', $get . 'a' x 65536 . ": 1\r\n\r\n", 431 ],
	[ '5,000 headers', $get . join('', map { "X-$_: 1\r\n" } 1 .. 5000) . "\r\n", 431 ],
	[ 'a target of 64 KiB', 'GET /' . 'a' x 65536 . " HTTP/1.1\r\nHost: localhost\r\n\r\n", 414 ],
	[ 'a method of 64 KiB', 'G' x 65536 . " / HTTP/1.1\r\nHost: localhost\r\n\r\n", 414 ],
	[ 'a megabyte without a line end', 'a' x 1048576, 414 ])
{
	my ($name, $request, $status) = @$_;
	# the server may close while we still send, and the reset eat its answer
	my $client = $server->client(upgrade => 0);
	my $answer = $client->http($request, 10);
	my $got = $answer ? $answer->[0] : 'reset';

	$cases++;
	ok($got eq $status || $got eq 'reset', "B3: $name: $status") or diag("got $got");
	ok($client->wait_eof(5), "B3: $name: and the connection ends");
	$client->abandon;
	$baseline->returns("B3: $name");
}
{
	# the bytes of a head that is not complete are all that is kept
	my $before = $server->memory_kb($gateway, 'RssAnon');
	my @clients = map { $server->client(upgrade => 0) } 1 .. 200;

	$_->send_raw($get . 'X-A: ' . 'a' x 16_200) for @clients;
	ok($server->healthy, 'B3: 200 heads of which the end is missing');
	my $each = ($server->memory_kb($gateway, 'RssAnon') - $before) / @clients;
	cmp_ok($each, '<', 40, sprintf 'B3: cost %.1f kB each', $each);
	$_->send_raw('a' x 200_000, 0) for @clients;
	ok($_->wait_eof(10) || 1) for @clients[ 0, 1 ];
	$_->abandon for @clients;
	$baseline->returns('B3: unfinished heads');
}

#
# B7: bodies, on every path that takes one.  What each path says to what is
# JSON, but not what it wants, is its own affair: 2xx or 4xx.
#
my %keys = (authorization => "Authorization: Bearer $token\r\n", admin => "X-API-Key: $admin_key\r\n", agent => "X-API-Key: $agent_key\r\n");
my @bodies = (                  # method, path, key, largest body
	[ 'POST', '/realtime/v1/api/broadcast', 'authorization', 8_000_000 ],
	[ 'POST', '/api/broadcast', 'authorization', 8_000_000 ],
	[ 'POST', '/api/broadcast/room/events/e', 'authorization', 8_000_000 ],
	[ 'POST', '/functions/v1/realtime-publish', 'agent', 16_000 ],
	[ 'POST', '/api/realtime/channels', 'admin', 1_000_000 ],
	[ 'PUT', "/api/realtime/channels/$channel", 'admin', 1_000_000 ],
	[ 'PATCH', '/api/realtime/config', 'admin', 1_000_000 ],
	[ 'POST', '/api/realtime/broadcast', 'admin', 8_000_000 ]);
my $message = sub { return qq({"channel":"room:1","topic":"room","event":"e","payload":$_[0],"messages":[{"topic":"room","event":"e","payload":$_[0]}],"pattern":"room:%","endUserId":"ann"}); };
my $deep = sub { my ($n) = @_; return '[' x $n . ']' x $n; };
my @texts = (                   # name, text, is it JSON?
	[ 'nothing', '', 'none' ],
	[ 'broken JSON', '{"a":', 0 ],
	[ 'two values', '{} {}', 0 ],
	[ 'a byte order mark', "\xef\xbb\xbf" . $message->('{}'), 0 ],
	[ 'a comma too much', '{"a":1,}', 0 ],
	[ 'single quotes', "{'a':1}", 0 ],
	[ 'NaN', $message->('{"n":NaN}'), 0 ],
	[ 'Infinity', $message->('{"n":-Infinity}'), 0 ],
	[ 'hexadecimal', $message->('{"n":0x10}'), 0 ],
	[ 'a leading zero', $message->('{"n":01}'), 0 ],
	[ 'invalid UTF-8', $message->("\"\xff\xfe\""), 0 ],
	[ 'an overlong byte', $message->("\"\xc0\xaf\""), 0 ],
	[ 'UTF-16', "\xfe\xff\x00{\x00}", 0 ],
	[ 'a control character', $message->("\"\x01\""), 0 ],
	[ 'a lone surrogate', $message->('"\ud800"'), 0 ],
	[ 'U+0000', $message->('{"a":"\u0000"}'), 0 ],
	[ '7,000 arrays in each other', $message->($deep->(7000)), 0 ],
	[ '100,000 arrays in each other', $message->($deep->(100_000)), 0 ],
	[ '100,000 objects in each other', '{"a":' x 100_000, 0 ],
	[ '400,000 brackets', '[' x 400_000, 0 ],
	[ 'null', 'null', 1 ], [ 'a number', '7', 1 ], [ 'a string', '"x"', 1 ], [ 'an array', '[]', 1 ], [ 'an object', '{}', 1 ],
	[ '1e400 and -0', $message->('{"a":1e400,"b":-0,"c":-1e-400,"d":' . '9' x 400 . '}'), 1 ],
	[ '1e999999999', $message->('{"a":1e999999999}'), 1 ],
	[ 'duplicate keys', '{"payload":1,"payload":{"a":1,"a":2},"__proto__":{"x":1},"constructor":null,' . substr($message->('{"a":1,"a":2}'), 1), 1 ],
	[ '50,000 keys', $message->('{' . join(',', map { "\"k$_\":$_" } 1 .. 50_000) . '}'), 1 ],
	[ 'a key of 400 kB', $message->('{"' . 'k' x 400_000 . '":1}'), 1 ],
	[ 'an empty key', '{"":{"":""},' . substr($message->('{"":{}}'), 1), 1 ]);

my $stack = $server->memory_kb($gateway, 'VmStk');
for (@bodies)
{
	my ($method, $path, $key, $most) = @$_;
	my $head = sub { return "$method $path HTTP/1.1\r\nHost: localhost\r\n$keys{$key}" . ($_[0] // '') . "Content-Type: application/json\r\n"; };
	my $ask = sub { return $head->($_[1]) . 'Content-Length: ' . length($_[0]) . "\r\n\r\n$_[0]"; };
	my $readable = sub {
		my ($answer) = @_;
		ok($answer->[2] eq '' || eval { JSON::PP->new->utf8->allow_nonref->decode($answer->[2]); 1 }, "... in JSON") or diag($answer->[2]);
	};
	# one message by path may have an empty body, as a change of nothing
	for (@texts)
	{
		my ($name, $text, $json) = @$_;
		my $wanted = length $text > $most ? 413
		  : $json eq 'none' ? ($path =~ m{events/e$} ? 202 : $method eq 'PUT' ? 200 : [ 400, 422 ])
		  : $json ? [ 200, 201, 202, 400, 404, 409, 413, 422 ] : 400;
		my ($first, $then) = both($ask->($text));
		my @wanted = ref $wanted ? @$wanted : ($wanted);

		$cases++;
		ok((grep { $_ eq $first->[0] } @wanted), "B7: $method $path, $name: @wanted") or diag("got $first->[0], then $then: $first->[2]");
		ok($then eq '200' || ($then eq 'closed' && $first->[0] eq '413'), '... and the next request is answered') or diag("got $then");
		$readable->($first);
		$baseline->returns("B7: $method $path, $name");
	}
	case('B7', "$method $path, Expect: tea", $ask->('{}', "Expect: tea\r\n"), 417, 'closed');
	case('B7', "$method $path, Expect twice", $ask->('{}', "Expect: 100-continue\r\nExpect: 100-continue\r\n"), 417, 'closed');
	case('B7', "$method $path, Range", $ask->('{"a":', "Range: bytes=0-1,5-,-3\r\nIf-Range: x\r\n"), 400, 200);
	case('B7', "$method $path, FOO", "FOO $path HTTP/1.1\r\nHost: localhost\r\n$keys{$key}\r\n", 405, 200, sub { like($_[0][1], qr/^Allow: .*$method/mi, '... with Allow'); });
	case('B7', "$method $path, preflight", "OPTIONS $path HTTP/1.1\r\nHost: localhost\r\nOrigin: https://good.example\r\nAccess-Control-Request-Method: $method\r\n\r\n", 204, 200,
		sub { like($_[0][1], qr{^Access-Control-Allow-Origin: https://good.example\r$}mi, '... of an allowed origin'); });
	case('B7', "$method $path, preflight of others", "OPTIONS $path HTTP/1.1\r\nHost: localhost\r\nOrigin: https://good.example.evil\r\nAccess-Control-Request-Method: $method\r\n\r\n", 204, 200,
		sub { unlike($_[0][1], qr{^Access-Control-Allow-Origin}mi, '... none for another one'); });
	case('B7', "$method $path, no key", "$method $path HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}", 401, 200);
}
is($server->memory_kb($gateway, 'VmStk'), $stack, 'B7: the stack has not grown');

$server->sql('TRUNCATE realtime.messages');

# What is got: with a head, with ranges, with names that are none
for my $path ('/healthz', '/metrics', '/api/ping', '/realtime/v1/api/ping', '/healthcheck', '/api/realtime/channels', '/api/realtime/messages',
	'/api/realtime/messages/stats', '/api/realtime/permissions', '/api/realtime/config', "/api/realtime/channels/$channel")
{
	my $headers = "Host: localhost\r\n$keys{admin}";
	my ($full) = both("GET $path HTTP/1.1\r\n$headers\r\n");

	is($full->[0], 200, "B7: GET $path");
	case('B7', "GET $path with a range", "GET $path HTTP/1.1\r\n${headers}Range: bytes=0-0\r\nIf-None-Match: *\r\nIf-Modified-Since: x\r\n\r\n", 200, 200,
		sub { unlike($_[0][1], qr/^Content-Range/mi, '... which is not heeded'); });
	case('B7', "GET $path with a body", "GET $path HTTP/1.1\r\n${headers}Content-Length: 3\r\n\r\nabc", 200, 200);
	# the client takes Content-Length for a body, so the head is looked at by hand
	my $client = $server->client(upgrade => 0);
	$client->send_raw("HEAD $path HTTP/1.1\r\n$headers\r\n$second");
	wait_for(sub { $client->read_more(0.1); $client->{in} =~ /Success/ }, "the answers to HEAD $path");
	like($client->{in}, qr{\AHTTP/1.1 200 [^\0]*?\r\n\r\nHTTP/1.1 200 }, "B7: HEAD $path: a head and no body");
	$client->abandon;
	$baseline->returns("B7: HEAD $path");
}
for my $name ('%00', '%2', '%zz', '%ff', '%c0%af', '..', '%2e%2e%2f', 'a%0d%0aX-Evil:1', '"', '\\', '<script>', '{}', 'x' x 4000)
{
	my ($first, $then) = both("GET /api/realtime/channels/$name HTTP/1.1\r\nHost: localhost\r\n$keys{admin}\r\n");
	my ($unknown) = both("GET /api/realtime/$name HTTP/1.1\r\nHost: localhost\r\n$keys{admin}\r\n");

	$cases += 2;
	my $shown = substr($name, 0, 20);
	like($first->[0], qr/^4/, "B7: channel $shown");
	like($unknown->[0], qr/^4/, "B7: path $shown");
	unlike($first->[1] . $unknown->[1], qr/x-evil/i, '... is no header');
	ok(eval { decode_json($_->[2]); 1 }, '... and the answer is JSON') or diag($_->[2]) for $first, $unknown;
	$baseline->returns("B7: $shown");
}

ok($bystander->heartbeat, 'a bystander is served');
is($server->gateway_pid, $gateway, 'all of this was one gateway');
note("$cases cases");
$baseline->agrees(1);
$server->cluster_alive('after all of that');
done_testing();
