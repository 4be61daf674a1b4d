#-------------------------------------------------------------------------
#
# PollingClient.pm
#	  An Engine.IO client that polls, and that a test can make misbehave.
#
# One object is one session.  Each request goes out on a connection of its own
# unless a test names one, so that any gateway may get it; nothing runs in the
# background.
#
#-------------------------------------------------------------------------
package PollingClient;

use strict;
use warnings;

use Carp;
use JSON::PP;
use Time::HiRes qw(time);
use WebSocketClient;

my $json = JSON::PP->new->utf8->allow_nonref->canonical;

# The request target.
#
#	transport, EIO		other values than the usual ones, undef for none
#	sid					the session's
sub target
{
	my (%query) = @_;

	%query = (EIO => 4, transport => 'polling', %query);
	return '/socket.io/?' . join '&', map { "$_=$query{$_}" } grep { defined $query{$_} } sort keys %query;
}

# A request as bytes.
sub request
{
	my ($method, $target, $body, %headers) = @_;

	$headers{'Content-Length'} = length $body if defined $body;
	return "$method $target HTTP/1.1\r\nHost: localhost\r\n"
	  . join('', map { "$_: $headers{$_}\r\n" } sort keys %headers) . "\r\n" . ($body // '');
}

# Begin a session; dies unless it begins rightly.
sub connect
{
	my ($class, $server, %params) = @_;
	my $self = bless { server => $server, packets => [] }, $class;
	my $answer = $self->ask(request('GET', target(), undef, %{ $params{headers} // {} }));

	croak 'no session: ' . ($answer ? "$answer->[1]$answer->[2]" : 'no answer')
	  unless $answer && $answer->[0] == 200 && $answer->[2] =~ /^0(\{.*\})$/;
	$self->{handshake} = $json->decode($1);
	$self->{sid} = $self->{handshake}{sid};
	return $self;
}

sub sid { return $_[0]{sid}; }
sub handshake { return $_[0]{handshake}; }

# A connection to the server.
sub connection { return $_[0]{server}->client(upgrade => 0); }

# One request of a session on a connection of its own.
sub ask { my ($self, @request) = @_; return $self->ask_at($self->{server}, @request); }

# The same without a session.
sub ask_at
{
	my (undef, $server, $request, $timeout) = @_;
	my $connection = $server->client(upgrade => 0);
	my $answer = $connection->http($request, $timeout);

	$connection->abandon;
	return $answer;
}

# Send a GET; returns its connection, on which answer() can be asked for.
sub begin_poll
{
	my ($self, $connection) = @_;

	$connection //= $self->connection;
	$connection->send_raw(request('GET', target(sid => $self->{sid})));
	return $connection;
}

# Poll once: [status, head, body].
sub poll { return $_[0]->ask(request('GET', target(sid => $_[0]{sid})), $_[1]); }

# Post packets: [status, head, body].
sub post
{
	my ($self, @packets) = @_;
	return $self->ask(request('POST', target(sid => $self->{sid}), join("\x1e", @packets),
			'Content-Type' => 'text/plain;charset=UTF-8'));
}

# The next packet, polling for it if need be; pings are answered and left out.
# undef when the session is over.
sub packet
{
	my ($self) = @_;

	while (1)
	{
		while (!@{ $self->{packets} })
		{
			my $answer = $self->poll;
			return undef unless $answer && $answer->[0] == 200;
			push @{ $self->{packets} }, split /\x1e/, $answer->[2], -1;
		}
		my $packet = shift @{ $self->{packets} };
		return undef if $packet eq '1';
		return $packet if $packet !~ /^[26]$/;
		$self->post('3') if $packet eq '2';
	}
}

# Connect to the namespace, as that user.
sub authenticate
{
	my ($self, $token) = @_;
	my $answer;

	$token //= $self->{server}->token(role => 'authenticated', sub => '123e4567-e89b-12d3-a456-426614174000');
	$answer = $self->post('40' . $json->encode({ token => $token }));
	croak 'could not post' unless $answer && $answer->[0] == 200;
	my $packet = $self->packet;
	croak 'no connect: ' . ($packet // 'nothing') unless defined $packet && $packet =~ /^40\{/;
	return;
}

# The packet that asks to subscribe to a channel.
sub subscribe_packet
{
	my ($self, $channel) = @_;
	return '42' . ($self->{ack}++ // 0) . $json->encode([ 'realtime:subscribe', { channel => $channel } ]);
}

# Subscribe; returns the answer.  What else comes before it is lost.
sub subscribe
{
	my ($self, $channel) = @_;

	$self->post($self->subscribe_packet($channel));
	while (defined(my $packet = $self->packet))
	{
		return $json->decode($1)->[0] if $packet =~ /^43\d+(\[.*)$/s;
	}
	return undef;
}

# begin, authenticate and subscribe in one.
sub member
{
	my ($class, $server, $channel, %params) = @_;
	my $self = $class->connect($server, %params);
	my $answer;

	$self->authenticate;
	$answer = $self->subscribe($channel);
	croak "could not subscribe to $channel" unless $answer && $answer->{ok};
	return $self;
}

# The next event: [name, argument].
sub event
{
	my ($self) = @_;

	while (defined(my $packet = $self->packet))
	{
		return $json->decode($1) if $packet =~ /^42(\[.*)$/s;
	}
	return undef;
}

1;
