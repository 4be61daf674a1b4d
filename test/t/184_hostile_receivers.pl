# Webhooks whose receivers are after the server that posts (reliability.md B8),
# where 123 and 124 leave off: redirects to where no webhook may lead, answers that
# unpack to a gigabyte or never end, certificates and versions of TLS that are no
# good, and a name that means another address by the time it is used.  Meanwhile
# clients are served.

use strict;
use warnings;

use BusGateway;
use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;
use Time::HiRes qw(time);
use WebhookReceiver;

my $dir = PostgreSQL::Test::Utils::tempdir();
my $server = RealtimeServer->start_new('hostile', conf => <<'CONF');
realtime.idle_timeout = 10min
realtime.webhook_allow_private = '127.0.0.0/8'
realtime.webhook_retry_delay = 10ms
realtime.webhook_timeout = 1s
realtime.webhook_max_attempts = 2
CONF
my $gateway = $server->gateway_pid;
my $client = $server->member('public');

# Certificates of an authority that the server knows.
sub openssl { system_or_bail('openssl', @_); return; }
openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '30', '-subj', '/CN=authority', '-keyout', "$dir/ca.key", '-out', "$dir/ca.pem");
sub certificate
{
	my ($name, $subject, @validity) = @_;
	append_to_file("$dir/$name.ext", "subjectAltName=$subject\n");
	openssl('req', '-new', '-newkey', 'rsa:2048', '-nodes', '-subj', "/CN=$name", '-keyout', "$dir/$name.key", '-out', "$dir/$name.csr");
	openssl('x509', '-req', '-in', "$dir/$name.csr", '-CA', "$dir/ca.pem", '-CAkey', "$dir/ca.key", '-CAcreateserial', '-extfile', "$dir/$name.ext", '-out', "$dir/$name.pem", @validity);
	return (key => "$dir/$name.key", cert => "$dir/$name.pem");
}
my %good = certificate('good', 'DNS:localhost,IP:127.0.0.1', '-days', 30);
# an OpenSSL that is new signs none that ends before it begins
my %expired = certificate('expired', 'DNS:localhost,IP:127.0.0.1', '-days', 0);
my %other = certificate('other', 'DNS:other.example', '-days', 30);
wait_for(sub { system("openssl x509 -in $expired{cert} -noout -checkend 0 >/dev/null") != 0 }, 'the certificate to expire');
$server->reconfigure('realtime.webhook_ca_file' => "$dir/ca.pem");

my $plain = WebhookReceiver->start;
my $victim = WebhookReceiver->start;
my %tls = (
	# libcurl 8.14 sends plain HTTP on a connection by TLS that there is already
	unasked => WebhookReceiver->start(%good),
	good => WebhookReceiver->start(%good), expired => WebhookReceiver->start(%expired), other => WebhookReceiver->start(%other),
	old => WebhookReceiver->start(%good, tls => 'TLSv1.1'));

sub escaped { my ($url) = @_; $url =~ s/([^A-Za-z0-9])/sprintf '%%%02X', ord $1/ge; return $url; }
my $metadata = 'http://169.254.169.254/latest/meta-data/';

# name, URL, whether it is delivered or what is said of it
my @cases = (
	[ 'a good certificate', $tls{good}->url('ok/good'), '' ],
	[ 'a redirect to the address of metadata', $plain->url('to/' . escaped($metadata)), qr/^1 307 .*redirects are not followed/ ],
	[ 'a redirect to another host', $plain->url('to/' . escaped($victim->url('ok/x'))), qr/^1 307 .*redirects are not followed/ ],
	[ 'a redirect to a file', $plain->url('to/' . escaped('file:///etc/passwd')), qr/^1 307 .*redirects are not followed/ ],
	[ 'a redirect to another protocol', $plain->url('to/' . escaped('gopher://127.0.0.1:5432/_x')), qr/^1 307 .*redirects are not followed/ ],
	[ 'a redirect to itself', $plain->url('again/x'), qr/^1 301 .*redirects are not followed/ ],
	[ 'a gigabyte in gzip', $plain->url('bomb/x'), '' ],
	[ 'a body without an end', $plain->url('huge/x'), '' ],
	[ 'a body that drips', $plain->url('drip/x'), '' ],
	[ 'a head without an end', $plain->url('head/x'), qr/^2 / ],
	[ 'no answer', $plain->url('hang/x'), qr/^2 .*Timeout was reached/ ],
	[ 'an expired certificate', $tls{expired}->url('ok/expired'), qr/^2 .*(certificate|CA)/ ],
	[ "another host's certificate", $tls{other}->url('ok/other'), qr/^2 .*(certificate|name)/ ],
	[ 'TLS 1.1', $tls{old}->url('ok/old'), qr/^2 .*SSL connect error/ ],
	[ 'HTTP where TLS is expected', $plain->url('ok/x') =~ s/^http:/https:/r, qr/^2 .*SSL connect error/ ],
	[ 'TLS where HTTP is expected', $tls{unasked}->url('ok/x') =~ s/^https:/http:/r, qr/^(2 |1 400)/ ]);

