# realtime.commits: whoever reads the past in commit order joins it with
# realtime.messages, so it has every transaction with messages, once, in the
# order of the commits, whatever ends in between: executors, the hub, the
# server, a primary.
#
# Writers run all the time; what is compared in the end is what the tables say.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;
use Time::HiRes qw(time);

# Transactions with messages that realtime.commits has not exactly once, or with
# another number of messages, and rows that nobody's messages explain.
my $wrong_rows = <<'SQL';
SELECT count(*)
FROM (SELECT xid, count(*) AS n FROM realtime.messages GROUP BY xid) m
	 FULL JOIN (SELECT xid, count(*) AS n, sum(messages) AS messages FROM realtime.commits GROUP BY xid) c USING (xid)
WHERE m.n IS NULL OR c.n IS NULL OR c.n <> 1 OR c.messages <> m.n
SQL

# Writers that take a ticket hold its lock until they have committed: the order
# of tickets is the order of commits.
my $wrong_order = <<'SQL';
SELECT count(*)
FROM (SELECT t.n, lag(t.n) OVER (ORDER BY c.lsn) AS before
	  FROM realtime.messages m JOIN realtime.commits c USING (xid),
		   LATERAL (SELECT (m.payload ->> 'n')::int AS n) t
	  WHERE m.topic = 'tickets') o
WHERE n <= before
SQL

my %scripts = (
	ticket => <<'SQL',
BEGIN;
UPDATE ticket SET n = n + 1 RETURNING n \gset
SELECT realtime.send(jsonb_build_object('n', :n), 'e', 'tickets', false);
COMMIT;
SQL
	several => <<'SQL',
BEGIN;
SELECT realtime.send('{}'::jsonb, 'e', 'room', false) FROM generate_series(1, 3);
SAVEPOINT s;
SELECT realtime.send('{}'::jsonb, 'e', 'room', false);
ROLLBACK TO s;
SELECT realtime.send('{}'::jsonb, 'e', 'room', true);
COMMIT;
SQL
	none => <<'SQL',
BEGIN;
SELECT realtime.send('{}'::jsonb, 'e', 'room', false);
ROLLBACK;
SQL
	async => <<'SQL',
BEGIN;
SET LOCAL synchronous_commit = off;
SELECT realtime.send('{}'::jsonb, 'e', 'room', false);
COMMIT;
SQL
	prepared => <<'SQL',
\set id random(1, 1000000000)
BEGIN;
SELECT realtime.send('{}'::jsonb, 'e', 'room', false);
PREPARE TRANSACTION 'p:id';
COMMIT PREPARED 'p:id';
SQL
);
my $script_dir = PostgreSQL::Test::Utils::tempdir();
append_to_file("$script_dir/$_.sql", $scripts{$_}) for keys %scripts;

# Start writers; they give up when they lose their server.
sub start_writers
{
	my ($node) = @_;

	return IPC::Run::start(
		[
			'pgbench', '-n', '-c', 4, '-T', 3600, (map { ('-f', "$script_dir/$_.sql") } sort keys %scripts),
			'-h', $node->host, '-p', $node->port, 'postgres'
		],
		'<', \undef, '>', '/dev/null', '2>', '/dev/null');
}

# Wait until they have written so many messages more.
sub let_write
{
	my ($server, $n) = @_;
	my $enough = $server->stat('emitted') + $n;

	wait_for(sub { $server->stat('emitted') >= $enough }, 'the writers to write');
	return;
}

# Send a message and wait until its transaction is recorded, which all before
# are then, too.
sub all_recorded
{
	my ($server) = @_;
	my $xid;

	# a crash of the server may have left some
	$server->sql(q{SELECT format('ROLLBACK PREPARED %L', gid) FROM pg_prepared_xacts \gexec});
	$xid = $server->sql(q{BEGIN; SELECT FROM realtime.send('{}'::jsonb, 'e', 'room', false); SELECT pg_current_xact_id(); COMMIT});
	wait_for(sub { $server->sql("SELECT count(*) FROM realtime.commits WHERE xid = '$xid'") },
		'a transaction to be recorded');
	return;
}

