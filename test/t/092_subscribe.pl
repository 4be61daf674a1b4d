# JOB_SUBSCRIBE: which tables an entry is about, what a role may see of them, what
# filters mean in the type of their columns, and the literal errors of upstream.

use strict;
use warnings;

use BusGateway;
use RealtimeServer;
use Test::More;

my $bus = BusGateway->start_new('subscribe', conf => "realtime.jwt_roles = 'anon, authenticated, columns, hidden'\n");

$bus->sql(<<'SQL');
SELECT count(*) FROM realtime.setup_api_roles();
CREATE ROLE columns; CREATE ROLE hidden;
SELECT count(*) FROM realtime.grant_to_api_roles();
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE DOMAIN short AS varchar(5);
CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE t (id bigint PRIMARY KEY, "a B" text, c text COLLATE "C", n numeric(10,2), f real, b boolean,
	m mood, u uuid, tz timestamptz, d date, j jsonb, ia int[], bp char(3), s short, nc text COLLATE nocase, iv interval, by bytea);
GRANT SELECT ON t TO anon;
GRANT SELECT (id, c) ON t TO columns;
CREATE SCHEMA secret;
CREATE TABLE secret.t (id int PRIMARY KEY);
GRANT SELECT ON secret.t TO hidden, anon;
GRANT USAGE ON SCHEMA secret TO anon;
CREATE TABLE secret.guarded (id int PRIMARY KEY);
ALTER TABLE secret.guarded ENABLE ROW LEVEL SECURITY;
GRANT SELECT ON secret.guarded TO anon;
CREATE TABLE unfollowed (id int);
CREATE TABLE p (id int PRIMARY KEY) PARTITION BY LIST (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);
CREATE TABLE p2 PARTITION OF p FOR VALUES IN (2);
ALTER PUBLICATION supabase_realtime ADD TABLE t, secret.t, secret.guarded;
SELECT realtime.follow('public.p');
SQL

# Names of the relations of one entry.
sub tables
{
	my ($role, @entry) = @_;
	my ($outcome, $relations, $results) = $bus->subscribe($role, \@entry);

	return "outcome $outcome" if $outcome != 0;
	return $results->[0]{error} if $results->[0]{failed};
	return join(' ', map { "$relations->[$_]{schema}.$relations->[$_]{table}" } @{ $results->[0]{relations} });
}

