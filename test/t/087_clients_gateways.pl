# The unmodified npm clients over three gateways: what they say to each other
# crosses the hub, and nothing of what they see differs.  (Presence over several
# gateways has a file of its own.)

use strict;
use warnings;

use NpmClients;
use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;

my $gateways = 3;
my $server = RealtimeServer->start_new('clients_gateways', conf => "realtime.gateways = $gateways\n");

npm_clients_setup($server);
wait_for(sub { $server->stat('gateways') == $gateways }, 'all gateways to listen');
npm_clients_ok($server, qw(broadcast events phoenix realtime-js resume rest talk));

$server->cluster_alive('after the client tests');
done_testing();
