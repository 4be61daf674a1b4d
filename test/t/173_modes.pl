# Other ways to run a server (reliability E18): single-user mode and binary-upgrade
# mode.  Workers and programs run in neither; what is sent there is told later.
# (pg_upgrade itself is in 193_pg_upgrade.pl, dumps in 032_dump_restore.pl.)

use strict;
use warnings;

use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;

my $server = RealtimeServer->start_new('modes');
my $node = $server->node;

my $client = $server->member('room');
$server->publish('room', 1);
my $cursor = $client->broadcast->{meta}{cursor};
$server->publish('room', 2);
$client->broadcast;
wait_for(sub { $server->stat('record_backlog') == 0 }, 'the commits to be recorded');
my $epoch = $server->stat('epoch');
$node->stop;

#
# Single-user mode
#
{
	my ($out, $err) = ('', '');
	my $sql = qq{SELECT realtime.send('{"n": 3}'::jsonb, 'e', 'room', false)\nSELECT state FROM realtime.status()\n};

	IPC::Run::run([ 'postgres', '--single', '-D', $node->data_dir, 'postgres' ], '<', \$sql, '>', \$out, '2>', \$err);
	unlike($err, qr/ERROR|FATAL|PANIC/, 'single-user mode: send() works');
	like($out, qr/state = "down"/, 'and there is no hub');
	$node->start;
	$server->wait_until_healthy;
	$client = $server->client;
	my $response = $client->join('room', broadcast => { resume => $cursor })->{payload}{response};
	is_deeply([ 0 + $response->{recovered}, map { $_->{payload}{n} } $client->broadcasts(2) ], [ 1, 2, 3 ],
		'what was sent there is told to who comes back');
	is($server->stat('epoch'), $epoch, 'in the same epoch');
	$node->stop;
}

#
# Binary-upgrade mode
#
{
	my $before = -s $node->logfile;

	$node->command_ok([ 'pg_ctl', '-w', '-D', $node->data_dir, '-l', $node->logfile, '-o', '-b', 'start' ], 'a server in binary-upgrade mode starts');
	is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'realtime%'}), 0, 'without workers');
	ok(!$server->healthy, 'nobody listens');
	$node->command_ok([ 'pg_ctl', '-w', '-D', $node->data_dir, 'stop' ], 'and stops');
	unlike(slurp_file($node->logfile, $before), qr/realtime (hub|gateway)/, 'the log knows nothing of them');
}

done_testing();
