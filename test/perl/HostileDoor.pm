#-------------------------------------------------------------------------
#
# HostileDoor.pm
#	  A gateway that does evil at its door.
#
# Hands connections to the hub as no gateway would (proto/handover_message.h).
# sendmsg() with descriptors is made by hand, because Perl has no word for it.
#
#-------------------------------------------------------------------------
package HostileDoor;

use strict;
use warnings;

use BusGateway;
use POSIX ();

# The number of sendmsg() differs between architectures.
my %sendmsg = (x86_64 => 46, aarch64 => 211, riscv64 => 211);

# Can it be done here?
sub possible { return exists $sendmsg{ (POSIX::uname())[4] }; }

# The program: each time it is started it does the next of the deeds whose names
# are in a file, one a line, and then behaves until it is ended.
sub program
{
	my ($deeds) = @_;
	my $number = $sendmsg{ (POSIX::uname())[4] };

	return <<"PROGRAM" . <<'PROGRAM';
my (\$deeds, \$number) = ('$deeds', $number);
PROGRAM
use strict;
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use Time::HiRes qw(sleep);

sub hand_over
{
	my ($slot, $length, $bytes, @fds) = @_;
	my $data = pack('L L', $slot, $length) . $bytes;
	my $iov = pack('P Q', $data, length $data);
	my $rights = pack('Q l l', 16 + 4 * @fds, 1, 1) . pack('l*', @fds);
	$rights .= "\0" x (-length($rights) % 8);
	my $msg = pack('Q L x4 P Q', 0, 0, $iov, 1)
	  . (@fds ? pack('P Q', $rights, length $rights) : pack('Q Q', 0, 0)) . pack('l x4', 0);
	return syscall($number, 4, $msg, 0x40);
}

open(my $bus, '+<&=', 3) or exit 1;
my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1) or exit 1;
my $tcp = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $listen->sockport) or exit 1;
my ($one, $two) = IO::Socket::UNIX->socketpair(AF_UNIX, SOCK_STREAM, 0) or exit 1;
open(my $file, '<', '/dev/null') or exit 1;
my ($client, $unix) = (fileno $tcp, fileno $one);

my %deeds = (
	slot => sub { hand_over(64, 1, 'x', $client) },
	absent => sub { hand_over(1, 1, 'x', $client) },
	length => sub { hand_over(0, 2, 'x', $client) },
	none => sub { hand_over(0, 1, 'x') },
	two => sub { hand_over(0, 1, 'x', $client, $client) },
	many => sub { hand_over(0, 1, 'x', ($client) x 200) },
	unix => sub { hand_over(0, 1, 'x', $unix) },
	bus => sub { hand_over(0, 1, 'x', 3) },
	door => sub { hand_over(0, 1, 'x', 4) },
	file => sub { hand_over(0, 1, 'x', fileno $file) },
	large => sub { hand_over(0, 120000, 'x' x 120000, $client) },
	short => sub { open(my $door, '>&=', 4); syswrite($door, '1234'); },
	close => sub { open(my $door, '>&=', 4); close $door; },
	# to nobody, as fast as it goes
	flood => sub
	{
		my $sent = 0;
		while ($sent < 50_000)
		{
			if (hand_over(1, 1, 'x', $client) >= 0) { $sent++; next; }
			sysread($bus, my $ignored, 1 << 20) if IO::Select->new($bus)->can_read(0.001);
		}
	},
	# to itself, which never reads
	hoard => sub
	{
		my $failed = 0;
		while ($failed < 1000) { $failed++ if hand_over(0, 1, 'x' x 1000, $client) < 0; }
	});

open(my $list, '+<', $deeds) or exit 1;
my ($deed, @rest) = <$list>;
# who ends sooner waits longer for the next start
sleep 1;
if (defined $deed)
{
	seek($list, 0, 0);
	truncate($list, 0);
	print $list @rest;
	close $list;
	chomp $deed;
	$deeds{$deed}->();
}
while (sysread($bus, my $ignored, 1 << 20)) { }
PROGRAM
}

1;
