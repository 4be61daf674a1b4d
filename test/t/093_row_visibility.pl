# Who may see a change of a row is who could select that row: a matrix of
# policies, roles, claims and rows, each cell asked of a real SELECT and of the
# executors, which have nothing but the change.  And what they do about errors,
# other rows than those that are still there, and functions that keep plans.

use strict;
use warnings;

use BusGateway;
use JSON::PP;
use RealtimeServer;
use Test::More;

my $bus = BusGateway->start_new('row_visibility', conf => <<'CONF');
realtime.jwt_roles = 'anon, authenticated, service_role, member, no_schema, no_table, some_columns'
realtime.claim_settings = 'app.tenant = tenant_id, app.anonymous_id=anonymous_id'
CONF
my $node = $bus->server->node;

$bus->sql(<<'SQL');
SELECT count(*) FROM realtime.setup_api_roles();
CREATE ROLE member IN ROLE authenticated;
CREATE ROLE no_schema; CREATE ROLE no_table; CREATE ROLE some_columns;
SELECT count(*) FROM realtime.grant_to_api_roles();
CREATE SCHEMA app;
GRANT USAGE ON SCHEMA app TO PUBLIC;
REVOKE USAGE ON SCHEMA app FROM PUBLIC;
GRANT USAGE ON SCHEMA app TO anon, authenticated, service_role, member, no_table, some_columns;
CREATE TYPE app.pair AS (x int, y text);
CREATE DOMAIN app.positive AS int CHECK (VALUE > 0);
CREATE TABLE app.rows (id int PRIMARY KEY, dropped int, owner uuid, tenant text, n numeric, tags text[],
	doc jsonb, at timestamptz, bytes bytea, p app.pair, po app.positive, price float8,
	twice numeric GENERATED ALWAYS AS (n * 2) STORED);
ALTER TABLE app.rows DROP COLUMN dropped;
ALTER TABLE app.rows ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.rows REPLICA IDENTITY FULL;
GRANT SELECT ON app.rows TO anon, authenticated, service_role, no_schema;
GRANT SELECT (id, tenant) ON app.rows TO some_columns;
CREATE TABLE app.members (user_id uuid, tenant text);
ALTER TABLE app.members ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON app.members USING (user_id = auth.uid());
GRANT SELECT ON app.members TO authenticated, anon;
INSERT INTO app.members VALUES ('00000000-0000-0000-0000-000000000001', 'blue'), ('00000000-0000-0000-0000-000000000002', 'red');
CREATE FUNCTION app.is_mine(r app.rows) RETURNS boolean LANGUAGE plpgsql STABLE AS
	$$ BEGIN RETURN r.owner = auth.uid(); END $$;
-- declared wrongly: a plan that is kept shows the first client's answer
CREATE FUNCTION app.my_tenant() RETURNS text LANGUAGE sql IMMUTABLE AS
	$$ SELECT current_setting('app.tenant', true) $$;
CREATE FUNCTION app.is_my_tenant(t text) RETURNS boolean LANGUAGE plpgsql STABLE AS
	$$ BEGIN RETURN t = app.my_tenant(); END $$;
SELECT realtime.follow('app.rows');
SQL
my ($outcome, $relations) = $bus->subscribe('service_role', [ '*', 'app', 'rows' ]);
my $relid = $relations->[0]{relid};
$bus->follow($relid, $relations->[0]{tables});
$bus->next_ack;

