# What is missing when the server starts, or is taken later (reliability E24), and
# settings that come by SIGHUP (E20): the server starts in any case, the log says
# what is wrong, and what is tried again is tried less and less often.

use strict;
use warnings;

use IO::Socket::INET;
use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;
use Time::HiRes qw(sleep time);

sub log_from { my ($server, $from) = @_; return slurp_file($server->node->logfile, $from); }
sub count_of { my ($text, $what) = @_; my $count = () = $text =~ /$what/g; return $count; }

#
# No slot for the hub
#
{
	my $server = RealtimeServer->new('slots', extension => 0, conf => "max_worker_processes = 0\nmax_logical_replication_workers = 0\n");

	$server->node->start;
	is($server->sql('SELECT 1'), 1, 'max_worker_processes = 0: the server starts');
	like(log_from($server, 0), qr/too many background workers/, 'and its log says why there is no hub');
	$server->sql('CREATE EXTENSION realtime');
	$server->publish('room', 1);
	is($server->sql('SELECT state FROM realtime.status()'), 'down', 'sending works, and status() knows');
	$server->node->stop;
}

#
# Somebody else has the port
#
{
	my $server = RealtimeServer->new('port');
	my $thief = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $server->port, Listen => 1) or die $!;
	my $start = time();

	$server->node->start;
	$server->node->wait_for_log(qr/realtime gateway 1: .*could not (bind|listen).*|realtime gateway 1.*in use/i);
	is($server->sql('SELECT 1'), 1, 'the port is taken: the server starts');
	sleep 2;
	my $lines = count_of(log_from($server, 0), qr/realtime gateway/);
	cmp_ok($lines, '<', 20, 'its log is not flooded');
	close $thief;
	$start = time();
	$server->wait_until_healthy;
	pass('and is listened at once it is free');
	note sprintf '%d lines of log in 2 s; the port was taken %.1f s after it was free', $lines, time() - $start;
	$server->sql('CREATE EXTENSION realtime');
	my $client = $server->member('room');
	$server->publish('room', 1);
	ok($client->broadcast, 'a message arrives');
	$server->node->stop;
}

#
# No connections left; and no more processes for executors
#
{
	my $server = RealtimeServer->start_new('connections', conf => "max_connections = 10\nsuperuser_reserved_connections = 3\nrealtime.executors = 2\n");
	my $node = $server->node;

	$server->sql(q{SELECT realtime.setup_api_roles(); CREATE ROLE visitor LOGIN; CREATE POLICY all_may ON realtime.messages FOR SELECT TO anon USING (true)});
	my $client = $server->member('room');
	my $admin = $node->background_psql('postgres');
	my @taken;
	for (1 .. 20)
	{
		my $session = eval { $node->background_psql('postgres', extra_params => [ '-U', 'visitor' ]) } // last;
		push @taken, $session;
	}
	cmp_ok(scalar @taken, '<', 20, 'no connection is left for users');
	is($client->join_result('secret', private => 1), 'ok', 'executors have theirs');
	$admin->query_safe(q{SELECT realtime.send('{"n": 1}'::jsonb, 'e', 'room', false)});
	is($client->broadcast->{payload}{n}, 1, 'messages arrive');
	$admin->query_safe(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'realtime executor'});
	$admin->query_safe(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'realtime hub'});
	my $again = wait_for(sub { my $c = eval { $server->member('room') }; $c && $c->join_result('secret', private => 1) eq 'ok' && $c }, 'workers to come back');
	$admin->query_safe(q{SELECT realtime.send('{"n": 2}'::jsonb, 'e', 'room', false)});
	is($again->broadcast->{payload}{n}, 2, 'they need none of the connections of users to come back');
	note scalar @taken . ' sessions had all connections';
	$_->quit for $admin, @taken;
	$server->cluster_alive('without connections');
	$node->stop;
}

#
# Not preloaded
#
{
	my $server = RealtimeServer->start_new('loaded');
	my $node = $server->node;

	$node->append_conf('postgresql.conf', "shared_preload_libraries = ''\n");
	$node->restart;
	for my $sql (q{SELECT realtime.send('{}'::jsonb, 'e', 'room', false)}, 'SELECT * FROM realtime.status()')
	{
		my ($code, undef, $error) = $node->psql('postgres', $sql);

		isnt($code, 0, "not preloaded: $sql");
		like($error, qr/realtime must be loaded when the server starts.*HINT:.*shared_preload_libraries/s, 'says what to do');
	}
	ok(!$server->healthy, 'nobody listens');
	is($server->sql('SELECT count(*) FROM realtime.messages'), 0, 'and nothing is stored');
	$node->append_conf('postgresql.conf', "shared_preload_libraries = 'realtime'\n");
	$node->restart;
	$server->wait_until_healthy;
	my $client = $server->member('room');
	$server->publish('room', 1);
	ok($client->broadcast, 'preloaded again: a message arrives');

	#
	# All settings of the extension that a reload can change, one after the other,
	# to the ends of their ranges and back: nobody loses the connection.
	#
	my @settings = map { [ split /\|/, $_, -1 ] } split /\n/, $server->sql(<<'SQL');
SELECT name, vartype, setting, min_val, max_val, array_to_string(enumvals, ' ') FROM pg_settings
WHERE name LIKE 'realtime.%' AND context = 'sighup'
AND name NOT IN ('realtime.port', 'realtime.listen_addresses', 'realtime.gateways', 'realtime.database')
ORDER BY name
SQL
	my ($tried, $sql) = (0, '');
	for (@settings)
	{
		my ($name, $type, $value, $least, $most, $names) = @$_;
		my $quoted = $name =~ s/\.(.*)/."$1"/r; # one of them is a reserved word
		my @values = $type eq 'integer' || $type eq 'real' ? ($least, $most) : $type eq 'bool' ? qw(on off)
		  : $type eq 'enum' ? split(/ /, $names) : ();

		for my $other (@values, "\x01", '1e400', 'x' x 300)
		{
			$sql .= "ALTER SYSTEM SET $quoted = '$other';\nSELECT pg_reload_conf();\n";
			$tried++;
		}
		$sql .= "ALTER SYSTEM RESET $quoted;\nSELECT pg_reload_conf();\n";
	}
	my (undef, undef, $errors) = $node->psql('postgres', $sql, on_error_stop => 0);
	my $refused = () = $errors =~ /ERROR/g;
	unlike($errors, qr/syntax error/, 'all settings were set');
	note scalar @settings . " settings: $tried values, of which $refused were refused";
	wait_for(sub { my $c = eval { $server->member('room') } or return; $server->publish('room', 2); my $m = $c->broadcast(2); $m && !exists $m->{close} }, 'a client to hear');
	pass('after every setting was at both ends of its range a client joins and hears');
	is($server->stat('gateway_failures'), 0, 'no gateway has ended');
	is($server->stat('hub_starts'), 1, 'nor has the hub');
	$node->stop;
}
done_testing();
