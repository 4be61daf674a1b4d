# A frame that many clients get is one piece of memory.  While a client that does
# not read keeps such frames, and talks on with control frames, what others get is
# whole; and so is what it gets when it reads at last (incidents nats-server #4808
# and #2510).

use strict;
use warnings;

use Digest::MD5 qw(md5_hex);
use RealtimeServer;
use Test::More;

my $server = RealtimeServer->start_new('frames', conf => <<'CONF');
realtime.max_send_queue = '64MB'
realtime.send_timeout = '10min'
realtime.max_events_per_second = 0
CONF
my $gateway = $server->gateway_pid;
my $messages = 20;
my $slow = $server->member('room', receive_buffer => 4096);
my $old = $server->member('room', vsn => '1.0.0');
my $fast = $server->member('room');

# The MD5 that a message of 790 kB says, and that of its text.
sub is_whole
{
	my ($sum) = $_[0] =~ /"md5": ?"(\w+)"/;
	my ($text) = $_[0] =~ /"x": ?"(\w+)"/;
	return defined $sum && defined $text && md5_hex($text) eq $sum;
}

my ($whole, $pings) = (0, 0);
for my $n (1 .. $messages)
{
	$server->sql(qq{WITH t AS (SELECT string_agg(md5(i::text || $n), '') AS x FROM generate_series(1, 24700) i)
		SELECT realtime.send(jsonb_build_object('md5', md5(x), 'x', x), 'e', 'room', false) FROM t});
	# control frames of all sizes, also while its queue is full
	for my $size (0 .. 125)
	{
		$pings += $slow->send_raw(WebSocketClient::frame(WebSocketClient::PING, 'p' x $size), 1) > 0;
		$slow->send_raw(WebSocketClient::frame(WebSocketClient::PONG, 'q' x (125 - $size)), 1);
	}
	$fast->each_payload(sub { $whole++ if is_whole($_[0]); return 0 });
}
is($whole, $messages, 'beside a slow client each message of 790 kB arrives whole');
ok($fast->heartbeat, 'and the connection goes on');
cmp_ok($server->memory_kb($gateway, 'RssAnon'), '<', 160 * 1024, 'the memory of the gateway is bounded');

my ($late, $pongs) = (0, 0);
while ($late < $messages || $pongs < $pings)
{
	my $frame = $slow->next_frame(20) or last;

	if ($frame->{opcode} == WebSocketClient::PONG) { $pongs++; next; }
	last if $frame->{opcode} == WebSocketClient::CLOSE;
	$late++ if is_whole($frame->{payload});
}
is($late, $messages, 'the slow client gets them whole as well, when it reads');
is($pongs, $pings, 'and an answer to each ping');

my $text = 0;
while ($text < $messages)
{
	my $frame = $old->next_frame(20) or last;
	$text++ if is_whole($frame->{payload});
}
is($text, $messages, 'as does a client of the other dialect');
is($server->gateway_pid, $gateway, 'the gateway is the same');
note "$messages messages of 790 kB to 3 clients, $pings pings to a full queue";
$server->cluster_alive('after that');
done_testing();
