# Socket.IO on a WebSocket, frame by frame: the handshake and its errors, credentials,
# what is malformed, the heartbeat, and that nothing but a bad credential makes a
# client stay away.

use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Utils;
use RealtimeServer;
use SocketIoClient;
use Test::More;
use Time::HiRes qw(time);

my $json = JSON::PP->new->canonical;
my $user = '123e4567-e89b-12d3-a456-426614174000';
my $server = RealtimeServer->start_new('socket_io');
my $closed = 'closed 1005';

$server->sql('SELECT realtime.setup_api_roles()');
$server->sql("INSERT INTO realtime.channels (pattern) VALUES ('chat:%'), ('read:%')");
$server->sql(q{CREATE POLICY publish ON realtime.messages FOR INSERT TO anon, authenticated
	WITH CHECK (channel_name LIKE 'chat:%')});

sub user_token { return $server->token(role => 'authenticated', sub => $user, @_); }
sub visitor    { return SocketIoClient->connect(port => $server->port, auth => { token => $server->anon_token }, @_); }
sub member     { return SocketIoClient->connect(port => $server->port, auth => { token => user_token() }, @_); }

# All packets that come until the connection ends, and how it ends.
sub drain
{
	my ($client) = @_;
	my @packets;
	while (defined(my $packet = $client->packet))
	{
		return (\@packets, $packet) if !ref $packet && $packet =~ /^closed/;
		push @packets, ref $packet ? 'attachment' : $packet;
	}
	return (\@packets, 'open');
}

# The client is still served.
sub is_served
{
	my ($client, $name) = @_;
	is_deeply($client->ask('realtime:unsubscribe', { channel => 'chat:none' }),
		{ ok => JSON::PP::true, channel => 'chat:none' }, "$name: it is still served");
	return;
}

#
# The handshake
#
{
	my $client = SocketIoClient->open(port => $server->port);
	my $handshake = $client->handshake;

	like(delete $handshake->{sid}, qr/^[A-Za-z0-9_-]{20}$/, 'a session has an id');
	is_deeply($handshake,
		{ upgrades => [], pingInterval => 25000, pingTimeout => 20000, maxPayload => 1000000 },
		'and rules');
	ok(SocketIoClient->open(port => $server->port, path => '/socket.io?EIO=4&transport=websocket'),
		'a path without the slash');

	my $ws = WebSocketClient->connect(port => $server->port, upgrade => 0);
	my $answer = $ws->http(WebSocketClient::upgrade_request(SocketIoClient::PATH,
			{ 'sec-websocket-extensions' => ['permessage-deflate; client_max_window_bits'] }));
	is($answer->[0], 101, 'a client that offers compression');
	unlike($answer->[1], qr/extensions/i, 'does without');
}

# Errors of the handshake, as engine.io's own server gives them.
for my $case (
	[ '?EIO=4',                                'GET',  1, 0, 'Transport unknown' ],
	[ '?EIO=4&transport=pigeon',               'GET',  1, 0, 'Transport unknown' ],
	[ '?EIO=4&transport=websocket&sid=nobody', 'GET',  1, 1, 'Session ID unknown' ],
	[ '?EIO=4&transport=polling&sid=nobody',   'GET',  0, 1, 'Session ID unknown' ],
	[ '?EIO=4&transport=websocket',            'POST', 1, 2, 'Bad handshake method' ],
	[ '?EIO=4&transport=websocket',            'GET',  0, 3, 'Bad request' ],
	[ '?EIO=3&transport=websocket',            'GET',  1, 5, 'Unsupported protocol version' ],
	[ '?transport=websocket',                  'GET',  1, 5, 'Unsupported protocol version' ])
{
	my ($query, $method, $upgrade, $code, $message) = @$case;
	my $ws = WebSocketClient->connect(port => $server->port, upgrade => 0);
	my $answer = $ws->http(WebSocketClient::upgrade_request("/socket.io/$query",
			{ $upgrade ? () : (upgrade => [], connection => ['keep-alive']) }, "$method /socket.io/$query HTTP/1.1"));

	is($answer->[0], 400, "$method $query" . ($upgrade ? ', to be upgraded' : ''));
	is_deeply($json->decode($answer->[2]), { code => $code, message => $message }, 'the error says which');
}
{
	$server->reconfigure('realtime.allowed_origins' => 'https://good.example');
	my $answer;
	wait_for(
		sub {
			my $ws = WebSocketClient->connect(port => $server->port, upgrade => 0);
			$answer = $ws->http(WebSocketClient::upgrade_request(SocketIoClient::PATH, { origin => ['https://bad.example'] }));
			return $answer->[0] == 403;
		},
		'the origins to be checked');
	is_deeply($json->decode($answer->[2]), { code => 4, message => 'Forbidden' }, 'a page of another origin');
	$server->reconfigure('realtime.allowed_origins' => '*');
	wait_for(sub { eval { SocketIoClient->open(port => $server->port, headers => { origin => ['https://bad.example'] }) } },
		'all origins to be allowed');
}

