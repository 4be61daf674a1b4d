# Changes of followed tables on the bus: what a record shows of each type and
# kind of change, whoever writes under whatever settings; partitions, inheritance,
# large values, dropped columns; and what a rollback takes back.

use strict;
use warnings;

use BusGateway;
use RealtimeServer;
use Test::More;

my $bus = BusGateway->start_new('capture', conf => <<'CONF');
realtime.max_change_size = 16kB
CONF

# Follow a table by name, as a gateway would, and wait until it is.
sub listen_to
{
	my ($table) = @_;
	my ($outcome, $relations) = $bus->subscribe('anon', [ '*', split /\./, $table ]);
	my $relation = $relations->[0];
	my @ack;

	$bus->follow($relation->{relid}, $relation->{tables});
	@ack = $bus->next_ack;
	is($ack[2], 0, "$table is followed");
	return $relation->{relid};
}

# The next change as text.
sub change
{
	my ($record, $change) = $bus->next_change;
	return BusGateway::show_change($change);
}

$bus->sql('SELECT count(*) FROM realtime.setup_api_roles()');
is($bus->sql("SELECT pubname, puballtables FROM pg_publication"), 'supabase_realtime|f',
	'the extension makes an empty publication');

# all kinds of values
$bus->sql(<<'SQL');
CREATE TYPE mood AS ENUM ('sad', 'very "happy"');
CREATE TYPE pair AS (a int, b timestamptz);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TABLE things (
	id bigint PRIMARY KEY,
	s smallint, f real, d double precision, n numeric, o oid, b boolean,
	t text, v varchar(20), c char(3), u uuid, e mood,
	dt date, ts timestamp, tz timestamptz, ti time, iv interval,
	j json, jb jsonb, by bytea, ia int[], pa pair, po positive, tr tstzrange,
	g int GENERATED ALWAYS AS (s * 2) STORED,
	gone text);
ALTER TABLE things DROP COLUMN gone;
ALTER TABLE things ADD COLUMN late text DEFAULT 'late';
ALTER PUBLICATION supabase_realtime ADD TABLE things;
SQL
listen_to('public.things');
my $insert = <<'SQL';
INSERT INTO things VALUES (%d, -1, 0.1, 1e300, 1.50, 4000000000, true,
	E'a "q" \\ \n é', 'v', 'c', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', 'very "happy"',
	'2026-01-02', '2026-01-02 03:04:05.5', '2026-01-02 03:04:05.678901+05', '03:04:05', '1 day 02:00',
	'{"a" :  1}', '{"a" :  1}', '\x0001ff', '{1,NULL}', '(7,2026-01-02 00:00:00+00)', 5,
	'[2026-01-02 00:00:00+00,)');
SQL
my $values = <<'VALUES' =~ s/\n/ | /gr =~ s/ \| $//r;
s:int2 -1
f:float4 0.1
d:float8 1e+300
n:numeric 1.50
o:oid "4000000000"
b:bool true
t:text "a \"q\" \\ \n é"
v:varchar "v"
c:bpchar "c  "
u:uuid "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
e:mood "very \"happy\""
dt:date "2026-01-02"
ts:timestamp "2026-01-02T03:04:05.5"
tz:timestamptz "2026-01-01T22:04:05.678901+00:00"
ti:time "03:04:05"
iv:interval "1 day 02:00:00"
j:json {"a" :  1}
jb:jsonb {"a": 1}
by:bytea "0001ff"
ia:_int4 [1,null]
pa:pair {"a":7,"b":"2026-01-02T00:00:00+00:00"}
po:positive 5
tr:tstzrange "[\"2026-01-02 00:00:00+00\",)"
g:int4 -2
late:text "late"
VALUES
$bus->sql(sprintf $insert, 1);
is(change(), "INSERT public.things id*=:int8 1 | $values", 'values of all types');
$bus->sql(<<'SQL' . sprintf $insert, 2);
SET timezone = 'Asia/Tokyo';
SET datestyle = 'German';
SET intervalstyle = 'iso_8601';
SET extra_float_digits = -10;
SET bytea_output = 'escape';
SQL
is(change(), "INSERT public.things id*=:int8 2 | $values", 'the same under other settings');
$bus->sql("INSERT INTO things (id, n, d, s) VALUES (3, 'NaN', '-Infinity', NULL)");
like(change(), qr/ s:int2 null .* d:float8 "-Infinity" \| n:numeric "NaN" /, 'what JSON has no numbers for, and nulls');

