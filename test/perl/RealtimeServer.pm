#-------------------------------------------------------------------------
#
# RealtimeServer.pm
#	  A PostgreSQL server with realtime, for one test.
#
# A thin layer over PostgreSQL::Test::Cluster: it preloads the library, gives
# the gateway a free port on loopback and waits until that answers /healthz.
# Everything that Cluster offers is at $server->node.
#
# Clients need a token: the server gets a secret that the tests know, and
# client() shows the gateway the anonymous key unless told otherwise.
#
# cluster_alive() is the question of reliability.md: after whatever a test did
# to the gateway, the postmaster is the same and no crash restart is logged.
# Baseline.pm asks the other one, whether anything leaked.
#
# No token, key or secret may be in a log, whatever is tested: LogSecrets.pm.
#
#-------------------------------------------------------------------------
package RealtimeServer;

use strict;
use warnings;

use Carp;
use Exporter 'import';
use IO::Socket::INET;
use JSON::PP;
use JwtKey;
use LogSecrets;
use POSIX ();
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);
use WebSocketClient;

our @EXPORT = qw(wait_for);

# What tokens are signed with unless a test has keys of its own.
our $jwt_secret = 'what the tests sign their tokens with';

# How long a condition may take before a test gives it up, in seconds.
our $patience = $PostgreSQL::Test::Utils::timeout_default;

# More lines for postgresql.conf, of who makes every server slow.
our $conf = '';

