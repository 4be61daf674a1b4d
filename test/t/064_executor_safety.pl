# What policies run is written by others, and what they look at comes from
# clients.  Neither gets an executor to do anything else than to answer, for one
# client after the other: no way out of the role, nothing that stays, no text
# that becomes SQL, no end of waiting.

use strict;
use warnings;

use IO::Socket::INET;
use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;
use Time::HiRes qw(time);

# One executor, so that what one client leaves behind would meet the next one.
my $server = RealtimeServer->start_new('safety', conf => <<'CONF');
realtime.executors = 1
realtime.statement_timeout = '1s'
realtime.lock_timeout = '200ms'
CONF
my $node = $server->node;

$server->sql(<<'SQL');
SELECT count(*) FROM realtime.setup_api_roles();
CREATE SCHEMA test;
GRANT USAGE ON SCHEMA test TO PUBLIC;

-- What a policy does in a room of that name.
CREATE TABLE test.deeds (room text PRIMARY KEY, command text NOT NULL);
GRANT SELECT ON test.deeds TO PUBLIC;

-- Do it; an error denies.
CREATE FUNCTION test.act(room text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE (SELECT d.command FROM test.deeds d WHERE d.room = act.room);
	RETURN true;
END
$$;
-- Do it, whatever comes of it; did that make us somebody else?
CREATE FUNCTION test.escape(room text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	before CONSTANT name := current_user;
BEGIN
	BEGIN
		EXECUTE (SELECT d.command FROM test.deeds d WHERE 'escape ' || d.room = escape.room);
	EXCEPTION WHEN OTHERS THEN
		NULL;
	END;
	RETURN current_user <> before OR session_user NOT IN ('realtime_executor', 'postgres');
END
$$;
CREATE POLICY act ON realtime.messages FOR SELECT TO authenticated
	USING (topic IN (SELECT d.room FROM test.deeds d) AND test.act(topic));
CREATE POLICY escape ON realtime.messages FOR SELECT TO authenticated
	USING (topic LIKE 'escape %' AND test.escape(topic));
CREATE POLICY open ON realtime.messages FOR SELECT TO authenticated USING (topic = 'open');
SQL

my $token = $server->token(role => 'authenticated', sub => '11111111-1111-1111-1111-111111111111');

sub join_private
{
	my ($topic, $apikey) = @_;
	my $client = $server->client(apikey => $apikey // $token);
	my $result = $client->join_result($topic, private => 1);

	$client->abandon;
	return $result;
}

# POST /functions/v1/realtime-publish.
sub post_publish
{
	my ($key, $body) = @_;
	my $socket = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$server->{port}") or die "could not connect: $!";

	print $socket "POST /functions/v1/realtime-publish HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
	  . "X-Api-Key: $key\r\nContent-Type: application/json\r\nContent-Length: " . length($body) . "\r\n\r\n$body";
	local $/;
	return <$socket>;
}

sub executor_pid
{
	return $server->sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'realtime executor'});
}

wait_for(sub { $server->stat('executors') == 1 }, 'an executor');
is(join_private('open'), 'ok', 'a policy that allows');
my $executor = executor_pid();

#
# No way out of the role (D1)
#
my %deeds = (
	'set_config role'       => [ q{SELECT set_config('role', 'none', false)}, 'cannot set parameter "role" within security-' ],
	'set local role'        => [ q{SET LOCAL ROLE service_role}, 'cannot set parameter "role" within security-' ],
	'reset role'            => [ q{RESET ROLE}, 'cannot set parameter "role" within security-' ],
	'set role'              => [ q{SET ROLE postgres}, 'cannot set parameter "role" within security-' ],
	'session authorization' => [ q{SET SESSION AUTHORIZATION postgres}, 'cannot set parameter "session_authorization" within security-' ],
	'reset session'         => [ q{RESET SESSION AUTHORIZATION}, 'cannot set parameter "session_authorization" within security-' ],
	'reset all'             => [ q{RESET ALL}, '' ],
	'discard'               => [ q{DISCARD ALL}, 'cannot execute DISCARD within security-restricted operation' ],
	'prepare'               => [ q{PREPARE mine AS SELECT 1}, 'cannot execute PREPARE within security-restricted operation' ],
	'listen'                => [ q{LISTEN all_of_it}, 'cannot execute LISTEN (within security-restricted operation|within a background process)' ],
	'temporary table'       => [ q{CREATE TEMP TABLE mine (n integer)}, 'cannot (create temporary table|execute CREATE TABLE)' ],
	'cursor'                => [ q{DECLARE c CURSOR WITH HOLD FOR SELECT 1}, 'cannot (execute DECLARE CURSOR|create a cursor WITH HOLD|open)' ],
	'create function'       => [ q{CREATE FUNCTION public.mine() RETURNS integer LANGUAGE sql RETURN 1}, 'cannot execute CREATE FUNCTION in a read-only transaction' ],
	'create table'          => [ q{CREATE TABLE public.mine (n integer)}, 'cannot execute CREATE TABLE in a read-only transaction' ],
	'insert'                => [ q{INSERT INTO test.deeds VALUES ('mine', 'SELECT 1')}, 'cannot execute INSERT in a read-only transaction' ],
	'read write'            => [ q{SET LOCAL transaction_read_only = off}, '(transaction read-write mode must be set before any query|cannot set transaction read-write mode)' ],
	'session characteristics' => [ q{SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE}, '' ],
	'alter system'          => [ q{ALTER SYSTEM SET realtime.jwt_roles = 'postgres'}, 'ALTER SYSTEM cannot ' ],
	'program'               => [ q{COPY (SELECT 1) TO PROGRAM 'true'}, 'permission denied to COPY|must be superuser or have privileges' ],
	'file'                  => [ q{SELECT pg_read_file('postgresql.conf')}, 'permission denied for function pg_read_file' ],
	'ask for others'        => [ q{SELECT realtime.can('service_role', '{}', 'open')}, 'permission denied for function can' ],
	'commit'                => [ q{COMMIT}, 'invalid transaction termination|not implemented' ],
	'send'                  => [ q{SELECT realtime.send('{}'::jsonb, 'e', 'open')}, 'cannot execute realtime.send\(\) in a read-only transaction' ],
);

for my $room (sort keys %deeds)
{
	my ($command, $error) = @{ $deeds{$room} };

	$server->sql("INSERT INTO test.deeds VALUES ('$room', \$deed\$$command\$deed\$)");
	is(join_private($room), $error eq '' ? 'ok' :
		  "Unauthorized: You do not have permissions to read from this Channel topic: $room", "$room: join");
	is(join_private("escape $room"),
		"Unauthorized: You do not have permissions to read from this Channel topic: escape $room", "$room: the same role after all");
	like($server->sql("SELECT reason FROM realtime.can('authenticated', '{}', '$room') WHERE action = 'broadcast.read'"),
		$error eq '' ? qr/^policy "act" allows/ : qr/^policy "act" raised: .*$error/, "$room: because");
	is($server->sql(qq{SELECT current_user || current_setting('role') FROM realtime.can('authenticated', '{}', 'escape $room') LIMIT 1}),
		'postgresnone', "$room: nor does realtime.can() leave the role behind");
}
is(executor_pid(), $executor, 'the executor is still the same');
is($server->sql(q{SELECT to_regclass('public.mine') IS NULL AND to_regproc('public.mine') IS NULL
	AND NOT EXISTS (SELECT FROM test.deeds WHERE room = 'mine')}), 't', 'and nothing was made');

#
# Nothing that stays
#
my $clean = q{CREATE FUNCTION test.clean() RETURNS boolean LANGUAGE plpgsql AS $$
	BEGIN
		IF coalesce(current_setting('test.leak', true), '') <> '' THEN RAISE 'a setting stayed'; END IF;
		IF coalesce(current_setting('search_path'), '') ~ 'leak' THEN RAISE 'a search path stayed'; END IF;
		IF EXISTS (SELECT FROM pg_prepared_statements) THEN RAISE 'a prepared statement stayed'; END IF;
		IF EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory') THEN RAISE 'a lock stayed'; END IF;
		RETURN true;
	END $$};
$server->sql(<<"SQL");
$clean;
INSERT INTO test.deeds VALUES
	('leak setting', \$\$SELECT set_config('test.leak', 'x', false)\$\$),
	('leak search path', \$\$SELECT set_config('search_path', 'leak', false)\$\$),
	('leak lock', 'SELECT pg_advisory_lock(42)'),
	('clean', 'SELECT test.clean()');
SQL
for my $what ('setting', 'search path', 'lock')
{
	is(join_private("leak $what"), 'ok', "a policy leaves a $what");
	is(join_private('clean'), 'ok', 'the next client does not find it');
}
# the search path of functions in policies is the session's, whatever ran before
$server->sql(q{INSERT INTO test.deeds VALUES ('clean 2', 'SELECT set_config(''search_path'', ''leak'', true), now()')});
is(join_private('clean 2'), 'ok', 'one that changes the search path while it is asked');
is(join_private('open'), 'ok', 'does not change it for others');
is(executor_pid(), $executor, 'all in the same executor');

#
# One client after the other (D8, D10)
#
$server->sql(<<'SQL');
CREATE TABLE test.members (role name, topic text);
INSERT INTO test.members VALUES ('anon', 'for anon'), ('authenticated', 'for authenticated');
ALTER TABLE test.members ENABLE ROW LEVEL SECURITY;
CREATE POLICY anon ON test.members TO anon USING (role = 'anon');
CREATE POLICY authenticated ON test.members TO authenticated USING (role = 'authenticated');
GRANT SELECT ON test.members TO anon, authenticated;
CREATE POLICY members ON realtime.messages FOR SELECT TO anon, authenticated
	USING (EXISTS (SELECT FROM test.members m WHERE m.topic = messages.topic)
		   AND current_user = current_setting('role') AND current_user = auth.role()
		   AND session_user = 'realtime_executor');
INSERT INTO test.deeds VALUES ('division', 'SELECT 1 / 0');
SQL
my %expected = (
	'anon|for anon'                   => 1,
	'authenticated|for authenticated' => 1,
);
my $wrong = 0;
for my $round (1 .. 3)
{
	for my $role (qw(anon authenticated service_role))
	{
		for my $room ('for anon', 'division', 'for authenticated', 'set role')
		{
			my $result = join_private($room, $server->token(role => $role));
			my $allowed = $role eq 'service_role' || $expected{"$role|$room"};

			next if ($result eq 'ok') == !!$allowed;
			$wrong++;
			diag("$role in $room: $result");
		}
	}
}
is($wrong, 0, 'each client is asked for by its own role, with errors between them');
is(executor_pid(), $executor, 'all in the same executor');

# A function that looks at the claims and is declared IMMUTABLE, wrongly, is
# evaluated while a plan is made: such a plan may not serve two clients.
$server->sql(<<'SQL');
CREATE FUNCTION test.me() RETURNS text LANGUAGE sql IMMUTABLE
	AS $$SELECT current_setting('request.jwt.claims')::jsonb ->> 'sub'$$;
CREATE FUNCTION test.me_too() RETURNS text LANGUAGE sql STABLE AS 'SELECT test.me()';
CREATE FUNCTION test.me_inside() RETURNS text LANGUAGE plpgsql STABLE AS 'BEGIN RETURN test.me(); END';
CREATE FUNCTION test.me_definer() RETURNS text LANGUAGE sql IMMUTABLE SECURITY DEFINER SET search_path = pg_catalog
	AS $$SELECT current_setting('request.jwt.claims')::jsonb ->> 'sub'$$;
CREATE POLICY mine_inside ON realtime.messages FOR SELECT TO authenticated USING (topic = 'user inside-' || test.me_inside());
CREATE POLICY mine_definer ON realtime.messages FOR SELECT TO authenticated USING (topic = 'user definer-' || test.me_definer());
CREATE POLICY mine ON realtime.messages FOR SELECT TO authenticated USING (topic = 'user-' || test.me());
CREATE POLICY mine_too ON realtime.messages FOR SELECT TO authenticated USING (topic = 'user too-' || test.me_too());
SQL
for my $round (1 .. 2)
{
	for my $who (qw(alice bob))
	{
		for my $whose (qw(alice bob))
		{
			for my $room (map { "$_-$whose" } 'user', 'user too', 'user inside', 'user definer')
			{
				my $result = join_private($room, $server->token(role => 'authenticated', sub => $who));

				like($result, $who eq $whose ? qr/^ok$/ : qr/^Unauthorized/, "round $round: $who in $room");
			}
		}
	}
}
is(executor_pid(), $executor, 'all by the same executor');
$server->sql(join ';', map { "DROP POLICY $_ ON realtime.messages" } qw(mine mine_too mine_inside mine_definer));

#
# What is committed leaves nothing in the session either
#
my $agent_key = $server->sql(q{SELECT api_key FROM realtime.create_agent('an-agent')});
$server->sql(<<'SQL');
CREATE TABLE test.tried (what text, error text);
CREATE FUNCTION test.try(command text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
	EXECUTE command;
	INSERT INTO test.tried VALUES (command, 'done');
EXCEPTION WHEN OTHERS THEN
	INSERT INTO test.tried VALUES (command, SQLERRM);
END
$$;
CREATE SEQUENCE test.numbers;
CREATE FUNCTION test.leave() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('search_path', 'leak', false), set_config('test.leak', 'x', false),
			set_config('default_transaction_read_only', 'on', false),
			set_config('row_security', 'off', false),
			set_config('request.jwt.claims', '{"sub": "bob"}', false),
			pg_advisory_lock(42), test.try('SELECT nextval(''test.numbers'')'),
			test.try('CREATE TEMP TABLE members (role name, topic text)');
	RETURN NULL;
END
$$;
GRANT USAGE ON SCHEMA test TO PUBLIC;
SQL
for my $table ('messages', 'commits')
{
	$server->sql("TRUNCATE test.tried; CREATE TRIGGER leave AFTER INSERT ON realtime.$table FOR EACH ROW EXECUTE FUNCTION test.leave()");
	if ($table eq 'messages')
	{
		like(post_publish($agent_key, '{"conversationId": "c"}'), qr/"ok": ?true/, 'a call that commits');
	}
	else
	{
		$server->publish('public', 1);
	}
	wait_for(sub { $server->sql(q{SELECT count(*) > 0 FROM test.tried WHERE what LIKE 'CREATE TEMP%'}) eq 't' }, "the trigger on $table");
	$server->sql("DROP TRIGGER leave ON realtime.$table");
	like($server->sql(q{SELECT DISTINCT error FROM test.tried WHERE what LIKE 'CREATE TEMP%'}),
		qr/^cannot create temporary table within security-restricted operation$/, "$table: no temporary table");
	is(join_private('clean'), 'ok', "$table: the next client finds nothing of it");
	is(join_private('for authenticated'), 'ok', "$table: and is asked for as ever");
	like(post_publish($agent_key, '{"conversationId": "c"}'), qr/"ok": ?true/, "$table: another call commits");
	is(executor_pid(), $executor, "$table: in the same executor");
}

# a role that has become too powerful ends the executor, and the next one
my $log_offset = -s $node->logfile;
$server->sql('ALTER ROLE realtime_executor BYPASSRLS');
isnt(join_private('open'), 'ok', 'an executor whose role bypasses row-level security decides nothing');
$node->wait_for_log(qr/FATAL: .*role "realtime_executor" has BYPASSRLS and is not safe to use\n.*\n.*HINT: +ALTER ROLE realtime_executor NOBYPASSRLS/, $log_offset);
wait_for(sub { (() = slurp_file($node->logfile, $log_offset) =~ /has BYPASSRLS/g) >= 3 }, 'the next ones to end when they start');
$server->sql('ALTER ROLE realtime_executor NOBYPASSRLS');
wait_for(sub { (eval { join_private('open') } // '') eq 'ok' }, 'an executor whose role is as it was');
my @ends = slurp_file($node->logfile, $log_offset) =~ /has BYPASSRLS/g;
cmp_ok(scalar @ends, '<', 20, 'which was not tried again without a pause: ' . @ends);
$executor = executor_pid();

# rights that are taken away are gone at the next join
is(join_private('for authenticated'), 'ok', 'a member');
$server->sql(q{DELETE FROM test.members WHERE topic = 'for authenticated'});
like(join_private('for authenticated'), qr/^Unauthorized/, 'is none any more');
$server->sql(q{INSERT INTO test.members VALUES ('authenticated', 'for authenticated')});
is(join_private('for authenticated'), 'ok', 'and is one again');
for my $change (
	[ 'DROP POLICY authenticated ON test.members',
		q{CREATE POLICY authenticated ON test.members TO authenticated USING (role = 'authenticated')} ],
	[ 'REVOKE SELECT ON test.members FROM authenticated', 'GRANT SELECT ON test.members TO authenticated' ],
	[ 'REVOKE SELECT ON realtime.messages FROM authenticated', 'GRANT SELECT ON realtime.messages TO authenticated' ],
	[ 'REVOKE USAGE ON SCHEMA realtime FROM authenticated', 'GRANT USAGE ON SCHEMA realtime TO authenticated' ],
	[ 'ALTER POLICY members ON realtime.messages TO anon', 'ALTER POLICY members ON realtime.messages TO anon, authenticated' ],
	[ 'REVOKE authenticated FROM realtime_executor', 'GRANT authenticated TO realtime_executor' ],
	[ 'ALTER ROLE authenticated CREATEROLE', 'ALTER ROLE authenticated NOCREATEROLE' ],
	[ q{CREATE OR REPLACE FUNCTION auth.role() RETURNS text LANGUAGE sql STABLE RETURN 'nobody'},
		q{CREATE OR REPLACE FUNCTION auth.role() RETURNS text LANGUAGE sql STABLE
			RETURN current_setting('request.jwt.claim.role', true)} ])
{
	my ($away, $back) = @$change;

	$server->sql($away);
	like(join_private('for authenticated'), qr/^Unauthorized/, $away);
	$server->sql($back);
	is(join_private('for authenticated'), 'ok', $back);
}

# time goes on for an executor, too
$server->sql(q{CREATE TABLE test.moment AS SELECT clock_timestamp() AS at; GRANT SELECT ON test.moment TO PUBLIC;
	INSERT INTO test.deeds VALUES ('later', $$SELECT 1 / (now() > at AND statement_timestamp() > at)::integer FROM test.moment$$)});
is(join_private('later'), 'ok', 'now() is when the client asks');

#
# Values stay values (D9)
#
my @hostile = (
	q{a'; DROP TABLE test.deeds; --}, q{'' OR true --}, q{%s%n%1$s}, q{"quoted"}, q{back\\slash \\' \\0}, q{$1 $$ :x}, q{{"a":1}},
	"tab\tand newline\n", "r\xC3\xA4ume", 'x' x 246);
$server->sql('CREATE TABLE test.known (value text); GRANT SELECT ON test.known TO PUBLIC;'
	  . q{CREATE POLICY known ON realtime.messages FOR SELECT TO authenticated USING (
		topic IN (SELECT k.value FROM test.known k) AND topic = realtime.topic()
		AND topic = current_setting('realtime.channel_name')
		AND (topic = auth.jwt() ->> 'room' OR auth.jwt() ->> 'room' IS NULL)
		AND (topic = auth.jwt() ->> 'sub' OR auth.jwt() ->> 'sub' LIKE '1111%')
		AND (topic = current_setting('request.jwt.claim.sub') OR auth.jwt() ->> 'sub' LIKE '1111%'))});
for my $value (@hostile)
{
	my $text = Encode::decode('UTF-8', $value);
	my $literal = $value =~ s/'/''/gr;

	like(join_private($text), qr/^Unauthorized/, "not known: $value");
	$server->sql("INSERT INTO test.known VALUES ('$literal')");
	is(join_private($text), 'ok', 'known as topic');
	is(join_private($text, $server->token(role => 'authenticated', sub => $text, room => $text)), 'ok', 'and in claims');
}
cmp_ok($server->sql('SELECT count(*) FROM test.deeds'), '>', 20, 'no table was dropped');

#
# Roles that no token may name (C7)
#
$server->sql(<<'SQL');
CREATE ROLE a_superuser SUPERUSER;
CREATE ROLE a_replica REPLICATION;
CREATE ROLE a_creator CREATEROLE;
CREATE ROLE no_member;
CREATE ROLE "Quoted, name";
CREATE ROLE an_owner;
CREATE ROLE owners_member IN ROLE an_owner;
CREATE ROLE reads_all NOINHERIT IN ROLE pg_read_all_data;
CREATE ROLE reads_indirectly IN ROLE reads_all;
CREATE ROLE creators_member IN ROLE a_creator;
GRANT reads_all, reads_indirectly, creators_member, a_superuser, a_replica, a_creator, an_owner, owners_member, "Quoted, name", pg_read_all_data TO realtime_executor;
GRANT USAGE ON SCHEMA realtime TO "Quoted, name";
GRANT SELECT ON realtime.messages TO "Quoted, name";
CREATE POLICY quoted ON realtime.messages TO "Quoted, name" USING (topic = 'open');
SQL
my %refused = (
	a_superuser       => 'it is a superuser',
	a_replica         => 'it has the attribute REPLICATION',
	a_creator         => 'it has the attribute CREATEROLE',
	no_member         => 'role "realtime_executor" is no member of it',
	nobody            => 'it does not exist',
	unlisted          => 'it is not in realtime.jwt_roles',
	Anon              => 'it is not in realtime.jwt_roles',
	pg_read_all_data  => 'it is one of PostgreSQL\'s own',
	realtime_executor => 'executors log in as it',
	postgres          => 'it is a superuser',
	an_owner          => 'it has the rights of the owner of realtime.messages',
	owners_member     => 'it has the rights of the owner of realtime.messages',
	reads_all         => 'it is a member of the powerful role "pg_read_all_data"',
	reads_indirectly  => 'it is a member of the powerful role "pg_read_all_data"',
	creators_member   => 'it is a member of the powerful role "a_creator"',
);
$server->sql('ALTER TABLE realtime.messages OWNER TO an_owner');
$server->reconfigure('realtime.jwt_roles' => 'anon, authenticated, service_role, "Quoted, name", '
	  . join(', ', grep { !/^(unlisted|Anon)$/ } sort keys %refused));
# gateways refuse the tokens of roles that they do not know of yet
wait_for(sub { (eval { join_private('open', $server->token(role => 'Quoted, name')) } // '') eq 'ok' }, 'the list of roles to be read');
for my $role (sort keys %refused)
{
	my $claim = $server->token(role => $role);
	my $client = eval { $server->client(apikey => $claim) };
	my $result = $client ? $client->join_result('open', private => 1) : 'not connected';

	isnt($result, 'ok', "$role: $result");
	is($server->sql("SELECT DISTINCT reason FROM realtime.can('$role', '{}', 'open')"),
		qq{role "$role" may not be used: $refused{$role}}, "$role: because");
}
$server->sql('ALTER TABLE realtime.messages OWNER TO postgres');
$server->reconfigure('realtime.jwt_roles' => 'anon,authenticated,service_role');
like(slurp_file($node->logfile), qr/realtime refuses a token's role "\w+": .*\n.*HINT: /, 'the log says so, with a hint');

#
# No end of waiting (D6)
#
$server->sql(<<'SQL');
CREATE TABLE test.locked ();
GRANT SELECT ON test.locked TO PUBLIC;
CREATE FUNCTION test.hang_on() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	LOOP
		BEGIN
			PERFORM pg_sleep(60);
		EXCEPTION WHEN query_canceled THEN
			NULL;
		END;
	END LOOP;
END
$$;
INSERT INTO test.deeds VALUES
	('sleep', 'SELECT pg_sleep(60)'),
	('loop', 'DO $do$ BEGIN LOOP END LOOP; END $do$'),
	('lock', 'SELECT FROM test.locked'),
	('raise', 'DO $do$ BEGIN RAISE ''not today''; END $do$'),
	('cast', $$SELECT (current_setting('request.jwt.claims')::jsonb ->> 'sub')::integer$$),
	('hang on', 'SELECT test.hang_on()'),
	('reset timeout', $$SELECT set_config('statement_timeout', '0', false), set_config('lock_timeout', '0', false), pg_sleep(60)$$);
SQL
$executor = executor_pid();
my $holder = $node->background_psql('postgres');
$holder->query_safe('BEGIN; LOCK TABLE test.locked');

my $listener = $server->member('public');
my $slow = $server->client(apikey => $token);
for my $case (
	[ 'cast', 0, 0.9, qr/^Unauthorized: / ],
	[ 'lock', 0.2, 0.9, qr/^QueryCanceled: / ],
	[ 'sleep', 1, 4, qr/^QueryCanceled: / ],
	[ 'loop', 1, 4, qr/^QueryCanceled: / ],
	[ 'reset timeout', 1, 4, qr/^QueryCanceled: / ],
	[ 'raise', 0, 0.9, qr/^Unauthorized: / ])
{
	my ($room, $least, $most, $answer) = @$case;
	my $start = time();
	my $ref = $slow->start_join($room, private => 1);
	my $worst = 0;

	# meanwhile others hear and join as ever
	for my $n (1 .. 5)
	{
		my $sent = time();
		$server->publish('public', $n);
		is($listener->broadcast->{payload}{n}, $n, "$room: others hear $n");
		$worst = time() - $sent if time() - $sent > $worst;
	}
	my $reply = $slow->reply($ref);
	my $took = time() - $start;

	like($reply->{payload}{response}{reason}, $answer, "$room: the answer");
	cmp_ok($took, '>=', $least, sprintf('%s: not before its time (%.2f s)', $room, $took));
	cmp_ok($took, '<', $most, "$room: in time");
	cmp_ok($worst, '<', 1, sprintf('%s: others have waited for %.3f s at most', $room, $worst));
}
$holder->quit;
is(executor_pid(), $executor, 'the executor is the same');
is(join_private('open'), 'ok', 'and goes on');
is($server->sql(q{SELECT count(*) FROM pg_locks WHERE locktype = 'relation' AND pid = } . executor_pid()), 0, 'it holds no lock');

# one that catches its timeout ends with the executor, which is replaced
my $before = time();
isnt(join_private('hang on'), 'ok', 'a policy that does not heed its timeout is answered, too');
cmp_ok(time() - $before, '<', 8, 'in time');
wait_for(sub { my $pid = executor_pid(); $pid && $pid ne $executor }, 'another executor');
is(join_private('open'), 'ok', 'which goes on');

# a request to cancel while there is nothing to cancel
$executor = executor_pid();
$server->sql("SELECT pg_cancel_backend($executor)") for 1 .. 5;
is(join_private('open'), 'ok', 'an executor is not cancelled while it waits');
is(executor_pid(), $executor, 'and does not end of it');
my $ref = $slow->start_join('sleep', private => 1);
wait_for(sub { $server->sql("SELECT state FROM pg_stat_activity WHERE pid = $executor") eq 'active' }, 'the job to run');
$server->sql("SELECT pg_cancel_backend($executor)");
like($slow->reply($ref)->{payload}{response}{reason}, qr/^QueryCanceled: /, 'what it runs can be cancelled');
is(executor_pid(), $executor, 'and only that');

#
# What is seen of it
#
# Errors are told of once a second, so one that came at once after another is
# brought about again until it is told of.
sub log_tells
{
	my ($room, $line, $name) = @_;
	my $found = eval {
		wait_for(sub {
				slurp_file($node->logfile) =~ $line || do { join_private($room); 0 };
			},
			"the log to tell of $room");
	};

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return ok($found, $name);
}
log_tells('raise', qr/realtime executor could not authorise: not today\n.*DETAIL: +SQLSTATE is P0001/,
	'the log tells of errors in policies');
log_tells('cast', qr/realtime executor could not authorise: an error in the data\n.*DETAIL: +SQLSTATE is 22P02/,
	'not what is wrong with the data');
log_tells('sleep', qr/realtime executor could not authorise: canceling statement due to statement timeout/, 'of timeouts');

my $log = slurp_file($node->logfile);
like($log, qr/realtime executor could not authorise: canceling statement due to lock timeout/, 'of locks');
like($log, qr/realtime executor ends, because what it ran did not heed realtime.statement_timeout/, 'and of those that do not heed them');
unlike($log, qr/11111111-1111/, 'but shows no claims');
unlike($log, qr/\Q$token\E/, 'nor tokens');
is($server->sql(q{SELECT query FROM pg_stat_activity WHERE backend_type = 'realtime executor' AND query NOT IN ('', 'authorise')}),
	'', 'nor does pg_stat_activity');

$server->cluster_alive('after all');
done_testing();
