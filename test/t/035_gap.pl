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
$lock->query_safe('BEGIN; LOCK realtime.commits IN ACCESS EXCLUSIVE MODE');
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
# What was told before the gap is recorded at last; what comes behind it is not,
# and has to be found in the WAL after a restart.
$lock->query_safe(<<"SQL");
CREATE FUNCTION refuse_row() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''not now''; END';
CREATE TRIGGER refuse_epoch BEFORE INSERT ON realtime.commits FOR EACH ROW
	WHEN (NEW.epoch <> $old_epoch) EXECUTE FUNCTION refuse_row();
COMMIT;
SQL
my $n = 10;
$server->publish('room', ++$n);
my $message = $client->broadcast;
is($message && $message->{payload}{n}, $n, 'and hears again, from now on');
$server->cluster_alive('after a gap');
my $recorded_then = "SELECT count(*) FROM realtime.commits WHERE epoch = $old_epoch";
wait_for(sub { $server->sql($recorded_then) == 3 }, 'what was told before the gap to be recorded');

# A restart of the server is no gap.
$epoch = $server->stat('epoch');
$node->restart;
$server->wait_until_healthy;
is($server->stat('gaps'), 0, 'a restart of the server is no gap');
$server->sql('DROP TRIGGER refuse_epoch ON realtime.commits');
wait_for(sub { $server->sql("SELECT count(*) > 0 FROM realtime.commits WHERE epoch = $epoch") eq 't' },
	'what was told behind it to be recorded');

done_testing();