#
# Credentials
#
my $admin_key = $server->sql("SELECT realtime.create_api_key('test')");
my $anon_key = $server->sql("SELECT realtime.create_anon_key('test')");

for my $case (
	[ 'nothing at all',           '40',                             'No authentication provided' ],
	[ 'an empty object',          '40{}',                           'No authentication provided' ],
	[ 'null',                     '40{"token":null}',               'No authentication provided' ],
	[ 'an empty token',           '40{"token":""}',                 'No authentication provided' ],
	[ 'a token that is none',     '40{"token":"a.b.c"}',            'Invalid token' ],
	[ 'a number',                 '40{"token":7}',                  'Invalid token' ],
	[ 'a public key of Supabase', '40{"token":"sb_publishable_x"}', 'Invalid token' ],
	[ 'an expired token',         { token => user_token(exp => 1) }, 'Invalid token' ],
	[ 'a token of another role',  { token => $server->token(role => 'postgres', sub => $user) }, 'Invalid token' ],
	[ 'a user without subject',   { token => user_token(sub => undef) }, 'Invalid token subject' ],
	[ 'half an anonymous key',    { token => 'anon_12' },           'Invalid anon key' ],
	[ 'an anonymous key that there is not', { token => 'anon_' . '0' x 64 }, 'Invalid anon key' ],
	[ 'a key that is none',       { apiKey => 'ik_12' },            'Invalid API key' ],
	[ 'a number as key',          '40{"apiKey":7}',                 'Invalid API key' ],
	[ 'a key that there is not, and a good token', { apiKey => 'ik_' . '0' x 64, token => user_token() }, 'Invalid API key' ],
	[ 'an anonymous key as that of an administrator', { apiKey => $anon_key }, 'Invalid API key' ])
{
	my ($name, $packet, $message) = @$case;
	my $client = SocketIoClient->open(port => $server->port);

	$client->say(ref $packet ? '40' . $json->encode($packet) : $packet);
	my $answer = $client->packet;
	like($answer, qr/^44\{/, "$name: refused");
	is_deeply($json->decode(substr $answer, 2),
		{ message => $message, data => { code => 'AUTH_INVALID_CREDENTIALS', statusCode => 401 } }, 'the error says why');
	like($client->say('40' . $json->encode({ token => user_token() }))->packet, qr/^40\{"sid":/,
		'it may try again on the same connection');
}

for my $case (
	[ 'a user',            { token => user_token() },                               'user',      $user ],
	[ 'an administrator\'s token', { token => $server->token(role => 'project_admin', sub => 'root') }, 'user', 'root' ],
	[ 'the public key of a project', { token => $server->anon_token },              'anonymous', undef ],
	[ 'an anonymous key',  { token => $anon_key },                                  'anonymous', undef ],
	[ 'an administrator\'s key', { apiKey => $admin_key, token => 'ignored' },      'anonymous', undef ])
{
	my ($name, $auth, $type, $id) = @$case;
	my $client = SocketIoClient->connect(port => $server->port, auth => $auth);
	my $members = $client->subscribe('chat:' . ($id // $name))->{presence}{members};

	isnt($client->id, $client->handshake->{sid}, "$name: a socket has an id of its own");
	is($members->[0]{type}, $type, 'it is a member of this type');
	is($members->[0]{presenceId}, $id // $client->id, 'by this id');
}
{
	my $client = SocketIoClient->open(port => $server->port);

	is($client->say('40/base,{}')->packet, '44/base,{"message":"Invalid namespace"}', 'a namespace that there is not');
	like($client->say('40/,' . $json->encode({ token => user_token() }))->packet, qr/^40\{"sid":/, 'the one that there is, by name');
	$client->say('41');
	like($client->say('40' . $json->encode({ token => user_token() }))->packet, qr/^40\{"sid":/, 'leaving it and coming back');
}

# A key that is taken back, and one that nobody can look at.
{
	my $key = $server->sql("SELECT realtime.create_anon_key('short')");
	my $client = SocketIoClient->connect(port => $server->port, auth => { token => $key });

	$server->sql("DELETE FROM realtime.api_keys WHERE name = 'short'");
	wait_for(
		sub {
			return SocketIoClient->open(port => $server->port)->say('40' . $json->encode({ token => $key }))->packet =~ /^44/;
		},
		'a key that is taken back to be refused');
	is_served($client, 'who has connected with it');

	$server->reconfigure('realtime.executors' => 0);
	wait_for(sub { $server->stat('executors') == 0 }, 'the executors to end');
	my $other = SocketIoClient->open(port => $server->port);
	$other->say('40' . $json->encode({ token => $server->sql("SELECT realtime.create_anon_key('unknown')") }));
	my ($packets, $end) = drain($other);
	is_deeply($packets, [], 'a key that nobody can look at is not refused');
	like($end, qr/^closed/, 'but the client has to come back');
	is($client->ask('realtime:subscribe', { channel => 'chat:1' })->{error}{code}, 'REALTIME_UNAVAILABLE',
		'a subscription that nobody can decide');
	$server->reconfigure('realtime.executors' => 2);
	wait_for(sub { $client->ask('realtime:subscribe', { channel => 'chat:1' })->{ok} }, 'the executors to be back');
}

#
# What is malformed ends the connection without a code, as upstream's does
#
for my $case (
	[ 'an unknown type',                    '7' ],
	[ 'no type',                            'hello' ],
	[ 'an empty text',                      '' ],
	[ 'a ping of the client\'s',            '2' ],
	[ 'a probe',                            '2probe' ],
	[ 'a message without packet',           '4' ],
	[ 'an unknown packet',                  '47' ],
	[ 'an event without name',              '42[]' ],
	[ 'an event that is no array',          '42{"a":1}' ],
	[ 'an event without data',              '42' ],
	[ 'JSON that is cut off',               '42["realtime:subscribe",{' ],
	[ 'a reserved name',                    '42["disconnect"]' ],
	[ 'another one',                        '42["newListener",{}]' ],
	[ 'a second CONNECT',                   '40{}' ],
	[ 'a CONNECT that is no object',        '40["token"]' ],
	[ 'an event of another namespace',      '42/other,["e"]' ],
	[ 'a packet of no number of attachments', '45["e"]' ],
	[ 'too many attachments',               '4517-["e"]' ],
	[ 'a text instead of an attachment',    '451-["e",{"_placeholder":true,"num":0}]', '42["e"]' ],
	[ 'a placeholder for what does not come', '451-["realtime:publish",{"_placeholder":true,"num":1}]', \"x" ],
	[ 'an attachment of nothing',           \"x" ],
	[ 'a payload for DISCONNECT',           '41{}' ],
	[ 'an ack id too long',                 '421234567890123456["e"]' ])
{
	my ($name, @packets) = @$case;
	my $client = member();

	ref $_ ? $client->attach($$_) : $client->say($_) for @packets;
	is((drain($client))[1], $closed, "$name: the connection ends");
}
for my $packet ('42["realtime:subscribe",{"channel":"chat:1"}]', '41', '43[]')
{
	my $client = SocketIoClient->open(port => $server->port);

	is((drain($client->say($packet)))[1], $closed, "$packet before CONNECT: the connection ends");
}
{
	my $client = member();

	$client->say($_) for '3', '5', '6', '0', '430[1]', '44"error"', '42["nobody:knows",{}]', '42[7]', '420["nobody:knows"]',
	  '461-[{"_placeholder":true,"num":0}]';
	$client->attach('x');
	is_served($client, 'what means nothing here');
	is((drain($client->say('1')))[1], $closed, 'the client ends it');
}

#
# Sizes
#
{
	my $client = member();
	my $channel = 'chat:size';
	my $fill = sub {
		my ($length) = @_;
		my $packet = '420["realtime:publish",{"channel":"chat:size","event":"e","payload":{"x":""}}]';
		return $packet =~ s/"x":"/'"x":"' . 'x' x ($length - length $packet)/er;
	};

	$client->subscribe($channel);
	$client->say($fill->(1_000_000));
	is($client->answer(0)->{ok}, JSON::PP::true, 'a packet as large as the handshake says');
	is(length $client->event('e')->{x}, length($fill->(1_000_000) =~ /"x":"(x*)"/ ? $1 : ''), 'arrives');
	is((drain($client->say($fill->(1_000_001))))[1], 'closed 1009', 'a larger one ends the connection');

	$client = member();
	$client->say('452-["e",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]');
	$client->attach('x' x 600_000)->attach('x' x 600_000);
	is((drain($client))[1], 'closed 1009', 'attachments that are larger together');
}

#
# The heartbeat
#
{
	$server->reconfigure('realtime.ping_interval' => '300ms', 'realtime.ping_timeout' => '400ms',
		'realtime.connect_timeout' => '500ms');
	wait_for(sub { SocketIoClient->open(port => $server->port)->handshake->{pingInterval} == 300 }, 'the settings');

	my $mute = visitor(mute => 1);
	my $busy = visitor(mute => 1);
	my $start = time();
	my ($packets, $end) = drain(SocketIoClient->open(port => $server->port));
	is_deeply([ $packets, $end ], [ [], $closed ], 'who connects to nothing');
	cmp_ok(time() - $start, '>=', 0.4, 'has half a second');

	$busy->emit_only('nobody:knows', {}) for 1 .. 3;
	is((drain($mute))[1], $closed, 'who does not answer a ping');
	is($mute->pings, 1, 'gets one');
	is((drain($busy))[1], $closed, 'and neither may who says something else');
	my $client = visitor();
	wait_for(
		sub {
			$client->packet(0.02);
			$client->emit_only('nobody:knows', {});
			return $client->pings >= 3;
		},
		'pings of a client that says much');
	is_served($client, 'who answers');
	$server->reconfigure('realtime.ping_interval' => '25s', 'realtime.ping_timeout' => '20s', 'realtime.connect_timeout' => '45s');
	wait_for(sub { SocketIoClient->open(port => $server->port)->handshake->{pingInterval} == 25000 }, 'the settings');
}

#
# Tokens that expire and keys that change
#
{
	my $exp = int(time()) + 2;
	my ($client, $other) =
	  map { SocketIoClient->connect(port => $server->port, auth => { token => user_token(exp => $exp) }) } 1 .. 2;

	$client->subscribe('chat:expiry');
	wait_for(sub { time() > $exp + 1 }, 'the end of a token');
	is($client->ask('realtime:publish', { channel => 'chat:expiry', event => 'e' })->{ok}, JSON::PP::true,
		'a socket outlives its token');
	ok($client->event('e'), 'and hears');
	ok($other->subscribe('chat:expiry'), 'and may subscribe');
	is($client->ask('realtime:auth', { token => user_token() })->{ok}, JSON::PP::true, 'a newer token is taken');

	$server->reconfigure('realtime.jwt_secret' => 'another secret of the server, for one test');
	my ($packets, $end) = drain($client);
	is_deeply([ grep { /^4[14]/ } @$packets ], [], 'when keys change, no packet sends the client away');
	is($end, 'closed 1012', 'but its connection ends');
	like(SocketIoClient->open(port => $server->port)->say('40' . $json->encode({ token => user_token() }))->packet,
		qr/^44\{"message":"Invalid token"/, 'and then its token is refused');
	$server->reconfigure('realtime.jwt_secret' => $RealtimeServer::jwt_secret);
	wait_for(sub { eval { member() } }, 'the old secret');
}

#
# Whatever ends a connection that is not the client's fault, it comes back
#
for my $case (
	[ 'the gateway is killed',     sub { kill 'KILL', $server->gateway_pid }, qr/^closed 1006$/ ],
	[ 'the gateway is terminated', sub { kill 'TERM', $server->gateway_pid }, qr/^closed 1012$/ ],
	[ 'the hub is terminated',     sub { kill 'TERM', $server->hub_pid },     qr/^closed 10(12|06)$/ ],
	[ 'the server restarts',       sub { $server->node->restart },            qr/^closed 1012$/ ])
{
	my ($name, $act, $how) = @$case;
	$server->cluster_alive("before $name") if $name =~ /restarts/;
	my @clients = (visitor(), member());

	$_->subscribe('chat:end') for @clients;
	$act->();
	for my $client (@clients)
	{
		my ($packets, $end) = drain($client);
		like($end, $how, "$name: the connection ends");
		is_deeply([ grep { /^4[14]/ } @$packets ], [], 'and no packet sends the client away');
	}
	wait_for(sub { eval { member()->subscribe('chat:end') } }, 'the server');
}

done_testing();
