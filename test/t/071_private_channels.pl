# Private channels over the wire: who may join is what the policies on
# realtime.messages say at that moment, and stays so until the channel gets
# another token (supabase.md 3.3, 3.8, 3.9, 7.2).  A crowd that joins is
# decided together, a crowd that is too large is told to come back, and
# neither is felt in public rooms.

use strict;
use warnings;

use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;
use Time::HiRes qw(sleep time);

my $server = RealtimeServer->start_new('private');
my $gateway = $server->gateway_pid;

# Users and rooms are uuids, as in Supabase's guide.
sub uuid { return sprintf '00000000-0000-4000-8000-%012d', $_[0]; }
my ($alice, $bob, $carol) = map { uuid($_) } 1 .. 3;
my ($red, $green) = map { 'room:' . uuid($_) } 101, 102;

# The policies and the index are those of the guide, word by word, but for the
# policy for INSERT: PostgreSQL takes WITH CHECK there and nothing else.
$server->sql(<<SQL);
SELECT realtime.setup_api_roles();
CREATE TABLE room_members (user_id uuid NOT NULL, room_id uuid NOT NULL);
GRANT SELECT ON room_members TO authenticated;
INSERT INTO room_members
	VALUES ('$alice', '${\ uuid(101)}'), ('$alice', '${\ uuid(102)}'), ('$bob', '${\ uuid(102)}');

-- Simple policy with indexed columns
CREATE POLICY "room_members_can_read" ON realtime.messages
FOR SELECT TO authenticated
USING (
  topic LIKE 'room:%' AND
  EXISTS (
    SELECT 1 FROM room_members
    WHERE user_id = auth.uid()
    AND room_id = SPLIT_PART(topic, ':', 2)::uuid
  )
);

-- Required index for performance
CREATE INDEX idx_room_members_user_room
ON room_members(user_id, room_id);

-- Simple policy with indexed columns
CREATE POLICY "room_members_can_write" ON realtime.messages
FOR INSERT TO authenticated
WITH CHECK (
  topic LIKE 'room:%' AND
  EXISTS (
    SELECT 1 FROM room_members
    WHERE user_id = auth.uid()
    AND room_id = SPLIT_PART(topic, ':', 2)::uuid
  )
);

CREATE POLICY "lobby" ON realtime.messages
FOR SELECT TO authenticated
USING (realtime.topic() = 'lobby' AND extension = 'presence');

-- rooms whose policy takes its time, as many seconds as their name says
CREATE POLICY "slow" ON realtime.messages
FOR SELECT TO authenticated
USING (topic LIKE 'slow:%' AND pg_sleep(split_part(topic, ':', 2)::float) IS NOT NULL);

-- now() is when the decision is made, not when its executor was started
CREATE POLICY "clock" ON realtime.messages
FOR SELECT TO authenticated
USING (topic = 'clock' AND clock_timestamp() - now() < '1 second');

CREATE POLICY "broken" ON realtime.messages
FOR SELECT TO authenticated
USING (topic = 'broken' AND 1 / (length(topic) - 6) = 0);
SQL

# A token of a user of this project.
sub user_token
{
	my ($user, %claims) = @_;
	return $server->token(role => 'authenticated', sub => $user, %claims);
}

# A client that has come with the anonymous key, as all of them do, and the
# options of its joins as that user.
sub as_user
{
	my ($user, %claims) = @_;
	return (private => 1, access_token => user_token($user, %claims));
}

# What a client is told that may not come in, may not stay, and shall come again.
sub denied { return "Unauthorized: You do not have permissions to read from this Channel topic: $_[0]"; }
sub revoked { return "You no longer have permission to read from this Channel topic: $_[0]"; }
my $busy = 'IncreaseConnectionPool: Please increase your connection pool size';

# Send {"n": $n} to a topic, private or not.
sub publish
{
	my ($topic, $n, $private) = @_;
	return $server->sql(sprintf q{SELECT realtime.send('{"n": %d}'::jsonb, 'e', '%s', %s)},
		$n, $topic, $private ? 'true' : 'false');
}

