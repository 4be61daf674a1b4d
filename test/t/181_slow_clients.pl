# Thousands of clients that never finish what they say (reliability.md B4): ones
# that are silent, ones that send a byte now and then, ones whose body does not
# end, ones that leave a WebSocket's upgrade unfinished.  They get no longer than
# realtime.header_timeout, and keep nobody out: neither where there are more of
# them than a gateway takes connections, nor where it runs out of descriptors.

use strict;
use warnings;

use Baseline;
use POSIX ();
use RealtimeServer;
use Socket qw(IPPROTO_TCP PF_INET SOCK_STREAM TCP_NODELAY pack_sockaddr_in inet_aton);
use Test::More;
use Time::HiRes qw(sleep time);

# All descriptors that a process may have, for us and the server.
chomp(my $descriptors = `sh -c 'ulimit -Hn'`);
$descriptors = 65536 if $descriptors !~ /^\d+$/ || $descriptors > 65536;
system('prlimit', "--pid=$$", "--nofile=$descriptors:$descriptors") == 0 or die 'prlimit failed';

my $header_timeout = 4;
my $count = $descriptors > 5600 ? 5000 : $descriptors - 600;
my $server = RealtimeServer->start_new('slow', conf => "realtime.header_timeout = ${header_timeout}s\n");
my $gateway = $server->gateway_pid;
my $bystander = $server->member('bystander');
my $upgrade = WebSocketClient::upgrade_request(WebSocketClient::target(apikey => $server->anon_token, vsn => '2.0.0'));

# What a slow client says at first, and what it adds each time; by kind.
my @kinds = (
	[ 'says nothing', '', '' ],
	[ 'sends its head byte by byte', 'GET /healthz HTTP/1.1' . "\r\n", 'X' ],
	[ 'begins an upgrade', substr($upgrade, 0, -2), '' ],
	[ 'sends its body byte by byte',
		"POST /api/broadcast HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " . $server->anon_token
		  . "\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n", ' ' ],
	[ 'sends chunks byte by byte',
		"POST /api/broadcast HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " . $server->anon_token
		  . "\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\n \r\n" ]);

# Connect a slow client: {socket, more, since}.  IO::Socket would take too long.
my $address = pack_sockaddr_in($server->port, inet_aton('127.0.0.1'));
sub slow
{
	my ($kind) = @_;
	socket(my $socket, PF_INET, SOCK_STREAM, 0) or die "socket: $!";
	connect($socket, $address) or die "connect: $!";
	setsockopt($socket, IPPROTO_TCP, TCP_NODELAY, 1);
	IO::Handle::blocking($socket, 0);
	syswrite($socket, $kind->[1]) if $kind->[1] ne '';
	return { socket => $socket, more => $kind->[2], since => time() };
}

# Have all say a little more, and leave out those that were closed.  The age at
# which one was last seen open is what it had, however late it is looked at.
my $longest = 0;
sub trickle
{
	my ($clients) = @_;
	my @left;

	for my $client (@$clients)
	{
		my $closed = $client->{more} ne '' && !defined syswrite($client->{socket}, $client->{more}) && !$!{EAGAIN};
		my $n = sysread($client->{socket}, my $answer, 4096);
		$closed ||= defined $n ? $n == 0 : !$!{EAGAIN};
		my $age = time() - $client->{since};
		next if $closed;
		push @left, $client;
		$longest = $age if $age > $longest;
	}
	@$clients = @left;
	return;
}

# A good client comes, joins and hears; the time that takes, without publishing.
my $nth = 0;
sub good_client
{
	my $start = time();
	my $client = $server->member('good');
	my $took = time() - $start;

	$server->publish('good', ++$nth);
	my $heard = $client->broadcast;
	$client->abandon;
	is($heard && $heard->{payload}{n}, $nth, 'a good client hears') or return 99;
	return $took;
}

# What the crowd does to others: connect all of it, and go on until it is closed.
sub crowd
{
	my ($name, $size) = @_;
	my $slowest = 0;
	my $most = 0;
	my @clients;

	$longest = 0;
	my $visit = sub {
		my $took = good_client();
		$slowest = $took if $took > $slowest;
		my $sockets = $server->sockets($gateway);
		$most = $sockets if $sockets > $most;
		return;
	};
	for my $n (1 .. $size)
	{
		push @clients, slow($kinds[$n % @kinds]);
		$visit->() if $n % ($size / 5) == 0;
	}
	my $deadline = time() + $header_timeout + 20;
	while (@clients && time() < $deadline)
	{
		trickle(\@clients);
		$visit->();
		sleep 0.1;
	}
	is(scalar @clients, 0, "$name: all of them are closed");
	cmp_ok($longest, '<', $header_timeout + 2, sprintf '%s: none was there after %.1f s', $name, $longest);
	cmp_ok($slowest, '<', 1, sprintf '%s: good clients came in within %.0f ms', $name, 1000 * $slowest);
	ok($bystander->heartbeat, "$name: a bystander is served");
	note("$name: $size slow clients, $most sockets in the gateway at most");
	return $most;
}

good_client();
my $baseline = Baseline->take($server);

# There is room for all of them.
my $most = crowd('as many as come', $count);
cmp_ok($most, '>', $count / 2, 'most of them are there at a time');
$baseline->returns('slow clients within the limit');

# There are more of them than a gateway takes connections, and 256.
$header_timeout = 2;
$server->reconfigure('realtime.max_connections' => 100, 'realtime.header_timeout' => '2s');
wait_for(
	sub {
		my @clients = map { slow($kinds[0]) } 1 .. 400;
		good_client();
		trickle(\@clients);
		return @clients < 400;
	},
	'the limit', 30);
$most = crowd('more than connections', 1500);
cmp_ok($most, '<', 100 + 256 + 50, 'no more connections than the limit allows');
$baseline->returns('slow clients past the limit');

# There are more of them than descriptors.
$server->reconfigure('realtime.max_connections' => 10000);
system('prlimit', "--pid=$gateway", '--nofile=300:300') == 0 or die 'prlimit failed';
$most = crowd('more than descriptors', 1500);
cmp_ok($most, '<', 300, 'no more than there are descriptors');
$baseline->returns('slow clients without descriptors');

is($server->gateway_pid, $gateway, 'all of this was one gateway');
$baseline->agrees(1);
$server->cluster_alive('after slow clients');
done_testing();
