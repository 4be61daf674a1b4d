# What no client would say (reliability.md f), where 025, 027 and 088 leave off: what
# joins ask of tables and of history, numbers that are short in JSON and long in
# SQL, Socket.IO packets, sessions that are polled, arguments of functions.  Each
# is answered, or ends its channel or its connection; after each the gateway is
# the same and has the memory and the descriptors that it had.

use strict;
use warnings;

use ApiClient;
use Baseline;
use JSON::PP;
use JwtKey;
use POSIX ();
use PollingClient;
use PostgreSQL::Test::Utils;
use RealtimeServer;
use SocketIoClient;
use Test::More;
use Time::HiRes qw(time);
use WebSocketClient;

my $json = JSON::PP->new->canonical->allow_nonref;
my ($true, $false) = (JSON::PP::true, JSON::PP::false);
my $server = RealtimeServer->start_new('bad_inputs', conf => <<'CONF');
realtime.idle_timeout = 10min
realtime.max_presence_calls = 0
realtime.max_presence_members = 50
realtime.connect_timeout = 3s
CONF
my $gateway = $server->gateway_pid;

$server->sql(<<'SQL');
SELECT realtime.setup_api_roles();
CREATE POLICY "write" ON realtime.messages FOR INSERT TO anon, authenticated WITH CHECK (true);
CREATE POLICY "read" ON realtime.messages FOR SELECT TO anon, authenticated USING (true);
CREATE TABLE t (id int PRIMARY KEY, n numeric, x text);
GRANT SELECT ON t TO anon;
ALTER PUBLICATION supabase_realtime ADD TABLE t;
INSERT INTO realtime.channels (pattern) VALUES ('room:%');
SQL

my $bystander = $server->member('bystander');
my $stranger = $server->client;
my $cursor = $stranger->join('room')->{payload}{response}{cursor};
$stranger->abandon;

