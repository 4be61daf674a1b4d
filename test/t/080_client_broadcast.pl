# What clients say to each other, over the wire (supabase.md 2.3 and 4): every
# form of a broadcast to every dialect, acknowledgements, who may write on a
# private channel, and limits.  Order and speed are the subject of 082_cast_order.pl.

use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;
use Time::HiRes qw(time);

my $server = RealtimeServer->start_new('cast', conf => <<'CONF');
realtime.max_message_size = 64kB
CONF
my $gateway = $server->gateway_pid;
my $json = JSON::PP->new->utf8->canonical->allow_nonref;
my %config = map {
	my ($ack, $self) = @$_;
	"ack $ack, self $self" => { broadcast => { ack => $ack ? JSON::PP::true : JSON::PP::false,
			self => $self ? JSON::PP::true : JSON::PP::false } }
} [ 0, 0 ], [ 0, 1 ], [ 1, 0 ], [ 1, 1 ];

# A client that has joined, with options of its broadcasts.
sub joined
{
	my ($topic, $config, %params) = @_;
	my %join = %{ delete $params{join} // {} };
	my $client = $server->client(%params);
	my $result = $client->join_result($topic, %join, %{ $config{$config} });

	die "could not join $topic: $result" unless $result eq 'ok';
	return $client;
}

# Nothing has come but what is answered by this heartbeat.
sub nothing_came
{
	my ($client, $name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok($client->heartbeat, "$name: the connection is alive");
	return is(substr($json->encode($client->{queue}), 0, 500), "[]", "$name: nothing else came");
}

#
# Every form to every dialect
#
my $text = '{"b": 1, "a":[1.0e2 ,"\u00e9", "é"],"b":2}';
{
	my %receivers = map { $_ => joined('forms', 'ack 0, self 0', vsn => $_) } '2.0.0', '1.0.0';
	my %senders = map { $_ => joined('forms', 'ack 0, self 0', vsn => $_) } '2.0.0', '1.0.0';
	my $whole = { type => 'broadcast', event => 'e', payload => { a => "\x{e9}" }, extra => [1], meta => { id => 'x' } };

	for (
		[ 'kind 3 with JSON', '2.0.0', sub { $_[0]->cast('forms', 'e', $text, json => 1) }, 4, $text,
			qq({"event":"e","payload":$text,"type":"broadcast"}) ],
		[ 'kind 3 with a JSON scalar', '2.0.0', sub { $_[0]->cast('forms', 'e', 'null', json => 1) }, 4, 'null',
			'{"event":"e","payload":null,"type":"broadcast"}' ],
		[ 'kind 3 with bytes', '2.0.0', sub { $_[0]->cast('forms', 'e', "\x00\xff\x10") }, 4, "\x00\xff\x10", undef ],
		[ 'kind 3 with no bytes', '2.0.0', sub { $_[0]->cast('forms', 'e', '') }, 4, '', undef ],
		[ 'kind 3 without event', '2.0.0', sub { $_[0]->cast('forms', '', { n => 1 }) }, 4, '{"n":1}',
			'{"event":"","payload":{"n":1},"type":"broadcast"}' ],
		[ 'kind 3 with a long event', '2.0.0', sub { $_[0]->cast('forms', 'é' x 63, { n => 1 }) }, 4, '{"n":1}', undef ],
		[ 'text of 2.0.0', '2.0.0', sub { $_[0]->cast_text('forms', $whole) }, 'text', $json->encode($whole),
			$json->encode($whole) ],
		[ 'text of 1.0.0', '1.0.0', sub { $_[0]->cast_text('forms', $whole) }, 'text', $json->encode($whole),
			$json->encode($whole) ],
		[ 'text without a member', '1.0.0', sub { $_[0]->cast_text('forms', {}) }, 'text', '{}', '{}' ])
	{
		my ($name, $vsn, $send, $kind, $v2, $v1) = @$_;
		my %seen;

		$send->($senders{$vsn});
		for my $to (sort keys %receivers)
		{
			next if $to eq '1.0.0' && !defined $v1 && $name =~ /bytes/;
			my $frame = $receivers{$to}->next_frame;
			$seen{$to} = $receivers{$to}->decode_message($frame);
			$seen{$to}{raw} = $frame->{payload};
		}
		is($seen{'2.0.0'}{kind}, $kind, "$name: kind $kind for 2.0.0");
		if ($kind eq '4')
		{
			is($seen{'2.0.0'}{meta}, undef, "$name: no metadata");
			is(substr($seen{'2.0.0'}{raw}, -length($v2) || length $seen{'2.0.0'}{raw}), $v2, "$name: byte for byte");
		}
		else
		{
			is($seen{'2.0.0'}{raw}, qq([null,null,"realtime:forms","broadcast",$v2]), "$name: as it was sent");
		}
		ok($seen{'1.0.0'}{kind} eq 'text', "$name: text for 1.0.0") if $seen{'1.0.0'};
		is($seen{'1.0.0'}{raw}, qq({"topic":"realtime:forms","event":"broadcast","payload":$v1,"ref":null}),
			"$name: and this text") if defined $v1;
		nothing_came($_, $name) for values %receivers;
	}
	$_->abandon for values %receivers, values %senders;
}

#
# Who is answered, and who hears himself
#
for my $name (sort keys %config)
{
	my ($ack, $self) = $name =~ /(\d)/g;
	for my $vsn ('2.0.0', '1.0.0')
	{
		my $sender = joined('options', $name, vsn => $vsn);
		my $other = joined('options', 'ack 0, self 0', vsn => $vsn);
		my $what = "$name, $vsn";

		for my $n (1, 2)
		{
			my $ref = $n == 1 || $vsn eq '1.0.0'
			  ? $sender->cast_text('options', { type => 'broadcast', event => 'e', payload => { n => $n } })
			  : $sender->cast('options', 'e', { n => $n });
			if ($ack)
			{
				my $reply = $sender->reply($ref);
				is_deeply($reply && $reply->{payload}, { status => 'ok', response => {} }, "$what: acknowledged");
				is($reply->{join_ref}, $sender->{join_refs}{'realtime:options'}, "$what: with the join's ref")
				  if $vsn eq '2.0.0';
			}
			is($other->broadcast->{payload}{n}, $n, "$what: the other one hears");
			is($sender->broadcast->{payload}{n}, $n, "$what: the sender hears himself") if $self;
		}
		# without a ref there is nothing to answer with
		$sender->push_message(undef, undef, 'realtime:options', 'broadcast', { event => 'e', payload => { n => 3 } });
		is($other->broadcast->{payload}{n}, 3, "$what: heard without a ref");
		is($sender->broadcast->{payload}{n}, 3, "$what: by the sender, too") if $self;
		nothing_came($_, $what) for $sender, $other;
		$_->abandon for $sender, $other;
	}
}

#
# What is refused
#
{
	my $sender = joined('limits', 'ack 1, self 0');
	my $silent = joined('limits', 'ack 0, self 0');
	my $other = joined('limits', 'ack 0, self 0', vsn => '1.0.0');
	my $limit = 64 * 1024;
	my $denied = $server->stat('broadcasts_denied');
	my $frame = sub { return '"' . 'x' x ($_[0] - 2) . '"'; };

	for (
		[ 'an array as text payload', sub { $_[0]->cast_text('limits', [1]) }, 'invalid_payload' ],
		[ 'null as text payload', sub { $_[0]->push_message($_[0]{join_refs}{'realtime:limits'}, 'r', 'realtime:limits', 'broadcast', undef); 'r' },
			'invalid_payload' ],
		[ 'JSON one byte too long', sub { $_[0]->cast('limits', 'e', $frame->($limit + 1), json => 1) }, 'payload_size_exceeded' ],
		[ 'bytes one too many', sub { $_[0]->cast('limits', 'e', 'x' x ($limit + 1)) }, 'payload_size_exceeded' ],
		[ 'a text far too long', sub { $_[0]->cast_text('limits', { payload => 'x' x (2 * $limit) }) }, 'payload_size_exceeded' ],
		[ 'JSON at the limit', sub { $_[0]->cast('limits', 'e', $frame->($limit), json => 1) }, undef ])
	{
		my ($name, $send, $error) = @$_;
		my $reply = $sender->reply($send->($sender));

		is_deeply($reply && $reply->{payload}, $error ? { status => 'error', response => { error => $error } } :
			  { status => 'ok', response => {} }, "$name: answered");
		$send->($silent);
		nothing_came($silent, "$name, without ack") if $error;
		if (!$error)
		{
			is(length $_->broadcast->{payload}, $limit - 2, "$name: heard") for $other, $other, $sender, $silent;
		}
		nothing_came($other, $name);
	}
	wait_for(sub { $server->stat('broadcasts_denied') >= $denied + 10 }, 'refusals to be counted');
	is($server->stat('broadcasts_denied'), $denied + 10, 'each refusal is counted');

	# undecodable: dropped, counted, and the connection stays
	my $malformed = $server->stat('malformed');
	$sender->send_frame(WebSocketClient::BINARY, $_) for "\x03", "\x03\x01\x01\x0d\x01\x00\x01",
	  "\x00\x01\x01\x01\x01abcd", "\x03\x00\x00\xff\x00\x00\x01realtime:limits{}";
	$sender->cast('limits', 'e', $_, json => 1) for '{', '[' x 100_000, '"\ud800"', "\"\xff\"", '';
	$sender->cast('limits', 'e', '{}', json => 1, metadata => '[]');
	nothing_came($sender, 'undecodable messages');
	nothing_came($other, 'undecodable messages');
	wait_for(sub { $server->stat('malformed') >= $malformed + 10 }, 'them to be counted');

	# a channel that is not joined
	for (sub { $sender->cast('elsewhere', 'e', { n => 1 }) }, sub { $sender->cast_text('elsewhere', { event => 'e' }) })
	{
		my $reply = $sender->reply($_->());
		is_deeply([ @$reply{qw(join_ref topic)}, $reply->{payload} ], [ undef, 'realtime:elsewhere',
				{ status => 'error', response => { reason => 'unmatched topic' } } ], 'not joined');
	}
	$_->abandon for $sender, $silent, $other;
}

#
# Private channels
#
$server->sql(<<'SQL');
SELECT realtime.setup_api_roles();
CREATE POLICY "read" ON realtime.messages FOR SELECT TO authenticated USING (true);
CREATE TABLE writers (sub text, topic text, seconds float NOT NULL DEFAULT 0);
GRANT SELECT ON writers TO authenticated;
CREATE POLICY "write" ON realtime.messages FOR INSERT TO authenticated WITH CHECK (
	extension = 'broadcast' AND EXISTS (SELECT FROM writers w WHERE
		CASE WHEN w.topic = realtime.topic() AND w.sub = current_setting('request.jwt.claims', true)::json ->> 'sub'
		THEN pg_sleep(w.seconds) IS NOT NULL ELSE false END));
CREATE POLICY "broken" ON realtime.messages FOR INSERT TO authenticated WITH CHECK (
	CASE WHEN realtime.topic() = 'broken' THEN 1 / (length(realtime.topic()) - 6) = 0 ELSE false END);
INSERT INTO writers VALUES ('alice', 'room', 0), ('alice', 'slow', 1), ('alice', 'never', 60);
SQL

my $issued = 0;
sub user_token { return $server->token(role => 'authenticated', sub => $_[0], session => ++$issued); }
sub as_user { return { private => 1, access_token => user_token($_[0]) }; }
sub unauthorized { return { status => 'error', response => { error => $_[0] // 'unauthorized' } }; }
my $ok = { status => 'ok', response => {} };

{
	my $denied = $server->stat('broadcasts_denied');
	my $member = joined('room', 'ack 1, self 0', join => as_user('alice'));
	my $guest = joined('room', 'ack 1, self 0', join => as_user('bob'), vsn => '1.0.0');
	my $quiet = joined('room', 'ack 0, self 0', join => as_user('bob'));
	my $public = joined('room', 'ack 1, self 0');
	wait_for(sub { $server->stat('authorisations') == 3 }, 'three joins to be counted');

	for my $n (1 .. 3)
	{
		is_deeply($member->reply($member->cast('room', 'e', { n => $n }))->{payload}, $ok, 'a member may write');
		is($_->broadcast->{payload}{n}, $n, 'and is heard') for $guest, $quiet;
	}
	for my $n (1 .. 3)
	{
		is_deeply($guest->reply($guest->cast_text('room', { event => 'e', payload => { n => $n } }))->{payload},
			unauthorized(), 'a guest may not');
		$quiet->cast('room', 'e', { n => $n });
	}
	nothing_came($_->[0], $_->[1]) for [ $quiet, 'denied without ack' ], [ $member, 'the member' ], [ $public, 'the public room' ];
	is_deeply($public->reply($public->cast('room', 'e', { n => 9 }))->{payload}, $ok, 'the public room of that name is open');
	nothing_came($_, 'the private room') for $member, $guest, $quiet;
	wait_for(sub { $server->stat('broadcasts_denied') >= $denied + 6 }, 'what was denied to be counted');
	is($server->stat('authorisations'), 6, 'each channel was decided once');

	# the decision holds until the token changes
	$server->sql(q{DELETE FROM writers WHERE topic = 'room'; INSERT INTO writers VALUES ('bob', 'room')});
	is_deeply($member->reply($member->cast('room', 'e', { n => 4 }))->{payload}, $ok, 'a decision holds');
	is($guest->broadcast->{payload}{n}, 4, 'and what it allows is heard');
	$member->access_token('room', user_token('alice'));
	is_deeply($member->reply($member->cast('room', 'e', { n => 5 }))->{payload}, unauthorized(),
		'a new token has it decided anew, before what follows it');
	$guest->access_token('room', user_token('bob'));
	is_deeply($guest->reply($guest->cast_text('room', { event => 'e', payload => { n => 6 } }))->{payload}, $ok,
		'to the better as well');
	is($member->broadcast->{payload}{n}, 6, 'and is heard');
	$_->abandon for $member, $guest, $quiet, $public;
}

# What comes while the policies are asked waits, in order.
{
	my $hears = joined('slow', 'ack 0, self 0', join => as_user('bob'));
	my $client = joined('slow', 'ack 1, self 1', join => as_user('alice'));
	my $start = time();
	my @refs = map { $client->cast('slow', 'e', { n => $_ }) } 1 .. 200;

	ok($client->heartbeat, 'the connection goes on while a decision is awaited');
	cmp_ok(time() - $start, '<', 0.9, 'at once');
	is_deeply([ map { $client->reply($_)->{payload}{status} } @refs ], [ ('ok') x 200 ], 'all that waited is acknowledged');
	is_deeply([ map { $_->{payload}{n} } $hears->broadcasts(200) ], [ 1 .. 200 ], 'and arrives in order');
	is_deeply([ map { $_->{payload}{n} } $client->broadcasts(200) ], [ 1 .. 200 ], 'at the sender, too');

	# a token that comes in between: what was sent before it waits as well
	$client->access_token('slow', user_token('alice'));
	@refs = map { $client->cast('slow', 'e', { n => $_ }) } 1 .. 3;
	$client->access_token('slow', user_token('alice'));
	push @refs, map { $client->cast('slow', 'e', { n => $_ }) } 4 .. 6;
	is_deeply([ map { $client->reply($_)->{payload}{status} } @refs ], [ ('ok') x 6 ], 'around two new tokens');
	is_deeply([ map { $_->{payload}{n} } $hears->broadcasts(6) ], [ 1 .. 6 ], 'in order');
	$client->abandon;

	# more than may wait is refused, not what waits
	$client = joined('slow', 'ack 1, self 0', join => as_user('alice'));
	@refs = map { $client->cast('slow', 'e', { n => $_ }) } 1 .. 300;
	is_deeply($client->reply($refs[299])->{payload}, unauthorized('increase_connection_pool'), 'one too many is refused at once');
	is_deeply($client->reply($refs[0])->{payload}, $ok, 'the first one goes out');
	my @heard = map { $_->{payload}{n} } $hears->broadcasts(256);
	is_deeply(\@heard, [ 1 .. 256 ], 'with all that were kept');

	# who leaves takes what waits along
	$client->abandon;
	$client = joined('slow', 'ack 1, self 0', join => as_user('alice'));
	$client->cast('slow', 'e', { n => 1 });
	$client->leave('slow');
	is($client->join_result('slow', %{ as_user('alice') }), 'ok', 'joined again');
	nothing_came($hears, 'what a left channel had waiting');
	$_->abandon for $client, $hears;
}

$server->reconfigure('realtime.statement_timeout' => '500ms');
{
	my $client = joined('never', 'ack 1, self 0', join => as_user('alice'));
	is_deeply($client->reply($client->cast('never', 'e', {}))->{payload}, unauthorized('query_canceled'), 'a policy that takes too long');
	$server->sql(q{UPDATE writers SET seconds = 0 WHERE topic = 'never'});
	is_deeply($client->reply($client->cast('never', 'e', {}))->{payload}, $ok, 'is asked again');
	is($client->join_result('broken', %{ as_user('alice') }, %{ $config{'ack 1, self 0'} }), 'ok', 'joined');
	is_deeply($client->reply($client->cast('broken', 'e', {}))->{payload}, unauthorized('rls_policy_error'), 'a policy that fails');
	$client->abandon;
}

# Agent channels speak to their listeners only.
{
	$server->reconfigure('realtime.agent_channels' => 'warn');
	my $client = wait_for(sub {
			my $client = joined('agent-x', 'ack 1, self 1');
			my $reply = $client->reply($client->cast('agent-x', 'e', {}))->{payload};
			return $client if $reply->{status} eq 'error';
			$client->abandon;
			return undef;
	}, 'the setting to be read');
	is_deeply($client->reply($client->cast('agent-x', 'e', {}))->{payload}, unauthorized(), 'an agent channel');
	nothing_came($client, 'an agent channel');
	$server->reconfigure('realtime.agent_channels' => 'off');
	wait_for(sub { $client->reply($client->cast('agent-x', 'e', {}))->{payload}{status} eq 'ok' }, 'the setting to be read');
	pass('a name like any other where nobody looks at names');
	$client->abandon;
}

is($server->gateway_pid, $gateway, 'the gateway is the same');
$server->cluster_alive('after broadcasts of clients');
$server->node->stop;

done_testing();
