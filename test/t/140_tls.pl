# TLS as a client meets it: what is spoken and what is refused, both ends of a
# connection, much at once in both directions, and somebody who breaks off.

use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;
use TlsFiles;
use WebSocketClient;

my $files = TlsFiles->new;
my ($certificate, $key) = $files->certificate;
my $server = RealtimeServer->start_new('tls', tls => $files,
	conf => $files->conf($certificate, $key));
my $gateway = $server->gateway_pid;
my $address = '127.0.0.1:' . $server->port;

# openssl s_client with these arguments, given $input; returns all that it says.
sub s_client
{
	my ($input, @arguments) = @_;
	my $out = '';
	my $client = IPC::Run::harness([ 'openssl', 's_client', '-connect', $address, '-CAfile', $files->ca, @arguments ],
		'<', \$input, '>&', \$out, IPC::Run::timeout($RealtimeServer::patience));

	$client->finish if eval { $client->start; 1 };
	return $out;
}

# The same, where what is typed depends on what has been answered: pairs of a
# text to type and a pattern to wait for.
sub talk
{
	my ($arguments, @talk) = @_;
	my ($in, $out) = ('', '');
	my $client = IPC::Run::start([ 'openssl', 's_client', '-connect', $address, '-CAfile', $files->ca, @$arguments ],
		'<', \$in, '>&', \$out, IPC::Run::timeout($RealtimeServer::patience));

	while (my ($text, $wanted) = splice @talk, 0, 2)
	{
		$in .= $text;
		$client->pump until $out =~ $wanted;
	}
	$client->kill_kill;
	return $out;
}

# curl, which takes nothing on trust.
sub curl
{
	my (@arguments) = @_;
	my ($out, $err) = ('', '');

	IPC::Run::run([ 'curl', '--silent', '--show-error', '--cacert', $files->ca, @arguments ],
		'<', \undef, '>', \$out, '2>', \$err);
	return $out . $err;
}

my $get = "GET /healthcheck HTTP/1.1\r\nHost: localhost\r\n\r\n";

# Versions and suites.
for my $version ('tls1', 'tls1_1')
{
	my $out = s_client('', "-$version", '-cipher', 'DEFAULT@SECLEVEL=0');
	like($out, qr/alert protocol version|tlsv1 alert/, "$version is refused, and told so");
	like($out, qr/Cipher is \(NONE\)/, 'there is no connection');
}
for my $version ('tls1_2', 'tls1_3')
{
	my $out = s_client('', "-$version");
	like($out, qr/Verify return code: 0 \(ok\)/, "$version is spoken");
	like($out, qr/Cipher is \S*(?:GCM|POLY1305)/, 'with authenticated encryption');
}
like(s_client('', '-tls1_2', '-cipher', 'AES128-SHA:AES256-GCM-SHA384:ECDHE-RSA-AES128-SHA'),
	qr/handshake failure/, 'suites without forward secrecy are refused');
unlike(s_client('', '-tls1_3', '-reconnect'), qr/^Reused/m, 'sessions are not resumed');

# Protocols.
like(s_client('', '-alpn', 'h2,http/1.1'), qr/ALPN protocol: http\/1\.1/, 'http/1.1 is chosen');
like(s_client('', '-alpn', 'h2'), qr/no application protocol/, 'who cannot speak it is told so');
like(s_client('', '-servername', 'other.example'), qr/Verify return code: 0/, 'any name is answered');

# Names that are none.  The bytes of a ClientHello are made here: a library would
# not send them.
sub hello
{
	my ($name) = @_;
	my $extension = sub { my ($type, $data) = @_; return pack('n n/a', $type, $data); };
	my $extensions = $extension->(0, $name)
	  . $extension->(10, pack('n n', 2, 29))
	  . $extension->(13, pack('n n', 2, 0x0403))
	  . $extension->(43, pack('C n', 2, 0x0304))
	  . $extension->(51, pack('n n n/a', 36, 29, 'k' x 32));
	my $body = pack('n', 0x0303) . 'r' x 32 . pack('C/a', '') . pack('n n', 2, 0x1301) . pack('C C', 1, 0)
	  . pack('n/a', $extensions);

	return pack('C n n/a', 22, 0x0301, pack('C C n', 1, 0, length $body) . $body);
}

