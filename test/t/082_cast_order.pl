# Broadcasts of clients that send as fast as they can: everybody hears each
# sender's messages in order, once, and all of them, over one gateway and over
# three; a gateway that is killed takes only its own clients along.  Who reads
# as well as he can is never closed as slow: the senders wait instead.

use strict;
use warnings;

use IO::Select;
use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;
use Time::HiRes qw(time);

# Members of a topic, as many on each gateway.
sub crowd
{
	my ($server, $each, $topic, %params) = @_;
	my $gateways = $server->sql('SHOW realtime.gateways');
	my %on;

	wait_for(sub { $server->programs == $gateways }, 'all gateways');
	while (grep({ @$_ >= $each } values %on) < $gateways)
	{
		my $client = $server->member($topic, %params);
		my $list = $on{ $server->gateway_of($client) // die 'no gateway has the connection' } //= [];
		if (@$list < $each) { push @$list, $client; }
		else { $client->abandon; }
	}
	return %on;
}

# Have senders send all they have, while everybody reads, until $done->() or
# nothing has come for a while.  Each reader's {heard} is the last number by
# sender; {faults} are what came out of order.
sub run
{
	my ($readers, $outgoing, $done) = @_;
	my %reader = map { fileno($_->{socket}) => $_ } @$readers;
	my $select = IO::Select->new(map { $_->{socket} } @$readers);
	my $deadline = time() + $RealtimeServer::patience;

	$_->{heard} = {}, $_->{faults} = 0 for @$readers;
	while (time() < $deadline && !$done->())
	{
		for my $sender (grep { length $outgoing->{ fileno($_->{socket}) // '' } } @$readers)
		{
			my $buffer = \$outgoing->{ fileno $sender->{socket} };
			my $n = syswrite $sender->{socket}, $$buffer, 262144;
			substr($$buffer, 0, $n) = '' if $n;
		}
		for my $socket ($select->can_read(0.01))
		{
			my $client = $reader{ fileno $socket };
			$client->read_more(0);
			$select->remove($socket) if $client->{eof};
			while (my $frame = $client->take_frame)
			{
				my ($s, $n) = $frame->{payload} =~ /"s":(\d+),"n":(\d+)/ or next;
				$client->{faults}++ if $n != ($client->{heard}{$s} // 0) + 1;
				$client->{heard}{$s} = $n;
				$deadline = time() + $RealtimeServer::patience;
			}
		}
	}
	return;
}

# The frames of a sender's broadcasts, one behind the other.
sub broadcasts
{
	my ($topic, $s, $count, $more) = @_;
	my $head = pack('C*', 3, 0, 0, length("realtime:$topic"), 1, 0, 1) . "realtime:${topic}e";
	return join '', map {
		WebSocketClient::frame(WebSocketClient::BINARY, qq($head\{"s":$s,"n":$_,"x":"$more"})) } 1 .. $count;
}

my $count = 10_000;
for my $gateways (1, 3)
{
	my $server = RealtimeServer->start_new("order$gateways", conf => "realtime.gateways = $gateways\n");
	my %on = crowd($server, $gateways == 1 ? 6 : 2, 'order');
	my @all = map { @$_ } values %on;
	my @senders = $gateways == 1 ? @all[ 0 .. 2 ] : map { $_->[0] } values %on;
	my %outgoing = map { fileno($senders[$_]{socket}) => broadcasts('order', $_, $count, '') } 0 .. $#senders;
	my $start = time();

	is(scalar keys %on, $gateways, "clients on $gateways gateways");
	run(\@all, \%outgoing, sub {
		return !grep { my $client = $_; grep { $client != $senders[$_] && ($client->{heard}{$_} // 0) < $count } 0 .. $#senders } @all;
	});
	note sprintf '%d gateways: %.0f deliveries a second', $gateways, @senders * $count * (@all - 1) / (time() - $start);
	for my $i (0 .. $#all)
	{
		my %expected = map { $_ => $count } grep { $senders[$_] != $all[$i] } 0 .. $#senders;
		is_deeply($all[$i]{heard}, \%expected, "$gateways gateways: client $i heard all of the others");
		is($all[$i]{faults}, 0, "$gateways gateways: in order, once");
	}
	is($server->stat($_), 0, "$gateways gateways: $_") for qw(slow_closed broadcasts_lost relays_dropped);
	$server->cluster_alive("$gateways gateways");

	if ($gateways > 1)
	{
		# one dies while they talk
		my ($victim) = sort { $a <=> $b } keys %on;
		my @survivors = map { @{ $on{$_} } } grep { $_ != $victim } keys %on;
		my @alive = grep { $senders[$_] != $on{$victim}[0] } 0 .. $#senders;
		my ($lost) = grep { $senders[$_] == $on{$victim}[0] } 0 .. $#senders;

		# it has so much to say that it is killed before the end
		my %share = (map({ $_ => $count } @alive), $lost => 10 * $count);
		%outgoing = map { fileno($senders[$_]{socket}) => broadcasts('order', $_, $share{$_}, '') } 0 .. $#senders;
		run(\@all, \%outgoing, sub {
			if ($victim && grep { ($_->{heard}{$lost} // 0) > $count / 10 } @survivors)
			{
				kill 'KILL', $victim;
				$victim = 0;
			}
			return !grep { my $client = $_; grep { $client != $senders[$_] && ($client->{heard}{$_} // 0) < $count } @alive } @survivors;
		});
		is($victim, 0, 'a gateway was killed while its client sent');
		is(scalar(grep { $_->{eof} } @survivors), 0, 'clients of other gateways are not touched');
		for my $i (0 .. $#survivors)
		{
			my %heard = %{ $survivors[$i]{heard} };
			my $part = delete $heard{$lost};
			is_deeply(\%heard, { map { $_ => $count } grep { $senders[$_] != $survivors[$i] } @alive },
				"survivor $i heard all of the others");
			is($survivors[$i]{faults}, 0, 'in order, once');
			cmp_ok($part, '<', $share{$lost}, "and $part messages of the one that died");
		}
		wait_for(sub { $server->programs == $gateways }, 'another gateway');
	}
	$_->abandon for @all;
	$server->node->stop;
}

#
# One that sends as fast as it can to 50 that read as well as they can
#
for my $gateways (1, 2)
{
	my $server = RealtimeServer->start_new("fast$gateways", conf => <<"CONF");
realtime.gateways = $gateways
realtime.send_timeout = 5s
CONF
	my %on = crowd($server, 50 / $gateways, 'fast', receive_buffer => 65536);
	my @readers = map { @$_ } values %on;
	my $sender = $server->member('fast');
	my $n = 3_000;
	my %outgoing = (fileno($sender->{socket}) => broadcasts('fast', 0, $n, 'x' x 4000));
	my $beat = $server->member('beat');

	$server->publish('fast', 1);
	ok($_->broadcast, 'all hear') for @readers;
	run([ @readers, $sender ], \%outgoing, sub { return !grep { ($_->{heard}{0} // 0) < $n } @readers; });
	is_deeply([ map { $_->{heard}{0} } @readers ], [ ($n) x @readers ], "$gateways gateways: all of it was heard by all");
	is(scalar(grep { $_->{faults} } @readers), 0, "$gateways gateways: in order, once");
	is(scalar(grep { $_->{eof} } @readers, $sender), 0, "$gateways gateways: nobody was closed");
	is($server->stat($_), 0, "$gateways gateways: $_") for qw(slow_closed broadcasts_lost relays_dropped);
	ok($beat->heartbeat, 'and others are served');

	# readers that stop are closed, however much their kernel takes for them,
	# and the sender goes on with the rest
	my @deaf = splice @readers, 0, 10;
	my $rounds = 0;
	while ($server->stat('slow_closed') < @deaf && $rounds++ < 20)
	{
		%outgoing = (fileno($sender->{socket}) => broadcasts('fast', 0, $n, 'x' x 4000));
		run([ @readers, $sender ], \%outgoing, sub { return !grep { ($_->{heard}{0} // 0) < $n } @readers; });
		is_deeply([ map { $_->{heard}{0} } @readers ], [ ($n) x @readers ], "$gateways gateways: the rest heard all of it");
	}
	is($server->stat('slow_closed'), scalar @deaf, "$gateways gateways: only who does not read is closed");
	is(scalar(grep { $_->wait_eof } @deaf), scalar @deaf, 'all of those');
	$_->abandon for @readers, @deaf, $sender, $beat;
	$server->cluster_alive("$gateways gateways, fast");
	$server->node->stop;
}

done_testing();
