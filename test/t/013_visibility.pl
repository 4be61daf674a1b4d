# Visible before told: a client never hears of a row that it could not see.
#
# A commit record is flushed before its transaction becomes visible; with
# synchronous replication to a standby that never answers, for as long as one
# likes.  The hub must hold the message, and what commits after it, too.

use strict;
use warnings;

use IPC::Run ();
use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;

my $server = RealtimeServer->start_new('visible');
my $node = $server->node;
my $client = $server->member('visible');

# Start a psql that sends n and waits for its commit; returns the IPC::Run.
sub send_in_background
{
	my ($n, $mode) = @_;
	return IPC::Run::start(
		[ 'psql', '-XAtq', '-h', $node->host, '-p', $node->port, 'postgres', '-c',
			"SET synchronous_commit = $mode", '-c',
			qq{SELECT realtime.send('{"n": $n}'::jsonb, 'e', 'visible', false)} ],
		'<', \undef, '>', \my $out, '2>&1', IPC::Run::timeout($RealtimeServer::patience));
}

sub rows { return $server->sql(q{SELECT count(*) FROM realtime.messages WHERE topic = 'visible'}); }

#
# A standby that never answers
#
$server->reconfigure(synchronous_standby_names => 'nobody');
$node->poll_query_until('postgres', q{SELECT current_setting('synchronous_standby_names') = 'nobody'});

my $waiting = send_in_background(1, 'on');
$node->poll_query_until('postgres',
	q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'})
  or die 'the commit does not wait';
is(rows(), 0, 'the commit waits and the row is invisible');

# The hub has read the commit record once it says that it holds something.
wait_for(sub { $server->stat('held') > 0 || $server->stat('state') =~ /hold/i },
	'the hub to hold the transaction');
is($client->broadcast(0), undef, 'the client did not hear of it');
my $metrics = ($server->http_get('/metrics'))[1];
like($metrics, qr/^realtime_hub_holding 1$/m, 'metrics show that it holds');
like($metrics, qr/^realtime_hub_lag_milliseconds 0$/m, 'which is no lag');
ok($server->healthy, 'and no illness');

# A later commit that waits for nobody must not overtake it.
my $later = send_in_background(2, 'local');
$later->finish;
is(rows(), 1, 'a later transaction is visible');
ok($client->heartbeat, 'the connection is alive');
is($client->broadcast(0.3), undef, 'the later message waits behind the first one');

$server->reconfigure(synchronous_standby_names => '');
is_deeply([ map { $_->{payload}{n} } $client->broadcasts(2) ], [ 1, 2 ],
	'both arrive, in commit order, once the first is visible');
$waiting->finish;
is(rows(), 2, 'and both rows are visible');

#
# On receipt, SELECT always sees the row
#
append_to_file($node->basedir . '/writer.sql', <<'SQL');
\set asynchronous random(0, 1)
BEGIN;
SELECT set_config('synchronous_commit', CASE :asynchronous WHEN 0 THEN 'off' ELSE 'on' END, true);
SELECT realtime.send(jsonb_build_object('random', random()), 'e', 'visible', false);
COMMIT;
SQL
my $writer = IPC::Run::start(
	[
		'pgbench', '--no-vacuum', '--client=4', '--transactions=150', '--rate=800',
		'--file', $node->basedir . '/writer.sql', '-h', $node->host, '-p', $node->port, 'postgres'
	],
	'>', \my $pgbench, '2>&1', IPC::Run::timeout($RealtimeServer::patience));
my ($reader_in, $reader_out) = ('', '');
my $reader = IPC::Run::start(
	[ 'psql', '-XAtq', '-h', $node->host, '-p', $node->port, 'postgres' ],
	'<', \$reader_in, '>', \$reader_out, '2>&1', IPC::Run::timeout($RealtimeServer::patience * 2));

my ($asked, $unseen) = (0, 0);
while ($asked < 600)
{
	my $message = $client->broadcast or last;
	last if exists $message->{close};
	$reader_out = '';
	$reader_in .= "SELECT 'seen=' || count(*) FROM realtime.messages WHERE id = '$message->{meta}{id}';\n";
	$reader->pump until $reader_out =~ /seen=\d+\n|ERROR/;
	$unseen++ unless $reader_out =~ /seen=1\n/;
	$asked++;
}
$reader_in .= "\\q\n";
$reader->finish;
$writer->finish;
is($asked, 600, 'received 600 messages while four clients wrote');
is($unseen, 0, 'each row was visible when its message arrived');

$server->cluster_alive('after holding commits');
done_testing();
