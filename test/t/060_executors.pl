# Executors come, go and come back: how many there are, what ends them, who may
# talk to the hub in their place, and that they are in nobody's way.

use strict;
use warnings;

use IO::Socket::UNIX;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;
use Time::HiRes qw(time);

my $server = RealtimeServer->start_new('executors');
my $node = $server->node;

# Process ids of the executors, in order of their start.
sub executors
{
	my ($of) = @_;
	return split /\n/, ($of // $server)->sql(
		q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'realtime executor' ORDER BY backend_start, pid});
}

# Wait until so many are ready for jobs, and no others are left.
sub wait_for_executors
{
	my ($n, $of) = @_;
	$of //= $server;
	wait_for(sub { $of->stat('executors') == $n && executors($of) == $n }, "$n executors");
	return executors($of);
}

#
# What they are
#
wait_for_executors(2);
is($server->sql(<<'SQL'), "postgres|realtime_executor|idle\npostgres|realtime_executor|idle", 'two, in the served database, as a role of their own');
SELECT datname, usename, state FROM pg_stat_activity WHERE backend_type = 'realtime executor'
SQL
is($server->sql(q{SELECT rolsuper OR rolcreaterole OR rolreplication OR rolbypassrls FROM pg_roles WHERE rolname = 'realtime_executor'}),
	'f', 'which has no power');
is_deeply([ sort map { slurp_file("/proc/$_/cmdline") =~ /(realtime executor \d)/ } executors() ],
	[ 'realtime executor 1', 'realtime executor 2' ], 'ps shows them by number');

for my $n (4, 1, 0, 2)
{
	$server->reconfigure('realtime.executors' => $n);
	wait_for_executors($n);
	pass("realtime.executors = $n");
}

#
# What ends them
#
for my $round (1 .. 3)
{
	for my $pid (executors())
	{
		my $start = time();

		$server->sql("SELECT pg_terminate_backend($pid)");
		wait_for(sub { $server->stat('executors') == 2 && !grep { $_ == $pid } executors() }, 'another executor');
		cmp_ok(time() - $start, '<', 5, "round $round: terminated, there is another one in time");
	}
}
{
	my @before = executors();

	$server->sql("SELECT pg_cancel_backend($_)") for @before;
	$server->sql('SELECT pg_reload_conf()');
	# the recording of a message needs one of them
	my $xid = $server->sql(q{BEGIN; SELECT FROM realtime.send('{}'::jsonb, 'e', 'room', false); SELECT pg_current_xact_id(); COMMIT});
	wait_for(sub { $server->sql("SELECT count(*) FROM realtime.commits WHERE xid = '$xid'") }, 'a job to be done');
	is_deeply([ executors() ], \@before, 'a cancel and a reload end none');
}
{
	my @before = executors();
	my $hub = $server->hub_pid;

	$server->sql("SELECT pg_terminate_backend($hub)");
	wait_for(sub { my $now = $server->hub_pid; $now && $now != $hub }, 'another hub');
	my @after = wait_for_executors(2);
	my %old = map { $_ => 1 } @before;
	is(scalar(grep { $old{$_} } @after), 0, 'with their hub they end, and another one has others');
}

# Stopped, it is past any deadline: it ends as soon as it can, and meanwhile the
# other one goes on.  Which of them gets a job is not ours to say.
{
	my ($stopped, $other) = executors();

	$server->reconfigure('realtime.statement_timeout' => 100);
	kill 'STOP', $stopped;
	for my $n (1 .. 3)
	{
		my $xid = $server->sql(q{BEGIN; SELECT FROM realtime.send('{}'::jsonb, 'e', 'room', false); SELECT pg_current_xact_id(); COMMIT});
		wait_for(sub { $server->sql("SELECT count(*) FROM realtime.commits WHERE xid = '$xid'") }, 'a job to be done');
	}
	pass('one executor that hangs does not keep the jobs');
	kill 'CONT', $stopped;
	wait_for_executors(2);
	$server->reconfigure('realtime.statement_timeout' => 2000);
}
$server->cluster_alive('after all of that');

#
# The socket
#
my $socket_dir = $node->data_dir . '/realtime';
{
	my ($socket) = grep { -S } glob "$socket_dir/*";
	ok($socket, 'they meet the hub at a socket in the data directory');
	is(sprintf('%o', (stat $socket)[2] & 0777), '600', 'which is its own');
	is(sprintf('%o', (stat $socket_dir)[2] & 077), '0', 'as is the directory');

	my $from = -s $node->logfile;
	# the path is too long to be given whole
	chdir $socket_dir or die;
	$socket =~ s{.*/}{};
	my $impostor = IO::Socket::UNIX->new($socket);
	ok($impostor, 'the owner of the server can connect');
	is(sysread($impostor, my $byte, 1), 0, 'but no process that the hub has not launched is let in');
	$node->wait_for_log(qr/realtime has refused process \d+/, $from);
	$impostor = undef;
	is($server->stat('executors'), 2, 'and the others do not mind');
}

# pg_basebackup warns of sockets, pg_rewind fails on them.
{
	my $backup = $node->backup_dir . '/plain';
	my (undef, $warnings) = run_command([ 'pg_basebackup', '-D', $backup, '-h', $node->host, '-p', $node->port, '-c', 'fast' ]);
	is($warnings, '', 'a base backup does not stumble over the socket');
}