# The conditions of one entry, as column class op values.
sub filter
{
	my ($filter, $role) = @_;
	my ($outcome, $relations, $results) = $bus->subscribe($role // 'anon', [ '*', 'public', 't', $filter ]);

	return "outcome $outcome" if $outcome != 0;
	return $results->[0]{error} if $results->[0]{failed};
	return join(' & ', map {
		"$_->{attnum} " . (qw(sql text ordered number time))[ $_->{class} ] . ($_->{negated} ? ' not' : '') .
		" $_->{op} " . join(',', map { $_ // 'NULL' } @{ $_->{values} })
	} @{ $results->[0]{conditions} });
}

# which tables
is(tables('anon', '*', 'public', 't'), 'public.t', 'a table');
is(tables('anon', 'INSERT', '*', '*'), 'public.p public.t secret.guarded secret.t', 'all tables');
is(tables('anon', 'INSERT', 'secret', '*'), 'secret.guarded secret.t', 'those of a schema');
is(tables('anon', 'INSERT', '*', 't'), 'public.t secret.t', 'those of a name');
is(tables('anon', 'INSERT', 'public', 'unfollowed'),
	'Unable to subscribe to changes with given parameters. Please check Realtime is enabled for the given connect parameters: ' .
	'[event: INSERT, schema: public, table: unfollowed, filters: [], select: nil]', 'one that is not followed');
like(tables('anon', '*', 'public', 'T'), qr/Please check .*table: T,/, 'names are exact');
like(tables('anon', '*', 'realtime', '*'), qr/Please check /, "the extension's own tables are nobody's");
is(tables('nobody', '*', 'public', 't'), 'outcome 4', 'a role that no token may name is refused');

# what a role may see
my ($outcome, $relations, $results) = $bus->subscribe('anon', map { [ '*', split /\./ ] } qw(public.t secret.guarded public.p));
my %by_name = map { ("$_->{schema}.$_->{table}" => $_) } @$relations;
is("$by_name{'public.t'}{all} $by_name{'public.t'}{ask}", '1 0', 'all columns, all rows');
is("$by_name{'secret.guarded'}{all} $by_name{'secret.guarded'}{ask}", '1 1', 'policies are to be asked');
is(scalar @{ $by_name{'public.p'}{tables} }, 3, 'the rows of a partitioned table are in its partitions');
($outcome, $relations) = $bus->subscribe('columns', [ '*', 'public', 't' ]);
is_deeply([ $relations->[0]{all}, $relations->[0]{columns} ], [ 0, [ 1, 3 ] ], 'some columns');
($outcome, $relations) = $bus->subscribe('hidden', [ '*', 'secret', 't' ]);
is_deeply([ $relations->[0]{all}, $relations->[0]{columns} ], [ 0, [] ], 'nothing of a schema that the role may not use');

# values in the form of the column's type
is(filter('id=eq.007'), '1 number eq 7', 'bigint');
is(filter(' id=not.in.(1, 02 ,3) '), '1 number not in 1,2,3', 'a list');
is(filter('a B=eq."x, y"'), '2 text eq x, y', 'text');
is(filter('a B=lt.x'), '2 sql lt x', 'whose order only SQL knows');
is(filter('c=lt.x'), '3 ordered lt x', 'unless its collation is C');
is(filter('n=gte.1.50,n=lt.1e3'), '4 number gte 1.50 & 4 number lt 1000', 'numeric');
is(filter('n=eq.NaN'), '4 number eq NaN', 'NaN');
is(filter('b=eq.t'), '6 ordered eq true', 'boolean');
is(filter('b=is.true,a B=not.is.null'), '6 ordered is true & 2 text not is null', 'is');
is(filter('m=eq.happy'), '7 text eq happy', 'enum');
is(filter('u=eq.{A0EEBC999C0B4EF8BB6D6BB9BD380A11}'), '8 ordered eq a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'uuid');
is(filter('tz=gt.2026-01-02 03:04:05+05'), '9 time gt 2026-01-01T22:04:05+00:00', 'timestamptz');
is(filter('d=eq.Jan 2 2026'), '10 time eq 2026-01-02', 'date');
is(filter('j=eq.{"a":1.0}'), '11 sql eq {"a": 1.0}', 'jsonb: SQL');
is(filter('ia=eq."{1,2}"'), '12 sql eq {1,2}', 'array: SQL');
is(filter('bp=eq.a'), '13 sql eq a', 'char(n): SQL');
is(filter('s=eq.toolong'), '14 text eq toolong', 'a domain is its type');
is(filter('nc=eq.x'), '15 sql eq x', 'a collation that is not deterministic: SQL');
is(filter('iv=eq.24 hours'), '16 sql eq 24:00:00', 'interval: SQL');
is(filter('a B=like.%x_'), '2 text like %x_', 'like');
is(filter('a B=match.^x'), '2 sql match ^x', 'match: SQL');
is(filter('f=isdistinct.0.1'), '5 number isdistinct 0.1', 'isdistinct');
is(filter(' '), '', 'a blank filter is none');

# errors
my $exception = 'Unable to subscribe to changes with given parameters. An exception happened so please check your connect parameters: ';
sub raises
{
	my ($filter, $inspected, $error, $what) = @_;

	is(filter($filter), "${exception}[event: *, schema: public, table: t, filters: $inspected, select: nil]. Exception: ERROR $error", $what // $filter);
	return;
}
raises('x=eq.1', '[{"x", "eq", "1", false}]', 'P0001 (raise_exception) invalid column for filter x');
raises('id=eq.x', '[{"id", "eq", "x", false}]', '22P02 (invalid_text_representation) invalid input syntax for type bigint: "x"');
raises('id=eq.', '[{"id", "eq", "", false}]', '22P02 (invalid_text_representation) invalid input syntax for type bigint: ""');
raises('id=is.true', '[{"id", "is", "true", false}]', 'P0001 (raise_exception) is true filter requires a boolean column, got bigint');
raises('id=is.x', '[{"id", "is", "x", false}]', 'P0001 (raise_exception) invalid value for is filter: must be null, true, false, or unknown');
raises('id=not.like.1%', '[{"id", "like", "1%", true}]', 'P0001 (raise_exception) operator like requires a text-compatible column type, got bigint');
raises('c=match.(', '[{"c", "match", "(", false}]', 'P0001 (raise_exception) invalid regular expression for match filter: invalid regular expression: parentheses () not balanced');
raises('tz=eq.never', '[{"tz", "eq", "never", false}]', '22007 (invalid_datetime_format) invalid input syntax for type timestamp with time zone: "never"');
like(filter('id=in.(' . join(',', 1 .. 101) . ')'), qr/P0001 \(raise_exception\) too many values for `in` filter\. Maximum 100$/, '101 values');
is(filter('id=in.(' . join(',', 1 .. 100) . ')'), '1 number in ' . join(',', 1 .. 100), '100 values');
like(filter('a B=eq.x', 'columns'), qr/invalid column for filter a B$/, 'a column that the role may not read');
is(filter('c=eq.x', 'columns'), '3 ordered eq x', 'one that it may');
is(tables('anon', 'UPDATE', 'public', 't', undef, [ 'id', 'nope' ]),
	"${exception}[event: UPDATE, schema: public, table: t, filters: [], select: [\"id\", \"nope\"]]. Exception: ERROR P0001 (raise_exception) invalid column for select nope",
	'a selected column that is not there');
is(tables('columns', '*', 'public', 't', undef, ['c']), 'public.t', 'one that is');
like(tables('columns', '*', 'public', 't', undef, ['n']), qr/invalid column for select n$/, 'one that the role may not read');

# one bad entry does no harm to another
($outcome, $relations, $results) = $bus->subscribe('anon', [ '*', 'public', 't', 'id=eq.x' ], [ '*', 'public', 't', 'id=eq.1' ]);
is("$results->[0]{failed} $results->[1]{failed}", '1 0', 'entries fail by themselves');

# gateways are told when this may have changed
foreach my $command (
	'ALTER TABLE t ADD COLUMN new int', 'ALTER TABLE t DROP COLUMN new', 'CREATE POLICY x ON t USING (true)',
	'ALTER TABLE t ENABLE ROW LEVEL SECURITY', 'DROP POLICY x ON t', 'REVOKE SELECT ON t FROM anon',
	'CREATE TABLE later (id int); ALTER PUBLICATION supabase_realtime ADD TABLE later', 'DROP TABLE later',
	"SELECT realtime.follow('public.unfollowed')", "SELECT realtime.unfollow('public.unfollowed')",
	'ALTER SCHEMA secret RENAME TO secrets')
{
	$bus->sql($command);
	ok(($bus->next_frame('tables_changed'))[0], $command);
}

# and not when it has not
my $emitted = $bus->sql("SELECT counters ->> 'emitted' FROM realtime.status()");
$bus->sql('CREATE TEMP TABLE tmp (id int); ALTER TABLE tmp ADD x int; CREATE TABLE other (id int); CREATE VIEW v AS SELECT 1');
is($bus->sql("SELECT counters ->> 'emitted' FROM realtime.status()"), $emitted, 'other commands are no news');

$bus->server->cluster_alive('after that');
$bus->server->node->stop;
done_testing();
