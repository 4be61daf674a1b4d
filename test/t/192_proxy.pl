# nginx in front, as docs/operations.md has it: TLS at nginx, WebSockets, polling
# by HTTP and server-sent events as they come, requests, and what a gateway
# makes of who comes by way of a proxy.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename;
use IPC::Run ();
use NpmClients;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;

my $top = abs_path(dirname(__FILE__) . '/../..');
my ($conf) = slurp_file("$top/docs/operations.md") =~ /^<!-- nginx -->\n```nginx\n(.*?)^```/ms
  or BAIL_OUT('docs/operations.md has no configuration of nginx');
my $server = RealtimeServer->start_new('proxied');
my $port = PostgreSQL::Test::Cluster::get_free_port();
my $dir = PostgreSQL::Test::Utils::tempdir();
my $url = "https://localhost:$port";

# A certificate that is its own authority.
IPC::Run::run([ qw(openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 2 -subj /CN=localhost
		-addext), 'subjectAltName=DNS:localhost', '-keyout', "$dir/key.pem", '-out', "$dir/cert.pem" ], '>', '/dev/null', '2>', '/dev/null')
  or BAIL_OUT('openssl has made no certificate');

# The document's text with this test's places in it, each of which it must name.
for ([ qr/\blisten 443 ssl;/, "listen 127.0.0.1:$port ssl;" ],
	[ qr/\bserver 127\.0\.0\.1:4000;/, 'server 127.0.0.1:' . $server->port . ';' ],
	[ qr{(?<=ssl_certificate     )/\S+(?=;)}, "$dir/cert.pem" ],
	[ qr{(?<=ssl_certificate_key )/\S+(?=;)}, "$dir/key.pem" ])
{
	my ($there, $here) = @$_;
	$conf =~ s/$there/$here/ or BAIL_OUT("the configuration has no $there");
}
append_to_file("$dir/realtime.conf", $conf);
# what an unprivileged nginx needs besides, where Debian's own file has other paths
my $temporary = join '', map { "\t${_}_temp_path $dir/$_;\n" } qw(client_body proxy fastcgi uwsgi scgi);
append_to_file("$dir/nginx.conf", <<"CONF");
daemon off;
pid $dir/nginx.pid;
error_log $dir/error.log;
worker_processes 1;
events { worker_connections 512; }
http {
$temporary	include $dir/realtime.conf;
}
CONF

my $out = '';
my $nginx = IPC::Run::start([ '/usr/sbin/nginx', '-p', $dir, '-e', "$dir/error.log", '-c', "$dir/nginx.conf" ],
	'<', '/dev/null', '>', \$out, '2>', \$out);
END
{
	my $status = $?;
	if ($nginx)
	{
		$nginx->signal('TERM');
		eval { $nginx->finish };
	}
	$? = $status;
}

# What curl prints for these arguments.
sub curl
{
	my ($said) = ('');
	IPC::Run::run([ 'curl', '--silent', '--show-error', '--cacert', "$dir/cert.pem", @_ ], '<', \undef, '>', \$said, '2>&1');
	return $said;
}

# Only the status.
sub status { return curl('-o', '/dev/null', '-w', '%{http_code}', @_); }

ok(wait_for(sub { $nginx->pump_nb; status("$url/healthz") eq '200' }, "nginx to answer: $out"), 'nginx serves in front of the gateway');

# Clients as they are, by TLS and nginx.
{
	my $proxied = bless { %$server, url => $url }, ref $server;
	local $ENV{NODE_EXTRA_CA_CERTS} = "$dir/cert.pem";

	npm_clients_setup($server);
	npm_clients_ok($proxied, 'proxy');
}

# An event is there when it is sent, not when the stream ends or a buffer is full.
{
	my $stream = '';
	my $listener = IPC::Run::start([ 'curl', '--silent', '--show-error', '--no-buffer', '--cacert', "$dir/cert.pem",
			"$url/realtime/v1/events?topic=stream&apikey=" . $server->anon_token ], '<', \undef, '>', \$stream, '2>&1');
	my $seen = sub { my ($what) = @_; wait_for(sub { $listener->pump_nb; $stream =~ $what }, "$what in the stream") };

	ok($seen->(qr/^event: ready$/m), 'a stream of events begins');
	for my $n (1 .. 3)
	{
		$server->publish('stream', $n);
		ok($seen->(qr/^data: .*"n": ?$n/m), "event $n is there before the next one is sent");
	}
	$listener->kill_kill;
}

# Who comes by way of a proxy is not from this machine, though the proxy is.
is(status("$url/metrics"), '401', 'metrics are not shown by way of the proxy');
is(status('-H', 'Authorization: Bearer ' . $server->token(role => 'service_role'), "$url/metrics"), '200', 'but to who has a token');
is(($server->http_get('/metrics'))[0], 200, 'and without one on the machine itself');

# A payload of realtime.max_message_size passes; nginx lets it.
append_to_file("$dir/large.json", '{"messages": [{"topic": "large", "event": "e", "payload": {"text": "' . 'x' x 2_900_000 . '"}}]}');
is(status('-H', 'Content-Type: application/json', '-H', 'apikey: ' . $server->anon_token, '--data-binary', "\@$dir/large.json",
		"$url/realtime/v1/api/broadcast"), '202', 'a large message is taken');

is(slurp_file("$dir/error.log") =~ s/^.*\[notice\].*\n//mgr, '', 'nginx had nothing to complain of');
$server->cluster_alive('behind a proxy');
done_testing();
