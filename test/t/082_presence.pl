# Presence over the wire (supabase.md section 5): state before diffs, refs, keys
# and metas, what ends a presence, rights on private channels, limits; over one
# gateway and over three, of which one dies.

use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Utils;
use PresenceView;
use RealtimeServer;
use Test::More;
use Time::HiRes qw(time);

my $server = RealtimeServer->start_new('presence', conf => "realtime.max_presence_calls = 0\n");
my $limited = '{"reason":"Presence track payload must be a map"}';
my $topics = 0;

# A topic that nobody has used.
sub fresh { return 'room:' . ++$topics; }

# A client that is present on a topic; $client->{view} is its view.
sub present
{
	my ($topic, %join) = @_;
	my $client = $server->client(vsn => delete $join{vsn} // '2.0.0');
	return PresenceView->join($client, $topic, %join);
}

# All views saw nothing wrong.
sub right
{
	my ($name, @views) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is_deeply([ map { @{ $_->{errors} } } @views ], [], "$name: nothing wrong was said");
}

# Wait until all views know this; what they say is the failure's text.
sub all_know
{
	my ($name, $wanted, @views) = @_;
	my $wrong;

	for my $view (@views)
	{
		next if $view->until_known($wanted);
		$wrong = $view->text;
		last;
	}
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok(!defined $wrong, $name) or diag("known is $wrong");
	return right($name, @views);
}

# A counter reaches that value; gateways report once a second.
sub counted
{
	my ($counter, $value) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return ok(wait_for(sub { $server->stat($counter) >= $value }, "$counter to be $value"),
		"$counter is counted");
}

sub abandon { $_->{client}->abandon for @_; return; }

#
# One story, told to both serializers
#
for my $vsn ('2.0.0', '1.0.0')
{
	my $topic = fresh();
	my $alice = present($topic, vsn => $vsn, key => 'alice');
	ok($alice->step && $alice->{states} && $alice->text eq '{}', "$vsn: an empty state after the join");

	is($alice->track({ mood => 'é"', n => [ 1, undef ] }), 'ok', "$vsn: track");
	all_know("$vsn: the tracker hears of it", { alice => [ { mood => 'é"', n => [ 1, undef ] } ] }, $alice);
	my $first = $alice->refs->{alice}[0];

	my $bob = present($topic, vsn => $vsn, key => 'bob');
	ok($bob->step && !@{ $bob->{diffs} }, "$vsn: a newcomer gets the state");
	is($bob->text, $alice->text, "$vsn: which is what the others know");
	is($bob->refs->{alice}[0], $first, "$vsn: with the same ref");

	is($bob->track({}), 'ok', "$vsn: the newcomer tracks");
	all_know("$vsn: both are there", { alice => [ { mood => 'é"', n => [ 1, undef ] } ], bob => [ {} ] }, $alice, $bob);

	# another meta: one diff, with the old one leaving and the new one naming it
	my $diffs = @{ $bob->{diffs} };
	is($alice->track({ mood => 'well' }), 'ok', "$vsn: track again");
	all_know("$vsn: an update", { alice => [ { mood => 'well' } ], bob => [ {} ] }, $alice, $bob);
	is(@{ $bob->{diffs} } - $diffs, 1, "$vsn: is one diff");
	my $diff = $bob->{diffs}[-1];
	is_deeply($diff->{leaves}, { alice => { metas => [ { phx_ref => $first, mood => 'é"', n => [ 1, undef ] } ] } },
		"$vsn: the old meta leaves");
	my $second = $diff->{joins}{alice}{metas}[0];
	isnt($second->{phx_ref}, $first, "$vsn: the new one has another ref");
	is($second->{phx_ref_prev}, $first, "$vsn: and names the old one");

	# the same meta is no change, and neither is an untrack of nothing
	$diffs = @{ $bob->{diffs} };
	is($alice->track({ mood => 'well' }), 'ok', "$vsn: the same again");
	is($bob->untrack, 'ok', "$vsn: untrack");
	is($bob->untrack, 'ok', "$vsn: untrack of nothing");
	all_know("$vsn: one has gone", { alice => [ { mood => 'well' } ] }, $alice, $bob);
	is(@{ $bob->{diffs} } - $diffs, 1, "$vsn: which alone was told");
	is_deeply($bob->{diffs}[-1]{joins}, {}, "$vsn: nobody joined");

	# the one who left may come back, with another ref
	is($bob->track({ back => 1 }), 'ok', "$vsn: back again");
	all_know("$vsn: both again", { alice => [ { mood => 'well' } ], bob => [ { back => 1 } ] }, $alice, $bob);

	# leaving the channel
	is($bob->{client}->leave($topic)->{payload}{status}, 'ok', "$vsn: leave");
	all_know("$vsn: who leaves the channel is gone", { alice => [ { mood => 'well' } ] }, $alice);
	ok($bob->quiet, "$vsn: and hears no more");

	# joining again on the same connection begins with a state, once more
	$bob = PresenceView->join($bob->{client}, $topic, key => 'bob');
	ok($bob->until_known({ alice => [ { mood => 'well' } ] }), "$vsn: a state of its own after joining again");
	$bob->track({ n => 2 });
	all_know("$vsn: there again", { alice => [ { mood => 'well' } ], bob => [ { n => 2 } ] }, $alice, $bob);

	# a join on top of a join ends what the first one tracked
	$bob = PresenceView->join($bob->{client}, $topic, key => 'robert');
	$bob->track({ n => 3 });
	all_know("$vsn: a second join replaces the first",
		{ alice => [ { mood => 'well' } ], robert => [ { n => 3 } ] }, $alice, $bob);

	# a closed connection, in the orderly way and without a word
	$bob->{client}->close;
	all_know("$vsn: who closes is gone", { alice => [ { mood => 'well' } ] }, $alice);
	my $carol = present($topic, vsn => $vsn, key => 'carol');
	$carol->track({});
	all_know("$vsn: another one", { alice => [ { mood => 'well' } ], carol => [ {} ] }, $alice);
	$carol->{client}->abandon;
	all_know("$vsn: whose connection breaks is gone", { alice => [ { mood => 'well' } ] }, $alice);
	abandon($alice);
}

# Both serializers on one topic
{
	my $topic = fresh();
	my @views = map { present($topic, vsn => $_, key => "k$_") } '1.0.0', '2.0.0';
	$_->track({ vsn => $_->{client}{vsn} }) for @views;
	all_know('1.0.0 and 2.0.0 see each other',
		{ map { ("k$_" => [ { vsn => $_ } ]) } '1.0.0', '2.0.0' }, @views);
	is_deeply($views[0]->refs, $views[1]->refs, 'and the same refs');
	abandon(@views);
}

#
# Keys
#
{
	my $topic = fresh();
	my @views = map { present($topic, key => 'shared') } 1 .. 3;
	$views[$_]->track({ tab => $_ }) for 0 .. 2;
	all_know('three tabs with one key', { shared => [ map { { tab => $_ } } 0 .. 2 ] }, @views);
	$views[1]->untrack;
	all_know('one of them goes', { shared => [ map { { tab => $_ } } 0, 2 ] }, @views);
	abandon(@views);

	# a number is its text, and without a key everybody has one of his own
	$topic = fresh();
	my $number = present($topic, key => 42);
	$number->track({});
	all_know('a number as a key', { 42 => [ {} ] }, $number);
	my @others = map { present($topic, key => $_) } '', undef, '';
	$_->track({ who => 'other' }) for @others;
	ok($number->until(sub { keys %{ $_[0]->known } == 4 }), 'no key, three times: three keys');
	is(scalar(grep { /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/ } keys %{ $number->known }),
		3, 'which are UUIDs');
	right('keys', $number, @others);
	abandon($number, @others);
}

# The two rooms of a name do not mix; others are other topics altogether.
{
	my $topic = fresh();
	my $here = present($topic, key => 'here');
	my $elsewhere = present(fresh(), key => 'elsewhere');
	$elsewhere->track({});
	$here->track({});
	all_know('one topic', { here => [ {} ] }, $here);
	all_know('is not another', { elsewhere => [ {} ] }, $elsewhere);
	abandon($here, $elsewhere);
}

#
# Enabled or not
#
{
	my $topic = fresh();
	my $client = $server->client;
	my $seen = present($topic, key => 'seen');
	is($client->join_result($topic, presence => { key => 'late', enabled => JSON::PP::false }), 'ok',
		'a join without presence');
	$seen->track({ n => 1 });
	all_know('somebody is there', { seen => [ { n => 1 } ] }, $seen);
	my $late = PresenceView->new($client, $topic);
	ok($late->quiet, 'who did not enable presence hears nothing of it');
	is($late->untrack, 'ok', 'may untrack');
	ok($late->quiet, 'which enables nothing');
	is($late->track({ n => 2 }), 'ok', 'and track');
	all_know('which enables it: the state, then the own diff',
		{ seen => [ { n => 1 } ], late => [ { n => 2 } ] }, $late, $seen);
	is($late->{states}, 1, 'one state');
	abandon($late, $seen);
}

#
# What is sent
#
{
	my $topic = fresh();
	my $view = present($topic, key => 'k');
	my $ref_of = sub { return $view->refs->{k} ? $view->refs->{k}[0] : 'none' };

	ok($view->step, 'a state');
	is($view->track([]), $limited, 'an array is no map');
	is($view->track('text'), $limited, 'nor is a string');
	is($view->track(undef), $limited, 'nor null');
	is(PresenceView::call($view->{client}, $topic, 'Track'), 'ok', 'no payload means {}, and case does not matter');
	all_know('{}', { k => [ {} ] }, $view);
	is($view->track({ phx_ref => 'mine', phx_ref_prev => 'too', a => 1 }), 'ok', 'a phx_ref of its own');
	all_know('is left out', { k => [ { a => 1 } ] }, $view);
	isnt($ref_of->(), 'mine', 'the ref is the server\'s');
	is(PresenceView::call($view->{client}, $topic, 'UNTRACK'), 'ok', 'UNTRACK');
	all_know('is untrack', {}, $view);
	is(PresenceView::call($view->{client}, $topic, 'follow', {}), '{}', 'an unknown event');
	is(PresenceView::call($view->{client}, $topic, 7, {}), '{}', 'an event that is a number');
	my $reply = $view->{client}->reply($view->{client}->push("realtime:$topic", 'presence', { type => 'presence' }));
	is_deeply($reply->{payload}, { status => 'ok', response => {} }, 'no event at all');
	is($reply->{join_ref}, $view->{client}{join_refs}{"realtime:$topic"}, 'replies carry the join ref');
	is(PresenceView::call($server->client, $topic, 'track', {}), '{"reason":"unmatched topic"}', 'not joined');

	# as large as it may be, and larger
	my $meta = { text => 'x' x 1_000_000 };
	is($view->track($meta), 'ok', 'a megabyte');
	all_know('arrives', { k => [$meta] }, $view);
	$server->reconfigure('realtime.max_message_size' => '10kB');
	wait_for(sub {
			$view = present($topic, key => 'k');
			$view->{client}->push("realtime:$topic", 'presence',
				{ event => 'track', payload => { text => 'x' x 11_000 } });
			return ($view->{client}->channel_end($topic, 1) // '') eq 'Track message size exceeded';
		}, 'the size limit');
	pass('too large: the channel is closed, with the reason');
	ok($view->{client}->heartbeat, 'the connection stays');
	$server->reconfigure('realtime.max_message_size' => '3000kB');
	abandon($view);
}

# Untracked before it was told, updated before it was told: nothing is invented.
{
	my $topic = fresh();
	my ($fast, $other) = map { present($topic, key => $_) } 'fast', 'other';
	my $client = $fast->{client};
	my @refs = map { $client->push("realtime:$topic", 'presence', { event => 'track', payload => { n => $_ } }) } 1 .. 200;
	is(scalar(grep { $client->reply($_)->{payload}{status} eq 'ok' } @refs), 200, '200 tracks at once');
	all_know('the last one stays', { fast => [ { n => 200 } ] }, $fast, $other);
	@refs = map { $client->push("realtime:$topic", 'presence', { event => $_ % 2 ? 'untrack' : 'track', payload => { n => $_ } }) } 1 .. 201;
	$client->reply($_) for @refs;
	all_know('on and off', {}, $fast, $other);
	abandon($fast, $other);
}

#
# Private channels
#
$server->sql(<<'SQL');
SELECT realtime.setup_api_roles();
CREATE TABLE slow (seconds float);
GRANT SELECT ON slow TO authenticated;
CREATE POLICY read_presence ON realtime.messages FOR SELECT TO authenticated
	USING (extension = 'presence' AND realtime.topic() ~ '^p:.*r');
CREATE POLICY read_broadcast ON realtime.messages FOR SELECT TO authenticated
	USING (extension = 'broadcast' AND realtime.topic() ~ '^p:.*b');
CREATE POLICY write_presence ON realtime.messages FOR INSERT TO authenticated
	WITH CHECK (extension = 'presence' AND realtime.topic() ~ '^p:.*w'
		AND NOT EXISTS (SELECT FROM slow WHERE pg_sleep(seconds) IS NULL));
CREATE POLICY write_broadcast ON realtime.messages FOR INSERT TO authenticated
	WITH CHECK (extension = 'broadcast' AND realtime.topic() ~ '^p:.*c');
SQL

# The options of a private join.
my $user = $server->token(role => 'authenticated', sub => '00000000-0000-4000-8000-000000000001');
my @private = (private => 1, access_token => $user);

{
	# r: may hear presence, b: broadcasts, w: may track, c: may broadcast
	my $watcher = present('p:rw', key => 'watcher', @private);
	is($watcher->track({}), 'ok', 'a private channel, with both rights');
	all_know('is as a public one', { watcher => [ {} ] }, $watcher);

	my $public = present('p:rw', key => 'public');
	$public->track({});
	all_know('the public room of that name', { public => [ {} ] }, $public);
	all_know('is another one', { watcher => [ {} ] }, $watcher);
	abandon($watcher, $public);

	my $reader = present('p:r', key => 'reader', @private);
	is($reader->track({}), '{}', 'no right to track');
	is($reader->track({}), '{}', 'nor the second time');
	is($reader->untrack, 'ok', 'untrack is never denied');
	ok($reader->until_known({}) && $reader->quiet && !@{ $reader->{diffs} }, 'and nothing is told');
	abandon($reader);

	# a right to track, but not to hear: the others hear
	my $client = $server->client;
	is($client->join_result('p:bw', @private, presence => { key => 'mute', enabled => JSON::PP::true }), 'ok',
		'admitted by the right to hear broadcasts');
	my $mute = PresenceView->new($client, 'p:bw');
	is($mute->track({}), 'ok', 'may track');
	my $service = present('p:bw', private => 1, access_token => $server->token(role => 'service_role'));
	all_know('others see it', { mute => [ {} ] }, $service);
	ok($mute->quiet && !$mute->{states}, 'who may not hear presence gets neither state nor diffs');
	abandon($mute, $service);

	# presence enabled by the first track asks for the right to hear then
	for ([ 'p:brw', 1 ], [ 'p:bwx', 0 ])
	{
		my ($topic, $hears) = @$_;
		$client = $server->client;
		is($client->join_result($topic, @private), 'ok', "$topic: joined without presence");
		my $view = PresenceView->new($client, $topic);
		is($view->track({ a => 1 }), 'ok', "$topic: tracks");
		if ($hears) { ok($view->until(sub { keys %{ $_[0]->known } == 1 }), "$topic: and hears"); }
		else { ok($view->quiet && !$view->{states}, "$topic: and hears nothing"); }
		right($topic, $view);
		abandon($view);
	}

	# the same where a broadcast has asked for the rights to write before
	$client = $server->client;
	is($client->join_result('p:brwc', @private, broadcast => { ack => JSON::PP::true, self => JSON::PP::true }),
		'ok', 'joined to broadcast');
	my $ref = $client->push('realtime:p:brwc', 'broadcast', { event => 'e', payload => { n => 1 } });
	is($client->reply($ref)->{payload}{status}, 'ok', 'a broadcast is allowed');
	my $view = PresenceView->new($client, 'p:brwc');
	is($view->track({}), 'ok', 'then a track');
	ok($view->until(sub { keys %{ $_[0]->known } == 1 }), 'which is heard');
	abandon($view);

	# what waits for a decision keeps its order
	$server->sql('INSERT INTO slow VALUES (0.3)');
	$client = $server->client;
	is($client->join_result('p:brwc', @private, broadcast => { ack => JSON::PP::true, self => JSON::PP::true },
			presence => { key => 'k', enabled => JSON::PP::true }), 'ok', 'while decisions take their time');
	my @say = (
		[ 'broadcast', { event => 'e', payload => { n => 1 } } ],
		[ 'presence', { event => 'track', payload => { n => 2 } } ],
		[ 'presence', { event => 'untrack' } ],
		[ 'broadcast', { event => 'e', payload => { n => 3 } } ],
		[ 'presence', { event => 'track', payload => { n => 4 } } ]);
	my @refs = map { $client->push('realtime:p:brwc', @$_) } @say;
	my @order;
	while (@order < @refs)
	{
		my $reply = $client->event('p:brwc', ['phx_reply']) // last;
		push @order, "$reply->{ref} $reply->{payload}{status}";
	}
	is_deeply(\@order, [ map { "$_ ok" } @refs ], 'what is said meanwhile is answered in its order');
	$view = PresenceView->new($client, 'p:brwc');
	ok($view->until_known({ k => [ { n => 4 } ] }), 'and the last track counts');
	is_deeply([ map { $_->{payload}{n} } $client->broadcasts(2) ], [ 1, 3 ], 'broadcasts went out in order');

	# another token is asked anew
	$server->sql('TRUNCATE slow');
	$client->access_token('p:brwc', $server->token(role => 'authenticated', sub => 'other'));
	is($view->track({ n => 5 }), 'ok', 'another token');
	ok($view->until_known({ k => [ { n => 5 } ] }), 'and the channel is what it was');
	right('private channels', $view);
	abandon($view);

	# gone while the decision is under way
	$server->sql('INSERT INTO slow VALUES (0.3)');
	my $stays = present('p:brwc', key => 'stays', private => 1, access_token => $server->token(role => 'service_role'));
	$stays->track({});
	$client = $server->client;
	$client->join('p:brwc', @private, presence => { key => 'gone', enabled => JSON::PP::true });
	$client->push('realtime:p:brwc', 'presence', { event => 'track', payload => {} });
	is($client->leave('p:brwc')->{payload}{status}, 'ok', 'left while it is decided whether it may track');
	$server->sql('TRUNCATE slow');
	is($client->join_result('p:brwc', @private), 'ok', 'and joined again');
	my $again = PresenceView->new($client, 'p:brwc');
	is($again->track({ again => 1 }), 'ok', 'tracks');
	ok($stays->until(sub { keys %{ $_[0]->known } == 2 }), 'and is there');
	is_deeply([ grep { exists $_->{joins}{gone} } @{ $stays->{diffs} } ], [], 'what was not allowed yet never was');
	right('decisions', $stays, $again);
	abandon($stays, $again);
	counted('presence_denied', 2);
}

#
# Limits
#
{
	my $topic = fresh();
	my $other = present($topic, key => 'other');
	my $message = 'Client presence rate limit exceeded';

	$server->reconfigure('realtime.max_presence_calls' => 5, 'realtime.presence_window' => '1h');
	wait_for(sub {
			my $view = present(fresh());
			$view->{client}->push("realtime:$view->{topic}", 'presence', { event => 'untrack' }) for 1 .. 6;
			return ($view->{client}->channel_end($view->{topic}, 1) // '') eq $message;
		}, 'the limit of calls');
	my $view = present($topic, key => 'busy');
	is($view->track({ n => $_ }), 'ok', "call $_") for 1 .. 4;
	is($view->untrack, 'ok', 'call 5');
	$view->{client}->push("realtime:$topic", 'presence', { event => 'track', payload => { n => 6 } });
	is($view->{client}->channel_end($topic), $message, 'call 6: closed, with the reason');
	ok($view->{client}->heartbeat, 'the connection stays');
	$view = PresenceView->join($view->{client}, $topic, key => 'busy');
	is($view->track({ n => 7 }), 'ok', 'another channel counts anew');
	all_know('and is there', { busy => [ { n => 7 } ] }, $view, $other);
	counted('presence_limited', 3);
	abandon($view);

	# a window that is over
	$server->reconfigure('realtime.presence_window' => '200ms');
	wait_for(sub {
			my $probe = present($topic);
			my $calls = 0;
			for (1 .. 6) { $calls++ if $probe->untrack eq 'ok'; select undef, undef, undef, 0.05; }
			$probe->{client}->abandon;
			return $calls == 6;
		}, 'the shorter window');
	pass('six calls in two windows');
	$server->reconfigure('realtime.max_presence_calls' => 0);
	abandon($other);
}

# Does a newcomer find no room for this?
sub refused
{
	my ($meta) = @_;
	my $view = present(fresh());
	my $message;

	$view->step;
	$view->tell('track', $meta);
	$message = $view->{client}->event($view->{topic}, [ 'system', 'presence_diff' ]);
	$view->{client}->abandon;
	wait_for(sub { $server->stat('presence_members') == 0 }, 'the newcomer to be gone');
	return $message && $message->{event} eq 'system';
}

{
	# no more members than that, over all topics; who leaves makes room
	wait_for(sub { $server->stat('presence_members') == 0 }, 'everybody to be gone');
	$server->reconfigure('realtime.max_presence_members' => 0);
	wait_for(sub { refused({}) }, 'no member at all');
	$server->reconfigure('realtime.max_presence_members' => 2);
	wait_for(sub { !refused({}) }, 'room for two');
	my $topic = fresh();
	my @views = map { present($topic, key => "k$_") } 1 .. 2;
	is($_->track({}), 'ok', 'there is room') for @views;
	all_know('two', { k1 => [ {} ], k2 => [ {} ] }, @views);
	my $third = present($topic, key => 'k3');
	$third->{client}->push("realtime:$topic", 'presence', { event => 'track', payload => {} });
	my $system = $third->{client}->event($topic, ['system']);
	is($system && $system->{payload}{message}, 'Presence limit exceeded', 'no room for a third: it is told');
	ok($third->{client}->event($topic, ['phx_error']), 'and its channel ended so that it comes again');
	is($views[0]->track({ n => 2 }), 'ok', 'those who are there may go on');
	all_know('with another meta', { k1 => [ { n => 2 } ], k2 => [ {} ] }, @views);
	$views[1]->untrack;
	all_know('one goes', { k1 => [ { n => 2 } ] }, @views);
	$third = PresenceView->join($third->{client}, $topic, key => 'k3');
	$third->track({});
	all_know('and there is room', { k1 => [ { n => 2 } ], k3 => [ {} ] }, @views, $third);
	counted('presence_refused', 1);
	like(slurp_file($server->node->logfile), qr/realtime refuses presence: \d members use \d+ bytes/, 'and logged');
	abandon(@views, $third);
}

{
	# no more memory than that
	$server->reconfigure('realtime.max_presence_members' => 100000);
	wait_for(sub { !refused({}) }, 'room for many');
	$server->reconfigure('realtime.max_presence_memory' => '64kB');
	wait_for(sub { refused({ text => 'x' x 70_000 }) }, 'little memory');
	my $topic = fresh();
	my $view = present($topic, key => 'k');
	$view->track({ small => 1 });
	all_know('a small one', { k => [ { small => 1 } ] }, $view);
	$view->{client}->push("realtime:$topic", 'presence', { event => 'track', payload => { text => 'x' x 70_000 } });
	my $system = $view->{client}->event($topic, ['system']);
	is($system && $system->{payload}{message}, 'Presence limit exceeded', 'a large one: no memory');
	wait_for(sub { $server->stat('presence_members') == 0 }, 'it to be gone');
	pass('the channel has ended, and what it tracked has gone with it');
	abandon($view);
	$server->reconfigure('realtime.max_presence_memory' => '128MB');
}

# All is counted, and nothing is left.
wait_for(sub { $server->stat('presence_members') == 0 && $server->stat('presence_bytes') == 0 },
	'all memory to be given back');
ok($server->stat('presence_joins') > 30, 'joins are counted');
is($server->stat('presence_leaves'), $server->stat('presence_joins'), 'and as many leaves');
counted($_, 20) for qw(presence_calls presence_states presence_diffs);
$server->cluster_alive('after presence over one gateway');
done_testing();