# The numbers of the next $count messages.
sub numbers
{
	my ($client, $count, $timeout) = @_;
	return [ map { $_->{payload}{n} } $client->broadcasts($count, $timeout) ];
}

# Nothing has come but what is answered by this heartbeat.
sub nothing_came
{
	my ($client, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok($client->heartbeat, "$name: the connection is alive");
	return is($client->broadcast(0), undef, "$name: nothing came");
}

sub join_ok
{
	my ($client, $topic, @join) = @_;
	my $result = $client->join_result($topic, @join);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is($result, 'ok', "joined $topic");
}

#
# Who may join
#
for (
	[ 'a member', $red, [ as_user($alice) ], 'ok' ],
	[ 'a member of another room', $red, [ as_user($bob) ], denied($red) ],
	[ 'the other room', $green, [ as_user($bob) ], 'ok' ],
	[ 'a member of no room', $green, [ as_user($carol) ], denied($green) ],
	[ 'nobody in particular', $red, [ private => 1 ], denied($red) ],
	[ 'a token of the role anon', $red, [ private => 1, access_token => $server->anon_token ], denied($red) ],
	[ 'a user without sub', $red, [ as_user(undef) ], denied($red) ],
	[ 'a sub that is no uuid', $red, [ as_user('alice') ], denied($red) ],
	[ 'a room that is no uuid', 'room:red', [ as_user($alice) ], denied('room:red') ],
	[ 'a topic without a policy', 'elsewhere', [ as_user($alice) ], denied('elsewhere') ],
	[ 'a policy that fails', 'broken', [ as_user($alice) ], denied('broken') ],
	[ 'a topic with quotes', "room:'; DROP TABLE room_members; --", [ as_user($alice) ],
		denied("room:'; DROP TABLE room_members; --") ],
	[ 'service_role, which bypasses policies', $red, [ private => 1, access_token => $server->token(role => 'service_role') ], 'ok' ],
	[ 'presence alone, asked for', 'lobby', [ as_user($carol), presence => 1 ], 'ok' ],
	[ 'presence alone, not asked for', 'lobby', [ as_user($carol) ], denied('lobby') ])
{
	my ($name, $topic, $join, $expected) = @$_;

	for my $vsn ('2.0.0', '1.0.0')
	{
		my $client = $server->client(vsn => $vsn);
		is($client->join_result($topic, @$join), $expected, "$name, $vsn");
		ok($client->heartbeat, "$name, $vsn: the connection is alive");
		$client->abandon;
	}
}

# The token that a client connects with is that of its channels, too.
{
	my $client = $server->client(apikey => user_token($alice));
	join_ok($client, $red, private => 1);
	is($client->join_result($red, private => 1, access_token => user_token($bob)), denied($red),
		'a token of the join goes before that of the connection');
	join_ok($client, $red, private => 1, access_token => 'sb_publishable_key');
	$client->abandon;
}

#
# Who hears what
#
{
	my $private = $server->client;
	my $public = $server->client;
	my $other = $server->client;
	my $lobby = $server->client;
	join_ok($private, $red, as_user($alice));
	join_ok($public, $red);
	join_ok($other, $green, as_user($bob));
	join_ok($lobby, 'lobby', as_user($carol), presence => 1);

	publish($red, 1, 1);
	publish($red, 2, 0);
	publish($green, 3, 1);
	publish('lobby', 4, 1);
	publish($red, 5, 1);
	is_deeply(numbers($private, 2), [ 1, 5 ], 'the private room hears what is private');
	is_deeply(numbers($public, 1), [2], 'the public room of that name what is public');
	is_deeply(numbers($other, 1), [3], 'the other private room its own');
	nothing_came($_->[0], $_->[1]) for [ $private, 'the private room' ], [ $public, 'the public room' ],
	  [ $other, 'the other room' ], [ $lobby, 'who may read presence alone' ];

	# on one connection the two rooms of a name take turns
	is($private->join_result($red), 'ok', 'the public room instead of the private one');
	publish($red, 6, 1);
	publish($red, 7, 0);
	is_deeply(numbers($private, 1), [7], 'and hears what is public');
	nothing_came($private, 'the former private room');
	$_->abandon for $private, $public, $other, $lobby;
}

# Someone who was not let in hears nothing, and may ask again.
{
	my $client = $server->client;
	is($client->join_result($red, as_user($carol)), denied($red), 'not a member yet');
	publish($red, 1, 1);
	nothing_came($client, 'who was denied');
	$server->sql("INSERT INTO room_members VALUES ('$carol', '${\ uuid(101)}')");
	join_ok($client, $red, as_user($carol));
	publish($red, 2, 1);
	is_deeply(numbers($client, 1), [2], 'a member now, and hears');

	# the decision holds until the channel gets another token ...
	$server->sql("DELETE FROM room_members WHERE user_id = '$carol'");
	publish($red, 3, 1);
	is_deeply(numbers($client, 1), [3], 'membership taken away: still hears');
	$client->access_token($red, user_token($carol));
	ok($client->heartbeat, 'the same token again');
	publish($red, 4, 1);
	is_deeply(numbers($client, 1), [4], 'is no other token');

	# ... and then is made again
	$client->access_token($red, user_token($carol, iat => 1_700_000_000));
	is($client->channel_end($red), revoked($red), 'another token: out, with the reason');
	publish($red, 5, 1);
	nothing_came($client, 'who was put out');
	is($client->join_result($red, as_user($carol)), denied($red), 'and does not get in again');
	join_ok($client, 'public');
	$client->abandon;
}

#
# Another token
#
for (
	[ 'the same user', $red, user_token($alice, iat => 1), 'stays' ],
	[ 'another member', $green, user_token($bob), 'stays' ],
	[ 'the service', $red, $server->token(role => 'service_role'), 'stays' ],
	[ 'a user who is no member', $red, user_token($bob), revoked($red) ],
	[ 'a lower role', $red, $server->anon_token, revoked($red) ],
	[ 'a role that is not on the list', $red, $server->token(role => 'postgres', sub => $alice), 'The role of the token is not allowed' ])
{
	my ($name, $topic, $token, $expected) = @$_;
	my $client = $server->client;
	join_ok($client, $topic, as_user($alice));
	join_ok($client, 'beside');
	$client->access_token($topic, $token);
	if ($expected eq 'stays')
	{
		ok($client->heartbeat, "$name: no answer");
		publish($topic, 1, 1);
		is_deeply(numbers($client, 1), [1], "$name: goes on hearing");
	}
	else { is($client->channel_end($topic), $expected, "$name: out"); }
	publish('beside', 2, 0);
	is_deeply(numbers($client, 1), [2], "$name: the other channel goes on");
	$client->abandon;
}

# What is sent while a token is being changed arrives once and in order.
{
	my $client = $server->client;
	join_ok($client, $red, as_user($alice));
	for my $n (1 .. 100)
	{
		publish($red, $n, 1);
		$client->access_token($red, user_token($alice, iat => $n));
	}
	is_deeply(numbers($client, 100), [ 1 .. 100 ], 'a hundred messages, a hundred tokens');
	$client->abandon;
}

#
# Expiry, to the second
#
{
	my $start = int time();
	my %channels = map { $_->[0] => $_ } (
		[ $red, 1, $start + 3 ], [ $green, 1, $start + 4 ], [ 'public', 0, $start + 3 ]);
	my $client = $server->client;
	my $renewed = $server->client;

	for my $topic (sort keys %channels)
	{
		my (undef, $private, $exp) = @{ $channels{$topic} };
		join_ok($client, $topic, private => $private, access_token => user_token($alice, exp => $exp));
		join_ok($renewed, $topic, private => $private, access_token => user_token($alice, exp => $exp));
		$renewed->access_token($topic, user_token($alice, exp => $exp + 3600));
	}
	for my $topic ('public', $red, $green)
	{
		my $exp = $channels{$topic}[2];
		like($client->channel_end($topic) // 'nothing', qr/^Token has expired [01] seconds ago$/,
			"$topic: closed, with the reason");
		my $late = time() - $exp;
		ok($late > -0.1 && $late < 1.5, "$topic: on time") or diag("$late s late");
	}
	ok($client->heartbeat, 'the connection stays');
	publish($_, 1, $channels{$_}[1]) for sort keys %channels;
	nothing_came($client, 'what expired');
	is_deeply(numbers($renewed, 3), [ 1, 1, 1 ], 'what was renewed hears on');
	ok(wait_for(sub { $server->stat('expired') == 3 }, 'three to be counted'), 'three are counted');
	$_->abandon for $client, $renewed;
}

# The token of a connection that expires takes the channels that have no other.
{
	my $exp = int(time()) + 2;
	my $client = $server->client(apikey => user_token($alice, exp => $exp));
	join_ok($client, $red, private => 1);
	join_ok($client, $green, as_user($alice));
	like($client->channel_end($red) // 'nothing', qr/^Token has expired [01] seconds ago$/, 'the key expired');
	publish($green, 1, 1);
	is_deeply(numbers($client, 1), [1], 'a channel with a token of its own goes on');
	like($client->join_result($red, private => 1), qr/^InvalidJWTToken: Token has expired \d seconds ago$/,
		'no join with the expired key');
	join_ok($client, $red, as_user($alice));
	$client->abandon;
}

#
# Private channels only
#
{
	my $refused = 'PrivateOnly: This project only allows private channels';
	my $public = $server->member('public');
	my $private = $server->client;
	join_ok($private, $red, as_user($alice));

	$server->reconfigure('realtime.private_only' => 'on');
	my $told = $public->event('public', ['system']);
	is($told && $told->{payload}{message}, 'Server requested disconnect',
		'realtime.private_only: who is in a public channel is told');
	is($public->close_code, 1012, 'and closed, to come again');
	is($server->client->join_result('public'), $refused, 'public channels are refused, with the reason');
	publish($red, 1, 1);
	is_deeply(numbers($private, 1), [1], 'private ones go on');
	is($private->join_result($red, as_user($bob)), denied($red), 'and are judged as ever');
	$server->reconfigure('realtime.private_only' => 'off');
	wait_for(sub { $private->join_result('public') eq 'ok' }, 'public channels to be back');
	$private->abandon;
}

#
# Joins that come together are decided together: one decision is on its way,
# and all that came meanwhile share the next one.
#
{
	my $topic = 'slow:0.2:shared';
	my @clients = map { $server->client } 1 .. 200;
	my @join = as_user($alice);

	# gateways report once a second: what went before must have been counted
	wait_for(sub { $server->stat('connections') >= 200 }, 'the connections to be counted');
	my $before = $server->stat('authorisations');
	my %refs = map { $_ => $_->start_join($topic, @join) } @clients;
	my $answered = grep { my $r = $_->reply($refs{$_}); $r && $r->{payload}{status} eq 'ok' } @clients;
	is($answered, 200, '200 clients of one user join one room');

	wait_for(sub { $server->stat('channels') >= 200 }, 'the joins to be counted');
	my $cost = $server->stat('authorisations') - $before;
	cmp_ok($cost, '<=', 3, "with $cost decisions");
	cmp_ok($cost, '>=', 1, 'which were made');
	publish($topic, 1, 1);
	is(scalar(grep { my $m = $_->broadcast; $m && !exists $m->{close} && $m->{payload}{n} == 1 } @clients), 200,
		'and all of them hear');

	# what is shared is of one token and one topic
	$before += $cost;
	is($clients[0]->join_result($topic, as_user($bob)), 'ok', 'another user');
	is($clients[1]->join_result('slow:0.2:other', as_user($alice)), 'ok', 'another room');
	wait_for(sub { $server->stat('authorisations') - $before == 2 }, 'a decision of their own for each');
	pass('each cost a decision of its own');

	# nor is a decision older than the join that it answers
	is($clients[2]->join_result($red, as_user($carol)), denied($red), 'not a member');
	$server->sql("INSERT INTO room_members VALUES ('$carol', '${\ uuid(101)}')");
	is($clients[2]->join_result($red, as_user($carol)), 'ok', 'a member from then on');
	$_->abandon for @clients;
}

#
# A policy that takes too long
#
{
	my $client = $server->client;
	$server->reconfigure('realtime.statement_timeout' => '200ms');
	my $refused = wait_for(
		sub {
			my $start = time();
			my $result = $client->join_result('slow:1', as_user($alice));
			return time() - $start < 0.9 ? $result : undef;
		},
		'the statement timeout to hold');
	like($refused, qr/^QueryCanceled: /, 'a policy that takes longer than realtime.statement_timeout');
	join_ok($client, $red, as_user($alice));
	join_ok($client, 'clock', as_user($alice));
	$server->reconfigure('realtime.statement_timeout' => '2s');
	wait_for(sub { $client->join_result('slow:0.4', as_user($alice)) eq 'ok' }, 'the longer timeout');
	$client->abandon;
}

#
# More joins than the queue takes
#
{
	$server->reconfigure('realtime.max_queued_jobs' => 5);
	my $client = $server->client;
	my @clients;
	my %seen;
	wait_for(
		sub {
			@clients = map { $server->client } 1 .. 40;
			my @refs = map { $_->start_join("slow:0.1:$_", as_user($alice)) } @clients;
			%seen = ();
			for my $i (0 .. $#clients)
			{
				my $reply = $clients[$i]->reply($refs[$i]);
				my $payload = $reply ? $reply->{payload} : { status => 'none' };
				$seen{ $payload->{status} eq 'ok' ? 'ok' : $payload->{response}{reason} // 'none' }++;
			}
			return keys %seen > 1;
		},
		'the queue to be too short');
	my @reasons = sort grep { $_ ne 'ok' } keys %seen;
	is("@reasons", $busy, 'who finds the queue full is told so');
	cmp_ok($seen{ok} // 0, '>=', 5, 'the others are let in');
	ok($_->heartbeat, 'and stays connected') for $clients[-1];
	$server->reconfigure('realtime.max_queued_jobs' => 1000);
	wait_for(sub { $clients[-1]->join_result('slow:0:again', as_user($alice)) eq 'ok' }, 'it to come in again');
	pass('and comes in when it asks again');
	$_->abandon for @clients;
}

#
# A storm: 2,000 private joins of 50 ms each while a public room is served
#
{
	my $listener = $server->member('weather');
	my @storm = map { $server->client } 1 .. 400;
	my @latencies;

	for my $client (@storm)
	{
		$client->start_join("slow:0.05:$_:$client", as_user($alice)) for 1 .. 5;
	}
	for my $n (1 .. 50)
	{
		my $start = time();
		publish('weather', $n, 0);
		my $sent = time();
		my ($message) = $listener->broadcasts(1);
		is($message && $message->{payload}{n}, $n, "message $n arrives in the storm") or last;
		push @latencies, time() - $sent;
	}
	my @sorted = sort { $a <=> $b } @latencies;
	cmp_ok($sorted[ @sorted / 2 ], '<', 0.05, 'half of them within 50 ms of psql\'s end');
	cmp_ok($sorted[-1], '<', 1, 'and all within a second');
	my $start = time();
	ok($server->member('calm'), 'a public join in the storm');
	cmp_ok(time() - $start, '<', 1, 'does not wait for the private ones');
	$_->abandon for @storm;
	wait_for(sub { $server->stat('connections') <= 2 }, 'the storm to be over');

	# the queue drains of what nobody waits for any more
	my $client = $server->client;
	wait_for(sub { $client->join_result($red, as_user($alice)) eq 'ok' }, 'a private join after the storm');
	pass('a private join after the storm');
}

is($server->gateway_pid, $gateway, 'all of this was one gateway');
$server->cluster_alive('after private channels');

done_testing();