my $user1 = '00000000-0000-0000-0000-000000000001';
my $user2 = '00000000-0000-0000-0000-000000000002';
$bus->sql(<<"SQL");
INSERT INTO app.rows VALUES
	(1, '$user1', 'blue', 1.5, '{a,b}', '{"k": [1, "x"]}', '2026-01-01 00:00+00', '\\x00ff', '(1,"a b")', 5, 0.1),
	(2, '$user2', 'red', 'NaN', '{}', 'null', 'infinity', '', '(,)', NULL, '-Infinity'),
	(3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
	(4, '$user1', 'red', -20, '[0:1]={x,NULL}', '"text"', '0044-03-15 BC', '\\x5c78', ROW(2, E'q"\\\\,'), 1, 1e300);
SQL
my @inserts = map { ($bus->next_change)[0] } 1 .. 4;
$bus->sql('UPDATE app.rows SET price = price');
my @updates = map { ($bus->next_change)[0] } 1 .. 4;

my @identities = (
	[ 'anon', {} ],
	[ 'authenticated', { sub => $user1, tenant_id => 'blue' } ],
	[ 'authenticated', { sub => $user2, tenant_id => 'red' } ],
	[ 'authenticated', { sub => $user2, tenant_id => 7 } ],
	[ 'member', { sub => $user1, tenant_id => 'red' } ],
	[ 'service_role', {} ],
	[ 'no_schema', {} ], [ 'no_table', {} ],
	[ 'some_columns', { tenant_id => 'blue' } ]);
my $json = JSON::PP->new->canonical;
my @clients = map { [ $_->[0], $json->encode($_->[1]), $_->[1]{sub} ] } @identities;

# Policies, each a list of statements after CREATE POLICY.
my @matrix = (
	[],
	['a ON app.rows FOR SELECT USING (true)'],
	['a ON app.rows FOR INSERT WITH CHECK (true)'],
	['a ON app.rows FOR ALL USING (owner = auth.uid())'],
	['a ON app.rows FOR SELECT TO authenticated USING (owner = auth.uid())'],
	[ 'a ON app.rows FOR SELECT USING (true)', 'b ON app.rows AS RESTRICTIVE FOR SELECT TO anon USING (false)' ],
	[ 'a ON app.rows FOR SELECT USING (n > 0)', 'b ON app.rows AS RESTRICTIVE USING (tenant IS NOT NULL)' ],
	['a ON app.rows FOR SELECT USING (tenant IN (SELECT m.tenant FROM app.members m))'],
	['a ON app.rows FOR SELECT USING (EXISTS (SELECT FROM app.members m WHERE m.tenant = rows.tenant AND m.user_id = auth.uid()))'],
	['a ON app.rows FOR SELECT USING (app.is_mine(rows))'],
	['a ON app.rows FOR SELECT USING (rows IS NOT NULL)'],
	["a ON app.rows FOR SELECT USING (tenant = current_setting('app.tenant', true))"],
	['a ON app.rows FOR SELECT USING (tenant = app.my_tenant())'],
	['a ON app.rows FOR SELECT USING (app.is_my_tenant(tenant))'],
	["a ON app.rows FOR SELECT USING (tags \@> '{a}' OR tags = '[0:1]={x,NULL}')"],
	["a ON app.rows FOR SELECT USING (doc = 'null' OR doc -> 'k' = '[1, \"x\"]')"],
	["a ON app.rows FOR SELECT USING (at = 'infinity' OR at < '0001-01-01')"],
	["a ON app.rows FOR SELECT USING (bytes = '\\x00ff' OR bytes = '')"],
	["a ON app.rows FOR SELECT USING ((p).y = 'a b' OR (p).y = E'q\"\\\\,')"],
	["a ON app.rows FOR SELECT USING (price IN (0.1, '-Infinity', 1e300))"],
	["a ON app.rows FOR SELECT USING (twice = 3 OR n = 'NaN')"],
	['a ON app.rows FOR SELECT USING (po > 1)'],
	["a ON app.rows FOR SELECT USING (auth.jwt() ->> 'tenant_id' = tenant)"],
	['a ON app.rows FOR SELECT USING (pg_has_role(current_user, \'authenticated\', \'member\'))'],
	['a ON app.rows FOR SELECT USING ((SELECT count(*) FROM app.rows r WHERE r.tenant = rows.tenant) > 1)'],
);

# What a SELECT as that client shows: a string like 1010, one digit per row, or
# the SQLSTATE of its error.
sub selected
{
	my ($identity) = @_;
	my ($role, $claims) = @$identity;
	my $text = $json->encode($claims);
	my $ids = $bus->sql(<<"SQL");
BEGIN;
SET LOCAL request.jwt.claims = '$text';
SET LOCAL request.jwt.claim.sub = '@{[ $claims->{sub} // '' ]}';
SET LOCAL app.tenant = '@{[ $claims->{tenant_id} // '' ]}';
SET LOCAL ROLE $role;
DO \$\$
BEGIN
	PERFORM set_config('test.ids', coalesce((SELECT string_agg(id::text, '') FROM app.rows), ''), true);
EXCEPTION
	WHEN insufficient_privilege THEN
		-- without rights on the table itself nothing more is asked
		PERFORM set_config('test.ids', CASE WHEN has_schema_privilege('app', 'USAGE')
			AND has_any_column_privilege((SELECT oid FROM pg_class WHERE relname = 'rows'), 'SELECT') THEN 'error' ELSE '' END, true);
	WHEN OTHERS THEN PERFORM set_config('test.ids', 'error', true);
END
\$\$;
SELECT current_setting('test.ids');
ROLLBACK;
SQL
	return '2222' if $ids eq 'error';
	return join('', map { index($ids, $_) >= 0 ? 1 : 0 } 1 .. 4);
}

my ($cells, $seen, $different) = (0, 0, 0);
foreach my $policies (@matrix)
{
	my (@expected, @got);

	$bus->sql("CREATE POLICY $_") foreach @$policies;
	@expected = map { selected($_) } @identities;
	foreach my $changes (\@inserts, \@updates)
	{
		(undef, @got) = $bus->visible($relid, $changes, \@clients, [ map { [ $_, 1 ] } 0 .. $#clients ]);
		foreach my $i (0 .. $#expected)
		{
			$cells += 4;
			$seen += () = $got[$i] =~ /1/g;
			next if $got[$i] eq $expected[$i];
			$different++;
			diag("@$policies | $clients[$i][0] $clients[$i][1]: SELECT $expected[$i], executors $got[$i]");
		}
	}
	$bus->sql('DROP POLICY ' . (split(' ', $_))[0] . ' ON app.rows') foreach @$policies;
}
is($different, 0, "$cells cells are decided as a SELECT would, $seen of them yes");

# the row of the change counts, not the one in the table
$bus->sql("CREATE POLICY a ON app.rows USING (owner = auth.uid()); UPDATE app.rows SET owner = '$user2' WHERE id = 1");
my ($moved) = $bus->next_change;
is_deeply([ $bus->visible($relid, [ $inserts[0], $moved ], \@clients, [ [ 1, 1 ], [ 2, 1 ] ]) ], [ 0, '10', '01' ],
	'who may see it is decided by the row as it was');
$bus->sql('DELETE FROM app.rows');
my @deletes = map { ($bus->next_change)[0] } 1 .. 4;
is_deeply([ $bus->visible($relid, [ @inserts, @deletes ], \@clients, [ [ 1, 1 ], [ 2, 1 ] ]) ],
	[ 0, '10010010', '01001001' ], 'of rows that are gone, too, and of what has gone');

# without policies, and with conditions that only SQL knows
is_deeply([ $bus->visible($relid, \@inserts, \@clients, [ [ 0, 0 ] ]) ], [ 0, '1111' ], 'policies need not be asked');
foreach my $case (
	[ 'tags eq', '1000', [ 'tags', 'eq', 0, '{a,b}' ] ],
	[ 'tags neq', '0101', [ 'tags', 'neq', 0, '{a,b}' ] ],
	[ 'not tags eq', '0101', [ 'tags', 'eq', 1, '{a,b}' ] ],
	[ 'tenant match', '1000', [ 'tenant', 'match', 0, '^b' ] ],
	[ 'tenant imatch', '0101', [ 'tenant', 'imatch', 0, 'RED' ] ],
	[ 'tenant like', '0101', [ 'tenant', 'like', 0, '_e%' ] ],
	[ 'tenant ilike', '0101', [ 'tenant', 'ilike', 0, 'RE%' ] ],
	[ 'n gt', '1100', [ 'n', 'gt', 0, '0' ] ], [ 'n lte', '1001', [ 'n', 'lte', 0, '1.50' ] ],
	[ 'n lt', '0001', [ 'n', 'lt', 0, '1.50' ] ], [ 'n gte', '1100', [ 'n', 'gte', 0, '1.5' ] ],
	[ 'id in', '1010', [ 'id', 'in', 0, '1', '3' ] ], [ 'id not in', '0101', [ 'id', 'in', 1, '1', '3' ] ],
	[ 'id in with null', '1000', [ 'id', 'in', 0, '1', undef ] ], [ 'id in nothing', '0000', [ 'id', 'in', 0 ] ],
	[ 'owner is null', '0010', [ 'owner', 'is', 0, 'null' ] ], [ 'owner is not null', '1101', [ 'owner', 'is', 1, 'null' ] ],
	[ 'tenant isdistinct', '1010', [ 'tenant', 'isdistinct', 0, 'red' ] ],
	[ 'no such column', '0000', [ 'nope', 'eq', 0, '1' ] ],
	[ 'no such value', '2222', [ 'id', 'eq', 0, 'x' ] ])
{
	my ($name, $expected, $condition) = @$case;

	is_deeply([ $bus->visible($relid, \@inserts, \@clients, [ [ 5, 0, BusGateway::condition(@$condition) ] ]) ],
		[ 0, $expected ], "condition: $name");
}
is_deeply([ $bus->visible($relid, \@inserts, \@clients,
	[ [ 1, 1, BusGateway::condition('tenant', 'match', 0, '^r') ], [ 1, 1 ] ]) ], [ 0, '0001', '1001' ], 'policies and conditions');
$bus->sql("ALTER TABLE app.rows REPLICA IDENTITY DEFAULT; INSERT INTO app.rows SELECT 9, '$user1', 'blue'; DELETE FROM app.rows");
$bus->next_change;
my ($gone) = $bus->next_change;
is_deeply([ $bus->visible($relid, [$gone], \@clients, [
	[ 1, 1 ], [ 1, 1, BusGateway::condition('id', 'eq', 0, '9') ], [ 1, 1, BusGateway::condition('tenant', 'eq', 0, 'blue') ], [ 2, 1 ] ]) ],
	[ 0, '1', '1', '0', '0' ], 'a DELETE: policies know the row, filters the key only');

# errors harm who has them
$bus->sql(<<'SQL');
DROP POLICY a ON app.rows;
CREATE FUNCTION app.picky(n numeric) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
	IF auth.uid() = '00000000-0000-0000-0000-000000000001' THEN RAISE 'not this one'; END IF;
	RETURN 1 / n > -100;
END $$;
CREATE POLICY a ON app.rows USING (n IS NULL OR app.picky(n));
SQL
is_deeply([ $bus->visible($relid, \@inserts, \@clients, [ [ 1, 1 ], [ 2, 1 ], [ 5, 1 ] ]) ],
	[ 0, '2212', '1111', '1111' ], 'a policy that raises harms one client');
$bus->sql("INSERT INTO app.rows (id, n) VALUES (10, 0)");
my ($zero) = $bus->next_change;
is_deeply([ $bus->visible($relid, [ $inserts[0], $zero, $inserts[3] ], \@clients, [ [ 2, 1 ], [ 5, 1 ] ]) ],
	[ 0, '121', '111' ], 'and of several rows the one that it does not like');

# what the row has no more, and what it never had
$bus->sql(<<'SQL');
DROP POLICY a ON app.rows;
ALTER TABLE app.rows ADD COLUMN late int DEFAULT 7, ADD COLUMN later int;
ALTER TABLE app.rows DROP COLUMN tags;
CREATE POLICY a ON app.rows USING (late = 7 AND later IS NULL AND id > 1);
SQL
is_deeply([ $bus->visible($relid, \@inserts, \@clients, [ [ 1, 1 ] ]) ], [ 0, '0111' ], 'columns that came and went since');
$bus->sql(<<'SQL');
DROP POLICY a ON app.rows;
ALTER TABLE app.rows ALTER COLUMN id TYPE bigint;
CREATE POLICY a ON app.rows USING (id > 1);
SQL
is_deeply([ $bus->visible($relid, \@inserts, \@clients, [ [ 1, 1 ] ]) ], [ 0, '0111' ], 'a table that has changed since');
$bus->sql('ALTER TABLE app.rows ALTER COLUMN tenant TYPE int USING length(tenant)');
is_deeply([ $bus->visible($relid, \@inserts, \@clients, [ [ 1, 1 ] ]) ], [ 0, '2212' ], 'so much that some rows are no rows any more');
$bus->sql('DROP POLICY a ON app.rows; CREATE POLICY a ON app.rows USING (ctid IS NOT NULL)');
is_deeply([ $bus->visible($relid, [ $inserts[2] ], \@clients, [ [ 1, 1 ] ]) ], [ 0, '2' ], 'a policy that looks at a system column');
is_deeply([ $bus->visible($relid, [ $inserts[2] ], [ [ 'postgres', '{}' ], [ 'realtime_executor', '{}' ], [ 'service_role', '{}' ] ],
	[ [ 2, 1 ], [ 0, 1 ], [ 1, 0 ] ]) ], [ 0, '1', '0', '0' ], 'roles that no token may name see nothing');

# left out because the change was too large
$bus->sql("DROP POLICY a ON app.rows; CREATE POLICY a ON app.rows USING (doc IS NULL OR doc <> '1'); INSERT INTO app.rows (id, doc) VALUES (11, to_jsonb(repeat('x', 2000000)))");
my ($large) = $bus->next_change;
is_deeply([ $bus->visible($relid, [ $large, $inserts[2] ], \@clients, [ [ 1, 1 ] ]) ], [ 0, '21' ], 'a policy that needs a value that was left out');
$bus->sql('DROP POLICY a ON app.rows; CREATE POLICY a ON app.rows USING (id = 11)');
is_deeply([ $bus->visible($relid, [ $large, $inserts[2] ], \@clients, [ [ 1, 1 ] ]) ], [ 0, '10' ], 'and one that does not');

# no way out of the role, and nothing left behind
$bus->sql(<<'SQL');
CREATE FUNCTION app.escape() RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	EXECUTE 'RESET ROLE';
	RETURN true;
END $$;
DROP POLICY a ON app.rows;
CREATE POLICY a ON app.rows USING (app.escape());
SQL
is_deeply([ $bus->visible($relid, [ $inserts[2] ], \@clients, [ [ 1, 1 ] ]) ], [ 0, '2' ], 'a policy cannot reset the role');
$bus->sql('DROP TABLE app.rows CASCADE');
is_deeply([ $bus->visible($relid, \@inserts, \@clients, [ [ 1, 1 ] ]) ], [ 0, '0000' ], 'of a table that is gone nobody sees anything');
unlike(slurp_log(), qr/its session has another/, 'sessions are as they were');

sub slurp_log { return PostgreSQL::Test::Utils::slurp_file($node->logfile); }

# what realtime.claim_settings takes
foreach my $bad ('anonymous_id', 'a.b', 'a.b=', 'nodot=x', 'realtime.topic=x', 'Request.jwt.claims=x', 'a.b=x,', 'a..b=x', 'a.1=x', q{a.b;c=x})
{
	isnt($node->psql('postgres', "ALTER SYSTEM SET realtime.claim_settings = '$bad'"), 0, "not '$bad'");
}
is($node->psql('postgres', "ALTER SYSTEM SET realtime.claim_settings = '$_'"), 0, "but '$_'") foreach ('', ' ', 'a.b=c', 'a.b_1.c = x y , d.e=f');

$bus->server->cluster_alive('after that');
$node->stop;
done_testing();
