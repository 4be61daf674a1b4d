# Kernels, and containers, that do not know what we ask for.  Without close_range(),
# before Linux 5.9, a gateway still gets nothing of the server's but its end of the bus;
# without pidfd_open(), before 5.3, there is none, and the log says why.

use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Preload;
use RealtimeServer;
use Test::More;

# Files that a process has open below a directory.
sub files_below
{
	my ($pid, $dir) = @_;
	return grep { m{^\Q$dir\E/} } map { readlink // '' } glob "/proc/$pid/fd/*";
}

{
	my $server = Preload->old_server('no_close_range', 'close_range');
	my $dir = $server->node->data_dir;

	$server->start;
	my $client = $server->member('room');
	$server->publish('room', 1);
	is($client->broadcast->{payload}{n}, 1, 'without close_range() a gateway serves');

	my $before = $server->gateway_pid;
	kill 'KILL', $before;
	my $gateway = wait_for(sub { my $now = $server->gateway_pid; $now && $now != $before ? $now : 0 }, 'another gateway');
	$server->wait_until_healthy;
	isnt(scalar files_below($server->hub_pid, $dir), 0, 'its hub has files of the server open');
	is_deeply([ files_below($gateway, $dir) ], [], 'which it has not itself');
	$server->cluster_alive('after that');
}

{
	my $server = Preload->old_server('no_pidfd', 'pidfd_open');
	my $node = $server->node;

	$server->start_node;
	ok($node->wait_for_log(qr/could not start realtime gateway 1: Function not implemented.*\n.*HINT:  Linux 5\.3 or later/),
		'without pidfd_open() the log says what is missing');
	is($server->sql('SELECT 1'), 1, 'and the server is up');
	$node->stop;
}

done_testing();
