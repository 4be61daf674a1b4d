# clients/js/realtime.js in a real browser: two pages chat, see each other, and go
# on after the gateway was killed.  (What it does in Node, 040 tests.)

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename;
use PostgreSQL::Test::Utils;
use RealtimeServer;
use TapProgram;
use Test::More;

my $top = abs_path(dirname(__FILE__) . '/../..');
my $server = RealtimeServer->start_new('realtime_js');
my @users = map { sprintf '00000000-0000-4000-8000-%012d', $_ } 1, 2;

$server->sql(<<'SQL');
SELECT realtime.setup_api_roles();
INSERT INTO realtime.channels (pattern) VALUES ('chat:*');
CREATE POLICY chat ON realtime.messages FOR INSERT TO authenticated WITH CHECK (channel_name LIKE 'chat:%');
SQL
my $gateway = $server->gateway_pid;

{
	local $ENV{REALTIME_URL} = 'http://127.0.0.1:' . $server->port;
	local $ENV{TOKENS} = join ' ', map { $server->token(role => 'authenticated', sub => $_) } @users;
	local $ENV{USERS} = "@users";
	local $ENV{GATEWAY_PID} = $gateway;
	tap_program_ok('realtime.js', [ 'node', '--test', '--test-reporter=tap', "$top/test/browser/realtime-js.test.mjs" ]);
}

isnt($server->gateway_pid, $gateway, 'there is another gateway');
is($server->sql('SELECT count(*) FROM realtime.messages'), 4, 'each message was stored once');
$server->cluster_alive('after the browser');
done_testing();
