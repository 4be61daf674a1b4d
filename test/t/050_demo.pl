# `make demo` as far as an unprivileged user can go, who cannot install: the
# private server, the example tables with the triggers and policies of Supabase's
# guide, real clients on the public and the private channel, tokens, a second
# run in under ten seconds, and the stop.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename;
use IO::Socket::INET;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $top = abs_path(dirname(__FILE__) . '/../..');
my $demo = "$top/examples/demo/demo";
my $dir = PostgreSQL::Test::Utils::tempdir() . '/demo';

$ENV{DEMO_DIR} = $dir;

# Run the demo and return what it printed.
sub demo
{
	my ($what) = @_;
	my $status = IPC::Run::run([ $demo, $what ], '<', \undef, '>', \my $out, '2>&1', IPC::Run::timeout(120));
	ok($status, "demo $what") or diag($out);
	return $out;
}

sub postmaster_pid { return (split /\n/, slurp_file("$dir/pg/data/postmaster.pid"))[0]; }

sub listens
{
	return defined IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $_[0]);
}

my $out = demo('start');
like($out, qr/received greeting .*"text":"Hello from psql"/, 'supabase-js received what psql sent');
like($out, qr/received status_changed .*"status":"sent"/, 'and what the trigger of the table sent');
like($out, qr/greeting.*status_changed/s, 'in the order of the commits');
like($out, qr/member.*listening to (room:\S+).*received INSERT .*"body":"Hello, lobby"/s, 'a member received what is private');
my ($channel) = $out =~ /member.*?listening to (room:\S+)/s;
like($out, qr/refused .*Unauthorized: You do not have permissions to read from this Channel topic: \Q$channel\E/,
	'which is refused to others');

my ($pg_port, $realtime_port) = split ' ', slurp_file("$dir/ports");
ok(listens($realtime_port), 'the server goes on');
my $pid = postmaster_pid();

# The tokens that it prints are those of the file.
my %env = map { /^export (\w+)=(\S+)$/ ? ($1 => $2) : () } split /\n/, slurp_file("$dir/env");
for (qw(REALTIME_KEY REALTIME_TOKEN))
{
	like($out, qr/\Q$env{$_}\E/, "$_ is printed");
	is(scalar(split /\./, $env{$_}), 3, 'and a token');
}
is((stat "$dir/env")[2] & 077, 0, 'the file is for its owner');

# What it prints to try works: the URL is that of the database.
my ($url) = $out =~ m{(postgresql://\S+?)'};
ok($url, 'it prints how to connect');
my ($count) = run_command([ 'psql', '-XAt', $url, '-c',
		q{SELECT realtime.send('room:1', 'greeting', '{"text": "hello"}', false);
		SELECT count(*) FROM realtime.messages WHERE topic LIKE 'room:%'} ]);
cmp_ok((split /\n/, $count)[-1], '>=', 4, 'the messages are history');

my $start = time();
$out = demo('start');
# 10 s, unless tests are told that all is slower
cmp_ok(time() - $start, '<', $PostgreSQL::Test::Utils::timeout_default / 6, sprintf 'the second run took %.1f s', time() - $start);
like($out, qr/received greeting/, 'and shows a message again');
like($out, qr/received INSERT/, 'a private one, too');
is(postmaster_pid(), $pid, 'the server was left running');

demo('stop');
ok(!listens($realtime_port), 'stopped: the gateway is gone');
ok(!listens($pg_port), 'and so is the server');
$out = demo('stop');
like($out, qr/not running/, 'stopping twice is fine');

# The ports are remembered, unless somebody has taken one meanwhile.
my $taken = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $realtime_port, Listen => 1, ReuseAddr => 1)
  or die "could not listen: $!";
demo('start');
my ($same, $other) = split ' ', slurp_file("$dir/ports");
is($same, $pg_port, 'the port of the server is remembered');
isnt($other, $realtime_port, 'a port that is taken is replaced');
demo('stop');

done_testing();