my %names = (
	'an empty list' => pack('n', 0),
	'a list longer than it is' => pack('n C n/a', 200, 0, 'localhost'),
	'a name longer than it is' => pack('n C n', 12, 0, 500) . 'localhost',
	'an empty name' => pack('n C n', 3, 0, 0),
	'a zero byte' => pack('n/a', pack('C n/a', 0, "local\0host")),
	'a name of 300 bytes' => pack('n/a', pack('C n/a', 0, 'n' x 300)),
	'two names' => pack('n/a', pack('C n/a', 0, 'one') . pack('C n/a', 0, 'two')),
	'another kind of name' => pack('n/a', pack('C n/a', 7, 'localhost')),
	'nothing' => '');

for my $what (sort keys %names)
{
	my $client = WebSocketClient->connect(port => $server->port, upgrade => 0);

	$client->send_raw(hello($names{$what}));
	wait_for(sub { $client->read_more(1) || $client->eof }, 'an answer');
	like($client->{in}, qr/^(?:\x15\x03.\0\x02\x02|\x16)/s, "$what as a name: an alert, or the name is ignored");
	$client->abandon;
}
{
	my $client = WebSocketClient->connect(port => $server->port, upgrade => 0);

	$client->send_raw(hello(pack('n/a', pack('C n/a', 0, '\'; DROP TABLE x; --'))));
	ok(wait_for(sub { $client->read_more(1) && $client->{in} =~ /^\x16/ }, 'a hello'), 'an odd name is a name');
	$client->abandon;
}

# What is no TLS at all.
{
	my $client = WebSocketClient->connect(port => $server->port, upgrade => 0);
	my $answer = $client->http($get);

	is($answer->[0], 400, 'HTTP without TLS is answered');
	like($answer->[2], qr/this port speaks TLS: use https or wss/, 'with what to do');
	ok($client->wait_eof, 'and closed');
	for my $bytes ("\0" x 100, "SSH-2.0-x\r\n", pack('C*', 22, 3, 1, 255, 255) . 'x' x 100)
	{
		$client = WebSocketClient->connect(port => $server->port, upgrade => 0);
		$client->send_raw($bytes);
		ok($client->wait_eof, 'other bytes are not');
		$client->abandon;
	}
}

# Renegotiation, by the client.
{
	my $out = talk([ '-tls1_2', '-crlf' ], "R\n", qr/RENEGOTIATING.*\n/);

	like($out, qr/RENEGOTIATING/, 'the client asks to renegotiate');
	$out = talk([ '-tls1_2' ], "R\n", qr/no renegotiation/);
	like($out, qr/no renegotiation/, 'and is refused');
}

# New keys, again and again, which we have to answer with new ones of ours.
{
	my @change = map { ("K\n", qr/(?:KEYUPDATE.*){$_}/s) } 1 .. 5;
	my $out = talk([ '-tls1_3', '-crlf' ], @change, "GET /healthcheck HTTP/1.1\nHost: localhost\n\n", qr/\nok/);

	like($out, qr{HTTP/1\.1 200 OK}, 'keys are changed');
}

# REST by curl.
{
	my $url = "https://localhost:" . $server->port;
	my $client = $server->member('rest');

	is(curl("$url/healthcheck"), 'ok', 'curl trusts the certificate');
	like(curl('--tls-max', '1.1', "$url/healthcheck"), qr/^curl: \(35\)/, 'and cannot speak less');
	is(curl('-o', '/dev/null', '-w', '%{http_code}', '-H', 'apikey: ' . $server->token(role => 'service_role'),
			'-H', 'Content-Type: application/json', '-d',
			'{"messages":[{"topic":"rest","event":"e","payload":{"by":"curl"}}]}',
			"$url/realtime/v1/api/broadcast"), '202', 'a broadcast');
	is($client->broadcast->{payload}{by}, 'curl', 'is heard');
	$client->abandon;
}