# Compare the tables.
sub commits_ok
{
	my ($server, $what) = @_;

	all_recorded($server);
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return subtest "realtime.commits: $what" => sub {
		cmp_ok($server->sql('SELECT count(*) FROM realtime.commits'), '>', 1, 'there are commits');
		is($server->sql($wrong_rows), 0, 'every transaction with messages is there, once');
		is($server->sql($wrong_order), 0, 'in the order of the commits');
		is($server->sql('SELECT count(*) FROM realtime.commits WHERE restart_lsn > lsn'), 0, 'where to go on is never ahead');
	};
}

sub executors
{
	my ($server) = @_;
	return split /\n/, $server->sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'realtime executor'});
}

sub wait_for_start
{
	my ($node) = @_;

	# the corpse of a postmaster that was killed may stay for a while
	wait_for(
		sub {
			unlink $node->data_dir . '/postmaster.pid';
			return $node->start(fail_ok => 1);
		},
		'the server to start again');
	return;
}

# So little WAL is kept that one test can have it removed.
my $server = RealtimeServer->start_new('commits', conf => <<'CONF');
max_wal_size = 64MB
min_wal_size = 32MB
wal_keep_size = 1GB
realtime.idle_timeout = 1h
max_prepared_transactions = 20
CONF
my $node = $server->node;

$server->sql('CREATE TABLE ticket (n int); INSERT INTO ticket VALUES (0)');

#
# One row
#
{
	my $client = $server->member('room');
	my $xid = $server->sql(q{BEGIN; DO $$ BEGIN PERFORM realtime.send('{}'::jsonb, 'e', 'room', false) FROM generate_series(1, 2); END $$; SELECT pg_current_xact_id(); COMMIT});

	ok($client->broadcasts(2), 'the client hears');
	wait_for(sub { $server->sql('SELECT count(*) FROM realtime.commits') }, 'the commit to be recorded');
	is($server->sql(<<'SQL'), "$xid|2|t|t|t|1", 'a row says which transaction, how many messages, when and where');
SELECT c.xid, c.messages, c.committed_at BETWEEN m.inserted_at AND m.inserted_at + interval '1 s',
	   c.epoch = s.epoch, c.lsn = s.released, c.timeline
FROM realtime.commits c, realtime.status() s, (SELECT max(inserted_at) AS inserted_at FROM realtime.messages) m
SQL
	is($server->sql('SELECT recorded = released FROM realtime.status()'), 't', 'realtime.status() says that all is recorded');

	$server->sql(q{BEGIN; SELECT realtime.send('{}'::jsonb, 'e', 'room', false); ROLLBACK});
	$server->sql(q{INSERT INTO realtime.messages (topic, extension, event, payload, skip_broadcast) VALUES ('room', 'broadcast', 'e', '{}', true)});
	# the hub hears of a change of agents, but that is no message
	$server->sql(q{SELECT realtime.create_agent('agent')});
	all_recorded($server);
	is($server->sql('SELECT count(*) FROM realtime.commits'), 2, 'what sends nothing has no row');
	$server->sql('DELETE FROM realtime.messages WHERE skip_broadcast');

	# more than the hub keeps in memory
	$server->sql(q{SELECT count(realtime.send(jsonb_build_object('n', repeat('x', 100)), 'e', 'large', false)) FROM generate_series(1, 20000)});
	commits_ok($server, 'a large transaction');
	ok($server->stat('spilled') > 0, 'which was read twice');
}

#
# Workers end while writers write
#
{
	my $writers = start_writers($node);
	my $begun = time;
	my $jobs = $server->stat('jobs_done');
	my $recorded = $server->stat('recorded');

	let_write($server, 3000);
	$jobs = $server->stat('jobs_done') - $jobs;
	$recorded = $server->stat('recorded') - $recorded;
	# 100 ms of them, or 4,096; jobs of another kind are few
	cmp_ok($jobs, '<=', 10 * (time - $begun) + $recorded / 4096 + 5, 'many transactions share a write');
	for my $round (1 .. 5)
	{
		$server->sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'realtime executor'});
		let_write($server, 300);
	}
	for my $round (1 .. 5)
	{
		my $hub = wait_for(sub { $server->hub_pid }, 'a hub');
		$server->sql("SELECT pg_terminate_backend($hub)");
		wait_for(sub { my $now = $server->hub_pid; $now && $now != $hub }, 'another hub');
		let_write($server, 300);
	}
	$writers->kill_kill;
	commits_ok($server, 'executors and hubs that end');
	$server->cluster_alive('after that');
}

