# Server-sent events: who may listen to what, what arrives, and that a client
# that comes back with the id of its last event misses nothing.

use strict;
use warnings;

use EventStreamClient;
use IPC::Run ();
use JSON::PP;
use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;
use Time::HiRes qw(time);

my $server = RealtimeServer->start_new('events', conf => <<'CONF');
realtime.allowed_origins = 'https://good.example'
realtime.max_channels_per_client = 5
realtime.send_timeout = 60s
CONF
my $node = $server->node;
my $anon = $server->anon_token;
my $origin = "Origin: https://good.example\r\n";

$server->sql(<<'SQL');
SELECT realtime.setup_api_roles();
CREATE TABLE readers (sub text, topic text, seconds float NOT NULL DEFAULT 0);
GRANT SELECT ON readers TO authenticated;
CREATE POLICY "read" ON realtime.messages FOR SELECT TO authenticated USING (
	EXISTS (SELECT FROM readers r WHERE
		CASE WHEN r.topic = realtime.topic() AND r.sub = current_setting('request.jwt.claims', true)::json ->> 'sub'
		THEN pg_sleep(r.seconds) IS NOT NULL ELSE false END));
INSERT INTO readers VALUES ('alice', 'red', 0), ('alice', 'green', 0), ('alice', 'slow', 60), ('bob', 'green', 0);
SQL
my $alice = $server->token(role => 'authenticated', sub => 'alice');
my $bob = $server->token(role => 'authenticated', sub => 'bob');

sub listen_to { return EventStreamClient->connect($server, @_); }

# A stream that has come to the present.
sub live
{
	my $stream = listen_to(@_);
	$stream->event('ready') // BAIL_OUT('no stream: ' . $stream->status . encode_json($stream->{body} // {}));
	return $stream;
}

# The numbers in messages.
sub numbers { return [ map { $_->{data}{payload}{n} } @_ ]; }

# Publish numbers to topics in turn, each in a transaction of its own.
sub publish
{
	my ($topics, @n) = @_;

	$server->sql(join '', map { my $topic = $topics->[ $_ % @$topics ]; qq{SELECT realtime.send('{"n": $_}', 'e', '$topic', false);\n} } @n);
	return;
}

sub recorded { return wait_for(sub { $server->stat('record_backlog') == 0 }, 'commits to be recorded'); }

#
# A first look: curl
#
my $url = 'http://127.0.0.1:' . $server->port . "/realtime/v1/events?topic=room:1&apikey=$anon";
my $curl = IPC::Run::start([ 'curl', '--no-progress-meter', '-N', $url ], '<', \undef, '>', \my $shown,
	'2>', \my $errors, IPC::Run::timeout($RealtimeServer::patience));
