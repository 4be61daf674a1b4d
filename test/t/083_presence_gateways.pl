# Presence over three gateways: every client sees one order and ends with the
# same state wherever it is connected, and a gateway that dies takes its
# members with it.  The seed of the random part is printed.

use strict;
use warnings;

use JSON::PP;
use NpmClients;
use PostgreSQL::Test::Utils;
use PresenceView;
use RealtimeServer;
use Test::More;
use Time::HiRes qw(time);

my $gateways = 3;
my $clients = 18;
my $server = RealtimeServer->start_new('gateways', conf => <<'CONF');
realtime.gateways = 3
realtime.max_presence_calls = 0
CONF
my $seed = $ENV{SEED} // int(time() * 1000) % 1_000_000;
srand($seed);
note("SEED=$seed");

wait_for(sub { $server->stat('gateways') == $gateways }, 'all gateways to listen');

# A view of 'room' with a number; what it tracks is {key => the view, n => ...}.
my %tracked;	# number -> meta
my %views;		# number -> view
my $next = 0;

sub come
{
	my ($number) = @_;
	my $client = $server->client(vsn => $number % 2 ? '1.0.0' : '2.0.0');
	$views{$number} = PresenceView->join($client, 'room', key => key($number));
	return;
}

# Three of them share a key each.
sub key { return 'k' . int($_[0] / 3); }

sub track
{
	my ($number, $meta) = @_;
	$tracked{$number} = $meta;
	return $views{$number}->track($meta);
}

# What everybody should know.
sub wanted
{
	my %wanted;
	push @{ $wanted{ key($_) } }, $tracked{$_} for sort { $a <=> $b } keys %tracked;
	return \%wanted;
}

sub converged
{
	my ($name) = @_;
	my $wanted = wanted();
	my (@late, @errors, %refs);

	for my $number (sort { $a <=> $b } keys %views)
	{
		my $view = $views{$number};
		push @late, $number unless $view->until_known($wanted, @late ? 1 : undef);
		push @errors, map { "$number: $_" } @{ $view->{errors} };
		$refs{ JSON::PP->new->canonical->encode($view->refs) } = 1;
	}
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok(!@late, "$name: all know the same")
	  or diag('not ' . join(', ', @late) . "; $late[0] knows " . $views{ $late[0] }->text);
	is_deeply(\@errors, [], "$name: nothing wrong was said");
	is(scalar(keys %refs), 1, "$name: by the same refs");
	return;
}

come($_) for 1 .. $clients;
my %at = map { $_ => $server->gateway_of($views{$_}{client}) } keys %views;
my %crowd;
push @{ $crowd{ $at{$_} } }, $_ for keys %at;
cmp_ok(scalar(keys %crowd), '>=', 2, 'clients of ' . keys(%crowd) . ' gateways');

is(track($_, { n => 0, who => $_ }), 'ok', "$_ tracks") for 1 .. $clients;
converged('all have come');
ok(wait_for(sub { $server->stat('presence_members') == $clients }, 'them to be counted'), 'they are counted');

# Anything in any order, and mostly without waiting for answers
for (1 .. 600)
{
	my $number = 1 + int rand $clients;
	my $dice = rand;

	if ($dice < 0.6)
	{
		$tracked{$number} = { n => $_, who => $number };
		$views{$number}->tell('track', $tracked{$number});
	}
	elsif ($dice < 0.8)
	{
		delete $tracked{$number};
		$views{$number}->tell('untrack');
	}
	elsif ($dice < 0.9)
	{
		$views{$number}{client}->leave('room');
		delete $tracked{$number};
		$views{$number} = PresenceView->join($views{$number}{client}, 'room', key => key($number));
	}
	else
	{
		if ($dice < 0.95) { $views{$number}{client}->abandon; }
		else { $views{$number}{client}->close; }
		delete $tracked{$number};
		come($number);
	}
}
converged('after 600 random steps');

# Only who listens is told: a topic that nobody else watches costs no frame
# at the other gateways, and a member may be seen by one who comes later.
{
	my $alone = $server->client;
	PresenceView->join($alone, 'elsewhere', key => 'alone')->track({ n => 1 });
	my @later = map { PresenceView->join($server->client, 'elsewhere', key => 'later') } 1 .. 9;
	is(scalar(grep { $_->until_known({ alone => [ { n => 1 } ] }) } @later), 9,
		'who comes later gets the state, at any gateway');
	$_->{client}->abandon for @later;
	$alone->abandon;
}

#
# A gateway dies
#
for my $round (1 .. 3)
{
	is(track($_, { round => $round, who => $_ }), 'ok', "$_ tracks") for 1 .. $clients;
	converged("round $round");
	%at = map { $_ => $server->gateway_of($views{$_}{client}) } keys %views;
	my $victim = $at{ 1 + int rand $clients };
	my @lost = grep { $at{$_} == $victim } keys %at;

	delete @tracked{@lost};
	delete @views{@lost};
	my $start = time();
	kill 'KILL', $victim;
	converged("round $round: a gateway with " . @lost . ' clients is killed');
	my $took = time() - $start;
	cmp_ok($took, '<', 1, "round $round: within a second") or diag("$took s");

	wait_for(sub { $server->stat('gateways') == $gateways }, 'the gateway to be back');
	come($_) for @lost;
	track($_, { back => 1, who => $_ }) for @lost;
	converged("round $round: they come back");
}

