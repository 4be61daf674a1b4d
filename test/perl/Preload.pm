#-------------------------------------------------------------------------
#
# Preload.pm
#	  Servers whose memory, clock or kernel a test has in its hands.
#
# The server's programs are run from a copy of their directory (BusGateway.pm),
# with a gateway that is the real one behind a line that preloads a library
# into it: the hub hands its environment to nobody.
#
#	my $server = Preload->faulty_server('name', conf => ...);
#	my $faults = $server->{faults};
#	$faults->arm(pid => $pid, n => 3);		the third allocation fails
#	...
#	$faults->disarm;						returns how many have failed
#
#	my $server = Preload->shifted_server('name');
#	$server->{clock}->set(3600);			an hour later, at once
#
#	my $server = Preload->old_server('name', 'close_range');
#	$server->start;
#
#-------------------------------------------------------------------------
package Preload;

use strict;
use warnings;

use BusGateway;
use Carp;
use Cwd qw(abs_path);
use File::Basename qw(basename);
use PostgreSQL::Test::Utils;
use RealtimeServer;

# Where `make preloads` has put them; tests run at the top of the tree.
sub _library
{
	my ($name) = @_;
	return abs_path("build/preload/$name.so") // croak "build/preload/$name.so is missing";
}

sub _write
{
	my ($path, $at, $bytes) = @_;

	open my $file, '+<', $path or croak "could not open $path: $!";
	binmode $file;
	seek $file, $at, 0;
	print $file $bytes;
	close $file or croak $!;
	return;
}

# A page of zeros.
sub _new_page
{
	my ($name) = @_;
	my $path = PostgreSQL::Test::Utils::tempdir_short() . "/$name";

	open my $file, '>', $path or croak $!;
	print $file "\0" x 4096;
	close $file;
	return $path;
}

# Programs whose gateway is the real one with $library preloaded, and limits as
# `ulimit` takes them.
sub _programs
{
	my ($library, $variable, $value, $limits) = @_;
	my $top = PostgreSQL::Test::Utils::tempdir();
	my ($bindir) = run_command([ 'pg_config', '--bindir' ]);
	my $gateway = abs_path("$bindir/realtime_gateway");
	my $preload = $library ? "\$ENV{LD_PRELOAD} = '$library';\n\$ENV{$variable} = '$value';" : '';
	my $command = $limits ? "exec '/bin/sh', '-c', 'ulimit $limits; exec \"\$0\"', '$gateway';" : "exec '$gateway';";

	BusGateway::copy_programs($top, "$preload\n$command\n");
	return $top;
}

# A server that is started in an environment of its own.
sub _new_server
{
	my ($name, $environment, %params) = @_;
	my $server = RealtimeServer->new($name, %params);

	$server->{environment} = $environment;
	return bless $server, 'Preload::Server';
}

# The same, and start it.
sub _server
{
	my (@server) = @_;
	my $server = _new_server(@server);

	$server->start;
	return $server;
}

# One of which only the gateway is another one: that of _programs(@$gateway).
sub _gateway_server
{
	my ($name, $gateway, %params) = @_;

	local $ENV{PATH} = $ENV{PATH};
	_programs(@$gateway);
	return _server($name, { PATH => $ENV{PATH} }, %params);
}

# A server whose module, or whose gateway, fails to get memory when it is told to.
sub faulty_server
{
	my ($class, $name, %params) = @_;
	my $page = _new_page('faults');
	my ($pkglibdir) = run_command([ 'pg_config', '--pkglibdir' ]);
	my $server;

	local $ENV{PATH} = $ENV{PATH};
	my $top = _programs(_library('malloc_fault'), 'FAULT_PAGE', $page);
	unlink "$top$pkglibdir" or croak $!;
	mkdir "$top$pkglibdir" or croak $!;
	symlink $_, "$top$pkglibdir/" . basename($_) foreach grep { !m{/realtime\.so$} } glob "$pkglibdir/*";
	symlink _library('realtime'), "$top$pkglibdir/realtime.so" or croak $!;
	$server = _server($name, { FAULT_PAGE => $page, PATH => $ENV{PATH} }, %params);
	$server->{faults} = bless { page => $page }, 'Preload::Faults';
	return $server;
}

# One with a clock to be set.
sub shifted_server
{
	my ($class, $name, %params) = @_;
	my $page = _new_page('clock');

	local $ENV{PATH} = $ENV{PATH};
	_programs(_library('clock_shift'), 'CLOCK_SHIFT', $page);
	my $server = _server($name,
		{ CLOCK_SHIFT => $page, LD_PRELOAD => _library('clock_shift'), PATH => $ENV{PATH} }, %params);
	$server->{clock} = bless { page => $page }, 'Preload::Clock';
	return $server;
}

# One whose kernel does not know a system call; it is to be started yet.
sub old_server
{
	my ($class, $name, $unknown, %params) = @_;

	return _new_server($name, { OLD_KERNEL => $unknown, LD_PRELOAD => _library('old_kernel') }, %params);
}

# One whose gateway takes half a second to tell the hub what has a text in it.
sub slow_bus_server
{
	my ($class, $name, $text, %params) = @_;
	return _gateway_server($name, [ _library('slow_bus'), 'SLOW_BUS', $text ], %params);
}

# One whose gateway has limits.
sub limited_server
{
	my ($class, $name, $limits, %params) = @_;
	return _gateway_server($name, [ undef, undef, undef, $limits ], %params);
}

package Preload::Server;

use parent -norequire, 'RealtimeServer';

sub start_node
{
	my ($self) = @_;
	local @ENV{ keys %{ $self->{environment} } } = values %{ $self->{environment} };

	return $self->SUPER::start_node;
}

package Preload::Faults;

# The n-th allocation fails, from now on, and the $times - 1 ones behind it.
#
#	pid			of whom, or
#	worker		type of background worker, whichever process it is
#	n, times	both 1 by default
sub arm
{
	my ($self, %fault) = @_;

	Preload::_write($self->{page}, 0, pack('l', 0));
	Preload::_write($self->{page}, 4, pack('l a64 l l l', $fault{pid} // 0, $fault{worker} // '',
			($fault{n} // 1) - 1, $fault{times} // 1, 0));
	Preload::_write($self->{page}, 0, pack('l', 1));
	return;
}

# How many have failed since arm().
sub failed
{
	my ($self) = @_;
	return unpack('x4 x4 x64 x4 x4 l', PostgreSQL::Test::Utils::slurp_file($self->{page}));
}

# How many allocations were granted, where that many were to be.
sub granted
{
	my ($self) = @_;
	return 999_999_999 - unpack('x4 x4 x64 l', PostgreSQL::Test::Utils::slurp_file($self->{page}));
}

sub disarm
{
	my ($self) = @_;

	Preload::_write($self->{page}, 0, pack('l', 0));
	return $self->failed;
}

package Preload::Clock;

# So many seconds later than it is.
sub set
{
	my ($self, $seconds) = @_;

	Preload::_write($self->{page}, 0, pack('q', $seconds * 1_000_000));
	return;
}

1;
