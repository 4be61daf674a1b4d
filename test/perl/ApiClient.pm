#-------------------------------------------------------------------------
#
# ApiClient.pm
#	  Requests to /api/realtime, one connection each.
#
#-------------------------------------------------------------------------
package ApiClient;

use strict;
use warnings;

use JSON::PP;
use RealtimeServer;

my $json = JSON::PP->new->utf8->canonical->allow_nonref;

# A client that shows these headers, as text, with each request.
sub new
{
	my ($class, $server, $headers) = @_;
	return bless { server => $server, headers => $headers // '' }, $class;
}

# One with an API key.
sub with_key { my ($class, $server, $key) = @_; return $class->new($server, "X-API-Key: $key\r\n"); }

# One with a token.
sub with_token { my ($class, $server, $token) = @_; return $class->new($server, "Authorization: Bearer $token\r\n"); }

# Send a request: [status, head, body].  A body that is a reference is sent as
# JSON.
#
#	headers		more of them, as text
#	timeout		in seconds
sub raw
{
	my ($self, $method, $path, $body, %params) = @_;
	my $client = $self->{server}->client(upgrade => 0);

	$body = $json->encode($body) if ref $body;
	my $answer = $client->http("$method $path HTTP/1.1\r\nHost: localhost\r\n$self->{headers}" . ($params{headers} // '')
		  . (defined $body ? "Content-Type: application/json\r\nContent-Length: " . length($body) . "\r\n" : '')
		  . "\r\n" . ($body // ''), $params{timeout} // 30) // [ 'none', '', '' ];
	$client->abandon;
	return $answer;
}

# The same below /api/realtime: [status, decoded body].
sub ask
{
	my ($self, $method, $path, @rest) = @_;
	my $answer = $self->raw($method, "/api/realtime/$path", @rest);
	return [ $answer->[0], $answer->[2] eq '' ? undef : $json->decode($answer->[2]) ];
}

# Body of an error.
sub error
{
	my ($status, $code, $message, %more) = @_;
	return [ $status, { error => $code, message => $message, statusCode => $status, %more } ];
}

1;
