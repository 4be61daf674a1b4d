# No orphans.  Where the postmaster is process 1 of a container it inherits
# the children of its workers, and takes the death of an unknown child by a
# signal for a crash of the server.  So here the postmaster is a subreaper,
# which is the same thing: prctl(PR_SET_CHILD_SUBREAPER) survives exec.

use strict;
use warnings;

use POSIX ();
use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;

use constant PR_SET_CHILD_SUBREAPER => 36;

# The number of prctl() differs between architectures.
my %prctl = (x86_64 => 157, aarch64 => 167, riscv64 => 167, ppc64le => 171, s390x => 172);
my $prctl = $prctl{ (POSIX::uname())[4] };
plan skip_all => 'the number of prctl() is not known here' unless $prctl;

my $server = RealtimeServer->new('orphans');
my $node = $server->node;

# pg_ctl would put a process of its own between; start the postmaster directly.
my $postmaster = fork() // die "fork: $!";
if ($postmaster == 0)
{
	open STDOUT, '>>', $node->logfile;
	open STDERR, '>&', \*STDOUT;
	syscall($prctl, PR_SET_CHILD_SUBREAPER, 1) == 0 or die "prctl: $!";
	exec 'postgres', '-D', $node->data_dir or die "exec: $!";
}
wait_for(sub { defined $server->try_sql('SELECT 1') }, 'the server to start');
$node->_update_pid(1);
$server->wait_until_healthy;
$server->sql('CREATE EXTENSION realtime');
$server->{started} = $server->sql('SELECT pg_postmaster_start_time()');

# Programs that the postmaster inherited.
sub orphans { return $server->programs('realtime_gateway', $postmaster); }

my $hub = $server->hub_pid;
my @gateways = $server->programs;
ok(@gateways > 0, 'the gateway is a child of the hub');

# A gateway that cannot answer when its hub ends must be killed *and reaped* by
# the hub, or the postmaster gets it.
for my $signal ('STOP', undef)
{
	my $what = $signal ? "with a gateway in SIG$signal" : 'in the orderly way';
	my $old_hub = $server->hub_pid;
	my @old = ($server->gateway_pid);

	if ($signal) { kill $signal, $_ for @old; }
	$server->sql("SELECT pg_terminate_backend($old_hub)");
	wait_for(sub { my $now = $server->hub_pid; $now && $now != $old_hub }, 'another hub');
	wait_for(sub { !grep { $server->process_alive($_) } @old }, 'the gateway to end');
	$server->wait_until_healthy;
	is_deeply([ orphans() ], [], "the hub ends $what: no orphan");
	$server->cluster_alive("the hub ended $what");
}

# kill -9 of the hub: the gateway must die with it.  The postmaster inherits
# the corpse; one crash restart is due for the hub, not a second one.
{
	my $old = $server->gateway_pid;
	my $old_hub = $server->hub_pid;

	kill 'KILL', $old_hub;
	wait_for(sub { !$server->process_alive($old) }, 'the gateway to die with its hub');
	wait_for(sub { my $now = $server->hub_pid; $now && $now != $old_hub }, 'the server to be back');
	$server->wait_until_healthy;
	my $client = $server->member('room');
	$server->publish('room', 1);
	ok($client->broadcast, 'kill -9 of the hub: back in service');
	is_deeply([ orphans() ], [], 'no orphan');
	is($server->crash_restarts, 1, 'one crash restart, for the hub');
}

# Stopping the server leaves nothing of ours.
{
	my @all = ($server->hub_pid, $server->programs);

	$node->stop('fast');
	waitpid $postmaster, 0;
	is_deeply([ grep { $server->process_alive($_) } @all ], [], 'after a stop nothing is left');
}

done_testing();
