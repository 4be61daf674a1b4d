# Settings that change while the server runs, by SIGHUP: applied, or refused
# with a line in the log; a bad value never costs the listener.

use strict;
use warnings;

use IO::Socket::INET;
use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;

my $server = RealtimeServer->start_new('settings');
my $node = $server->node;
my $client = $server->member('room');
my $n = 0;

sub hears
{
	my ($name) = @_;
	$server->publish('room', ++$n);
	my $message = $client->broadcast;
	return is($message && !exists $message->{close} && $message->{payload}{n}, $n, $name);
}
hears('a message arrives');

#
# The port
#
my $old_port = $server->port;
my $new_port = PostgreSQL::Test::Cluster::get_free_port();
$server->reconfigure('realtime.port' => $new_port);
$server->{port} = $new_port;
$server->wait_until_healthy;
pass('the gateway listens on the new port');
ok(!IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $old_port), 'and no more on the old one');
$client->abandon;
$client = $server->member('room');
hears('messages arrive there');

# a port that somebody else has
my $taken = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Listen => 1)
  or die "could not listen: $!";
my $log_position = -s $node->logfile;
$server->reconfigure('realtime.port' => $taken->sockport);
ok($node->wait_for_log(qr/(could not|cannot|failed).*(listen|bind)|in use/i, $log_position),
	'a port that is taken: the log says so');
close $taken;
$server->{port} = $new_port;
$server->reconfigure('realtime.port' => $new_port);
$server->wait_until_healthy;
$client = wait_for(sub { eval { $server->member('room') } }, 'a client to join');
hears('and after it was put right messages arrive');

#
# Values that are refused
#
for (
	[ 'realtime.port', '70000' ], [ 'realtime.port', 'http' ],
	[ 'realtime.retention', 'a while' ], [ 'realtime.gateways', '65' ],
	[ 'realtime.on_error', 'maybe' ])
{
	my ($name, $value) = @$_;
	my ($code, undef, $error) = $node->psql('postgres', "ALTER SYSTEM SET $name = '$value'");
	isnt($code, 0, "ALTER SYSTEM SET $name = '$value' is refused");
}
{
	my $position = -s $node->logfile;
	$node->append_conf('postgresql.conf', "realtime.port = $new_port\n");
	$server->sql('ALTER SYSTEM RESET realtime.port');
	$node->append_conf('postgresql.conf', "realtime.port = 'http'\n");
	$node->reload;
	ok($node->wait_for_log(qr/invalid value for parameter "realtime.port"/, $position),
		'a bad value in the file is logged');
	hears('and changes nothing');
	$node->append_conf('postgresql.conf', "realtime.port = $new_port\n");
}
{
	my $position = -s $node->logfile;
	$server->reconfigure('realtime.listen_addresses' => 'no.such.host.invalid');
	ok($node->wait_for_log(qr/no\.such\.host\.invalid/, $position), 'an address that does not resolve is logged');
	$server->reconfigure('realtime.listen_addresses' => '127.0.0.1');
	$server->wait_until_healthy;
	$client = wait_for(sub { eval { $server->member('room') } }, 'a client to join');
	hears('and after it was put right messages arrive');
}

#
# Number of gateways: all share the port, each hears everything
#
$server->reconfigure('realtime.gateways' => 3);
wait_for(sub { $server->programs == 3 }, 'three gateways');
wait_for(sub { $server->stat('gateways') == 3 }, 'three gateways that listen');
{
	my @members = map { $server->member('room') } 1 .. 60;
	$server->publish('room', ++$n);
	is(scalar(grep { my $m = $_->broadcast; $m && $m->{payload}{n} == $n } @members), 60,
		'three gateways: each of 60 clients hears');
	$_->abandon for @members;
}
$server->reconfigure('realtime.gateways' => 1);
wait_for(sub { $server->programs == 1 }, 'one gateway');
$client = wait_for(sub { eval { $server->member('room') } }, 'a client to join');
hears('one gateway again');
$server->reconfigure('realtime.gateways' => 0);
wait_for(sub { $server->programs == 0 }, 'no gateway');
ok(!$server->healthy, 'no gateway: nobody listens');
is($server->sql('SELECT 1'), 1, 'and the server goes on');
$server->reconfigure('realtime.gateways' => 1);
$server->wait_until_healthy;
$client = $server->member('room');
hears('and back to one');

#
# A limit that takes effect in a running gateway
#
$server->reconfigure('realtime.max_connections' => 5);
my $refused = wait_for(
	sub {
		my @many = map { eval { $server->client } // () } 1 .. 8;
		$_->abandon for @many;
		return @many < 8;
	},
	'the limit on connections');
ok($refused, 'more connections than realtime.max_connections are refused');
ok($client->heartbeat, 'who is in stays in');
$server->reconfigure('realtime.max_connections' => 1000);
wait_for(sub { my $c = eval { $server->member('room') }; $c && $c->heartbeat }, 'room again');

#
# A client that says nothing is closed
#
$server->reconfigure('realtime.idle_timeout' => '1s');
my $silent = wait_for(
	sub {
		my $candidate = $server->client;
		return defined $candidate->close_code(3) || $candidate->eof;
	},
	'a silent client to be closed');
ok($silent, 'a silent client is closed after realtime.idle_timeout');
ok(wait_for(sub { $server->stat('idle_closed') > 0 }, 'it to be counted'), 'and counted');

#
# Two servers with the same address and port: SO_REUSEPORT would let them share
# the clients
#
$server->reconfigure('realtime.idle_timeout' => '60s');
my $second = RealtimeServer->new('second', extension => 0);
$second->node->append_conf('postgresql.conf', 'realtime.port = ' . $server->port . "\n");
$second->node->start;
ok($second->node->wait_for_log(qr/another server with realtime listens on "127\.0\.0\.1", port /),
	'a second server says who has its port');
is($second->programs, 0, 'and starts no gateway');
is(scalar(grep { !$server->healthy } 1 .. 50), 0, 'all clients reach the first');
$server->node->stop;
$second->{port} = $server->port;
$second->wait_until_healthy;
pass('it listens when the first is gone');
$second->node->stop;
$server->node->start;
$server->wait_until_healthy;
$server->{started} = $server->sql('SELECT pg_postmaster_start_time()');

$server->cluster_alive('after changed settings');
done_testing();
