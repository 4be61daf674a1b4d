# Delivery tracking: what realtime.message_audience says of a message is how many
# sockets it was queued to, over all gateways, soon after; and nothing ever waits
# for that, nor grows without bound, nor falls for what is no report.

use strict;
use warnings;

use BusGateway;
use EventStreamClient;
use RealtimeServer;
use SocketIoClient;
use Test::More;

my $channel = '11111111-1111-1111-1111-111111111111';
my $server = RealtimeServer->start_new('tracking', conf => "realtime.gateways = 2\n");

# Publish messages on the channel, to topics that need no policies; returns
# their ids.
sub publish
{
	my ($topic, $n, %columns) = @_;
	my %values = (channel_id => "'$channel'", %columns);
	my $names = join(', ', sort keys %values);
	my $values = join(', ', map { $values{$_} } sort keys %values);

	return split /\n/, $server->sql(qq{
		INSERT INTO realtime.messages (topic, extension, event, payload, $names)
		SELECT '$topic', 'broadcast', 'e', jsonb_build_object('n', n), $values FROM generate_series(1, $n) n
		RETURNING id});
}

# The count of one message.
sub audience
{
	my ($id) = @_;
	return $server->sql("SELECT coalesce(sum(ws_audience), 0) FROM realtime.message_audience WHERE message_id = '$id'");
}

# A message to so many members, and its count.
sub reaches
{
	my ($topic, $n, $name) = @_;
	my ($id) = publish($topic, 1);

	wait_for(sub { audience($id) >= $n }, "$name: the count") if $n > 0;
	return is(audience($id), $n, $name);
}

wait_for(sub { $server->stat('gateways') == 2 }, 'both gateways');

