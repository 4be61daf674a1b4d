# What a client has missed: it comes back with the cursor of the last message
# that it has, and gets everything behind it, once and in commit order, or is told
# why it cannot.  Replay gives some of the newest messages.

use strict;
use warnings;

use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;

my $server = RealtimeServer->start_new('resume');
my $node = $server->node;

# A new client that has asked to join, and the answer to that.
sub come_back
{
	my ($topic, $resume, %config) = @_;
	my $client = $server->client(vsn => $config{vsn} // '2.0.0');
	my $reply = $client->join($topic, broadcast => { resume => $resume, %{ $config{broadcast} // {} } },
		map { $_ => $config{$_} } grep { !/^(broadcast|vsn)$/ } keys %config);

	return ($client, $reply->{payload});
}

# The numbers in the next messages.
sub numbers { return [ map { $_->{payload}{n} } @_ ]; }

# Wait until all that was sent is recorded.
sub recorded { return wait_for(sub { $server->stat('record_backlog') == 0 }, 'commits to be recorded'); }

#
# Cursors
#
my $client = $server->client;
my $answer = $client->join('room')->{payload};
my $start = $answer->{response}{cursor};
like($start, qr/^[-\w]{32}$/, 'a join is answered with a cursor');
ok(!exists $answer->{response}{recovered}, 'and nothing was to be recovered');
$server->publish('room', $_) for 1 .. 3;
my @heard = $client->broadcasts(3);
is_deeply(numbers(@heard), [ 1 .. 3 ], 'three messages are heard');
my @cursors = map { $_->{meta}{cursor} } @heard;
is(scalar(grep { /^[-\w]{32}$/ && $_ ne $start } @cursors), 3, 'each with a cursor');
is(scalar(keys %{ { map { $_ => 1 } @cursors } }), 3, 'of its own');
my $v1 = $server->client(vsn => '1.0.0');
$v1->join('room');
$server->publish('room', 4);
is($v1->broadcast->{meta}{cursor}, $client->broadcast->{meta}{cursor},
	'the same for all who hear it, whatever their serializer');

#
# Resume
#
$client->abandon;
$server->publish('room', $_) for 5 .. 7;
$server->publish('other', 100);
for my $vsn ('1.0.0', '2.0.0')
{
	my ($back, $reply) = come_back('room', $cursors[1], vsn => $vsn);
	is($reply->{status}, 'ok', "$vsn: the join is answered");
	is($reply->{response}{recovered}, JSON::PP::true, 'all that was missed can be had');
	is($reply->{response}{cursor}, $cursors[1], 'from the cursor on');
	is_deeply(numbers($back->broadcasts(5)), [ 3 .. 7 ], 'it comes, in order');
	$server->publish('room', 8) if $vsn eq '1.0.0';
	is_deeply(numbers($back->broadcasts(1)), [8], 'and then what is new') if $vsn eq '1.0.0';
	is($back->broadcast(0.2)->{payload}{n}, 8, 'or was, by then') if $vsn eq '2.0.0';
	is($back->broadcast(0.2), undef, 'and no more');
	$back->abandon;
}
{
	my ($back, $reply) = come_back('room', $start);
	is_deeply(numbers($back->broadcasts(8)), [ 1 .. 8 ], 'the cursor of the join will do, too');
	my ($none, $nothing) = come_back('room', $back->{last} // $server->client->join('room')->{payload}{response}{cursor});
	is($nothing->{response}{recovered}, JSON::PP::true, 'who has missed nothing');
	is($none->broadcast(0.2), undef, 'gets nothing');
	$_->abandon for $back, $none;
}

# one transaction with many messages, savepoints, and a trigger that sends
$server->sql(<<'SQL');
CREATE FUNCTION echo() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.event = 'loud' THEN
		PERFORM realtime.send(jsonb_build_object('n', 1000 + (NEW.payload ->> 'n')::int), 'echo', NEW.topic, false);
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER a_first AFTER INSERT ON realtime.messages FOR EACH ROW EXECUTE FUNCTION echo();
SQL
$client = $server->client;
my $before = $client->join('many')->{payload}{response}{cursor};
$server->sql(<<'SQL');
BEGIN;
SELECT realtime.send(jsonb_build_object('n', n), 'e', 'many', false) FROM generate_series(1, 1500) n;
SAVEPOINT s;
SELECT realtime.send('{"n": -1}', 'e', 'many', false);
ROLLBACK TO s;
INSERT INTO realtime.messages (topic, extension, event, payload, private)
SELECT 'many', 'broadcast', 'loud', jsonb_build_object('n', n), false FROM generate_series(1501, 1503) n;
COMMIT;
SQL
@heard = $client->broadcasts(1506);
is(scalar @heard, 1506, 'a large transaction is heard');
for my $at (0, 749, 1499, 1500, 1503, 1504, 1505)
{
	my ($back, $reply) = come_back('many', $at == 0 ? $before : $heard[ $at - 1 ]{meta}{cursor});
	my @rest = $back->broadcasts(1506 - $at);
	is_deeply(numbers(@rest), numbers(@heard[ $at .. 1505 ]), "its rest, from message $at on");
	is_deeply([ map { $_->{meta} } @rest ], [ map { $_->{meta} } @heard[ $at .. 1505 ] ], 'with the same ids and cursors');
	is($back->broadcast(0.1), undef, 'and no more');
	$back->abandon;
}
$server->sql('DROP TRIGGER a_first ON realtime.messages');

# binary payloads, and rows that were not published
$client = $server->client;
$before = $client->join('mixed')->{payload}{response}{cursor};
$server->sql(<<'SQL');
SELECT realtime.send_binary('\x0001ff', 'bytes', 'mixed', false);
INSERT INTO realtime.messages (topic, extension, event, payload, private, skip_broadcast)
VALUES ('mixed', 'broadcast', 'skipped', '{}', false, true);
INSERT INTO realtime.messages (topic, extension, event, payload, private) VALUES ('mixed', 'presence', 'e', '{}', false);
INSERT INTO realtime.messages (topic, extension, event, payload, private, expires_at)
VALUES ('mixed', 'broadcast', 'expired', '{}', false, now() - interval '1 s'), ('mixed', 'broadcast', 'not yet', '{}', false, now() + interval '1 h');
SELECT realtime.send('{}', 'private', 'mixed', true);
SELECT realtime.send('{}', 'last', 'mixed', false);
SQL
{
	my ($back, $reply) = come_back('mixed', $before);
	my @rest = $back->broadcasts(3);
	is_deeply([ map { $_->{event} } @rest ], [ 'bytes', 'not yet', 'last' ], 'only what is still to be heard');
	is($rest[0]{payload}, "\x00\x01\xff", 'bytes as they were');
	my $old = (come_back('mixed', $before, vsn => '1.0.0'))[0];
	is_deeply([ map { $_->{event} } $old->broadcasts(2) ], [ 'not yet', 'last' ], 'serializer 1.0.0 has no bytes');
	$_->abandon for $back, $old;
}

# more than a page, and with messages larger than a page
$client = $server->client;
$before = $client->join('pages')->{payload}{response}{cursor};
$server->sql(q{SELECT realtime.send(jsonb_build_object('n', n, 'x', repeat('x', CASE n % 1000 WHEN 0 THEN 600000 ELSE 10 END)), 'e', 'pages', false) FROM generate_series(1, 4500) n});
{
	my $pages = $server->stat('history_pages');
	my ($back, $reply) = come_back('pages', $before);
	is($reply->{response}{recovered}, JSON::PP::true, 'several pages');
	is_deeply(numbers($back->broadcasts(4500)), [ 1 .. 4500 ], 'all of them');
	wait_for(sub { $server->stat('history_pages') >= $pages + 5 }, 'the pages to be counted');
	$back->abandon;
}

#
# What cannot be recovered
#
sub lost
{
	my ($topic, $cursor, $reason, $what) = @_;
	my ($back, $reply) = come_back($topic, $cursor);

	is($reply->{response}{recovered}, JSON::PP::false, "$what: not recovered");
	is($reply->{response}{reason}, $reason, "because of $reason");
	isnt($reply->{response}{cursor}, $cursor, 'there is a new cursor to go on from');
	$server->publish($topic, 4711);
	is_deeply(numbers($back->broadcasts(1)), [4711], 'and what is new is heard');
	$back->abandon;
	return;
}
lost('lost', 'rubbish', 'epoch', 'no cursor');
lost('lost', '', 'epoch', 'an empty one');
{
	my $other = $start;
	substr($other, 0, 4) = substr($other, 0, 4) eq 'AAAA' ? 'BBBB' : 'AAAA';
	lost('lost', $other, 'epoch', 'a cursor of another epoch');
	my $future = $start;
	substr($future, 11, 4) = '____';
	lost('lost', $future, 'diverged', 'a cursor of the future');
}
$server->reconfigure('realtime.max_resume_messages' => 5000);
$client = $server->client;
$before = $client->join('limit')->{payload}{response}{cursor};
$server->sql(q{SELECT realtime.send('{}', 'e', 'limit', false) FROM generate_series(1, 5001) n});
wait_for(sub { (come_back('limit', $before))[1]{response}{recovered} == JSON::PP::false }, 'the limit to hold');
lost('limit', $before, 'limit', 'too many messages');
ok(wait_for(sub { $server->stat('not_recovered') > 0 }, 'that to be counted'), 'which is counted');

# when a day has been dropped, what was before it is not whole any more
$server->sql(q{UPDATE realtime.horizon SET dropped_before = now() - interval '1 hour'});
{
	my ($back, $reply) = come_back('many', $heard[1500]{meta}{cursor});
	is($reply->{response}{recovered}, JSON::PP::true, 'what is younger than the horizon can be had');
	$back->abandon;
}
$server->sql(q{UPDATE realtime.horizon SET dropped_before = now() + interval '1 hour'});
lost('many', $heard[1500]{meta}{cursor}, 'expired', 'what is older');
$server->sql(q{UPDATE realtime.horizon SET dropped_before = '-infinity'});

#
# Messages whose time says nothing about their commit
#
$client = $server->client;
$client->join('times');
$server->publish('times', 1);
$before = $client->broadcast->{meta}{cursor};
my $open = $node->background_psql('postgres');
$open->query_safe(q{BEGIN; SELECT realtime.send('{"n": 2}', 'e', 'times', false)});
$server->sql(q{INSERT INTO realtime.messages (topic, extension, event, payload, private, inserted_at)
	VALUES ('times', 'broadcast', 'e', '{"n": 3}', false, now() - interval '2 days'), ('times', 'broadcast', 'e', '{"n": 4}', false, '-infinity')});
$server->publish('times', 5);
$open->query_safe('COMMIT');
is_deeply(numbers($client->broadcasts(4)), [ 3, 4, 5, 2 ], 'messages of other times, in commit order');
{
	my ($back, $reply) = come_back('times', $before);
	is_deeply(numbers($back->broadcasts(4)), [ 3, 4, 5, 2 ], 'and so for one who comes back');
	$back->abandon;
}
# another one is, too, if it was open for long
is($server->sql(<<'SQL'), '1|0', 'one of these transactions is early');
SELECT count(*) FILTER (WHERE early_at = '-infinity'), count(*) FILTER (WHERE early_at > committed_at - interval '10 s')
FROM realtime.commits
SQL

#
# Private channels
#
$server->sql(<<'SQL');
SELECT realtime.setup_api_roles();
CREATE TABLE members (sub text, room text);
GRANT SELECT ON members TO authenticated;
INSERT INTO members VALUES ('ann', 'secret');
CREATE POLICY members_read ON realtime.messages FOR SELECT TO authenticated
USING (EXISTS (SELECT FROM members m WHERE m.sub = auth.jwt() ->> 'sub' AND m.room = realtime.topic()) AND extension = 'broadcast');
SQL
my %ann = (private => 1, access_token => $server->token(role => 'authenticated', sub => 'ann'));
my %bob = (private => 1, access_token => $server->token(role => 'authenticated', sub => 'bob'));
$client = $server->client;
$before = $client->join('secret', %ann)->{payload}{response}{cursor};
$server->sql(q{SELECT realtime.send(jsonb_build_object('n', n), 'e', 'secret', true) FROM generate_series(1, 2500) n});
is(scalar $client->broadcasts(2500), 2500, 'a member hears');
{
	my ($back, $reply) = come_back('secret', $before, %ann);
	is_deeply(numbers($back->broadcasts(2500)), [ 1 .. 2500 ], 'and gets what she has missed');
	my ($stranger, $refused) = come_back('secret', $before, %bob);
	like($refused->{response}{reason}, qr/^Unauthorized: You do not have permissions to read from this Channel topic: secret/,
		'a stranger does not');
	is($stranger->broadcast(0.2), undef, 'nothing at all');
	my ($public, $nothing) = come_back('secret', $before);
	is($public->broadcast(0.2), undef, 'and the public room of that name has nothing');
	$_->abandon for $back, $stranger, $public;
}

#
# Replay (supabase.md 4.7)
#
sub replay
{
	my ($topic, $replay, %config) = @_;
	my $replayer = $server->client;
	my $reply = $replayer->join($topic, broadcast => { replay => $replay }, %config);

	return ($replayer, $reply->{payload});
}
{
	my ($replayer, $reply) = replay('secret', { since => 0 }, %ann);
	is($reply->{status}, 'ok', 'replay');
	my @replayed = $replayer->broadcasts(25);
	is_deeply(numbers(@replayed), [ 2476 .. 2500 ], 'the newest 25, oldest first');
	is(scalar(grep { $_->{meta}{replayed} && $_->{meta}{id} && $_->{meta}{cursor} } @replayed), 25, 'with what they say about themselves');
	is($replayer->broadcast(0.2), undef, 'no more');
	$server->sql(q{SELECT realtime.send('{"n": 2501}', 'e', 'secret', true)});
	my $live = $replayer->broadcast;
	is($live->{payload}{n}, 2501, 'and then what is new');
	ok(!exists $live->{meta}{replayed}, 'which is not replayed');
	($replayer, $reply) = replay('secret', { since => 0, limit => 1000 }, %ann);
	is_deeply(numbers($replayer->broadcasts(100)), [ 2402 .. 2501 ], 'not more than realtime.max_replay_messages');
	is($replayer->broadcast(0.2), undef, 'really not');
	($replayer, $reply) = replay('secret', { since => 0, limit => -3 }, %ann);
	is_deeply(numbers($replayer->broadcasts(1)), [2501], 'and one at least');
	($replayer, $reply) = replay('secret', { since => 1000 * (time() + 100) }, %ann);
	is($reply->{status}, 'ok', 'since some time in the future');
	is($replayer->broadcast(0.2), undef, 'there is nothing');
	$server->sql(q{SELECT realtime.send(jsonb_build_object('n', n, 'x', repeat('x', 50000)), 'e', 'secret', true) FROM generate_series(2502, 2521) n});
	($replayer, $reply) = replay('secret', { since => 0, limit => 25 }, %ann);
	is_deeply(numbers($replayer->broadcasts(25)), [ 2497 .. 2521 ], 'more than a page of them');
	is($replayer->broadcast(0.2), undef, 'once');
	($replayer, $reply) = replay('secret', { since => '9' x 18, limit => 2 }, %ann);
	is($reply->{response}{reason}, 'UnableToReplayMessages: Replay params are not valid', 'a text is no time');
	($replayer, $reply) = replay('secret', { since => 1.5 }, %ann);
	is($reply->{response}{reason}, 'UnableToReplayMessages: Replay params are not valid', 'nor is a fraction');
	($replayer, $reply) = replay('secret', { since => 0 });
	is($reply->{response}{reason}, 'UnableToReplayMessages: Replay is not allowed for public channels', 'public channels have none');
	($replayer, $reply) = replay('secret', { since => 0 }, %bob);
	like($reply->{response}{reason}, qr/^Unauthorized: /, 'a stranger gets none');
}

$server->cluster_alive('after all that');
done_testing();
