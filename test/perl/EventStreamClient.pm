#-------------------------------------------------------------------------
#
# EventStreamClient.pm
#	  A client of server-sent events that a test can make misbehave.
#
# The bytes are those of a WebSocketClient without upgrade.  Blocks are taken
# apart as the HTML standard says (9.2.6), and `last_event_id` is what an
# EventSource would come back with.
#
#-------------------------------------------------------------------------
package EventStreamClient;

use strict;
use warnings;

use JSON::PP;
use Time::HiRes qw(time);
use WebSocketClient;

my $json = JSON::PP->new->utf8->allow_nonref;

# Send a request to the events of a RealtimeServer.
#
#	topics				list of names, ['room'] by default
#	token				in the query, the anonymous one by default; undef = none
#	query				more of it, with & in front
#	last_event_id		as header
#	headers				more of them, as text
#	method				GET by default
#	receive_buffer		as of WebSocketClient
sub connect
{
	my ($class, $server, %params) = @_;
	my $token = exists $params{token} ? $params{token} : $server->anon_token;
	my @topics = @{ $params{topics} // ['room'] };
	my $query = join '&', (map { "topic=" . escape($_) } @topics),
	  defined $token ? "apikey=$token" : ();
	my $self = bless {
		socket => $server->client(upgrade => 0,
			$params{receive_buffer} ? (receive_buffer => $params{receive_buffer}) : ()),
		last_event_id => $params{last_event_id} // '',
		kept => [],
	}, $class;

	$self->{socket}->send_raw(($params{method} // 'GET') . " /realtime/v1/events?$query"
		  . ($params{query} // '') . " HTTP/1.1\r\nHost: localhost\r\n"
		  . (defined $params{last_event_id} ? "Last-Event-ID: $params{last_event_id}\r\n" : '')
		  . ($params{headers} // '') . "\r\n");
	return $self;
}

# Percent-encode all that is not a letter or digit.
sub escape
{
	my ($text) = @_;
	utf8::encode($text) if utf8::is_utf8($text);
	$text =~ s/([^A-Za-z0-9])/sprintf '%%%02X', ord $1/ge;
	return $text;
}

# Read until a pattern is there, take all up to its end and return that; undef
# if that does not come in time.
sub take
{
	my ($self, $pattern, $timeout) = @_;
	my $deadline = time() + ($timeout // $WebSocketClient::patience);

	while (1)
	{
		return substr $self->{socket}{in}, 0, $+[0], '' if $self->{socket}{in} =~ /$pattern/;
		my $left = $deadline - time();
		return undef if $left <= 0 || $self->{socket}{eof};
		$self->{socket}->read_more($left);
	}
}

# The status of the answer; its head is in {head}, and in {body} the JSON of one
# that is not a stream.
sub status
{
	my ($self, $timeout) = @_;

	return $self->{status} if $self->{status};
	my $head = $self->take(qr/\r\n\r\n/, $timeout) // return 'none';
	$self->{head} = $head;
	($self->{status}) = $head =~ m{^HTTP/1\.1 (\d+) };
	if ($head =~ /^Content-Length: (\d+)/mi && $1 > 0)
	{
		my $body = $self->take(qr/^.{$1}/s) // '';
		$self->{body} = $json->decode($body);
	}
	return $self->{status};
}

# The next block, as {event, id, data, comment, retry}; data is decoded.  undef
# if there is none in time.
sub block
{
	my ($self, $timeout) = @_;
	return undef if $self->status($timeout) ne '200';
	my $text = $self->take(qr/\n\n/, $timeout) // return undef;
	my %block;

	for (split /\r\n|\n|\r/, $text)
	{
		my ($field, $value) = /^([^:]*)(?:: ?(.*))?$/;
		$field = 'comment' if $field eq '';
		$block{$field} = join "\n", grep { defined } $block{$field}, $value // '';
	}
	$self->{last_event_id} = $block{id} if defined $block{id};
	$block{data} = $json->decode($block{data}) if defined $block{data};
	return \%block;
}

# The next $n messages, or as many as come in time; what else comes is in {kept}.
sub messages
{
	my ($self, $n, $timeout) = @_;
	my @messages;

	while (@messages < $n)
	{
		my $block = $self->block($timeout) // last;
		if (!defined $block->{event} && defined $block->{data})
		{
			push @messages, $block;
			next;
		}
		push @{ $self->{kept} }, $block;
	}
	return @messages;
}

# The data of the next event of a name, whatever comes before; undef if it does
# not come in time.
sub event
{
	my ($self, $name, $timeout) = @_;

	while (my $block = $self->block($timeout))
	{
		return $block->{data} if ($block->{event} // '') eq $name;
		push @{ $self->{kept} }, $block;
	}
	return undef;
}

# Has the server ended the connection, and everything been read?
sub wait_eof { return $_[0]{socket}->wait_eof($_[1]); }

# Go away without a word.
sub abandon { return $_[0]{socket}->abandon; }

1;
