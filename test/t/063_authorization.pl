# What realtime decides without writing is what PostgreSQL decides about real
# rows: a matrix of policies, roles, topics and rights, each cell asked twice.
# Executors decide the same, either way, and on a standby.  And asking costs
# neither WAL nor transaction ids.

use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;

my @roles = qw(anon authenticated service_role member grandmember);
my @topics = ('room-a', '42', 'x');

my $server = RealtimeServer->start_new('authorization', conf => <<'CONF');
realtime.jwt_roles = 'anon, authenticated, service_role, member, grandmember, no_schema, no_table, some_columns'
autovacuum = off
CONF

$server->sql(<<'SQL');
SELECT count(*) FROM realtime.setup_api_roles();
CREATE ROLE member IN ROLE authenticated;
CREATE ROLE grandmember IN ROLE member;
CREATE ROLE no_schema;
CREATE ROLE no_table;
CREATE ROLE some_columns;
SELECT count(*) FROM realtime.grant_to_api_roles();
REVOKE ALL ON realtime.messages FROM no_schema, no_table, some_columns;
GRANT SELECT, INSERT ON realtime.messages TO no_schema;
REVOKE USAGE ON SCHEMA realtime FROM no_schema;
GRANT SELECT (id), INSERT (topic, extension) ON realtime.messages TO some_columns;

-- what policies look into
CREATE SCHEMA test;
GRANT USAGE ON SCHEMA test TO PUBLIC;
CREATE TABLE test.members (user_id uuid NOT NULL, topic text NOT NULL);
INSERT INTO test.members VALUES
	('11111111-1111-1111-1111-111111111111', 'room-a'),
	('22222222-2222-2222-2222-222222222222', 'x');
ALTER TABLE test.members ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON test.members USING (user_id = auth.uid());
CREATE VIEW test.all_members AS SELECT * FROM test.members;
CREATE TABLE test.secret (topic text);
INSERT INTO test.secret VALUES ('room-a');
CREATE FUNCTION test.is_secret(t text) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS 'SELECT EXISTS (SELECT FROM test.secret s WHERE s.topic = t)';
CREATE FUNCTION test.whole(m realtime.messages) RETURNS boolean LANGUAGE sql STABLE
	AS $$SELECT m.topic = 'room-a' AND m.payload IS NULL AND m.extension <> 'presence'$$;
CREATE FUNCTION test.raise() RETURNS boolean LANGUAGE plpgsql STABLE
	AS $$BEGIN RAISE EXCEPTION 'not today' USING HINT = 'Try tomorrow.'; END$$;
CREATE FUNCTION test.raise_denied(t text) RETURNS boolean LANGUAGE plpgsql STABLE
	AS $$BEGIN RAISE insufficient_privilege USING MESSAGE = 'not you'; END$$;
CREATE FUNCTION test.settings_are_right(m realtime.messages) RETURNS boolean LANGUAGE plpgsql STABLE
	AS $$
BEGIN
	RETURN current_setting('role') = current_user
		AND current_setting('realtime.topic') = m.topic
		AND current_setting('realtime.channel_name') = m.topic
		AND current_setting('request.jwt.claims')::jsonb ->> 'org' = 'acme'
		AND current_setting('request.jwt.claim.sub') = '11111111-1111-1111-1111-111111111111'
		AND current_setting('request.jwt.claim.role') = current_user
		AND current_setting('request.headers')::jsonb ->> 'x-lang' = 'de';
END
$$;
GRANT SELECT ON test.members, test.all_members TO PUBLIC;
REVOKE SELECT ON test.members FROM PUBLIC;
GRANT SELECT ON test.members TO anon, authenticated;

-- The real thing, as upstream does it: rows inserted, selected as the role, and
-- rolled back.  'true', 'false' or the message of an error.  Triggers are off,
-- because a row without an event can not be published.
CREATE FUNCTION test.really(who text, claims jsonb, room text, headers jsonb, action text) RETURNS text
	LANGUAGE plpgsql AS $$
DECLARE
	extension CONSTANT text := split_part(action, '.', 1);
	reads CONSTANT boolean := split_part(action, '.', 2) = 'read';
	probe uuid;
	found uuid;