# Much in both directions: messages larger than a record, and many that are
# smaller, while nothing is read for a while, so that records are cut everywhere.
{
	my $client = $server->member('much', receive_buffer => 32768);
	my $large = 'x' x 700_000;

	$server->sql(q{SELECT realtime.send(jsonb_build_object('n', n, 'x', repeat('y', (n * 7919) % 4000)), 'e', 'much', false)
		FROM generate_series(1, 200) n});
	$server->sql(q{SELECT realtime.send(jsonb_build_object('n', 201, 'x', repeat('z', 500000)), 'e', 'much', false)});
	wait_for(sub { $server->stat('queued_bytes') > 0 }, 'the socket to be full');
	my @got = $client->broadcasts(201);
	is_deeply([ map { $_->{payload}{n} } @got ], [ 1 .. 201 ], 'all comes in order');
	is(scalar(grep { length $got[ $_ - 1 ]{payload}{x} != ($_ * 7919) % 4000 } 1 .. 200), 0, 'and whole');
	is(length $got[200]{payload}{x}, 500_000, 'a large one, too');

	my $listener = $server->member('much');
	for my $n (1 .. 3)
	{
		$client->cast('much', 'said', { n => $n, x => $large });
		my $message = $listener->broadcast;
		is($message->{payload}{n}, $n, 'what a client says is heard');
		ok($message->{payload}{x} eq $large, 'whole');
	}
	$client->abandon;
	$listener->abandon;
}

# Both ends of a connection.
{
	my $client = $server->member('ends');

	is($client->close, 1000, 'a close frame is answered');
	$client = $server->member('ends');
	$client->send_frame(WebSocketClient::CLOSE, pack('n', 1000));
	ok($client->wait_eof, 'the server ends the connection');
	ok($client->tls_ended, 'and TLS before it');
	$client->abandon;
	$client = $server->client(upgrade => 0);
	is($client->http("GET /healthcheck HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")->[2], 'ok', 'one request');
	ok($client->wait_eof && $client->tls_ended, 'and the end of TLS');
	$client->abandon;
}

# Somebody who breaks off: in the midst of a frame, of a record, with an alert,
# with bytes that are no record.
{
	my $listener = $server->member('cut');
	my $frame = WebSocketClient::frame(WebSocketClient::TEXT, 'x' x 1000);
	my %ends = (
		'of a frame' => sub { $_[0]->send_raw(substr $frame, 0, 500); },
		'of a header' => sub { $_[0]->send_raw(substr $frame, 0, 3); },
		'of a record' => sub { $_[0]->send_raw($frame); syswrite_raw($_[0], pack('C n n', 23, 0x0303, 1000) . 'x' x 10); },
		'by what is no record' => sub { syswrite_raw($_[0], 'nonsense' x 100); },
		'by a record that was not encrypted' => sub { syswrite_raw($_[0], pack('C n n', 23, 0x0303, 100) . 'x' x 100); },
		'by an alert' => sub { syswrite_raw($_[0], pack('C n n C C', 21, 0x0303, 2, 2, 80)); });

	for my $what (sort keys %ends)
	{
		my $client = $server->member('cut');

		$ends{$what}->($client);
		# the socket alone, without the goodbye of TLS
		shutdown($client->{socket}, 1);
		ok(wait_for(sub { $server->stat('connections') == 1 }, 'the end'), "a connection ends in the midst $what");
		$client->abandon;
	}
	$server->publish('cut', 1);
	is($listener->broadcast->{payload}{n}, 1, 'others hear on');
	$listener->abandon;
}

# Bytes below TLS.
sub syswrite_raw
{
	my ($client, $bytes) = @_;
	open(my $socket, '>&=', fileno $client->{socket}) or die "fdopen: $!";
	return syswrite($socket, $bytes);
}

# A handshake that does not go on has no more time than a request.
{
	$server->reconfigure('realtime.header_timeout' => '500ms');
	my @silent = map { WebSocketClient->connect(port => $server->port, upgrade => 0) } 1 .. 3;

	$silent[1]->send_raw("\x16");
	$silent[2]->send_raw(substr hello(''), 0, 60);
	ok($_->wait_eof, 'a silent handshake is closed') for @silent;
	$_->abandon for @silent;
}

wait_for(sub { $server->stat('connections') == 0 }, 'all to end');
ok(wait_for(sub { $server->stat('tls_handshakes') >= 25 && $server->stat('tls_failed') >= 10 }, 'the counts'),
	'handshakes are counted, and those that failed');
is($server->gateway_pid, $gateway, 'the gateway is the same');
$server->cluster_alive('TLS');
done_testing();
