# Channels of Socket.IO clients, frame by frame: answers in their order, publishing in
# order and in bulk, names that are not told, presence over two gateways, limits.

use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Utils;
use RealtimeServer;
use SocketIoClient;
use Test::More;
use Time::HiRes qw(time);

my $json = JSON::PP->new->canonical;
my $server = RealtimeServer->start_new('socket_io_channels', conf => "realtime.gateways = 2\n");

$server->sql('SELECT realtime.setup_api_roles()');
$server->sql("INSERT INTO realtime.channels (pattern) VALUES ('chat:%'), ('read:%'), ('slow:%')");
$server->sql(q{CREATE POLICY publish ON realtime.messages FOR INSERT TO anon, authenticated
	WITH CHECK (channel_name LIKE 'chat:%')});
$server->sql(q{CREATE POLICY hear ON realtime.messages FOR SELECT TO anon, authenticated USING (channel_name LIKE 'chat:%')});
wait_for(sub { $server->stat('gateways') == 2 }, 'both gateways');

my $nth = 0;
sub uuid    { return sprintf '00000000-0000-4000-8000-%012d', ++$nth; }
sub visitor { return SocketIoClient->connect(port => $server->port, auth => { token => $server->anon_token }, @_); }

sub member
{
	my ($sub, @more) = @_;
	return SocketIoClient->connect(port => $server->port,
		auth => { token => $server->token(role => 'authenticated', sub => $sub // uuid()) }, @more);
}

sub ids { return join ' ', sort map { $_->{presenceId} } @{ $_[0] }; }

#
# Answers
#
{
	my $client = visitor();

	# in one segment: none is decided when the next one comes
	$client->ws->send_raw(join '', map { WebSocketClient::frame(WebSocketClient::TEXT, $_) } (
		'420["realtime:subscribe",{"channel":"chat:quick"}]',
		'421["realtime:subscribe",{"channel":"chat:quick"}]',
		'422["realtime:publish",{"channel":"chat:quick","event":"early"}]',
		'423["realtime:unsubscribe",{"channel":"chat:quick"}]',
		'424["realtime:subscribe",{"channel":"chat:quick"}]',
		'42["realtime:subscribe",{"channel":"chat:quick"}]',
		'425["realtime:subscribe",{"channel":"chat:quick"}]'));
	my @answers = map { $json->decode($client->packet =~ s/^43//r =~ s/^(\d)/$1,/r =~ s/^/[/r =~ s/$/]/r) } 1 .. 6;

	is(join(' ', map { $_->[0] } @answers), '2 0 1 3 4 5', 'answers come in the order of their events');
	is($answers[0][1][0]{error}{code}, 'REALTIME_NOT_SUBSCRIBED', 'who is not subscribed yet publishes nothing');
	is_deeply([ map { $_->[1][0]{error}{code} } @answers[ 1, 2 ] ], [ ('SUBSCRIPTION_CANCELLED') x 2 ],
		'who unsubscribes before the answer gets it');
	is_deeply($answers[3][1][0], { ok => JSON::PP::true, channel => 'chat:quick' }, 'to unsubscribe is never refused');
	is_deeply([ map { scalar @{ $_->[1][0]{presence}{members} } } @answers[ 4, 5 ] ], [ 1, 1 ], 'then it subscribes, once');
}
{
	my $client = visitor();

	$client->emit_only('realtime:subscribe', { channel => 'nowhere' });
	is_deeply($client->event('realtime:error'),
		{ channel => 'nowhere', code => 'REALTIME_UNAUTHORIZED', message => 'Not authorized to subscribe to this channel' },
		'a refusal that no answer is wanted of');
	$client->emit_only('realtime:subscribe', { channel => 'chat:silent' });
	$client->emit_only('realtime:unsubscribe', { channel => 'chat:other' });
	wait_for(sub { $client->ask('realtime:publish', { channel => 'chat:silent', event => 'said' })->{ok} }, 'a subscription without answer');
	is(($client->next_event)[0], 'said', 'is all there is');
	$server->sql(q{ALTER TABLE realtime.channels ENABLE ROW LEVEL SECURITY});
	is($client->ask('realtime:subscribe', { channel => 'chat:hidden' })->{error}{code}, 'REALTIME_UNAUTHORIZED', 'policies on channels');
	is($client->ask('realtime:subscribe', { channel => 'chat:silent' })->{ok}, JSON::PP::true, 'are not asked about what one has');
	$server->sql(q{CREATE POLICY raises ON realtime.channels USING (1 / (length(pattern) - length(pattern)) = 1)});
	is($client->ask('realtime:subscribe', { channel => 'chat:raises' })->{error}{code}, 'REALTIME_UNAUTHORIZED', 'one that raises an error');
	$server->sql(q{DROP POLICY raises ON realtime.channels});
	$server->sql(q{ALTER TABLE realtime.channels DISABLE ROW LEVEL SECURITY});
}

#
# Publishing
#
{
	my ($one, $two) = $server->clients_apart(\&member);
	my $count = 3000;

	$_->subscribe('chat:bulk', presence => JSON::PP::false) for $one, $two;
	$_->subscribe('chat:bulk2', presence => JSON::PP::false) for $one, $two;
	# all of it at once, on two channels by turns
	$one->ws->send_raw(join '', map {
		WebSocketClient::frame(WebSocketClient::TEXT,
			sprintf '42["realtime:publish",{"channel":"chat:bulk%s","event":"said","payload":{"n":%d}}]', $_ % 2 ? '2' : '', $_)
	} 0 .. $count - 1);
	for my $client ($two, $one)
	{
		my %next = ('chat:bulk' => 0, 'chat:bulk2' => 1);
		my $in_order = 0;
		for (1 .. $count)
		{
			my $said = $client->event('said') // last;
			$in_order++ if $said->{n} == $next{ $said->{meta}{channel} };
			$next{ $said->{meta}{channel} } += 2;
		}
		is($in_order, $count, 'everything that was published at once comes in the order of its channel');
	}
	is($server->sql("SELECT count(*) FROM realtime.messages WHERE channel_name LIKE 'chat:bulk%'"), $count, 'and is stored');
}
{
	my $client = member();
	my $other = visitor();

	$_->subscribe('chat:leave') for $client, $other;
	$client->ws->send_raw(join '', (map {
		WebSocketClient::frame(WebSocketClient::TEXT,
			sprintf '42["realtime:publish",{"channel":"chat:leave","event":"said","payload":{"n":%d}}]', $_)
	} 1 .. 50), WebSocketClient::frame(WebSocketClient::TEXT, '41'), WebSocketClient::frame(WebSocketClient::TEXT, '1'));
	is((map { $other->event('said')->{n} } 1 .. 50)[-1], 50, 'what was said before leaving is published');
}
{
	my $client = member();

	$client->subscribe('read:1');
	is_deeply($client->ask('realtime:publish', { channel => 'read:1', event => 'said', payload => {} }),
		{ ok => JSON::PP::false, channel => 'read:1',
			error => { code => 'REALTIME_UNAUTHORIZED', message => 'Not authorized to publish to this channel' } },
		'policies decide who may publish');
	$server->sql("UPDATE realtime.channels SET enabled = false WHERE pattern = 'read:%'");
	is($client->ask('realtime:publish', { channel => 'read:1', event => 'said' })->{error}{code}, 'REALTIME_UNAUTHORIZED',
		'and nobody may on a channel that is disabled');
	$server->sql("UPDATE realtime.channels SET enabled = true WHERE pattern = 'read:%'");

	$server->reconfigure('realtime.max_message_size' => '1kB');
	$client->subscribe('chat:large');
	wait_for(
		sub {
			my $answer = $client->ask('realtime:publish', { channel => 'chat:large', event => 'e', payload => { x => 'x' x 2000 } });
			return ($answer->{error}{code} // '') eq 'INVALID_INPUT';
		},
		'a payload that is too large to be refused');
	is($client->ask('realtime:track', { channel => 'chat:large', payload => { x => 'x' x 2000 } })->{error}{code},
		'INVALID_INPUT', 'and one that is tracked');
	$server->reconfigure('realtime.max_message_size' => '3000kB');
	wait_for(sub { $client->ask('realtime:publish', { channel => 'chat:large', event => 'e', payload => { x => 'x' x 2000 } })->{ok} },
		'it to be taken again');
}

#
# Names that are not told
#
{
	my $client = visitor();
	my $phoenix = $server->client;

	$client->subscribe('chat:names');
	is($phoenix->join('chat:names', private => 1)->{payload}{status}, 'ok', 'a Phoenix client');
	$server->sql("SELECT realtime.send('{}'::jsonb, e, 'chat:names', true) FROM unnest(ARRAY['disconnect', 'connect', 'presence:leave', 'realtime:error']) AS e");
	$phoenix->cast_text('chat:names', { type => 'broadcast', event => $_, payload => {} }) for 'newListener', 'presence:join';
	$phoenix->cast_text('chat:names', { type => 'broadcast', payload => {} });
	$phoenix->cast_text('chat:names', { type => 'broadcast', event => 'fine', payload => [1] });
	my ($event, $argument) = $client->next_event;
	is($event, 'fine', 'only what has a name of its own is told');
	is_deeply($argument->{payload}, [1], 'and what is no object is a member of one');
	is($argument->{meta}{wrapped}, JSON::PP::true, 'which says so');
	wait_for(sub { $server->stat('reserved_events') == 6 }, 'the others to be counted');
}

#
# Presence over two gateways
#
{
	my ($one, $two) = $server->clients_apart(\&member);
	my $id = uuid();
	my ($tab1, $tab2) = $server->clients_apart(sub { member($id) });

	my $mine = $one->subscribe('chat:who')->{presence}{members}[0]{presenceId};
	$two->subscribe('chat:who', presence => JSON::PP::false);
	is(ids($tab1->subscribe('chat:who')->{presence}{members}), join(' ', sort $mine, $id), 'a user comes');
	is($_->event('presence:join')->{member}{presenceId}, $id, 'others hear of it') for $one, $two;
	wait_for(sub { ids($tab2->subscribe('chat:who')->{presence}{members}) eq join ' ', sort $mine, $id }, 'another tab of his');
	$tab1->ask('realtime:track', { channel => 'chat:who', payload => { mood => 'good' } });
	is_deeply($_->event('presence:update')->{member}{payload}, { mood => 'good' }, 'what he tracks is told')
	  for $one, $two, $tab2;
	$tab1->ask('realtime:unsubscribe', { channel => 'chat:who' });
	ok(!exists $_->event('presence:update')->{member}{payload}, 'with one tab it goes') for $one, $two;
	$tab2->say('41');
	is($_->event('presence:leave')->{member}{presenceId}, $id, 'with the last one he goes') for $one, $two;
	is($two->wait_packet(qr/presence:join/, 0.2), undef, 'and he came only once');
	is(ids($tab1->subscribe('chat:who')->{presence}{members}), join(' ', sort $mine, $id), 'and he comes back');

	# many at once
	my @crowd = map { member() } 1 .. 60;
	my @acks = map { $_->emit('realtime:subscribe', { channel => 'chat:crowd' }) } @crowd;
	for my $i (0 .. $#crowd)
	{
		my $client = $crowd[$i];
		my %there = map { $_->{presenceId} => 1 } @{ $client->answer($acks[$i])->{presence}{members} };
		my $self = keys %there;
		wait_for(
			sub {
				while (keys %there < @crowd)
				{
					my $event = $client->event('presence:join', 5) // last;
					fail('a member twice') if $there{ $event->{member}{presenceId} }++;
				}
				return keys %there == @crowd;
			},
			'everybody to see everybody, once') or last;
	}
	pass('everybody of a crowd sees everybody, once');
}

#
# Limits
#
{
	my $client = member();

	$server->reconfigure('realtime.max_channels_per_client' => 2);
	my $n = 0;
	wait_for(
		sub {
			my $answer = $client->ask('realtime:subscribe', { channel => 'chat:limit' . ++$n });
			return 0 if $answer->{ok};
			is_deeply($answer->{error}, { code => 'REALTIME_RATE_LIMITED', message => 'Too many channels' }, 'too many channels');
			return 1;
		},
		'the limit of channels');
	$server->reconfigure('realtime.max_channels_per_client' => 100, 'realtime.rate_window' => '60s',
		'realtime.max_events_per_second' => 1);
	my $error;
	wait_for(
		sub {
			$error = $client->ask('realtime:publish', { channel => 'chat:limit1', event => 'said' })->{error};
			return $error;
		},
		'the limit of events');
	is_deeply($error, { code => 'REALTIME_RATE_LIMITED', message => 'Too many messages per second' }, 'too many events');
	$server->reconfigure('realtime.max_events_per_second' => 0, 'realtime.max_presence_events_per_second' => 1);
	wait_for(sub { $error = $client->ask('realtime:track', { channel => 'chat:limit1', payload => {} })->{error} }, 'the limit of presence');
	is($error->{code}, 'REALTIME_RATE_LIMITED', 'too much presence');
	$server->reconfigure('realtime.max_presence_events_per_second' => 0, 'realtime.max_joins_per_second' => 1);
	wait_for(sub { $error = $client->ask('realtime:subscribe', { channel => 'chat:limits' . ++$n })->{error} }, 'the limit of joins');
	is($error->{code}, 'REALTIME_RATE_LIMITED', 'too many subscriptions');
	$server->reconfigure('realtime.max_joins_per_second' => 0, 'realtime.max_presence_members' => 0);
	wait_for(
		sub {
			my $new = eval { member() } or return 0;
			$new->subscribe('chat:full' . ++$n);
			my $full = $new->event('realtime:error', 1) // return 0;
			is_deeply($full, { channel => "chat:full$n", code => 'REALTIME_RATE_LIMITED', message => 'Presence limit exceeded' },
				'no room for members');
			is($new->ask('realtime:publish', { channel => "chat:full$n", event => 'said' })->{ok}, JSON::PP::true, 'but for messages');
			return 1;
		},
		'the limit of members');
	is($client->ask('realtime:publish', { channel => 'chat:limit1', event => 'said' })->{ok}, JSON::PP::true, 'it is still connected');
}

$server->cluster_alive('at the end');
done_testing();