#
# The server crashes
#
{
	my $epoch = $server->stat('epoch');

	for my $victim ('executor', 'hub')
	{
		my $writers = start_writers($node);
		my $crashes = $server->crash_restarts;

		let_write($server, 2000);
		my $pid = $victim eq 'hub' ? $server->hub_pid : (executors($server))[0];
		kill 'KILL', $pid;
		wait_for(sub { $server->crash_restarts > $crashes }, 'the crash restart');
		wait_for(sub { defined $server->try_sql('SELECT 1') }, 'the server to take connections');
		$writers->kill_kill;
		commits_ok($server, "kill -9 of the $victim");
	}

	my $writers = start_writers($node);
	let_write($server, 2000);
	$node->stop('immediate');
	$writers->kill_kill;
	$node->start;
	commits_ok($server, 'an immediate stop');

	$writers = start_writers($node);
	let_write($server, 2000);
	my $postmaster = $node->{_pid};
	$node->kill9;
	wait_for(sub { !$server->process_alive($postmaster) }, 'the postmaster to be dead');
	$writers->kill_kill;
	wait_for_start($node);
	commits_ok($server, 'kill -9 of the postmaster');

	is($server->stat('epoch'), $epoch, 'all that in one epoch');
	is($server->stat('gaps'), 0, 'without a gap');
}

#
# Nobody can write for a while
#
{
	my $epoch = $server->stat('epoch');

	$server->reconfigure('realtime.executors' => 0);
	wait_for(sub { $server->stat('executors') == 0 }, 'the executors to end');
	my $writers = start_writers($node);
	let_write($server, 2000);
	my $hub = $server->hub_pid;
	$server->sql("SELECT pg_terminate_backend($hub)");
	wait_for(sub { my $now = $server->hub_pid; $now && $now != $hub }, 'another hub');
	let_write($server, 2000);
	$node->stop('immediate');
	$writers->kill_kill;
	$node->start;
	$writers = start_writers($node);
	let_write($server, 2000);
	$writers->kill_kill;
	ok($server->stat('record_backlog') > 0, 'transactions wait');
	isnt($server->sql('SELECT recorded = released FROM realtime.status()'), 't', 'realtime.status() says so');
	$server->reconfigure('realtime.executors' => 2);
	commits_ok($server, 'without executors, the hub and the server restarted meanwhile');
	is($server->stat('epoch'), $epoch, 'all that in one epoch');
}

# More of them than the hub keeps in memory: it reads the WAL again, and tells
# nobody anything twice.
{
	my $client = $server->member('marks');
	my $epoch = $server->stat('epoch');

	$server->sql(<<'SQL');
CREATE PROCEDURE many(n int) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. n LOOP
		PERFORM realtime.send('{}'::jsonb, 'e', 'room', false);
		IF i % (n / 10) = 0 THEN
			PERFORM realtime.send(jsonb_build_object('n', i / (n / 10)), 'e', 'marks', false);
		END IF;
		COMMIT;
	END LOOP;
END $$
SQL
	$server->reconfigure('realtime.executors' => 0);
	wait_for(sub { $server->stat('executors') == 0 }, 'the executors to end');
	my $from = -s $node->logfile;
	$server->sql('SET synchronous_commit = off; CALL many(300000)');
	is_deeply([ map { $_->{payload}{n} } $client->broadcasts(10) ], [ 1 .. 10 ], 'the client hears');
	$node->wait_for_log(qr/more transactions to record .* than it keeps in memory/, $from);
	cmp_ok($server->stat('record_backlog'), '<', 300_000, 'not all of them are kept');
	$server->reconfigure('realtime.executors' => 2);
	commits_ok($server, 'more than the hub keeps in memory');
	$node->log_check('the WAL is read again', $from, log_like => [qr/realtime reads the WAL again/]);
	$server->publish('marks', 11);
	is($client->broadcast->{payload}{n}, 11, 'and nothing was told twice');
	is($server->stat('epoch'), $epoch, 'all that in one epoch');
}

