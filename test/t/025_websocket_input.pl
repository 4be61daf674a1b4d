# RFC 6455 over the wire, judged as the Autobahn testsuite does: what a client
# may do is answered, what it may not do closes its connection with the right
# code, from the header alone where the header tells, and nothing else is
# harmed: after each case a bystander's heartbeat is answered.

use strict;
use warnings;

use JSON::PP;
use RealtimeServer;
use Test::More;

my $server = RealtimeServer->start_new('frames', conf => "realtime.max_frame_size = 256kB\n");
my $limit = 256 * 1024;
my $gateway = $server->gateway_pid;
my $bystander = $server->member('bystander');
my $descriptors = $server->descriptors($gateway);
my $memory = $server->memory_kb($gateway, 'RssAnon');

sub frame { return WebSocketClient::frame(@_); }

my $heartbeat = '[null,"1","phoenix","heartbeat",{}]';

# A heartbeat padded to $bytes.
sub padded
{
	my ($bytes) = @_;
	my $start = '[null,"1","phoenix","heartbeat",{"pad":"';
	return $start . 'x' x ($bytes - length($start) - 3) . '"}]';
}

#
# What ends a connection: [name, bytes, close codes allowed]
#
my @broken = (
	[ 'unmasked frame',          frame(1, $heartbeat, mask => 0),     1002 ],
	[ 'RSV1 without extension',  frame(1, $heartbeat, rsv => 4),      1002 ],
	[ 'RSV2',                    frame(1, $heartbeat, rsv => 2),      1002 ],
	[ 'RSV3',                    frame(1, $heartbeat, rsv => 1),      1002 ],
	(map { [ "reserved opcode $_", frame($_, ''), 1002 ] } 3 .. 7, 11 .. 15),
	[ 'fragmented ping',         frame(9, 'a', fin => 0),             1002 ],
	[ 'fragmented close',        frame(8, '', fin => 0),              1002 ],
	[ 'ping of 126 bytes',       frame(9, 'x' x 126),                 1002 ],
	[ 'continuation of nothing', frame(0, 'x'),                       1002 ],
	[ 'a message within a message', frame(1, '[', fin => 0) . frame(1, '['), 1002 ],
	[ 'length not minimal, 16 bits', frame(1, 'x', length_bytes => 2), 1002 ],
	[ 'length not minimal, 64 bits', frame(1, 'x', length_bytes => 8), 1002 ],
	[ 'declared 2^63+1 bytes',   frame(1, '', length => 9223372036854775809, length_bytes => 8), 1002, 1009 ],
	[ 'declared 2^63-1 bytes',   frame(1, '', length => 9223372036854775807, length_bytes => 8), 1009 ],
	[ 'declared 4 GiB + 2 bytes', frame(1, '', length => 4294967298, length_bytes => 8), 1009 ],
	[ 'one byte over the limit, by the header alone', frame(1, '', length => $limit + 1, length_bytes => 8), 1009 ],
	[ 'fragments that sum to one byte too many',
		frame(1, 'x' x ($limit - 10), fin => 0) . frame(0, '', length => 11), 1009 ],
	[ 'invalid UTF-8',           frame(1, "\xce\xba\xff"),            1007 ],
	[ 'overlong UTF-8',          frame(1, "\xc0\xaf"),                1007 ],
	[ 'a surrogate in UTF-8',    frame(1, "\xed\xa0\x80"),            1007 ],
	[ 'above U+10FFFF',          frame(1, "\xf4\x90\x80\x80"),        1007 ],
	[ 'UTF-8 cut at the end',    frame(1, "abc\xe2\x82"),             1007 ],
	[ 'UTF-8 broken over a fragment', frame(1, "\xe2\x82", fin => 0) . frame(0, 'a'), 1007 ],
	[ 'UTF-8 fails fast within a frame', substr(frame(1, "ab\xff" . 'x' x 1000), 0, 20), 1007 ],
	[ 'close with one byte',     frame(8, 'x'),                       1002 ],
	(map { [ "close code $_", frame(8, pack('n', $_)), 1002 ] }
		0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535),
	[ 'close reason is no UTF-8', frame(8, pack('n', 1000) . "\xff"), 1007 ],
	[ 'plain text instead of frames', "hello, world\r\n" x 20,        1002 ],
	[ 'a second HTTP request',   WebSocketClient::upgrade_request('/realtime/v1/websocket'), 1002 ],
);

