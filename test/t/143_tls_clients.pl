# The unmodified npm clients by https and wss, over three gateways: supabase-js
# with both serializers, InsForge's client, and socket.io-client by polling and on
# its way to a WebSocket.

use strict;
use warnings;

use NpmClients;
use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;
use TlsFiles;

my $files = TlsFiles->new;
my $server = RealtimeServer->start_new('tls_clients', tls => $files,
	conf => $files->conf($files->certificate) . "realtime.gateways = 3\n");

npm_clients_setup($server);
wait_for(sub { $server->stat('gateways') == 3 }, 'all gateways to listen');
# each poll is a connection with a handshake of its own, and costs the client most
$ENV{POLLING_CLIENTS} = 10;
npm_clients_ok($server, qw(broadcast insforge polling));
ok($server->stat('tls_handshakes') > 0, 'they have spoken TLS');

$server->cluster_alive('after the client tests');
done_testing();
