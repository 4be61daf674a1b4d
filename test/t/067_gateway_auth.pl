# What the gateway does while others decide: joins, leaves and tokens that come
# before the answer, names of agent channels that cease to be good, and
# requests with bodies, on whose answer those behind them wait.
#
# Policies wait for a lock that the test holds, so the test decides when a
# decision is there.

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use JSON::PP;
use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;
use Time::HiRes qw(sleep time);

my $server = RealtimeServer->start_new('gateway_auth', conf => <<'CONF');
realtime.statement_timeout = 60s
realtime.lock_timeout = 60s
realtime.allowed_origins = 'https://shop.example, http://localhost:3000'
CONF
my $node = $server->node;
my $gateway = $server->gateway_pid;

$server->sql(<<'SQL');
SELECT realtime.setup_api_roles();
-- topics like "held:1:..." wait for lock 1
CREATE POLICY held ON realtime.messages FOR SELECT TO anon
	USING (topic LIKE 'held:%'
		AND pg_advisory_xact_lock_shared(split_part(topic, ':', 2)::int) IS NOT NULL
		AND coalesce(current_setting('request.jwt.claims')::jsonb ->> 'level', 'all') IN ('all', extension));
CREATE POLICY headers ON realtime.messages FOR SELECT TO anon
	USING (topic = 'headers:' || (current_setting('request.headers')::jsonb ->> 'x-seat'));
CREATE POLICY headers_seen ON realtime.messages FOR SELECT TO anon
	USING (topic = 'headers seen:' || current_setting('request.headers'));
SQL

# A session that holds the locks.
my $locker = $node->background_psql('postgres');
$locker->set_query_timer_restart;

sub lock_session
{
	my (@statements) = @_;

	$locker->query_safe($_) for @statements;
	return;
}
sub hold { return lock_session(map { "SELECT pg_advisory_lock($_)" } @_); }
sub release { return lock_session(map { "SELECT pg_advisory_unlock($_)" } @_); }

# Wait until so many sessions wait for something that the locker holds.
sub wait_for_waiters
{
	my ($n) = @_;
	wait_for(sub { $server->sql('SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted') == $n },
		"$n executors to wait");
	return;
}

