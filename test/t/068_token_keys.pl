# Where the secret and the key set of tokens come from: the settings, files
# that somebody may replace or break, and the secret that a cluster makes for
# itself.  What is no good keeps a server from starting, and changes nothing in
# one that runs; nothing of it is ever in a log (reliability C11 to C13).

use strict;
use warnings;

use JwtKey;
use MIME::Base64 qw(decode_base64);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;

my $server = RealtimeServer->new('token_keys');
my $node = $server->node;
my $generated = $node->data_dir . '/realtime/jwt_secret';
my $file = $node->basedir . '/token_secret';
my $jwks = $node->basedir . '/jwks.json';
my @secrets;

# A secret of that many bytes, to be looked for in the log at the end.
sub new_secret
{
	my ($len) = @_;
	my $secret = substr('secret' . scalar(@secrets) . ('x' x 100), 0, $len);
	push @secrets, $secret;
	return $secret;
}

sub write_file
{
	my ($name, $content, $mode) = @_;
	unlink $name;
	open my $handle, '>', $name or die "$name: $!";
	print $handle $content;
	close $handle;
	chmod $mode // 0600, $name;
	return;
}

# Does the server sign with that secret?
sub signs_with
{
	my ($secret) = @_;
	my $token = $server->sql(q(SELECT realtime.sign_jwt('{"role": "anon"}')));
	my ($signed, $signature) = $token =~ /^(.*)\.(.*)$/;

	$signature =~ tr{-_}{+/};
	return JwtKey->secret($secret)->signature($signed) eq decode_base64($signature);
}

