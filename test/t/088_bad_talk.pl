# What no client would say (reliability.md, bad inputs): broadcasts, presence
# and joins with keys, refs, topics and payloads of the wrong kind and size.
# Each is answered with what it deserves, dropped and counted, or ends its
# channel or connection with a reason; a bystander in the same topic sees no
# more of it than what is right, and the gateway stays.

use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;
use WebSocketClient;

my $server = RealtimeServer->start_new('bad_talk', conf => "realtime.max_presence_calls = 0\n");
my $gateway = $server->gateway_pid;
my $topic = 'realtime:room';

# A message of raw JSON parts as either serializer has it.
sub message
{
	my ($vsn, %part) = (shift, join_ref => '"1"', ref => '"r"', topic => qq("$topic"), @_);

	return $vsn eq '2.0.0'
	  ? "[$part{join_ref},$part{ref},$part{topic},$part{event},$part{payload}]"
	  : qq({"topic":$part{topic},"event":$part{event},"payload":$part{payload},"ref":$part{ref},"join_ref":$part{join_ref}});
}

sub broadcast { return (event => '"broadcast"', payload => qq({"type":"broadcast","event":"e","payload":$_[0]})); }
sub track { return (event => '"presence"', payload => qq({"type":"presence","event":"track","payload":$_[0]})); }
sub presence { return (event => '"presence"', payload => $_[0]); }
sub join_with { return (event => '"phx_join"', topic => '"realtime:other"', payload => qq({"config":{"presence":$_[0]}})); }

my $keys = '{' . join(',', map { qq("key$_":$_) } 1 .. 100_000) . '}';
my $deep = '[' x 100_000 . ']' x 100_000;
my $ok = 'ok {}';
my $unmatched = 'error {"reason":"unmatched topic"}';
my $dropped = 'nothing';

# [name, parts of the message, what comes of it, how many broadcasts and metas
# others get]
my @cases = (
	[ 'a stale join_ref', [ join_ref => '"0"', broadcast('{}') ], $ok, 1, 0 ],
	[ 'a join_ref that is an object', [ join_ref => '{"a":[1]}', broadcast('{}') ], $ok, 1, 0 ],
	[ 'no join_ref', [ join_ref => 'null', broadcast('{}') ], $ok, 1, 0 ],
	[ '100,000 keys', [ broadcast($keys) ], $ok, 1, 0 ],
	[ 'duplicate keys and __proto__', [ broadcast('{"a":1,"a":{"__proto__":{"b":1}},"__proto__":2}') ], $ok, 1, 0 ],
	[ '1e400 and -0', [ broadcast('[1e400,-0,1E-9999]') ], $ok, 1, 0 ],
	[ '100,000 arrays in each other', [ broadcast($deep) ], $dropped, 0, 0 ],
	[ 'a lone surrogate', [ broadcast('"\ud800"') ], $dropped, 0, 0 ],
	[ 'U+0000', [ broadcast('"\u0000"') ], $dropped, 0, 0 ],
	[ 'a topic of a megabyte', [ topic => '"realtime:' . 'x' x 1_000_000 . '"', broadcast('{}') ], $unmatched, 0, 0 ],
	[ 'a topic with U+0000', [ topic => '"realtime:room\u0000"', broadcast('{}') ], $dropped, 0, 0 ],
	[ 'a topic with a lone surrogate', [ topic => '"realtime:room\udc00"', broadcast('{}') ], $dropped, 0, 0 ],
	[ 'a topic from right to left', [ topic => qq("\xe2\x80\xaerealtime:room"), broadcast('{}') ], $unmatched, 0, 0 ],
	[ 'an event of ten megabytes', [ event => '"' . 'x' x 10_000_000 . '"', payload => '{}' ], 'close 1009', 0, 0 ],
	[ 'an event that is an object', [ event => '{}', payload => '{}' ], $dropped, 0, 0 ],
	[ 'a track under a stale join_ref', [ join_ref => '"0"', track('{}') ], $ok, 0, 1 ],
	[ 'a track of 100,000 keys', [ track($keys) ], $ok, 0, 1 ],
	[ 'a track with duplicate keys and __proto__', [ track('{"a":1,"a":2,"__proto__":{"x":1}}') ], $ok, 0, 1 ],
	[ 'a track of 100,000 arrays in each other', [ track(qq({"a":$deep})) ], $dropped, 0, 0 ],
	[ 'a track with a lone surrogate', [ track('{"a":"\udfff"}') ], $dropped, 0, 0 ],
	[ 'a track that is too large', [ track('{"a":"' . 'x' x 3_500_000 . '"}') ], 'Track message size exceeded', 0, 0 ],
	[ 'a track of ten megabytes', [ track('{"a":"' . 'x' x 10_000_000 . '"}') ], 'close 1009', 0, 0 ],
	[ 'a track that is a number', [ track('1e400') ], 'error {"reason":"Presence track payload must be a map"}', 0, 0 ],
	[ 'an event of presence that is an object', [ presence('{"event":{"a":1}}') ], 'error {}', 0, 0 ],
	[ 'presence of nothing', [ presence('null') ], $ok, 0, 0 ],
	[ 'presence of an array', [ presence('["track"]') ], $ok, 0, 0 ],
	[ 'an untrack of what was not tracked', [ presence('{"event":"untrack"}') ], $ok, 0, 0 ],
	[ 'a track before a join', [ topic => '"realtime:nowhere"', track('{}') ], $unmatched, 0, 0 ],
	[ 'a key of a megabyte', [ join_with('{"enabled":true,"key":"' . 'k' x 1_000_000 . '"}') ], 'ok {"postgres_changes":[]}', 0, 0 ],
	[ 'a key that is an object', [ join_with('{"enabled":true,"key":{"a":1}}') ], 'ok {"postgres_changes":[]}', 0, 0 ],
	[ 'a key with a lone surrogate', [ join_with('{"enabled":true,"key":"\ud800"}') ], $dropped, 0, 0 ],
	[ 'presence options that are none', [ join_with('[1,2]') ], 'ok {"postgres_changes":[]}', 0, 0 ]);