BEGIN
	PERFORM set_config('session_replication_role', 'replica', true);
	IF reads THEN
		INSERT INTO realtime.messages (topic, extension) VALUES (room, extension) RETURNING id INTO probe;
	END IF;
	PERFORM set_config('row_security', 'on', true),
			set_config('role', who, true),
			set_config('realtime.topic', room, true),
			set_config('realtime.channel_name', room, true),
			set_config('request.jwt.claims', claims::text, true),
			set_config('request.jwt.claim.sub', claims ->> 'sub', true),
			set_config('request.jwt.claim.role', who, true),
			set_config('request.headers', headers::text, true);
	IF reads THEN
		EXECUTE 'SELECT id FROM realtime.messages WHERE id = $1' INTO found USING probe;
	ELSE
		EXECUTE 'INSERT INTO realtime.messages (topic, extension) VALUES ($1, $2)' USING room, extension;
		found := gen_random_uuid();
	END IF;
	RAISE SQLSTATE 'TEST1' USING MESSAGE = CASE WHEN found IS NULL THEN 'false' ELSE 'true' END;
EXCEPTION
	WHEN SQLSTATE 'TEST1' THEN
		RETURN SQLERRM;
	WHEN insufficient_privilege THEN
		RETURN CASE WHEN reads THEN SQLERRM ELSE 'false' END;
	WHEN OTHERS THEN
		RETURN SQLERRM;
END
$$;

-- Do the two agree?  What raises an error must raise the same one, unless it is
-- one of missing rights, which realtime.can() tells in words of its own.
CREATE FUNCTION test.agree(allowed boolean, reason text, really text) RETURNS boolean LANGUAGE sql
	RETURN allowed = (really = 'true') AND
		CASE WHEN really IN ('true', 'false') THEN allowed OR really = 'false'
		ELSE reason LIKE '%raised: ' || really OR really LIKE 'permission denied for %' END;

-- Set something up, compare all cells, and undo it.
CREATE FUNCTION test.compare(setup text, roles text[], topics text[],
		OUT cells integer, OUT granted integer, OUT raised integer, OUT differing text)
	LANGUAGE plpgsql AS $$
DECLARE
	claims CONSTANT jsonb := '{"sub": "11111111-1111-1111-1111-111111111111", "org": "acme"}';
	headers CONSTANT jsonb := '{"x-lang": "de"}';
	who text;
	room text;
	can record;
	really text;
BEGIN
	cells := 0;
	granted := 0;
	raised := 0;
	BEGIN
		EXECUTE setup;
		FOREACH who IN ARRAY roles LOOP
			FOREACH room IN ARRAY topics LOOP
				FOR can IN SELECT * FROM realtime.can(who, claims, room, headers) LOOP
					really := test.really(who, claims, room, headers, can.action);
					cells := cells + 1;
					granted := granted + can.allowed::integer;
					raised := raised + (can.reason LIKE '%raised: %')::integer;
					IF NOT test.agree(can.allowed, can.reason, really) THEN
						differing := concat_ws(E'\n', differing,
							format('%s %s %s: %s (%s), but really %s', who, room, can.action, can.allowed, can.reason, really));
					END IF;
				END LOOP;
			END LOOP;
		END LOOP;
		RAISE SQLSTATE 'TEST1';
	EXCEPTION WHEN SQLSTATE 'TEST1' THEN
		NULL;
	END;
END
$$;
SQL