#
# A gateway that is not wanted any more takes its members along, too
#
{
	$server->reconfigure('realtime.gateways' => 1);
	wait_for(sub { $server->programs == 1 }, 'two gateways to end');
	my ($left) = $server->programs;
	%at = map { $_ => $server->gateway_of($views{$_}{client}) } keys %views;
	my @lost = grep { !defined $at{$_} || $at{$_} != $left } keys %at;

	delete @tracked{@lost};
	delete @views{@lost};
	if (%views) { converged(@lost . ' clients of gateways that ended'); }
	come($_), track($_, { one => 1, who => $_ }) for @lost;
	converged('all at one gateway');
	$server->reconfigure('realtime.gateways' => 3);
	wait_for(sub { $server->stat('gateways') == $gateways }, 'three gateways');
}

#
# The unmodified clients, who are at any gateway
#
{
	$server->sql(<<'SQL');
SELECT realtime.setup_api_roles();
CREATE TABLE room_members (user_id uuid NOT NULL, room_id uuid NOT NULL);
GRANT SELECT ON room_members TO authenticated;
CREATE POLICY members_read ON realtime.messages FOR SELECT TO authenticated
	USING (EXISTS (SELECT FROM room_members WHERE user_id = auth.uid() AND topic = 'room:' || room_id));
CREATE POLICY members_write ON realtime.messages FOR INSERT TO authenticated
	WITH CHECK (EXISTS (SELECT FROM room_members WHERE user_id = auth.uid() AND topic = 'room:' || room_id));
SQL
	npm_clients_ok($server, 'presence');
}

#
# A gateway that falls behind further than its queue may grow is replaced
# rather than left with a state that is wrong
#
{
	# who writes may not hear, and who follows looks at bytes only: to decode a
	# megabyte each time would take too long
	$server->sql(<<'SQL');
CREATE POLICY enter ON realtime.messages FOR SELECT TO anon USING (extension = 'broadcast');
CREATE POLICY track ON realtime.messages FOR INSERT TO anon WITH CHECK (extension = 'presence');
SQL
	my @hear = (private => 1, access_token => $server->token(role => 'service_role'));
	my @others;

	$server->reconfigure('realtime.max_presence_memory' => '4MB');
	push @others, $server->client
	  until 2 <= grep { $server->gateway_of($_) != $server->gateway_of($others[-1]) } @others;
	my $behind = $server->gateway_of($others[-1]);
	my ($writer, $follower) = grep { $server->gateway_of($_) != $behind } @others;
	my $reader = PresenceView->join($others[-1], 'large', key => 'reader', @hear);
	ok($reader->until_known({}), 'an empty topic');
	is($writer->join_result('large', private => 1, presence => { key => 'writer' }), 'ok', 'joined from another gateway');
	is(PresenceView::call($writer, 'large', 'track', { n => 0 }), 'ok', 'and may track');
	ok($reader->until_known({ writer => [ { n => 0 } ] }), 'is there');

	PresenceView->join($follower, 'large', key => 'follower', @hear);

	kill 'STOP', $behind;
	for my $n (1 .. 60)
	{
		my $text = 'x' x 900_000;
		$writer->send_frame(WebSocketClient::TEXT,
			qq([null,"n","realtime:large","presence",{"event":"track","payload":{"n":$n,"text":"$text"}}]));
		until (index($follower->{in}, qq("n":$n,)) >= 0) { $follower->read_more(10) or last; }
		$follower->{in} = '';
	}
	my $why = wait_for(
		sub {
			my ($found) = slurp_file($server->node->logfile) =~ /realtime gateway \d (is too far behind|has stopped reading)/;
			return $found;
		},
		'the gateway to be given up');
	is($why, 'is too far behind', 'a gateway that is too far behind is given up');
	ok($reader->{client}->wait_eof, 'its clients are disconnected');
	wait_for(sub { $server->stat('gateways') == $gateways }, 'the gateway to be back');
	is(PresenceView::call($writer, 'large', 'track', { n => 61 }), 'ok', 'the others go on');
	my @again = map { PresenceView->join($server->client, 'large', key => 'again', @hear) } 1 .. 9;
	is(scalar(grep { $_->until_known({ writer => [ { n => 61 } ] }) } @again), 9,
		'who comes back knows all');
	is_deeply([ map { @{ $_->{errors} } } @again ], [], 'nothing wrong was said');
	$_->abandon for @others, map { $_->{client} } @again;
}

$_->{client}->abandon for values %views;
wait_for(sub { $server->stat('presence_members') == 0 && $server->stat('presence_bytes') == 0 },
	'all memory to be given back');
is($server->stat('presence_leaves'), $server->stat('presence_joins'), 'who came has left');
$server->cluster_alive('after presence over three gateways');
done_testing();
