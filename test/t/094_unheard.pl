# Statements that write to followed tables that nobody listens to do without the
# trigger, each for itself: what starts after the mark was raised is captured, and
# what started before is waited for.  Kept plans, long transactions, partitions,
# COPY, ON CONFLICT, MERGE, cascades; other triggers go on as before.

use strict;
use warnings;

use BusGateway;
use RealtimeServer;
use Test::More;

my $bus = BusGateway->start_new('unheard');
my $node = $bus->server->node;

$bus->sql(<<'SQL');
SELECT count(*) FROM realtime.setup_api_roles();
CREATE TABLE t (id int PRIMARY KEY, up int REFERENCES t ON DELETE CASCADE, v text);
CREATE TABLE parts (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
CREATE TABLE low PARTITION OF parts FOR VALUES FROM (0) TO (1000000);
CREATE TABLE high PARTITION OF parts FOR VALUES FROM (1000000) TO (2000000);
CREATE TABLE parent (id int PRIMARY KEY);
CREATE TABLE child (id int REFERENCES parent ON UPDATE CASCADE ON DELETE CASCADE);
CREATE TABLE seen (of text);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO seen VALUES (TG_TABLE_NAME || ' ' || TG_OP); RETURN NULL; END $$;
CREATE TRIGGER others AFTER INSERT OR UPDATE OR DELETE ON t FOR EACH ROW EXECUTE FUNCTION note();
-- waits for a lock where the test wants it to
CREATE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF OLD.v = 'pause' THEN PERFORM pg_advisory_xact_lock(1); END IF;
	RETURN OLD;
END $$;
CREATE TRIGGER pause BEFORE DELETE ON t FOR EACH ROW EXECUTE FUNCTION pause();
SELECT realtime.follow(tab) FROM unnest('{t, parts, child}'::regclass[]) tab;
SQL
my ($outcome, $relations) = $bus->subscribe('anon', [ '*', 'public', '*' ]);
my %table = map { $bus->sql("SELECT $_->{relid}::regclass") => $_ } @$relations;

# Have the hub raise a table's mark; the answer comes later.
sub ask_for
{
	my ($name) = @_;
	return $bus->follow($table{$name}{relid}, $table{$name}{tables});
}

# Follow a table.
sub listen_to
{
	my ($name) = @_;
	ask_for($name);
	is(($bus->next_ack)[2], 0, "$name is followed");
	return;
}

# No longer.
sub forget
{
	my ($name) = @_;
	$bus->follow($table{$name}{relid}, [], 0);
	wait_for(sub { !mark_of($name) }, "$name is not followed");
	return;
}

# Would a statement call the trigger?  EXPLAIN ANALYZE says what was called.
sub mark_of
{
	my ($name) = @_;
	my ($into, $row) = $name eq 'parts' ? qw(low (1)) : ($name, '(-1)');
	my $plan;

	$bus->sql('INSERT INTO parent VALUES (-1) ON CONFLICT DO NOTHING') if $name eq 'child';
	$plan = $bus->sql("BEGIN; EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) INSERT INTO $into VALUES $row; ROLLBACK");
	return $plan =~ /realtime_capture/;
}

# The next change as text.
sub change
{
	my ($record, $change) = $bus->next_change;
	return BusGateway::show_change($change) =~ s/public\.//r;
}

# Start a statement in a session of its own, and wait until it waits for the test.
sub start_paused
{
	my ($sql) = @_;
	my $session = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', $sql ],
		'<', '/dev/null');

	wait_for(sub { $bus->sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") == 1 },
		'the statement waits');
	return $session;
}

# one after the other: not called, called, not called
ok(!mark_of('t'), 'nobody listens: the trigger is not called');
$bus->sql("INSERT INTO t VALUES (1); UPDATE t SET v = 'x'; DELETE FROM t");
is($bus->sql('SELECT string_agg(of, $$, $$) FROM seen'), 't INSERT, t UPDATE, t DELETE', 'but triggers of others are');
ok(!$bus->server->try_sql('INSERT INTO t VALUES (1, 7)'), 'and so are those of foreign keys');
listen_to('t');
ok(mark_of('t'), 'somebody listens: it is called');
$bus->sql('INSERT INTO t VALUES (1)');
is(change(), 'INSERT t id*=:int4 1 | up:int4 null | v:text null', 'and a change comes');
forget('t');
$bus->sql('DELETE FROM t');

# the same plan, kept, before and after; in one transaction and in functions
my $session = $node->background_psql('postgres');
$session->set_query_timer_restart;
$session->query_safe(<<'SQL');
SET plan_cache_mode = force_generic_plan;
PREPARE put AS INSERT INTO t VALUES ($1);
CREATE FUNCTION put(id int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN INSERT INTO t VALUES (id); END $$;
EXECUTE put(10);
SELECT put(11);
BEGIN;
EXECUTE put(12);
SELECT put(13);
SQL
ask_for('t');
wait_for(sub { mark_of('t') }, 'the mark is raised, while a transaction goes on');
$session->query_safe('SAVEPOINT s; SELECT put(15); ROLLBACK TO s; EXECUTE put(16); SELECT put(17); COMMIT');
like(change(), qr/ 16 /, 'what a transaction writes after the mark was raised');
like(change(), qr/ 17 /, 'comes, and nothing of a savepoint that was rolled back');
is(($bus->next_ack)[2], 0, 'before the table is said to be followed');
$session->query_safe('EXECUTE put(18); SELECT put(19)');
like(change(), qr/ 18 /, 'a kept plan that has been without the trigger has it again');
like(change(), qr/ 19 /, 'in a function, too');
forget('t');
$session->query_safe('EXECUTE put(20)');

# a statement that is under way when the mark is raised: its cascade captures,
# with an event that the statement's own, switched off trigger has to serve
$bus->sql("DELETE FROM t; INSERT INTO t VALUES (1, NULL, 'pause'), (2, 1, NULL)");
$session->query_safe('BEGIN; SELECT pg_advisory_xact_lock(1)');
my $deleter = start_paused('DELETE FROM t WHERE id = 1');
ask_for('t');
wait_for(sub { mark_of('t') }, 'the mark is raised, while a statement goes on');
$session->query_safe('COMMIT');
$deleter->finish;
is(change(), 'DELETE t id*=:int4 <- 2 | up:int4 <- 1 | v:text <- null', 'its cascade is a statement of its own, and captured');
is(($bus->next_ack)[2], 0, 'then the table is followed');
forget('t');

# a statement of many rows is waited for; none of them is promised
$session->query_safe('BEGIN; SELECT pg_advisory_xact_lock(1)');
my $writer = start_paused(<<'SQL');
INSERT INTO t SELECT CASE WHEN i = 50 THEN (SELECT 50 FROM pg_advisory_xact_lock(1)) ELSE i END FROM generate_series(1, 100) i;
SQL
ask_for('t');
listen_to('child');
$session->query_safe('COMMIT');
$writer->finish;
is(($bus->next_ack)[1], $table{t}{relid}, 'a statement that goes on keeps its table waiting, and no other');
$bus->sql("UPDATE t SET v = 'y' WHERE id = 3");
like(change(), qr/^UPDATE t id\*=:int4 3 /, 'after it all comes');

# all ways to write, once nobody listened and then somebody does
forget('child');
my %ways = (
	'INSERT' => [ t => 'INSERT INTO t VALUES (%d)' ],
	'COPY' => [ t => "COPY t (id) FROM PROGRAM 'echo %d'" ],
	'ON CONFLICT' => [ t => "INSERT INTO t VALUES (5) ON CONFLICT (id) DO UPDATE SET v = %d" ],
	'UPDATE' => [ t => "UPDATE t SET v = %d WHERE id = 6" ],
	'MERGE' => [ t => "MERGE INTO t USING (VALUES (%d)) s(id) ON t.id = s.id WHEN NOT MATCHED THEN INSERT VALUES (s.id)" ],
	'WITH' => [ t => 'WITH w AS (INSERT INTO t VALUES (%d) RETURNING id) SELECT FROM w' ],
	'EXECUTE' => [ t => 'EXECUTE put(%d)' ],
	'a function' => [ t => 'SELECT put(%d)' ],
	'a cascade' => [ child => 'UPDATE parent SET id = %d WHERE id = (SELECT id FROM child)' ],
	'a routed row' => [ parts => 'INSERT INTO parts VALUES (%d)' ],
	'a partition' => [ parts => 'INSERT INTO low VALUES (%d)' ],
	'a move' => [ parts => 'UPDATE parts SET id = 1999999 - id, v = %d WHERE id IN (0, 1999999)' ],
	'a replica' => [ t => 'SET session_replication_role = replica; INSERT INTO t VALUES (%d); RESET session_replication_role' ]);
$bus->sql('DELETE FROM parent; INSERT INTO parent VALUES (0); INSERT INTO child VALUES (0); INSERT INTO parts VALUES (0)');
forget('t');
my $id = 1000;
my %missed;
foreach my $round (1 .. $ENV{REALTIME_UNHEARD_ROUNDS} // 10)
{
	foreach my $way (sort keys %ways)
	{
		my ($name, $sql) = @{ $ways{$way} };

		# a writer who began before is under way, and goes on
		$session->query_safe(sprintf($sql, ++$id));
		ask_for($name);
		$bus->next_ack;
		$session->query_safe(sprintf($sql, ++$id));
		$bus->next_change if $way eq 'a move';    # whose first part is a DELETE
		$missed{$way}++ unless change() =~ /^\w+ $name .* "?$id\b/;
		forget($name);
	}
}
is_deeply(\%missed, {}, 'all ways to write are captured as soon as a table is followed');

# always means always
$bus->sql("ALTER SYSTEM SET realtime.capture = 'always'");
$bus->sql('SELECT pg_reload_conf()');
wait_for(sub { mark_of('t') }, "the trigger is called where realtime.capture is 'always'");

$session->quit;
$bus->server->cluster_alive('after that');
$node->stop;
done_testing();
