# The clients of InsForge, unmodified, over two gateways: what they say to each
# other and to supabase-js crosses the hub, and nothing of what they see differs.

use strict;
use warnings;

use NpmClients;
use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;

my $server = RealtimeServer->start_new('insforge_clients', conf => "realtime.gateways = 2\n");

npm_clients_setup($server);
wait_for(sub { $server->stat('gateways') == 2 }, 'all gateways to listen');
npm_clients_ok($server, qw(insforge socket-io));

$server->cluster_alive('after the client tests');
done_testing();
