# Bad and odd Phoenix messages, in both serializers (reliability.md f,
# supabase.md 3): each gets its reply, or is dropped with the connection going
# on; never silence where a reply is due, never a crash.

use strict;
use warnings;

use JSON::PP;
use RealtimeServer;
use Test::More;

my $server = RealtimeServer->start_new('phoenix');
my $gateway = $server->gateway_pid;
my $ok_join = { status => 'ok', response => { postgres_changes => [] } };
my $ok = { status => 'ok', response => {} };
my $unmatched = { status => 'error', response => { reason => 'unmatched topic' } };
my $config = { config => { broadcast => {}, presence => {}, postgres_changes => [], private => JSON::PP::false } };

# Send a message and return the next one that is no answer to anything else.
sub answer
{
	my ($client, @message) = @_;
	$client->push_message(@message);
	return without_cursor($client->next_message(5));
}

# A message without the cursor that each successful join is answered with, which
# nobody can foresee.
sub without_cursor
{
	my ($message) = @_;
	my $response = $message && ref $message->{payload} ? $message->{payload}{response} : undef;

	delete $response->{cursor} if ref $response && ($response->{cursor} // '') =~ /^[-\w]{32}$/;
	return $message;
}

for my $vsn ('2.0.0', '1.0.0')
{
	my $v2 = $vsn eq '2.0.0';

	# joining: [name, topic, payload, payload of the reply]
	for (
		[ 'plain',               'realtime:a',            $config, $ok_join ],
		[ 'payload {}',          'realtime:b',            {},      $ok_join ],
		[ 'colons in the topic', 'realtime:room:1:chat',  $config, $ok_join ],
		[ 'topic in Arabic',     "realtime:\x{645}\x{631}\x{62d}\x{628}\x{627}", $config, $ok_join ],
		[ 'topic with a line feed', "realtime:a\nb",      $config, $ok_join ],
		[ 'booleans as strings', 'realtime:c', { config => { private => 'false', broadcast => { ack => 'TRUE' } } }, $ok_join ],
		[ 'config of wrong types', 'realtime:d', { config => { private => 17, broadcast => [], presence => 'x', postgres_changes => {} } }, $ok_join ],
		[ 'config is no object', 'realtime:e', { config => 3 }, $ok_join ],
		[ 'unknown keys',        'realtime:f', { config => { new => 1 }, later => [], version => 'x' }, $ok_join ],
		[ 'no sub-topic',        'realtime:', $config,
			{ status => 'error', response => { reason => 'TopicNameRequired: You must provide a topic name' } } ],
		[ 'no prefix',           'room', $config, $unmatched ],
		[ 'topic phoenix',       'phoenix', $config, $unmatched ],
		[ 'empty topic',         '', $config, $unmatched ],
		[ 'private',             'realtime:secret', { config => { private => JSON::PP::true } },
			{ status => 'error', response => { reason => 'Unauthorized: You do not have permissions to read from this Channel topic: secret' } } ])
	{
		my ($name, $topic, $payload, $reply) = @$_;
		my $client = $server->client(vsn => $vsn);
		my $got = answer($client, '1', '1', $topic, 'phx_join', $payload);

		is_deeply($got,
			{ kind => 'text', ref => '1', topic => $topic, event => 'phx_reply', payload => $reply,
				$v2 ? (join_ref => $reply == $unmatched ? undef : '1') : () },
			"$vsn join, $name");
		ok($client->heartbeat, "$vsn join, $name: the connection is alive");
		$client->abandon;
	}

	# refs are opaque and come back as they are
	for my $ref (undef, 0, 6, '6', 1.5, 18446744073709551616, "\x{e9}", '', JSON::PP::true, [ 1, 'a' ], { a => undef })
	{
		my $client = $server->client(vsn => $vsn);
		my $got = answer($client, $ref, $ref, 'realtime:ref', 'phx_join', $config);
		my $json = JSON::PP->new->canonical->allow_nonref->allow_bignum;

		is($json->encode($got ? $got->{ref} : 'no answer'), $json->encode($ref),
			"$vsn: ref " . $json->encode($ref) . ' is echoed');
		$client->abandon;
	}

	# a topic longer than the binary form can carry
	{
		my $client = $server->client(vsn => $vsn);
		my $got = answer($client, '1', '1', 'realtime:' . 'x' x 1_000_000, 'phx_join', $config);
		is($got && $got->{payload}{status}, 'error', "$vsn: a topic of a megabyte is refused");
		ok($client->heartbeat, "$vsn: and the connection is alive");
		$client->abandon;
	}

	# messages to topics that are not joined
	for my $event ('broadcast', 'presence', 'access_token', 'nonsense', '')
	{
		my $client = $server->client(vsn => $vsn);
		my $got = answer($client, '1', '2', 'realtime:nowhere', $event, {});
		is_deeply($got, { kind => 'text', ref => '2', topic => 'realtime:nowhere', event => 'phx_reply',
				payload => $unmatched, $v2 ? (join_ref => undef) : () },
			"$vsn: \"$event\" before a join");
		$client->abandon;
	}
	{
		my $client = $server->client(vsn => $vsn);
		my $got = answer($client, undef, '2', 'realtime:nowhere', 'phx_leave', {});
		is_deeply($got->{payload}, $ok, "$vsn: leaving what was never joined is fine");
		$client->abandon;
	}

	# a joined topic
	my $client = $server->client(vsn => $vsn);
	ok($client->join('room'), "$vsn: joined");
	my $join_ref = $client->{join_refs}{'realtime:room'};

	for my $event ('nonsense', '', 'x' x 10_000, 'PHX_LEAVE')
	{
		$client->push_message($join_ref, '50', 'realtime:room', $event, {});
		ok($client->heartbeat, "$vsn: unknown event of " . length($event) . ' bytes');
		is($client->broadcast(0), undef, "$vsn: no reply to it");
	}

	# a stale or missing join_ref is no reason to be silent, except for a leave
	my $second = answer($client, '77', '77', 'realtime:room', 'phx_join', $config);
	is_deeply([ $second->{event}, $second->{ref} ], [ 'phx_close', $join_ref ],
		"$vsn: a duplicate join closes the old channel under its own ref");
	is_deeply(without_cursor($client->next_message(5))->{payload}, $ok_join, "$vsn: and then is answered");
	$server->publish('room', 1);
	is($client->broadcast->{payload}{n}, 1, "$vsn: the new channel hears");
	is($client->broadcast(0), undef, "$vsn: once");
	if ($v2)
	{
		$client->push_message($join_ref, '78', 'realtime:room', 'phx_leave', {});
		ok($client->heartbeat, "$vsn: a stale leave ...");
		$server->publish('room', 2);
		is($client->broadcast->{payload}{n}, 2, "$vsn: ... is ignored");
	}
	my $left = answer($client, '77', '79', 'realtime:room', 'phx_leave', {});
	is_deeply([ @$left{qw(event ref payload)} ], [ 'phx_reply', '79', $ok ], "$vsn: leaving is answered");
	my $closed = $client->next_message(5);
	is_deeply([ @$closed{qw(event ref)} ], [ 'phx_close', '77' ], "$vsn: and closes the channel");
	$server->publish('room', 3);
	ok($client->heartbeat, "$vsn: the connection is alive");
	is($client->broadcast(0.1), undef, "$vsn: and hears no more");

	# a hundred times in and out, then once in for good
	for my $round (1 .. 100)
	{
		$client->push('realtime:room', 'phx_join', $config);
		$client->push('realtime:room', 'phx_leave');
	}
	is($client->join('room')->{payload}{status}, 'ok', "$vsn: in and out a hundred times");
	$client->{queue} = [];
	$server->publish('room', 4);
	is($client->broadcast->{payload}{n}, 4, "$vsn: and it hears");
	is($client->broadcast(0), undef, "$vsn: once");
	$client->abandon;
}

#
# Raw text that no encoder would write: [name, vsn, text, does a reply follow]
#
for (
	[ 'v1 object on a v2 connection', '2.0.0', '{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"1"}', 0 ],
	[ 'v2 array on a v1 connection', '1.0.0', '[null,"1","phoenix","heartbeat",{}]', 0 ],
	[ 'more elements than five', '2.0.0', '[null,"1","phoenix","heartbeat",{},1,2,3]', 1 ],
	[ 'four elements', '2.0.0', '[null,"1","phoenix","heartbeat"]', 0 ],
	[ 'no ref', '1.0.0', '{"topic":"phoenix","event":"heartbeat","payload":{}}', 0 ],
	[ 'no payload', '1.0.0', '{"topic":"phoenix","event":"heartbeat","ref":"1"}', 0 ],
	[ 'keys in another order', '1.0.0', '{"ref":"1","payload":{},"event":"heartbeat","topic":"phoenix","join_ref":null}', 1 ],
	[ 'escaped key', '1.0.0', '{"\u0072ef":"1","payload":{},"event":"heartbeat","topic":"phoenix"}', 1 ],
	[ 'escaped event', '2.0.0', '[null,"1","phoenix","\u0068eartbeat",{}]', 1 ],
	[ 'topic is a number', '2.0.0', '[null,"1",7,"heartbeat",{}]', 0 ],
	[ 'event is a number', '2.0.0', '[null,"1","phoenix",7,{}]', 0 ],
	[ 'payload null', '2.0.0', '[null,"1","phoenix","heartbeat",null]', 1 ],
	[ 'payload an array', '2.0.0', '[null,"1","phoenix","heartbeat",[1]]', 1 ],
	[ 'payload with 1e400 and -0', '2.0.0', '[null,"1","phoenix","heartbeat",{"a":1e400,"b":-0}]', 1 ],
	[ 'duplicate keys', '2.0.0', '[null,"1","phoenix","heartbeat",{"a":1,"a":2,"__proto__":{}}]', 1 ],
	[ 'white space', '2.0.0', " [ null , \"1\" ,\n\"phoenix\"\t, \"heartbeat\" , { } ] ", 1 ],
	[ 'a scalar', '2.0.0', '7', 0 ],
	[ 'null', '1.0.0', 'null', 0 ],
	[ 'nothing', '2.0.0', '', 0 ],
	[ 'two values', '2.0.0', '[] []', 0 ])
{
	my ($name, $vsn, $text, $replies) = @$_;
	my $client = $server->client(vsn => $vsn);

	$client->send_frame(1, $text);
	$client->push_message(undef, 'last', 'phoenix', 'heartbeat', {});
	my $first = $client->next_message(5);
	is($first && $first->{ref}, $replies ? '1' : 'last', "$name: " . ($replies ? 'answered' : 'dropped'));
	ok($client->reply('last', 5), "$name: the connection goes on") if $replies;
	$client->abandon;
}

#
# Limits: channels of one client
#
{
	$server->reconfigure('realtime.max_channels_per_client' => 10);
	my $client = wait_for(
		sub {
			my $candidate = $server->client;
			$candidate->join("t$_") for 1 .. 10;
			return $candidate if $candidate->join('t11')->{payload}{status} eq 'error';
			$candidate->abandon;
			return undef;
		},
		'the new limit');
	is_deeply($client->join('t12')->{payload}, { status => 'error',
			response => { reason => 'ChannelRateLimitReached: Too many channels' } },
		'an eleventh channel is refused');
	is($client->join('t3')->{payload}{status}, 'ok', 'joining one of the ten again is not');
	$client->leave('t3');
	is($client->join('t12')->{payload}{status}, 'ok', 'after a leave there is room for another');
	$client->abandon;
	$server->reconfigure('realtime.max_channels_per_client' => 10000);
}

# ten thousand topics on one connection, then all gone with it
{
	my $client = wait_for(
		sub {
			my $candidate = $server->client;
			return $candidate if !grep { $candidate->join("u$_")->{payload}{status} ne 'ok' } 1 .. 200;
			$candidate->abandon;
			return undef;
		},
		'the old limit');
	my $status = 'ok';
	for my $n (201 .. 10_000)
	{
		$status = $client->join("u$n")->{payload}{status};
		last if $status ne 'ok';
	}
	is($status, 'ok', 'one client joins ten thousand topics');
	$server->publish('u9999', 5);
	is($client->broadcast->{payload}{n}, 5, 'and hears in one of them');
	$client->abandon;
	wait_for(sub { $server->stat('topics') == 0 }, 'the topics to be forgotten', 10);
	pass('they are forgotten when it goes');
}

is($server->gateway_pid, $gateway, 'all of this was one gateway');
$server->cluster_alive('after odd messages');

done_testing();
