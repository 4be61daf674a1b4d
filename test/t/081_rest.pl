# Broadcasts by HTTP (supabase.md 1.6, reliability.md B7): both routes on both
# prefixes, statuses and bodies, who may send what, what arrives in which
# dialect, and the ways in which a request may be sent.

use strict;
use warnings;

use IO::Socket::INET;
use JSON::PP;
use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;
use Time::HiRes qw(time);

my $server = RealtimeServer->start_new('rest', conf => <<'CONF');
realtime.max_message_size = 64kB
realtime.allowed_origins = 'https://good.example'
CONF
my $gateway = $server->gateway_pid;
my $json = JSON::PP->new->utf8->canonical->allow_nonref;
my $anon = $server->anon_token;
my $limit = 64 * 1024;

$server->sql(<<'SQL');
SELECT realtime.setup_api_roles();
CREATE POLICY "read" ON realtime.messages FOR SELECT TO authenticated USING (true);
CREATE TABLE writers (sub text, topic text, seconds float NOT NULL);
GRANT SELECT ON writers TO authenticated;
CREATE POLICY "write" ON realtime.messages FOR INSERT TO authenticated WITH CHECK (
	extension = 'broadcast' AND EXISTS (SELECT FROM writers w WHERE
		CASE WHEN w.topic = realtime.topic() AND w.sub = current_setting('request.jwt.claims', true)::json ->> 'sub'
		THEN pg_sleep(w.seconds) IS NOT NULL ELSE false END));
CREATE POLICY "broken" ON realtime.messages FOR INSERT TO authenticated WITH CHECK (
	CASE WHEN realtime.topic() = 'broken' THEN 1 / (length(realtime.topic()) - 6) = 0 ELSE false END);
-- what a policy sees of the request's headers
CREATE POLICY "headers" ON realtime.messages FOR INSERT TO authenticated WITH CHECK (
	realtime.topic() = 'headers' AND
	ARRAY(SELECT json_object_keys(current_setting('request.headers', true)::json) ORDER BY 1)
		= ARRAY['content-length', 'content-type', 'host', 'x-client-info']
	AND current_setting('request.headers', true)::json ->> 'x-client-info' = 'test/1');
INSERT INTO writers VALUES ('alice', 'room', 0), ('alice', 'hall', 0), ('alice', 'slow', 60);
SQL
my $alice = $server->token(role => 'authenticated', sub => 'alice');
my $bob = $server->token(role => 'authenticated', sub => 'bob');

