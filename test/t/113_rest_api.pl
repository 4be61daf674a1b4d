# /api/realtime (insforge-oaura.md 3): statuses, bodies and the texts of all
# faults, endpoint by endpoint; browsers; what is published arrives.

use strict;
use warnings;

use ApiClient;
use JSON::PP;
use RealtimeServer;
use Test::More;

my $server = RealtimeServer->start_new('rest_api', conf => "realtime.max_message_size = 64kB\n");
my $json = JSON::PP->new->utf8->canonical->allow_nonref;

$server->sql(<<'SQL');
SELECT realtime.setup_api_roles();
CREATE POLICY members ON realtime.messages FOR INSERT TO authenticated
	WITH CHECK (channel_name LIKE 'chat:%' AND event_name <> 'forbidden');
SQL
my $key = $server->sql(q{SELECT realtime.create_api_key('test')});
my $admin = ApiClient->with_key($server, $key);
my $time = qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
my $uuid = qr/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
my $nobody = '00000000-0000-0000-0000-000000000000';
my ($true, $false) = (JSON::PP::true, JSON::PP::false);

sub error { return ApiClient::error(@_); }
sub bad { return error(400, 'INVALID_INPUT', @_); }
sub bad_channel { return error(400, 'REALTIME_INVALID_CHANNEL_REQUEST', @_); }

