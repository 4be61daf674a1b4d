# Webhooks lead nowhere but to the public internet, however their addresses are
# spelled and whatever names mean, unless realtime.webhook_allow_private says so.

use strict;
use warnings;

use RealtimeServer;
use Test::More;
use WebhookReceiver;

my $server = RealtimeServer->start_new('webhook_addresses', conf => <<'CONF');
realtime.webhook_retry_delay = 10ms
realtime.webhook_timeout = 2s
realtime.webhook_max_attempts = 2
CONF
my $receiver = WebhookReceiver->start;
my $port = $receiver->port;

# Post to some URLs, each of a channel of its own, and wait for the end of it.
# Returns for each attempts and error of the dead letter, '' if there is none.
my $serial = 0;

sub post
{
	my (@urls) = @_;
	my @channels = map { sprintf 'c%d', ++$serial } @urls;
	my @outcomes;

	for my $i (0 .. $#urls)
	{
		$server->sql("INSERT INTO realtime.channels (pattern, webhook_urls) VALUES ('$channels[$i]', ARRAY['$urls[$i]'])");
		$server->sql("SELECT realtime.publish('$channels[$i]', 'e', '{}')");
	}
	wait_for(sub { $server->sql('SELECT count(*) FROM realtime.webhook_deliveries') eq '0' }, 'deliveries to end');
	for my $channel (@channels)
	{
		push @outcomes, $server->sql("SELECT attempts || ' ' || last_error FROM realtime.webhook_dead_letters WHERE channel_name = '$channel'");
	}
	return @outcomes;
}

my $refused = '1 its address is not one of the public internet';

my @forbidden = (
	"http://127.0.0.1:$port/ok/", "http://127.8.9.10:$port/ok/", "http://127.1:$port/ok/",
	"http://2130706433:$port/ok/", "http://0x7f000001:$port/ok/", "http://0x7f.1:$port/ok/", "http://0177.0.0.1:$port/ok/",
	"http://0:$port/ok/", "http://0.0.0.0:$port/ok/", "HTTP://LOCALHOST:$port/ok/", "http://localhost:$port/ok/",
	"http://user:secret\@127.0.0.1:$port/ok/", "http://example.com\@127.0.0.1:$port/ok/",
	"http://[::1]:$port/ok/", "http://[::]:$port/ok/", "http://[0:0:0:0:0:0:0:1]:$port/ok/",
	"http://[::ffff:127.0.0.1]:$port/ok/", "http://[::ffff:7f00:1]:$port/ok/", "http://[::127.0.0.1]:$port/ok/",
	"http://[64:ff9b::127.0.0.1]:$port/ok/", "http://[2002:7f00:1::]:$port/ok/",
	'http://10.0.0.1/', 'http://172.16.0.1/', 'http://172.31.255.255/', 'http://192.168.1.1/',
	'http://169.254.169.254/latest/meta-data/', 'http://[fd00:ec2::254]/latest/meta-data/', 'http://100.100.100.200/',
	'http://[fe80::1]/', 'http://[fc00::1]/', 'http://[ff02::1]/', 'http://224.0.0.1/', 'http://255.255.255.255/',
	'http://192.0.2.1/', 'http://198.18.0.1/', 'https://10.0.0.1/',
);
my @outcomes = post(@forbidden);

is($outcomes[$_], $refused, "refused: $forbidden[$_]") for 0 .. $#forbidden;
is($receiver->ask('totals')->[0], 0, 'the receiver has heard nothing');

my @never = ("ftp://127.0.0.1:$port/", "file:///etc/passwd", "gopher://127.0.0.1:$port/_x", 'http://', 'http:///path', '//127.0.0.1/',
	"http://127.0.0.1\\\@example.com:$port/", "http://127.0.0.1:$port/a b", 'http://127.0.0.1:0/', 'http://127.0.0.1:99999/');
@outcomes = post(@never);
is($outcomes[$_], '1 it is no http or https URL', "no URL: $never[$_]") for 0 .. $#never;

# no DNS server is asked for this one
like((post("http://name.invalid:$port/"))[0], qr/^2 Could(?:n't| not) resolve host ?name$/, 'a name that nobody has is tried again');

$server->reconfigure('realtime.webhook_allow_private' => '::1');
wait_for(sub { (post("http://[::1]:$port/ok/six"))[0] eq '' }, 'an address to be allowed');
pass('an address that is allowed can be posted to');
is((post("http://127.0.0.1:$port/ok/four"))[0], $refused, 'others cannot');

$server->reconfigure('realtime.webhook_allow_private' => '127.0.0.0/8');
wait_for(sub { (post("http://127.0.0.1:$port/ok/four"))[0] eq '' }, 'another address to be allowed');
is((post("http://localhost:$port/ok/name"))[0], '', 'of the addresses of a name one that is allowed is taken');
is((post("http://[::1]:$port/ok/six"))[0], $refused, 'what is no longer allowed is not used, even if a connection is still there');
is((post("http://[::ffff:127.0.0.1]:$port/ok/mapped"))[0], '', 'a mapped address is the one that it stands for');

my ($out, $err) = ('', '');
$server->node->psql('postgres', "ALTER SYSTEM SET realtime.webhook_allow_private = '10.0.0.0/33'", stderr => \$err);
like($err, qr/invalid value/, 'a list of ranges that is none is refused');

unlike(PostgreSQL::Test::Utils::slurp_file($server->node->logfile), qr/courier.*secret/, 'no password is logged');
$server->cluster_alive('after all of that');
done_testing();
