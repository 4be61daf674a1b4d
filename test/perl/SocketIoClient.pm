#-------------------------------------------------------------------------
#
# SocketIoClient.pm
#	  A Socket.IO client on a WebSocket that a test can make misbehave.
#
# One object is one connection, like a WebSocketClient, which it is made of.
# Pings are answered when something is read, unless the client is told not to.
#
#-------------------------------------------------------------------------
package SocketIoClient;

use strict;
use warnings;

use Carp;
use JSON::PP;
use Time::HiRes qw(time);
use WebSocketClient;

use constant PATH => '/socket.io/?EIO=4&transport=websocket';

my $json = JSON::PP->new->utf8->allow_nonref->canonical;

# Upgrade and take the handshake, without connecting to the namespace.
#
#	port		where to, on loopback
#	mute		1 = pings are not answered
#
# Other parameters are those of WebSocketClient.
sub open
{
	my ($class, %params) = @_;
	my $mute = delete $params{mute};
	my $self = bless {
		ws    => WebSocketClient->connect(path => PATH, %params),
		mute  => $mute,
		acks  => 0,
		pings => 0,
		queue => [],
	}, $class;
	my $open = $self->packet // croak 'no handshake';

	$open =~ /^0(\{.*\})$/ or croak "no handshake but $open";
	$self->{handshake} = $json->decode($1);
	return $self;
}

# The same, and connect with credentials; dies where they are refused.
sub connect
{
	my ($class, %params) = @_;
	my $auth = delete $params{auth};
	my $self = $class->open(%params);
	my $answer = $self->say(defined $auth ? '40' . $json->encode($auth) : '40')->packet // croak 'no answer';

	$answer =~ /^40\{"sid":"([^"]{20})"\}$/ or croak "not connected: $answer";
	$self->{id} = $1;
	return $self;
}

sub handshake  { return $_[0]{handshake}; }
sub id         { return $_[0]{id}; }
sub ws         { return $_[0]{ws}; }
sub pings      { return $_[0]{pings}; }
sub local_port { return $_[0]{ws}->local_port; }

# Send a text packet, type of Engine.IO included, or an attachment.
sub say
{
	my ($self, $packet) = @_;
	$self->{ws}->send_frame(WebSocketClient::TEXT, $packet);
	return $self;
}

sub attach
{
	my ($self, $bytes) = @_;
	$self->{ws}->send_frame(WebSocketClient::BINARY, $bytes);
	return $self;
}

# The next packet: a text, a reference to the bytes of an attachment, or 'closed'
# with the code of a close frame, 1006 without one; undef after $timeout.
sub packet
{
	my ($self, $timeout) = @_;
	my $deadline = time() + ($timeout // $WebSocketClient::patience);

	return shift @{ $self->{queue} } if @{ $self->{queue} };
	for (;;)
	{
		my $left = $deadline - time();
		return undef if $left <= 0;
		my $frame = $self->{ws}->next_frame($left);
		if (!defined $frame)
		{
			return 'closed 1006' if $self->{ws}->eof;
			next;
		}
		if ($frame->{opcode} == WebSocketClient::CLOSE)
		{
			return 'closed ' . (length $frame->{payload} ? unpack('n', $frame->{payload}) : 1005);
		}
		return \$frame->{payload} if $frame->{opcode} == WebSocketClient::BINARY;
		next if $frame->{opcode} != WebSocketClient::TEXT;
		return $frame->{payload} if $frame->{payload} ne '2';
		$self->{pings}++;
		$self->say('3') unless $self->{mute};
	}
}

# Emit an event with one argument, with an ack id; returns it.
sub emit
{
	my ($self, $event, $argument) = @_;
	my $ack = $self->{acks}++;
	$self->say("42$ack" . $json->encode([ $event, $argument ]));
	return $ack;
}

# The same without an ack id.
sub emit_only
{
	my ($self, $event, $argument) = @_;
	return $self->say('42' . $json->encode([ $event, $argument ]));
}

# The next packet that matches; others that come before it stay for later.
sub wait_packet
{
	my ($self, $pattern, $timeout) = @_;
	my $deadline = time() + ($timeout // $WebSocketClient::patience);
	my @others;
	my $found;

	while (!defined $found)
	{
		my $packet = $self->packet($deadline - time());
		last unless defined $packet;
		if (!ref $packet && $packet =~ $pattern)
		{
			$found = $packet;
		}
		else
		{
			push @others, $packet;
			last if !ref $packet && $packet =~ /^closed/;
		}
	}
	unshift @{ $self->{queue} }, @others;
	return $found;
}

# The answer to an event, by its ack id.
sub answer
{
	my ($self, $ack) = @_;
	my $packet = $self->wait_packet(qr/^43$ack\[/) // return undef;
	return $json->decode($packet =~ s/^43$ack//r)->[0];
}

# Emit, and the answer.
sub ask
{
	my ($self, $event, $argument) = @_;
	return $self->answer($self->emit($event, $argument));
}

# Subscribe; dies if that is refused.
sub subscribe
{
	my ($self, $channel, %more) = @_;
	my $answer = $self->ask('realtime:subscribe', { channel => $channel, %more });
	croak 'not subscribed: ' . $json->encode($answer) unless $answer && $answer->{ok};
	return $answer;
}

# The argument of the next event of a name, undef after $timeout.
sub event
{
	my ($self, $name, $timeout) = @_;
	my $packet = $self->wait_packet(qr/^42\["\Q$name\E"/, $timeout) // return undef;
	return $json->decode($packet =~ s/^42//r)->[1];
}

# The name of the next event, whatever it is, and its argument.
sub next_event
{
	my ($self, $timeout) = @_;
	my $packet = $self->wait_packet(qr/^42\[/, $timeout) // return;
	return @{ $json->decode($packet =~ s/^42//r) };
}

1;