for (@broken)
{
	my ($name, $bytes, @codes) = @$_;
	my $client = $server->client;

	$client->send_raw($bytes);
	my $code = $client->close_code(5) // 'none';
	ok((grep { $_ eq $code } @codes), "$name: closed with @codes") or diag("got $code");
	ok($client->wait_eof(5), "$name: and the connection ends");
	$client->abandon;
	ok($bystander->heartbeat, "$name: a bystander is served") or last;
}

#
# What goes on: [name, bytes], then a heartbeat is answered
#
my @fine = (
	[ 'empty ping',              frame(9, '') ],
	[ 'ping of 125 bytes',       frame(9, 'x' x 125) ],
	[ 'unasked pong',            frame(10, 'x') ],
	[ 'ten pings at once',       frame(9, 'x') x 10 ],
	[ 'ping between fragments',
		frame(1, substr($heartbeat, 0, 9), fin => 0) . frame(9, 'p') . frame(0, substr($heartbeat, 9)) ],
	[ 'empty fragments',
		frame(1, '', fin => 0) . frame(0, '', fin => 0) . frame(0, $heartbeat, fin => 0) . frame(0, '') ],
	[ 'empty text message',      frame(1, '') ],
	[ 'empty binary message',    frame(2, '') ],
	[ 'exactly the limit',       frame(1, padded($limit)) ],
	[ 'exactly the limit in fragments',
		do { my $m = padded($limit); frame(1, substr($m, 0, 1000), fin => 0) . frame(0, substr($m, 1000)) } ],
	# undecodable messages are dropped, the connection stays (supabase.md 1.5)
	[ 'no JSON',                 frame(1, 'hello') ],
	[ 'half a JSON value',       frame(1, '[null,"1","phoenix"') ],
	[ 'JSON nested a million deep would be too long; 100,000 deep', frame(1, '[' x 100_000) ],
	[ 'the same, closed',        frame(1, '[' x 100_000 . ']' x 100_000) ],
	[ '100,000 deep in objects', frame(1, '{"a":' x 50_000) ],
	[ 'JSON with U+0000',        frame(1, '[null,"1","phoenix","heartbeat",{"a":"\u0000"}]') ],
	[ 'JSON with a lone surrogate', frame(1, '[null,"1","phoenix","heartbeat",{"a":"\ud800"}]') ],
	[ 'a byte order mark',       frame(1, "\xef\xbb\xbf$heartbeat") ],
	[ 'binary garbage',          frame(2, join '', map { chr($_ * 7 % 256) } 1 .. 500) ],
	[ 'kind 3, header cut',      frame(2, "\x03\x01\x01") ],
	[ 'kind 3, lengths past the end', frame(2, "\x03\xff\xff\xff\xff\xff\x01abc") ],
	[ 'kind 3, empty topic',     frame(2, "\x03\x01\x01\x00\x01\x00\x0111e{}") ],
	[ 'kinds 0, 1, 2, 4, 255',   join('', map { frame(2, chr($_) . "\x01\x01\x01\x01\x01\x01abcdef") } 0, 1, 2, 4, 255) ],
);

for (@fine)
{
	my ($name, $bytes) = @$_;
	my $client = $server->client;

	$client->send_raw($bytes);
	$client->push_message(undef, 'last', 'phoenix', 'heartbeat', {});
	ok($client->reply('last', 5), "$name: the connection goes on");
	$client->abandon;
}