sub held { return "held:$_[0]:" . ($_[1] // 'room'); }
sub level { return (private => 1, access_token => $server->token(level => $_[0], jti => $_[1])); }

sub publish
{
	my ($topic, $n) = @_;
	return $server->sql(sprintf q{SELECT realtime.send('{"n": %d}'::jsonb, 'e', '%s', %s)},
		$n, $topic, $topic =~ /^held:/ ? 'true' : 'false');
}

# Nothing has come but what is answered by this heartbeat.
sub nothing_came
{
	my ($client, $name) = @_;
	my $reply = $client->heartbeat;
	my $message = $client->next_message(0);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is_deeply([ $reply ? 'alive' : 'dead', $message ], [ 'alive', undef ], "$name: nothing came");
}

#
# While a decision is on its way
#
{
	my $client = $server->client;
	my $topic = held(1);

	hold(1);
	my $ref = $client->start_join($topic, private => 1);
	wait_for_waiters(1);
	is($client->join_result('public'), 'ok', 'a public join passes a private one by');
	publish($topic, 1);
	nothing_came($client, 'undecided');
	wait_for(sub { $server->stat('joins') == 1 }, 'the public join to be counted');
	is($server->stat('topics'), 1, 'and the hub is not told of its topic');

	is($client->leave($topic)->{payload}{status}, 'ok', 'leaving before the decision is answered');
	is($client->expect(sub { $_[0]{event} eq 'phx_close' })->{ref}, $ref, 'and closes the channel');
	release(1);
	wait_for_waiters(0);
	is($client->join_result($topic, private => 1), 'ok', 'joining again');
	publish($topic, 2);
	is($client->broadcast->{payload}{n}, 2, 'and hearing');
	nothing_came($client, 'from the first join');
	$client->abandon;
}
{
	my $client = $server->client;
	my $topic = held(2);

	hold(2);
	my $first = $client->start_join($topic, private => 1);
	wait_for_waiters(1);
	my $second = $client->start_join($topic, private => 1);
	is($client->expect(sub { $_[0]{event} eq 'phx_close' })->{ref}, $first,
		'a second join before the decision closes the first channel');
	release(2);
	is($client->reply($second)->{payload}{status}, 'ok', 'and is answered');
	publish($topic, 1);
	is($client->broadcast->{payload}{n}, 1, 'it hears');
	nothing_came($client, 'twice');
	$client->abandon;
}
{
	my $client = $server->client;

	hold(3);
	$client->start_join(held(3, $_), private => 1) for 1 .. 2;
	wait_for_waiters(2);
	$client->abandon;
	wait_for(sub { $server->stat('connections') == 0 }, 'the client to be gone');
	release(3);
	wait_for_waiters(0);
	my $next = $server->client;
	is($next->join_result(held(3), private => 1), 'ok',
		'a client that goes away before the decision: the next one gets its own');
	ok(wait_for(sub { $server->stat('channels') == 1 }, 'one channel'), 'and is the only one');
	$next->abandon;
	wait_for(sub { $server->stat('channels') == 0 }, 'the channel to be gone');
}
{
	my $client = $server->client;

	hold(4);
	my $ref = $client->start_join(held(4), private => 1,
		access_token => $server->token(exp => int(time()) + 2));
	is($client->reply($ref)->{payload}{response}{reason}, 'InvalidJWTToken: Token has expired 0 seconds ago',
		'a token that expires before the decision');
	release(4);
	wait_for_waiters(0);
	nothing_came($client, 'of the decision');
	$client->abandon;
}

#
# Tokens: one question at a time, the newest one counts
#
{
	my $client = $server->client;
	my $topic = held(5);

	is($client->join_result($topic, level('all', 1), presence => 1), 'ok', 'joined with both rights');
	ok($client->event($topic, ['presence_state']), 'and told who is online');
	hold(5);
	wait_for(sub { $server->stat('channels') == 1 }, 'the join to be counted');
	my $before = $server->stat('authorisations');
	$client->access_token($topic, $server->token(level => 'all', jti => $_)) for 2 .. 9;
	wait_for_waiters(1);
	publish($topic, 1);
	is($client->broadcast->{payload}{n}, 1, 'messages flow by the old decision');
	release(5);
	wait_for(sub { $server->stat('authorisations') == $before + 2 }, 'two decisions');
	wait_for_waiters(0);
	nothing_came($client, 'eight tokens, two decisions');

	hold(5);
	$client->access_token($topic, $server->token(level => 'broadcast'));
	wait_for_waiters(1);
	publish($topic, 2);
	is($client->broadcast->{payload}{n}, 2, 'still hearing');
	release(5);
	is($client->channel_end($topic), "You no longer have permission to read from this Channel topic: $topic",
		'a token that takes one of two rights ends the channel');
	$client->abandon;
}
{
	my $client = $server->client;
	my $topic = held(6);

	is($client->join_result($topic, level('presence'), presence => 1), 'ok', 'let in for presence alone');
	ok($client->event($topic, ['presence_state']), 'of which it is told');
	ok(wait_for(sub { $server->stat('channels') == 1 }, 'the channel'), 'is a channel');
	publish($topic, 1);
	nothing_came($client, 'who may not hear broadcasts');
	$client->access_token($topic, $server->token(level => 'all'));
	wait_for(sub { publish($topic, 2); my $m = $client->broadcast(0.1); $m && $m->{payload}{n} == 2 },
		'messages after another token');
	pass('who may now, hears them');
	$client->abandon;
}
{
	my $client = $server->client;
	my $topic = held(7);

	hold(7);
	my $ref = $client->start_join($topic, level('broadcast'));
	wait_for_waiters(1);
	$client->access_token($topic, $server->token(level => 'none'));
	ok($client->heartbeat, 'a newer token before the decision');
	release(7);
	is($client->reply($ref)->{payload}{response}{reason},
		"Unauthorized: You do not have permissions to read from this Channel topic: $topic",
		'is the one that counts');
	$client->abandon;
}

#
# Headers of the upgrade
#
{
	my $client = $server->client(headers => { 'x-seat' => ['12'], 'x-other' => [ 'a', 'b "c"' ] });
	is($client->join_result('headers:12', private => 1), 'ok', 'policies see the headers of the upgrade');
	like($client->join_result('headers:13', private => 1), qr/^Unauthorized/, 'as they are');
	is($client->join_result('headers seen:{"x-other":"a, b \"c\"","x-seat":"12"}', private => 1), 'ok',
		'in one object, repeated ones joined');
	my $plain = $server->client(headers => { 'accept' => ['x'] });
	is($plain->join_result('headers seen:{}', private => 1), 'ok', 'none is an empty object');
	my $key = $server->client(apikey => undef,
		headers => { 'x-api-key' => [ $server->anon_token ], 'X-SEAT' => ['14'], "x-bin" => ["\xff"] });
	is($key->join_result('headers seen:{"x-seat":"14"}', private => 1), 'ok',
		'the key is not among them, nor what is no text');
	my $many = $server->client(upgrade => 0)->http(WebSocketClient::upgrade_request(
			'/realtime/v1/websocket?vsn=2.0.0&apikey=' . $server->anon_token, { 'x-a' => [ 'x' x 5000 ] }));
	is($many->[0], 431, 'too many are refused');
	$_->abandon for $client, $plain, $key;
}

#
# Agent channels
#
my ($agent, $api_key) = split /\|/, $server->sql(
	q{SELECT agent_id, api_key FROM realtime.create_agent('11111111-2222-4333-8444-555555555555')});
sub user_channel { return $server->sql("SELECT realtime.user_channel('$agent', '$_[0]')"); }
sub rotate { return $server->sql("SELECT realtime.rotate_signing_key('$agent', '$_[0]')"); }
my $refused = 'Unauthorized: invalid channel signature';
{
	my $widget = $server->client;
	my $old = user_channel('ann');

	is($widget->join_result($old), 'ok', 'a name from SQL can be joined');
	for ([ 'another mac', $old =~ s/.$/$& eq '0' ? '1' : '0'/er ], [ 'no mac', 'agent-x' ],
		[ 'an unknown agent', 'agent-99999999-2222-4333-8444-555555555555-user-ann-' . 'ab' x 32 ],
		[ 'a conversation', 'conv-1-' . 'ab' x 32 ])
	{
		is($widget->join_result($_->[1]), $refused, "$_->[0]: refused");
	}
	is($widget->join_result('agents'), 'ok', 'other names are nobody\'s');
	like($widget->join_result($old, private => 1), qr/^Unauthorized: You do not have/,
		'as a private channel it needs a policy');
	is($widget->join_result($old), 'ok', 'back');

	publish($old, 1);
	rotate('0');
	is($widget->broadcast->{payload}{n}, 1, 'what was sent before the rotation still comes');
	is($widget->channel_end($old), 'Channel name has expired', 'then the old name is taken away');
	ok(wait_for(sub { $server->stat('evicted') == 1 }, 'it to be counted'), 'which is counted');
	is($widget->join_result($old), $refused, 'and cannot be joined again');
	is($widget->join_result(user_channel('ann')), 'ok', 'the new one can');
	publish($old, 2);
	ok($widget->heartbeat, 'the widget is alive');
	is($widget->broadcast(0), undef, 'and hears nothing of what goes to the old name');

	# the end of a grace, by the clock
	my $graceful = user_channel('bob');
	my $start = time();
	rotate('2s');
	is($widget->join_result($graceful), 'ok', 'a name in its grace');
	publish($graceful, 3);
	is($widget->broadcast->{payload}{n}, 3, 'is heard on');
	is($widget->channel_end($graceful), 'Channel name has expired', 'until the grace is over');
	cmp_ok(time() - $start, '>=', 1.9, 'not before');
	cmp_ok(time() - $start, '<', 5, 'nor much later');
	is($widget->channel_end(user_channel('ann'), 0), undef, 'the others stay');

	# the database cannot say
	my $stays = user_channel('ann');
	is($widget->join_result($stays), 'ok', 'joined');
	$server->reconfigure('realtime.lock_timeout' => '200ms');
	my $other = wait_for(
		sub {
			my $client = $server->client;

			lock_session('BEGIN', 'LOCK TABLE realtime.signing_keys');
			my $reply = $client->reply($client->start_join('agent-y-' . 'ab' x 32), 5);
			return $reply->{payload}{response}{reason} if $reply;
			# by an executor that had not read its settings again, and waits for a minute
			lock_session('COMMIT');
			return;
		},
		'the lock timeout');
	like($other, qr/^QueryCanceled/, 'a name that cannot be looked up is refused for now');
	publish($stays, 4);
	is($widget->broadcast->{payload}{n}, 4, 'who is in stays in');
	lock_session('COMMIT');
	$server->reconfigure('realtime.lock_timeout' => '60s');

	# modes
	my $position = -s $node->logfile;
	$server->reconfigure('realtime.agent_channels' => 'warn');
	my $signature = 'cd' x 32;
	wait_for(sub { $server->client->join_result("agent-$agent-user-eve-$signature") eq 'ok' }, 'mode warn');
	ok($node->wait_for_log(qr/channel "agent-$agent-user-eve-\.\.\." was joined without a valid signature/, $position),
		'mode warn: let in, with a line in the log');
	unlike(slurp_file($node->logfile, $position), qr/$signature/, 'which leaves the signature out');
	$server->reconfigure('realtime.agent_channels' => 'off');
	my $anyone = $server->client;
	wait_for(sub { $anyone->join_result('agent-nobody') eq 'ok' }, 'mode off');
	$server->reconfigure('realtime.agent_channels' => 'auto');
	is($anyone->channel_end('agent-nobody'), 'Channel name has expired', 'back to auto: out again');
	is($widget->channel_end($stays, 0), undef, 'who has a good name stays');
	$_->abandon for $anyone, $widget;
}

#
# Requests with bodies
#
my $path = '/functions/v1/realtime-publish';
my $key_header = "x-api-key: $api_key\r\n";

# The head and body of a request; the body is sent with its length.
sub post
{
	my ($body, $headers, $target) = @_;
	return 'POST ' . ($target // $path) . " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
	  . ($headers // $key_header) . 'Content-Length: ' . length($body) . "\r\n\r\n$body";
}
sub chunked
{
	my (@chunks) = @_;
	return "POST $path HTTP/1.1\r\nHost: localhost\r\n${key_header}Transfer-Encoding: chunked\r\n\r\n"
	  . join('', map { sprintf("%x\r\n%s\r\n", length $_, $_) } @chunks, '');
}

# Ask on a connection of its own: [status, head, body].
sub ask
{
	my ($request) = @_;
	my $client = $server->client(upgrade => 0);
	my $answer = $client->http($request, 20);

	$client->abandon;
	return $answer // [ 'none', '', '' ];
}

{
	my $widget = $server->member(user_channel('ann'));
	my $answer = ask(post('{"endUserId":"ann"}'));
	is($answer->[0], 200, 'publish: 200');
	is_deeply(decode_json($answer->[2]), { ok => JSON::PP::true, channels => [ user_channel('ann') ] },
		'with the channels');
	is($widget->broadcast->{payload}{endUserId}, 'ann', 'and the widget hears');

	for (
		[ 'on the other path', post('{"endUserId":"ann"}', $key_header, '/realtime/v1/api/publish?x=y') ],
		[ 'in chunks', chunked('{"endUs', 'erId":"a', 'nn"}') ],
		[ 'as supabase-js sends it', post('{"endUserId":"ann"}',
				"${key_header}apikey: " . $server->anon_token . "\r\nauthorization: Bearer x\r\n") ])
	{
		is(ask($_->[1])->[0], 200, "publish $_->[0]");
		is($widget->broadcast->{payload}{endUserId}, 'ann', "publish $_->[0]: heard");
	}
	ok(wait_for(sub { $server->stat('published') == 4 }, 'four to be counted'), 'four are counted');

	# a byte at a time
	my $slow = $server->client(upgrade => 0);
	$slow->send_raw($_) for split //, chunked('{"endUserId":"ann"}');
	is($slow->http->[0], 200, 'a byte at a time');
	$widget->broadcast;
	nothing_came($widget, 'more often than it was sent');
	$_->abandon for $widget, $slow;
}

# What is refused: [name, request, status]
for (
	[ 'no key', post('{"endUserId":"ann"}', ''), 401 ],
	[ 'a wrong key', post('{"endUserId":"ann"}', "x-api-key: nonsense\r\n"), 401 ],
	[ 'two keys', post('{"endUserId":"ann"}', $key_header x 2), 401 ],
	[ 'broken JSON', post('{"endUserId":'), 400 ],
	[ 'no body', post(''), 400 ],
	[ 'not UTF-8', post("{\"endUserId\":\"\xff\"}"), 400 ],
	[ 'nested deeply', post('[' x 8000 . ']' x 8000), 400 ],
	[ 'neither id', post('{}'), 400 ],
	[ 'no object', post('[]'), 400 ],
	[ '16 kB and a byte', post(' ' x (16 * 1024 + 1)), 413 ],
	[ 'a megabyte, announced', post('', "${key_header}Content-Length: 1000000\r\n") =~ s/Content-Length: 0\r\n//r, 413 ],
	[ 'too many chunks', chunked(map { ' ' x 1000 } 1 .. 17), 413 ],
	[ 'bad chunks', chunked('{}') =~ s/\r\n2\r\n/\r\nzz\r\n/r, 400 ],
	[ 'an expectation', post('{}', "${key_header}Expect: tea\r\n"), 417 ],
	[ 'GET', "GET $path HTTP/1.1\r\nHost: localhost\r\n\r\n", 405 ],
	[ 'PUT with a body', post('{}') =~ s/^POST/PUT/r, 405 ])
{
	my ($name, $request, $status) = @$_;
	my $answer = ask($request);

	is($answer->[0], $status, "publish, $name: $status");
	is(eval { decode_json($answer->[2])->{ok} } // 'no JSON', JSON::PP::false, "publish, $name: says so in JSON");
	like($answer->[1], qr/^Allow: POST, OPTIONS\r$/mi, "publish, $name: Allow") if $status == 405;
}

# The same answer for every key that is none.
is(ask(post('{"endUserId":"ann"}', ''))->[2], ask(post('{"endUserId":"ann"}', "x-api-key: x\r\n"))->[2],
	'a key that is missing and one that is wrong get the same answer');

# Expect: 100-continue
{
	my $client = $server->client(upgrade => 0);
	my ($head, $body) = post('{"endUserId":"ann"}', "${key_header}Expect: 100-continue\r\n") =~ /^(.*\r\n\r\n)(.*)$/s;

	is($client->http($head)->[0], 100, 'Expect: 100-continue is answered');
	is($client->http($body)->[0], 200, 'and then the request');
	$client->abandon;
}

# Browsers of other origins
for (
	[ 'https://shop.example', 'https://shop.example' ], [ 'http://localhost:3000', 'http://localhost:3000' ],
	[ 'https://shop.example.evil', undef ], [ undef, undef ])
{
	my ($origin, $allowed) = @$_;
	my $header = defined $origin ? "Origin: $origin\r\n" : '';
	my $name = $origin // 'no origin';
	my $preflight = ask("OPTIONS $path HTTP/1.1\r\nHost: localhost\r\n${header}Access-Control-Request-Method: POST\r\n\r\n");
	my $answer = ask(post('{}', $key_header . $header));

	is($preflight->[0], 204, "preflight, $name: 204");
	like($preflight->[1], qr/^Access-Control-Allow-Headers: authorization, x-client-info, apikey, x-api-key, content-type, last-event-id\r$/mi,
		"preflight, $name: the headers that clients send");
	like($preflight->[1], qr/^Access-Control-Allow-Methods: .*POST/mi, "preflight, $name: the method");
	for ($preflight, $answer)
	{
		my ($got) = $_->[1] =~ /^Access-Control-Allow-Origin: (.*)\r$/mi;
		is($got, $allowed, "$name: who may read the answer");
		like($_->[1], qr/^Vary: Origin\r$/mi, "$name: which depends on the origin");
	}
}

# Requests that are sent behind one another are answered in their order.
{
	my $client = $server->client(upgrade => 0);

	lock_session('BEGIN', 'LOCK TABLE realtime.agents');
	$client->send_raw(post('{"endUserId":"ann"}') . "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
		  . post('{"endUserId":"bob"}')
		  . WebSocketClient::upgrade_request('/realtime/v1/websocket?vsn=2.0.0&apikey=' . $server->anon_token)
		  . WebSocketClient::frame(1, '[null,"1","phoenix","heartbeat",{}]'));
	wait_for_waiters(1);
	is($client->http(undef, 0.1), undef, 'no answer before its time');
	ok($server->healthy, 'others are served');
	lock_session('COMMIT');
	like($client->http->[2], qr/-user-ann-/, 'the first request');
	like($client->http->[2], qr/"status":"ok"/, 'the second one');
	like($client->http->[2], qr/-user-bob-/, 'the third one');
	is($client->http->[0], 101, 'the upgrade');
	is($client->reply('1')->{payload}{status}, 'ok', 'and what came behind it');
	$client->abandon;
}

# Clients that do not wait for the answer
{
	lock_session('BEGIN', 'LOCK TABLE realtime.agents');
	my @gone = map { my $c = $server->client(upgrade => 0); $c->send_raw(post('{"endUserId":"ann"}')); $c } 1 .. 10;
	wait_for_waiters(2);
	my $half = $server->client(upgrade => 0);
	$half->send_raw(post('{"endUserId":"ann"}'));
	shutdown $half->{socket}, 1;
	$_->abandon for @gone;
	lock_session('COMMIT');
	is($half->http->[0], 200, 'a client that has sent all it has to say gets its answer');
	ok($half->wait_eof, 'and the end');
	ok($server->healthy, 'clients that went away before the answer');
}

# Slow bodies
{
	$server->reconfigure('realtime.header_timeout' => '1s');
	my $client = $server->client(upgrade => 0);
	my $start = time();

	$client->send_raw("POST $path HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n");
	while (!$client->{eof} && time() - $start < 20)
	{
		$client->send_raw(' ');
		$client->read_more(0.2);
	}
	ok($client->{eof}, 'a body that comes too slowly');
	cmp_ok(time() - $start, '<', 15, 'is not waited for');

	# what takes us long is another matter
	lock_session('BEGIN', 'LOCK TABLE realtime.agents');
	$client = $server->client(upgrade => 0);
	$client->send_raw(post('{"endUserId":"ann"}'));
	wait_for_waiters(1);
	sleep 1.5;
	lock_session('COMMIT');
	is($client->http->[0], 200, 'an answer that takes longer than a request may');
	$client->abandon;
}

# Where SQL fails, or there is nobody to ask
{
	$server->sql('ALTER TABLE realtime.agents RENAME TO hidden');
	my $answer = ask(post('{"endUserId":"ann"}'));
	$server->sql('ALTER TABLE realtime.hidden RENAME TO agents');
	is($answer->[0], 500, 'SQL that fails: 500');
	is_deeply(decode_json($answer->[2]), { ok => JSON::PP::false, error => 'Internal error' }, 'without details');
	is(ask(post('{"endUserId":"ann"}'))->[0], 200, 'and all is well again');

	lock_session('BEGIN', 'LOCK TABLE realtime.agents');
	$server->reconfigure('realtime.lock_timeout' => '100ms');
	$answer = wait_for(sub { my $got = ask(post('{"endUserId":"ann"}')); $got->[0] == 503 && $got }, 'the lock timeout');
	lock_session('COMMIT');
	like($answer->[1], qr/^Retry-After: \d+\r$/mi, 'SQL that takes too long: 503, with a time to come back');
	is_deeply([ sort keys %{ decode_json($answer->[2]) } ], [qw(error ok)], 'in JSON');
}

{
	my $client = $server->client;
	my $topic = held(8);

	is($client->join_result($topic, private => 1), 'ok', 'joined');
	$server->reconfigure('realtime.executors' => 0);
	wait_for(sub { ask(post('{"endUserId":"ann"}'))->[0] == 503 }, 'the executors to end');
	$client->access_token($topic, $server->token(jti => 'new'));
	my $system = $client->expect(sub { $_[0]{event} eq 'system' });
	is($system->{payload}{message}, 'Realtime was unable to connect to the project database',
		'a new token that nobody can look at');
	my $end = $client->expect(sub { $_[0]{event} eq 'phx_error' });
	is($end->{ref}, $client->{join_refs}{"realtime:$topic"}, 'ends the channel so that the client comes back');
	is($client->join_result($topic, private => 1),
		'UnableToConnectToProject: Realtime was unable to connect to the project database', 'which is told why');
	is($client->join_result('public'), 'ok', 'public channels go on');
	$server->reconfigure('realtime.executors' => 2);
	wait_for(sub { $client->join_result($topic, private => 1) eq 'ok' }, 'the executors to be back');
	pass('until it may');
	$client->abandon;
}

unlike(slurp_file($node->logfile), qr/\Q$api_key\E|${\ sha256_hex($api_key) }/, 'no key is in the log');
$locker->quit;
is($server->gateway_pid, $gateway, 'all of this was one gateway');
$server->cluster_alive('after all that');
done_testing();