# What comes of a join: the reply, and the system message where it asks for
# tables.  'closed' with the code where the connection ends.
sub join_outcome
{
	my ($client, $payload) = @_;
	my $asks = ref $payload eq 'HASH' && ref $payload->{config} eq 'HASH' && $payload->{config}{postgres_changes};
	my $ref = $client->push('realtime:room', 'phx_join', $payload);
	my $reply = $client->expect(sub { exists $_[0]{close} || ($_[0]{event} eq 'phx_reply' && ($_[0]{ref} // '') eq $ref) });

	return 'silence' unless $reply;
	return "closed $reply->{close}" if exists $reply->{close};
	my $response = $reply->{payload}{response};
	return "error $response->{reason}" if $reply->{payload}{status} ne 'ok';
	return 'recovered ' . $json->encode($response->{recovered}) if exists $response->{recovered};
	return 'ok' unless @{ $response->{postgres_changes} };
	my $system = $client->event('room', ['system']) or return 'silence about tables';
	return "$system->{payload}{status} $system->{payload}{message}";
}

# One case on a connection of its own; the connection lives on.
my $baseline;
my $cases = 0;
sub case
{
	my ($name, $payload, $wanted) = @_;
	my $client = $server->client;
	my $got = join_outcome($client, $payload);

	$cases++;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	like($got, $wanted, $name);
	ok($client->heartbeat, '... and the connection lives') unless $got =~ /^closed/;
	$client->abandon;
	$baseline->returns($name) if $baseline;
	return;
}

# Memory of the executor that took most.
sub most_of_executors
{
	my ($most) = sort { $b <=> $a } map { $server->memory_kb($_, 'VmHWM') }
	  split ' ', $server->sql(q{SELECT string_agg(pid::text, ' ') FROM pg_stat_activity WHERE backend_type = 'realtime executor'});
	return $most;
}

#
# Following tables
#
my $unable = qr/^error Unable to subscribe to changes with given parameters/;
sub changes { return { config => { postgres_changes => [@_] } }; }
sub entry { return { event => '*', schema => 'public', table => 't', @_ }; }
case('a good entry', changes(entry()), qr/^ok Subscribed to PostgreSQL$/);
case('a good filter', changes(entry(filter => 'n=in.(1,2)')), qr/^ok Subscribed/);
$baseline = Baseline->take($server);
case("followed: $_->[0]", $_->[1], $_->[2]) for (
	[ 'no table of that name', changes(entry(table => 'nothing')), $unable ],
	[ 'a table with a quote', changes(entry(table => q{t'; DROP TABLE t; --})), $unable ],
	[ 'a table of a megabyte', changes(entry(table => 'x' x 1_000_000)), $unable ],
	[ 'an empty table', changes(entry(table => '')), qr/^(error|ok)/ ],
	[ 'a table that is a number', changes(entry(table => 7)), qr/^(error|ok)/ ],
	[ 'a table that is an object', changes(entry(table => {})), qr/^(error|ok)/ ],
	[ 'no schema of that name', changes(entry(schema => 'nothing')), $unable ],
	[ 'our own schema', changes(entry(schema => 'realtime', table => 'messages')), $unable ],
	[ 'the catalog', changes(entry(schema => 'pg_catalog', table => 'pg_authid')), $unable ],
	[ 'an unknown event', changes(entry(event => 'TRUNCATE')), qr/^(error|ok)/ ],
	[ 'an event that is a number', changes(entry(event => 7)), qr/^(error|ok)/ ],
	[ 'an unknown column', changes(entry(filter => 'nothing=eq.1')), qr/invalid column for filter nothing/ ],
	[ 'an operator that is none', changes(entry(filter => 'id=;.1')), qr/^error/ ],
	[ 'an operator with SQL', changes(entry(filter => q{id=eq' OR true --.1})), qr/^error/ ],
	[ 'no operator', changes(entry(filter => 'id')), qr/^error/ ],
	[ 'a list that is not closed', changes(entry(filter => 'id=in.(1,2')), qr/^error/ ],
	[ 'a list that is not opened', changes(entry(filter => 'id=in.1,2)')), qr/^error/ ],
	[ 'an empty list', changes(entry(filter => 'id=in.()')), qr/^(error|ok)/ ],
	[ 'a quote that is not closed', changes(entry(filter => 'x=eq."a')), qr/^(error|ok)/ ],
	[ 'a value with SQL', changes(entry(filter => q{x=eq.'; DROP TABLE t; --})), qr/^ok Subscribed/ ],
	[ 'a value of another type', changes(entry(filter => 'id=eq.x')), qr/invalid input syntax for type integer/ ],
	[ 'a value that is too large', changes(entry(filter => 'id=eq.99999999999')), qr/out of range/ ],
	[ 'a regular expression that is none', changes(entry(filter => 'x=match.(')), qr/parentheses/ ],
	[ 'an expression that takes for ever', changes(entry(filter => 'x=match.' . '(a*)*' x 50 . 'b')), qr/^(error|ok)/ ],
	[ '101 values', changes(entry(filter => 'id=in.(' . join(',', 1 .. 101) . ')')), qr/too many values/ ],
	[ '1,000 conditions', changes(entry(filter => join ',', ('id=gt.1') x 1000)), qr/^(error|ok)/ ],
	[ 'a filter of a megabyte', changes(entry(filter => 'x=eq.' . 'x' x 1_000_000)), qr/^(error|ok)/ ],
	[ 'a filter that is an object', changes(entry(filter => {})), qr/^(error|ok)/ ],
	[ 'select of an unknown column', changes(entry(select => ['nothing'])), qr/invalid column for select nothing/ ],
	[ 'select of 10,000 columns', changes(entry(select => [ ('id') x 10_000 ])), qr/^(error|ok)/ ],
	[ 'select that is a text', changes(entry(select => 'id; DROP TABLE t')), qr/^(error|ok)/ ],
	[ '64 entries', changes(map { entry(filter => "id=eq.$_") } 1 .. 64), qr/^ok Subscribed/ ],
	[ '1,000 entries', changes(map { entry(filter => "id=eq.$_") } 1 .. 1000), qr/^error/ ],
	[ 'entries that are none', changes(1, 'x', [], {}, undef), qr/^(error|ok)/ ],
	[ 'an object for a list', { config => { postgres_changes => { a => 1 } } }, qr/^ok$/ ],
	[ '1e131071', changes(entry(filter => 'n=eq.1e131071')), qr/a value of a filter is too long/ ],
	[ '1e131071 a hundred times', changes(entry(filter => 'n=in.(' . join(',', ('1e131071') x 100) . ')')), qr/a value of a filter is too long/ ],
	[ '1e131071 in 64 entries', changes(map { entry(filter => join ',', map { "n=gt.${_}e131070" } 1 .. 9) } 1 .. 64), qr/a value of a filter is too long/ ],
	[ '1e300', changes(entry(filter => 'n=lt.1e300')), qr/^ok Subscribed/ ]);
is($server->sql('SELECT count(*) FROM t'), 0, 'no table was dropped');

#
# History
#
sub history { return { config => { broadcast => {@_} } }; }
my $nothing_new = qr/^recovered true$/;
my $lost = qr/^recovered false$/;
$server->publish('room', $_) for 1 .. 3;
case("resume: $_->[0]", history(resume => $_->[1]), $_->[2]) for (
	[ 'the cursor of a join', $cursor, $nothing_new ],
	[ 'junk', 'junk', $lost ], [ 'nothing', '', $lost ],
	[ 'a cursor that is cut', substr($cursor, 0, 31), $lost ], [ 'one letter more', "${cursor}A", $lost ],
	[ 'another epoch', ($cursor =~ s/^./$& eq 'A' ? 'B' : 'A'/er), $lost ],
	[ 'the largest place', substr($cursor, 0, 11) . '_' x 21, $lost ],
	[ 'zeros', 'A' x 32, $lost ],
	[ 'letters that are none', '!' x 32, $lost ], [ 'U+FFFD', "\x{fffd}" x 32, $lost ],
	[ 'a megabyte', 'A' x 1_000_000, $lost ],
	[ 'a number', 7, qr/^(recovered false|ok|error)/ ], [ 'an object', {}, qr/^(recovered false|ok|error)/ ],
	[ 'an array', [$cursor], qr/^(recovered false|ok|error)/ ], [ 'true', $true, qr/^(recovered false|ok|error)/ ],
	[ 'null', undef, qr/^ok$/ ]);
my @private = (private => $true);
case("replay: $_->[0]", { config => { private => $true, broadcast => { replay => $_->[1] } } }, qr/^(ok|error)/) for (
	[ 'since negative', { since => -1 } ], [ 'since a text', { since => 'yesterday' } ], [ 'since 2^63', { since => 9223372036854775807 } ],
	[ 'since 2^64', $json->decode('{"since":18446744073709551616}') ], [ 'since 1e400', { since => '1e400' } ], [ 'since null', { since => undef } ],
	[ 'since an object', { since => {} } ], [ 'no since', { limit => 1 } ],
	(map { [ "limit $_", { since => 0, limit => $_ } ] } -1, 0, 1_000_000_000, 1.5, 'many', '9' x 30), [ 'limit null', { since => 0, limit => undef } ],
	[ 'a number', 7 ], [ 'a text', 'all' ], [ 'a list', [ { since => 0 } ] ], [ 'true', $true ]);

#
# Numbers that are short in JSON and have 131,072 digits in SQL
#
{
	my $numbers = '{"a":[' . join(',', ('1e131071') x 20_000) . ']}';
	my $before = most_of_executors();
	my $key = $server->sql(q{SELECT realtime.create_api_key('numbers')});
	my $api = ApiClient->with_key($server, $key);
	my $answer = $api->raw('POST', '/api/realtime/publish', qq({"channel":"room:1","event":"e","payload":$numbers}));

	ok($answer->[0] =~ /^4/, "numbers: published by an administrator: $answer->[0]") or diag($answer->[2]);
	my $client = SocketIoClient->connect(port => $server->port, auth => { token => $server->anon_token });
	$client->subscribe('room:1');
	$client->say(qq(420["realtime:publish",{"channel":"room:1","event":"e","payload":$numbers}]));
	my $told = $client->wait_packet(qr/^430|^closed/);
	like($told, qr/"ok":false|^closed/, 'numbers: published by a client');
	$client->ws->abandon;
	$client = $server->client;
	$client->join('room', @private, broadcast => { ack => $true, self => $false });
	$client->send_frame(WebSocketClient::TEXT, sprintf '["%s","77","realtime:room","broadcast",{"type":"broadcast","event":"e","persist":true,"payload":%s}]',
		$client->{join_refs}{'realtime:room'}, $numbers);
	my $stored = $client->reply('77');
	ok($stored, 'numbers: to be stored: answered');
	$client->abandon;
	for my $sql (
		q{SELECT realtime.send(('{"a":[' || repeat('1e131071,', 20000) || '1]}')::jsonb, 'e', 'room', false)},
		q{SELECT realtime.publish('room:1', 'e', ('{"a":[' || repeat('1e131071,', 20000) || '1]}')::jsonb)},
		q{INSERT INTO realtime.messages (topic, extension, event, payload) VALUES ('room', 'broadcast', 'e', ('{"a":[' || repeat('1e131071,', 20000) || '1]}')::jsonb)})
	{
		my ($code, undef, $error) = $server->node->psql('postgres', $sql);
		like($error, qr/payload is too large: more than 3072000 bytes/, 'numbers: ' . substr($sql, 0, 30));
	}
	is($server->sql(q{SELECT count(*) FROM realtime.messages WHERE pg_column_size(payload) > 10000}), 0, 'numbers: nothing is stored');
	cmp_ok(most_of_executors() - $before, '<', 64 * 1024, sprintf 'numbers: no executor took more than %d kB', most_of_executors());
	is($server->sql(q{SELECT realtime.send('{"a": 1e300, "b": -0.10, "c": [true, null, "\u00e9\"", {}, []]}'::jsonb, 'e', 'room', false) IS NULL}), 'f', 'others can be sent');
	$baseline->returns('numbers');
}

#
# Tokens: what one that is refused costs (reliability.md C9)
#
{
	my $count = 300;
	my $text = '{"role":"anon","exp":4000000000,"a":' . '{"b":[' x 900 . ']}' x 900 . '}';
	my @tokens = (
		JwtKey->secret($RealtimeServer::jwt_secret)->sign_parts('{"alg":"HS256","typ":"JWT"}', $text),
		JwtKey->secret('a secret that the server has never heard of')->token({ role => 'anon', exp => 4_000_000_000, a => 'x' x 5800 }));
	my $client = $server->client;
	my $ticks = sub {
		my ($stat) = PostgreSQL::Test::Utils::slurp_file("/proc/$gateway/stat") =~ /^.*\) (.*)$/s;
		my @fields = split ' ', $stat;
		return $fields[11] + $fields[12];
	};

	for my $token (@tokens)
	{
		my $before = $ticks->();
		my $refused = 0;
		for my $n (1 .. $count)
		{
			$refused++ if $client->join_result('room', access_token => $token) =~ /JWT/;
		}
		is($refused, $count, sprintf 'tokens: %d bytes, refused', length $token);
		my $each = 1000 * ($ticks->() - $before) / POSIX::sysconf(&POSIX::_SC_CLK_TCK) / $count;
		cmp_ok($each, '<', 1, sprintf 'tokens: each took %.2f ms of the processor', $each);
	}
	$client->abandon;
	$baseline->returns('tokens');
}

#
# Socket.IO and sessions that are polled
#
sub engine
{
	my ($name, $packets, $wanted, $before_connect) = @_;
	my $client = $before_connect ? SocketIoClient->open(port => $server->port)
	  : SocketIoClient->connect(port => $server->port, auth => { token => $server->anon_token });
	my @seen;

	ref $_ ? $client->attach($$_) : $client->say($_) for @$packets;
	while (defined(my $packet = $client->packet(10)))
	{
		push @seen, ref $packet ? 'bytes' : $packet;
		last if $seen[-1] =~ /^closed|$wanted/;
	}
	$cases++;
	like($seen[-1] // 'silence', $wanted, "Socket.IO: $name");
	$client->ws->abandon;
	$baseline->returns("Socket.IO: $name");
	return;
}
engine('credentials of a megabyte', [ '40{"token":"' . 'x' x 999_000 . '"}' ], qr/^44\{|^closed/, 1);
engine('more than that', [ '40{"token":"' . 'x' x 1_100_000 . '"}' ], qr/^closed 1009/, 1);
engine('credentials nested 100,000 deep', [ '40' . '[' x 100_000 ], qr/^44|^closed/, 1);
engine('an ack id of 100 digits', [ '42' . '9' x 100 . '["realtime:subscribe",{"channel":"room:1"}]' ], qr/^closed|^43/);
engine('a negative ack id', ['42-1["realtime:subscribe",{"channel":"room:1"}]'], qr/^closed/);
engine('17 attachments', ['4517-["realtime:publish",{"channel":"room:1","event":"e"}]'], qr/^closed/);
engine('an attachment that is not there', [ '451-["realtime:publish",{"channel":"room:1","event":"e","payload":{"_placeholder":true,"num":99}}]', \'bytes' ], qr/^closed/);
engine('a channel of a megabyte', [ '420["realtime:subscribe",{"channel":"' . 'x' x 900_000 . '"}]' ], qr/^430.*"ok":false|^closed/);
engine('a channel that is a number', ['420["realtime:subscribe",{"channel":7}]'], qr/^430.*"ok":false/);
engine('no argument', ['420["realtime:subscribe"]'], qr/^430.*"ok":false/);
engine('an event with U+0000', [ '420["realtime:subscribe",{"channel":"room:\u0000"}]' ], qr/^closed|^430.*"ok":false/);
engine('an event that is a lone surrogate', ['420["\ud800",{}]'], qr/^closed/);
engine('a payload nested 100,000 deep', [ '420["realtime:publish",{"channel":"room:1","event":"e","payload":' . '[' x 100_000 . ']' x 100_000 . '}]' ], qr/^closed|"ok":false/);
engine('a reserved event', [ '420["realtime:subscribe",{"channel":"room:1"}]', '421["realtime:publish",{"channel":"room:1","event":"disconnect"}]' ], qr/^431.*"ok":false/);
{
	my $mine = PollingClient->member($server, 'room:1');
	my $other = PollingClient->member($server, 'room:1');
	my $sid = $mine->sid;

	# who knows an id is that client; who guesses gets nowhere
	my @guesses = ($sid =~ s/.$/$& eq 'A' ? 'B' : 'A'/er, substr($sid, 0, 19), "$sid$sid", "$sid%00", '%00' x 20, '../' x 6 . 'ab', 'x' x 4000, q{' OR 1=1 --} . 'xxxxxxxxx', '');
	for my $guess (@guesses)
	{
		$guess =~ s/([^A-Za-z0-9_%.-])/sprintf '%%%02X', ord $1/ge;
		my $answer = PollingClient->ask_at($server, PollingClient::request('POST', PollingClient::target(sid => $guess), '3'));
		is($answer && $answer->[0], 400, 'polling: session ' . substr($guess, 0, 22));
	}
	is($mine->post('3')->[0], 200, 'polling: the session lives');
	my $target = PollingClient::target(transport => 'websocket', sid => $sid);
	my $socket = $server->client(path => $target);
	$socket->send_frame(WebSocketClient::TEXT, '2probe');
	is($socket->next_frame->{payload}, '3probe', 'polling: a probe');
	$socket->send_frame(WebSocketClient::TEXT, '2probe');
	is($socket->next_frame->{opcode}, WebSocketClient::CLOSE, 'polling: a second probe ends the WebSocket');
	$socket->abandon;
	is($mine->post('3')->[0], 200, 'polling: and not the session');

	# bodies whose parts are not what they say; nothing may follow a separator, and
	# what is for WebSockets alone means nothing
	for my $body ("\x1e", "3\x1e", "\x1e3", "3\x1e\x1e3", "\x1e" x 100_000, '5:42[1]', "\x00\x041\xff3", "b\x1eb", '4' x 1000)
	{
		my $goes_on = $body =~ /^(3\x1e|5:.*)$/;
		my $client = PollingClient->member($server, 'room:1');
		my $answer = $client->post($body);
		ok($answer && $answer->[0] =~ /^(200|400)$/, sprintf 'polling: a body of %d odd bytes: %s', length $body, $answer ? $answer->[0] : 'none');
		is($client->post('3')->[0], $goes_on ? 200 : 400, '... and the session ' . ($goes_on ? 'goes on' : 'is over'));
		$client->post('1') if $goes_on;
		$cases++;
	}
	$_->post('1') for $mine, $other;
	$baseline->returns('polling');
}
{
	# very many sessions that nobody polls
	my $most = 3000;
	my $start = time();
	my $connection = $server->client(upgrade => 0);
	my $before = $server->memory_kb($gateway, 'RssAnon');
	my $sessions = 0;

	for (1 .. $most / 100)
	{
		$connection->send_raw(PollingClient::request('GET', PollingClient::target()) x 100);
		for (1 .. 100) { my $answer = $connection->http(undef) or last; $sessions++ if $answer->[0] == 200; }
	}
	is($sessions, $most, "polling: $most sessions that nobody polls");
	my $each = ($server->memory_kb($gateway, 'RssAnon') - $before) / $most;
	cmp_ok($each, '<', 2, sprintf 'polling: each has taken less than %.2f kB', $each + 0.01);
	ok($bystander->heartbeat, 'polling: a bystander is served');
	$connection->abandon;
	wait_for(sub { $server->stat('connections') == 1 }, 'the sessions to be over', 3 + 10);
	pass(sprintf 'polling: they are gone in %.1f s', time() - $start);
	$baseline->returns('sessions that nobody polls');
}

#
# Presence: very many keys, and one that changes
#
{
	my $watcher = $server->client;
	my $client = $server->client;

	$watcher->join('crowd', presence => { enabled => $true, key => 'watcher' });
	for my $n (1 .. 5)
	{
		$client->join('crowd', presence => { enabled => $true, key => "key$n" });
		$client->push('realtime:crowd', 'presence', { type => 'presence', event => 'track', payload => { n => $n } });
		my $diff = $watcher->expect(sub { ($_[0]{event} // '') eq 'presence_diff' && $_[0]{payload}{joins}{"key$n"} });
		ok($diff, "presence: a key that has changed $n times");
	}
	ok($watcher->expect(sub { ($_[0]{event} // '') eq 'presence_diff' && $_[0]{payload}{leaves}{key4} }), 'presence: the former one has left')
	  if $watcher->heartbeat;
	$_->abandon for $client, $watcher;

	# one member in each topic, and more topics than there may be members
	my $many = $server->client;
	for my $n (1 .. 60)
	{
		$many->join_result("p$n", presence => { enabled => $true, key => "k$n" }) eq 'ok' or die 'no join';
		$many->push("realtime:p$n", 'presence', { type => 'presence', event => 'track', payload => {} });
	}
	my $outcome = $many->expect(sub { exists $_[0]{close} || ($_[0]{event} // '') eq 'phx_error' || (($_[0]{event} // '') eq 'system' && $_[0]{payload}{status} eq 'error') });
	is($outcome && $outcome->{event} eq 'system' && $outcome->{payload}{message}, 'Presence limit exceeded', 'presence: more members than realtime.max_presence_members');
	ok($bystander->heartbeat, 'presence: a bystander is served');
	$many->abandon;
	wait_for(sub { $server->stat('topics') <= 1 }, 'the topics to be forgotten');
	$baseline->returns('presence');
}

#
# SQL
#
for (
	[ 'a text of 64 MB', q{SELECT realtime.send('room', 'e', repeat('x', 67108864))}, qr/payload|invalid|memory/ ],
	[ 'a topic of 64 MB', q{SELECT realtime.send('{}'::jsonb, 'e', repeat('x', 67108864))}, qr/topic is too long/ ],
	[ '64 MB of bytes', q{SELECT realtime.send_binary(convert_to(repeat('x', 67108864), 'UTF8'), 'e', 'room')}, qr/too large|memory|alloc/ ],
	[ 'a jsonb number', q{SELECT realtime.send('7'::jsonb, 'e', 'room')}, qr/must be a JSON object or array/ ],
	[ 'a read-only transaction', q{BEGIN READ ONLY; SELECT realtime.send('{}'::jsonb, 'e', 'room')}, qr/read-only transaction/ ],
	[ 'an invalid flag', q{SELECT realtime.send('{}'::jsonb, 'e', 'room', 'perhaps')}, qr/invalid input syntax for type boolean/ ],
	[ 'realtime.history of nothing', q{SELECT realtime.history(repeat('x', 10000000))}, undef ],
	[ 'a channel of ten megabytes', q{SELECT realtime.publish(repeat('x', 10000000), 'e', '{}')}, qr/./ ],
	[ 'an HMAC of nothing', q{SELECT realtime.channel_hmac(NULL, NULL)}, undef ],
	[ 'a token of a megabyte', q{SELECT realtime.sign_jwt(jsonb_build_object('x', repeat('x', 1000000), 'role', 'anon'))}, undef ],
	[ 'claims that are an array', q{SELECT realtime.sign_jwt('[]')}, qr/./ ],
	[ 'can() of ten megabytes', q{SELECT realtime.can('anon', '{}', repeat('x', 10000000))}, qr/./ ])
{
	my ($name, $sql, $wanted) = @$_;
	my ($code, undef, $error) = $server->node->psql('postgres', $sql);

	$cases++;
	unlike($error, qr/server closed the connection|terminat/, "SQL: $name: the session lives");
	like($error, $wanted, "SQL: $name: $wanted") if $wanted;
}
$server->sql(<<'SQL');
CREATE TABLE parent (id int PRIMARY KEY);
CREATE TABLE child (id int, parent int REFERENCES parent ON DELETE CASCADE);
CREATE FUNCTION gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM realtime.send(jsonb_build_object('n', OLD.id), 'gone', 'cascade', false);
	RETURN OLD;
END $$;
CREATE TRIGGER gone AFTER DELETE ON child FOR EACH ROW EXECUTE FUNCTION gone();
INSERT INTO parent SELECT n FROM generate_series(1, 10) n;
INSERT INTO child SELECT n, 1 + n % 10 FROM generate_series(0, 99) n;
SQL
{
	my $client = $server->member('cascade');
	$server->sql('DELETE FROM parent');
	my @heard = $client->broadcasts(100);
	is(scalar(keys %{ { map { $_->{payload}{n} => 1 } @heard } }), 100, 'SQL: 100 messages of a trigger in a cascade');
	$client->abandon;
}

ok($bystander->heartbeat, 'a bystander is served');
is($server->gateway_pid, $gateway, 'all of this was one gateway');
note("$cases cases");
$baseline->agrees(1);
$server->cluster_alive('after all that');
done_testing();