# A fragmented message of which nothing but the start is there when all input
# is used up: its state has to be kept although there is no byte to keep.
{
	my $client = $server->client;
	$client->send_raw(frame(1, '', fin => 0) . frame(9, 'there?'));
	is(($client->next_frame(5) // {})->{payload}, 'there?', 'an empty first fragment is remembered');
	$client->send_raw(frame(0, '', fin => 0) . frame(9, 'still?'));
	is(($client->next_frame(5) // {})->{payload}, 'still?', 'and an empty continuation');
	$client->send_raw(frame(0, $heartbeat));
	ok($client->reply('1', 5), 'and the message is whole in the end');
	$client->abandon;
}

# A ping's payload comes back in the pong, also from within a message.
{
	my $client = $server->client;
	$client->send_raw(frame(1, substr($heartbeat, 0, 9), fin => 0) . frame(9, 'payload'));
	my $pong = $client->next_frame;
	is_deeply($pong, { opcode => 0xA, fin => 1, payload => 'payload' }, 'the pong overtakes the message it is in');
	is($client->close, 1000, 'close code 1000 is echoed');
}
{
	my $client = $server->client;
	$client->send_frame(8, '');
	my $frame = $client->next_frame;
	is($frame->{opcode}, 8, 'an empty close frame is answered');
	ok($client->wait_eof(5), 'and the connection ends');
}

# Cut at every byte
{
	my $client = $server->client;
	my $bytes = frame(9, 'ab') . frame(1, substr($heartbeat, 0, 12), fin => 0) . frame(0, substr($heartbeat, 12));

	for my $byte (split //, $bytes) { $client->send_raw($byte); }
	ok($client->reply('1', 5), 'frames that come a byte at a time');
}

# A million-deep JSON frame, with a limit that lets it through
{
	$server->reconfigure('realtime.max_frame_size' => '5000kB');
	my $client = wait_for(
		sub {
			my $candidate = $server->client;
			$candidate->send_raw(frame(1, '[' x 1_000_000));
			$candidate->push_message(undef, 'deep', 'phoenix', 'heartbeat', {});
			my $message = $candidate->next_message(5);
			return $candidate if $message && !exists $message->{close};
			return undef;
		},
		'the larger frame limit');
	pass('JSON a million deep: dropped, the connection goes on');
	$client->send_raw(frame(1, '{"a":' x 900_000));
	ok($client->heartbeat(5), 'objects 900,000 deep');
}

# Very many fragments of nothing
{
	my $client = $server->client;
	my $before = $server->memory_kb($gateway, 'RssAnon');
	my $fragments = frame(1, '', fin => 0) . frame(0, '', fin => 0) x 200_000;

	$client->send_raw($fragments, 10);
	my $code = $client->close_code(10) // 'none';
	ok($code eq '1009' || $code eq '1008', "200,000 empty fragments: closed with $code");
	cmp_ok($server->memory_kb($gateway, 'RssAnon') - $before, '<', 10_000, 'and kept nowhere');
}

# Clients that go away at every point of a frame
{
	my $bytes = frame(1, '[null,"1","phoenix","heartbeat",{}]');
	for my $cut (0 .. length($bytes) - 1)
	{
		my $client = $server->client;
		$client->send_raw(substr($bytes, 0, $cut));
		$client->abandon;
	}
	ok($bystander->heartbeat, 'clients that vanish within a frame');
}

# Random bytes after the handshake, from a known seed
{
	srand(6455);
	for my $round (1 .. 50)
	{
		my $client = $server->client;
		$client->send_raw(join '', map { chr(int rand 256) } 1 .. 2000);
		$client->send_raw(frame(8, pack('n', 1000)), 0);
		$client->abandon;
	}
	ok($bystander->heartbeat, 'fifty times random bytes');
}

is($server->gateway_pid, $gateway, 'all of this was one gateway');
wait_for(sub { $server->descriptors($gateway) <= $descriptors }, 'descriptors at their baseline', 10);
wait_for(sub { $server->stat('connections') == 1 }, 'no connection to be left but the bystander', 10);
cmp_ok($server->memory_kb($gateway, 'RssAnon') - $memory, '<', 16 * 1024, 'no memory is left');
$server->cluster_alive('after broken frames');

done_testing();