# What a policy may look at.
my @expressions = (
	'true',
	'false',
	'NULL::boolean',
	q{topic = 'room-a'},
	q{realtime.topic() = 'room-a'},
	q{(SELECT realtime.topic()) = 'room-a' AND messages.extension IN ('broadcast', 'presence')},
	q{extension = 'persistence' OR topic LIKE 'room%'},
	q{NOT private},
	q{private},
	q{event IS NULL AND payload IS NULL AND binary_payload IS NULL AND expires_at IS NULL AND NOT skip_broadcast},
	q{channel_name = 'room-a' AND event_name IS NULL AND created_at = inserted_at},
	q{sender_type = 'system' AND sender_id IS NULL AND channel_id IS NULL AND type IS NULL},
	q{payload ->> 'a' = 'b'},
	q{inserted_at <= clock_timestamp() AND updated_at = now() AND id IS NOT NULL AND xid IS NOT NULL},
	q{topic::integer > 0},
	q{1 / length(replace(topic, 'x', '')) >= 0},
	q{extension <> 'presence' OR topic::integer > 0},
	q{EXISTS (SELECT FROM test.members m WHERE m.topic = messages.topic AND m.user_id = auth.uid())},
	q{topic IN (SELECT m.topic FROM test.members m)},
	q{(SELECT count(*) FROM test.members) = 1},
	q{topic = (SELECT m.topic FROM test.members m)},
	q{EXISTS (SELECT FROM test.all_members m WHERE m.topic = messages.topic)},
	q{EXISTS (SELECT FROM test.secret s WHERE s.topic = messages.topic)},
	q{test.is_secret(topic)},
	q{EXISTS (SELECT FROM realtime.messages m WHERE m.topic = messages.topic)},
	q{test.whole(messages)},
	q{messages IS NOT NULL},
	q{row_to_json(messages) ->> 'extension' = 'presence'},
	q{test.settings_are_right(messages)},
	q{current_user = 'authenticated'},
	q{auth.uid() = '11111111-1111-1111-1111-111111111111'},
	q{auth.jwt() ->> 'org' = 'acme'},
	q{test.raise()},
	q{topic = 'x' AND test.raise_denied(topic)},
	q{tableoid::regclass::text LIKE 'realtime.messages%' AND topic = 'x'},
);

# How policies are made of it.
my %shapes = (
	'for each command' => sub {
		my ($e) = @_;
		return "CREATE POLICY p ON realtime.messages FOR SELECT TO authenticated USING ($e);
				CREATE POLICY q ON realtime.messages FOR INSERT TO authenticated WITH CHECK ($e);";
	},
	'for all, without WITH CHECK' => sub {
		my ($e) = @_;
		return "CREATE POLICY p ON realtime.messages USING ($e);";
	},
	'for all, with another WITH CHECK' => sub {
		my ($e) = @_;
		return "CREATE POLICY p ON realtime.messages TO member USING (true) WITH CHECK ($e);
				CREATE POLICY q ON realtime.messages TO anon USING ($e) WITH CHECK (extension = 'broadcast');";
	},
	'restrictive' => sub {
		my ($e) = @_;
		return "CREATE POLICY p ON realtime.messages USING (true);
				CREATE POLICY q ON realtime.messages AS RESTRICTIVE TO authenticated USING ($e);";
	},
	'restrictive only' => sub {
		my ($e) = @_;
		return "CREATE POLICY p ON realtime.messages AS RESTRICTIVE USING ($e);";
	},
	'with others' => sub {
		my ($e) = @_;
		return "CREATE POLICY a ON realtime.messages USING (topic = 'room-a');
				CREATE POLICY p ON realtime.messages FOR INSERT TO anon, member WITH CHECK ($e);
				CREATE POLICY q ON realtime.messages FOR SELECT TO anon, member USING ($e);
				CREATE POLICY z ON realtime.messages AS RESTRICTIVE USING (extension <> 'presence');
				CREATE POLICY u ON realtime.messages FOR UPDATE USING (true);
				CREATE POLICY d ON realtime.messages FOR DELETE USING (true);";
	});

my $total = 0;

