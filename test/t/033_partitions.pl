# Partitions of realtime.messages: an insert never fails for want of one,
# maintenance makes those ahead and drops those past realtime.retention, and
# nothing of this disturbs delivery.

use strict;
use warnings;

use RealtimeServer;
use Test::More;

my $server = RealtimeServer->start_new('partitions');
my $client = $server->member('room');
my $n = 0;

sub partitions
{
	return split /\n/, $server->sql(q{
		SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
		WHERE i.inhparent = 'realtime.messages'::regclass ORDER BY 1});
}

sub hears
{
	my ($name) = @_;
	$server->publish('room', ++$n);
	my $message = $client->broadcast;
	return is($message && $message->{payload}{n}, $n, $name);
}

sub day { return $server->sql("SELECT to_char((now() AT TIME ZONE 'UTC')::date + $_[0], 'YYYY_MM_DD')"); }

my @all = partitions();
ok((grep { $_ eq 'messages_' . day(0) } @all), 'there is a partition for today') or diag("@all");
ok((grep { $_ eq 'messages_' . day(1) } @all), 'and for tomorrow');
is($server->sql(q{SELECT count(*) FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid
	WHERE i.inhparent = 'realtime.messages'::regclass AND pg_get_expr(c.relpartbound, c.oid) = 'DEFAULT'}), 1,
	'there is a DEFAULT partition');
hears('a message goes to its partition');

# Without today's partition the row goes to DEFAULT.
my $today = 'messages_' . day(0);
$server->sql("SELECT realtime.drop_partition('realtime.$today')");
ok(!(grep { $_ eq $today } partitions()), 'the partition for today is gone');
hears('the message arrives all the same');
is($server->sql('SELECT count(*) FROM realtime.messages_default'), 1, 'and is in the DEFAULT partition');

# Any day at all
for my $date ('1999-12-31', '2199-01-01', 'infinity')
{
	$server->sql(qq{INSERT INTO realtime.messages (topic, extension, event, payload, inserted_at)
		VALUES ('room', 'broadcast', 'e', '{"n": 0}', '$date')});
	ok($client->broadcast, "inserted_at $date is stored and delivered");
}

# Maintenance with rows in DEFAULT that belong to the partition it makes
$server->sql('SELECT realtime.maintain()');
ok((grep { $_ eq $today } partitions()), 'maintenance makes the partition for today');
is($server->sql(qq{SELECT count(*) FROM realtime.$today}), 1, 'and moves the row there');
is($client->broadcast(0), undef, 'which publishes nothing');
hears('messages arrive');

# Old partitions are dropped; with retention 0 they are kept.
my $old = 'messages_' . day(-10);
$server->sql("SELECT realtime.make_partition('messages', ((now() AT TIME ZONE 'UTC')::date - 10))");
ok((grep { $_ eq $old } partitions()), 'there is an old partition');
for my $retention ('0', '3 days')
{
	$server->reconfigure('realtime.retention' => $retention);
	wait_for(sub { $server->sql('SHOW realtime.retention') eq $retention }, 'the setting');
	$server->sql('SELECT realtime.maintain()');
	is(scalar(grep { $_ eq $old } partitions()), $retention eq '0' ? 1 : 0,
		"retention $retention " . ($retention eq '0' ? 'keeps it' : 'drops it'));
	ok((grep { $_ eq $today } partitions()), 'that of today is there');
	hears('and messages arrive');
}

# One that an operator made by hand is no member of the extension; it must not
# stop the maintenance of all the others.
my ($from, $to) = map { $server->sql("SELECT (now() AT TIME ZONE 'UTC')::date + $_") } -10, -9;
$server->sql("CREATE TABLE realtime.$old PARTITION OF realtime.messages FOR VALUES FROM ('$from 00:00+00') TO ('$to 00:00+00')");
$server->sql("CREATE TABLE realtime.messages_2024_13_45 PARTITION OF realtime.messages FOR VALUES FROM ('2024-01-01') TO ('2024-01-02')");
$server->sql("SELECT realtime.drop_partition('realtime.$today')");
my ($code) = $server->node->psql('postgres', 'SELECT realtime.maintain()');
is($code, 0, 'maintenance with an old partition made by hand');
ok((grep { $_ eq $today } partitions()), 'the partition for today is made');
hears('and messages arrive');

# The worker does all of this by itself when the server starts.
$server->sql("SELECT realtime.drop_partition('realtime.$today')");
$server->node->restart;
$server->wait_until_healthy;
wait_for(sub { grep { $_ eq $today } partitions() }, 'the worker to make the partition');
pass('after a start the worker makes what is missing');
$server->{started} = $server->sql('SELECT pg_postmaster_start_time()');

$server->cluster_alive('after maintenance');
done_testing();