# Who is counted
my @clients = map { $server->member('room') } 1 .. 4;
my %used = map { $server->gateway_of($_) => 1 } @clients;
while (keys %used < 2 && @clients < 60)
{
	push @clients, $server->member('room');
	$used{ $server->gateway_of($clients[-1]) } = 1;
}
is(scalar keys %used, 2, 'there are members at both gateways');
reaches('room', scalar @clients, 'all members of all gateways');
push @clients, $server->member('room', vsn => '1.0.0');
reaches('room', scalar @clients, 'one that speaks the older protocol');
my $events = EventStreamClient->connect($server, channel => 'room');
wait_for(sub { ($events->status // 0) == 200 }, 'the stream of events');
reaches('room', @clients + 1, 'one that reads server-sent events');
is($server->sql("SELECT count(*) FROM realtime.message_audience WHERE recorded_at - inserted_at > '1 minute'"), 0,
	'a row has the time of its message');

# Who is not
$events->abandon;
wait_for(sub { $server->stat('connections') == @clients }, 'the stream to end');
(shift @clients)->close;
wait_for(sub { $server->stat('connections') == @clients }, 'a client to leave');
my ($nobody) = publish('empty', 1);
my ($other) = publish('room', 1, channel_id => 'NULL');
my ($silent) = publish('room', 1, skip_broadcast => 'true');
reaches('room', scalar @clients, 'those that are left');
is(audience($_->[0]), 0, $_->[1])
  foreach [ $nobody, 'a message without members' ], [ $other, 'one that is on no channel' ], [ $silent, 'one that is not told' ];

# Published in earnest: by SQL and by a client, to Socket.IO and to Phoenix; on a
# channel that keeps nothing there is nothing to count.
$server->sql(q{SELECT count(*) FROM realtime.setup_api_roles()});
$server->sql(q{INSERT INTO realtime.channels (pattern, persist) VALUES ('chat:%', true), ('cursor:%', false)});
$server->sql(q{CREATE POLICY publish ON realtime.messages FOR INSERT TO authenticated WITH CHECK (true)});
$server->sql(q{CREATE POLICY hear ON realtime.messages FOR SELECT TO authenticated USING (true)});
my $token = $server->token(role => 'authenticated', sub => '99999999-9999-9999-9999-999999999999');
my @talkers = map { SocketIoClient->connect(port => $server->port, auth => { token => $token }) } 1 .. 3;
$_->subscribe('chat:1'), $_->subscribe('cursor:1') foreach @talkers;
my $listener = $server->client(apikey => $token);
is($listener->join_result('chat:1', private => 1), 'ok', 'a client of Supabase hears a channel');
$talkers[0]->emit_only('realtime:publish', { channel => 'cursor:1', event => 'moved', payload => { x => 1 } });
$_->event('moved') foreach @talkers;
$talkers[0]->emit_only('realtime:publish', { channel => 'chat:1', event => 'said', payload => { n => 1 } });
my ($said) = map { $_->event('said')->{meta}{messageId} } @talkers;
wait_for(sub { audience($said) >= 4 }, 'the count of what a client says');
is(audience($said), 4, 'what a client says, itself included');
my $published = $server->sql(q{SELECT realtime.publish('chat:1', 'told', '{}')});
wait_for(sub { audience($published) >= 4 }, 'the count of what the database says');
is($server->sql("SELECT channel_name, event_name, ws_audience_count FROM realtime.message_details WHERE id = '$published'"),
	'chat:1|told|4', 'what the database says');
is($server->sql(q{SELECT count(*) FROM realtime.message_audience a WHERE NOT EXISTS (SELECT FROM realtime.messages m WHERE m.id = a.message_id)}),
	0, 'what is not stored is not counted');

# Many at once, in one transaction, from several, and with a subtransaction that
# is rolled back
my @ids = map { publish('room', 100) } 1 .. 5;
my $writers = 4;
my @sessions = map { $server->node->background_psql('postgres') } 1 .. $writers;
foreach my $i (0 .. $#sessions)
{
	$sessions[$i]->query_safe(qq{BEGIN;
		INSERT INTO realtime.messages (topic, extension, event, payload, channel_id)
		SELECT 'room', 'broadcast', 'of $i', '{}', '$channel' FROM generate_series(1, 100);
		SAVEPOINT s;
		INSERT INTO realtime.messages (topic, extension, event, payload, channel_id)
		VALUES ('room', 'broadcast', 'undone', '{}', '$channel');
		ROLLBACK TO s});
}
foreach (@sessions) { $_->query_safe('COMMIT'); $_->quit; }
push @ids, split /\n/, $server->sql("SELECT id FROM realtime.messages WHERE event LIKE 'of %'");
is(scalar @ids, 500 + 100 * $writers, 'messages of a burst');
my $list = join(',', map { "'$_'" } @ids);
wait_for(sub { $server->sql("SELECT coalesce(sum(ws_audience), 0) FROM realtime.message_audience WHERE message_id IN ($list)")
		== @ids * @clients }, 'all counts of the burst');
is($server->sql(qq{SELECT count(*) FROM (SELECT sum(ws_audience) FROM realtime.message_audience
	WHERE message_id IN ($list) GROUP BY message_id HAVING sum(ws_audience) = } . @clients . ') a'),
	scalar @ids, 'each of them has its own');
cmp_ok($server->sql(q{SELECT extract(epoch FROM percentile_cont(0.5) WITHIN GROUP (ORDER BY a.recorded_at - a.inserted_at))
	FROM realtime.message_audience a JOIN realtime.messages m ON m.id = a.message_id WHERE m.event = 'e'}), '<=', 1, 'a count is there within a second');
is($server->stat('audiences_lost') + $server->stat('audiences_overrun'), 0, 'nothing was lost');

# Off and on again: what is on the way then is counted or not, like who comes
# at that time.
sub track
{
	my ($value) = @_;

	$server->reconfigure('realtime.delivery_tracking' => $value);
	wait_for(sub {
			my ($id) = publish('room', 1);
			return $value eq 'on' ? audience($id) > 0
			  : !eval { local $RealtimeServer::patience = 2; wait_for(sub { audience($id) > 0 }, 'a count') } }, "tracking to be $value");
	return;
}
track('off');
my @uncounted = publish('room', 20);
track('on');
is($server->sql('SELECT count(*) FROM realtime.message_audience WHERE message_id IN (' . join(',', map { "'$_'" } @uncounted) . ')'),
	0, 'without delivery_tracking nothing is counted');
reaches('room', scalar @clients, 'with it all is');

# No executor: counts wait, up to a bound.
my $single = $server->member('single');
my ($recorded, $lost) = map { $server->stat($_) } qw(audiences_recorded audiences_lost);
$server->reconfigure('realtime.executors' => 0);
wait_for(sub { $server->stat('executors') == 0 }, 'the executors to end');
my @kept = publish('single', 100);
is(scalar $single->broadcasts(100), 100, 'messages come without executors');
my ($many, $some, $got) = (50_000, 2_500, 0);
foreach (1 .. $many / $some)
{
	publish('single', $some);
	$got += $single->broadcasts($some);
	# or it is taken for dead where this lasts a minute
	$single->heartbeat;
}
is($got, $many, 'many, too');
wait_for(sub { $server->stat('audiences_lost') > $lost }, 'counts to be dropped');
$server->reconfigure('realtime.executors' => 2);
wait_for(sub { $server->stat('audiences_recorded') - $recorded + $server->stat('audiences_lost') - $lost
		+ $server->stat('audiences_overrun') == 100 + $many }, 'the rest to be recorded');
pass('every count was recorded or dropped');
cmp_ok($server->stat('audiences_recorded') - $recorded, '>', 10_000, 'a good part of them was kept');
is(audience($kept[0]), 0, 'the oldest were dropped');
is($server->sql("SELECT count(*) FROM realtime.message_audience a JOIN realtime.messages m ON m.id = a.message_id WHERE m.topic = 'single' AND a.ws_audience <> 1"),
	0, 'what is recorded is right');
reaches('single', 1, 'then all is as before');

# The hub ends: what it had is lost, what comes is counted.
kill 'TERM', $server->hub_pid;
$_->wait_eof foreach @clients, $single;
$server->wait_until_healthy;
my $member = $server->member('room');
reaches('room', 1, 'a new hub counts');

# Old counts go with their messages.
$server->sql(q{SELECT realtime.make_partition(t.name, ((now() AT TIME ZONE 'UTC')::date - 10)) FROM realtime.daily_tables() t});
publish('room', 1, inserted_at => "now() - interval '10 days'");
wait_for(sub { $server->sql("SELECT count(*) FROM realtime.message_audience WHERE inserted_at < now() - interval '9 days'") == 1 }, 'an old count');
$server->sql('SELECT realtime.maintain()');
is($server->sql("SELECT count(*) FROM realtime.message_audience WHERE inserted_at < now() - interval '9 days'"), 0,
	'maintenance drops it');
$server->cluster_alive('after counting');

# A gateway that lies is ended; none of it is written.
my $bus = BusGateway->start_new('false_counts');
my $id = 'abcdefghijklmnop';
sub entry { my ($sockets, $reserved) = @_; return pack('a16 q L L', $id, 0, $sockets, $reserved // 0); }

$bus->send_frame('audience', entry(7));
wait_for(sub { $bus->sql('SELECT sum(ws_audience) FROM realtime.message_audience') eq '7' }, 'a count');
is($bus->sql('SELECT message_id FROM realtime.message_audience'), '61626364-6566-6768-696a-6b6c6d6e6f70', 'of that message');
foreach my $false (
	[ 'nothing', '' ],
	[ 'less than an entry', substr(entry(1), 1) ],
	[ 'more than one', entry(1) . 'x' ],
	[ 'nobody reached', entry(1) . entry(0) ],
	[ 'what is reserved', entry(1, 1) ],
	[ 'too many', entry(1) x 4097 ])
{
	my ($name, $body) = @$false;
	my $failures = $bus->server->stat('gateway_failures');

	$bus->send_frame('audience', $body);
	wait_for(sub { $bus->server->stat('gateway_failures') > $failures }, "the gateway to be ended: $name");
	$bus->connect;
	pass("a report is refused: $name");
}
$bus->send_frame('audience', entry(0xffffffff) x 4096);
wait_for(sub { $bus->sql('SELECT count(*) FROM realtime.message_audience') > 1 }, 'the largest numbers');
is($bus->sql('SELECT max(ws_audience), count(*) FROM realtime.message_audience'), '2147483647|2', 'a sum has a bound');
$bus->send_frame('audience', pack('a16 q L L', $id, -9_000_000_000_000_000_000, 1, 0));
wait_for(sub { $bus->server->stat('audiences_lost') == 1 }, 'a time that is none to be refused');
$bus->send_frame('audience', pack('a16 q L L', $id, 5, 1, 0));
wait_for(sub { $bus->sql("SELECT count(*) FROM realtime.message_audience WHERE inserted_at = '2000-01-01 00:00:00.000005+00'") == 1 },
	'the next count');
pass('and others are still taken');
$bus->server->cluster_alive('after false reports');

done_testing();
