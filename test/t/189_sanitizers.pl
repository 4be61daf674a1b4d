# That the files 185 to 188 would fail if a sanitizer found something: their
# programs are built with ASan, and a report of a gateway that crashes is seen.

use strict;
use warnings;

use SanitizedPrograms;
use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;

my $server = RealtimeServer->start_new('asan', extension => 0);
my $gateway = $server->gateway_pid;

like(slurp_file("/proc/$gateway/maps"), qr/libasan/, 'the gateway runs with ASan');
is_deeply([ SanitizedPrograms::reports() ], [], 'which has nothing to say yet');

$SanitizedPrograms::expected = 1;
kill 'SEGV', $gateway;
wait_for(sub { !$server->process_alive($gateway) }, 'the gateway to end');
like((SanitizedPrograms::reports())[0], qr/AddressSanitizer: SEGV/, 'what it says at a crash is found in the log');
$server->wait_until_healthy;
$server->cluster_alive('after the crash of the gateway');

done_testing();
