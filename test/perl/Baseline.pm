#-------------------------------------------------------------------------
#
# Baseline.pm
#	  What the gateways of a server have when nothing is going on.
#
# The question "no leak" of reliability.md: ten seconds after whatever a test
# did, the gateways are still there and have no more descriptors, connections and
# memory than before.  All of it is read from /proc, so that a test can ask after every
# single case; what realtime.status() says of connections, which gateways
# report once a second, is asked for by agrees().
#
#	my $baseline = Baseline->take($server);
#	...
#	$baseline->returns('a broken request');
#	$baseline->agrees;
#
# Take it when the clients that stay are connected and something of what is
# going to be tested has happened once: the first time of everything takes
# memory that is kept.
#
#-------------------------------------------------------------------------
package Baseline;

use strict;
use warnings;

use RealtimeServer;
use Test::More;

# How long a server has to be as it was before, in seconds.
use constant PATIENCE => 10;

# Take the baseline of a server's gateways.
#
#	memory_kb	how much memory may be added in all, 16 MB by default: an
#				allocator keeps some of what is given back
sub take
{
	my ($class, $server, %params) = @_;
	my $self = bless { server => $server, memory_kb => $params{memory_kb} // 16 * 1024 }, $class;

	$self->{gateways} = join ' ', sort { $a <=> $b } $server->programs;
	@$self{qw(descriptors sockets memory)} = $self->figures;
	$self->{most} = $self->{memory};
	$self->{cases} = 0;
	return $self;
}

# Descriptors, sockets among them, and anonymous memory in kB of all gateways.
sub figures
{
	my ($self) = @_;
	my ($descriptors, $sockets, $memory) = (0, 0, 0);

	for my $pid (split / /, $self->{gateways})
	{
		$descriptors += $self->{server}->descriptors($pid);
		$sockets += $self->{server}->sockets($pid);
		$memory += $self->{server}->memory_kb($pid, 'RssAnon');
	}
	return ($descriptors, $sockets, $memory);
}

# What is not as it was; '' when all is.
sub difference
{
	my ($self) = @_;
	my @gone = grep { !$self->{server}->process_alive($_) } split / /, $self->{gateways};
	my ($descriptors, $sockets, $memory) = $self->figures;

	$self->{most} = $memory if $memory > $self->{most};
	return "the gateway @gone is gone" if @gone;
	return "$descriptors descriptors instead of $self->{descriptors}" if $descriptors > $self->{descriptors};
	return "$sockets sockets instead of $self->{sockets}" if $sockets > $self->{sockets};
	return "$memory kB instead of $self->{memory}" if $memory > $self->{memory} + $self->{memory_kb};
	return '';
}

# Test that a server is back at its baseline.
sub returns
{
	my ($self, $what) = @_;
	my $difference;

	$self->{cases}++;
	eval { wait_for(sub { ($difference = $self->difference) eq '' }, 'the baseline', PATIENCE) };
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is($difference, '', "no leak: $what");
}

# The same, and that realtime.status() has no more connections than $clients.
# Says what was added at most.
sub agrees
{
	my ($self, $clients) = @_;
	my $connections;

	eval { wait_for(sub { ($connections = $self->{server}->stat('connections')) == $clients }, 'connections', PATIENCE) };
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($connections, $clients, "realtime.status() has $clients connections");
	note(sprintf '%d cases, %d kB of memory and %d descriptors at first, %+d kB at most',
		$self->{cases}, $self->{memory}, $self->{descriptors}, $self->{most} - $self->{memory});
	return $self->returns('in the end');
}

1;
