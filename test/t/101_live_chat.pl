# The live chat as `make demo-chat` serves it, in a real browser: two visitors
# and an agent, who see what they should and nothing else, and who go on after
# the gateway was killed.  Ctrl-C ends the service and the server.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename;
use IO::Socket::INET;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use RealtimeServer;
use TapProgram;
use Test::More;

my $top = abs_path(dirname(__FILE__) . '/../..');
my $dir = PostgreSQL::Test::Utils::tempdir() . '/chat';

$ENV{DEMO_DIR} = $dir;
my $out = '';
# a test that was started in the background ignores it, and so would what it starts
$SIG{INT} = 'DEFAULT';
my $chat = IPC::Run::start([ "$top/examples/live-chat/live-chat" ], '<', \undef, '>', \$out, '2>&1');

END
{
	# also when the test died: the script stops what it has started
	my $status = $?;
	if ($chat) { $chat->signal('TERM'); $chat->finish; }
	$? = $status;
}

wait_for(sub { $chat->pump_nb; $out =~ /Ctrl-C/ || !$chat->pumpable }, 'the live chat');
my ($pages) = $out =~ m{chat here: +(\S+)} or die "it does not start: $out";
my ($dashboard) = $out =~ m{answers here: +(\S+)};
my ($pg_port, $realtime_port) = split ' ', slurp_file("$dir/ports");
my $password = slurp_file("$dir/password") =~ s/\s+//gr;

# Run a query as the superuser.
sub query
{
	my ($result) = run_command([ 'psql', '-XAt', "postgresql://postgres:$password\@127.0.0.1:$pg_port/postgres", '-c', $_[0] ]);
	return $result;
}

my $hub = query(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'realtime hub'});
my $gateway = wait_for(sub { (RealtimeServer->programs('realtime_gateway', $hub))[0] }, 'a gateway');

{
	local $ENV{CHAT_URL} = $pages;
	local $ENV{AGENT_URL} = $dashboard;
	local $ENV{REALTIME_URL} = "http://127.0.0.1:$realtime_port";
	local $ENV{GATEWAY_PID} = $gateway;
	tap_program_ok('live chat', [ 'node', '--test', '--test-reporter=tap', "$top/test/browser/live-chat.test.mjs" ]);
}

isnt((RealtimeServer->programs('realtime_gateway', $hub))[0], $gateway, 'there is another gateway');
is(query(q{SELECT count(*) FROM pg_roles WHERE rolname = 'chat_service' AND (rolsuper OR rolbypassrls OR rolinherit)}),
	0, 'the service has no rights of its own');
is(query('SELECT count(*) FROM chat_messages'), 10, 'and wrote each message once');
is(slurp_file("$dir/service.log"), "The live chat is ready.\n", 'without a complaint');

IPC::Run::run([ "$top/examples/live-chat/live-chat" ], '<', \undef, '>&', \my $second);
like($second, qr/runs already/, 'a second one does not start');

$chat->signal('INT');
$chat->finish;
undef $chat;
my ($port) = $pages =~ /:(\d+)/;
for ($port, $pg_port, $realtime_port)
{
	ok(!IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $_), 'nothing listens any more');
}
done_testing();
