# Certificates come and go while clients are connected: what is good is used for
# those who connect from then on, what is not is logged, and all stays as it was.

use strict;
use warnings;

use File::Copy qw(copy);
use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;
use TlsFiles;
use WebSocketClient;

my $files = TlsFiles->new;
my $dir = PostgreSQL::Test::Utils::tempdir();
my $server = RealtimeServer->new('tls_settings', tls => $files, conf => "realtime.ssl = on\n");
my $node = $server->node;
my $data = $node->data_dir;

# What the log has got since $from.
sub log_since { my ($from) = @_; return substr slurp_file($node->logfile), $from; }

# Install a certificate and its key under these names.
sub install
{
	my ($certificate, $key, $from_certificate, $from_key) = @_;

	for ([ $from_certificate, $certificate ], [ $from_key, $key ])
	{
		copy($_->[0], "$_->[1].new") or die "copy: $!";
		chmod 0600, "$_->[1].new";
		rename "$_->[1].new", $_->[1] or die "rename: $!";
	}
	return;
}

# Whose certificate a new connection is shown; undef if it cannot be made.
sub shown
{
	my (%options) = @_;
	my $client = eval { $server->client(upgrade => 0, tls => { $files->client(%options) }) } // return undef;
	my $name = $client->{socket}->peer_certificate('commonName');

	# with TLS 1.3 the client hears last whether its own certificate was good
	my $answer = $client->http("GET /healthcheck HTTP/1.1\r\nHost: localhost\r\n\r\n");
	$client->abandon;
	return $answer && $name;
}

