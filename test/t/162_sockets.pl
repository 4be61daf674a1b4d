# What peers and limits do to sockets (A4, A5, E8, E10): lengths that nobody could
# mean, messages in a hundred thousand pieces, connections reset at every stage,
# and no descriptor left.  After each case nothing is left of it.

use strict;
use warnings;

use Baseline;
use POSIX ();
use RealtimeServer;
use Socket qw(SOL_SOCKET SO_LINGER);
use Test::More;
use Time::HiRes qw(time sleep);

my $limit = 256 * 1024;
my $server = RealtimeServer->start_new('sockets', conf => "realtime.max_frame_size = 256kB\n");
my $gateway = $server->gateway_pid;
my $bystander = $server->member('room');

sub frame { return WebSocketClient::frame(@_); }

# Everything once, for what is kept after a first time.
for my $bytes (frame(1, 'x' x $limit), frame(1, '', length => $limit + 1, length_bytes => 8))
{
	my $client = $server->client;
	$client->send_raw($bytes);
	$client->heartbeat(0.5);
	$client->abandon;
}
wait_for(sub { $server->stat('connections') == 1 }, 'them to be gone');
my $baseline = Baseline->take($server, memory_kb => 2048);

#
# Lengths that nobody could mean: nothing is taken for them, not even address
# space
#
for my $length (9223372036854775807, 9223372036854775809, 4294967298)
{
	my @clients = map { $server->client } 1 .. 50;
	my $before = $server->memory_kb($gateway, 'VmSize');
	my %codes;

	$_->send_raw(frame(1, '', length => $length, length_bytes => 8)) for @clients;
	$codes{ $_->close_code // 'none' }++ for @clients;
	my $grown = $server->memory_kb($gateway, 'VmPeak') - $before;
	is(join(',', sort keys %codes), $length > 9223372036854775807 ? '1002' : '1009', "50 frames of $length bytes are refused");
	cmp_ok($grown, '<', 1024, "and take $grown kB of address space");
	$_->abandon for @clients;
}
$baseline->returns('lengths that nobody could mean');

#
# One byte a fragment, up to the limit of a message and one more
#
for my $over (0, 1)
{
	my $client = $server->client;
	my $text = '[null,"tiny","phoenix","heartbeat",{"pad":"';
	$text .= 'x' x ($limit + $over - length($text) - 3) . '"}]';
	my @bytes = split //, $text;
	my $before = $server->memory_kb($gateway, 'VmRSS');
	my $most = $before;
	my $first = shift @bytes;
	my $fragments = frame(1, $first, fin => 0) . join '', map { frame(0, $bytes[$_], fin => $_ == $#bytes) } 0 .. $#bytes;

	for (my $at = 0; $at < length $fragments && !$client->{eof}; $at += 100_000)
	{
		$client->send_raw(substr($fragments, $at, 100_000), 5);
		my $now = $server->memory_kb($gateway, 'VmRSS');
		$most = $now if $now > $most;
	}
	my $got = $client->next_message;
	my $result = !$got ? 'silence' : exists $got->{close} ? "close $got->{close}" : $got->{event};
	like($result, $over ? qr/^close 100[89]$/ : qr/^(phx_reply|close 100[89])$/,
		sprintf '%d fragments of a byte: %s', scalar(@bytes) + 1, $result);
	cmp_ok(($most - $before) * 1024, '<', 2 * $limit, sprintf 'and they take %d kB', $most - $before);
	$client->abandon;
}
$baseline->returns('fragments of a byte');

#
# Resets and ends at every stage
#
sub reset_by
{
	my ($client) = @_;
	setsockopt($client->{socket}, SOL_SOCKET, SO_LINGER, pack('l l', 1, 0));
	$client->abandon;
	return;
}

my $request = WebSocketClient::upgrade_request(WebSocketClient::target(apikey => $server->anon_token, vsn => '2.0.0'));
my %stages = (
	'at once' => sub { $server->client(upgrade => 0) },
	'within the request' => sub { my $c = $server->client(upgrade => 0); $c->send_raw(substr $request, 0, 40); $c },
	'behind the request' => sub { my $c = $server->client(upgrade => 0); $c->send_raw($request); $c },
	'behind the upgrade' => sub { $server->client },
	'within a frame' => sub { my $c = $server->client; $c->send_raw(frame(1, 'x' x 500, fin => 1) =~ s/.{100}$//sr); $c },
	'behind the join' => sub { my $c = $server->client; $c->start_join('room'); $c },
	'as a member' => sub { $server->member('room') });
my $ends = 0;
for my $stage (sort keys %stages)
{
	for my $round (1 .. 60)
	{
		my $client = $stages{$stage}->();
		if ($round % 2) { reset_by($client); }
		else { shutdown $client->{socket}, 1; $client->abandon; }
		$server->publish('room', $round) if $round % 20 == 0;
		$ends++;
	}
}
$baseline->returns("$ends connections that are reset or end, at each stage");

# Who has said all, and only listens, has ended its side only.
{
	my $client = $server->client(upgrade => 0);
	$client->send_raw("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
	shutdown $client->{socket}, 1;
	is(($client->http // [0])->[0], 200, 'a request with the end behind it is answered');
	ok($client->wait_eof(5), 'and then the connection ends');
	$client->abandon;
}

#
# No descriptor is left
#
sub cpu_seconds
{
	my $stat = PostgreSQL::Test::Utils::slurp_file("/proc/$gateway/stat");
	$stat =~ s/^.*\) //s;
	my @fields = split ' ', $stat;
	return ($fields[11] + $fields[12]) / POSIX::sysconf(&POSIX::_SC_CLK_TCK);
}

{
	my $allowed = 256;
	my $before = $server->sockets($gateway);
	$bystander->broadcast(0) while $bystander->read_more(0);
	$bystander->{queue} = [];
	$bystander->{in} = '';

	system('prlimit', '--pid', $gateway, "--nofile=$allowed:$allowed") == 0 or die 'prlimit';
	# those that say nothing would have to go for others (181)
	my @clients = map { my $client = $server->client(upgrade => 0); $client->send_raw($request); $client } 1 .. $allowed + 40;
	wait_for(sub { $server->descriptors($gateway) >= $allowed }, 'all descriptors to be taken');
	pass("all $allowed descriptors are taken");

	my ($start, $cpu) = (time(), cpu_seconds());
	sleep 2;
	my $share = 100 * (cpu_seconds() - $cpu) / (time() - $start);
	cmp_ok($share, '<', 5, sprintf 'while others wait the gateway takes %.1f %% of a processor', $share);
	$server->publish('room', 'true');
	is($bystander->broadcast->{payload}{n}, JSON::PP::true, 'who is there hears');
	my $shed = grep { $_->read_more(0); $_->{eof} } @clients;
	cmp_ok($shed, '>', 0, "$shed of those that wait are told by an end");

	$_->abandon for @clients;
	my $client = wait_for(sub { eval { $server->member('room') } }, 'a client to join');
	pass('when they go there is room again');
	my $log = PostgreSQL::Test::Utils::slurp_file($server->node->logfile);
	my $said = () = $log =~ /could not accept a connection/g;
	is($said, 1, 'the log says it once');
	$client->abandon;
}
$baseline->agrees(1);
is($server->gateway_pid, $gateway, 'all of this was one gateway');
$server->cluster_alive('after what peers do to sockets');

done_testing();
