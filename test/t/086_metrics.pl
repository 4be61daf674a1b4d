# GET /metrics and /healthz: the format, line by line; the figures, over one
# gateway and over three, after things were done whose number is known; who may
# see them; and what the hub's lag does to /healthz.

use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;

# A GET request: [status, head, body].
sub get
{
	my ($server, $path, $headers, %params) = @_;
	my $client = $server->client(upgrade => 0);
	my $answer = $client->http("GET $path HTTP/1.1\r\nHost: localhost\r\n" . ($headers // '') . "\r\n",
		$params{timeout}) // [ 'none', '', '' ];

	$client->abandon;
	return $answer;
}

# Take an exposition apart: the samples by name and labels, the types by name,
# and what is wrong with it.
sub parse
{
	my ($text) = @_;
	my (%samples, %types, %helps, @wrong, $family);
	my %suffixes = (histogram => [qw(_bucket _sum _count)], counter => [''], gauge => ['']);

	push @wrong, 'no line feed at the end' unless $text =~ /\n\z/;
	for my $line (split /\n/, $text)
	{
		if ($line =~ /^# HELP ([a-z_][a-z0-9_]*) \S.*\.$/)
		{
			push @wrong, "two of $1" if $helps{$1}++;
			$family = $1;
		}
		elsif ($line =~ /^# TYPE (\S+) (counter|gauge|histogram)$/)
		{
			push @wrong, "TYPE of $1 without HELP before it" unless $family && $family eq $1 && !$types{$1};
			$types{$1} = $2;
		}
		elsif ($line =~ /^([a-z_][a-z0-9_]*)((?:\{[a-z]+="[^"\\]+"(?:,[a-z]+="[^"\\]+")*\})?) (\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/)
		{
			my ($name, $labels, $value) = ($1, $2, $3);
			push @wrong, "$name is not of the family $family"
			  unless $family && grep { $name eq "$family$_" } @{ $suffixes{ $types{$family} } };
			push @wrong, "two of $name$labels" if exists $samples{"$name$labels"};
			$samples{"$name$labels"} = $value;
		}
		else { push @wrong, "bad line: $line"; }
	}
	return (\%samples, \%types, \@wrong);
}

# The samples of a server.
sub scrape
{
	my ($server) = @_;
	my $answer = get($server, '/metrics');
	my ($samples, $types, $wrong) = parse($answer->[2]);

	fail("status $answer->[0]") if $answer->[0] ne '200';
	fail(join "\n", @$wrong) if @$wrong;
	return $samples;
}

# Wait until a metric has a value: gateways that are not asked report every
# second.
sub becomes
{
	my ($server, $name, $value) = @_;
	my $last = 'nothing';

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	eval {
		wait_for(sub { $last = scrape($server)->{$name} // 'nothing'; $last eq $value }, $name, 15);
	};
	return is($last, $value, $name);
}

for my $gateways (1, 3)
{
	my $server = RealtimeServer->start_new("metrics$gateways", conf => <<"CONF");
realtime.gateways = $gateways
realtime.max_channels_per_client = 2
CONF
	my ($answer, $samples, $types, $wrong);

	wait_for(sub { $server->stat('gateways') == $gateways }, 'all gateways to listen');
	$server->sql(<<'SQL');
SELECT realtime.setup_api_roles();
CREATE POLICY "read" ON realtime.messages FOR SELECT TO authenticated USING (true);
CREATE POLICY "write" ON realtime.messages FOR INSERT TO authenticated WITH CHECK (true);
SQL

	subtest "$gateways: format" => sub {
		$answer = get($server, '/metrics');
		is($answer->[0], 200, 'there are metrics');
		like($answer->[1], qr{^content-type: text/plain; version=0\.0\.4; charset=utf-8\r?$}mi, 'of the right type');
		unlike($answer->[1], qr{^access-control-}mi, 'not for pages of others');
		($samples, $types, $wrong) = parse($answer->[2]);
		is_deeply($wrong, [], 'every line is right');
		for my $name (grep { $types->{$_} eq 'histogram' } keys %$types)
		{
			my @buckets = map { $samples->{$_} }
			  sort { ($a =~ /"(.*)"/)[0] <=> ($b =~ /"(.*)"/)[0] } grep { /^${name}_bucket\{le="[\d.]+"\}$/ } keys %$samples;
			cmp_ok(scalar(@buckets), '>', 10, "$name has buckets");
			is_deeply(\@buckets, [ sort { $a <=> $b } @buckets ], 'that add up');
			is($samples->{qq(${name}_bucket{le="+Inf"})}, $samples->{"${name}_count"}, 'to the count');
		}
		is($types->{"realtime_$_"}, 'gauge', $_) for qw(connections_connected gateways hub_wal_lag_bytes);
		is($types->{"realtime_$_"}, 'counter', $_) for qw(channel_joins channel_events channel_presence_events
			channel_db_events channel_input_bytes channel_output_bytes channel_error limit_reached
			hub_released hub_gaps hub_held gateway_deliveries each_gateway_deliveries);
		my $head = get($server, '/metrics', "Connection: close\r\n");
		is($head->[0], 200, 'on a connection that ends, too');
	};

	subtest "$gateways: figures" => sub {
		my @clients = map { $server->member('room') } 1 .. 6;
		my $token = $server->token(role => 'authenticated', sub => 'ann');
		my $private = $server->client(apikey => $token);

		is($private->join_result('secret', private => 1), 'ok', 'a private join');
		$private->cast('secret', 'e', { n => $_ }) for 1 .. 3;
		$clients[0]->cast('room', 'e', { n => $_ }) for 1 .. 10;
		for my $n (1 .. 10)
		{
			$_->expect(sub { ($_[0]{event} // '') =~ /^e$|broadcast/ }) or fail('a broadcast') for @clients[ 1 .. 5 ];
		}
		$server->publish('room', $_) for 1 .. 7;
		for my $n (1 .. 7)
		{
			$_->expect(sub { ($_[0]{event} // '') =~ /^e$|broadcast/ }) or fail('a message') for @clients;
		}
		is($clients[0]->join_result('two'), 'ok', 'another join');
		like($clients[0]->join_result('three'), qr/^ChannelRateLimitReached/, 'one too many');

		becomes($server, realtime_connections_connected => 7);
		becomes($server, realtime_gateway_users => 7);
		becomes($server, realtime_gateway_channels => 8);
		becomes($server, realtime_channel_joins => 8);
		becomes($server, realtime_channel_error => 1);
		becomes($server, 'realtime_limit_reached{limit="channels"}' => 1);
		becomes($server, realtime_channel_events => 3 + 10 + 50);
		becomes($server, realtime_channel_db_events => 42);
		becomes($server, realtime_gateway_deliveries => 92);
		becomes($server, realtime_hub_released => 7);
		becomes($server, realtime_gateways => $gateways);
		becomes($server, realtime_tenants_read_authorization_check_count => 1);
		becomes($server, realtime_tenants_write_authorization_check_count => 1);
		$samples = scrape($server);
		# every gateway that has members takes each message of the database
		my $taken = $samples->{realtime_tenants_broadcast_from_database_latency_committed_at_count};
		cmp_ok($taken, '>=', 7, "latencies: $taken");
		is($samples->{realtime_tenants_broadcast_from_database_latency_inserted_at_count}, $taken, 'of both kinds');
		is($samples->{'realtime_tenants_broadcast_from_database_latency_inserted_at_bucket{le="15000"}'}, $taken,
			'none of them is odd');
		is($samples->{realtime_payload_size_count}, $taken + 13, 'payloads');
		is($samples->{'realtime_payload_size_bucket{le="64"}'}, $taken + 13, 'all small');
		cmp_ok($samples->{realtime_channel_input_bytes}, '>', 1000, 'bytes in');
		cmp_ok($samples->{realtime_channel_output_bytes}, '>', 5000, 'bytes out');
		my ($connections, $deliveries) = (0, 0);
		for (keys %$samples)
		{
			$connections += $samples->{$_} if /^realtime_each_gateway_connections\{gateway="\d"\}$/;
			$deliveries += $samples->{$_} if /^realtime_each_gateway_deliveries\{gateway="\d"\}$/;
		}
		is($connections, 7, 'connections of all gateways add up');
		is($deliveries, 92, 'so do deliveries');
		is($server->stat('events'), 13, 'realtime.status() has them, too');

		$_->join('lobby', presence => 1) for @clients[ 1, 2 ];
		# what comes before the state is no diff
		ok($_->expect(sub { ($_[0]{event} // '') eq 'presence_state' }), 'the state') for @clients[ 1, 2 ];
		my $ref = $clients[1]->push('realtime:lobby', 'presence', { type => 'presence', event => 'track', payload => {} });
		ok($clients[1]->reply($ref), 'a track');
		ok($_->expect(sub { ($_[0]{event} // '') eq 'presence_diff' }), 'a diff') for @clients[ 1, 2 ];
		becomes($server, realtime_channel_presence_events => 1 + 2 + 2);
		becomes($server, realtime_hub_presence_members => 1);
		$_->close for @clients, $private;
		becomes($server, realtime_connections_connected => 0);
	};

	subtest "$gateways: a gateway that ends" => sub {
		my $before = scrape($server);

		kill 'KILL', $_ for $server->programs;
		wait_for(sub { ($server->programs) == $gateways && $server->healthy }, 'new gateways');
		wait_for(sub { (scrape($server)->{realtime_gateways} // 0) == $gateways }, 'all of them');
		my $after = scrape($server);
		is($after->{$_}, $before->{$_}, "$_ stays")
		  for qw(realtime_channel_joins realtime_channel_events realtime_channel_db_events realtime_payload_size_count);
		is($after->{realtime_hub_gateway_failures}, $gateways, 'failures are counted');
		$server->{ended} = 1;
	};

	subtest "$gateways: who may see them" => sub {
		my $proxied = "X-Forwarded-For: 192.0.2.1\r\n";
		my $service = $server->token(role => 'service_role');

		is(get($server, '/metrics', $proxied)->[0], 401, 'not who comes by way of a proxy');
		is(get($server, '/metrics', "${_}: 192.0.2.1\r\n")->[0], 401, $_) for 'Forwarded', 'X-Real-IP', 'via';
		is(get($server, '/metrics', "${proxied}apikey: " . $server->anon_token . "\r\n")->[0], 403,
			'nor with the key of everybody');
		is(get($server, '/metrics', "${proxied}apikey: x.y.z\r\n")->[0], 401, 'nor with what is none');
		is(get($server, '/metrics', "${proxied}Authorization: Bearer $service\r\n")->[0], 200,
			'but with a token of service_role');
		is(get($server, '/metrics', "${proxied}apikey: $service\r\n")->[0], 200, 'as apikey, too');
		is(get($server, '/healthz', $proxied)->[0], 200, 'health is for everybody');
		my $client = $server->client(upgrade => 0);
		is($client->http("POST /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")->[0], 405, 'GET only');
		$client->abandon;
	};

	subtest "$gateways: pipelined, and a hub that does not answer" => sub {
		my $client = $server->client(upgrade => 0);
		my $request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";

		$client->send_raw($request x 5 . "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
		my $text = '';
		$client->wait_eof;
		my $answers = () = $client->{in} =~ m{HTTP/1\.1 200 OK}g;
		is($answers, 6, 'six answers to six requests');

		my $hub = $server->hub_pid;
		kill 'STOP', $hub;
		ok(wait_for(sub { get($server, '/healthz', undef, timeout => 20)->[0] eq '503' }, 'the hub to be missed'),
			'a hub that hangs is unhealthy');
		wait_for(sub { get($server, '/healthz', undef, timeout => 20)->[2] eq '{"status":"no answer"}' }, 'the reason')
		  for 1 .. 2 * $gateways;
		is(get($server, '/metrics', undef, timeout => 20)->[0], 503, 'and there are no metrics');
		kill 'CONT', $hub;
		ok(wait_for(sub { get($server, '/healthz', undef, timeout => 20)->[0] eq '200' }, 'health'),
			'when it goes on, all is well');
	};
	$server->node->stop;
}

done_testing();
