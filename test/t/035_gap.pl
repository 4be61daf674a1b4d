# Continuity lost: WAL that the hub had not read yet is gone.  Nothing is
# skipped silently: clients are sent away with 1012, the epoch changes, the
# gap is counted, and the hub goes on from where the WAL is.
#
# WAL that held nothing for the hub may go without any of this: a hub that
# sleeps because nobody sends has missed nothing.

use strict;
use warnings;

use RealtimeServer;
use Test::More;

my $server = RealtimeServer->start_new('gap', conf => <<'CONF');
max_wal_size = 32MB
min_wal_size = 32MB
wal_keep_size = 0
CONF
my $node = $server->node;
my $client = $server->member('room');
my $hub = $server->hub_pid;

$server->publish('room', 1);
ok($client->broadcast, 'the client hears');
my $epoch = $server->stat('epoch');
ok($epoch, 'there is an epoch');
is($server->stat('gaps'), 0, 'and no gap');

# Nobody sends; others write, and checkpoints remove what they wrote.
for my $round (1 .. 5)
{
	$server->sql(q{SELECT count(pg_logical_emit_message(false, 'filler', repeat('x', 1000000))) FROM generate_series(1, 20)});
	$server->sql('SELECT pg_switch_wal(); CHECKPOINT; CHECKPOINT');
}
$server->publish('room', 1);
my $after = $client->broadcast;
is($after && !exists $after->{close} && $after->{payload}{n}, 1,
	'WAL of others that is recycled at once costs no client its connection');
is($server->stat('gaps'), 0, 'and is no gap');
is($server->stat('epoch'), $epoch, 'and no new epoch');
$client = $server->member('room') if $client->eof || ($after && exists $after->{close});
$epoch = $server->stat('epoch');
my $old_epoch = $epoch;
my $gaps = $server->stat('gaps');

# While the hub is stopped, WAL is written and recycled behind its back.  What it
# has told just before is not recorded yet, and never can be from that WAL.
my $lock = $node->background_psql('postgres');
my $lock_commits = 'BEGIN; LOCK realtime.commits IN ACCESS EXCLUSIVE MODE';
$lock->query_safe($lock_commits);
$server->publish('room', 1);
ok($client->broadcast, 'the client hears what is not recorded');
kill 'STOP', $hub;
$server->publish('room', 2);
my $behind = $server->sql('SELECT pg_walfile_name(pg_current_wal_insert_lsn())');
wait_for(
	sub {
		$server->sql(q{SELECT count(pg_logical_emit_message(false, 'filler', repeat('x', 1000000))) FROM generate_series(1, 20)});
		$server->sql('SELECT pg_switch_wal(); CHECKPOINT');
		return !-e $node->data_dir . "/pg_wal/$behind";
	},
	'the WAL to be recycled');
kill 'CONT', $hub;
$server->publish('room', 3);

is($client->close_code, 1012, 'clients are sent away to come back');
wait_for(sub { eval { $server->stat('gaps') == $gaps + 1 } }, 'the gap to be counted');
isnt($server->stat('epoch'), $epoch, 'there is another epoch');
ok($server->sql('SELECT 1'), 'the server is fine');

$client = wait_for(sub { eval { $server->member('room') } }, 'a client to join again');
# What was told before the gap is recorded at last; what comes then is not, and
# stands in the WAL behind the gap.
$lock->query_safe('ROLLBACK');
wait_for(sub { $server->stat('record_backlog') == 0 }, 'the commits to be recorded');
$lock->query_safe($lock_commits);
my $n = 10;
$server->publish('room', ++$n);
my $message = $client->broadcast;
is($message && $message->{payload}{n}, $n, 'and hears again, from now on');
$server->cluster_alive('after a gap');

# A restart of the server is no gap.
$epoch = $server->stat('epoch');
$node->restart;
$server->wait_until_healthy;
is($server->stat('gaps'), 0, 'a restart of the server is no gap');
wait_for(sub { $server->stat('record_backlog') == 0 }, 'the rest to be recorded');
is($server->sql("SELECT count(*) FROM realtime.commits WHERE epoch = $old_epoch"), 3,
	'all that was told before the gap is recorded');

done_testing();
