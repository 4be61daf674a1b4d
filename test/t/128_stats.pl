# Statistics are exact at any time: whatever is written, changed, deleted, rolled
# back, prepared or left open by whom, realtime.message_stats() says what counting
# the rows in the same snapshot says; and it is fast, because it reads what is new
# and sums of the rest.
#
# pgbench runs all of that at once.  One of its scripts compares, in transactions
# of one snapshot, and fails where there is a difference.

use strict;
use warnings;

use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;

my $seconds = 12;
my $server = RealtimeServer->start_new('stats', conf => "max_prepared_transactions = 10\njit = off\n");
my $node = $server->node;
my $dir = PostgreSQL::Test::Utils::tempdir();

$server->sql(<<'SQL');
INSERT INTO realtime.channels (id, pattern)
SELECT ('00000000-0000-0000-0000-00000000000' || n)::uuid, 'c' || n FROM generate_series(1, 3) n;
CREATE TABLE checks (at timestamptz DEFAULT clock_timestamp());

CREATE FUNCTION channel(n int) RETURNS uuid LANGUAGE sql IMMUTABLE
	AS $$ SELECT ('00000000-0000-0000-0000-00000000000' || n)::uuid $$;

-- what counting says, and fail if that is not what message_stats() says
CREATE FUNCTION check_stats(channel uuid, since timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	got record;
	want record;
BEGIN
	SELECT * INTO got FROM realtime.message_stats(channel, since);
	WITH m AS MATERIALIZED (
		SELECT m.* FROM realtime.messages m
		WHERE m.channel_id IS NOT NULL AND m.channel_id = coalesce(channel, m.channel_id)
		  AND m.inserted_at >= coalesce(since, '-infinity')
	), e AS (
		SELECT m.event, count(*) AS n FROM m GROUP BY 1 ORDER BY n DESC, m.event COLLATE "C" LIMIT 10
	)
	SELECT (SELECT count(*) FROM m) AS total_messages,
		   coalesce((SELECT sum(a.wh_delivered) / nullif(sum(a.wh_audience), 0)::float8
					 FROM m JOIN realtime.message_audience a ON a.message_id = m.id AND a.inserted_at = m.inserted_at), 0) AS wh_delivery_rate,
		   coalesce((SELECT jsonb_agg(jsonb_build_object('eventName', e.event, 'count', e.n)
									  ORDER BY e.n DESC, e.event COLLATE "C") FROM e), '[]') AS top_events
	INTO want;
	IF got IS DISTINCT FROM want THEN
		RAISE EXCEPTION 'of % since %: % is not %', channel, since, got, want;
	END IF;
END
$$;
SQL

my %scripts = (
	# late commits, subtransactions, rollbacks, and times that are long ago
	'write@8' => <<'SQL',
\set c random(1, 3)
\set e random(1, 12)
\set n random(1, 20)
\set minutes random(0, 300)
\set end random(1, 10)
BEGIN;
INSERT INTO realtime.messages (topic, extension, event, payload, channel_id, inserted_at)
SELECT 'c', 'broadcast', 'e' || :e, '{}', channel(:c), now() - :minutes * interval '1 minute' FROM generate_series(1, :n);
\if :end < 3
SELECT pg_sleep(random() * 0.3);
SAVEPOINT s;
INSERT INTO realtime.messages (topic, extension, event, payload, channel_id) VALUES ('c', 'broadcast', 'undone', '{}', channel(1));
ROLLBACK TO s;
SAVEPOINT s;
INSERT INTO realtime.messages (topic, extension, event, payload, channel_id) VALUES ('c', 'broadcast', 'sub', '{}', channel(2));
\endif
\if :end = 10
ROLLBACK;
\else
COMMIT;
\endif
SQL
	# some stay open for long, others end at once
	'prepare@1' => <<'SQL',
\set id random(1, 1000000000)
BEGIN;
INSERT INTO realtime.messages (topic, extension, event, payload, channel_id) VALUES ('c', 'broadcast', 'prepared', '{}', channel(3));
PREPARE TRANSACTION 'p:id';
SELECT pg_sleep(random());
COMMIT PREPARED 'p:id';
SQL
	'deliver@3' => <<'SQL',
BEGIN;
INSERT INTO realtime.message_audience (message_id, inserted_at, wh_audience, wh_delivered)
SELECT id, inserted_at, 2, get_byte(uuid_send(id), 15) % 3 FROM realtime.messages ORDER BY random() LIMIT 5;
SELECT pg_sleep(random() * 0.05);
COMMIT;
SQL
	'change@2' => <<'SQL',
\set what random(1, 4)
\set minutes random(0, 300)
BEGIN;
\if :what = 1
DELETE FROM realtime.messages WHERE (id, inserted_at) IN (SELECT id, inserted_at FROM realtime.messages ORDER BY random() LIMIT 10);
\elif :what = 2
UPDATE realtime.messages SET event = 'u' || number % 5, channel_id = channel(1 + number % 3)
WHERE (id, inserted_at) IN (SELECT id, inserted_at FROM realtime.messages ORDER BY random() LIMIT 5);
\elif :what = 3
UPDATE realtime.messages SET inserted_at = inserted_at - :minutes * interval '1 minute'
WHERE (id, inserted_at) IN (SELECT id, inserted_at FROM realtime.messages ORDER BY random() LIMIT 3);
\else
DELETE FROM realtime.messages WHERE (id, inserted_at) IN (SELECT id, inserted_at FROM realtime.messages ORDER BY inserted_at DESC LIMIT 3);
\endif
SELECT pg_sleep(random() * 0.1);
COMMIT;
SQL
	# rarely, what drops very many; the lock is had at once, or not
	'drop@1' => <<'SQL',
\set what random(1, 20)
BEGIN;
SET LOCAL lock_timeout = '50ms';
\if :what = 1
SELECT realtime.recount_messages();
\elif :what = 2
TRUNCATE realtime.messages;
\elif :what = 3
SELECT realtime.drop_partition(to_regclass(p)), realtime.make_partition('messages', (now() AT TIME ZONE 'UTC')::date)
FROM (SELECT 'realtime.messages_' || to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM_DD')) d(p);
\endif
COMMIT;
SQL
	'roll_up@12' => "SELECT realtime.roll_up();\n",
	# the lock comes first: partitions are not dropped in a snapshot
	'check@6' => <<'SQL',
\set minutes random(0, 300)
\set c random(1, 3)
BEGIN ISOLATION LEVEL REPEATABLE READ;
LOCK TABLE realtime.messages IN ACCESS SHARE MODE;
SELECT check_stats(NULL, NULL);
SELECT check_stats(NULL, now() - :minutes * interval '1 minute');
SELECT check_stats(channel(:c), NULL);
SELECT check_stats(channel(:c), now() - :minutes * interval '1 minute');
INSERT INTO checks DEFAULT VALUES;
COMMIT;
SQL
);
my %file;
foreach my $name (sort keys %scripts)
{
	my ($plain, $weight) = split /@/, $name;

	$file{$plain} = [ '-f', "$dir/$plain.sql\@$weight" ];
	append_to_file("$dir/$plain.sql", $scripts{$name});
}

# Run the scripts of these names with so many sessions each.
sub run_scripts
{
	my ($name, @crowds) = @_;
	my @runs;

	foreach my $crowd (@crowds)
	{
		my ($clients, @names) = @$crowd;
		my $out = '';

		push @runs, [ \$out, IPC::Run::start(
			[ 'pgbench', '-n', '-c', $clients, '-T', $seconds, (map { @{ $file{$_} } } @names), $node->connstr('postgres') ],
			'>', \$out, '2>&1', IPC::Run::timeout($RealtimeServer::patience + 4 * $seconds)) ];
	}
	foreach my $run (@runs)
	{
		my ($out, $bench) = @$run;

		$bench->finish;
		unlike($$out, qr/ERROR(?!.*(?:lock timeout|deadlock))/, $name) or diag($$out =~ /(.*ERROR.*)/g);
	}
	return;
}

# One last look at everything.
sub all_right
{
	my ($name) = @_;

	$server->sql('SELECT check_stats(c, s) FROM unnest(ARRAY[NULL, channel(1), channel(2)]) c, unnest(ARRAY[NULL, now() - interval \'100 minutes\']) s');
	pass("$name: all is right");
	return;
}

# A transaction that began before all others goes on to the end.
my $long = $node->background_psql('postgres');
$long->query_safe(q{BEGIN; INSERT INTO realtime.messages (topic, extension, event, payload, channel_id)
	SELECT 'c', 'broadcast', 'long', '{}', channel(1) FROM generate_series(1, 10)});
run_scripts('what changes one by one', [ 3, qw(write prepare deliver change) ], [ 1, qw(change deliver) ],
	[ 2, 'roll_up' ], [ 2, 'check' ]);
cmp_ok($server->sql('SELECT count(*) FROM checks'), '>', 10, 'it was looked at');
$long->query_safe('COMMIT');
all_right('after a long transaction');
$server->sql('SELECT realtime.roll_up()');
all_right('counted');
$server->sql('TRUNCATE checks');
run_scripts('what drops many', [ 3, qw(write deliver change drop) ], [ 2, 'roll_up' ], [ 2, 'check' ]);
cmp_ok($server->sql('SELECT count(*) FROM checks'), '>', 10, 'it was looked at, too');
$long->quit;

# Old days are dropped by retention, with what was counted of them; also a day
# whose rows are in the DEFAULT partition.
$server->sql(q{SELECT realtime.make_partition('messages', ((now() AT TIME ZONE 'UTC')::date - 8))});
$server->sql(qq{INSERT INTO realtime.messages (topic, extension, event, payload, channel_id, inserted_at, skip_broadcast)
	SELECT 'c', 'broadcast', 'old', '{}', channel(1), now() - interval '$_ days', true FROM generate_series(1, 1000)}) foreach 8, 9;
$server->sql('SELECT realtime.roll_up()');
all_right('with old days');
cmp_ok($server->sql("SELECT sum(messages) FROM realtime.message_rollups WHERE event = 'old'"), '==', 2000, 'which are counted');
$server->sql('SELECT realtime.maintain()');
all_right('without them');
is($server->sql("SELECT count(*) FROM realtime.messages WHERE event = 'old'"), 0, 'they are gone');
is($server->sql("SELECT count(*) FROM realtime.message_rollups WHERE event = 'old'"), 0, 'with what was counted');

# The server counts by itself, in steps, and what has no executor, maintenance.
$server->sql('TRUNCATE realtime.messages');
my $rows = 60_000;
my $insert = qq{INSERT INTO realtime.messages (topic, extension, event, payload, channel_id, inserted_at)
	SELECT 'c:' || n % 100, 'broadcast', 'e' || n % 20, '{"n": 1}', channel(1 + n % 2), now() - n * interval '1 second'
	FROM generate_series(%d, %d) n};
$server->sql(sprintf($insert, 1 + $_ * $rows / 20, ($_ + 1) * $rows / 20)) foreach 0 .. 19;
wait_for(sub { $server->sql('SELECT sum(messages) FROM realtime.message_rollups') == $rows }, 'the server to count');
all_right('counted by the server');
is($server->stat('jobs_failed'), 0, 'no step has failed');
$server->reconfigure('realtime.executors' => 0);
wait_for(sub { $server->stat('executors') == 0 }, 'the executors to end');
$server->sql(sprintf($insert, 1, 50_000));
$server->sql('SELECT realtime.maintain()');
is($server->sql('SELECT sum(messages) FROM realtime.message_rollups'), $rows + 50_000, 'counted by maintenance');
all_right('then');

# Fast: of a table of thousands of pages, few are read.
$server->sql('VACUUM ANALYZE realtime.messages');
$server->sql('VACUUM ANALYZE realtime.message_rollups');

# Pages that a query reads when its session has the catalogs.
sub pages
{
	my ($query) = @_;
	my ($pages) = $server->sql("CREATE TEMP TABLE once AS $query; EXPLAIN (ANALYZE, BUFFERS, FORMAT json) $query") =~ /"Shared Hit Blocks": (\d+)/;
	return $pages;
}
my $whole = pages('SELECT count(*) FROM realtime.messages WHERE payload IS NOT NULL');
cmp_ok($whole, '>', 2000, 'all rows take thousands of pages');
cmp_ok(pages($_->[0]), '<', $_->[1], $_->[0]) foreach
	[ 'SELECT * FROM realtime.message_stats()', 400 ],
	[ 'SELECT * FROM realtime.message_stats(channel(1))', 400 ],
	[ "SELECT * FROM realtime.message_stats(channel(1), date_trunc('hour', now() - interval '3 hours'))", 400 ],
	[ "SELECT * FROM realtime.message_stats(NULL, date_trunc('hour', now()) - interval '150 minutes')", 2000 ];

# A page of details reads what it shows.
foreach my $page ('', "WHERE channel_id = '00000000-0000-0000-0000-000000000002'",
	"WHERE (created_at, id) < (now() - interval '5 hours', '00000000-0000-0000-0000-000000000000')")
{
	cmp_ok(pages("SELECT * FROM realtime.message_details $page ORDER BY created_at DESC, id DESC LIMIT 100"), '<', 1500,
		"a page of details $page");
}

$server->cluster_alive('after counting');
done_testing();