# What comes of a message: the reply to it, the reason by which its channel or
# its connection ends, or nothing before the next message is answered.  A join may
# be answered after that.
sub outcome
{
	my ($client, $wanted) = @_;
	my $canonical = JSON::PP->new->canonical;
	my $why = '';

	while (my $got = $client->next_message)
	{
		return "close $got->{close}" if defined $got->{close};
		return $why || $dropped if ($got->{ref} // '') eq 'last' && ($why || $wanted eq $dropped);
		$why = $got->{payload}{message} if $got->{event} eq 'system';
		next unless $got->{event} eq 'phx_reply' && ($got->{ref} // '') eq 'r';
		my $response = $got->{payload}{response};
		delete $response->{cursor};
		return "$got->{payload}{status} " . $canonical->encode($response);
	}
	return 'silence';
}

for my $vsn ('2.0.0', '1.0.0')
{
	for (@cases)
	{
		my ($name, $parts, $wanted, $broadcasts, $metas) = @$_;
		my $client = $server->client(vsn => $vsn);
		my $bystander = $server->client(vsn => $vsn);

		$_->join_result('room', broadcast => { ack => JSON::PP::true },
			presence => { enabled => JSON::PP::true, key => 'k' }) eq 'ok' or die 'no join' for $client, $bystander;
		$bystander->event('room', ['presence_state']) or die 'no state';
		$client->send_frame(WebSocketClient::TEXT, message($vsn, @$parts));
		$client->push_message(undef, 'last', 'phoenix', 'heartbeat', {});
		is(outcome($client, $wanted), $wanted, "$vsn, $name");

		# others hear what was right, and no more
		for my $n (1 .. $broadcasts)
		{
			ok($bystander->broadcast, "$vsn, $name: heard");
		}
		for my $n (1 .. $metas)
		{
			my $diff = $bystander->event('room', ['presence_diff']);
			is(scalar @{ $diff->{payload}{joins}{k}{metas} // [] }, 1, "$vsn, $name: known");
		}
		$bystander->heartbeat or die 'the bystander is gone';
		is($bystander->broadcast(0), undef, "$vsn, $name: no more is heard") unless $metas;
		$client->abandon;
		$bystander->abandon;
	}
}

# A key that is none or too long is not taken: the member has one of its own.
for my $key ('k' x 1_000_000, { a => 1 }, [], JSON::PP::true)
{
	my $client = $server->client;

	$client->join('keys', presence => { enabled => JSON::PP::true, key => $key });
	# else the state would tell of it, and no diff
	$client->event('keys', ['presence_state']) or die 'no state';
	$client->push('realtime:keys', 'presence', { type => 'presence', event => 'track', payload => {} });
	# the member before this one may be leaving only now
	my $diff = $client->expect(sub { $_[0]{event} eq 'presence_diff' && %{ $_[0]{payload}{joins} } });
	like((keys %{ $diff->{payload}{joins} })[0], qr/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
		'a key of its own instead of ' . (ref $key || 'a megabyte'));
	$client->abandon;
}

# Bytes that are no text, and binary frames that are none
for (
	[ 'invalid UTF-8', WebSocketClient::TEXT, qq(["1","r","$topic","broadcast",{"payload":"\xff"}]), 'close 1007' ],
	[ 'a byte order mark', WebSocketClient::TEXT, qq(\xef\xbb\xbf["1","r","$topic","broadcast",{}]), $dropped ],
	[ 'no topic', WebSocketClient::BINARY, pack('C7', 3, 1, 1, 0, 1, 0, 1) . '1re{}', $unmatched ],
	[ 'lengths past the end', WebSocketClient::BINARY, pack('C7', 3, 1, 1, 255, 255, 255, 1) . "1r$topic", $dropped ],
	[ 'a kind that is none', WebSocketClient::BINARY, "\x09\x01\x01", $dropped ],
	[ 'nothing', WebSocketClient::BINARY, '', $dropped ])
{
	my ($name, $opcode, $bytes, $wanted) = @$_;
	my $client = $server->client;

	$client->join_result('room', broadcast => { ack => JSON::PP::true });
	$client->send_frame($opcode, $bytes);
	$client->push_message(undef, 'last', 'phoenix', 'heartbeat', {});
	is(outcome($client, $wanted), $wanted, $name);
	$client->abandon;
}

is($server->gateway_pid, $gateway, 'all of this was one gateway');
$server->cluster_alive('after all that');
done_testing();
