# What a client is told is done, the hub knows: whoever comes after that, to any
# gateway, sees it.  The gateways of this server are slow to tell the hub of some.

use strict;
use warnings;

use Preload;
use PresenceView;
use RealtimeServer;
use SocketIoClient;
use Test::More;

my ($slow, $quick) = map { "00000000-0000-4000-8000-00000000000$_" } 1, 2;
my $server = Preload->slow_bus_server('told', $slow, conf => "realtime.gateways = 2\n");

$server->sql('SELECT realtime.setup_api_roles()');
$server->sql("INSERT INTO realtime.channels (pattern) VALUES ('chat')");
$server->sql('CREATE POLICY hear ON realtime.messages FOR SELECT TO authenticated USING (true)');
wait_for(sub { $server->stat('gateways') == 2 }, 'both gateways');

{
	my ($one, $other) = $server->clients_apart(sub { $server->client });
	my $member = PresenceView->join($one, 'room', key => 'member');

	is($member->track({ id => $slow }), 'ok', 'tracked');
	my $view = PresenceView->join($other, 'room', key => 'other');
	ok($view->until(sub { 1 }), 'who comes to another gateway is told who is there');
	is_deeply($view->known, { member => [qq({"id":"$slow"})] }, 'the member is');
}

{
	my @subs = ($slow);
	my ($member, $other) = $server->clients_apart(
		sub {
			SocketIoClient->connect(port => $server->port,
				auth => { token => $server->token(role => 'authenticated', sub => shift @subs // $quick) });
		});

	is($member->ask('realtime:subscribe', { channel => 'chat' })->{ok}, JSON::PP::true, 'subscribed');
	is_deeply([ map { $_->{presenceId} } @{ $other->ask('realtime:subscribe', { channel => 'chat', presence => JSON::PP::false })->{presence}{members} } ],
		[$slow], 'who subscribes at another gateway is answered with the member');
}

$server->cluster_alive('after that');
done_testing();
