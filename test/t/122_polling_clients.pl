# socket.io-client as it is without options, with polling alone, and on its way from
# the one to the other, over several gateways: whatever gateway a request arrives
# at, it is the same to clients.  (040_clients.pl has one gateway.)

use strict;
use warnings;

use NpmClients;
use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;

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

$server->cluster_alive('after the client tests');
done_testing();
