# The limits of supabase.md sections 5.4 and 9: each is reached, over one gateway
# and over three together, says what upstream says, and is counted.  Messages of
# the database pass all of them, and what was refused works again later.

use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;

my $json = JSON::PP->new->utf8->canonical;

# A rate of one per second over this many seconds is a budget of so many, of
# which nothing comes back while a test goes on.
my $window = 300;

# What comes of an upgrade: the status and the error.
sub connect_result
{
	my ($server) = @_;
	my $client = $server->client(upgrade => 0);
	my $answer = $client->http(WebSocketClient::upgrade_request(
		WebSocketClient::target(apikey => $server->anon_token, vsn => '2.0.0')));
	my $result = $answer ? "$answer->[0] $answer->[2]" : 'closed';

	$client->abandon;
	return $result;
}

# The message of the system error that ends a channel, and the event after it.
sub end_of
{
	my ($client, $topic) = @_;
	my $system = $client->expect(sub { ($_[0]{event} // '') eq 'system' && $_[0]{payload}{status} eq 'error' })
	  or return 'no system error';
	my $close = $client->expect(sub { ($_[0]{event} // '') =~ /^phx_(close|error)$/ })
	  or return "$system->{payload}{message}, and no end";

	return "$system->{payload}{message}, $close->{event}";
}

# A broadcast by HTTP: the status and the body.
sub rest
{
	my ($server, $n) = @_;
	my $client = $server->client(upgrade => 0);
	my $body = $json->encode({ messages => [ map { { topic => 'rest', event => 'e', payload => { n => $_ } } } 1 .. $n ] });
	my $answer = $client->http("POST /api/broadcast HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
		  . $server->anon_token . "\r\nContent-Type: application/json\r\nContent-Length: " . length($body)
		  . "\r\n\r\n$body");

	$client->abandon;
	return $answer ? "$answer->[0] $answer->[2]" : 'closed';
}

# One limit at a time.
sub set
{
	my ($server, %limits) = @_;
	my %all = map { ("realtime.$_" => $limits{$_} // 0) }
	  qw(max_concurrent_users max_joins_per_second max_events_per_second max_presence_events_per_second);

	$all{'realtime.rate_window'} = $limits{window} // $window;

	$server->reconfigure(%all);
	return;
}

# Call until it returns something else than 'ok'; what that is, and how often it
# was 'ok' before.
sub exhaust
{
	my ($call, $most) = @_;

	for my $n (0 .. $most)
	{
		my $result = $call->($n);
		return ($result, $n) if $result ne 'ok';
	}
	return ('ok', $most + 1);
}

for my $gateways (1, 3)
{
	my $server = RealtimeServer->start_new("limits$gateways", conf => <<"CONF");
realtime.gateways = $gateways
realtime.rate_window = ${window}s
realtime.max_presence_calls = 0
realtime.max_channels_per_client = 3
realtime.max_message_size = 64kB
CONF
	my @counters = qw(users_limited joins_limited events_limited presence_events_limited channels_limited
	  payloads_limited connections_limited);

	wait_for(sub { $server->stat('gateways') == $gateways }, 'all gateways to listen');

	# Does a condition hold for a counter?
	my $counted = sub {
		my ($counter) = @_;
		local $Test::Builder::Level = $Test::Builder::Level + 1;
		return ok(wait_for(sub { $server->stat($counter) > 0 }, "$counter to grow"), "$counter is counted");
	};

	is(join(',', map { $server->stat($_) } @counters), '0,0,0,0,0,0,0', "$gateways: nothing was refused yet");

	subtest "$gateways: channels of a client, size of a payload" => sub {
		my $client = $server->member('one');

		is($client->join_result($_), 'ok', "channel $_") for qw(two three);
		is($client->join_result('four'), 'ChannelRateLimitReached: Too many channels', 'too many channels');
		$counted->('channels_limited');
		my $ref = $client->start_join('one', broadcast => { ack => JSON::PP::true, self => JSON::PP::false });
		is($client->reply($ref)->{payload}{status}, 'ok', 'joined again, with acknowledgements');
		my $reply = $client->reply($client->cast('one', 'e', { x => 'x' x 65536 }));
		is($reply->{payload}{status}, 'error', 'too large a payload');
		$counted->('payloads_limited');
		$client->close;
	};

	subtest "$gateways: users" => sub {
		my @idle = map { $server->client } 1 .. 3;

		wait_for(sub { $server->stat('users') == 0 }, 'those before to be gone');
		set($server, max_concurrent_users => 2);
		# a setting takes its time; nobody is there, so that one can try with one more
		is($idle[$_]->join_result('room'), 'ok', "user $_ joins") for 0, 1;
		is($idle[1]->join_result('hall'), 'ok', 'and joins more');
		wait_for(sub { connect_result($server) =~ /^429/ }, 'a refusal')
		  for 1 .. 3 * $gateways;
		is(connect_result($server), '429 {"error":"Too many connected users"}', 'connecting is refused');
		is($idle[2]->join_result('room'), 'ConnectionRateLimitReached: Too many connected users',
			'so is the first join of a connection');
		is($idle[1]->join_result('attic'), 'ok', 'but not that of a user');
		$counted->('users_limited');
		$idle[0]->close;
		ok(wait_for(sub { $idle[2]->join_result('room') eq 'ok' }, 'there to be room'),
			'when one goes, another one may come');
		$_->close for @idle[ 1, 2 ];
		set($server);
		wait_for(sub { connect_result($server) =~ /^101/ }, 'connections') for 1 .. 3 * $gateways;
	};

	subtest "$gateways: joins per second" => sub {
		my @clients = map { $server->client } 1 .. 9;
		my ($result, $n);

		set($server, max_joins_per_second => 1);
		($result, $n) = exhaust(sub { $clients[1 + $_[0] % 7]->join_result('room') }, 2000);
		is($result, 'ClientJoinRateLimitReached: Too many joins per second', 'a join is refused');
		ok($clients[1 + $n % 7]->expect(sub { exists $_[0]{close} }), 'and the connection closed');
		wait_for(sub { connect_result($server) =~ /^429/ }, 'connecting to be refused') for 1 .. 3 * $gateways;
		is(connect_result($server), '429 {"error":"Too many joins per second"}', 'connecting is refused');
		is($clients[8]->join_result('room'), 'ClientJoinRateLimitReached: Too many joins per second',
			'others are refused as well, wherever they are');
		$counted->('joins_limited');
		set($server, max_joins_per_second => 100, window => 1);
		ok(wait_for(sub { connect_result($server) =~ /^101/ }, 'time to pass'), 'later one may connect again');
		ok(wait_for(sub { my $client = eval { $server->client } // return 0;
				my $joined = $client->join_result('room') eq 'ok'; $client->close; $joined }, 'a join'),
			'and join');
		$_->abandon for @clients;
		set($server, max_joins_per_second => 1);
		@clients = ();
		wait_for(sub { push @clients, eval { $server->client } // (); @clients == 7 }, 'some more clients');
		($result, $n) = exhaust(sub { $clients[$_[0] % 7]->join_result('room') }, 2000);
		is($result, 'ClientJoinRateLimitReached: Too many joins per second', 'until one is refused again');
		cmp_ok($n, '<=', $window + ($gateways - 1) * 5, "there is room for so many and not more: $n");
		$_->abandon for @clients;
		set($server);
		wait_for(sub { connect_result($server) =~ /^101/ }, 'connections') for 1 .. 3 * $gateways;
	};

	subtest "$gateways: events per second" => sub {
		my ($sender, $listener, $other) = map { $server->member('room') } 1 .. 3;
		my ($sent, $heard) = (0, 0);
		my $end;

		$other->join('rest');
		set($server, max_events_per_second => 1);
		for (1 .. 2000)
		{
			$sender->cast('room', 'e', { n => $_ });
			$sent++;
			$end = $sender->next_message(0.01);
			last if $end;
		}
		is($end && $end->{event} eq 'system' ? $end->{payload}{message} : 'none',
			'Too many messages per second', "a broadcast was one too many: $sent");
		is($sender->next_message->{event}, 'phx_close', 'and the channel is closed');
		$heard++ while $heard < $sent - 1 && $listener->expect(sub { ($_[0]{event} // '') eq 'e' });
		is($heard, $sent - 1, 'what was taken was delivered');
		$counted->('events_limited');
		wait_for(sub { rest($server, 1) =~ /^429/ }, 'requests to be refused') for 1 .. 3 * $gateways;
		is(rest($server, 1), '429 {"message":"You have exceeded your rate limit"}', 'a request is refused');
		my $before = $server->stat('released');
		$server->publish('room', $_) for 1 .. 50;
		my @got = grep { defined } map { $listener->expect(sub { ref $_[0]{meta} || ref $_[0]{payload}{meta} }) } 1 .. 50;
		is(scalar(@got), 50, 'messages of the database pass');
		is($server->stat('released') - $before, 50, 'all of them');
		$other->cast('rest', 'e', {});
		is(end_of($other, 'rest'), 'Too many messages per second, phx_close', 'others are refused as well');
		set($server, max_events_per_second => 100, window => 1);
		ok(wait_for(sub { rest($server, 1) =~ /^202/ }, 'time to pass'), 'later a request is taken');
		ok(wait_for(sub { rest($server, 101) eq
					'429 {"message":"Too many messages to broadcast, please reduce the batch size"}' }, 'a refusal'),
			'one that is too large for a moment is not');
		$_->close for $sender, $listener, $other;
		set($server);
	};

	subtest "$gateways: presence events per second" => sub {
		my ($client, $other) = map { $server->client } 1 .. 2;
		my $end;

		$_->join('room', presence => 1) for $client, $other;
		set($server, max_presence_events_per_second => 1);
		for my $n (1 .. 2000)
		{
			my $ref = $client->push('realtime:room', 'presence',
				{ type => 'presence', event => 'track', payload => { n => $n } });
			$end = $client->expect(sub { ($_[0]{event} // '') =~ /^(phx_reply|system)$/ });
			last if $end->{event} eq 'system';
		}
		is($end->{payload}{message}, 'Too many presence messages per second', 'a track was one too many');
		ok($client->expect(sub { ($_[0]{event} // '') eq 'phx_close' }), 'and the channel is closed');
		$counted->('presence_events_limited');
		ok($other->expect(sub { ($_[0]{event} // '') eq 'presence_diff' && keys %{ $_[0]{payload}{leaves} } && !keys %{ $_[0]{payload}{joins} } }),
			'who only listens hears of that');
		$_->close for $client, $other;
		set($server);
	};

	subtest "$gateways: connections of a gateway" => sub {
		$server->reconfigure('realtime.max_connections' => 1);
		my @clients;
		wait_for(sub { push @clients, eval { $server->client } // (); connect_result($server) =~ /^503/ }, 'a refusal');
		is(wait_for(sub { my $r = connect_result($server); $r =~ /^503/ ? $r : undef }, 'another one'),
			'503 {"error":"Too many connected users"}', 'connecting is refused');
		$counted->('connections_limited');
		$_->abandon for @clients;
	};

	$server->cluster_alive("$gateways gateways at their limits");
	$server->node->stop;
}

done_testing();