#
# In nobody's way
#
my $life = RealtimeServer->new('life', extension => 0, conf => "realtime.database = 'served'\n");
$life->start;
$life->sql('CREATE ROLE owner CREATEDB; CREATE ROLE other');
# for realtime.status(), and it brings the role
$life->sql('CREATE EXTENSION realtime');
is($life->stat('executor_starts'), 0, 'without a database none is started');
$life->sql('CREATE DATABASE served OWNER owner');
$life->sql('CREATE EXTENSION realtime', 'served');
wait_for_executors(2, $life);
pass('with it they come');

{
	my @before = executors($life);
	my (undef, undef, $error) = $life->node->psql('postgres', 'SET ROLE other; DROP DATABASE served');

	like($error, qr/must be owner/, 'who may not drop the database');
	is_deeply([ executors($life) ], \@before, 'cannot send them away either');
}
for my $sql (
	'CREATE DATABASE copy TEMPLATE served',
	'ALTER DATABASE served RENAME TO moved',
	'ALTER DATABASE moved RENAME TO served',
	'SET ROLE owner; DROP DATABASE served',
	'CREATE DATABASE served OWNER owner TEMPLATE copy',
	'DROP DATABASE served WITH (FORCE)',
	'CREATE DATABASE served OWNER owner TEMPLATE copy')
{
	my $start = time();

	$life->sql($sql);
	cmp_ok(time() - $start, '<', 3, "$sql: does not wait for them");
	wait_for_executors($life->sql(q{SELECT count(*) FROM pg_database WHERE datname = 'served'}) ? 2 : 0, $life);
}
{
	my $from = -s $life->node->logfile;
	my $starts = $life->stat('executor_starts');

	$life->sql('DROP DATABASE served WITH (FORCE)');
	wait_for_executors(0, $life);
	$life->sql('CREATE DATABASE served TEMPLATE copy');
	wait_for_executors(2, $life);
	cmp_ok($life->stat('executor_starts') - $starts, '<=', 8, 'they are not started in a loop meanwhile');
	cmp_ok((-s $life->node->logfile) - $from, '<', 20_000, 'nor is the log flooded');

	$life->sql('DROP EXTENSION realtime', 'served');
	my @before = executors($life);
	$life->sql('CREATE EXTENSION realtime', 'served');
	my $xid = $life->sql(q{BEGIN; SELECT FROM realtime.send('{}'::jsonb, 'e', 'room', false); SELECT pg_current_xact_id(); COMMIT}, 'served');
	wait_for(sub { $life->sql("SELECT count(*) FROM realtime.commits WHERE xid = '$xid'", 'served') }, 'a job to be done');
	is_deeply([ executors($life) ], \@before, 'DROP and CREATE EXTENSION leave them alone');
}
$life->cluster_alive('after databases came and went');
{
	my $start = time();

	$life->node->stop('smart');
	cmp_ok(time() - $start, '<', 5, 'a smart shutdown does not wait for them');
}

#
# No room for all of them
#
{
	my $few = RealtimeServer->start_new('few', conf => "max_worker_processes = 3\nrealtime.executors = 3\n");

	wait_for_executors(1, $few);
	$few->node->wait_for_log(qr/out of background worker slots for realtime executors/);
	my $client = $few->member('room');
	$few->publish('room', 1);
	ok($client->broadcast, 'public channels are served');
	wait_for(sub { $few->sql('SELECT count(*) FROM realtime.commits') }, 'a job to be done by the one there is');
	$few->sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'realtime executor'});
	wait_for_executors(1, $few);
	my $log = slurp_file($few->node->logfile);
	my $lines = () = $log =~ /out of background worker slots for realtime executors/g;
	is($lines, 1, 'the log says once why there are not more');
	like($log, qr/HINT:.*max_worker_processes/, 'and what to do');
	$few->node->stop;
}

#
# A standby has its own; and the server that was can be rewound from it
#
{
	$node->append_conf('postgresql.conf', "wal_log_hints = on\nwal_keep_size = 128MB\n");
	$node->restart;
	$node->backup('base');
	my $standby_node = PostgreSQL::Test::Cluster->new('standby');
	$standby_node->init_from_backup($node, 'base', has_streaming => 1);
	my $standby = bless { node => $standby_node, port => PostgreSQL::Test::Cluster::get_free_port() },
	  'RealtimeServer';
	$standby_node->append_conf('postgresql.conf', "realtime.port = $standby->{port}\n");
	$standby_node->start;
	my @before = wait_for_executors(2, $standby);
	pass('a standby has executors');

	$standby_node->promote;
	wait_for(sub { $standby->sql('SELECT pg_is_in_recovery()') eq 'f' }, 'the promotion');
	is_deeply([ wait_for_executors(2, $standby) ], \@before, 'they stay when it is promoted');
	$server->sql('CREATE TABLE only_there ()');
	$standby->sql('CREATE TABLE only_here (); CHECKPOINT');
	$node->stop;
	command_ok(
		[
			'pg_rewind', '-D', $node->data_dir, '--no-sync',
			'--source-server', $standby_node->connstr('postgres')
		],
		'pg_rewind does not stumble over the socket');
	$standby_node->stop;
}

done_testing();
