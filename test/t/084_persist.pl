# Broadcasts of clients that are stored on their way (supabase.md 4.8): by
# WebSocket and by HTTP, over one gateway and over two.

use strict;
use warnings;

use JSON::PP;
use RealtimeServer;
use Test::More;

my $policies = <<'SQL';
SELECT realtime.setup_api_roles();
CREATE POLICY read ON realtime.messages FOR SELECT TO authenticated USING (true);
CREATE POLICY write ON realtime.messages FOR INSERT TO authenticated
	WITH CHECK (extension = 'broadcast' OR (extension = 'persistence' AND realtime.topic() <> 'fleeting'));
SQL

# A response to a POST: (status, body).
sub post
{
	my ($server, $path, $body, @headers) = @_;
	my $client = $server->client(upgrade => 0);
	my $length = length $body;
	my $response = $client->http(join("\r\n", "POST $path HTTP/1.1", 'Host: localhost', @headers, "Content-Length: $length", '', $body));

	$client->abandon;
	return @$response[ 0, 2 ];
}

for my $gateways (1, 2)
{
	my $server = RealtimeServer->start_new("persist$gateways", conf => "realtime.gateways = $gateways\n");
	my %member = (private => 1, access_token => $server->token(role => 'authenticated', sub => 'ann'));
	my $stored = sub { $server->sql("SELECT count(*) FROM realtime.messages WHERE topic = '$_[0]'") };

	$server->sql($policies);
	my %config = (%member, broadcast => { ack => JSON::PP::true, self => JSON::PP::false });
	my $sender = $server->client;
	my $start = $sender->join('room', %config)->{payload}{response}{cursor};
	# listeners on all gateways
	my @listeners = map { my $client = $server->client; $client->join('room', %member); $client } 1 .. 6;
	my $old = $server->client(vsn => '1.0.0');
	$old->join('room', %member);

	# stored, acknowledged with its id, and heard as any stored message
	my $ref = $sender->cast('room', 'e', { n => 1 }, metadata => '{"persist":true}');
	my $reply = $sender->reply($ref);
	my $id = $reply->{payload}{response}{id};
	is($reply->{payload}{status}, 'ok', "$gateways gateways: stored");
	is($server->sql("SELECT topic, extension, payload, event, private, skip_broadcast, expires_at IS NULL FROM realtime.messages WHERE id = '$id'"),
		'room|broadcast|{"n": 1}|e|t|f|t', 'as a row');
	my @heard = map { $_->broadcast } @listeners, $old;
	is(scalar(grep { $_->{payload}{n} == 1 && $_->{meta}{id} eq $id && $_->{meta}{cursor} } @heard), 7, 'everybody hears it, with id and cursor');
	is($sender->broadcast(0.2), undef, 'but for its sender');
	my ($back) = $server->client;
	$back->join('room', %member, broadcast => { resume => $start });
	is_deeply($back->broadcast->{payload}, { n => 1 }, 'who was away has it later');

	# in the order of the sender, with others that are not stored
	my @kinds = map { $_ % 3 } 1 .. 60;
	$sender->cast('room', 'e', { n => $_ + 1 }, metadata => $kinds[ $_ - 1 ] ? '' : '{"persist":{"ttl":60}}') for 1 .. 60;
	for my $listener (@listeners, $old)
	{
		is_deeply([ map { $_->{payload}{n} } $listener->broadcasts(60) ], [ 2 .. 61 ], 'sixty more, in order');
		is($listener->broadcast(0.05), undef, 'once');
	}
	is($stored->('room'), 21, 'a third of them are stored');
	is($server->sql(q{SELECT count(*) FROM realtime.messages WHERE expires_at BETWEEN now() AND now() + interval '60 s'}), 20, 'for a minute');
	ok(wait_for(sub { $server->stat('stored') == 21 }, 'them to be counted'), 'and counted');

	# bytes, and a sender that wants to hear itself
	my $echo = $server->client;
	$echo->join('bytes', %member, broadcast => { self => JSON::PP::true });
	$echo->cast('bytes', 'e', "\x00\xff", metadata => '{"persist":true}');
	is($echo->broadcast->{payload}, "\x00\xff", 'bytes, to oneself');
	is($server->sql(q{SELECT encode(binary_payload, 'hex') FROM realtime.messages WHERE topic = 'bytes'}), '00ff', 'are stored as they are');

	# without the right it is delivered all the same
	$sender->join('fleeting', %config);
	my $listener = $server->client;
	$listener->join('fleeting', %member);
	$ref = $sender->cast('fleeting', 'e', { n => 1 }, metadata => '{"persist":true}');
	is_deeply($sender->reply($ref)->{payload}, { status => 'ok', response => {} }, 'not stored, but acknowledged');
	my $message = $listener->broadcast;
	is_deeply([ $message->{payload}{n}, $message->{meta} ], [ 1, undef ], 'and heard');
	is($stored->('fleeting'), 0, 'there is no row');

	# what is refused
	for my $metadata ('{"persist":{"ttl":0}}', '{"persist":{"ttl":259201}}', '{"persist":{"ttl":1.5}}', '{"persist":{"ttl":"60"}}', '{"persist":{}}', '{"persist":[]}', '{"persist":7}')
	{
		$ref = $sender->cast('room', 'e', { n => 1 }, metadata => $metadata);
		is_deeply($sender->reply($ref)->{payload}, { status => 'error', response => { error => 'invalid_persist_ttl' } }, $metadata);
	}
	$sender->join('public', broadcast => { ack => JSON::PP::true });
	$ref = $sender->cast('public', 'e', { n => 1 }, metadata => '{"persist":true}');
	is($sender->reply($ref)->{payload}{response}{error}, 'persist_on_public_channel', 'public channels store nothing');
	$ref = $sender->cast('room', 'e', { n => 'false' }, metadata => '{"persist":false}');
	is_deeply($sender->reply($ref)->{payload}{response}, {}, 'persist: false');

	# the database does not answer in time: the client is told, and goes on
	my $lock = $server->node->background_psql('postgres');
	$lock->query_safe('BEGIN; LOCK realtime.messages IN SHARE MODE');
	$ref = $sender->cast('room', 'e', { n => 100 }, metadata => '{"persist":true}');
	my $next = $sender->cast('room', 'e', { n => 101 });
	is($sender->reply($ref)->{payload}{response}{error}, 'query_canceled', 'it could not be stored');
	is($sender->reply($next)->{payload}{status}, 'ok', 'what came behind it goes out');
	$lock->query_safe('ROLLBACK');
	$_->drop_events('room', 'broadcast') for @listeners;

	# by HTTP
	my $auth = 'Authorization: Bearer ' . $member{access_token};
	my @json = ($auth, 'Content-Type: application/json');
	my $base = '/realtime/v1/api/broadcast';
	my $http = $server->client;
	$http->join('http', %member);
	is_deeply([ post($server, "$base/http/events/e?private=true&persist=true", '{"n":1}', @json) ], [ 202, '' ], 'by HTTP');
	$message = $http->broadcast;
	ok($message->{payload}{n} == 1 && $message->{meta}{cursor}, 'it is heard as a stored message');
	is_deeply([ post($server, "$base/http/events/e?private=true&persist%5Bttl%5D=60", '{"n":2}', @json) ], [ 202, '' ], 'with a time to live');
	is($server->sql(q{SELECT count(*), count(expires_at) FROM realtime.messages WHERE topic = 'http'}), '2|1', 'both are stored');
	for my $ttl ('0', '259201', 'x', '')
	{
		is_deeply([ post($server, "$base/http/events/e?private=true&persist%5Bttl%5D=$ttl", '{}', @json) ],
			[ 422, '{"errors":{"persist":["ttl must be between 1 and 259200 seconds"]}}' ], "ttl '$ttl'");
	}
	is_deeply([ post($server, "$base/http/events/e?persist=true", '{}', @json) ],
		[ 422, '{"errors":{"persist":["can only be used on private channels"]}}' ], 'not on a public channel');
	my $quiet = $server->client;
	$quiet->join('fleeting', %member);
	is_deeply([ post($server, "$base/fleeting/events/e?private=true&persist=true", '{"n":3}', @json) ], [ 202, '' ], 'without the right');
	is($quiet->broadcast->{payload}{n}, 3, 'it is delivered');
	is($stored->('fleeting'), 0, 'but not stored');

	# a sender that goes while its messages are being stored
	$sender->cast('room', 'e', { n => 200 + $_ }, metadata => '{"persist":true}') for 1 .. 5;
	$sender->abandon;
	wait_for(sub { $stored->('room') >= 22 }, 'the first of them to be stored');
	$server->publish('room', 1);
	$server->cluster_alive("$gateways gateways");
	$_->abandon for @listeners, $old, $back, $echo, $http, $quiet, $listener;
	$server->node->stop;
}

done_testing();
