#-------------------------------------------------------------------------
#
# WebhookReceiver.pm
#	  A server that webhooks lead to, which may behave badly.
#
# A Node.js program (webhook-receiver.mjs, where the paths are listed) that
# listens on all loopback addresses and ends with the test.
#
#-------------------------------------------------------------------------
package WebhookReceiver;

use strict;
use warnings;

use Carp;
use File::Basename qw(dirname);
use HTTP::Tiny;
use IPC::Open2;
use JSON::PP;
use RealtimeServer;

# Start one; with (key => file, cert => file) it speaks TLS, with tls => 'TLSv1.1' that
# version alone.
sub start
{
	my ($class, %params) = @_;
	my $pid = open2(my $out, my $in, 'node', dirname(__FILE__) . '/webhook-receiver.mjs',
		grep { defined } @params{qw(key cert tls)});
	my $port = <$out> // croak 'the receiver does not start';

	chomp $port;
	return bless {
		pid => $pid, in => $in, out => $out, port => $port,
		scheme => $params{key} ? 'https' : 'http',
		http => HTTP::Tiny->new(verify_SSL => 0, timeout => 60),
	}, $class;
}

# A URL of it, whatever its host is called.
sub url
{
	my ($self, $path, $host) = @_;
	return sprintf '%s://%s:%d/%s', $self->{scheme}, $host // '127.0.0.1', $self->{port}, $path;
}

sub port { return $_[0]{port}; }

# Ask it something.
sub ask
{
	my ($self, $what) = @_;
	my $answer = $self->{http}->get("http://127.0.0.1:$self->{port}/$what");

	croak "the receiver answers $answer->{status}: $answer->{content}" unless $answer->{success};
	return JSON::PP->new->utf8->allow_nonref->decode($answer->{content});
}

# The requests for a path, in the order in which they came.
sub requests
{
	my ($self, $path) = @_;
	return grep { $_->{path} eq "/$path" } @{ $self->ask('requests') };
}

# The same once there are so many.
sub wait_for_requests
{
	my ($self, $path, $count) = @_;
	my @requests;

	wait_for(sub { @requests = $self->requests($path); return @requests >= $count }, "$count requests for $path");
	return @requests;
}

sub DESTROY
{
	my ($self) = @_;

	close $self->{in};
	waitpid $self->{pid}, 0;
	return;
}

1;
