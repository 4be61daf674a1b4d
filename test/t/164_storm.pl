# Crowds: a hundred of a thousand clients that never read (E7), and thousands
# that connect at once, the first time and when their gateway is gone (E9).
#
# The rest has what is theirs all the while: every message in order, and SQL
# goes on.  How fast is noted, but judged coarsely, because clients and server
# share a machine that may have other things to do.

use strict;
use warnings;

use Errno qw(EINPROGRESS);
use Fcntl qw(F_GETFL F_SETFL O_NONBLOCK);
use List::Util qw(min);
use PostgreSQL::Test::Utils;
use POSIX ();
use RealtimeServer;
use Socket qw(inet_aton pack_sockaddr_in);
use Test::More;
use Time::HiRes qw(time sleep);

# As many as there are descriptors for, in this process and in the gateway.
my $storm = 3000;
my $files = POSIX::sysconf(&POSIX::_SC_OPEN_MAX);
if ($files < $storm + 200)
{
	$files = $storm + 200;
	system("prlimit --pid $$ --nofile=$files: >/dev/null 2>&1") == 0
	  or plan skip_all => "$storm connections need $files descriptors";
}

my $server = RealtimeServer->start_new('storm', conf => <<'CONF');
realtime.max_connections = 20000
realtime.max_send_queue = 256kB
realtime.send_timeout = 5s
realtime.idle_timeout = 10min
CONF
my $gateway = $server->gateway_pid;

