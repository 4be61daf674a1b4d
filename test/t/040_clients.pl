# The unmodified npm clients: every test of test/clients against one server with
# one gateway.

use strict;
use warnings;

use NpmClients;
use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;

my $server = RealtimeServer->start_new('clients');

npm_clients_setup($server);

my @names = npm_clients();
ok(@names > 0, 'there are client tests');
npm_clients_ok($server, @names);

$server->cluster_alive('after the client tests');
done_testing();
