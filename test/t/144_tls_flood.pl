# A crowd that wants handshakes: a turn makes some of them and goes on, so that
# those who are connected do not wait, and whoever comes has a turn; who begins
# one and is silent costs nothing and is closed in time.

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use POSIX ();
use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;
use Time::HiRes qw(time);
use TlsFiles;
use WebSocketClient;

use constant { SILENT => 300, FLOOD => 300 };

my $files = TlsFiles->new;
# what RSA costs the server is what makes a flood
my ($certificate, $key) = $files->certificate(key => [ '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048' ]);
my $server = RealtimeServer->start_new('tls_flood', tls => $files, conf => $files->conf($certificate, $key));
my $gateway = $server->gateway_pid;
my $member = $server->member('room');

# A client's first bytes, as a real one sends them, taken from a socket that is ours.
sub client_hello
{
	my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1) or die "listen: $!";
	local $?;
	my $pid = fork // die "fork: $!";

	if ($pid == 0)
	{
		open STDIN, '<', '/dev/null';
		open STDOUT, '>', '/dev/null';
		open STDERR, '>', '/dev/null';
		no warnings 'exec';
		exec 'openssl', 's_client', '-connect', '127.0.0.1:' . $listener->sockport;
		POSIX::_exit(1);
	}
	my $socket = $listener->accept;
	my $hello = '';
	sysread($socket, $hello, 65536, length $hello) or die 'no hello'
	  until length $hello >= 5 && length $hello >= 5 + unpack('x3 n', $hello);
	close $socket;
	waitpid $pid, 0;
	return $hello;
}

sub raw { return IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $server->port) // die "connect: $!"; }

# Seconds until a new client is member of a topic and has heard a message.
sub good_client
{
	my ($n) = @_;
	my $began = time();
	my $client = $server->member('room');

	$server->publish('room', $n);
	is($client->broadcast->{payload}{n}, $n, 'a good client connects and hears');
	$client->abandon;
	is($member->broadcast->{payload}{n}, $n, 'and who was there, too');
	return time() - $began;
}

my $quiet = good_client(1);

# All at once, each of which makes the server sign.
{
	my $hello = client_hello();
	my @flood = map { raw() } 1 .. FLOOD;
	my $answered = 0;

	syswrite($_, $hello) for @flood;
	my $took = good_client(2);
	my $left = IO::Select->new(@flood);
	wait_for(
		sub {
			for my $socket ($left->can_read(1))
			{
				my $n = sysread($socket, my $bytes, 20000);
				$answered++ if $n && $bytes =~ /^\x16/;
				$left->remove($socket);
			}
			return $left->count == 0;
		},
		'the flood to be answered');
	is($answered, FLOOD, 'all of ' . FLOOD . ' get their handshake');
	note(sprintf 'a good client took %.3f s, and %.3f s among %d handshakes', $quiet, $took, FLOOD);

	# what they send instead of their answer ends them; who was there goes on
	syswrite($_, "\x14\x03\x03\0\1\1" . pack('C n n', 23, 0x0303, 64) . 'x' x 64) for @flood;
	wait_for(sub { $server->stat('tls_failed') >= FLOOD }, 'them to fail');
	good_client(3);
	close $_ for @flood;
}

# Handshakes that are not begun, and such that are begun and not gone on with.
{
	my $memory = $server->memory_kb($gateway, 'RssAnon');
	my @silent = map { raw() } 1 .. SILENT;

	syswrite($_, "\x16\x03\x01") for @silent[ 0 .. SILENT / 3 ];
	good_client(4);
	cmp_ok($server->memory_kb($gateway, 'RssAnon') - $memory, '<', SILENT * 40, SILENT . ' silent ones cost little memory');
	$server->reconfigure('realtime.header_timeout' => '200ms');
	my $left = IO::Select->new(@silent);
	wait_for(
		sub {
			for my $socket ($left->can_read(1)) { $left->remove($socket) if !sysread($socket, my $bytes, 1000); }
			return $left->count == 0;
		},
		'them to be closed');
	pass('they are closed in time');
	close $_ for @silent;
}
wait_for(sub { $server->stat('connections') == 1 }, 'all others to end');
is($server->gateway_pid, $gateway, 'the gateway is the same');
$server->cluster_alive('handshakes');
done_testing();
