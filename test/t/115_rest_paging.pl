# Pages of /api/realtime/messages, and deleting all: right in any order of times,
# and by indexes with many rows.

use strict;
use warnings;

use ApiClient;
use JSON::PP;
use RealtimeServer;
use Test::More;

my $server = RealtimeServer->start_new('rest_paging');
my $admin = ApiClient->with_key($server, $server->sql('SELECT realtime.create_api_key()'));
my $channel = $admin->ask('POST', 'channels', { pattern => 'a' })->[1]{id};
my $other = $admin->ask('POST', 'channels', { pattern => 'b' })->[1]{id};

# 1,000 messages of two channels over three days, many at the same time, with
# ids that are in no order; and others that are not of a channel
$server->sql(<<"SQL");
INSERT INTO realtime.messages (id, topic, extension, event, payload, channel_id, inserted_at, skip_broadcast)
SELECT gen_random_uuid(), CASE WHEN n % 3 = 0 THEN 'b' ELSE 'a' END, 'broadcast', 'e' || n % 5, jsonb_build_object('n', n),
	   CASE WHEN n % 3 = 0 THEN '$other'::uuid ELSE '$channel' END, now() - (n / 4) * interval '15 minutes', true
FROM generate_series(1, 1000) n;
INSERT INTO realtime.messages (topic, extension, event, payload, inserted_at, skip_broadcast)
SELECT 'a', 'broadcast', 'e', '{}', now() - n * interval '1 hour', true FROM generate_series(1, 60) n;
SQL

# All ids that SQL has, in the order of the answers.
sub expected
{
	my ($condition) = @_;
	return [ split /\n/, $server->sql("SELECT id FROM realtime.messages WHERE channel_id IS NOT NULL AND $condition ORDER BY inserted_at DESC, id DESC") ];
}

# All that the pages of a query have, walked by $next->(last page) => parameters.
sub walk
{
	my ($query, $next) = @_;
	my (@pages, $where);

	for ($where = ''; defined $where; $where = @{ $pages[-1] } ? $next->($pages[-1], scalar @pages) : undef)
	{
		my $answer = $admin->ask('GET', "messages?$query$where");
		die "status $answer->[0]" unless $answer->[0] == 200;
		push @pages, $answer->[1];
	}
	return \@pages;
}
sub ids { return [ map { $_->{id} } map { @$_ } @_ ]; }