# what is encoded without the types' own functions is what to_json() says of it,
# wherever in a text there is something to escape
$bus->sql(<<'SQL');
CREATE DOMAIN word AS text;
CREATE TABLE simple (id int PRIMARY KEY, s smallint, i int, b bigint, t text, v varchar, c char(24), w word);
ALTER PUBLICATION supabase_realtime ADD TABLE simple;
SQL
listen_to('public.simple');
$bus->sql(<<'SQL');
INSERT INTO simple
SELECT row_number() OVER (), s, i, b, string, string, string, string
FROM (VALUES ((-32768)::smallint, (-2147483648)::int, (-9223372036854775808)::bigint),
			 (32767, 2147483647, 9223372036854775807)) n(s, i, b),
	 (SELECT repeat('x', place) || odd || repeat('y', length - place) AS string
	  FROM generate_series(1, 127) code, concat(chr(code), 'é') odd, (VALUES (0), (7), (8), (15), (19)) l(length),
		   generate_series(0, length, 3) place
	  WHERE code < 36 OR code IN (91, 92, 93, 127)
	  UNION ALL VALUES (''), ('"'), ('é')) strings;
SQL
my @wanted = split /\n/, $bus->sql('SELECT concat_ws($$ $$, id, to_json(s), to_json(i), to_json(b), to_json(t), to_json(v), to_json(c), to_json(w)) FROM simple ORDER BY id');
my @got = map { my ($record, $change) = $bus->next_change; join ' ', map { $_->{new} } @{ $change->{columns} } } @wanted;
is(scalar(grep { $got[$_] ne $wanted[$_] } 0 .. $#wanted), 0, @wanted . ' rows of integers and texts are as to_json() has them');

# kinds of changes, replica identity
$bus->sql(<<'SQL');
CREATE TABLE t (a int, b text NOT NULL, c text, PRIMARY KEY (a));
CREATE UNIQUE INDEX t_b ON t (b);
ALTER PUBLICATION supabase_realtime ADD TABLE t;
INSERT INTO t VALUES (1, 'x', 'y');
SQL
listen_to('public.t');
$bus->sql("UPDATE t SET c = 'z'");
is(change(), 'UPDATE public.t a*=:int4 1 <- 1 | b:text "x" | c:text "z"', 'an UPDATE shows the key');
$bus->sql('UPDATE t SET a = 2');
is(change(), 'UPDATE public.t a*=:int4 2 <- 1 | b:text "x" | c:text "z"', 'as it was');
$bus->sql("ALTER TABLE t REPLICA IDENTITY FULL; UPDATE t SET c = NULL");
is(change(), 'UPDATE public.t a*=:int4 2 <- 2 | b=:text "x" <- "x" | c=:text null <- "z"', 'or everything');
$bus->sql("ALTER TABLE t REPLICA IDENTITY USING INDEX t_b; UPDATE t SET b = 'w'");
is(change(), 'UPDATE public.t a*:int4 2 | b=:text "w" <- "x" | c:text null', 'or an index');
$bus->sql('ALTER TABLE t REPLICA IDENTITY DEFAULT; DELETE FROM t');
is(change(), 'DELETE public.t a*=:int4 <- 2 | b:text <- "w" | c:text <- null', 'a DELETE has the row, and says what is the key');

# what a rollback takes back
$bus->sql(<<'SQL');
BEGIN;
INSERT INTO t VALUES (1, 'a');
SAVEPOINT s;
INSERT INTO t VALUES (2, 'b');
ROLLBACK TO s;
TRUNCATE t;
INSERT INTO t VALUES (3, 'c');
COMMIT;
BEGIN; INSERT INTO t VALUES (4, 'd'); ROLLBACK;
COPY t FROM STDIN;
5	e	\N
\.
SQL
like(change(), qr/a\*=:int4 1 /, 'the first row');
like(change(), qr/a\*=:int4 3 /, 'not the second one, and no TRUNCATE');
like(change(), qr/a\*=:int4 5 /, 'nor what was rolled back; but what was copied');

# values that lie elsewhere are whole
$bus->sql(<<'SQL');
CREATE TABLE toast (id int PRIMARY KEY, small text, big text);
ALTER TABLE toast ALTER COLUMN big SET STORAGE EXTERNAL;
ALTER PUBLICATION supabase_realtime ADD TABLE toast;
INSERT INTO toast VALUES (1, 'x', repeat('0123456789', 1000));
SQL
listen_to('public.toast');
$bus->sql("UPDATE toast SET small = 'y'");
my $big = '0123456789' x 1000;
is(change(), qq{UPDATE public.toast id*=:int4 1 <- 1 | small:text "y" | big:text "$big"}, 'an unchanged large value is whole');
$bus->sql("UPDATE toast SET small = repeat('s', 63), big = repeat('b', 20000)");
my ($record, $change) = $bus->next_change;
is($change->{flags} & 1, 1, 'a change that is too large says so');
is(BusGateway::show_change($change), 'UPDATE public.toast id*=:int4 1 <- 1 | small:text left out | big:text left out',
	'and keeps short values only');
$bus->sql("UPDATE toast SET small = repeat('s', 62)");
like(change(), qr/small:text "s{62}" \| big:text left out$/, 'those of up to 64 bytes');

# partitions: as themselves, or as their root
$bus->sql(<<'SQL');
CREATE TABLE p (id int PRIMARY KEY, dropped int, v text) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
ALTER PUBLICATION supabase_realtime ADD TABLE p;
CREATE TABLE p2 (v text, id int NOT NULL);
ALTER TABLE p DROP COLUMN dropped;
ALTER TABLE p ATTACH PARTITION p2 FOR VALUES FROM (10) TO (20);
SQL
is($bus->sql('SELECT * FROM realtime.followed_tables WHERE table_name ~ \'^p\' ORDER BY 2'),
	"public|p1|f|t\npublic|p2|f|t", 'partitions are followed, that came later as well');
listen_to('public.p1');
listen_to('public.p2');
$bus->sql("INSERT INTO p VALUES (1, 'one'), (11, 'eleven'); UPDATE p SET id = 12 WHERE id = 1");
is(change(), 'INSERT public.p1 id*=:int4 1 | v:text "one"', 'one partition');
is(change(), 'INSERT public.p2 v:text "eleven" | id*=:int4 11', 'the other');
is(change(), 'DELETE public.p1 id*=:int4 <- 1 | v:text <- "one"', 'a move: gone');
is(change(), 'INSERT public.p2 v:text "one" | id*=:int4 12', 'and come');
$bus->sql('ALTER PUBLICATION supabase_realtime SET (publish_via_partition_root = true)');
is($bus->sql('SELECT * FROM realtime.followed_tables WHERE table_name ~ \'^p\' ORDER BY 2'), 'public|p|f|t', 'by the root');
listen_to('public.p');
$bus->sql("INSERT INTO p2 VALUES ('thirteen', 13)");
is(change(), 'INSERT public.p id*=:int4 13 | v:text "thirteen"', 'in the shape of the root');
$bus->sql('ALTER PUBLICATION supabase_realtime SET (publish_via_partition_root = false)');

# inheritance: each table by its own name
$bus->sql(<<'SQL');
CREATE TABLE parent (id int PRIMARY KEY);
CREATE TABLE child (extra text) INHERITS (parent);
ALTER PUBLICATION supabase_realtime ADD TABLE parent;
SQL
listen_to('public.child');
$bus->sql("INSERT INTO child VALUES (1, 'x')");
is(change(), 'INSERT public.child id:int4 1 | extra:text "x"', 'a child has its own name and columns');

# renames, new columns and changed types show at once
$bus->sql('DELETE FROM t');
change() foreach 1 .. 2;
$bus->sql("ALTER TABLE t RENAME COLUMN c TO d; ALTER TABLE t ADD e int DEFAULT 7; ALTER TABLE t ALTER a TYPE bigint; INSERT INTO t VALUES (1, 'b', 'c')");
is(change(), 'INSERT public.t a*=:int8 1 | b:text "b" | d:text "c" | e:int4 7', 'a table that has changed');

# what a publication does not publish, and what it no longer has
$bus->sql("ALTER PUBLICATION supabase_realtime SET (publish = 'insert'); UPDATE t SET e = 8; INSERT INTO t VALUES (2, 'bb', 'c')");
like(change(), qr/^INSERT public.t a\*=:int8 2 /, 'INSERTs only, when the publication says so');
$bus->sql("ALTER PUBLICATION supabase_realtime SET (publish = 'insert, update, delete'); ALTER PUBLICATION supabase_realtime DROP TABLE t");
is($bus->sql("SELECT count(*) FROM realtime.captures WHERE tab = 't'::regclass"), '0', 'a table that was taken out');
$bus->sql("SELECT realtime.follow('public.t'); UPDATE t SET e = 9 WHERE a = 2");
like(change(), qr/^UPDATE public.t a\*=:int8 2 <- 2 /, 'is followed by name');
is($bus->sql("SELECT realtime.unfollow('public.t'), realtime.unfollow('public.t')"), 't|f', 'until it is not');

# replicated sessions are captured, too; prepared transactions arrive
$bus->sql("SET session_replication_role = replica; INSERT INTO toast VALUES (2, 'r')");
like(change(), qr/small:text "r"/, 'a session that replicates');
$bus->sql("BEGIN; INSERT INTO toast VALUES (3, 'prepared'); PREPARE TRANSACTION 'x'");
$bus->sql("COMMIT PREPARED 'x'");
like(change(), qr/small:text "prepared"/, 'a prepared transaction');

# nobody listens: nothing is written
my ($outcome, $relations) = $bus->subscribe('anon', [ '*', 'public', 'toast' ]);
$bus->follow($relations->[0]{relid}, [], 0);
wait_for(sub { $bus->sql("SELECT counters ->> 'followed_tables' FROM realtime.status()") == 7 }, 'one table less');
my $emitted = $bus->sql("SELECT counters ->> 'emitted' FROM realtime.status()");
$bus->sql("INSERT INTO toast VALUES (4, 'unheard')");
is($bus->sql("SELECT counters ->> 'emitted' FROM realtime.status()"), $emitted, 'a table without listeners costs no record');

# history knows nothing of it
is($bus->sql('SELECT count(*) FROM realtime.commits'), '0', 'changes are not in realtime.commits');

$bus->server->node->stop;
done_testing();
