# The sandbox: code that was smuggled into a gateway can open no file, make no
# socket and run no program.  Trying costs that gateway's life, and nobody else
# notices.  What opens listen sockets for gateways keeps none of their clients
# waiting, and is replaced when it is gone.  (What each system call does in a
# sandbox is test/unit/test_sandbox.c's affair.)

use strict;
use warnings;

use BusGateway;
use Cwd qw(abs_path);
use File::Basename;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;

plan skip_all => 'sanitizers do without a sandbox' if $INC{'SanitizedPrograms.pm'};

my ($bindir) = run_command([ 'pg_config', '--bindir' ]);
my $intruder = abs_path(dirname(__FILE__) . '/../../build/unit/intruder.so');
my $top = PostgreSQL::Test::Utils::tempdir();

# The gateway, with something in it that obeys signals.
BusGateway::copy_programs($top, <<"PROGRAM");
\$ENV{LD_PRELOAD} = '$intruder';
exec '$bindir/realtime_gateway' or exit 127;
PROGRAM
symlink "$bindir/realtime_courier", "$top$bindir/realtime_courier" or die $!;

my $server = RealtimeServer->start_new('sandbox', conf => "realtime.gateways = 3\n");
my $node = $server->node;
my $n = 0;

# A client of each gateway, by its process id.
my %members;

sub find_members
{
	wait_for(sub { $server->stat('gateways') == 3 }, 'all gateways to listen');
	wait_for(
		sub {
			my $client = eval { $server->member('room') } // return 0;
			my $gateway = $server->gateway_of($client) // return 0;

			if (exists $members{$gateway}) { $client->abandon; }
			else { $members{$gateway} = $client; }
			return keys %members == 3;
		},
		'a client of each gateway');
	return;
}

# Fields of /proc/<pid>/status.
sub fields
{
	my ($pid) = @_;
	my $status = slurp_file("/proc/$pid/status");
	return join ' ', map { $status =~ /^$_:\s+(\d+)/m ? "$_ $1" : "no $_" } qw(NoNewPrivs Seccomp);
}

# The processes that look up names, which are children of gateways.
sub lookups { return map { $server->programs('realtime_lookup', $_) } $server->programs; }

sub hear
{
	my ($what) = @_;
	$server->publish('room', ++$n);
	is(scalar(grep { my $m = $members{$_}->broadcast; $m && $m->{payload}{n} == $n } keys %members),
		scalar keys %members, "$what: clients hear");
	return;
}

find_members();
hear('in the sandbox');
is_deeply([ map { fields($_) } $server->programs ], [ ('NoNewPrivs 1 Seccomp 2') x 3 ], 'all gateways are in it');
is_deeply([ map { fields($_) } lookups() ], [ ('NoNewPrivs 1 Seccomp 2') x 3 ], 'and what looks up names for them');
like(slurp_file('/proc/' . ($server->programs)[0] . '/limits'), qr/^Max processes +0 +0 .*/m, 'no gateway may have a process');

# Each deed ends the gateway that does it.
for my $deed ([ USR1 => 'open()' ], [ USR2 => 'socket()' ], [ HUP => 'execve()' ])
{
	my ($signal, $what) = @$deed;
	my ($victim) = sort { $a <=> $b } keys %members;
	my $client = delete $members{$victim};
	my @others = sort grep { $_ != $victim } $server->programs;
	my ($lookup) = $server->programs('realtime_lookup', $victim);
	my $position = -s $node->logfile;

	kill $signal, $victim;
	ok($client->wait_eof, "$what: the gateway's client is disconnected");
	ok($node->wait_for_log(qr/realtime gateway \d has ended with signal 31, starting it again.*?HINT:  .*sandbox/s, $position),
		"$what: the log tells why");
	wait_for(sub { !$server->process_alive($victim) && !$server->process_alive($lookup) }, 'the gateway to be gone');
	hear("$what, other gateways");
	wait_for(sub { $server->programs == 3 }, 'another gateway');
	is_deeply([ sort grep { my $pid = $_; grep { $_ == $pid } @others } $server->programs ], \@others,
		"$what: the other gateways are what they were");
	find_members();
	hear("$what, all gateways again");
}
$server->cluster_alive('three gateways were killed by the kernel');

# A name server that does not answer.
{
	my $port = PostgreSQL::Test::Cluster::get_free_port();
	my @lookups = lookups();

	kill 'STOP', @lookups;
	$server->reconfigure('realtime.port' => $port);
	hear('while addresses are being looked up');
	ok($server->healthy, 'and the old port is still served');
	kill 'CONT', @lookups;
	$server->{port} = $port;
	$server->wait_until_healthy;
	hear('on another port');
}

# Who cannot look up names any more serves on, until that is needed.
{
	my $port = PostgreSQL::Test::Cluster::get_free_port();
	my @before = $server->programs;
	my @lookups = lookups();

	kill 'KILL', @lookups;
	wait_for(sub { !grep { $server->process_alive($_) } @lookups }, 'lookups to end');
	hear('without anybody to look up names');
	$server->reconfigure('realtime.port' => $port);
	$server->{port} = $port;
	$server->wait_until_healthy;
	wait_for(sub { !grep { $server->process_alive($_) } @before }, 'others to serve the new port');
	%members = ();
	find_members();
	hear('with other gateways');
}

# The courier is in a sandbox, too.
$server->sql(q{INSERT INTO realtime.channels (pattern, webhook_urls) VALUES ('order:%', ARRAY['http://127.0.0.1:1/'])});
$server->sql(q{SELECT realtime.publish('order:1', 'e', '{}')});
my $courier = wait_for(sub { ($server->programs('realtime_courier'))[0] }, 'the courier');
wait_for(sub { fields($courier) eq 'NoNewPrivs 1 Seccomp 2' }, 'the courier to be in the sandbox');
pass('the courier is in one');

# Without it the same intruder gets what it wants.
{
	$server->reconfigure('realtime.sandbox' => 'off');
	my @before = $server->programs;
	kill 'TERM', @before;
	wait_for(sub { !grep { $server->process_alive($_) } @before }, 'the gateways to end');
	%members = ();
	find_members();
	is_deeply([ map { fields($_) } $server->programs ], [ ('NoNewPrivs 0 Seccomp 0') x 3 ], 'off: there is no sandbox');
	my ($gateway) = keys %members;
	kill 'USR1', $gateway;
	wait_for(sub { grep { (readlink // '') eq '/etc/passwd' } glob "/proc/$gateway/fd/*" }, 'a file to be opened');
	hear('off: a file was opened');
}
$server->cluster_alive('all of this');

done_testing();