# What a quantile of some numbers is.
sub quantile
{
	my ($part, @values) = @_;
	@values = sort { $a <=> $b } @values;
	return @values ? $values[ min($#values, int($part * @values)) ] : 0;
}

# Seconds that a simple statement takes in an open session, many times.
my $session = $server->node->background_psql('postgres');
$session->set_query_timer_restart;
sub ask
{
	my $start = time();
	$session->query_safe('SELECT count(*) FROM pg_class');
	return time() - $start;
}

#
# A storm: connect, upgrade, join, all without waiting for one another
#
my $request = WebSocketClient::upgrade_request(WebSocketClient::target(apikey => $server->anon_token, vsn => '2.0.0'));
my $join = WebSocketClient::frame(1, '["1","1","realtime:storm","phx_join",{"config":{"broadcast":{},"presence":{},"postgres_changes":[],"private":false}}]');

sub begin
{
	my $socket;
	socket($socket, Socket::AF_INET(), Socket::SOCK_STREAM(), 0) or die "socket: $!";
	fcntl($socket, F_SETFL, fcntl($socket, F_GETFL, 0) | O_NONBLOCK);
	connect($socket, pack_sockaddr_in($server->port, inet_aton('127.0.0.1'))) or $!{EINPROGRESS} or return;
	return { socket => $socket, in => '', state => 'connect', since => time() };
}

# Go on with a client as far as it goes; true once it has joined, undef if its
# connection has ended.
sub step
{
	my ($client) = @_;

	if ($client->{state} eq 'connect')
	{
		defined syswrite($client->{socket}, $request) or return $!{EAGAIN} || $!{ENOTCONN} ? 0 : undef;
		$client->{state} = 'upgrade';
		return 0;
	}
	my $n = sysread($client->{socket}, $client->{in}, 65536, length $client->{in});
	return $!{EAGAIN} ? 0 : undef if !defined $n;
	return undef if $n == 0;
	if ($client->{state} eq 'upgrade' && $client->{in} =~ s/^HTTP.1.1 101 .*?\r\n\r\n//s)
	{
		syswrite($client->{socket}, $join);
		$client->{state} = 'join';
	}
	return $client->{state} eq 'join' && $client->{in} =~ /"status":"ok"/ ? 1 : 0;
}

# Have so many clients come at once; returns them, how long it took until the last
# one had joined, how often one had to come again, and how long SQL took meanwhile.
sub come_all
{
	my ($number) = @_;
	my $start = time();
	my (@joined, @asked);
	my ($again, $begun) = (0, 0);
	my %waiting;
	my $until = $start + 60;
	my $next_ask = $start;

	while (@joined < $number && time() < $until)
	{
		# as fast as this process can, but it has to read as well
		for (1 .. 200)
		{
			last if $begun - $again >= $number && keys(%waiting) + @joined >= $number;
			my $client = begin() or last;
			$waiting{ fileno $client->{socket} } = $client;
			$begun++;
		}
		for my $fd (keys %waiting)
		{
			my $client = $waiting{$fd};
			my $result = step($client);
			next if defined $result && !$result;
			delete $waiting{$fd};
			if ($result) { push @joined, $client; next; }
			close $client->{socket};
			$again++;
		}
		if (time() >= $next_ask)
		{
			push @asked, ask();
			$next_ask = time() + 0.1;
		}
		sleep 0.005 if $begun - $again >= $number;
	}
	return (\@joined, time() - $start, $again, \@asked);
}

my @calm = map { ask() } 1 .. 50;
my $memory = $server->memory_kb($gateway, 'RssAnon');
my ($joined, $took, $again, $asked) = come_all($storm);
is(scalar @$joined, $storm, sprintf '%d clients connect at once and have joined after %.1f s, %d of them at a second attempt', $storm, $took, $again);
note sprintf '%.1f kB of the gateway\'s memory for each', ($server->memory_kb($gateway, 'RssAnon') - $memory) / $storm;
note sprintf 'SQL meanwhile: p99 %.1f ms, before: %.1f ms', 1000 * quantile(0.99, @$asked), 1000 * quantile(0.99, @calm);
cmp_ok(quantile(0.5, @$asked), '<', 10 * quantile(0.5, @calm) + 0.1, 'SQL goes on');

# Its gateway is killed, and all come again at once.
kill 'KILL', $gateway;
close $_->{socket} for @$joined;
wait_for(sub { !$server->process_alive($gateway) }, 'the gateway to die');
($joined, $took, $again, $asked) = come_all($storm);
is(scalar @$joined, $storm, sprintf 'when their gateway was killed all of them have joined again after %.1f s, %d of them at another attempt', $took, $again);
note sprintf 'SQL meanwhile: p99 %.1f ms', 1000 * quantile(0.99, @$asked);
$gateway = $server->gateway_pid;
$server->publish('storm', 1);
my $heard = 0;
my $deadline = time() + 20;
my %left = map { $_ => $_ } 0 .. $#$joined;
while (%left && time() < $deadline)
{
	for my $i (keys %left)
	{
		my $client = $joined->[$i];
		sysread($client->{socket}, $client->{in}, 65536, length $client->{in});
		delete $left{$i}, $heard++ if $client->{in} =~ /"n": ?1/;
	}
	sleep 0.01;
}
is($heard, $storm, 'and each hears what is sent then');
close $_->{socket} for @$joined;
wait_for(sub { $server->stat('connections') == 0 }, 'all to be gone');

#
# A hundred of a thousand that never read
#
my $clients = 1000;
my $deaf = 100;
my $messages = 50;

# Send messages to those in the room; how late each was with those that read.
sub publish_to
{
	my ($clients, $first) = @_;
	my ($disorder, @delays) = (0);
	my %next = map { $_ => $first } 0 .. $#$clients;
	my $n = $first;
	my $next_at = time();
	my $end = time() + 40;

	while (%next && time() < $end)
	{
		if ($n < $first + $messages && time() >= $next_at)
		{
			$session->query_safe(sprintf q{SELECT realtime.send(jsonb_build_object('n', %d, 'at', extract(epoch FROM clock_timestamp()), 'text', repeat('x', 7000)), 'e', 'crowd', false)}, $n++);
			$next_at += 0.1;
		}
		for my $i (keys %next)
		{
			my $client = $clients->[$i];
			sysread($client->{socket}, $client->{in}, 262144, length $client->{in});
			while (my $frame = $client->take_frame)
			{
				next unless $frame->{opcode} == WebSocketClient::BINARY;
				my ($got, $at) = ($frame->{payload} =~ /"n": ?(\d+)/, $frame->{payload} =~ /"at": ?([\d.]+)/);
				$disorder++ if $got != $next{$i}++;
				push @delays, time() - $at;
			}
			delete $next{$i} if $next{$i} == $first + $messages;
		}
	}
	return ($disorder, scalar(keys %next), \@delays);
}

{
	my @good = map { $server->member('crowd') } 1 .. $clients - $deaf;
	my @bad = map { $server->member('crowd', receive_buffer => 4096) } 1 .. $deaf;
	my $before = $server->memory_kb($gateway, 'RssAnon');
	my $slow = $server->stat('slow_closed');
	my ($disorder, $behind, $with) = publish_to(\@good, 1);

	is("$disorder out of order, $behind behind", '0 out of order, 0 behind',
		sprintf 'beside %d that never read, %d clients hear %d messages', $deaf, scalar @good, $messages);
	my $grown = $server->memory_kb($gateway, 'RssAnon') - $before;
	cmp_ok($grown, '<', $deaf * 256, sprintf 'the gateway takes %d kB for those that do not', $grown);
	wait_for(sub { $server->stat('slow_closed') == $slow + $deaf }, 'the slow ones to be closed', 30);
	is($server->stat('slow_closed') - $slow, $deaf, "each of the $deaf is closed and counted");
	$_->abandon for @bad;
	my (undef, undef, $without) = publish_to(\@good, $messages + 1);
	note sprintf 'p99 of the delay %.0f ms, without them %.0f ms', 1000 * quantile(0.99, @$with), 1000 * quantile(0.99, @$without);
	cmp_ok(quantile(0.5, @$with), '<', 3 * quantile(0.5, @$without) + 0.5, 'and the others hear as soon as without them');
	$_->abandon for @good;
}

$session->quit;
is($server->gateway_pid, $gateway, 'the gateway is the same');
$server->cluster_alive('after storms and crowds');
done_testing();
