# Signals to the workers: cancelled, terminated, killed.  The hub shrugs off a
# cancel, comes back from a terminate at once and from kill -9 with the
# cluster's crash restart, which is by design; messages of transactions that
# were open meanwhile are not lost.

use strict;
use warnings;

use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;
use Time::HiRes qw(time);

my $server = RealtimeServer->start_new('signals');
my $node = $server->node;
my $n = 0;

# Join again after the hub was replaced, and hear something.
sub back_in_service
{
	my ($what, $limit) = @_;
	my $start = time();
	my $client = wait_for(sub { eval { $server->member('room') } }, 'a client to join again');

	cmp_ok(time() - $start, '<', $limit, "$what: joined again in time");
	wait_for(sub { defined $server->try_sql('SELECT 1') }, 'the server to take connections');
	$server->publish('room', ++$n);
	my $message = $client->broadcast;
	is($message && $message->{payload}{n}, $n, "$what: the client hears");
	return $client;
}

# Every worker of ours, as "pid|type".
my @workers = split /\n/, $server->sql(
	q{SELECT pid, backend_type FROM pg_stat_activity WHERE backend_type LIKE 'realtime %' ORDER BY 2});
ok((grep { /\|realtime hub$/ } @workers) == 1, 'pg_stat_activity shows one hub');

my $client = $server->member('room');
for (@workers)
{
	my ($pid, $type) = split /\|/;

	is($server->sql("SELECT pg_cancel_backend($pid)"), 't', "pg_cancel_backend on $type");
	$server->sql('SELECT pg_reload_conf()');
	$server->publish('room', ++$n);
	my $message = $client->broadcast;
	is($message && $message->{payload}{n}, $n, "$type goes on after a cancel");
	is($server->sql("SELECT count(*) FROM pg_stat_activity WHERE pid = $pid"), 1, 'as the same process');
}

for (@workers)
{
	my ($pid, $type) = split /\|/;
	my $start = time();

	$client->abandon;
	$client = $server->member('room');
	is($server->sql("SELECT pg_terminate_backend($pid)"), 't', "pg_terminate_backend on $type");
	wait_for(
		sub {
			$server->sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = '$type' AND pid <> $pid");
		},
		"another $type");
	cmp_ok(time() - $start, '<', 5, "there is another $type in time");
	if ($type eq 'realtime hub')
	{
		is($client->close_code, 1012, 'clients are told to come back: 1012');
		$client = back_in_service('terminate', 5);
	}
}

#
# What was on its way while the hub was away
#

# Sent before, committed after: the new hub starts at the oldest unfinished
# transaction.
{
	my ($in, $out) = ('', '');
	my $open = IPC::Run::start(
		[ 'psql', '-XAtq', '-h', $node->host, '-p', $node->port, 'postgres' ],
		'<', \$in, '>', \$out, '2>&1', IPC::Run::timeout($RealtimeServer::patience));

	$in .= q{BEGIN; SELECT realtime.send('{"n": "before"}'::jsonb, 'e', 'room', false); SELECT 'sent';} . "\n";
	$open->pump until $out =~ /sent/;
	$server->publish('room', ++$n);
	ok($client->broadcast, 'the hub has read past the open transaction');

	$server->sql('SELECT pg_terminate_backend(' . $server->hub_pid . ')');
	is($client->close_code, 1012, 'the hub ends');
	$client = back_in_service('open transaction', 5);
	$in .= q{SELECT realtime.send('{"n": "after"}'::jsonb, 'e', 'room', false); COMMIT;} . "\n\\q\n";
	$open->finish;
	is_deeply([ map { $_->{payload}{n} } $client->broadcasts(2) ], [qw(before after)],
		'a transaction that was open meanwhile is delivered whole');
}

# Committed while it was down: read by the next one, nothing is skipped.
{
	my $hub = $server->hub_pid;
	my $before = $server->stat('released');

	kill 'STOP', $hub;
	$server->publish('room', ++$n) for 1 .. 20;
	$server->sql("SELECT pg_terminate_backend($hub)");
	kill 'CONT', $hub;
	wait_for(sub { my $now = $server->hub_pid; $now && $now != $hub }, 'another hub');
	wait_for(sub { eval { $server->stat('released') >= $before + 20 } },
		'the messages of that time to be released');
	is($server->stat('released'), $before + 20, 'each was released, exactly once');
	is($server->stat('gaps'), 0, 'there was no gap');
	$client = back_in_service('committed meanwhile', 5);
}

# Many terminations in a row
for my $round (1 .. 5)
{
	my $hub = wait_for(sub { $server->hub_pid }, 'a hub');
	$server->sql("SELECT pg_terminate_backend($hub)");
	wait_for(sub { my $now = $server->hub_pid; $now && $now != $hub }, 'another hub');
}
$client = back_in_service('five terminations', 10);
$server->cluster_alive('after cancels and terminations');

#
# kill -9 of the hub: a crash restart, by design
#
$node->psql('postgres', q{BEGIN; SELECT realtime.send('{"n": "prepared"}'::jsonb, 'e', 'room', false); PREPARE TRANSACTION 'crash'});
{
	my $hub = $server->hub_pid;
	my $gateway = $server->gateway_pid;

	kill 'KILL', $hub;
	ok($client->wait_eof, 'kill -9 of the hub: the connection ends');
	wait_for(sub { !$server->process_alive($gateway) }, 'the gateway to end with its hub');
	pass('the gateway ended with it');
	$client = back_in_service('kill -9 of the hub', 10);
	is($server->crash_restarts, 1, 'one crash restart');
	$server->sql(q{COMMIT PREPARED 'crash'});
	my $message = $client->broadcast;
	is($message && $message->{payload}{n}, 'prepared', 'prepared before the crash, committed after it');
}

#
# kill -9 of the postmaster: nothing of ours stays behind
#
{
	my $hub = $server->hub_pid;
	my @gateways = $server->programs;

	ok(@gateways > 0, 'there is a gateway');
	my $postmaster = $node->{_pid};
	$node->kill9;
	wait_for(sub { !$server->process_alive($postmaster) }, 'the postmaster to be dead');
	wait_for(sub { !grep { $server->process_alive($_) } $hub, @gateways },
		'hub and gateway to end with the postmaster', 5);
	pass('hub and gateway ended with the postmaster');
	ok(!defined $server->http_get('/healthz'), 'the port is free');

	# Under some container's init the corpse stays for a while and looks like
	# a postmaster; and its children have to let go of the shared memory.
	wait_for(
		sub {
			unlink $node->data_dir . '/postmaster.pid';
			return $node->start(fail_ok => 1);
		},
		'the server to start again');
	$client = back_in_service('kill -9 of the postmaster', 10);
}

done_testing();