#
# The position file is gone
#
{
	my $epoch = $server->stat('epoch');
	my $writers = start_writers($node);

	let_write($server, 2000);
	$node->stop('immediate');
	$writers->kill_kill;
	unlink $node->data_dir . '/realtime/position' or die 'there is no position file';
	my $from = -s $node->logfile;
	$node->start;
	$server->wait_until_healthy;
	is($server->stat('epoch'), $epoch, 'the hub goes on from realtime.commits when its position is lost');
	$node->log_check('and says so', $from,
		log_like => [qr/goes on from the newest row of realtime\.commits/],
		log_unlike => [qr/begins a new epoch/]);
	commits_ok($server, 'the position file lost');
}

#
# The WAL to record from is gone as well
#
{
	my $epoch = $server->stat('epoch');
	my $gaps = $server->stat('gaps');
	my $client = $server->member('room');

	# the hub holds on to what the crash cut off, until it finds that out
	wait_for(
		sub {
			all_recorded($server);
			return $server->sql('SELECT restart_lsn = lsn FROM realtime.commits ORDER BY lsn DESC LIMIT 1') eq 't';
		},
		'no transaction to be open');
	$server->reconfigure('realtime.executors' => 0, 'wal_keep_size' => 0);
	wait_for(sub { $server->stat('executors') == 0 }, 'the executors to end');
	$server->sql('TRUNCATE realtime.messages');
	$server->publish('room', 1);
	my $behind = $server->sql('SELECT pg_walfile_name(pg_current_wal_insert_lsn())');
	ok($client->broadcast, 'a message that nobody records');
	wait_for(
		sub {
			$server->sql(q{SELECT count(pg_logical_emit_message(false, 'filler', repeat('x', 1000000))) FROM generate_series(1, 20)});
			$server->sql('SELECT pg_switch_wal(); CHECKPOINT');
			return !-e $node->data_dir . "/pg_wal/$behind";
		},
		'the WAL to be removed');
	my $hub = $server->hub_pid;
	$server->sql("SELECT pg_terminate_backend($hub)");
	wait_for(sub { my $now = $server->hub_pid; $now && $now != $hub }, 'another hub');
	is($server->stat('epoch'), $epoch, 'as long as nobody can record, the epoch stays');

	$client = wait_for(sub { eval { $server->member('room') } }, 'a client to join again');
	$server->reconfigure('realtime.executors' => 2);
	is($client->close_code, 1012, 'history has a hole: clients are sent away to come back');
	wait_for(sub { $server->stat('gaps') == $gaps + 1 }, 'the gap to be counted');
	isnt($server->stat('epoch'), $epoch, 'there is another epoch');
	$server->sql('TRUNCATE realtime.messages, realtime.commits; UPDATE ticket SET n = 0');
	$server->reconfigure('wal_keep_size' => '1GB');
	my $writers = start_writers($node);
	let_write($server, 500);
	$writers->kill_kill;
	commits_ok($server, 'in the new epoch');
	is($server->sql('SELECT count(DISTINCT epoch) FROM realtime.commits'), 1, 'with the new epoch in each row');
}

#
# A standby takes over
#
{
	$node->backup('base');
	my $standby_node = PostgreSQL::Test::Cluster->new('standby');
	$standby_node->init_from_backup($node, 'base', has_streaming => 1);
	my $standby = bless { node => $standby_node, port => PostgreSQL::Test::Cluster::get_free_port() },
	  'RealtimeServer';
	$standby_node->append_conf('postgresql.conf', "realtime.port = $standby->{port}\n");
	$standby_node->start;
	$standby->wait_until_healthy;

	my $writers = start_writers($node);
	my $client = $standby->member('marks');
	let_write($server, 2000);
	# not all of it is recorded when the primary goes
	$server->reconfigure('realtime.executors' => 0);
	let_write($server, 2000);
	$server->publish('marks', 1);
	ok($client->broadcast, 'a client of the standby hears');
	is($standby->stat('recorded'), 0, 'a standby records nothing itself');
	$node->stop('immediate');
	$writers->kill_kill;

	$standby_node->promote;
	commits_ok($standby, 'a promotion');
	is($standby->sql('SELECT count(DISTINCT timeline) FROM realtime.commits'), 2,
		'with the timeline on which each was committed');
	$standby->publish('marks', 2);
	is($client->broadcast->{payload}{n}, 2, 'and nothing was told twice');

	$writers = start_writers($standby_node);
	let_write($standby, 500);
	$writers->kill_kill;
	commits_ok($standby, 'what the new primary commits');
	$standby_node->stop;
}

done_testing();