wait_for(sub { $curl->pump_nb; ($shown // '') =~ /event: ready/ }, 'curl to listen');
$server->sql(q{SELECT realtime.send('room:1', 'greeting', '{"text": "hello"}', false)});
wait_for(sub { $curl->pump_nb; $shown =~ /hello.*\n\n/ }, 'curl to show a message');
my $uuid = qr/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/;
like($shown, qr/\A: \["room:1"\]\nretry: 1\d\d\d\n\nevent: ready\nid: [-\w]{32}\ndata: \{"topics":\["room:1"\]\}\n\nid: ([-\w]{32})\ndata: \{"topic":"room:1","event":"greeting","payload":\{"id": "($uuid)", "text": "hello"\},"meta":\{"id":"\2","cursor":"\1"\}\}\n\n\z/,
	'curl -N shows a message');
ok(wait_for(sub { $server->stat('connections') == 1 && $server->stat('channels') == 1 }, 'counts'), 'it is counted');
$curl->signal('TERM');
eval { $curl->finish };
ok(wait_for(sub { $server->stat('connections') == 0 && $server->stat('channels') == 0 }, 'curl to be gone'), 'until it is gone');

#
# Answers
#
{
	my $stream = live();
	like($stream->{head}, qr{^HTTP/1\.1 200 OK\r$}m, 'the head of a stream');
	like($stream->{head}, qr/^\Q$_\E\r$/m, $_)
	  for 'Content-Type: text/event-stream', 'Cache-Control: no-store', 'X-Accel-Buffering: no', 'Connection: close', 'Vary: Origin';
	unlike($stream->{head}, qr/^(?:Content-Length|Transfer-Encoding|Access-Control-Allow-Origin)/mi, 'and no more');
	$stream->{socket}->send_raw("GET /healthz HTTP/1.1\r\n\r\n" x 1000);
	$server->publish('room', 1);
	is_deeply(numbers($stream->messages(1)), [1], 'what a client says after its request is ignored');
	$stream->{socket}{socket}->shutdown(1);
	ok($stream->wait_eof, 'who closes his side is gone');

	my $page = live(headers => $origin);
	like($page->{head}, qr{^Access-Control-Allow-Origin: https://good\.example\r$}m, 'an allowed origin may read it');
	$_->abandon for $stream, $page;
}
for (
	[ 'no token', { token => undef }, 401, 'API key is missing' ],
	[ 'an empty token', { token => '' }, 401, 'The token provided is not a valid JWT' ],
	[ 'no JWT', { token => 'x.y.z' }, 401, 'The token provided is not a valid JWT' ],
	[ 'another key', { token => JwtKey->secret('x' x 40)->token({ role => 'anon', exp => 4e9 }) }, 401, 'Failed to validate JWT signature' ],
	[ 'an expired token', { token => $server->token(exp => 1) }, 401, 'Token has expired' ],
	[ 'a role that is not allowed', { token => $server->token(role => 'postgres') }, 403, 'The role of the token is not allowed' ],
	[ 'a bad header before a good query', { headers => "Authorization: Bearer x.y.z\r\n" }, 401, 'The token provided is not a valid JWT' ],
	[ 'no topic', { topics => [] }, 400, 'TopicNameRequired: You must provide a topic name' ],
	[ 'an empty topic', { topics => [ 'room', '' ] }, 400, 'A topic has 1 to 246 bytes of UTF-8' ],
	[ 'a topic that is too long', { topics => [ 'x' x 247 ] }, 400, 'A topic has 1 to 246 bytes of UTF-8' ],
	[ 'a topic that is no UTF-8', { topics => ["\xff"] }, 400, 'A topic has 1 to 246 bytes of UTF-8' ],
	[ 'a broken escape', { query => '&topic=%4' }, 400, 'A topic has 1 to 246 bytes of UTF-8' ],
	[ 'too many topics', { topics => [ 1 .. 6 ] }, 429, 'ChannelRateLimitReached: Too many channels' ],
	[ 'two places to go on from', { headers => "Last-Event-ID: a\r\nLast-Event-ID: b\r\n" }, 400, 'Bad request' ],
	[ 'a body', { headers => "Content-Length: 1\r\n" }, 413, 'Request body too large' ],
	[ 'POST', { method => 'POST' }, 405, 'Method not allowed' ],
	[ 'a private topic without a policy', { query => '&private=true' }, 403,
		'Unauthorized: You do not have permissions to read from this Channel topic: room' ],
	[ 'one topic of several that may not be heard', { topics => [qw(green red)], token => $bob, query => '&private=true' }, 403,
		'Unauthorized: You do not have permissions to read from this Channel topic: red' ],
	[ 'a topic with a quote', { topics => [qq{"\n}], query => '&private=true' }, 403,
		qq{Unauthorized: You do not have permissions to read from this Channel topic: "\n} ],
	[ 'a policy that takes too long', { topics => ['slow'], token => $alice, query => '&private=true' }, 503,
		'QueryCanceled: Query was cancelled, please try again' ])
{
	my ($name, $request, $status, $message) = @$_;
	my $refused = listen_to(%$request, headers => $origin . ($request->{headers} // ''));

	is($refused->status, $status, "$name: $status");
	is_deeply($refused->{body}, { message => $message }, "$name: why");
	like($refused->{head}, qr{^Access-Control-Allow-Origin: https://good\.example\r$}m, "$name: pages may read that");
	like($refused->{head}, qr/^Retry-After: \d/m, "$name: when to try again") if $status =~ /429|503/;
	$refused->abandon;
}
{
	my $head = listen_to(method => 'HEAD');
	$head->{socket}->read_more(10) until $head->{socket}{in} =~ /\r\n\r\n/;
	like($head->{socket}{in}, qr{^HTTP/1\.1 405 .*^Allow: GET, OPTIONS\r$.*\r\n\r\n\z}ms, 'HEAD: 405 and no body');

	my $preflight = listen_to(method => 'OPTIONS', token => undef, headers => $origin
		  . "Access-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: authorization,last-event-id\r\n");
	is($preflight->status, 204, 'preflight');
	like($preflight->{head}, qr/^Access-Control-Allow-Methods: GET, OPTIONS\r$/m, 'GET is allowed');
	like($preflight->{head}, qr/^Access-Control-Allow-Headers: .*\b$_\b/m, "so is $_") for qw(authorization apikey last-event-id);

	# a connection goes on after a refusal, whether that came at once or later
	my $again = listen_to(topics => []);
	is($again->status, 400, 'refused');
	for my $status (403, 403, 200)
	{
		delete $again->{status};
		$again->{socket}->send_raw("GET /realtime/v1/events?topic=green" . ($status == 403 ? '&private=true' : '')
			  . " HTTP/1.1\r\nHost: x\r\napikey: $anon\r\n\r\n");
		is($again->status, $status, "$status on the same connection");
	}
	ok($again->event('ready'), 'which is a stream in the end');
	$_->abandon for $head, $preflight, $again;
}
for (
	[ 'Authorization', { token => undef, headers => "Authorization: Bearer $alice\r\n" } ],
	[ 'apikey', { token => undef, headers => "apikey: $alice\r\n" } ],
	[ 'access_token before apikey', { query => "&access_token=$alice" } ],
	[ 'apikey in the query', { token => $alice } ])
{
	my ($name, $request) = @$_;
	my $stream = listen_to(%$request, topics => ['red'], query => '&private=true' . ($request->{query} // ''));
	is($stream->status, 200, "the token may come as $name");
	$stream->abandon;
}

#
# What arrives
#
{
	my $stream = live(topics => [ 'a', "r\x{fc}m\n\x{2603}", 'b', 'a' ]);
	is_deeply($stream->{kept}[0]{comment}, qq{["a","r\xc3\xbcm\\n\xe2\x98\x83","b"]}, 'what is listened to, once, in order');
	my $talker = $server->member('b');
	my $bytes = $server->member("r\x{fc}m\n\x{2603}");
	$server->sql(qq{SELECT realtime.send(E'{"a":\\n[1,\\r\\n 2]}', 'lines', 'a', false);
		SELECT realtime.send_binary('\\x00ff0a'::bytea, 'bin', 'b', false)});
	my @got = $stream->messages(2);
	is_deeply([ @{ $got[0]{data} }{qw(topic event payload)} ], [ 'a', 'lines', { a => [ 1, 2 ], id => $got[0]{data}{meta}{id} } ], 'JSON on several lines is one');
	is_deeply([ @{ $got[1]{data} }{qw(topic event payload_base64)} ], [ 'b', 'bin', 'AP8K' ], 'bytes are base64');
	is($got[$_]{id}, $got[$_]{data}{meta}{cursor}, 'the id is the cursor') for 0, 1;
	$talker->push('realtime:b', 'broadcast', { type => 'broadcast', event => 'talk', payload => { x => 1 } });
	my ($said) = $stream->messages(1);
	is_deeply($said, { data => { topic => 'b', event => 'talk', payload => { x => 1 } } }, 'what clients say has no id');
	is($stream->{last_event_id}, $got[1]{id}, 'so that the last one still counts');
	$_->abandon for $stream, $talker, $bytes;
}

#
# Private topics, and tokens that end
#
{
	my $stream = live(topics => [qw(red green)], token => $alice, query => '&private=true');
	$server->sql(q{SELECT realtime.send(jsonb_build_object('n', n), 'e', t, p)
		FROM generate_series(1, 2) n, unnest(ARRAY['red', 'green']) t, unnest(ARRAY[true, false]) p ORDER BY n, t DESC});
	my @got = $stream->messages(4);
	is_deeply([ map { "$_->{data}{topic} $_->{data}{payload}{n}" } @got ], [ 'red 1', 'green 1', 'red 2', 'green 2' ],
		'private topics, and not the public ones of that name');
	is($stream->block(0.2), undef, 'really not');
	$stream->abandon;

	my $short = live(topics => [qw(red green)], query => '&private=true',
		token => $server->token(role => 'authenticated', sub => 'alice', exp => int(time()) + 3));
	for my $topic (qw(green red))
	{
		my $end = $short->event('close', 20);
		like($end->{reason}, qr/^Token has expired \d+ seconds ago$/, 'a token expires');
	}
	ok($short->wait_eof, 'and with the last topic the stream ends');
	$short->abandon;
}

#
# Resume
#
sub come_back
{
	my ($id, @topics) = @_;
	return listen_to(topics => \@topics, last_event_id => $id);
}
{
	my $stream = live(topics => ['log']);
	my $start = $stream->{last_event_id};
	like($start, qr/^[-\w]{32}$/, 'there is an id before the first message');
	publish(['log'], 1 .. 3);
	my @got = $stream->messages(3);
	$stream->abandon;
	publish(['log'], 4 .. 6);
	publish(['other'], 100);
	for my $from (0 .. 3)
	{
		my $id = $from == 0 ? $start : $got[ $from - 1 ]{id};
		my $back = come_back($id, 'log');
		is_deeply(numbers($back->messages(6 - $from)), [ $from + 1 .. 6 ], "what came behind message $from");
		is_deeply([ map { $_->{event} // () } @{ $back->{kept} } ], ['recovered'], 'is recovered');
		is_deeply($back->event('ready'), { topics => ['log'] }, 'and then the present begins');
		$server->publish('log', 7) if $from == 3;
		is_deeply(numbers($back->messages(1)), [7], 'with what is new') if $from == 3;
		$back->abandon;
	}
	my $query = listen_to(topics => ['log'], query => "&last_event_id=$got[1]{id}");
	is_deeply(numbers($query->messages(5)), [ 3 .. 7 ], 'the id may be in the query');
	my $both = listen_to(topics => ['log'], query => "&last_event_id=$start", last_event_id => $got[2]{id});
	is_deeply(numbers($both->messages(4)), [ 4 .. 7 ], 'but the header is newer');
	my $none = live(topics => ['log'], last_event_id => '');
	is_deeply([ grep { $_->{data} } @{ $none->{kept} } ], [], 'an empty one is none');
	for my $id ('nonsense', "\xff", substr($start, 0, 31) . '!', 'A' x 32)
	{
		my $lost = come_back($id, 'log');
		is_deeply($lost->event('lost'), { topic => 'log', reason => 'epoch' }, 'an id that is none of ours cannot be recovered');
		ok($lost->event('ready'), 'which is told, and the present begins');
		like($lost->{last_event_id}, qr/^[-\w]{32}$/, 'with an id to come back with');
		$lost->abandon;
	}
	$_->abandon for $query, $both, $none;
}

# one topic that is cut off while it catches up, again and again
{
	my $stream = live(topics => ['many']);
	my $id = $stream->{last_event_id};
	$stream->abandon;
	$server->sql(q{SELECT realtime.send(jsonb_build_object('n', n), 'e', 'many', false) FROM generate_series(1, 3000) n});
	recorded();
	my @got;
	while (@got < 3000)
	{
		my $back = come_back($id, 'many');
		push @got, $back->messages(701 - @got % 100 < 3000 - @got ? 701 : 3000 - @got);
		$id = $back->{last_event_id};
		$back->abandon;
	}
	is_deeply(numbers(@got), [ 1 .. 3000 ], 'a client that is cut off while it catches up gets all of it, once and in order');
}

# several topics
{
	my @topics = map { "t$_" } 1 .. 3;
	my $stream = live(topics => \@topics);
	publish(\@topics, 1 .. 9);
	my @got = $stream->messages(9);
	is_deeply(numbers(@got), [ 1 .. 9 ], 'several topics in commit order');
	$stream->abandon;
	publish(\@topics, 10 .. 3009);
	recorded();

	# from the middle: nothing of it has an id before all have caught up
	my $cut = come_back($got[4]{id}, @topics);
	my @part = $cut->messages(1000);
	is(scalar(grep { defined $_->{id} } @part), 0, 'what several topics catch up with has no ids');
	is($cut->{last_event_id}, $got[4]{id}, 'so a client that is cut off');
	$cut->abandon;
	my $back = come_back($got[4]{id}, @topics);
	my @rest = $back->messages(3004);
	is_deeply([ sort { $a <=> $b } @{ numbers(@rest) } ], [ 6 .. 3009 ], 'gets all of it, once');
	for my $t (@topics)
	{
		my $of_topic = numbers(grep { $_->{data}{topic} eq $t } @rest);
		is_deeply($of_topic, [ sort { $a <=> $b } @$of_topic ], "$t in order");
	}
	is_deeply($back->event('ready'), { topics => \@topics }, 'then the present begins');
	is(scalar(grep { ($_->{event} // '') eq 'recovered' } @{ $back->{kept} }), 3, 'each topic was recovered');
	my $here = $back->{last_event_id};
	publish(\@topics, 3010 .. 3012);
	my @new = $back->messages(3);
	is_deeply(numbers(@new), [ 3010 .. 3012 ], 'with what is new');
	is(scalar(grep { ($_->{id} // '') eq $_->{data}{meta}{cursor} } @new), 3, 'and ids');
	$back->abandon;
	my $last = come_back($here, @topics);
	is_deeply([ sort { $a <=> $b } @{ numbers($last->messages(3)) } ], [ 3010 .. 3012 ], 'the id of the present is good for all of them');
	$last->abandon;
	is(scalar(grep { $server->stat($_) != 0 } qw(hold_overruns)), 0, 'nothing was held in vain');
}

# messages that come while several topics catch up: none is missed, none comes twice after `ready`
{
	my @topics = map { "s$_" } 1 .. 4;
	my $stream = live(topics => \@topics);
	my $id = $stream->{last_event_id};
	$stream->abandon;
	publish(\@topics, 1 .. 400);
	append_to_file($node->basedir . '/seam.sql',
		q{SELECT nextval('seam') AS n \gset} . "\n" .
		q{SELECT realtime.send(jsonb_build_object('n', :n), 'e', 's' || 1 + :n % 4, false);} . "\n");
	$server->sql('CREATE SEQUENCE seam START 401');
	my $writer = IPC::Run::start([ 'pgbench', '-n', '-c', 1, '-t', 1500, '-f', $node->basedir . '/seam.sql',
			'-h', $node->host, '-p', $node->port, 'postgres' ], '>', \my $out, '2>&1', IPC::Run::timeout($RealtimeServer::patience));
	my @clients = map { come_back($id, @topics) } 1 .. 10;
	my @got = map { join ' ', sort { $a <=> $b } @{ numbers($_->messages(1900)) } } @clients;
	$writer->finish;
	is(scalar(grep { $_ eq "@{[ 1 .. 1900 ]}" } @got), 10, 'ten clients that catch up with four topics while others write get all of it, once');
	$_->abandon for @clients;
}

#
# Signs of life
#
{
	my $stream = live();
	$server->reconfigure('realtime.keepalive_interval' => '100ms', 'realtime.idle_timeout' => '1s');
	for (1 .. 15)
	{
		my $block = $stream->block;
		is_deeply($block, { comment => '' }, "a sign of life: $_") if $_ == 1 || $_ == 15;
	}
	is($server->stat('idle_closed'), 0, 'a client that says nothing is not idle');
	$server->publish('room', 5);
	is_deeply(numbers($stream->messages(1)), [5], 'and hears');
	$server->reconfigure('realtime.keepalive_interval' => '15s', 'realtime.idle_timeout' => '1min');
	$stream->abandon;
}

#
# Slow readers
#
{
	$server->reconfigure('realtime.max_send_queue' => '256kB', 'realtime.send_timeout' => '3s');
	my $healthy = live(topics => ['crowd']);
	my @deaf = map { live(topics => ['crowd'], receive_buffer => 4096) } 1 .. 10;
	my $n = 0;
	wait_for(
		sub {
			$server->sql(qq{SELECT realtime.send(jsonb_build_object('n', $n + n, 'x', repeat('x', 50000)), 'e', 'crowd', false)
				FROM generate_series(1, 10) n});
			$healthy->messages(10);
			$n += 10;
			$server->stat('slow_closed') == 10;
		},
		'slow readers to be closed');
	$server->publish('crowd', -1);
	is_deeply(numbers($healthy->messages(1)), [-1], 'who reads hears');
	wait_for(sub { $server->stat('connections') == 1 }, 'them to be gone');
	ok($_->wait_eof, 'who does not is closed') for @deaf;
	$server->reconfigure('realtime.max_send_queue' => '1MB', 'realtime.send_timeout' => '60s');
	$_->abandon for $healthy, @deaf;
}

#
# Ends
#
{
	my $stream = live();
	my $gateway = $server->gateway_pid;
	$server->reconfigure('realtime.private_only' => 'on');
	is_deeply($stream->event('close'), { reason => 'Server requested disconnect' }, 'new settings end streams that they do not allow');
	ok($stream->wait_eof, 'really');
	my $refused = listen_to();
	is($refused->status, 403, 'and refuse new ones');
	is_deeply($refused->{body}, { message => 'PrivateOnly: This project only allows private channels' }, 'why');
	$server->reconfigure('realtime.private_only' => 'off');
	wait_for(sub { listen_to()->status eq '200' }, 'public topics to be allowed again');

	# the gateway is killed while clients listen: they come back with what they have
	my @topics = qw(k1 k2);
	my @clients = map { live(topics => \@topics) } 1 .. 5;
	publish(\@topics, 1 .. 10);
	is_deeply(numbers($_->messages(10)), [ 1 .. 10 ], 'all hear') for @clients;
	kill 'KILL', $gateway;
	publish(\@topics, 11 .. 20);
	ok($_->wait_eof, 'the gateway is gone') for @clients;
	$server->wait_until_healthy;
	recorded();
	for (@clients)
	{
		my $back = wait_for(sub { my $s = come_back($_->{last_event_id}, @topics); $s->status eq '200' && $s }, 'a stream');
		is_deeply([ sort { $a <=> $b } @{ numbers($back->messages(10)) } ], [ 11 .. 20 ], 'nothing is missed');
		ok($back->event('ready'), 'and the present begins');
		is($back->block(0.1), undef, 'without more');
		$back->abandon;
	}
	$stream->abandon;
}

#
# Agent channels: names that are bad, or become so
#
{
	my $good = do { $server->sql(q{SELECT realtime.create_agent('acme')}); $server->sql(q{SELECT realtime.user_channel('acme', 'u')}) };
	my $refused = listen_to(topics => [ $good, 'agent-acme-user-u-' . '0' x 64 ]);
	is($refused->status, 403, 'a name without proof');
	is_deeply($refused->{body}, { message => 'Unauthorized: invalid channel signature' }, 'why');
	my $stream = live(topics => [ $good, 'room' ]);
	$server->sql(q{SELECT realtime.rotate_signing_key('acme', '0')});
	is_deeply($stream->event('close'), { topic => $good, reason => 'Channel name has expired' }, 'a name that becomes bad ends');
	$server->publish('room', 1);
	is_deeply(numbers($stream->messages(1)), [1], 'and the other topic goes on');
	$_->abandon for $refused, $stream;
}

#
# Limits
#
{
	$server->reconfigure('realtime.max_connections' => 2);
	my @streams;
	my $refused = wait_for(
		sub {
			my $stream = listen_to();
			return $stream if $stream->status eq '503';
			push @streams, $stream;
			return undef;
		},
		'the limit');
	is_deeply($refused->{body}, { message => 'Too many connected users' }, 'too many clients');
	$_->abandon for @streams, $refused;
	$server->reconfigure('realtime.max_connections' => 100);
	wait_for(sub { $server->stat('channels_limited') > 0 && $server->stat('connections_limited') > 0 }, 'counters');

	# those of the whole server
	for ([ 'max_concurrent_users', 'users_limited', 'Too many connected users' ],
		[ 'max_joins_per_second', 'joins_limited', 'Too many joins per second' ])
	{
		my ($limit, $counter, $message) = @$_;
		my @many;

		wait_for(sub { $server->stat('users') == 0 }, 'those before to be gone');
		$server->reconfigure("realtime.$limit" => 1);
		$refused = wait_for(
			sub {
				my $stream = listen_to(topics => [ 1 .. 5 ]);
				return $stream if $stream->status eq '429';
				push @many, $stream;
				return undef;
			},
			$limit);
		is_deeply($refused->{body}, { message => $message }, $message);
		ok(wait_for(sub { $server->stat($counter) > 0 }, $counter), 'and is counted');
		$_->abandon for @many, $refused;
		$server->reconfigure("realtime.$limit" => 0);
		wait_for(sub { my $stream = listen_to(); my $status = $stream->status; $stream->abandon; $status eq '200' }, 'room');
	}
}

#
# The end of the server, with a stream and a request that is not decided
#
{
	my $stream = live();
	$server->reconfigure('realtime.statement_timeout' => '60s');
	my $undecided = listen_to(topics => ['slow'], token => $alice, query => '&private=true');
	wait_for(sub { $server->sql(q{SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'}) > 0 }, 'a policy to sleep');
	$server->cluster_alive('after all that');
	$node->stop('fast');
	is($stream->event('close')->{topic}, undef, 'the end is told');
	ok($stream->wait_eof, 'and no frame follows');
	ok($undecided->wait_eof, 'nobody waits for a decision any more');
	# whoever ends first, the executor or the gateway
	like($undecided->{socket}{in}, qr{\A(?:HTTP/1\.1 503 .*)?\z}s, 'and no answer is made up');
}

#
# Three gateways
#
my $three = RealtimeServer->start_new('three', conf => "realtime.gateways = 3\n");
wait_for(sub { $three->stat('gateways') == 3 }, 'all gateways to listen');
{
	my @topics = qw(x y);
	my @streams = map { EventStreamClient->connect($three, topics => \@topics) } 1 .. 12;
	ok($_->event('ready'), 'a stream') for @streams;
	my %gateways = map { $three->gateway_of($_->{socket}) => 1 } @streams;
	cmp_ok(scalar(keys %gateways), '>', 1, 'at several gateways');
	$three->publish($topics[ $_ % 2 ], $_) for 1 .. 10;
	my @ids = map { my @got = $_->messages(10); is_deeply(numbers(@got), [ 1 .. 10 ], 'hears all'); join ' ', map { $_->{id} } @got } @streams;
	is(scalar(keys %{ { map { $_ => 1 } @ids } }), 1, 'with the same ids everywhere');

	my $talker = $three->member('x');
	$talker->push('realtime:x', 'broadcast', { type => 'broadcast', event => 'talk', payload => { n => 11 } });
	is_deeply(numbers($_->messages(1)), [11], 'hears a client of any gateway') for @streams;

	my $gateway = $three->gateway_of($streams[0]{socket});
	kill 'KILL', $gateway;
	my @cut = grep { !$_->block(0.2) && $_->{socket}{eof} } @streams;
	wait_for(sub { $three->stat('gateways') == 3 }, 'another gateway');
	$three->publish($topics[ $_ % 2 ], $_) for 12 .. 15;
	cmp_ok(scalar @cut, '>', 0, scalar(@cut) . ' are cut off');
	for (@cut)
	{
		my $back = EventStreamClient->connect($three, topics => \@topics, last_event_id => $_->{last_event_id});
		is_deeply([ sort { $a <=> $b } @{ numbers($back->messages(4)) } ], [ 12 .. 15 ], 'and miss nothing at another gateway');
		$back->abandon;
	}
	$_->abandon for @streams, $talker;
	$three->cluster_alive('three gateways');
}

done_testing();