sub reload_shows
{
	my ($name) = @_;

	$server->sql('SELECT pg_reload_conf()');
	return wait_for(sub { (shown() // '') eq $name }, "the certificate of $name");
}

# The server's own certificate, which is not there at first.
$node->start;
$server->{started} = $server->sql('SELECT pg_postmaster_start_time()');
like(wait_for(sub { log_since(0) =~ /(realtime cannot use .*\n.*DETAIL.*)/ && $1 }, 'the complaint'),
	qr/"server.crt" of ssl_cert_file for TLS: No such file.*\n.*nobody can connect/,
	'without a certificate there is no connection, and the log says why');
$server->sql('CREATE EXTENSION realtime');
wait_for(sub { $server->programs }, 'a gateway');
ok(!IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $server->port), 'least of all one without TLS');

my @first = $files->certificate(name => 'first');
my @second = $files->certificate(name => 'second');
my @rsa = $files->certificate(name => 'rsa', key => [ '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048' ]);
install("$data/server.crt", "$data/server.key", @first);
$server->sql('SELECT pg_reload_conf()');
$server->wait_until_healthy;
is(shown(), 'first', 'once it is there it is used');

# Under load: three clients hear every message while certificates change.
{
	my @clients = map { $server->member('load') } 1 .. 3;
	my $sent = 0;

	for my $round (1 .. 6)
	{
		my ($name, @pair) = $round % 2 ? ('second', @second) : ('rsa', @rsa);

		$server->publish('load', ++$sent) for 1 .. 3;
		install("$data/server.crt", "$data/server.key", @pair);
		is(reload_shows($name), 1, "certificate $round is shown to who connects");
		push @clients, $server->member('load');
		$server->publish('load', ++$sent);
		is($clients[-1]->broadcast->{payload}{n}, $sent, 'and who does hears what follows');
	}
	is_deeply([ map { $_->{payload}{n} } $_->broadcasts($sent) ], [ 1 .. $sent ], 'who was there has heard all')
	  for @clients[ 0 .. 2 ];
	is($clients[$_]->broadcasts(4) + 0, 4, 'and those who came') for 3 .. 5;
	ok(wait_for(sub { $server->stat('connections') == 9 }, 'all of them to be counted'), 'nobody was dropped');
	$_->abandon for @clients;
}

# Settings of ours, and whatever is wrong with what they name.
install("$dir/crt", "$dir/key", @first);
$server->reconfigure('realtime.ssl_cert_file' => "$dir/crt", 'realtime.ssl_key_file' => "$dir/key");
wait_for(sub { shown() eq 'first' }, 'the setting');

my $text = slurp_file($first[1]);
my @weak = eval { $files->certificate(name => 'weak', key => [ '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:1024' ]) };
$files->openssl('pkey', '-in', $first[1], '-aes128', '-passout', 'pass:secret', '-out', "$dir/encrypted");
append_to_file("$dir/garbage", 'x' x 5000);
append_to_file("$dir/empty", '');
append_to_file("$dir/zero", slurp_file($first[0]) . "\0");
append_to_file("$dir/large", 'x' x 1100000);
append_to_file("$dir/cut", substr slurp_file($first[0]), 0, 400);
append_to_file("$dir/chain", slurp_file($first[0]) . "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
append_to_file("$dir/open", $text);
chmod 0600, map { "$dir/$_" } qw(encrypted garbage empty zero large cut chain);
chmod 0644, "$dir/open";

my @bad = (
	[ 'a file that is not there', cert => "$dir/nothing", qr/No such file/ ],
	[ 'a directory', cert => $dir, qr/not a regular file/ ],
	[ 'an empty file', cert => "$dir/empty", qr/there is no certificate in it/ ],
	[ 'garbage', cert => "$dir/garbage", qr/there is no certificate in it/ ],
	[ 'a key', cert => $first[1], qr/there is no certificate in it/ ],
	[ 'one that is cut off', cert => "$dir/cut", qr/cut" of realtime/ ],
	[ 'a zero byte', cert => "$dir/zero", qr/not in PEM format/ ],
	[ 'a megabyte', cert => "$dir/large", qr/more than 1048576 bytes/ ],
	[ 'a bad one behind a good one', cert => "$dir/chain", qr/chain" of realtime/ ],
	[ 'a certificate of another key', cert => $second[0], qr/key values mismatch/ ],
	[ 'a key that is encrypted', key => "$dir/encrypted", qr/it is encrypted.*ssl_passphrase_command is not asked/s ],
	[ 'a key that others may read', key => "$dir/open", qr/others than the server may read it.*0600/s ],
	[ 'no key', key => "$dir/cut", qr/there is no key in it/ ],
	[ 'authorities that are none', ca => "$dir/garbage", qr/garbage" of realtime.ssl_ca_file.*no certificate/ ]);
my %default = (cert => "$dir/crt", key => "$dir/key", ca => '');

for my $case (@bad)
{
	my ($what, $part, $path, $wanted) = @$case;
	my $from = -s $node->logfile;

	$server->reconfigure("realtime.ssl_${part}_file" => $path);
	my $log = wait_for(
		sub { log_since($from) =~ /(realtime cannot use.*?\n.*?DETAIL: +The former certificate stays in use\..*)/s && $1 },
		"the complaint about $what");
	like($log, $wanted, "$what is refused");
	is(shown(), 'first', 'and the former certificate stays');
	$server->reconfigure("realtime.ssl_${part}_file" => $default{$part});
}
SKIP:
{
	skip 'this openssl makes no weak keys', 2 unless @weak;
	my $from = -s $node->logfile;

	install("$dir/crt", "$dir/key", @weak);
	$server->sql('SELECT pg_reload_conf()');
	like(wait_for(sub { log_since($from) =~ /(realtime cannot use.*)/ && $1 }, 'the complaint'),
		qr/key too small/, 'a weak key is refused');
	is(shown(), 'first', 'and the former certificate stays');
}

# A gateway that is started anew has the certificate that was good last.
{
	my $gateway = $server->gateway_pid;

	kill 'KILL', $gateway;
	wait_for(sub { !$server->process_alive($gateway) && defined shown() }, 'another gateway');
	is(shown(), 'first', 'another gateway has the former certificate, too');
	install("$dir/crt", "$dir/key", @first);
}

# The text of the key is nowhere in a gateway: it holds what it has made of it.
SKIP:
{
	my ($line) = $text =~ /^([A-Za-z0-9+\/]{40,})$/m;
	my ($certificate_line) = slurp_file($first[0]) =~ /^([A-Za-z0-9+\/]{40,})$/m;
	my $pid = $server->gateway_pid;
	my %found = (key => 0, certificate => 0);

	no warnings 'portable';		# addresses have 64 bits
	open(my $memory, '<:raw', "/proc/$pid/mem") or skip "memory cannot be read: $!", 2;
	for my $map (split /\n/, slurp_file("/proc/$pid/maps"))
	{
		my ($start, $end) = $map =~ /^([0-9a-f]+)-([0-9a-f]+) rw/ or next;
		my $bytes = '';

		next if hex($end) - hex($start) > 256 << 20;
		sysseek($memory, hex $start, 0) && sysread($memory, $bytes, hex($end) - hex($start)) or next;
		$found{key} += index($bytes, $line) >= 0;
		$found{certificate} += index($bytes, $certificate_line) >= 0;
	}
	ok($found{certificate} > 0, 'a gateway has the text of its certificate');
	is($found{key}, 0, 'and not that of its key');
}

# Certificates of clients.
{
	my @client = $files->certificate(name => 'client');
	my @stranger = TlsFiles->new->certificate(name => 'stranger');
	my $with = sub { my ($certificate, $key) = @_; return (SSL_cert_file => $certificate, SSL_key_file => $key, SSL_use_cert => 1); };
	my $before = $server->member('all');

	$server->reconfigure('realtime.ssl_ca_file' => $files->ca);
	wait_for(sub { !shown() }, 'clients to be asked');
	is(shown($with->(@client)), 'first', 'who has a certificate of the authority may connect');
	ok(!shown($with->(@stranger)), 'who has another may not');
	ok(!shown(SSL_version => 'TLSv1_2'), 'nor who has none');
	ok(!shown(SSL_version => 'TLSv1_2', $with->(@stranger)), 'by TLS 1.2 either');
	$server->publish('all', 1);
	is($before->broadcast->{payload}{n}, 1, 'who was there stays');
	$before->abandon;
	$server->reconfigure('realtime.ssl_ca_file' => '');
	is(wait_for(sub { shown() }, 'nobody to be asked'), 'first', 'nobody is asked any more');
}

# Off, and on again.
{
	my $secure = $server->member('both');

	$server->reconfigure('realtime.ssl' => 'off');
	my $plain = wait_for(sub { eval { $server->member('both', tls => undef) } }, 'a connection without TLS');
	ok(!shown(), 'TLS is off for who connects');
	$server->publish('both', 1);
	is($_->broadcast->{payload}{n}, 1, 'all hear') for $secure, $plain;
	$server->reconfigure('realtime.ssl' => 'on', 'realtime.ssl_cert_file' => "$dir/nothing");
	wait_for(sub { slurp_file($node->logfile) =~ /Connections stay without TLS/ }, 'the complaint');
	is($server->client(upgrade => 0, tls => undef)->http("GET /healthcheck HTTP/1.1\r\nHost: localhost\r\n\r\n")->[2], 'ok',
		'a bad certificate does not end the service');
	$server->reconfigure('realtime.ssl_cert_file' => "$dir/crt");
	is(wait_for(sub { shown() }, 'TLS'), 'first', 'TLS is on again');
	$server->publish('both', 2);
	is($_->broadcast->{payload}{n}, 2, 'all hear') for $secure, $plain;
	$_->abandon for $secure, $plain;
}

$server->cluster_alive('certificates');
done_testing();