# The bytes of a request.
#
#	token		of Authorization, the anonymous one by default; undef = none
#	type		of the content; undef = none
#	headers		more of them, as text
sub request
{
	my ($path, $body, %params) = @_;
	my $token = exists $params{token} ? $params{token} : $anon;
	my $type = exists $params{type} ? $params{type} : 'application/json';

	return ($params{method} // 'POST') . " $path HTTP/1.1\r\nHost: localhost\r\n"
	  . (defined $token ? "Authorization: Bearer $token\r\n" : '')
	  . (defined $type ? "Content-Type: $type\r\n" : '')
	  . ($params{headers} // '')
	  . (defined $body ? 'Content-Length: ' . length($body) . "\r\n" : '')
	  . "\r\n" . ($body // '');
}

# Send a request on a connection of its own; [status, head, body].
sub ask
{
	my $client = $server->client(upgrade => 0);
	my $answer = $client->http(request(@_), 30) // [ 'none', '', '' ];

	$client->abandon;
	return $answer;
}

# The status and the body, decoded if it is JSON.
sub outcome
{
	my ($answer) = @_;
	return [ $answer->[0], $answer->[2] =~ /^[\[{]/ ? $json->decode($answer->[2]) : $answer->[2] ];
}

sub batch { return $json->encode({ messages => [@_] }); }
sub single { return "/realtime/v1/api/broadcast/$_[0]/events/$_[1]"; }
my $batch = '/realtime/v1/api/broadcast';
my $message = { topic => 'any', event => 'e', payload => {} };
my $unauthorized = { message => 'Unauthorized' };
my $not_json = { message => 'The body is not valid JSON' };
sub errors { return { errors => { messages => [@_] } }; }
my $blank = ["can't be blank"];
my $invalid = ['is invalid'];

#
# Statuses and bodies
#
for my $prefix ('/realtime/v1/api/broadcast', '/api/broadcast')
{
	my $one = "$prefix/any/events/e";
	for (
		[ 'a batch', [ $prefix, batch($message) ], 202, '' ],
		[ 'a batch, with the query of a WebSocket', [ "$prefix?apikey=x&vsn=2.0.0", batch($message) ], 202, '' ],
		[ 'a batch without content type', [ $prefix, batch($message), type => undef ], 202, '' ],
		[ 'bearer in small letters', [ $prefix, batch($message), token => undef, headers => "authorization: bearer $anon\r\n" ], 202, '' ],
		[ 'BEARER in capitals', [ $prefix, batch($message), token => undef, headers => "AUTHORIZATION: BEARER  $anon\r\n" ], 202, '' ],
		[ 'apikey alone', [ $prefix, batch($message), token => undef, headers => "apikey: $anon\r\n" ], 202, '' ],
		[ 'apikey beside another scheme', [ $prefix, batch($message), token => undef, headers => "Authorization: Basic eDp5\r\napikey: $anon\r\n" ], 202, '' ],
		[ 'Authorization before apikey', [ $prefix, batch($message), token => 'x.y.z', headers => "apikey: $anon\r\n" ], 401, $unauthorized ],
		[ 'a bad apikey', [ $prefix, batch($message), headers => "apikey: x.y.z\r\n" ], 202, '' ],
		[ 'no token', [ $prefix, batch($message), token => undef ], 401, $unauthorized ],
		[ 'a token in the query only', [ "$prefix?apikey=$anon", batch($message), token => undef ], 401, $unauthorized ],
		[ 'an opaque key', [ $prefix, batch($message), token => 'sb_publishable_x', headers => "apikey: sb_publishable_x\r\n" ], 401, $unauthorized ],
		[ 'an expired token', [ $prefix, batch($message), token => $server->token(exp => 1) ], 401, $unauthorized ],
		[ 'a role that is not allowed', [ $prefix, batch($message), token => $server->token(role => 'postgres') ], 401, $unauthorized ],
		[ 'no body', [ $prefix, '' ], 400, $not_json ],
		[ 'broken JSON', [ $prefix, '{"messages":[' ], 400, $not_json ],
		[ '100,000 nested arrays', [ $prefix, '{"messages":' . '[' x 100_000 . ']' x 100_000 . '}' ], 400, $not_json ],
		[ 'bad UTF-8', [ $prefix, "{\"messages\":\"\xff\"}" ], 400, $not_json ],
		[ 'no messages', [ $prefix, '{}' ], 422, errors(@$blank) ],
		[ 'messages null', [ $prefix, '{"messages":null}' ], 422, errors(@$blank) ],
		[ 'an empty list', [ $prefix, batch() ], 422, errors(@$blank) ],
		[ 'an object for a list', [ $prefix, '{"messages":{}}' ], 422, errors(@$invalid) ],
		[ 'an array for a body', [ $prefix, '[]' ], 422, errors(@$blank) ],
		[ 'a message that is none', [ $prefix, '{"messages":[{},1]}' ], 422, errors(@$invalid) ],
		[ 'nothing in a message', [ $prefix, batch({}) ], 422, errors({ map { $_ => $blank } qw(topic event payload) }) ],
		[ 'nulls and empty strings', [ $prefix, batch({ topic => '', event => undef, payload => undef, private => undef, id => undef }) ],
			422, errors({ map { $_ => $blank } qw(topic event payload) }) ],
		[ 'wrong types', [ $prefix, batch({ topic => 1, event => [], payload => 'x', private => 7, id => {} }) ],
			422, errors({ map { $_ => $invalid } qw(topic event payload private id) }) ],
		[ 'one bad message', [ $prefix, batch($message, { %$message, payload => [] }, $message) ], 422, errors({}, { payload => $invalid }, {}) ],
		[ 'a topic that is too long', [ $prefix, batch({ %$message, topic => 'x' x 247 }) ], 422, errors({ topic => ['should be at most 246 byte(s)'] }) ],
		[ 'the longest topic', [ $prefix, batch({ %$message, topic => 'x' x 246 }) ], 202, '' ],
		[ 'a payload at the limit', [ $prefix, batch({ %$message, payload => { x => 'x' x ($limit - 8) } }) ], 202, '' ],
		[ 'a payload that is too large', [ $prefix, batch({ %$message, payload => { x => 'x' x ($limit - 7) } }) ], 422,
			errors({ payload => ['Payload size exceeds tenant limit'] }) ],
		[ 'odd JSON', [ $prefix, '{"a":1e400,"messages":1,"messages":[{"topic":"any","topic":"any","event":"e","payload":{"__proto__":-0}}]}' ], 202, '' ],
		[ 'the most messages', [ $prefix, batch(($message) x 10_000) ], 202, '' ],
		[ 'too many messages', [ $prefix, batch(($message) x 10_001) ], 429, { message => 'Too many messages to broadcast, please reduce the batch size' } ],
		[ 'too many private topics', [ $prefix, batch(map { { %$message, topic => "t$_", private => JSON::PP::true } } 1 .. 1001) ],
			429, { message => 'Too many messages to broadcast, please reduce the batch size' } ],
		[ 'GET', [ $prefix, undef, method => 'GET' ], 405, { message => 'Method not allowed' } ],

		[ 'a single one', [ $one, '{}' ], 202, '' ],
		[ 'a single one without a body', [ $one, '' ], 202, '' ],
		[ 'without Content-Length', [ $one, undef ], 202, '' ],
		[ 'a single one of bytes', [ $one, "\x00\xff", type => 'application/octet-stream' ], 202, '' ],
		[ 'of no bytes', [ $one, '', type => 'application/octet-stream' ], 202, '' ],
		[ 'a type with parameters', [ $one, '[1]', type => 'Application/JSON; charset=utf-8' ], 202, '' ],
		[ 'without a type', [ $one, 'null', type => undef ], 202, '' ],
		[ 'another type', [ $one, '{}', type => 'text/plain' ], 415,
			{ error => 'Unsupported Media Type. Use application/json or application/octet-stream' } ],
		[ 'a type that only begins so', [ $one, '{}', type => 'application/jsonp' ], 415,
			{ error => 'Unsupported Media Type. Use application/json or application/octet-stream' } ],
		[ 'a single one without a token', [ $one, '{}', token => undef ], 401, $unauthorized ],
		[ 'a single one that is no JSON', [ $one, '{' ], 400, $not_json ],
		[ 'a single one at the limit', [ $one, '"' . 'x' x ($limit - 2) . '"' ], 202, '' ],
		[ 'a single one that is too large', [ $one, '"' . 'x' x ($limit - 1) . '"' ], 422, { message => 'Payload size exceeds tenant limit' } ],
		[ 'the longest names', [ "$prefix/" . '%C3%A9' x 123 . '/events/' . 'x' x 255, '{}' ], 202, '' ],
		[ 'a topic that is too long', [ "$prefix/" . '%C3%A9' x 124 . '/events/e', '{}' ], 422, { message => 'Topic or event is too long' } ],
		[ 'an event that is too long', [ "$prefix/any/events/" . 'x' x 256, '{}' ], 422, { message => 'Topic or event is too long' } ],
		[ 'a broken escape', [ "$prefix/any%2/events/e", '{}' ], 400, { message => 'Bad request' } ],
		[ 'an escaped NUL', [ "$prefix/any%00/events/e", '{}' ], 400, { message => 'Bad request' } ],
		[ 'an escaped byte that is no UTF-8', [ "$prefix/any%ff/events/e", '{}' ], 400, { message => 'Bad request' } ],
		(map { [ "path $_", [ "$prefix$_", '{}' ], 404, { message => 'Not found' } ] }
			  '/', '/any', '/any/', '/any/events', '/any/events/', '//events/e', '/any/event/e', '/any/events/e/', '/any/x/events/e'),
		[ 'DELETE', [ $one, undef, method => 'DELETE' ], 405, { message => 'Method not allowed' } ])
	{
		my ($name, $request, $status, $body) = @$_;
		is_deeply(outcome(ask(@$request)), [ $status, $body ], "$prefix: $name: $status");
	}
	for my $path ($prefix, $one)
	{
		is(ask($path, ' ' x (8 * 1024 * 1024) . '{}')->[0], 413, "$path: 8 MB and more");
		is(ask($path, undef, headers => "Transfer-Encoding: chunked\r\n\r\n800001\r\n")->[0], 413, "$path: in chunks");
		is(ask($path, ' ' x 100_000, token => undef)->[0], 401, "$path: the body of a stranger is not read");
	}
}
for ([ '/realtime/v1/api/ping', '{"message":"Success"}' ], [ '/api/ping', '{"message":"Success"}' ], [ '/healthcheck', 'ok' ])
{
	is_deeply([ $server->http_get($_->[0]) ], [ 200, $_->[1] ], $_->[0]);
	is(ask($_->[0], '{}')->[0], 405, "POST $_->[0]");
}
like(ask('/healthcheck', undef, method => 'GET')->[1], qr{^Content-Type: text/plain}m, 'as text');

#
# Browsers
#
for my $path ($batch, single('room', 'e'), '/api/broadcast')
{
	my $origin = "Origin: https://good.example\r\n";
	my $preflight = ask($path, undef, method => 'OPTIONS', token => undef, type => undef, headers => $origin
		  . "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: apikey,authorization,content-type,x-client-info\r\n");
	is($preflight->[0], 204, "$path: preflight");
	like($preflight->[1], qr{^Access-Control-Allow-Origin: https://good\.example\r$}m, 'the origin is allowed');
	like($preflight->[1], qr{^Access-Control-Allow-Methods: .*POST}m, 'so is POST');
	like($preflight->[1], qr{^Access-Control-Allow-Headers: .*\b$_\b}m, "so is $_")
	  for qw(apikey authorization content-type x-client-info);
	for ([ '{}', 'with a token', token => $anon ], [ '{}', 'without', token => undef ], [ '{', 'with broken JSON', token => $anon ])
	{
		my ($body, $name, @params) = @$_;
		like(ask($path, $body, @params, headers => $origin)->[1],
			qr{^Access-Control-Allow-Origin: https://good\.example\r$}m, "an answer $name can be read");
	}
	unlike(ask($path, '{}', headers => "Origin: https://evil.example\r\n")->[1], qr/^Access-Control-Allow-Origin/m,
		'but not by other pages');
}

#
# What arrives
#
my %listener;
for my $vsn ('2.0.0', '1.0.0')
{
	for my $topic ("r\x{fc}m/ \x{1f600}:1", 'room')
	{
		my $name = $topic eq 'room' ? 'private' : 'public';
		$listener{$name}{$vsn} = $server->client(vsn => $vsn);
		is($listener{$name}{$vsn}->join_result($topic,
				$name eq 'private' ? (private => 1, access_token => $bob) : ()), 'ok', "a $name room, $vsn");
	}
}

# What each listener of a room gets next, as the bytes of its message.
sub heard { my ($room) = @_; return { map { $_ => $listener{$room}{$_}->next_frame->{payload} } keys %{ $listener{$room} } }; }
sub silence
{
	my ($name) = @_;
	for my $room (sort keys %listener)
	{
		for my $vsn (sort keys %{ $listener{$room} })
		{
			my $client = $listener{$room}{$vsn};
			$client->heartbeat;
			is(scalar @{ $client->{queue} }, 0, "$name: nothing else for $room, $vsn");
		}
	}
	return;
}
my $full = Encode::encode('UTF-8', "realtime:r\x{fc}m/ \x{1f600}:1");
my $path = single('r%C3%BCm%2F%20%F0%9F%98%80%3A1', 'd%C3%A9j%C3%A0%20vu');
sub kind4 { my ($topic, $event, $encoding, $payload) = @_; return pack('C*', 4, length $topic, length $event, 0, $encoding) . $topic . $event . $payload; }

for (
	[ 'a batch', [ $batch, '{"messages":[{"event":"\u00e9","payload": {"a" :[1.0e2]} ,"topic":"r\u00fcm\/ \ud83d\ude00:1","id":"x"}]}' ],
		map { ($_ eq '2.0.0' ? qq([null,null,"$full","broadcast",%s]) : qq({"topic":"$full","event":"broadcast","payload":%s,"ref":null})) } '2.0.0', '1.0.0' ],
	)
{
	my ($name, $request, $v2, $v1) = @$_;
	my $payload = '{"payload":{"a" :[1.0e2]},"event":"\u00e9","type":"broadcast","meta":{"id":"x"}}';
	is(ask(@$request)->[0], 202, $name);
	is_deeply(heard('public'), { '2.0.0' => sprintf($v2, $payload), '1.0.0' => sprintf($v1, $payload) }, "$name: as text for all");
	silence($name);
}
my $event = Encode::encode('UTF-8', "d\x{e9}j\x{e0} vu");
for ([ 'JSON', '{"a" : 1}', 'application/json' ], [ 'a scalar', '3', 'application/json' ])
{
	my ($name, $body, $type) = @$_;
	is(ask($path, $body, type => $type)->[0], 202, "a single message of $name");
	is_deeply(heard('public'), {
			'2.0.0' => kind4($full, $event, 1, $body),
			'1.0.0' => qq({"topic":"$full","event":"broadcast","payload":{"event":"$event","payload":$body,"type":"broadcast"},"ref":null}) },
		"$name: as kind 4, or text");
	silence($name);
}
is(ask($path, '')->[0], 202, 'an empty body');
like(heard('public')->{'1.0.0'}, qr/"payload":\{\},"type"/, 'is an empty object');
is(ask($path, "\x00\xff", type => 'application/octet-stream')->[0], 202, 'bytes');
is($listener{public}{'2.0.0'}->next_frame->{payload}, kind4($full, $event, 0, "\x00\xff"), 'bytes are for 2.0.0');
silence('bytes');

#
# Private topics
#
my @private = (topic => 'room', event => 'e', private => JSON::PP::true);
for (
	[ 'a member', [ $batch, batch({ @private, payload => { n => 1 } }), token => $alice ], 202, '', 1 ],
	[ 'a guest', [ $batch, batch({ @private, payload => { n => 1 } }), token => $bob ], 202, '', 0 ],
	[ 'nobody', [ $batch, batch({ @private, payload => { n => 1 } }) ], 202, '', 0 ],
	[ 'a broken policy in a batch', [ $batch, batch({ @private, topic => 'broken', payload => {} }, { @private, payload => { n => 1 } }), token => $alice ], 202, '', 1 ],
	[ 'the public room of that name', [ $batch, batch({ topic => 'room', event => 'e', payload => {} }), token => $alice ], 202, '', 0 ],
	[ 'a single one of a member', [ single('room', 'e') . '?private=true', '{"n":1}', token => $alice ], 202, '', 1 ],
	[ 'a single one of a guest', [ single('room', 'e') . '?private=true', '{"n":1}', token => $bob ], 403, $unauthorized, 0 ],
	[ 'a single one of nobody', [ single('room', 'e') . '?vsn=2.0.0&private=true', '{"n":1}' ], 403, $unauthorized, 0 ],
	[ 'private=1', [ single('room', 'e') . '?private=1', '{"n":1}' ], 202, '', 0 ],
	[ 'private=TRUE', [ single('room', 'e') . '?private=TRUE', '{"n":1}' ], 202, '', 0 ],
	[ 'a broken policy', [ single('broken', 'e') . '?private=true', '{}', token => $alice ], 422, { message => 'A policy on realtime.messages failed' }, 0 ],
	[ 'headers for policies', [ single('headers', 'e') . '?private=true', '{}', token => $alice, headers =>
			"x-client-info: test/1\r\napikey: $anon\r\nX-API-Key: secret\r\nCookie: secret\r\n" ], 202, '', 0 ],
	[ 'other headers', [ single('headers', 'e') . '?private=true', '{}', token => $alice, headers => "x-client-info: test/2\r\n" ], 403, $unauthorized, 0 ])
{
	my ($name, $request, $status, $body, $arrives) = @$_;
	is_deeply(outcome(ask(@$request)), [ $status, $body ], "$name: $status");
	if ($arrives) { is($_->broadcast->{payload}{n}, 1, "$name: heard") for values %{ $listener{private} }; }
	silence($name);
}

# one decision for each topic of a batch, and order is kept
{
	my $hall = $server->client;
	$hall->join_result('hall', private => 1, access_token => $bob);
	my $outside = $server->member('room');
	my $jobs = wait_for(sub { my $n = $server->stat('authorisations'); sleep 2; $n == $server->stat('authorisations') && $n }, 'the count to settle');
	my @topics = map { ([ 'room', 1 ], [ 'hall', 1 ], [ 'room', 0 ], [ 'closed', 1 ])[ $_ % 4 ] } 0 .. 399;
	is(ask($batch, batch(map {
				{ topic => $topics[$_][0], event => 'e', payload => { n => $_ }, $topics[$_][1] ? (private => 'true') : () } } 0 .. 399),
			token => $alice)->[0], 202, '400 messages to four rooms');
	is_deeply([ map { $_->{payload}{n} } $listener{private}{'2.0.0'}->broadcasts(100) ], [ map { 4 * $_ } 0 .. 99 ], 'one room');
	is_deeply([ map { $_->{payload}{n} } $listener{private}{'1.0.0'}->broadcasts(100) ], [ map { 4 * $_ } 0 .. 99 ], 'in both dialects');
	is_deeply([ map { $_->{payload}{n} } $hall->broadcasts(100) ], [ map { 4 * $_ + 1 } 0 .. 99 ], 'another room');
	is_deeply([ map { $_->{payload}{n} } $outside->broadcasts(100) ], [ map { 4 * $_ + 2 } 0 .. 99 ], 'the public room');
	silence('a batch for four rooms');
	wait_for(sub { $server->stat('authorisations') >= $jobs + 3 }, 'the decisions to be counted');
	is($server->stat('authorisations'), $jobs + 3, 'three decisions');
	$_->abandon for $hall, $outside;
}

# rooms that nobody may write to
{
	$server->reconfigure('realtime.agent_channels' => 'warn');
	wait_for(sub { ask(single('agent-x', 'e'), '{}')->[0] == 403 }, 'the setting to be read');
	is_deeply(outcome(ask(single('conv-x', 'e'), '{}', token => $server->token(role => 'service_role'))), [ 403, $unauthorized ], 'an agent channel');
	is(ask($batch, batch({ %$message, topic => 'agent-x' }))->[0], 202, 'left out of a batch');
	$server->reconfigure('realtime.agent_channels' => 'off');
	wait_for(sub { ask(single('agent-x', 'e'), '{}')->[0] == 202 }, 'the setting to be read');
	$server->reconfigure('realtime.private_only' => 'on');
	wait_for(sub { ask(single('any', 'e'), '{}')->[0] == 403 }, 'the setting to be read');
	is(ask(single('room', 'e') . '?private=true', '{"n":1}', token => $alice)->[0], 202, 'private rooms are open');
	is($_->broadcast->{payload}{n}, 1, 'and hear') for values %{ $listener{private} };
	is(ask($batch, batch($message))->[0], 202, 'public ones are left out of a batch');
	$server->reconfigure('realtime.private_only' => 'off');
	wait_for(sub { ask(single('any', 'e'), '{}')->[0] == 202 }, 'the setting to be read');
	delete $listener{public};
}

# an executor that has no time
{
	$server->reconfigure('realtime.statement_timeout' => '500ms');
	wait_for(sub { $server->sql('SHOW realtime.statement_timeout') eq '500ms' }, 'the setting to be read');
	is_deeply(outcome(ask(single('slow', 'e') . '?private=true', '{}', token => $alice)),
		[ 422, { message => 'Query was cancelled, please try again' } ], 'a policy that takes too long');
	is_deeply(outcome(ask($batch, batch({ @private, payload => {} }, { @private, topic => 'slow', payload => {} }), token => $alice)),
		[ 422, { message => 'Query was cancelled, please try again' } ], 'in a batch: the whole of it');
	silence('nothing of it is sent');
}

#
# Ways of sending
#
{
	my $room = $server->member('ways');
	my $client = $server->client(upgrade => 0);
	my $one = sub { return request(single('ways', 'e'), qq({"n":$_[0]}), @_[ 1 .. $#_ ]); };
	my $chunked = sub {
		my $body = qq({"n":$_[0]});
		return request(single('ways', 'e'), undef, headers => "Transfer-Encoding: chunked\r\n")
		  . join('', map { sprintf "%x\r\n%s\r\n", length, $_ } split //, $body) . "0\r\n\r\n";
	};

	# pipelined, of every kind, and answered in their order
	my $private = request(single('room', 'e') . '?private=true', '{"n":4}', token => $alice);
	my $stream = $one->(1) . $chunked->(2) . request(single('ways', 'e'), '{') . $one->(3) . $private
	  . request('/healthcheck', undef, method => 'GET') . $one->(5, token => undef) . $one->(6);
	$client->send_raw($stream);
	is_deeply([ map { $client->http(undef)->[0] } 1 .. 8 ], [ 202, 202, 400, 202, 202, 200, 401, 202 ], 'eight requests in one piece');
	is_deeply([ map { $_->{payload}{n} } $room->broadcasts(4) ], [ 1, 2, 3, 6 ], 'arrive in order');
	is($_->broadcast->{payload}{n}, 4, 'and the private one') for values %{ $listener{private} };
	for my $byte (split //, $one->(7) . $chunked->(8))
	{
		$client->send_raw($byte);
	}
	is_deeply([ map { $client->http(undef)->[0] } 1, 2 ], [ 202, 202 ], 'byte by byte');
	is_deeply([ map { $_->{payload}{n} } $room->broadcasts(2) ], [ 7, 8 ], 'arrive');

	$client->send_raw(request(single('ways', 'e'), undef, headers => "Expect: 100-continue\r\nContent-Length: 7\r\n"));
	is($client->http(undef)->[0], 100, 'Expect: 100-continue');
	$client->send_raw('{"n":9}');
	is($client->http(undef)->[0], 202, 'and then the body');
	is($room->broadcast->{payload}{n}, 9, 'arrives');
	is($client->http($one->(10, headers => "Connection: close\r\n"))->[0], 202, 'Connection: close');
	ok($client->wait_eof, 'is obeyed');
	is($room->broadcast->{payload}{n}, 10, 'arrives');
	$client->abandon;

	# a client that does not wait for its answer
	my $gone = $server->client(upgrade => 0);
	$gone->send_raw($one->(11));
	$gone->abandon;
	is($room->broadcast->{payload}{n}, 11, 'who leaves has been heard');

	# many at a time
	my @crowd = map { $server->client(upgrade => 0) } 1 .. 100;
	for my $n (1 .. 10) { $_->send_raw($one->($n)) for @crowd; }
	is(scalar(grep { $_->[0] == 202 } map { my $client = $_; map { $client->http(undef) } 1 .. 10 } @crowd), 1000, '1,000 requests of 100 clients');
	my %times;
	$times{ $_->{payload}{n} }++ for $room->broadcasts(1000);
	is_deeply(\%times, { map { $_ => 100 } 1 .. 10 }, 'all arrive');
	$_->abandon for @crowd;

	# a batch that is larger than a queue may be
	my $big = batch(map { { topic => 'ways', event => 'e', payload => { n => $_, x => 'x' x 4000 } } } 1 .. 1900);
	cmp_ok(length $big, '>', 7 * 1024 * 1024, 'a batch of 7 MB');
	my $poster = $server->client(upgrade => 0);
	my $sent = 0;
	my $bytes = request($batch, $big);
	while ($sent < length $bytes)
	{
		my $n = syswrite $poster->{socket}, $bytes, 262144, $sent;
		$sent += $n // 0;
		$room->read_more(0);
	}
	# decoding it as JSON would make a slow reader
	my @heard;
	while (@heard < 1900 && (my $frame = $room->next_frame))
	{
		push @heard, $frame->{payload} =~ /"n":(\d+)/;
	}
	is_deeply(\@heard, [ 1 .. 1900 ], 'arrives whole and in order');
	is($poster->http(undef)->[0], 202, 'and is answered');
	$_->abandon for $poster, $room;
	is($server->stat('slow_closed'), 0, 'nobody was closed for it');
}

# Tokens and keys are not in the log.
my $log = slurp_file($server->node->logfile);
ok(index($log, $_) < 0, 'no token in the log') for $anon, $alice, $bob;
is($server->gateway_pid, $gateway, 'the gateway is the same');
wait_for(sub { $server->descriptors($gateway) < 40 }, 'descriptors to be given back');
$server->cluster_alive('after broadcasts by HTTP');

done_testing();