for my $filter ([ '', 'true' ], [ "channelId=$channel&", "channel_id = '$channel'" ], [ 'eventName=e2&', q{event = 'e2'} ], [ "channelId=$other&eventName=e0&", "channel_id = '$other' AND event = 'e0'" ])
{
	my ($query, $condition) = @$filter;
	my $expected = expected($condition);

	is_deeply(ids(@{ walk("${query}limit=77", sub { return "&before=$_[0][-1]{id}" }) }), $expected, "${query}before: all of them, once");
	is_deeply(ids(@{ walk("${query}limit=77", sub { return '&offset=' . 77 * $_[1] }) }), $expected, "${query}offset: the same");
	# from the oldest one on
	my $oldest = $expected->[-1];
	my @pages;
	for (my $after = $oldest; ; $after = $pages[-1][0]{id})
	{
		my $page = $admin->ask('GET', "messages?${query}limit=77&after=$after")->[1];
		last unless @$page;
		push @pages, $page;
	}
	is_deeply(ids(reverse @pages), [ @{$expected}[ 0 .. $#$expected - 1 ] ], "${query}after: all newer ones, nearest first");
	my ($newer, $older) = @{$expected}[ 10, 20 ];
	is_deeply(ids($admin->ask('GET', "messages?${query}before=$newer&after=$older")->[1]), [ @{$expected}[ 11 .. 19 ] ], "${query}between two");
	is_deeply(ids($admin->ask('GET', "messages?${query}limit=3&before=$newer&after=$older")->[1]), [ @{$expected}[ 11 .. 13 ] ], 'the newest of them');
}

#
# 100,000 rows: what a page costs
#
$server->sql(<<"SQL");
INSERT INTO realtime.messages (topic, extension, event, payload, channel_id, inserted_at, skip_broadcast)
SELECT 'a', 'broadcast', 'e', '{}', CASE WHEN n % 2 = 0 THEN '$channel'::uuid ELSE '$other' END, now() - n * interval '2 seconds', true
FROM generate_series(1, 100000) n;
ANALYZE realtime.messages;
SQL

# The plan of the query that messages_page() makes.
sub page_plan
{
	my ($arguments) = @_;
	my (undef, undef, $plan) = $server->node->psql('postgres', <<"SQL");
LOAD 'auto_explain';
SET auto_explain.log_min_duration = 0;
SET auto_explain.log_nested_statements = on;
SET auto_explain.log_analyze = on;
SET auto_explain.log_timing = off;
SET client_min_messages = log;
SELECT jsonb_array_length(realtime.messages_page($arguments));
SQL
	return (grep { /FROM realtime\.message_details/ } split /^LOG: .*plan:$/m, $plan)[0] // '';
}
my ($place, $place_id) = split /\|/, $server->sql('SELECT inserted_at, id FROM realtime.messages WHERE channel_id IS NOT NULL ORDER BY inserted_at DESC OFFSET 50000 LIMIT 1');
my $none = 'NULL, NULL';
for (
	[ "NULL, NULL, $none, $none, 100, 0", 'the newest' ],
	[ "'$channel', NULL, $none, $none, 100, 0", 'the newest of a channel' ],
	[ "NULL, NULL, '$place', '$place_id', $none, 100, 0", 'before a place' ],
	[ "'$channel', NULL, '$place', '$place_id', $none, 100, 0", 'before a place in a channel' ],
	[ "NULL, NULL, $none, '$place', '$place_id', 100, 0", 'after a place' ])
{
	my ($arguments, $name) = @$_;
	my $plan = page_plan($arguments);
	my ($most) = sort { $b <=> $a } $plan =~ /Index (?:Only )?Scan[^\n]*messages_\w+[^\n]*rows=(\d+)(?:\.\d+)? loops=1\)/g;

	like($plan, qr/Index Scan/, "$name: by an index");
	unlike($plan, qr/Seq Scan on (?:realtime\.)?messages_/, 'reads no partition whole');
	cmp_ok($most // 1e9, '<=', 101, 'reads no more than the page');
}

#
# Deleting
#
my $deleted = $admin->ask('DELETE', 'messages', undef, timeout => 120);
is_deeply($deleted, [ 200, { deleted => 101_000 } ], 'all are deleted, in more than one job');
is($server->sql('SELECT count(*), count(channel_id) FROM realtime.messages'), '60|0', 'but what was sent to topics');

# and to the end, even if the client goes away
$server->sql(<<"SQL");
INSERT INTO realtime.messages (topic, extension, event, payload, channel_id, inserted_at, skip_broadcast)
SELECT 'a', 'broadcast', 'e', '{}', '$channel', now() - n * interval '1 second', true FROM generate_series(1, 50000) n;
SQL
is_deeply($admin->ask('GET', "messages?limit=1&channelId=$channel&eventName=none"), [ 200, [] ], 'an event that is not there');
my $count = 'SELECT count(channel_id) FROM realtime.messages';
my $client = $server->client(upgrade => 0);
$client->send_raw("DELETE /api/realtime/messages HTTP/1.1\r\nHost: localhost\r\n$admin->{headers}\r\n");
wait_for(sub { $server->sql($count) < 50_000 }, 'deleting to begin');
$client->abandon;
wait_for(sub { $server->sql($count) == 0 }, 'deleting to end');
pass('deleting goes on without its client');

#
# More than an answer can hold
#
$server->sql(<<"SQL");
INSERT INTO realtime.messages (topic, extension, event, payload, binary_payload, channel_id, skip_broadcast)
SELECT 'a', 'broadcast', 'e', payload, CASE WHEN payload IS NULL THEN decode(repeat('00', 1500000), 'hex') END, '$channel', true
FROM unnest(ARRAY[jsonb_build_object('text', repeat('x', 2000000)), NULL]) payload, generate_series(1, 10);
SQL
is(@{ $admin->ask('GET', 'messages?limit=3')->[1] }, 3, 'six megabytes of payload in one answer');
is_deeply($admin->ask('GET', "messages?limit=$_"),
	ApiClient::error(400, 'INVALID_INPUT', 'limit: These messages have more than 7 MB of payload, ask for fewer'),
	"$_ messages are too much, and that is said")
  for 4, 1000;

$server->cluster_alive('after the requests');
done_testing();