# Set the settings of tokens; those not named are empty.  What comes last in
# the file counts.
sub configure
{
	my (%settings) = @_;

	$node->append_conf('postgresql.conf', join "\n",
		map { "realtime.$_ = '" . ($settings{$_} // '') . "'" } qw(jwt_secret jwt_secret_file jwt_jwks));
	return;
}

sub log_size { return -s $node->logfile || 0; }

# What the configuration says is read again by whoever asks.
sub reloads_to
{
	my ($secret, $name) = @_;
	$node->reload;
	return ok(wait_for(sub { signs_with($secret) }, $name), $name);
}

# Every secret of an own server: made at its first start, for itself alone.
configure();
$server->start;
my $own = slurp_file($generated);
push @secrets, $own;
like($own, qr/\A[A-Za-z0-9_-]{64}\z/, 'a secret is made at the first start');
is((stat $generated)[2] & 07777, 0600, 'for the server alone');
ok(signs_with($own), 'and used');
chmod 0640, $generated;
$node->restart;
$server->wait_until_healthy;
is((stat $generated)[2] & 07777, 0600, 'closed again where others could read it');
is(slurp_file($generated), $own, 'and kept over a restart');

# Settings, read again while the server runs.
my $secret = new_secret(32);
configure(jwt_secret => $secret);
reloads_to($secret, 'realtime.jwt_secret is used');
is($server->sql('SHOW realtime.jwt_secret'), '********', 'but not shown');
my $from_file = new_secret(40);
write_file($file, "$from_file\n");
configure(jwt_secret_file => $file);
reloads_to($from_file, 'that of a file is, without its line end');
configure(jwt_secret_file => $file, jwt_secret => $secret);
reloads_to($secret, 'the setting goes before the file');
configure(jwt_secret_file => $file);
reloads_to($from_file, 'and the file before what was made');

# Files that are no good.
my %bad = (
	'too short'               => [ sub { write_file($file, new_secret(31) . "\n") },             'it has fewer than 32 bytes' ],
	'empty'                   => [ sub { write_file($file, "\n\n") },                           'it has fewer than 32 bytes' ],
	'with a zero byte'        => [ sub { write_file($file, new_secret(40) . "\0" . 'x' x 40) }, 'it has a zero byte' ],
	'readable by others'      => [ sub { write_file($file, new_secret(40), 0604) },             'others than the server may read it' ],
	'readable by a group'     => [ sub { write_file($file, new_secret(40), 0640) },             'others than the server may read it' ],
	'writable by a group'     => [ sub { write_file($file, new_secret(40), 0620) },             'others than the server may read it' ],
	'a directory'             => [ sub { unlink $file; mkdir $file, 0700 },                     'it is not a regular file' ],
	'a pipe'                  => [ sub { POSIX::mkfifo($file, 0600) },                          'it is not a regular file' ],
	'missing'                 => [ sub { },                                                     'No such file or directory' ],
	'far too long'            => [ sub { write_file($file, new_secret(100) x 1000) },           'it has more than 65536 bytes' ]);
my $started = $server->sql('SELECT pg_postmaster_start_time()');
for my $name (sort keys %bad)
{
	my ($make, $reason) = @{ $bad{$name} };
	my $complaint = qr/could not read the secret of tokens from file "\Q$file\E": \Q$reason\E/;

	-d $file ? rmdir $file : unlink $file;
	$make->();
	my $from = log_size();
	$node->reload;
	ok($node->wait_for_log(qr/LOG:  $complaint.*\n.*The former one stays in use/, $from),
		"a file that is no good ($name): the running server says so");
	my ($code, undef, $error) = $node->psql('postgres', q(SELECT realtime.sign_jwt('{"role": "anon"}')));
	like($error, $complaint, 'nothing is signed with it');
}
is($server->sql('SELECT pg_postmaster_start_time()'), $started, 'the server runs on with all of them');

# A server does not start with one, but does in spite of a crash.
$from_file = new_secret(50);
write_file($file, new_secret(31));
$node->stop;
my $from = log_size();
ok(!$node->start(fail_ok => 1), 'a server does not start with a bad file');
like(slurp_file($node->logfile, $from), qr/FATAL:  could not read the secret of tokens from file .*\n.*HINT: /,
	'it says why');
write_file($file, "$from_file\r\n");
$node->start;
$server->wait_until_healthy;
ok(signs_with($from_file), 'but with a good one');
unlink $file;
$started = $server->sql('SELECT pg_postmaster_start_time()');
kill 'KILL', $server->sql(q(SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'));
wait_for(sub { $server->crash_restarts > 0 && defined $server->try_sql('SELECT 1') },
	'the server to recover from a crash');
is($server->sql('SELECT pg_postmaster_start_time()'), $started, 'a file that went missing is no obstacle after a crash');
configure();
reloads_to($own, 'what was made at first is still there');

# A standby has the secret of its primary, or says what that means.
$node->backup('base');
for my $has_secret (1, 0)
{
	my $standby = PostgreSQL::Test::Cluster->new("token_standby_$has_secret");

	$standby->init_from_backup($node, 'base', has_streaming => 1);
	$standby->append_conf('postgresql.conf', 'realtime.gateways = 0');
	unlink $standby->data_dir . '/realtime/jwt_secret' unless $has_secret;
	$standby->start;
	is(slurp_file($standby->data_dir . '/realtime/jwt_secret') eq $own ? 1 : 0, $has_secret,
		$has_secret ? 'a base backup carries the secret along' : 'a standby without it makes one of its own');
	my $warned = slurp_file($standby->logfile) =~
	  /WARNING:  this standby has made a realtime secret of its own\n.*will not accept tokens signed with the primary's/;
	is($warned ? 1 : 0, 1 - $has_secret, 'and warns, or has no reason to');
	$standby->stop;
}

# Key sets, inline and in files.
my $ed25519 = '{"kid":"good","kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}';
my $hidden = new_secret(60);
write_file($jwks, qq({"keys":[$ed25519,{"kid":"bad\\nLOG:  forged","kty":"oct","k":"$hidden%"}]}));
configure(jwt_jwks => $jwks);
$from = log_size();
$node->reload;
ok($node->wait_for_log(qr/LOG:  realtime leaves out key "bad\?LOG:  forged" of realtime.jwt_jwks: its k is not base64url/, $from),
	'a bad key among good ones is left out');
unlike(slurp_file($node->logfile, $from), qr/could not (read|use) the key set/, 'the others are taken');
is($server->sql('SHOW realtime.jwt_jwks'), $jwks, 'the name of a file is shown');
for (
	[ 'HTML', '<html><body>502 Bad Gateway</body></html>', 'it is no key set: expected a value' ],
	[ 'cut off', qq({"keys":[$ed25519), 'it is no key set: unexpected end' ],
	[ 'without a good key', qq({"keys":[{"kid":"x","kty":"oct","k":"$hidden%"}]}), 'none of its keys can be used' ],
	[ '10 MiB', ' ' x (10 * 1024 * 1024), 'it has more than 1048576 bytes' ])
{
	my ($name, $content, $reason) = @$_;

	write_file($jwks, $content, 0644);
	$from = log_size();
	$node->reload;
	ok($node->wait_for_log(qr/LOG:  could not read the key set of tokens from file "\Q$jwks\E": \Q$reason\E.*\n.*The former one stays in use/, $from),
		"a key set that is none ($name): the former one stays in use");
}
$from = log_size();
configure(jwt_jwks => qq({"keys":[{"kid":"x","kty":"oct","k":"$hidden"}]}));
$node->reload;
wait_for(sub { $server->sql('SHOW realtime.jwt_jwks') eq '{********}' }, 'a key set in the setting');
pass('a key set in the setting is not shown');
configure(jwt_jwks => qq({"keys":[{"kid":"x","kty":"oct","k":"$hidden%"}]}));
$node->reload;
ok($node->wait_for_log(qr/LOG:  could not use the key set of tokens in realtime.jwt_jwks: none of its keys/, $from),
	'nor is one that is no good');
ok($server->healthy, 'the gateway is content');

my $log = slurp_file($node->logfile);
is(scalar(grep { index($log, $_) >= 0 } @secrets), 0, 'the log has no secret in it');
done_testing();