# Compare a list of [name, setup]; the roles and topics are the same for all.
sub compare
{
	my ($what, $setups, $roles, $topics) = @_;
	my $list = sub { 'ARRAY[' . join(', ', map { "'$_'" } @_) . ']' };
	my %sum = (cells => 0, granted => 0, raised => 0);
	my @differing;
	my @calls = map {
		"SELECT json_build_array(c.cells, c.granted, c.raised, c.differing) "
		  . "FROM test.compare(\$test\$$_->[1]\$test\$, " . $list->(@$roles) . ', ' . $list->(@$topics) . ') c;'
	} @$setups;
	my @rows = map { JSON::PP->new->decode($_) } split /\n/, $server->sql(join "\n", @calls);

	is(scalar @rows, scalar @$setups, "$what: everything was compared");
	for my $i (0 .. $#rows)
	{
		my ($cells, $granted, $raised, $differing) = @{ $rows[$i] };

		$sum{cells} += $cells;
		$sum{granted} += $granted;
		$sum{raised} += $raised;
		push @differing, "$setups->[$i][0]\n$differing" if defined $differing;
	}
	is(join("\n", @differing), '', "$what: both ways agree");
	cmp_ok($sum{cells}, '==', @$setups * @$roles * @$topics * 5, "$what: in $sum{cells} cells");
	note("$what: $sum{cells} cells, $sum{granted} granted, $sum{raised} raised an error");
	$total += $sum{cells};
	return \%sum;
}

for my $shape (sort keys %shapes)
{
	my $sum = compare($shape, [ map { [ $_, $shapes{$shape}->($_) ] } @expressions ], \@roles, \@topics);

	cmp_ok($sum->{granted}, '>', 0, "$shape: something is granted");
	cmp_ok($sum->{granted}, '<', $sum->{cells}, "$shape: something is not");
	# without a permissive policy none is asked
	cmp_ok($sum->{raised}, $shape eq 'restrictive only' ? '==' : '>', 0,
		"$shape: something raises an error, if anything is asked");
}

#
# Where there is more than policies
#
my $open = 'CREATE POLICY p ON realtime.messages USING (true)';

compare('surroundings', [
	[ 'no policy', 'SELECT 1' ],
	[ 'row-level security off', 'ALTER TABLE realtime.messages DISABLE ROW LEVEL SECURITY' ],
	[ 'off, with policies', 'CREATE POLICY p ON realtime.messages USING (false);
		ALTER TABLE realtime.messages DISABLE ROW LEVEL SECURITY' ],
	[ 'forced', "$open; ALTER TABLE realtime.messages FORCE ROW LEVEL SECURITY" ],
	[ 'forced, no policy', 'ALTER TABLE realtime.messages FORCE ROW LEVEL SECURITY' ],
	[ 'policies on a partition', 'CREATE POLICY p ON realtime.messages_default USING (true)' ],
	[ 'row_security off in the session', "$open; SET LOCAL row_security = off" ],
	[ 'no BYPASSRLS', 'ALTER ROLE service_role NOBYPASSRLS' ],
	[ 'BYPASSRLS is not inherited', 'GRANT service_role TO authenticated' ],
	[ 'a policy for a role that one is a member of', 'GRANT service_role TO authenticated;
		CREATE POLICY p ON realtime.messages TO service_role USING (true)' ],
	[ 'memberships that are not inherited', 'ALTER ROLE member NOINHERIT;
		CREATE POLICY p ON realtime.messages TO authenticated USING (true)' ],
	[ 'a second table in the circle', 'CREATE POLICY p ON realtime.messages
			USING (EXISTS (SELECT FROM test.members m WHERE m.topic = messages.topic));
		CREATE POLICY circle ON test.members
			USING (EXISTS (SELECT FROM realtime.messages n WHERE n.topic = members.topic))' ],
	[ 'INSERT looks at the table, SELECT does not', 'CREATE POLICY r ON realtime.messages FOR SELECT USING (true);
		CREATE POLICY w ON realtime.messages FOR INSERT
			WITH CHECK (NOT EXISTS (SELECT FROM realtime.messages m WHERE m.topic = messages.topic))' ],
	[ 'INSERT looks at the table, SELECT at another', 'CREATE POLICY r ON realtime.messages FOR SELECT
			USING (EXISTS (SELECT FROM test.members m WHERE m.topic = messages.topic));
		CREATE POLICY w ON realtime.messages FOR INSERT
			WITH CHECK (EXISTS (SELECT FROM realtime.messages m WHERE m.topic = messages.topic))' ],
	[ 'a function that may not be called', "$open; REVOKE EXECUTE ON FUNCTION test.is_secret(text) FROM PUBLIC;
		CREATE POLICY q ON realtime.messages AS RESTRICTIVE USING (test.is_secret(topic))" ],
	[ 'an operator of one\'s own', q{CREATE FUNCTION test.same(text, text) RETURNS boolean LANGUAGE sql RETURN $1 COLLATE "C" = $2;
		CREATE OPERATOR test.=== (LEFTARG = text, RIGHTARG = text, FUNCTION = test.same);
		CREATE POLICY p ON realtime.messages USING (topic OPERATOR(test.===) 'room-a')} ],
	[ 'a column less', q{ALTER TABLE realtime.messages ADD COLUMN more text;
		CREATE POLICY p ON realtime.messages USING (topic = 'room-a' AND messages.event IS NULL AND test.whole(messages));
		ALTER TABLE realtime.messages DROP COLUMN more} ],
	[ 'a column more', q{ALTER TABLE realtime.messages ADD COLUMN more text DEFAULT 'x';
		CREATE POLICY p ON realtime.messages USING (topic = 'room-a')} ],
	[ 'a column more, without a default', q{ALTER TABLE realtime.messages ADD COLUMN more text;
		CREATE POLICY p ON realtime.messages USING (topic = 'room-a' AND more IS NULL)} ],
	[ 'a default that a policy looks at', q{ALTER TABLE realtime.messages ADD COLUMN tenant text NOT NULL DEFAULT 'blocked';
		CREATE POLICY p ON realtime.messages USING (tenant IS DISTINCT FROM 'blocked' OR topic = '42')} ],
	[ 'a domain that a policy looks at', q{CREATE DOMAIN test.tenant AS text DEFAULT 'blocked';
		ALTER TABLE realtime.messages ADD COLUMN tenant test.tenant;
		CREATE POLICY p ON realtime.messages USING (tenant IS DISTINCT FROM 'blocked' OR topic = '42')} ],
	[ 'a generated column', q{ALTER TABLE realtime.messages ADD COLUMN gen text GENERATED ALWAYS AS ('x' || topic) STORED;
		CREATE POLICY p ON realtime.messages USING (gen IS NULL OR gen = 'xx')} ],
	[ 'another default of private', q{ALTER TABLE realtime.messages ALTER COLUMN private SET DEFAULT true;
		CREATE POLICY p ON realtime.messages USING (NOT private OR topic = '42')} ],
	[ 'a default of event', q{ALTER TABLE realtime.messages ALTER COLUMN event SET DEFAULT 'e';
		CREATE POLICY p ON realtime.messages USING (event IS NULL OR topic = '42')} ],
], [ @roles, qw(no_schema no_table some_columns) ], \@topics);

cmp_ok($total, '>', 16000, "$total cells in all");

# The same, where the real thing is asked with triggers on, as a probe is:
# publishing is left out.
$server->sql(<<'SQL');
CREATE TABLE test.rooms (topic text PRIMARY KEY);
INSERT INTO test.rooms VALUES ('room-a');
CREATE FUNCTION test.veto() RETURNS trigger LANGUAGE plpgsql
	AS $$BEGIN RAISE insufficient_privilege USING MESSAGE = 'closed'; END$$;
CREATE FUNCTION test.change() RETURNS trigger LANGUAGE plpgsql
	AS $$BEGIN new.private := true; RETURN new; END$$;
SQL
my %writes = (
	'a trigger before' => [ q{CREATE TRIGGER a BEFORE INSERT ON realtime.messages FOR EACH ROW
		WHEN (new.topic <> 'x') EXECUTE FUNCTION test.veto()}, 'x' ],
	'a trigger after' => [ q{CREATE TRIGGER a AFTER INSERT ON realtime.messages FOR EACH ROW
		WHEN (new.topic <> 'x') EXECUTE FUNCTION test.veto()}, 'x' ],
	'a trigger that changes the row' => [ q{CREATE TRIGGER a BEFORE INSERT ON realtime.messages FOR EACH ROW
		WHEN (new.topic <> 'x') EXECUTE FUNCTION test.change()}, 'x' ],
	'a trigger that is disabled' => [ q{CREATE TRIGGER a BEFORE INSERT ON realtime.messages FOR EACH ROW
		EXECUTE FUNCTION test.veto(); ALTER TABLE realtime.messages DISABLE TRIGGER a}, 'room-a x' ],
	'a check' => [ q{ALTER TABLE realtime.messages ADD CONSTRAINT a CHECK (topic <> 'room-a')}, 'x' ],
	'a foreign key' => [ q{ALTER TABLE realtime.messages ADD CONSTRAINT a FOREIGN KEY (topic) REFERENCES test.rooms}, 'room-a' ]);
for my $what (sort keys %writes)
{
	my ($setup, $expected) = @{ $writes{$what} };

	is($server->sql("
		BEGIN;
		CREATE POLICY p ON realtime.messages USING (NOT private);
		$setup;
		SELECT string_agg(t, ' ') FROM unnest(ARRAY['room-a', 'x']) t,
			realtime.can('authenticated', '{}', t) c WHERE c.action = 'broadcast.write' AND c.allowed;
		ROLLBACK"), $expected, "$what has a say");
}

#
# Executors decide the same
#
my %tokens = map { $_ => $server->token(role => $_, sub => '11111111-1111-1111-1111-111111111111', org => 'acme') } @roles;
my @sample = (
	[ 'by topic', q{CREATE POLICY p ON realtime.messages USING (topic = 'room-a')} ],
	[ 'by membership', q{CREATE POLICY p ON realtime.messages TO authenticated
		USING (EXISTS (SELECT FROM test.members m WHERE m.topic = messages.topic AND m.user_id = auth.uid()))} ],
	[ 'restrictive', q{CREATE POLICY p ON realtime.messages USING (true);
		CREATE POLICY q ON realtime.messages AS RESTRICTIVE TO anon, member USING (topic <> 'x')} ],
	[ 'errors', q{CREATE POLICY p ON realtime.messages USING (topic::integer > 0)} ],
	[ 'system columns', q{CREATE POLICY p ON realtime.messages TO authenticated
		USING (topic = 'x' AND tableoid::regclass::text LIKE 'realtime.messages%')} ],
	[ 'presence only', q{CREATE POLICY p ON realtime.messages USING (extension = 'presence' AND topic = '42')} ],
	[ 'inserting only', 'CREATE POLICY p ON realtime.messages FOR INSERT WITH CHECK (true)' ],
	[ 'whole rows', 'CREATE POLICY p ON realtime.messages USING (test.whole(messages))' ],
	[ 'a default', q{ALTER TABLE realtime.messages ADD COLUMN tenant text DEFAULT 'blocked';
		CREATE POLICY p ON realtime.messages USING (tenant IS NULL OR topic = 'room-a')} ],
	[ 'forced', q{CREATE POLICY p ON realtime.messages USING (topic = '42'); ALTER TABLE realtime.messages FORCE ROW LEVEL SECURITY} ]);

# Join every room as everybody: "role room" => joined?
sub join_all
{
	my ($of) = @_;
	my %joined;

	for my $role (@roles)
	{
		my $client = $of->client(apikey => $tokens{$role});
		my %ref = map { $_ => $client->start_join($_, private => 1, presence => 1) } @topics;

		$joined{"$role $_"} = $client->reply($ref{$_})->{payload}{status} eq 'ok' ? 1 : 0 for @topics;
		$client->abandon;
	}
	return \%joined;
}

# What realtime.can() says of the same.  A join asks for both rights at once,
# so what raises an error for one denies both.
sub can_join
{
	my ($of) = @_;
	my $list = join ', ', map { my $role = $_; map { "('$role', '$_')" } @topics } @roles;
	my @rows = split /\n/, $of->sql(qq{
		SELECT r.role, r.room, bool_or(c.allowed) AND NOT bool_or(c.reason LIKE '%raised: %')
		FROM (VALUES $list) r(role, room), LATERAL realtime.can(r.role,
			'{"sub": "11111111-1111-1111-1111-111111111111", "org": "acme"}', r.room) c
		WHERE c.action LIKE '%.read' GROUP BY r.role, r.room});
	return { map { /^(.*)\|(.*)\|(.)$/ ? ("$1 $2" => $3 eq 't' ? 1 : 0) : () } @rows };
}

wait_for(sub { $server->stat('executors') > 0 }, 'executors');
my $emitted = $server->stat('emitted');
for my $mode ('virtual', 'probe')
{
	$server->reconfigure('realtime."authorization"' => $mode);
	wait_for(sub { $server->sql(q{SELECT current_setting('realtime.authorization')}) eq $mode }, "$mode mode");
	for my $case (@sample)
	{
		my ($name, $setup) = @$case;

		$server->sql($setup);
		is_deeply(join_all($server), can_join($server), "executors, $mode: $name");
		$server->sql('DROP POLICY IF EXISTS p ON realtime.messages; DROP POLICY IF EXISTS q ON realtime.messages;
			ALTER TABLE realtime.messages NO FORCE ROW LEVEL SECURITY;
			ALTER TABLE realtime.messages DROP COLUMN IF EXISTS tenant');
	}
}
is($server->sql('SELECT count(*) FROM realtime.messages'), 0, 'no row is left');
is($server->stat('emitted'), $emitted, 'and none was published');
$server->sql('ALTER SYSTEM RESET realtime."authorization"');
$server->sql('SELECT pg_reload_conf()');

#
# What it costs: nothing
#
$server->sql(q{CREATE POLICY p ON realtime.messages
	USING (EXISTS (SELECT FROM test.members m WHERE m.topic = messages.topic))});

# WAL and transaction ids that something takes; the least of some attempts, as
# a checkpoint or the statistics may come between.
sub cost
{
	my ($do) = @_;
	my $now = q{SELECT pg_current_wal_insert_lsn() - '0/0', pg_snapshot_xmax(pg_current_snapshot())};
	my $least;

	# once before, so that hints are set
	$do->();
	for my $attempt (1 .. 5)
	{
		my ($lsn, $xid) = split /\|/, $server->sql($now);
		$do->();
		my ($lsn_after, $xid_after) = split /\|/, $server->sql($now);
		my $cost = join ' ', $lsn_after - $lsn, $xid_after - $xid;

		return $cost if $cost eq '0 0';
		$least //= $cost;
	}
	return $least;
}

is(cost(sub {
	is($server->sql(q{
		BEGIN;
		SELECT count(*) FROM generate_series(1, 200) n,
			LATERAL realtime.can('authenticated', '{"sub": "11111111-1111-1111-1111-111111111111"}', 'room-a') c WHERE c.allowed;
		SELECT pg_current_xact_id_if_assigned() IS NULL;
		COMMIT}), "1000\nt", 'a transaction that decides a thousand times gets no id');
}), '0 0', '1000 decisions of realtime.can() take 0 bytes of WAL and 0 transaction ids');

my $executor_joins = 0;
is(cost(sub {
	my $client = $server->client(apikey => $tokens{authenticated});
	my @refs = map { $client->start_join($_, private => 1, presence => 1) } 'room-a', map { "room-$_" } 1 .. 59;

	$executor_joins = grep { $client->reply($_)->{payload}{status} eq 'error' } @refs;
	$client->abandon;
}), '0 0', '60 joins take 0 bytes of WAL and 0 transaction ids');
is($executor_joins, 59, 'one of which is allowed');

#
# A standby
#
$server->node->backup('base');
my $standby = bless {
	node => PostgreSQL::Test::Cluster->new('standby'),
	port => PostgreSQL::Test::Cluster::get_free_port()
}, 'RealtimeServer';
$standby->node->init_from_backup($server->node, 'base', has_streaming => 1);
$standby->node->append_conf('postgresql.conf', "realtime.port = $standby->{port}\n");
$standby->node->start;
$standby->wait_until_healthy;
wait_for(sub { $standby->stat('executors') > 0 }, 'executors of the standby');

# Make policies and wait until the standby has them.
sub set_up_both
{
	my ($setup) = @_;
	$server->sql("DROP POLICY IF EXISTS p ON realtime.messages; DROP POLICY IF EXISTS q ON realtime.messages; $setup");
	$server->node->wait_for_catchup($standby->node, 'replay', $server->node->lsn('insert'));
	return;
}

for my $case (grep { $_->[0] !~ /system columns|a default|forced/ } @sample)
{
	set_up_both($case->[1]);
	is_deeply(join_all($standby), can_join($server), "on a standby: $case->[0]");
	is_deeply(can_join($standby), can_join($server), "realtime.can() there: $case->[0]");
}
set_up_both($sample[4][1]);
ok(!(grep { /^authenticated/ && join_all($standby)->{$_} } keys %{ join_all($standby) }),
	'a policy that takes a real row allows nothing there');
like(slurp_file($standby->node->logfile), qr/realtime cannot ask the policies on realtime.messages on a standby\n.*HINT: .*system column/,
	'and the log says why');
set_up_both($sample[0][1]);
$standby->node->append_conf('postgresql.conf', "realtime.authorization = 'probe'\n");
$standby->node->reload;
my $probing = $standby->client(apikey => $tokens{authenticated});
wait_for(sub { $probing->join_result('room-a', private => 1) =~ /^UnableToConnect/ }, 'a standby that is to probe to refuse');
pass('nor can it insert rows to ask');

$server->cluster_alive('after all');
done_testing();
