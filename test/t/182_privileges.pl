# What the database gives away (reliability.md D2 to D5, D7, and the security
# defaults): nothing by search paths, to PUBLIC, by settings or statistics; what
# policies say of reading, writing and presence holds for each role by itself; what
# a fresh server allows is what it says.

use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;

my $server = RealtimeServer->start_new('privileges', conf => <<'CONF');
shared_preload_libraries = 'realtime, pg_stat_statements'
compute_query_id = on
pg_stat_statements.track = all
CONF
my $node = $server->node;
my $secret = $RealtimeServer::jwt_secret;

$server->sql(<<'SQL');
SELECT realtime.setup_api_roles();
CREATE EXTENSION pg_stat_statements;
CREATE ROLE mallory LOGIN;
GRANT CREATE ON SCHEMA public TO mallory;
SQL

# Run SQL as a role: (code, output and error).
sub as_role
{
	my ($role, $sql) = @_;
	my ($code, $out, $error) = $node->psql('postgres', "SET ROLE $role; $sql");
	return ($code, "$out$error");
}

#
# D2: names that somebody else has put in the way
#
{
	my $names = $server->sql(<<'SQL');
SELECT count(*) FROM (
	SELECT p.oid FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
	WHERE p.pronamespace IN ('realtime'::regnamespace, 'auth'::regnamespace) AND l.lanname <> 'c' AND p.prosqlbody IS NULL
	  AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (p.proconfig), false)
	UNION ALL
	SELECT p.oid FROM pg_proc p
	WHERE p.pronamespace IN ('realtime'::regnamespace, 'auth'::regnamespace) AND p.prosecdef
	  AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (p.proconfig), false)) offenders
SQL
	is($names, 0, 'D2: audit: every function has its search path, or was parsed when it was made');
	cmp_ok($server->sql(q{SELECT count(*) FROM pg_proc WHERE pronamespace = 'realtime'::regnamespace AND prosecdef}), '>', 10,
		'D2: many are SECURITY DEFINER');

	$server->sql(<<'SQL');
