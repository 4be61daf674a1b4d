# socket.io-client as it is without options, with polling alone, and on its way from
# the one to the other, over several gateways: whatever gateway a request arrives
# at, it is the same to clients.  (040_clients.pl has one gateway.)

use strict;
use warnings;

use MIME::Base64 qw(decode_base64url);
use NpmClients;
use PollingClient;
use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;

# The gateway that an id names.
sub slot { my ($sid) = @_; return ord decode_base64url($sid); }

my $server = RealtimeServer->start_new('polling_clients', conf => 'realtime.gateways = 2');

$server->sql('SELECT realtime.setup_api_roles()');
for my $gateways (2, 4)
{
	$server->reconfigure('realtime.gateways' => $gateways);
	wait_for(sub { $server->stat('gateways') == $gateways }, 'all gateways to listen');
	npm_clients_ok($server, 'polling');
	wait_for(sub { $server->stat('connections') == 0 }, 'all sessions to end');
}
ok($server->stat('handovers') > 0, 'connections were handed over');
is($server->stat('handovers_dropped'), 0, 'and none was dropped');
is($server->stat('slow_closed'), 0, 'nobody was too slow');

# A gateway that dies takes its own sessions along and nobody else's.
{
	my @clients = map { PollingClient->member($server, 'poll:death') } 1 .. 12;
	my %get = map { $_->sid => $_->begin_poll } @clients;
	my %gateway;
	my $victim;

	# the connections are where the sessions are, once they have been handed over
	eval {
		wait_for(
			sub {
				%gateway = map { $_ => $server->gateway_of($get{$_}) // 0 } keys %get;
				my %of_slot = map { slot($_) => $gateway{$_} } keys %gateway;
				return !grep { !$gateway{$_} || $gateway{$_} != $of_slot{ slot($_) } } keys %gateway;
			},
			'the connections to be handed over');
	} or die $@, map { sprintf "gateway %d, process %d, port %d\n", slot($_), $gateway{$_}, $get{$_}->local_port } sort keys %gateway;
	$victim = $gateway{ $clients[0]->sid };
	kill 'KILL', $victim;
	wait_for(sub { !$server->process_alive($victim) && $server->programs == 4 && $server->stat('gateways') == 4 },
		'another gateway');
	$server->sql(q{SELECT realtime.publish('poll:death', 'n', '{"n": 1}')});
	for my $client (@clients)
	{
		my $answer = $get{ $client->sid }->http(undef);

		if ($gateway{ $client->sid } == $victim)
		{
			is($answer, undef, 'a session of it: its connection ends');
			$answer = $client->poll;
			like($answer->[2], qr/"code":1,/, 'and the session is unknown');
		}
		else { like($answer && $answer->[2], qr/"n": ?1,/, 'a session of another one hears on'); }
	}
	$_->abandon for values %get;
}

$server->cluster_alive('after the client tests');
done_testing();