# Wait until $condition->() is true and return its value; dies, naming $what,
# when that takes too long.  The only way in which tests wait.
sub wait_for
{
	my ($condition, $what, $timeout) = @_;
	my $deadline = time() + ($timeout // $patience);

	while (1)
	{
		my $value = $condition->();
		return $value if $value;
		croak "timed out waiting for $what" if time() > $deadline;
		sleep 0.01;
	}
}

# Make a server without starting it.
#
#	conf		lines for postgresql.conf
#	extension	0 = do not create the extension at start()
#	install		a PrivateInstallation
#	tls			a TlsFiles: clients and requests of ours speak TLS and trust it
sub new
{
	my ($class, $name, %params) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name,
		$params{install} ? (install_path => $params{install}->path) : ());
	my $self = bless {
		node      => $node,
		port      => PostgreSQL::Test::Cluster::get_free_port(),
		tls       => $params{tls},
		extension => $params{extension} // 1,
	}, $class;

	$node->init(allows_streaming => 1);
	# Cluster's defaults are for many small nodes; a crash restart and WAL
	# that stays for a while are part of what is tested here.
	$node->append_conf('postgresql.conf', <<"CONF");
shared_preload_libraries = 'realtime'
realtime.listen_addresses = '127.0.0.1'
realtime.port = $self->{port}
realtime.jwt_secret = '$jwt_secret'
restart_after_crash = on
shared_buffers = 32MB
max_connections = 50
max_prepared_transactions = 10
max_wal_size = 4GB
log_statement = none
CONF
	$node->append_conf('postgresql.conf', $conf . ($params{conf} // ''));
	LogSecrets::register($jwt_secret, ($params{conf} // '') =~ /^realtime\.jwt_secret = '(.*)'$/mg);
	return $self;
}

# new() and start() in one.
sub start_new
{
	my ($class, $name, %params) = @_;
	my $self = $class->new($name, %params);

	$self->start;
	return $self;
}

# Start the server, wait for its gateway, create the extension.
sub start
{
	my ($self) = @_;

	$self->start_node;
	$self->wait_until_healthy;
	$self->sql('CREATE EXTENSION IF NOT EXISTS realtime') if $self->{extension};
	$self->{started} = $self->sql('SELECT pg_postmaster_start_time()');
	return;
}

# Start the server and nothing more: its gateway may never come.
sub start_node
{
	my ($self) = @_;
	return $self->node->start;
}

# Publish {"n": $n} with event "e" to a public topic, in a transaction of its
# own.
sub publish
{
	my ($self, $topic, $n) = @_;
	return $self->sql(qq{SELECT realtime.send('{"n": $n}'::jsonb, 'e', '$topic', false)});
}

sub node { return $_[0]{node}; }
sub port { return $_[0]{port}; }

# Run SQL and return its output; dies on errors.
sub sql
{
	my ($self, $sql, $database) = @_;
	return $self->node->safe_psql($database // 'postgres', $sql);
}

# The same while the server may be down: undef then.  The statement is an
# argument, because a psql that cannot connect does not read its input, and
# writing to it would end the test.
sub try_sql
{
	my ($self, $sql) = @_;
	my ($out, $err) = ('', '');
	my $ok = IPC::Run::run([ 'psql', '-XAtq', '-d', $self->node->connstr('postgres'), '-c', $sql ],
		'<', \undef, '>', \$out, '2>', \$err);

	chomp $out;
	return $ok ? $out : undef;
}

# One GET request on a connection of its own: (status, body), or () where
# nobody answers.
sub http_get
{
	my ($self, $path) = @_;
	my $socket = IO::Socket::INET->new(
		PeerAddr => '127.0.0.1', PeerPort => $self->port, Timeout => 5)
	  or return;
	my $answer = '';

	if ($self->{tls})
	{
		require IO::Socket::SSL;
		IO::Socket::SSL->start_SSL($socket, $self->{tls}->client) or return;
	}

	print $socket "GET $path HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
	while (sysread($socket, my $chunk, 65536)) { $answer .= $chunk; }
	return unless $answer =~ m{^HTTP/1\.1 (\d+)[^\r]*\r\n.*?\r\n\r\n(.*)$}s;
	return ($1, $2);
}

# Is the gateway there and content?
sub healthy
{
	my ($self) = @_;
	my ($status) = $self->http_get('/healthz');
	return defined $status && $status == 200;
}

sub wait_until_healthy
{
	my ($self, $timeout) = @_;
	return wait_for(sub { $self->healthy }, 'the gateway to answer /healthz', $timeout);
}

# A token signed with the server's secret.  By default it names the role anon
# and is good for decades; a claim that is undef is left out.
sub token
{
	my (undef, %claims) = @_;

	%claims = (role => 'anon', exp => 4_000_000_000, %claims);
	delete @claims{ grep { !defined $claims{$_} } keys %claims };
	return JwtKey->secret($jwt_secret)->token(\%claims);
}

# The one key that all visitors of a page share.
sub anon_token
{
	my ($self) = @_;
	return $self->{anon_token} //= $self->token(iss => 'supabase', iat => 1_700_000_000);
}

# A WebSocket client of this server, connected.  It shows the anonymous key;
# apikey => undef for none.
sub client
{
	my ($self, %params) = @_;
	return WebSocketClient->connect(port => $self->port, apikey => $self->anon_token,
		$self->{tls} ? (tls => { $self->{tls}->client }) : (), %params);
}

# The same, and member of a public topic.
sub member
{
	my ($self, $topic, %params) = @_;
	my $client = $self->client(%params);
	my $reply = $client->join($topic);

	croak "could not join \"$topic\": " . ($reply ? encode_json($reply->{payload}) : 'no reply')
	  unless $reply && $reply->{payload}{status} eq 'ok';
	return $client;
}

# One figure of realtime.status(): a counter or a column of that name.
sub stat
{
	my ($self, $name) = @_;
	my $status = decode_json($self->sql('SELECT pg_catalog.to_jsonb(s) FROM realtime.status() AS s'));
	my $value = $status->{counters}{$name} // $status->{$name};

	croak "realtime.status() has no \"$name\"" unless defined $value;
	return $value;
}

# Process id of the hub, undef while there is none.
sub hub_pid
{
	my ($self) = @_;
	return $self->try_sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'realtime hub'})
	  || undef;
}

# Process ids of the programs called $name (default realtime_gateway) that
# are children of $parent (default the hub); zombies do not count.
sub programs
{
	my ($self, $name, $parent) = @_;
	my @pids;

	$name //= 'realtime_gateway';
	$parent //= $self->hub_pid // return ();
	for my $file (glob '/proc/[0-9]*/stat')
	{
		my $stat = eval { slurp_file($file) } // next;
		push @pids, $1
		  if $stat =~ /^(\d+) \((.*)\) (\S) (\d+) /s
		  && $4 == $parent && $3 ne 'Z' && index($name, $2) == 0;
	}
	return @pids;
}

# The one gateway of this server, waiting for it if need be.
sub gateway_pid
{
	my ($self) = @_;
	return wait_for(sub { ($self->programs)[0] }, 'a gateway');
}

# Process id of the gateway that serves a client, by the socket at the other end
# of its connection; undef if there is none (any more).
sub gateway_of
{
	my ($self, $client) = @_;
	my $address = '0100007F'; # 127.0.0.1
	my $local = sprintf '%s:%04X', $address, $self->port;
	my $remote = sprintf '%s:%04X', $address, $client->local_port;
	# line by line, for one expression for all of them takes the square of their number
	my ($line) = grep { index($_, ": $local $remote 01 ") > 0 } split /\n/, slurp_file('/proc/net/tcp');
	return undef unless defined $line;
	my $inode = (split ' ', $line)[9];

	for my $pid ($self->programs)
	{
		return $pid if grep { (readlink // '') eq "socket:[$inode]" } glob "/proc/$pid/fd/*";
	}
	return undef;
}

# Two clients that $make->() makes, each at another gateway; the first one made
# comes first.
sub clients_apart
{
	my ($self, $make) = @_;
	my $one = $make->();
	my $at = $self->gateway_of($one);
	my $other = wait_for(
		sub {
			my $client = $make->();
			return $self->gateway_of($client) != $at ? $client : undef;
		},
		'a client at another gateway');

	return ($one, $other);
}

# Memory of a process in kB: a field of /proc/<pid>/status, 0 if it is gone or
# its memory says nothing (SanitizedPrograms.pm).
sub memory_kb
{
	my ($self, $pid, $field) = @_;

	return 0 if (readlink("/proc/$pid/exe") // '') =~ m{/build/asan/};
	my $status = eval { slurp_file("/proc/$pid/status") } // return 0;
	return $status =~ /^$field:\s+(\d+) kB/m ? $1 : 0;
}

# Number of open descriptors of a process.
sub descriptors
{
	my ($self, $pid) = @_;
	my @fds = glob "/proc/$pid/fd/*";
	return scalar @fds;
}

# Number of its sockets among them.
sub sockets
{
	my ($self, $pid) = @_;
	return scalar grep { (readlink // '') =~ /^socket:/ } glob "/proc/$pid/fd/*";
}

# How many some processes hold each, once no client is connected and that has
# settled.
sub quiet_sockets
{
	my ($self, @pids) = @_;
	my $then = '';

	return wait_for(
		sub {
			my $now = join ' ', map { $self->sockets($_) } @pids;
			my $same = $now eq $then;

			$then = $now;
			return $same && $self->stat('connections') == 0 && $now;
		},
		'quiet');
}

# Seconds that a process has been running, 0 if it is gone.
sub process_age
{
	my ($self, $pid) = @_;
	my $stat = eval { slurp_file("/proc/$pid/stat") } // return 0;
	my ($uptime) = split ' ', slurp_file('/proc/uptime');

	$stat =~ s/^.*\) //s;
	return $uptime - (split ' ', $stat)[19] / POSIX::sysconf(&POSIX::_SC_CLK_TCK);
}

# Whether a process exists and is no zombie.
sub process_alive
{
	my ($self, $pid) = @_;
	my $stat = eval { slurp_file("/proc/$pid/stat") } // return 0;
	return $stat !~ /\) Z /;
}

# How often the server went through a crash restart so far.
sub crash_restarts
{
	my ($self) = @_;
	my $log = slurp_file($self->node->logfile);
	my $count = () = $log =~ /all server processes terminated; reinitializing/g;
	return $count;
}

# Test that the cluster never noticed: same postmaster, no process killed.  And
# that nobody can read a token or a secret where it shows what it does.
sub cluster_alive
{
	my ($self, $what) = @_;
	my $log = slurp_file($self->node->logfile);
	my @lines = grep { /terminated by signal|reinitializing|was terminated|PANIC/ } split /\n/, $log;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return subtest "cluster alive: $what" => sub {
		is($self->sql('SELECT pg_postmaster_start_time()'), $self->{started},
			'the postmaster is the same');
		is(join("\n", @lines), '', 'no process was killed or restarted');
		is(join("\n", LogSecrets::found_in($self->sql(<<'SQL'))), '', 'no token or secret is shown');
SELECT to_jsonb(a) FROM pg_stat_activity a WHERE a.pid <> pg_backend_pid()
SQL
	};
}

# Set parameters by name and have every process read them.
sub reconfigure
{
	my ($self, %settings) = @_;

	for my $name (sort keys %settings)
	{
		LogSecrets::register($settings{$name}) if $name eq 'realtime.jwt_secret';
		$self->sql("ALTER SYSTEM SET $name = " . ($settings{$name} =~ /^-?\d+$/
				? $settings{$name} : "'$settings{$name}'"));
	}
	$self->sql('SELECT pg_reload_conf()');
	return;
}

1;
