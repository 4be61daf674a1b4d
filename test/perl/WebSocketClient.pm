#-------------------------------------------------------------------------
#
# WebSocketClient.pm
#	  A WebSocket and Phoenix client that a test can make misbehave.
#
# One object is one connection; nothing runs in the background.  What arrives
# is read only when asked for, so that "a client that never reads" is one that
# is left alone, and several clients of one test file take turns.
#
# Three layers, each usable without the ones above:
#	bytes		send_raw, read_more, eof
#	frames		send_frame, next_frame					RFC 6455
#	messages	push, next_message, join, leave, ...	Phoenix 1.0.0 and 2.0.0
#
# This is not a library for production: it trusts the server to frame well and
# dies where it does not.
#
#-------------------------------------------------------------------------
package WebSocketClient;

use strict;
use warnings;

use Carp;
use Digest::SHA qw(sha1_base64);
use Encode qw(decode encode);
use Errno qw(EAGAIN EINTR EWOULDBLOCK);
use IO::Select;
use IO::Socket::INET;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Socket qw(SOL_SOCKET SO_RCVBUF IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(time);

use constant {
	TEXT   => 0x1,
	BINARY => 0x2,
	CLOSE  => 0x8,
	PING   => 0x9,
	PONG   => 0xA,
	MASK   => "\x11\x22\x33\x44",
	GUID   => '258EAFA5-E914-47DA-95CA-C5AB0DC85B11',
};

my $json = JSON::PP->new->utf8->allow_nonref->canonical;

# How long to wait for an answer, in seconds, where a test does not say: 20, unless
# tests are told that all is slower.
our $patience = $PostgreSQL::Test::Utils::timeout_default / 3;

# Connect and upgrade.
#
#	port				where to, on loopback
#	vsn					'2.0.0' (default) or '1.0.0'
#	apikey				token in the query, none by default
#	path				request target instead of the usual one
#	headers				more headers of the upgrade, as for upgrade_request
#	receive_buffer		bytes for SO_RCVBUF, set before connecting
#	tls					options of IO::Socket::SSL, to speak TLS
#	upgrade				0 = open the TCP connection only
#
# Dies where the server does not answer 101.
sub connect
{
	my ($class, %params) = @_;
	my $self = bless {
		vsn       => $params{vsn} // '2.0.0',
		in        => '',
		queue     => [],
		ref       => 0,
		join_refs => {},
		eof       => 0,
	}, $class;

	$self->{socket} = IO::Socket::INET->new(
		Proto    => 'tcp',
		PeerAddr => '127.0.0.1',
		PeerPort => $params{port},
		Timeout  => $patience,
		$params{receive_buffer}
		? (Sockopts => [ [ SOL_SOCKET, SO_RCVBUF, pack('l', $params{receive_buffer}) ] ])
		: ())
	  or croak "could not connect to port $params{port}: $@";
	setsockopt($self->{socket}, IPPROTO_TCP, TCP_NODELAY, 1);
	$self->start_tls($params{tls}) if $params{tls};
	$self->{socket}->blocking(0);
	$self->upgrade($params{path} // target(apikey => $params{apikey}, vsn => $self->{vsn}),
		$params{headers})
	  unless defined $params{upgrade} && !$params{upgrade};
	return $self;
}

#
# Bytes
#

# From now on speak TLS; dies where the handshake fails.
sub start_tls
{
	my ($self, $options) = @_;

	require IO::Socket::SSL;
	IO::Socket::SSL->start_SSL($self->{socket}, Timeout => $patience, SSL_hostname => 'localhost', %$options)
	  or croak "could not begin TLS: $IO::Socket::SSL::SSL_ERROR";
	return;
}

# Has the server said that it ends TLS here?
sub tls_ended
{
	my ($self) = @_;
	return Net::SSLeay::get_shutdown($self->{socket}->_get_ssl_object) & Net::SSLeay::RECEIVED_SHUTDOWN();
}

# Is there something to read, or will there be within $timeout?
sub can_read
{
	my ($self, $timeout) = @_;
	my $socket = $self->{socket};

	return $socket->can('pending') && $socket->pending || IO::Select->new($socket)->can_read($timeout);
}

# Send bytes as they are.  Returns how many could be sent before the peer
# closed or $timeout passed.
sub send_raw
{
	my ($self, $bytes, $timeout) = @_;
	my $deadline = time() + ($timeout // $patience);
	my $sent = 0;

	while ($sent < length $bytes)
	{
		my $n = syswrite($self->{socket}, $bytes, 262144, $sent);
		if (defined $n)
		{
			$sent += $n;
			next;
		}
		last unless $!{EAGAIN} || $!{EINTR};
		last if time() >= $deadline;
		IO::Select->new($self->{socket})->can_write(0.1);
	}
	return $sent;
}

# Read what is there, waiting up to $timeout seconds for the first byte; at
# most $limit bytes.  True if something came.
sub read_more
{
	my ($self, $timeout, $limit) = @_;

	return 0 if $self->{eof};
	return 0 unless $self->can_read($timeout);
	my $n = sysread($self->{socket}, $self->{in}, $limit // 1048576, length $self->{in});
	return 0 if !defined $n && ($!{EAGAIN} || $!{EINTR});
	$self->{eof} = 1 unless $n;
	return $n ? 1 : 0;
}

# Our end's port.
sub local_port { return $_[0]{socket}->sockport; }

# Has the server closed the TCP connection, and everything been read?
sub eof { return $_[0]{eof} && $_[0]{in} eq ''; }

# Read until the server closes the connection; true if it did in time.
sub wait_eof
{
	my ($self, $timeout) = @_;
	my $deadline = time() + ($timeout // $patience);

	while (!$self->{eof})
	{
		my $left = $deadline - time();
		return 0 if $left <= 0;
		$self->read_more($left);
	}
	return 1;
}

# Send one HTTP request head and return the response as [status, head, body];
# undef if the server closed without one.  The body goes by Content-Length.
sub http
{
	my ($self, $request, $timeout) = @_;
	my $deadline = time() + ($timeout // $patience);

	$self->send_raw($request) if defined $request;
	until ($self->{in} =~ /\r\n\r\n/)
	{
		my $left = $deadline - time();
		return undef if $left <= 0 || $self->{eof};
		$self->read_more($left);
	}
	$self->{in} =~ s/^(.*?\r\n)\r\n//s;
	my $head = $1;
	my ($status) = $head =~ m{^HTTP/1\.1 (\d{3})} or croak "no HTTP response: $head";
	my $length = $status == 101 ? 0 : $head =~ /^content-length: *(\d+)/mi ? $1 : 0;
	while (length $self->{in} < $length && !$self->{eof} && time() < $deadline)
	{
		$self->read_more(1);
	}
	return [ $status, $head, substr($self->{in}, 0, $length, '') ];
}

# The request target of the WebSocket endpoint.  Of the query's parameters,
# those that are undef are left out.
sub target
{
	my (%query) = @_;
	my @parts;

	for my $name (grep { defined $query{$_} } sort keys %query)
	{
		my $value = $query{$name};
		$value =~ s/([^A-Za-z0-9._~-])/sprintf '%%%02X', ord $1/ge;
		CORE::push @parts, "$name=$value";
	}
	return CORE::join '?', '/realtime/v1/websocket', @parts ? CORE::join('&', @parts) : ();
}

# The request head of an upgrade; $replace maps header names (lower case) to
# lists of values that replace ours, an empty list leaves the header out.
sub upgrade_request
{
	my ($path, $replace, $line) = @_;
	my %headers = (
		'host'                  => ['localhost'],
		'upgrade'               => ['websocket'],
		'connection'            => ['Upgrade'],
		'sec-websocket-version' => ['13'],
		'sec-websocket-key'     => ['dGhlIHNhbXBsZSBub25jZQ=='],
		%{ $replace // {} });

	return ($line // "GET $path HTTP/1.1") . "\r\n"
	  . CORE::join('', map { my $name = $_; map { "$name: $_\r\n" } @{ $headers{$name} } } sort keys %headers)
	  . "\r\n";
}

# Upgrade the connection to WebSocket; dies unless the server does so rightly.
sub upgrade
{
	my ($self, $path, $headers) = @_;
	my $answer = $self->http(upgrade_request($path, $headers))
	  or croak 'the server closed instead of answering the upgrade';

	croak "upgrade refused with $answer->[0]: $answer->[2]" if $answer->[0] != 101;
	croak "wrong Sec-WebSocket-Accept: $answer->[1]"
	  unless $answer->[1] =~ /^sec-websocket-accept: *(\S+)/mi
	  && $1 eq sha1_base64('dGhlIHNhbXBsZSBub25jZQ==' . GUID) . '=';
	return;
}

#
# Frames
#

# A client's frame as bytes.
#
#	fin, rsv, mask		header bits (1, 0, 1)
#	length				declared length, where it shall differ
#	length_bytes		0, 2 or 8 bytes for it, where not the shortest
sub frame
{
	my ($opcode, $payload, %params) = @_;
	my $length = $params{length} // length $payload;
	my $bytes = $params{length_bytes} // ($length < 126 ? 0 : $length < 65536 ? 2 : 8);
	my $mask = $params{mask} // 1;
	my $frame = chr((($params{fin} // 1) << 7) | (($params{rsv} // 0) << 4) | $opcode);

	$frame .= chr(($mask << 7) | ($bytes == 8 ? 127 : $bytes == 2 ? 126 : $length));
	$frame .= $bytes == 8 ? pack('Q>', $length) : $bytes == 2 ? pack('n', $length) : '';
	return $frame . $payload unless $mask;
	my $key = MASK x (int(length($payload) / 4) + 1);
	return $frame . MASK . ($payload ^ substr($key, 0, length $payload));
}

sub send_frame
{
	my ($self, @frame) = @_;
	return $self->send_raw(frame(@frame));
}

# The next frame as {opcode, fin, payload}, or undef after $timeout or at the
# end of the connection.
sub next_frame
{
	my ($self, $timeout) = @_;
	my $deadline = time() + ($timeout // $patience);

	while (1)
	{
		my $frame = $self->take_frame;
		return $frame if $frame;
		return undef if $self->{eof};
		my $left = $deadline - time();
		$self->read_more($left > 0 ? $left : 0);
		return undef if $left <= 0 && !$self->complete;
	}
}

# Bytes of the first frame in the buffer, header included; 0 = not known yet.
sub frame_bytes
{
	my ($self) = @_;
	my $have = length $self->{in};
	return 0 if $have < 2;
	my $length = ord(substr($self->{in}, 1, 1));

	croak 'the server masked a frame' if $length & 0x80;
	return 2 + $length if $length < 126;
	return $have < 4 ? 0 : 4 + unpack('n', substr($self->{in}, 2, 2)) if $length == 126;
	return $have < 10 ? 0 : 10 + unpack('Q>', substr($self->{in}, 2, 8));
}

# Is a whole frame in the buffer?
sub complete
{
	my ($self) = @_;
	my $bytes = $self->frame_bytes;
	return $bytes && length $self->{in} >= $bytes;
}

# Take a whole frame out of the buffer, undef if there is none.
sub take_frame
{
	my ($self) = @_;
	my $bytes = $self->frame_bytes;

	return undef unless $bytes && length $self->{in} >= $bytes;
	my $frame = substr($self->{in}, 0, $bytes, '');
	my $length = ord(substr($frame, 1, 1));
	return {
		fin     => ord($frame) >> 7,
		opcode  => ord($frame) & 0x0f,
		payload => substr($frame, $length < 126 ? 2 : $length == 126 ? 4 : 10),
	};
}

#
# Messages
#

# Send a Phoenix message; refs are JSON values, undef is null.
sub push_message
{
	my ($self, $join_ref, $ref, $topic, $event, $payload) = @_;
	return $self->send_frame(TEXT, $self->{vsn} =~ /^1/
		? $json->encode({
				topic => $topic, event => $event, payload => $payload,
				ref => $ref, join_ref => $join_ref })
		: $json->encode([ $join_ref, $ref, $topic, $event, $payload ]));
}

# The same with refs of our own; returns the ref, a string.
sub push
{
	my ($self, $topic, $event, $payload) = @_;
	my $ref = '' . ++$self->{ref};

	$self->{join_refs}{$topic} = $ref if $event eq 'phx_join';
	$self->push_message($self->{join_refs}{$topic}, $ref, $topic, $event, $payload // {});
	return $ref;
}

# Broadcast in the binary form (kind 3) and return the ref, a string.  The
# payload is JSON if it is a reference, or a text and $params{json} is true.
#
#	ref, join_ref	where they shall differ; '' = none
#	metadata		of the frame, none by default
sub cast
{
	my ($self, $topic, $event, $payload, %params) = @_;
	my $is_json = ref $payload || $params{json};
	my $ref = $params{ref} // '' . ++$self->{ref};
	my @fields = map { encode('UTF-8', $_) } $params{join_ref} // $self->{join_refs}{"realtime:$topic"} // '',
	  $ref, "realtime:$topic", $event, $params{metadata} // '';

	$self->send_frame(BINARY, pack('C*', 3, (map { length } @fields), $is_json ? 1 : 0)
		  . CORE::join('', @fields) . (ref $payload ? $json->encode($payload) : $payload));
	return $ref;
}

# The same in the text form; what is given is the whole payload of the message.
sub cast_text
{
	my ($self, $topic, $payload) = @_;
	return $self->push("realtime:$topic", 'broadcast', $payload);
}

# Take a frame's payload apart:
#	{join_ref, ref, topic, event, payload, meta, kind}
# kind is 'text' or the number of the binary kind; a close frame becomes
# {close, reason}.  Payloads of kind 4 are decoded if they are JSON.
sub decode_message
{
	my ($self, $frame) = @_;
	my $data = $frame->{payload};

	if ($frame->{opcode} == CLOSE)
	{
		return { close => length $data ? unpack('n', $data) : 1005,
			reason => length $data > 2 ? substr($data, 2) : '' };
	}
	if ($frame->{opcode} == BINARY)
	{
		my ($kind, $topic, $event, $meta, $encoding) = unpack('C5', $data);
		croak "binary message of kind $kind" unless $kind == 4;
		my $rest = substr($data, 5 + $topic + $event + $meta);
		return {
			kind    => 4,
			topic   => decode('UTF-8', substr($data, 5, $topic)),
			event   => decode('UTF-8', substr($data, 5 + $topic, $event)),
			meta    => $meta ? $json->decode(substr($data, 5 + $topic + $event, $meta)) : undef,
			payload => $encoding == 1 ? $json->decode($rest) : $rest,
			binary  => $encoding == 0,
		};
	}
	my $message = $json->decode($data);
	if (ref $message eq 'ARRAY')
	{
		my %message = (kind => 'text');
		@message{qw(join_ref ref topic event payload)} = @$message;
		return \%message;
	}
	return { kind => 'text', %$message };
}

# The next message, undef after $timeout.  Pings are answered on the way.  The
# end of the connection without a close frame is {close => 1006}.
sub next_message
{
	my ($self, $timeout) = @_;
	my $deadline = time() + ($timeout // $patience);

	return shift @{ $self->{queue} } if @{ $self->{queue} };
	while (1)
	{
		my $left = $deadline - time();
		my $frame = $self->next_frame($left > 0 ? $left : 0);
		if (!$frame)
		{
			return $self->{eof} ? { close => 1006, reason => '' } : undef;
		}
		if ($frame->{opcode} == PING)
		{
			$self->send_frame(PONG, $frame->{payload});
			next;
		}
		next if $frame->{opcode} == PONG;
		return $self->decode_message($frame);
	}
}

# The next message that $wanted->($message) is true for; others are kept for
# next_message() in their order.  undef when it does not come in time, or the
# connection ends first.
sub expect
{
	my ($self, $wanted, $timeout) = @_;
	my $deadline = time() + ($timeout // $patience);
	my @others;
	my $found;

	while (!$found)
	{
		my $left = $deadline - time();
		my $message = $self->next_message($left > 0 ? $left : 0) or last;
		if ($wanted->($message)) { $found = $message; }
		else
		{
			CORE::push @others, $message;
			last if exists $message->{close};
		}
	}
	unshift @{ $self->{queue} }, @others;
	return $found;
}

# The reply to the message with this ref.
sub reply
{
	my ($self, $ref, $timeout) = @_;
	return $self->expect(
		sub { ($_[0]{event} // '') eq 'phx_reply' && defined $_[0]{ref} && $_[0]{ref} eq $ref },
		$timeout);
}

# Ask to join realtime:<topic>; returns the ref.  %config goes into the
# payload's config, next to empty defaults; access_token goes beside it, and
# private and presence are 0 or 1.
sub start_join
{
	my ($self, $topic, %config) = @_;
	my %flag = (private => 0, presence => 0, map { $_ => delete $config{$_} }
		  grep { exists $config{$_} && !ref $config{$_} } qw(private presence));
	my @token = exists $config{access_token} ? (access_token => delete $config{access_token}) : ();

	return $self->push("realtime:$topic", 'phx_join', { config => {
		broadcast => { ack => JSON::PP::false, self => JSON::PP::false },
		presence => { key => '', enabled => $flag{presence} ? JSON::PP::true : JSON::PP::false },
		postgres_changes => [],
		private => $flag{private} ? JSON::PP::true : JSON::PP::false,
		%config }, @token });
}

# The same, and wait for the reply.
sub join
{
	my ($self, @join) = @_;
	return $self->reply($self->start_join(@join));
}

# The same, and return what came of it: 'ok', the reason of a refusal, or
# 'no reply'.
sub join_result
{
	my ($self, @join) = @_;
	my $reply = $self->join(@join) or return 'no reply';
	return $reply->{payload}{status} eq 'ok' ? 'ok' : $reply->{payload}{response}{reason};
}

# Give a joined topic another token.
sub access_token
{
	my ($self, $topic, $token) = @_;
	return $self->push("realtime:$topic", 'access_token', { access_token => $token });
}

# The next of these events of a topic, undef after $timeout.
sub event
{
	my ($self, $topic, $events, $timeout) = @_;
	return $self->expect(
		sub {
			my $event = $_[0]{event} // return 0;
			return $_[0]{topic} eq "realtime:$topic" && grep { $_ eq $event } @$events;
		},
		$timeout);
}

# Forget what has come of these events of a topic and was not asked for yet.
sub drop_events
{
	my ($self, $topic, @events) = @_;

	@{ $self->{queue} } = grep {
		my $message = $_;
		!(($message->{topic} // '') eq "realtime:$topic"
			&& grep { $_ eq $message->{event} } @events);
	} @{ $self->{queue} };
	return;
}

# Why the server ends a channel: the message of its system event, which
# phx_close with the join's own ref must follow; undef if neither comes.  As in
# every client, a phx_close of a former join is nothing.
sub channel_end
{
	my ($self, $topic, $timeout) = @_;
	my $join_ref = $self->{join_refs}{"realtime:$topic"};
	my $is_close = sub {
		my ($message) = @_;
		return ($message->{event} // '') eq 'phx_close'
		  && $message->{topic} eq "realtime:$topic" && $message->{ref} eq $join_ref;
	};
	my $system = $self->expect(
		sub { $is_close->($_[0]) || ($_[0]{event} // '') eq 'system' && $_[0]{topic} eq "realtime:$topic" },
		$timeout) or return undef;
	return 'closed without a word' if $system->{event} eq 'phx_close';

	my %payload = %{ $system->{payload} };
	my $message = delete $payload{message};
	return 'odd payload: ' . $json->encode($system->{payload})
	  unless $json->encode(\%payload) eq $json->encode(
		{ extension => 'system', status => 'error', channel => $topic });
	return $self->expect($is_close, 5) ? $message : "not closed: $message";
}

sub leave
{
	my ($self, $topic) = @_;
	return $self->reply($self->push("realtime:$topic", 'phx_leave'));
}

sub heartbeat
{
	my ($self, $timeout) = @_;
	return $self->reply($self->push('phoenix', 'heartbeat'), $timeout);
}

# The next broadcast, whichever form it has, as {topic, event, payload, meta};
# a close as {close, reason}; undef after $timeout.
sub broadcast
{
	my ($self, $timeout) = @_;
	my $message = $self->expect(sub {
			exists $_[0]{close} || $_[0]{kind} eq '4' || $_[0]{event} eq 'broadcast' }, $timeout)
	  or return undef;

	return $message if exists $message->{close} || $message->{kind} eq '4';
	return { topic => $message->{topic}, map { $_ => $message->{payload}{$_} } qw(event payload meta) };
}

# The next $count broadcasts; fewer if $timeout passes first.
sub broadcasts
{
	my ($self, $count, $timeout) = @_;
	my $deadline = time() + ($timeout // $patience);
	my @got;

	while (@got < $count)
	{
		my $left = $deadline - time();
		my $message = $self->broadcast($left > 0 ? $left : 0);
		last if !$message || exists $message->{close};
		CORE::push @got, $message;
	}
	return @got;
}

# For very many messages: read binary messages until $handle->($payload) is
# false; only the raw payload is taken out.  False when nothing came for
# $timeout seconds or the connection ended.
sub each_payload
{
	my ($self, $handle, $timeout) = @_;

	while (1)
	{
		while (my $frame = $self->take_frame)
		{
			next unless $frame->{opcode} == BINARY;
			my (undef, $topic, $event, $meta) = unpack('C4', $frame->{payload});
			return 1 unless $handle->(substr($frame->{payload}, 5 + $topic + $event + $meta));
		}
		return 0 unless $self->read_more($timeout // $patience);
	}
}

# The close code the server ends this connection with (1006 = none), reading
# and dropping whatever comes before; undef if it stays open.
sub close_code
{
	my ($self, $timeout) = @_;
	my $message = $self->expect(sub { exists $_[0]{close} }, $timeout);

	$self->{queue} = [];
	return $message ? $message->{close} : undef;
}

# Close in the orderly way and wait for the server's close frame.
sub close
{
	my ($self) = @_;
	$self->send_frame(CLOSE, pack('n', 1000));
	my $code = $self->close_code;
	$self->abandon;
	return $code;
}

# Drop the TCP connection without a word.
sub abandon
{
	my ($self) = @_;
	CORE::close($self->{socket}) if $self->{socket};
	$self->{eof} = 1;
	return;
}

1;