# A string of JSON as the answer has to be, times and ids aside.
sub masked
{
	my ($answer) = @_;
	my $text = $json->encode($answer);

	$text =~ s/"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"/"TIME"/g;
	$text =~ s/"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"/"UUID"/g;
	return $text;
}
sub answers
{
	my ($request, $expected, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is($json->encode($admin->ask(@$request)), $json->encode($expected), $name // "$request->[0] $request->[1]: $expected->[0]");
}

#
# Channels
#
my %defaults = (description => undef, webhookUrls => undef, webhookFormat => 'envelope', webhookOrdered => $false,
	webhookSigned => $false, enabled => $true, persist => $true, isPublic => $true, ownerId => undef);

# A channel as it is answered, its times and id masked.
sub channel { return { %defaults, id => 'UUID', createdAt => 'TIME', updatedAt => 'TIME', @_ }; }

answers([ 'GET', 'channels' ], [ 200, [] ], 'no channels at first');
my $created = $admin->ask('POST', 'channels', {
	pattern => 'chat:*', description => 'Chat room messages', webhookUrls => ['https://example.com/webhook'], enabled => $true });
is(masked($created), $json->encode([ 201, channel(pattern => 'chat:*', description => 'Chat room messages',
	webhookUrls => ['https://example.com/webhook']) ]), 'the example of the documentation');
like($created->[1]{createdAt}, $time, 'times are those of JavaScript');
like($created->[1]{id}, $uuid, 'ids are uuids');
my $id = $created->[1]{id};

for ('orders', 'chat:%', 'user:%:notifications', 'chat:room-%', 'a::b', 'a:%%', 'user:*:notifications', 'global', 'A-1:*', 'a:b:')
{
	is(masked($admin->ask('POST', 'channels', { pattern => $_ })), $json->encode([ 201, channel(pattern => $_) ]), "pattern $_");
}
is(masked($admin->ask('POST', 'channels', { pattern => 'all:members', webhookUrls => [], enabled => $false, webhookFormat => 'raw',
	webhookSecret => 'whsec_x', webhookOrdered => $true, persist => $false, isPublic => $false, ownerId => $nobody, unknown => [1] })),
	$json->encode([ 201, channel(pattern => 'all:members', webhookUrls => [], enabled => $false, webhookFormat => 'raw', webhookSigned => $true,
		webhookOrdered => $true, persist => $false, isPublic => $false, ownerId => 'UUID') ]), 'all members');

my $bad_pattern = error(400, 'REALTIME_INVALID_CHANNEL_PATTERN',
	'Invalid channel pattern. Use alphanumeric characters, colons, hyphens, and % for wildcards.');
for ('%', 'a%', 'chat_1', 'a.b', 'a:', ':a', '*', 'a*', 'a b', "a\nb", 'ä', 'a' . ':' x 50 . '!')
{
	my $pattern = $_;
	utf8::decode($pattern);
	answers([ 'POST', 'channels', { pattern => $pattern } ], $bad_pattern, 'bad pattern ' . $json->encode($pattern));
	answers([ 'PUT', "channels/$id", { pattern => $pattern } ], $bad_pattern, '... of an update');
}

# faults: [body, message of POST, message of PUT where it is another or 0 where it is none]
for (
	[ {}, 'pattern: Required', 0 ],
	[ undef, 'pattern: Required', 0 ],
	[ { pattern => '' }, 'pattern: Channel pattern is required', 'pattern: String must contain at least 1 character(s)' ],
	[ { pattern => undef }, 'pattern: Expected string, received null' ],
	[ { pattern => 7 }, 'pattern: Expected string, received number' ],
	[ { pattern => 'x' x 256 }, 'pattern: String must contain at most 255 character(s)' ],
	[ { pattern => 'x', description => undef }, 'description: Expected string, received null' ],
	[ { pattern => 'x', description => $true }, 'description: Expected string, received boolean' ],
	[ { pattern => 'x', webhookUrls => undef }, 'webhookUrls: Expected array, received null' ],
	[ { pattern => 'x', webhookUrls => 'https://example.com' }, 'webhookUrls: Expected array, received string' ],
	[ { pattern => 'x', webhookUrls => ['x'] }, 'webhookUrls.0: Invalid url' ],
	[ { pattern => 'x', webhookUrls => [ 'https://example.com', 7, '' ] },
		'webhookUrls.1: Expected string, received number, webhookUrls.2: Invalid url' ],
	(map { [ { pattern => 'x', webhookUrls => [$_] }, 'webhookUrls.0: Invalid url' ] }
		  'ftp://example.com', 'javascript:alert(1)', 'http://', 'https:///x', 'http://a b', 'http://example.com:port', '//example.com', ' http://example.com'),
	[ { pattern => 'x', enabled => 'true' }, 'enabled: Expected boolean, received string' ],
	[ { pattern => 'x', enabled => undef }, 'enabled: Expected boolean, received null' ],
	[ { pattern => 'x', enabled => 1 }, 'enabled: Expected boolean, received number' ],
	[ { pattern => 'x', webhookFormat => 'xml' }, "webhookFormat: Invalid enum value. Expected 'envelope' | 'raw', received 'xml'" ],
	[ { pattern => 'x', webhookFormat => undef }, "webhookFormat: Expected 'envelope' | 'raw', received null" ],
	[ { pattern => 'x', webhookSecret => '' }, 'webhookSecret: String must contain at least 1 character(s)' ],
	[ { pattern => 'x', ownerId => 'x' }, 'ownerId: Invalid uuid' ],
	(map { [ { pattern => 'x', $_ => 'x' }, "$_: Expected boolean, received string" ] } qw(webhookOrdered persist isPublic)),
	[ { description => 1, enabled => 2 },
		'pattern: Required, description: Expected string, received number, enabled: Expected boolean, received number',
		'description: Expected string, received number, enabled: Expected boolean, received number' ],
	[ [], 'body: Expected object, received array' ],
	[ '"x"', 'body: Expected object, received string' ])
{
	my ($body, $on_create, $on_update) = @$_;
	my $name = ref $body ? $json->encode($body) : $body // 'no body';

	answers([ 'POST', 'channels', $body ], bad_channel($on_create), "POST $name");
	next if defined $on_update && $on_update eq '0';
	answers([ 'PUT', "channels/$id", $body ], bad_channel($on_update // $on_create), "PUT $name");
}
for my $url ('http://localhost:3000/x?y=z#f', 'https://user:pass@example.com', 'HTTPS://EXAMPLE.COM/', 'http://[::1]:80/', 'http://127.0.0.1')
{
	is($admin->ask('PUT', "channels/$id", { webhookUrls => [$url] })->[0], 200, "URL $url");
}

my $duplicate = error(409, 'DATABASE_DUPLICATE', 'A channel with this pattern already exists');
answers([ 'POST', 'channels', { pattern => 'chat:*' } ], $duplicate);
answers([ 'PUT', "channels/$id", { pattern => 'orders' } ], $duplicate);

my $not_json = error(400, 'INVALID_INPUT', 'The body is not valid JSON',
	nextActions => 'Check the syntax of the JSON in the request body, then send it again');
for ([ 'POST', 'channels' ], [ 'PUT', "channels/$id" ], [ 'PATCH', 'config' ], [ 'POST', 'publish' ])
{
	answers([ @$_, '{"pattern":' ], $not_json);
	answers([ @$_, "{\"pattern\":\"\xff\"}" ], $not_json, 'not UTF-8 either');
}

my $channel = channel(pattern => 'chat:*', description => 'Chat room messages', webhookUrls => ['http://127.0.0.1']);
is(masked($admin->ask('GET', "channels/$id")), $json->encode([ 200, $channel ]), 'GET one');
is(masked($admin->ask('GET', 'channels/' . uc $id)), $json->encode([ 200, $channel ]), '... by an id in capitals');
is(masked($admin->ask('GET', 'channels/%' . sprintf('%02x', ord $id) . substr($id, 1))), $json->encode([ 200, $channel ]), '... that is encoded');
my $before = $admin->ask('GET', "channels/$id")->[1];
is(masked($admin->ask('PUT', "channels/$id", {})), $json->encode([ 200, $channel ]), 'PUT of nothing changes nothing');
is(masked($admin->ask('PUT', "channels/$id", { description => '', webhookUrls => [], enabled => $false, webhookSecret => 's', ownerId => $nobody })),
	$json->encode([ 200, channel(pattern => 'chat:*', description => '', webhookUrls => [], enabled => $false, webhookSigned => $true, ownerId => 'UUID') ]),
	'PUT of some');
is(masked($admin->ask('PUT', "channels/$id", { enabled => $true, webhookSecret => undef, ownerId => undef })),
	$json->encode([ 200, channel(pattern => 'chat:*', description => '', webhookUrls => []) ]), 'null takes secret and owner away');
my $after = $admin->ask('GET', "channels/$id")->[1];
is($after->{createdAt}, $before->{createdAt}, 'createdAt stays');
cmp_ok($after->{updatedAt}, 'gt', $before->{updatedAt}, 'updatedAt does not');

my $gone = error(404, 'REALTIME_CHANNEL_NOT_FOUND', 'Channel not found');
for my $none ($nobody, 'x', '550e8400', '%F0%9F%98%80')
{
	answers([ $_, "channels/$none", $_ eq 'PUT' ? {} : () ], $gone) for qw(GET PUT DELETE);
	answers([ 'POST', "channels/$none/webhooks/test" ], $gone);
}
answers([ 'GET', 'channels/%ff' ], bad('The URL is not percent-encoded UTF-8'));
answers([ 'GET', 'channels/%2' ], bad('The URL is not percent-encoded UTF-8'));

my $list = $admin->ask('GET', 'channels');
is($list->[0], 200, 'GET all');
is_deeply([ map { $_->{createdAt} } @{ $list->[1] } ], [ sort { $b cmp $a } map { $_->{createdAt} } @{ $list->[1] } ], 'newest first');
is($list->[1][-1]{id}, $id, 'the first one last');

# a test of webhooks, to where nobody listens
answers([ 'POST', "channels/$id/webhooks/test" ], [ 202, { deliveries => 0 } ], 'no webhooks, no deliveries');
$admin->ask('PUT', "channels/$id", { webhookUrls => [ 'http://127.0.0.1:9/a', 'http://127.0.0.1:9/b' ] });
answers([ 'POST', "channels/$id/webhooks/test" ], [ 202, { deliveries => 2 } ], 'one for each URL');
is($server->sql(q{SELECT count(*) FROM (SELECT url FROM realtime.webhook_deliveries UNION ALL SELECT url FROM realtime.webhook_dead_letters) d}), 2, 'which are on their way');
$admin->ask('PUT', "channels/$id", { webhookUrls => [] });

#
# Messages
#
my $published = $admin->ask('POST', 'publish', { channel => 'chat:room1', event => 'message.new', payload => { text => 'Hello!', n => 1 } });
is(masked($published), $json->encode([ 201, { messageId => 'UUID' } ]), 'an administrator publishes');
is(masked($admin->ask('GET', 'messages')), $json->encode([ 200, [ {
	id => 'UUID', eventName => 'message.new', channelId => 'UUID', channelName => 'chat:room1', type => 'message',
	payload => { text => 'Hello!', n => 1 }, senderType => 'system', senderId => undef,
	wsAudienceCount => 0, whAudienceCount => 0, whDeliveredCount => 0, createdAt => 'TIME' } ] ]), 'and it can be read');
is($admin->ask('GET', 'messages')->[1][0]{id}, $published->[1]{messageId}, 'under the id that it was given');
$admin->ask('POST', 'publish', { channel => 'orders', event => 'e', payload => { n => 2 } });

for (
	[ '', 2 ], [ '?limit=1', 1 ], [ '?limit=1000', 2 ], [ '?offset=1', 1 ], [ '?offset=2', 0 ], [ '?limit=1e2&offset=%201', 1 ],
	[ '?eventName=message.new', 1 ], [ '?eventName=message%2Enew', 1 ], [ '?eventName=none', 0 ], [ '?eventName=', 0 ],
	[ "?channelId=$id", 1 ], [ '?channelId=' . uc $id, 1 ], [ "?channelId=$nobody", 0 ], [ "?channelId=$id&eventName=e", 0 ],
	[ "?before=$published->[1]{messageId}", 0 ], [ "?after=$published->[1]{messageId}", 1 ], [ '?unknown=1', 2 ])
{
	my ($query, $rows) = @$_;
	my $answer = $admin->ask('GET', "messages$query");
	is_deeply([ $answer->[0], ref $answer->[1] eq 'ARRAY' && scalar @{ $answer->[1] } ], [ 200, $rows ], "messages$query: $rows");
}
for (
	[ 'channelId=550e8400', 'channelId: Invalid uuid' ], [ 'channelId=', 'channelId: Invalid uuid' ],
	[ 'limit=0', 'limit: Number must be greater than or equal to 1' ], [ 'limit=', 'limit: Number must be greater than or equal to 1' ],
	[ 'limit=-1', 'limit: Number must be greater than or equal to 1' ],
	[ 'limit=1001', 'limit: Number must be less than or equal to 1000' ],
	[ 'limit=x', 'limit: Expected number, received nan' ],
	[ 'limit=1.5', 'limit: Expected integer, received float' ],
	[ 'limit=0.5', 'limit: Expected integer, received float, limit: Number must be greater than or equal to 1' ],
	[ 'offset=-1', 'offset: Number must be greater than or equal to 0' ], [ 'offset=x', 'offset: Expected number, received nan' ],
	[ 'limit=x&offset=-1&channelId=1', 'channelId: Invalid uuid, limit: Expected number, received nan, offset: Number must be greater than or equal to 0' ],
	[ 'before=x', 'before: Invalid uuid' ], [ 'after=x', 'after: Invalid uuid' ],
	[ "before=$nobody", 'before: Message not found' ], [ "after=$nobody", 'after: Message not found' ],
	[ 'limit=%zz', 'The URL is not percent-encoded UTF-8' ])
{
	answers([ 'GET', "messages?$_->[0]" ], bad($_->[1]));
}

my %stats = (totalMessages => 2, whDeliveryRate => 0, retentionDays => undef);
my $stats = $admin->ask('GET', 'messages/stats');
is($json->encode([ $stats->[0], { %{ $stats->[1] }, topEvents => [] } ]), $json->encode([ 200, { %stats, topEvents => [] } ]), 'stats');
is($admin->ask('GET', "messages/stats?$_")->[0], 200, "stats?$_")
  for "channelId=$id", 'since=2024-01-15T10:30:00Z', 'since=2024-01-15', 'since=2024', 'since=2024-01-15T10:30:00.000%2B02:00', 'since=2024-01-15T10:30:00+02:00';
for (
	[ 'channelId=550e8400', 'channelId: Invalid uuid' ],
	(map { [ "since=$_", 'since: Invalid date' ] } '', 'x', '1700000000000', '2024-13-01', '2024-02-30', '2024-01-15T25:00:00Z', 'now', 'infinity'))
{
	answers([ 'GET', "messages/stats?$_->[0]" ], bad($_->[1]));
}

# a message outlives its channel
my $orders = (grep { $_->{pattern} eq 'orders' } @{ $list->[1] })[0];
answers([ 'DELETE', "channels/$orders->{id}" ], [ 200, { message => 'Channel deleted' } ]);
answers([ 'DELETE', "channels/$orders->{id}" ], $gone);
is($json->encode([ map { [ @$_{qw(channelId channelName)} ] } @{ $admin->ask('GET', 'messages?limit=1')->[1] } ]),
	$json->encode([ [ undef, 'orders' ] ]), 'a message outlives its channel');

$server->sql(q{SELECT realtime.send('{"n": 1}'::jsonb, 'e', 'no channel', false)});
answers([ 'DELETE', 'messages' ], [ 200, { deleted => 2 } ]);
answers([ 'GET', 'messages' ], [ 200, [] ]);
answers([ 'DELETE', 'messages' ], [ 200, { deleted => 0 } ]);
is($server->sql('SELECT count(*) FROM realtime.messages'), 1, 'what was sent to a topic stays');

#
# Permissions and configuration
#
$server->sql(<<'SQL');
CREATE POLICY "own orders" ON realtime.channels FOR SELECT TO authenticated, anon USING (pattern = 'order:%');
CREATE POLICY project_admin_policy ON realtime.channels TO PUBLIC USING (true);
SQL
is($json->encode($admin->ask('GET', 'permissions')), $json->encode([ 200, {
	subscribe => { policies => [ { policyName => 'own orders', tableName => 'channels', command => 'SELECT', roles => [ 'anon', 'authenticated' ],
		using => "(pattern = 'order:%'::text)", withCheck => undef } ] },
	publish => { policies => [ { policyName => 'members', tableName => 'messages', command => 'INSERT', roles => ['authenticated'],
		using => undef, withCheck => "((channel_name ~~ 'chat:%'::text) AND (event_name <> 'forbidden'::text))" } ] } } ]), 'permissions');

answers([ 'GET', 'config' ], [ 200, { retentionDays => undef } ]);
for (30, 1, undef, 36500)
{
	answers([ 'PATCH', 'config', { retentionDays => $_ } ], [ 200, { message => 'Retention config updated successfully' } ]);
	answers([ 'GET', 'config' ], [ 200, { retentionDays => $_ } ]);
	is($admin->ask('GET', 'messages/stats')->[1]{retentionDays}, $_, 'and in the stats');
}
for (
	[ {}, 'retentionDays: Required' ], [ undef, 'retentionDays: Required' ],
	[ { retentionDays => 0 }, 'retentionDays: Number must be greater than 0' ],
	[ { retentionDays => -1 }, 'retentionDays: Number must be greater than 0' ],
	[ { retentionDays => 1.5 }, 'retentionDays: Expected integer, received float' ],
	[ { retentionDays => '7' }, 'retentionDays: Expected number, received string' ],
	[ { retentionDays => $true }, 'retentionDays: Expected number, received boolean' ],
	[ '{"retentionDays":1e99}', 'retentionDays: Number must be less than or equal to 36500' ],
	[ [], 'body: Expected object, received array' ])
{
	my $name = ref $_->[0] ? $json->encode($_->[0]) : $_->[0] // 'no body';
	answers([ 'PATCH', 'config', $_->[0] ], bad($_->[1]), "PATCH config $name");
}
answers([ 'GET', 'config' ], [ 200, { retentionDays => 36500 } ], 'which changes nothing');

#
# Publishing
#
for my $path (qw(publish messages broadcast))
{
	my $name = $path eq 'broadcast' ? 'topic' : 'channel';
	my $message = { $name => 'chat:1', event => 'e', payload => {} };

	is(masked($admin->ask('POST', $path, $message)), $json->encode([ 201, { messageId => 'UUID' } ]), "POST $path");
	answers([ 'POST', $path, { %$message, $name => 'nothing' } ], $gone, 'no such channel');
	for my $type (qw(broadcast message))
	{
		my $id = $admin->ask('POST', $path, { %$message, type => $type })->[1]{messageId};
		is($json->encode([ map { [ @$_{qw(id type)} ] } @{ $admin->ask('GET', 'messages?limit=1')->[1] } ]), $json->encode([ [ $id, $type ] ]), "type $type");
	}
	for (
		[ {}, 'channel: Required, event: Required, payload: Required' ],
		[ { %$message, $name => '' }, "$name: String must contain at least 1 character(s)" ],
		[ { %$message, $name => 7 }, "$name: Expected string, received number" ],
		[ { %$message, $name => 'x' x 247 }, "$name: String must contain at most 246 byte(s)" ],
		[ { %$message, event => undef }, 'event: Expected string, received null' ],
		[ { %$message, event => '' }, 'event: String must contain at least 1 character(s)' ],
		[ { %$message, event => 'x' x 256 }, 'event: String must contain at most 255 byte(s)' ],
		[ { %$message, payload => [] }, 'payload: Expected object, received array' ],
		[ { %$message, payload => 'x' }, 'payload: Expected object, received string' ],
		[ { %$message, type => 'x"' }, q{type: Invalid enum value. Expected 'message' | 'broadcast', received 'x"'} ],
		[ { %$message, type => 1 }, q{type: Expected 'message' | 'broadcast', received number} ],
		[ [], 'body: Expected object, received array' ])
	{
		answers([ 'POST', $path, $_->[0] ], bad($_->[1]), "POST $path " . substr($json->encode($_->[0]), 0, 60));
	}
	answers([ 'POST', $path, { %$message, event => $_ } ], error(400, 'REALTIME_INVALID_EVENT', 'This event name is reserved'), "event $_")
	  for qw(connect connect_error disconnect disconnecting newListener removeListener realtime:error presence:join phx_join);
	answers([ 'POST', $path, { %$message, payload => { x => 'x' x 65536 } } ], error(413, 'INVALID_INPUT', 'Payload size exceeds the limit'), 'a large payload');
}

# clients publish under policies
my $user = '11111111-1111-4111-8111-111111111111';
my $alice = ApiClient->with_token($server, $server->token(role => 'authenticated', sub => $user));
my $visitor = ApiClient->with_token($server, $server->anon_token);
my $anon_key = ApiClient->with_token($server, $server->sql('SELECT realtime.create_anon_key()'));
my $denied = error(403, 'REALTIME_UNAUTHORIZED', 'Not authorized to publish to this channel');
my $message = { channel => 'chat:1', event => 'said', payload => { n => 1 } };

is(masked($alice->ask('POST', 'publish', $message)), $json->encode([ 201, { messageId => 'UUID' } ]), 'a user publishes');
is($json->encode([ map { [ @$_{qw(eventName senderType senderId)} ] } @{ $admin->ask('GET', 'messages?limit=1')->[1] } ]),
	$json->encode([ [ 'said', 'user', $user ] ]), 'in his name');
is($json->encode($alice->ask('POST', 'publish', { %$message, event => 'forbidden' })), $json->encode($denied), 'not what his policies forbid');
is($json->encode($alice->ask('POST', 'publish', { %$message, channel => 'nothing' })), $json->encode($denied), 'nor where there is no channel');
is($json->encode($visitor->ask('POST', 'publish', $message)), $json->encode($denied), 'anon has no policy');
is($json->encode($anon_key->ask('POST', 'publish', $message)), $json->encode($denied), 'with a key neither');
$server->sql('CREATE POLICY visitors ON realtime.messages FOR INSERT TO anon WITH CHECK (true)');
is($_->ask('POST', 'publish', $message)->[0], 201, 'and with one it may') for $visitor, $anon_key;
is($admin->ask('GET', 'messages?limit=1')->[1][0]{senderId}, undef, 'as nobody');

#
# What there is not
#
for ([ 'GET', 'nothing' ], [ 'POST', 'channels/x/y' ], [ 'GET', 'channels//' ], [ 'GET', 'channels//x' ], [ 'GET', 'messages/x' ], [ 'GET', '%63hannels' ], [ 'GET', 'messages/stats/"' ])
{
	answers($_, error(404, 'NOT_FOUND', "Endpoint /api/realtime/$_->[1] not found"));
}
is($admin->ask('GET', 'channels/')->[0], 200, 'a slash at the end');
answers([ 'GET', 'nothing?secret=1' ], error(404, 'NOT_FOUND', 'Endpoint /api/realtime/nothing not found'));
for ([ 'PATCH', 'channels', 'GET, HEAD, POST, OPTIONS' ], [ 'POST', "channels/$id", 'GET, HEAD, PUT, DELETE, OPTIONS' ], [ 'PUT', 'config', 'GET, HEAD, PATCH, OPTIONS' ])
{
	my ($method, $path, $allow) = @$_;
	my $answer = $admin->raw($method, "/api/realtime/$path", '{}');
	is_deeply([ $answer->[0], $json->decode($answer->[2]) ], error(405, 'METHOD_NOT_ALLOWED', 'Method not allowed'), "$method $path: 405");
	like($answer->[1], qr/^Allow: \Q$allow\E\r$/m, $allow);
}
is($admin->raw('POST', '/api/realtime/channels', ' ' x (1024 * 1024) . '{}')->[0], 413, 'more than 1 MB');
is($admin->raw('POST', '/api/realtime/publish', ' ' x (8 * 1024 * 1024))->[0], 413, 'more than 8 MB');
my $head = $admin->raw('HEAD', '/api/realtime/config', undef, headers => "Connection: close\r\n");
is_deeply([ $head->[0], $head->[2] ], [ 200, '' ], 'HEAD');

#
# Browsers
#
my $origin = "Origin: https://app.example\r\n";
my $preflight = $admin->raw('OPTIONS', "/api/realtime/channels/$id", undef, headers => $origin
	  . "Access-Control-Request-Method: PUT\r\nAccess-Control-Request-Headers: authorization,x-any\r\n");
is($preflight->[0], 204, 'preflight');
for ('Access-Control-Allow-Origin: https://app.example', 'Access-Control-Allow-Credentials: true',
	'Access-Control-Allow-Methods: GET,HEAD,PUT,PATCH,POST,DELETE', 'Access-Control-Allow-Headers: authorization,x-any', 'Vary: Origin')
{
	like($preflight->[1], qr/^\Q$_\E\r$/m, $_);
}
for my $path ('config', 'nothing')
{
	my $answer = $admin->raw('GET', "/api/realtime/$path", undef, headers => $origin);
	like($answer->[1], qr/^\Q$_\E\r$/m, "$path: $_")
	  for 'Access-Control-Allow-Origin: https://app.example', 'Access-Control-Allow-Credentials: true',
	  'Access-Control-Expose-Headers: Content-Range, Preference-Applied';
}
unlike($admin->raw('GET', '/api/realtime/config')->[1], qr/Access-Control-Allow/, 'nothing of it without an origin');

$server->cluster_alive('after the requests');
done_testing();