for my $n (0 .. $#cases)
{
	$server->sql(sprintf q{INSERT INTO realtime.channels (pattern, webhook_urls) VALUES ('case%d', ARRAY['%s'])}, $n, $cases[$n][1]);
}
# the setting is known to the courier when a good certificate is
wait_for(
	sub {
		$server->sql(q{TRUNCATE realtime.webhook_dead_letters; SELECT realtime.publish('case0', 'e', '{}')});
		wait_for(sub { $server->sql('SELECT count(*) FROM realtime.webhook_deliveries') eq '0' }, 'a delivery');
		return $server->sql('SELECT count(*) FROM realtime.webhook_dead_letters') eq '0';
	},
	'the authority to be known');

my $courier = ($server->programs('realtime_courier'))[0];
my $memory = $server->memory_kb($courier, 'RssAnon');
my $start = time();
$server->sql(sprintf q{SELECT realtime.publish('case%d', 'e', '{}')}, $_) for 0 .. $#cases;
my ($slowest, $most) = (0, 0);
wait_for(
	sub {
		my $sent = time();
		$client->heartbeat or die 'the client is gone';
		$slowest = time() - $sent if time() - $sent > $slowest;
		my $now = $server->memory_kb($courier, 'RssAnon') - $memory;
		$most = $now if $now > $most;
		return $server->sql('SELECT count(*) FROM realtime.webhook_deliveries') eq '0';
	},
	'all deliveries to end');
for my $n (0 .. $#cases)
{
	my ($name, undef, $wanted) = @{ $cases[$n] };
	my $letter = $server->sql("SELECT concat_ws(' ', attempts, last_status, last_error) FROM realtime.webhook_dead_letters WHERE channel_name = 'case$n'");
	ref $wanted ? like($letter, $wanted, "$name: given up") : is($letter, '', "$name: delivered");
}
is($victim->ask('totals')->[0], 0, 'nobody was redirected to');
cmp_ok($slowest, '<', 1, sprintf 'clients were served within %.0f ms', 1000 * $slowest);
cmp_ok($most, '<', 32 * 1024, "the courier took $most kB for it");
is(($server->programs('realtime_courier'))[0], $courier, 'and is the same');
is($server->gateway_pid, $gateway, 'so is the gateway');
note(sprintf '%d receivers in %.1f s', scalar @cases, time() - $start);
$server->cluster_alive('after hostile receivers');
$server->node->stop;

#
# A name that means something else each time it is looked up.  The courier is the
# real one, with a resolver of the test's in front of the system's.
#
{
	my $bindir = (run_command([ 'pg_config', '--bindir' ]))[0];
	my $top = "$dir/rebound";
	my $calls = "$dir/calls";

	append_to_file("$dir/rebind.c", <<'C');
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
typedef int (*Lookup) (const char *, const char *, const struct addrinfo *, struct addrinfo **);
/*
 * rebind.example is 127.0.0.2 at first, which is allowed, and 127.0.0.1 from then on.
 * A libcurl that is new asks for each family by itself; it has none of IPv6.
 */
int
getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **list)
{
	static int calls;
	Lookup lookup = (Lookup) dlsym(RTLD_NEXT, "getaddrinfo");
	FILE *log;

	if (name == NULL || strcmp(name, "rebind.example") != 0)
		return lookup(name, service, hints, list);
	if (hints != NULL && hints->ai_family == AF_INET6)
		return EAI_NONAME;
	name = calls++ == 0 ? "127.0.0.2" : "127.0.0.1";
	log = fopen(CALLS, "a");
	fprintf(log, "%s\n", name);
	fclose(log);
	return lookup(name, service, hints, list);
}
C
	system_or_bail('cc', '-shared', '-fPIC', "-DCALLS=\"$calls\"", '-o', "$dir/rebind.so", "$dir/rebind.c", '-ldl');
	BusGateway::copy_programs($top, "exec '$bindir/realtime_gateway', \@ARGV;\n");
	append_to_file("$top$bindir/realtime_courier", "#!/bin/sh\nLD_PRELOAD=$dir/rebind.so exec $bindir/realtime_courier \"\$@\"\n");
	chmod 0755, "$top$bindir/realtime_courier";

	# that resolver writes a file, which a courier may not
	my $rebound = RealtimeServer->start_new('rebound', conf => <<'CONF');
realtime.sandbox = off
realtime.webhook_allow_private = '127.0.0.2'
realtime.webhook_retry_delay = 10ms
realtime.webhook_max_attempts = 2
CONF
	my $post = sub {
		my ($channel, $receiver) = @_;
		my $url = $receiver->url('ok/rebound', 'rebind.example');
		$rebound->sql("INSERT INTO realtime.channels (pattern, webhook_urls) VALUES ('$channel', ARRAY['$url'])");
		$rebound->sql("SELECT realtime.publish('$channel', 'e', '{}')");
		wait_for(sub { $rebound->sql('SELECT count(*) FROM realtime.webhook_deliveries') eq '0' }, 'a delivery to end');
		return $rebound->sql("SELECT last_error FROM realtime.webhook_dead_letters WHERE channel_name = '$channel'");
	};
	is($post->('first', $plain), '', 'a name that means an allowed address: delivered');
	is(scalar($plain->requests('ok/rebound')), 1, '... to it');
	is(slurp_file($calls), "127.0.0.2\n", '... which was looked up once, not to be judged and then again to be used');
	# libcurl keeps what a name means for a port
	is($post->('second', $victim), 'its address is not one of the public internet', 'the name means another one: refused');
	is(slurp_file($calls), "127.0.0.2\n127.0.0.1\n", '... having been looked up again');
	is($victim->ask('totals')->[0], 0, '... and nobody there was asked');
	$rebound->cluster_alive('after a name that was rebound');
}
done_testing();
