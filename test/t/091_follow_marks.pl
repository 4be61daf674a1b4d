# What commits after a gateway was told that it follows a table reaches it, all
# of it, whoever wrote while it was not followed yet: 10,000 times.  Writers that
# go on are waited for, but not for ever, and not by the hub as a whole.

use strict;
use warnings;

use BusGateway;
use RealtimeServer;
use Test::More;
use Time::HiRes qw(time);

my $bus = BusGateway->start_new('follow_marks', conf => "synchronous_commit = off\n");
my $node = $bus->server->node;

$bus->sql(<<'SQL');
SELECT count(*) FROM realtime.setup_api_roles();
CREATE TABLE t (id int PRIMARY KEY);
CREATE TABLE u (id int PRIMARY KEY);
SELECT realtime.follow('public.t'), realtime.follow('public.u');
SQL
my ($outcome, $relations) = $bus->subscribe('anon', [ '*', 'public', '*' ]);
my ($t, $u) = map { $_->{relid} } @$relations;

# a transaction that has written before is waited for, and others are served
my $writer = $node->background_psql('postgres');
$writer->query_safe('BEGIN; INSERT INTO t VALUES (-1)');
$bus->follow($t, [$t]);
$bus->follow($u, [$u]);
is(($bus->next_ack)[1], $u, 'a table that nobody writes to is followed meanwhile');
$bus->sql('INSERT INTO u VALUES (1)');
is(($bus->next_change)[1]{relid}, $u, 'and its changes come');
$writer->query_safe('INSERT INTO t VALUES (-2)');
$writer->query_safe('COMMIT');
my @ack = $bus->next_ack;
is("$ack[1] $ack[2]", "$t 0", 'the transaction has ended: the table is followed');
my ($record, $change) = $bus->next_change;
is($change->{columns}[0]{new}, '-2', 'what was captured of it came before the acknowledgement');

# one that goes on for too long
$bus->follow($t, [], 0);
$writer->query_safe('BEGIN; INSERT INTO t VALUES (-3)');
$bus->follow($t, [$t]);
my $begun = time();
@ack = $bus->next_ack;
is("$ack[1] $ack[2]", "$t 1", 'a transaction that goes on: busy');
cmp_ok(time() - $begun, '>', 7, 'not before clients lose their patience');
$writer->query_safe('ROLLBACK');
# its time would be over when the rounds are
$writer->quit;

# and a prepared one
$bus->sql("BEGIN; INSERT INTO t VALUES (-4); PREPARE TRANSACTION 'x'");
$bus->follow($t, [$t]);
$bus->follow($u, [$u]);
is(($bus->next_ack)[1], $u, 'the other table again');
$bus->sql("COMMIT PREPARED 'x'");
is(($bus->next_ack)[1], $t, 'a prepared transaction is waited for as well');

# 10,000 times: a row committed right after the acknowledgement arrives, while
# the table is followed and not followed in turns; another session writes all the
# time in the first 1,000 rounds, so that there is somebody to wait for in each
$bus->sql('CREATE TABLE quiet ()');
my $noise = IPC::Run::start(
	[ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c',
		'DO $$ BEGIN FOR i IN 1 .. 1000000 LOOP INSERT INTO t VALUES (1000000 + i); PERFORM pg_sleep(0.001); COMMIT; EXIT WHEN EXISTS (SELECT FROM quiet); END LOOP; END $$' ],
	'<', '/dev/null');
my $rounds = $ENV{REALTIME_FOLLOW_ROUNDS} // 10_000;
my $missed = 0;
my $one = $node->background_psql('postgres');
$one->set_query_timer_restart;
foreach my $round (1 .. $rounds)
{
	$bus->sql('INSERT INTO quiet DEFAULT VALUES') if $round == 1000;
	$bus->follow($t, [], 0);
	$bus->follow($t, [$t]);
	@ack = $bus->next_ack;
	$missed++ if $ack[2] != 0;
	$one->query_safe("INSERT INTO t VALUES ($round)");
	while (1)
	{
		my ($record, $change) = $bus->next_change;
		my $id = $change->{columns}[0]{new};

		last if $id == $round;
		next if $id > 1_000_000;
		$missed++;
		last;
	}
}
is($missed, 0, "a row committed after the acknowledgement came, $rounds times");
$bus->sql('INSERT INTO quiet DEFAULT VALUES');
$noise->finish;
$one->quit;
$bus->server->cluster_alive('after that');

$node->stop;
done_testing();
