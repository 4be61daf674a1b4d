#-------------------------------------------------------------------------
#
# Namespace.pm
#	  A test file with a network or with mounts of its own.
#
# Taking a network away, or having a disk that is full, is nothing a test may do
# to the machine it runs on, nor without being root.  In a user namespace
# it may: the test file is started again in one, as the same user, with the right
# to change what is its own.  All that it starts is in there as well.
#
#	use Namespace 'net';		# or 'mount'
#
# This comes before all other modules, because some of them redirect the output
# that the test file is to have when it is started again.
#
# Where the system does not let users do that, the file is skipped and says so.
#
#-------------------------------------------------------------------------
package Namespace;

use strict;
use warnings;

use Carp;
use IO::Socket::INET;
use Test::More;

# Said to the test file that is started again.
use constant INSIDE => 'REALTIME_TEST_NAMESPACE';

# ioctls of network interfaces, <linux/sockios.h>; 1 = IFF_UP
use constant { SIOCGIFFLAGS => 0x8913, SIOCSIFFLAGS => 0x8914, IFF_UP => 1 };

# Go on in a namespace of this kind.
sub import
{
	my (undef, $kind) = @_;
	my @unshare = ('unshare', '--user', '--map-current-user', '--keep-caps', "--$kind");

	if ($ENV{ INSIDE() })
	{
		loopback('up') if $kind eq 'net';
		return;
	}
	plan skip_all => "users may not have a $kind namespace here"
	  if system("@unshare true >/dev/null 2>&1") != 0;
	$ENV{ INSIDE() } = 1;
	exec @unshare, $^X, (map { "-I$_" } @INC), $0 or croak "could not start again: $!";
}

# Take the loopback interface 'up' or 'down'.  While it is down, nothing that is
# sent arrives, and nobody is told.
sub loopback
{
	my ($state) = @_;
	my $socket = IO::Socket::INET->new(Proto => 'udp') or croak "socket: $!";
	my $request = pack('a16 s x22', 'lo', 0);

	ioctl($socket, SIOCGIFFLAGS, $request) or croak "could not read the state of the interface: $!";
	my $flags = unpack('x16 s', $request);
	$flags = $state eq 'up' ? $flags | IFF_UP : $flags & ~IFF_UP;
	ioctl($socket, SIOCSIFFLAGS, pack('a16 s x22', 'lo', $flags)) or croak "could not take the interface $state: $!";
	return;
}

# Have a disk of this many megabytes at an empty directory.
sub small_disk
{
	my ($path, $megabytes) = @_;

	system('mount', '-t', 'tmpfs', '-o', "size=${megabytes}m,mode=0700", 'tmpfs', $path) == 0
	  or croak "could not mount at $path";
	return;
}

1;