SET ROLE mallory;
CREATE FUNCTION public.trap(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'trapped'; END $$;
CREATE FUNCTION public.trap(uuid, uuid) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'trapped'; END $$;
CREATE FUNCTION public.trap_concat(text, text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'trapped'; END $$;
CREATE OPERATOR public.= (LEFTARG = text, RIGHTARG = text, FUNCTION = public.trap);
CREATE OPERATOR public.= (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = public.trap);
CREATE OPERATOR public.|| (LEFTARG = text, RIGHTARG = text, FUNCTION = public.trap_concat);
CREATE FUNCTION public.now() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN RAISE 'trapped'; END $$;
CREATE FUNCTION public.lower(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'trapped'; END $$;
CREATE FUNCTION public.format(text, text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'trapped'; END $$;
CREATE FUNCTION public.encode(bytea, text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'trapped'; END $$;
CREATE FUNCTION public.sha256(bytea) RETURNS bytea LANGUAGE plpgsql AS $$ BEGIN RAISE 'trapped'; END $$;
SQL
}
# With mallory's schema in front, what an administrator calls is still ours.  What DO
# itself looks up is looked up in the session's path, arguments included.
{
	my @calls = (
		q{realtime.send('{}'::jsonb, 'e', 'room', false)}, q{realtime.send('room'::text, 'e'::text, '{}'::jsonb)},
		q{realtime.publish('room', 'e', '{}')}, q{realtime.history('room')}, q{realtime.maintain()}, q{realtime.status()},
		q{realtime.create_agent('d2')}, q{realtime.create_agent_key('d2')}, q{realtime.user_channel('d2', 'u')}, q{realtime.conversation_channel('d2', 'c')},
		q{realtime.rotate_signing_key('d2', '1h')}, q{realtime.create_api_key('d2')}, q{realtime.create_anon_key('d2')},
		q{realtime.sign_jwt('{"role":"anon"}')}, q{realtime.can('anon', '{}', 'room')}, q{realtime.topic()}, q{realtime.channel_matches('a:%', 'a:b')},
		q{realtime.follow('public.followed')}, q{realtime.unfollow('public.followed')}, q{realtime.message_stats()}, q{realtime.setup_api_roles()},
		q{realtime.redeliver(gen_random_uuid())}, q{auth.uid()}, q{auth.role()}, q{auth.jwt()});
	my (undef, $out, $error) = $node->psql('postgres', join("\n", 'CREATE TABLE public.followed (id int PRIMARY KEY);',
			(map { "CREATE TEMP TABLE $_ (nothing int);" } qw(messages channels agents config api_keys commits pg_class pg_roles pg_proc)),
			'SET search_path = pg_temp, public, pg_catalog;',
			(map { "DO \$do\$ BEGIN PERFORM $_; END \$do\$; SELECT 'called';" } @calls)), on_error_stop => 0);
	is(scalar(() = $out =~ /^called$/mg), scalar @calls, 'D2: ' . @calls . ' functions are called');
	is($error =~ s/^.*(?:NOTICE|WARNING|HINT|CONTEXT|DETAIL).*\n?//mgr, '', 'D2: none of them meets a trap');
}

#
# D3: the control file and the script
#
is($server->sql(q{SELECT superuser, trusted, relocatable, schema FROM pg_available_extension_versions WHERE name = 'realtime'}),
	't|f|f|realtime', 'D3: for superusers, not trusted, not relocatable, in its own schema');
{
	my ($share) = run_command([ 'pg_config', '--sharedir' ]);
	my @scripts = glob "$share/extension/realtime--*.sql";
	cmp_ok(scalar @scripts, '>=', 1, 'D3: there is a script');
	for my $script (@scripts)
	{
		my $text = slurp_file($script);
		$text =~ s/--.*$//mg;
		# an IF of PL/pgSQL looks at something, which is another matter
		my @offenders = $text =~ /(CREATE OR REPLACE.*|(?<!\tIF) NOT EXISTS(?! \().*)/g;
		is_deeply(\@offenders, [], 'D3: which replaces nothing and takes nothing for made') or diag("@offenders");
	}
}

#
# D4: PUBLIC and clients; the whole matrix is in test/sql/privileges.sql
#
{
	# what comes of a statement, which is undone
	$server->sql(<<'SQL');
CREATE FUNCTION outcome(command text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE command;
	RAISE 'done';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLERRM;
END $$;
CREATE TABLE tried AS
	SELECT c.oid::regclass AS relation, format(t.command, c.oid::regclass, a.attname) AS command
	FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = 1,
		(VALUES ('SELECT * FROM %s LIMIT 0'), ('SELECT %2$I FROM %1$s'), ('DELETE FROM %s'), ('UPDATE %1$s SET %2$I = DEFAULT'), ('TRUNCATE %s'),
		 ('INSERT INTO %s DEFAULT VALUES'), ('LOCK TABLE %s IN ACCESS SHARE MODE'), ('DROP TABLE %s')) t(command)
	WHERE c.relnamespace = 'realtime'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm');
GRANT SELECT ON tried TO PUBLIC;
SQL
	for my $role (qw(mallory anon authenticated))
	{
		# clients may read and write messages and channels as policies say
		my $but = $role eq 'mallory' ? 'true' : q{relation NOT IN ('realtime.messages'::regclass, 'realtime.channels'::regclass)};
		my $tried = $server->sql("SELECT count(*) FROM tried WHERE $but");
		my $got = $server->sql(qq{SET ROLE $role; SELECT command || ': ' || outcome(command) FROM tried
			WHERE $but AND outcome(command) !~ '^(permission denied|must be owner|cannot (delete from|insert into|update) view|".*" is not a table)'});
		is($got, '', "D4: $role gets nothing of $tried things tried");
	}
	is($server->sql(q{SELECT string_agg(p.oid::regprocedure::text, ' ') FROM pg_proc p WHERE p.pronamespace = 'realtime'::regnamespace
		AND has_function_privilege('authenticated', p.oid, 'EXECUTE') <> has_function_privilege('anon', p.oid, 'EXECUTE')}), '',
		'D4: authenticated may call what anon may');
	is($server->sql(q{SELECT count(*) FROM pg_class c, unnest(ARRAY['mallory', 'anon', 'authenticated', 'service_role', 'pg_monitor']) r
		WHERE c.relnamespace = 'realtime'::regnamespace AND c.relkind = 'S' AND has_sequence_privilege(r, c.oid, 'USAGE, SELECT, UPDATE')}), 0,
		'D4: no sequence is for anybody');
	is($server->sql(q{SELECT relrowsecurity, relforcerowsecurity, pg_get_userbyid(relowner) = current_user FROM pg_class WHERE oid = 'realtime.messages'::regclass}),
		't|f|t', 'D4: row-level security on messages, not forced on their owner, who is no client');
}

#
# D5: the secret
#
for my $role (qw(mallory anon authenticated service_role realtime_executor pg_monitor pg_read_all_settings))
{
	my @looks = ('SHOW realtime.jwt_secret', q{SELECT current_setting('realtime.jwt_secret')}, q{SELECT * FROM pg_settings}, 'SHOW ALL',
		q{SELECT * FROM pg_file_settings}, q{SELECT * FROM pg_hba_file_rules}, q{SELECT query FROM pg_stat_statements}, q{SELECT query FROM pg_stat_activity},
		q{SELECT realtime.status()}, q{SELECT pg_read_file('postgresql.conf')}, q{SELECT pg_read_file('realtime/jwt_secret')},
		q{COPY (SELECT 1) TO PROGRAM 'cat postgresql.conf'}, q{SELECT pg_ls_dir('realtime')});
	my (undef, $out, $error) = $node->psql('postgres', join(";\n", "SET ROLE $role", @looks, q{SELECT 'looked'}), on_error_stop => 0);

	is(index("$out$error", $secret), -1, "D5: $role finds it nowhere");
	like($out, qr/^looked$/m, "D5: $role has looked in " . @looks . ' places');
}
# a superuser who sets it leaves it in statistics that superusers alone may read, which is why there are files
$server->sql(q{ALTER SYSTEM SET realtime.jwt_secret = 'another one that is long enough to be one'});
for my $role (qw(mallory anon))
{
	my (undef, $said) = as_role($role, 'SELECT query FROM pg_stat_statements');
	is(index($said, 'another one that is'), -1, "D5: $role: a secret that was set");
}
is($server->sql('SHOW realtime.jwt_secret'), '********', 'D5: a superuser is not shown it either');
$server->sql('ALTER SYSTEM RESET realtime.jwt_secret');
unlike(slurp_file($node->logfile), qr/another one that is/, 'D5: nor is it in the log');

#
# D7: reading and writing, broadcast and presence, rows: each by its own policy
#
$server->sql(<<'SQL');
CREATE POLICY rb ON realtime.messages FOR SELECT TO anon USING (topic LIKE '%rb%' AND extension = 'broadcast');
CREATE POLICY rp ON realtime.messages FOR SELECT TO anon USING (topic LIKE '%rp%' AND extension = 'presence');
CREATE POLICY wb ON realtime.messages FOR INSERT TO anon WITH CHECK (topic LIKE '%wb%' AND extension = 'broadcast');
CREATE POLICY wp ON realtime.messages FOR INSERT TO anon WITH CHECK (topic LIKE '%wp%' AND extension = 'presence');
CREATE POLICY rb2 ON realtime.messages FOR SELECT TO authenticated USING (topic NOT LIKE '%rb%' AND extension = 'broadcast');
CREATE POLICY rp2 ON realtime.messages FOR SELECT TO authenticated USING (topic NOT LIKE '%rp%' AND extension = 'presence');
CREATE POLICY wb2 ON realtime.messages FOR INSERT TO authenticated WITH CHECK (topic NOT LIKE '%wb%' AND extension = 'broadcast');
CREATE POLICY wp2 ON realtime.messages FOR INSERT TO authenticated WITH CHECK (topic NOT LIKE '%wp%' AND extension = 'presence');
CREATE TABLE rows_of (id int PRIMARY KEY, role text);
GRANT SELECT ON rows_of TO anon, authenticated;
ALTER TABLE rows_of ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON rows_of FOR SELECT TO anon, authenticated USING (role = current_user);
ALTER PUBLICATION supabase_realtime ADD TABLE rows_of;
SQL
{
	my ($cells, @wrong) = (0);
	my %watcher = (service => $server->client(apikey => $server->token(role => 'service_role')));

	for my $mask (0 .. 15)
	{
		my @rights = grep { $mask & { rb => 1, rp => 2, wb => 4, wp => 8 }->{$_} } qw(rb rp wb wp);
		my $topic = join '-', 'cell', @rights;
		$watcher{service}->join($topic, private => 1, presence => { enabled => JSON::PP::true, key => 'watcher' }) or die 'no watcher';

		for my $role (qw(anon authenticated))
		{
			my %may = map { my $right = $_; $right => (scalar(grep { $_ eq $right } @rights) xor $role eq 'authenticated') ? 1 : 0 } qw(rb rp wb wp);
			my $client = $server->client(apikey => $server->token(role => $role));
			my $joined = $client->join_result($topic, private => 1, broadcast => { ack => JSON::PP::true },
				presence => { enabled => JSON::PP::true, key => $role });
			my %can = (rb => 0, rp => 0, wb => 0, wp => 0);

			if ($joined eq 'ok')
			{
				$server->sql(qq{SELECT realtime.send('{"n": 1}'::jsonb, 'e', '$topic', true)});
				my $ref = $client->push("realtime:$topic", 'broadcast', { type => 'broadcast', event => 'said', payload => {} });
				my $said = $client->reply($ref, 3);
				$can{wb} = $said && $said->{payload}{status} eq 'ok' ? 1 : 0;
				$ref = $client->push("realtime:$topic", 'presence', { type => 'presence', event => 'track', payload => {} });
				my $tracked = $client->reply($ref, 3);
				$can{wp} = $tracked && $tracked->{payload}{status} eq 'ok' ? 1 : 0;
				$client->heartbeat;
				$can{rb} = $client->broadcast(0) ? 1 : 0;
				$can{rp} = $client->event($topic, ['presence_state'], 0) ? 1 : 0;
			}
			$cells += 4;
			# who may read nothing is not let in, and then may not write either
			my %expected = $may{rb} || $may{rp} ? %may : map { $_ => 0 } keys %may;
			push @wrong, map { "$role $topic $_: $can{$_}" } grep { $can{$_} != $expected{$_} } sort keys %can;
			$client->abandon;
		}
	}
	is_deeply(\@wrong, [], "D7: $cells cells of broadcast and presence") or diag(join "\n", @wrong);

	for my $role (qw(anon authenticated))
	{
		my $client = $server->client(apikey => $server->token(role => $role));
		$client->join('rows', postgres_changes => [ { event => '*', schema => 'public', table => 'rows_of' } ]);
		$client->event('rows', ['system']) or die 'not followed';
		$server->sql(q{DELETE FROM rows_of; INSERT INTO rows_of VALUES (1, 'anon'), (2, 'authenticated'), (3, 'service_role')});
		my $change = $client->expect(sub { ($_[0]{event} // '') eq 'postgres_changes' && $_[0]{payload}{data}{type} eq 'INSERT' });
		is($change && $change->{payload}{data}{record}{role}, $role, "D7: $role: sees its own row");
		$client->heartbeat;
		is($client->expect(sub { ($_[0]{event} // '') eq 'postgres_changes' && $_[0]{payload}{data}{type} eq 'INSERT' }, 0), undef, "D7: $role: and no other");
		$client->abandon;
	}
}

#
# What a fresh server allows (section 4)
#
my %default = (
	'listen_addresses' => 'localhost', 'private_only' => 'off', 'jwt_secret' => '', 'jwt_secret_file' => '', 'jwt_jwks' => '',
	'jwt_roles' => 'anon,authenticated,service_role,project_admin', 'statement_timeout' => 2000, 'lock_timeout' => 500, 'max_queued_jobs' => 1000,
	'header_timeout' => 10000, 'idle_timeout' => 60000, 'send_timeout' => 10000, 'max_send_queue' => 1024, 'max_message_size' => 3000, 'max_frame_size' => 5000,
	'max_channels_per_client' => 100, 'webhook_allow_private' => '', 'authorization' => 'virtual', 'agent_channels' => 'auto', 'allowed_origins' => '*');
for my $name (sort keys %default)
{
	is($server->sql(qq{SELECT boot_val FROM pg_settings WHERE name = 'realtime.$name'}), $default{$name}, "defaults: realtime.$name");
}
is($server->sql(q{SELECT count(*) FROM pg_settings WHERE name LIKE 'realtime.%' AND context IN ('user', 'backend')
	AND name NOT IN ('realtime.topic', 'realtime.channel_name', 'realtime.on_error')}), 0, 'defaults: no user sets a limit for himself');
is($server->sql(q{SELECT relrowsecurity FROM pg_class WHERE oid = 'realtime.messages'::regclass}), 't', 'defaults: without policies nobody reads or writes');
{
	# nothing that names people or rooms is told to whoever may look at figures or logs
	my $client = $server->client(apikey => $server->token(role => 'anon', sub => 'sub-marker'));
	$client->join('topic-marker');
	$client->join_result('private-marker', private => 1);
	$client->push('realtime:topic-marker', 'broadcast', { type => 'broadcast', event => 'event-marker', payload => { x => 'payload-marker' } });
	$client->send_raw(WebSocketClient::frame(WebSocketClient::TEXT, '["marker-json'));
	$client->heartbeat;
	$server->sql(q{SELECT realtime.send('{"x": "payload-marker"}'::jsonb, 'event-marker', 'topic-marker', false)});
	my ($status, $metrics) = $server->http_get('/metrics');
	is($status, 200, 'defaults: metrics');
	unlike($metrics, qr/marker|eyJ/, 'defaults: without topics, users or tokens');
	unlike(slurp_file($node->logfile), qr/marker/, 'defaults: nor does the log name any');
	$client->abandon;
}

$server->cluster_alive('after all that');
done_testing();
