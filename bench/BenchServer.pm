#-------------------------------------------------------------------------
#
# BenchServer.pm
#	  A private server for the benchmarks, and the programs run against it.
#
# Everything that is started here is known by its process id and ended by it:
# at the end, after an error and after an interrupt.  Nothing is found or
# killed by name.
#
# bench/BenchServer.pm
#
#-------------------------------------------------------------------------
package BenchServer;

use strict;
use warnings;

use Errno qw(EINTR);
use Fcntl qw(O_WRONLY O_CREAT O_TRUNC);
use File::Path qw(remove_tree);
use File::Temp qw(tempdir);
use IO::Select;
use IO::Socket::INET;
use JwtKey;
use POSIX qw(:sys_wait_h);
use Time::HiRes qw(sleep time);

# PostgreSQL refuses to run as root; then this account runs it.
my $SERVER_ACCOUNT = 'postgres';

# What tokens are signed with.
my $JWT_SECRET = 'what the benchmarks sign their tokens with';

# Settings that keep other work out of the measurements.  What decides speed
# and durability (fsync, wal_level, wal_sync_method, ...) stays at its default.
my %SETTINGS = (
	'shared_preload_libraries' => 'realtime',
	'listen_addresses' => '127.0.0.1',
	'max_connections' => 100,
	'autovacuum' => 'off',
	'checkpoint_timeout' => '1h',
	'log_checkpoints' => 'off',
	'max_wal_size' => '16GB',
	'min_wal_size' => '2GB',
	'shared_buffers' => '512MB',
	'realtime.jwt_secret' => $JWT_SECRET,
	'realtime.listen_addresses' => '127.0.0.1');

# A port that nobody listens on right now.
sub free_port
{
	my $socket = IO::Socket::INET->new(
		LocalAddr => '127.0.0.1', LocalPort => 0, Proto => 'tcp', Listen => 1)
	  or die "no free port: $@\n";
	return $socket->sockport;
}

# Make the cluster, start it and create the extension.
sub new
{
	my ($class, %args) = @_;
	my $self = bless {
		owner => $$,
		bindir => $args{bindir},
		programs => $args{programs},
		children => {},
		port => free_port(),
		gateway_port => free_port(),
		dir => tempdir('realtime-bench-XXXXXX', TMPDIR => 1),
	}, $class;

	chmod 0755, $self->{dir};
	if ($> == 0)
	{
		my ($uid, $gid) = (getpwnam $SERVER_ACCOUNT)[2, 3];
		die "there is no account $SERVER_ACCOUNT to run the server\n" unless defined $uid;
		chown $uid, $gid, $self->{dir};
	}
	$self->as_server("$self->{bindir}/initdb", '-D', "$self->{dir}/data",
		'-U', 'postgres', '-A', 'trust', '-N', '-E', 'UTF8', '--locale=C');
	open my $conf, '>>', "$self->{dir}/data/postgresql.conf" or die "postgresql.conf: $!\n";
	my %settings = (
		%SETTINGS, %{ $args{settings} || {} },
		'port' => $self->{port},
		'unix_socket_directories' => $self->{dir},
		'realtime.port' => $self->{gateway_port});
	print $conf "$_ = '$settings{$_}'\n" foreach sort keys %settings;
	close $conf;
	$self->start;
	$self->sql('CREATE EXTENSION realtime');
	return $self;
}

# Run one of the server's own programs to its end.
sub as_server
{
	my ($self, @command) = @_;
	my $log = "$self->{dir}/commands.log";

	unshift @command, 'runuser', '-u', $SERVER_ACCOUNT, '--' if $> == 0;
	my $pid = fork // die "fork: $!\n";
	if ($pid == 0)
	{
		chdir $self->{dir};
		open STDIN, '<', '/dev/null';
		open STDOUT, '>>', $log;
		open STDERR, '>&', \*STDOUT;
		exec @command or POSIX::_exit(127);
	}
	1 while waitpid($pid, 0) < 0 && $! == EINTR;
	return if $? == 0;
	die "@command failed:\n" . _tail($log) . _tail("$self->{dir}/server.log");
}

# Start the server and wait until clients can connect and join.
sub start
{
	my ($self) = @_;

	$self->{running} = 1;
	$self->as_server("$self->{bindir}/pg_ctl", '-D', "$self->{dir}/data", '-w', '-s',
		'-l', "$self->{dir}/server.log", 'start');
	$self->wait_for('the gateway to listen', sub
		{
			return IO::Socket::INET->new(PeerAddr => '127.0.0.1',
				PeerPort => $self->{gateway_port}, Proto => 'tcp', Timeout => 1);
		});
	return;
}

# Stop the server.
sub stop
{
	my ($self) = @_;

	return unless $self->{running};
	$self->{running} = 0;
	$self->as_server("$self->{bindir}/pg_ctl", '-D', "$self->{dir}/data", '-w', '-s',
		'-m', 'fast', 'stop');
	return;
}

# End everything and remove the files.
sub DESTROY
{
	my ($self) = @_;

	# a forked child has a copy of this object that is none of its business
	return if $self->{owner} != $$;
	local ($@, $?);

	# a second interrupt must not leave a server behind
	local @SIG{qw(INT TERM HUP)} = ('IGNORE') x 3;
	kill 'KILL', $_ foreach keys %{ $self->{children} };
	waitpid $_, 0 foreach keys %{ $self->{children} };
	eval { $self->stop; 1 } or print STDERR $@;
	if ($ENV{KEEP})
	{
		print STDERR "files are kept in $self->{dir}\n";
		return;
	}
	remove_tree($self->{dir});
	return;
}

# Wait until a condition holds.
sub wait_for
{
	my ($self, $what, $condition) = @_;
	my $deadline = time + 30;

	until ($condition->())
	{
		die "waited 30 s for $what\n" . _tail("$self->{dir}/server.log") if time > $deadline;
		sleep 0.02;
	}
	return;
}

# Connection string: over the Unix-domain socket or over loopback TCP.
sub conninfo
{
	my ($self, $tcp) = @_;
	my $host = $tcp ? '127.0.0.1' : $self->{dir};

	return "host=$host port=$self->{port} user=postgres dbname=postgres";
}

# Run SQL, return what psql prints.
sub sql
{
	my ($self, $sql) = @_;
	my $result = $self->run("$self->{bindir}/psql", '-XAtq', '-v', 'ON_ERROR_STOP=1',
		'-d', $self->conninfo, '-c', $sql);

	chomp $result;
	return $result;
}

# A token with these claims.
sub token
{
	my ($self, %claims) = @_;
	return JwtKey->secret($JWT_SECRET)->token({ exp => 4_000_000_000, %claims });
}

# The key that all clients connect with.
sub anon_key
{
	my ($self) = @_;
	return $self->{anon_key} //= $self->token(role => 'anon');
}

# Change settings of a running server; `executors` waits until that many are at
# work.
sub configure
{
	my ($self, %settings) = @_;

	$self->sql("ALTER SYSTEM SET realtime.$_ = '$settings{$_}'") foreach sort keys %settings;
	$self->sql('SELECT pg_reload_conf()');
	$self->wait_for_executors($settings{executors}) if defined $settings{executors};
	return;
}

# Make a certificate for localhost, signed by itself, that the server can read;
# returns the paths of it and its key.
sub certificate
{
	my ($self) = @_;
	my ($certificate, $key) = map { "$self->{dir}/data/bench.$_" } qw(crt key);

	$self->as_server('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1',
		'-noenc', '-subj', '/CN=localhost', '-days', 2, '-keyout', $key, '-out', $certificate);
	return ($certificate, $key);
}

# Wait until who connects is spoken to by TLS, or is not.
sub wait_for_tls
{
	my ($self, $wanted) = @_;

	$self->wait_for($wanted ? 'TLS' : 'no TLS', sub
		{
			my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{gateway_port},
				Proto => 'tcp', Timeout => 1) or return 0;

			# plain HTTP is answered by either, with 400 where TLS is spoken
			print $socket "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
			my $line = readline($socket) // '';
			return $wanted ? $line =~ m{^HTTP/1.1 400} : $line =~ m{^HTTP/1.1 200};
		});
	return;
}

# Wait until exactly so many executors are connected.
sub wait_for_executors
{
	my ($self, $count) = @_;

	$self->wait_for("$count executors", sub
		{
			return $count == $self->sql(
				q{SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'realtime executor%'});
		});
	return;
}

# Where the server's WAL ends and its next transaction id: [bytes, xid].
sub written
{
	my ($self) = @_;

	return [ split /\|/, $self->sql(
			q{SELECT pg_current_wal_insert_lsn() - '0/0', pg_snapshot_xmax(pg_current_snapshot())}) ];
}

# Empty the table, write out what is dirty: every run starts alike.
sub reset
{
	my ($self) = @_;

	$self->sql('TRUNCATE realtime.messages');
	$self->sql('CHECKPOINT');
	return;
}

# Our trigger on or off; off is what a plain INSERT is compared in.
sub publish
{
	my ($self, $on) = @_;

	$self->sql('ALTER TABLE realtime.messages '
		  . ($on ? 'ENABLE' : 'DISABLE') . ' TRIGGER USER');
	return;
}

# Process ids of the hub and of its gateways, those being the hub's children,
# once there are exactly $count of them, or any.
sub pids
{
	my ($self, $count) = @_;
	my ($hub, @gateways);

	$self->wait_for('the hub and its gateway', sub
		{
			$hub = $self->sql(
				q{SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'realtime hub%'});
			@gateways = $hub ? _children($hub) : ();
			return defined $count ? @gateways == $count : @gateways > 0;
		});
	return ($hub, @gateways);
}

# Wait until exactly so many gateways listen: between these the kernel shares
# new connections out.
sub wait_for_listeners
{
	my ($self, $count) = @_;
	my $port = sprintf ':%04X', $self->{gateway_port};

	$self->wait_for("$count listening gateways", sub
		{
			open my $sockets, '<', '/proc/net/tcp' or die "/proc/net/tcp: $!\n";
			return $count == grep { /^\s*\d+: \w+$port \w+:0000 0A / } <$sockets>;
		});
	return;
}

# Children of a process, from /proc.
sub _children
{
	my ($parent) = @_;
	my @found;

	foreach my $file (glob '/proc/[0-9]*/stat')
	{
		open my $stat, '<', $file or next;    # it may have ended meanwhile
		my $line = <$stat> // next;
		push @found, $1 if $line =~ /^(\d+) \(.*\) \S (\d+) / && $2 == $parent;
	}
	return @found;
}

# CPU seconds that the executors have used so far.
sub executors_cpu
{
	my ($self) = @_;
	my $sum = 0;

	foreach my $pid (split /\n/, $self->sql(
			q{SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'realtime executor%'}))
	{
		open my $stat, '<', "/proc/$pid/schedstat" or die "executor $pid is gone\n";
		$sum += (split ' ', <$stat>)[0] / 1e9;
	}
	return $sum;
}

# CPU seconds of all sessions that have ended so far, to 1/100 s.
sub sessions_cpu
{
	my ($self) = @_;

	open my $file, '<', "$self->{dir}/data/postmaster.pid" or die "postmaster.pid: $!\n";
	chomp(my $postmaster = <$file>);
	open my $stat, '<', "/proc/$postmaster/stat" or die "the postmaster is gone\n";
	my ($times) = <$stat> =~ /.*\) (.*)/;
	my (undef, $user, $system) = (split ' ', $times)[ 12 .. 14 ];
	return ($user + $system) / POSIX::sysconf(&POSIX::_SC_CLK_TCK);
}

# A line of /proc/<pid>/status in kB, summed over processes.
sub memory_kb
{
	my ($self, $field, @pids) = @_;
	my $sum = 0;

	foreach my $pid (@pids)
	{
		open my $status, '<', "/proc/$pid/status" or die "process $pid is gone\n";
		while (<$status>)
		{
			$sum += $1 if /^$field:\s+(\d+) kB/;
		}
	}
	return $sum;
}

# Start a program with its output on a pipe.
sub spawn
{
	my ($self, $name, @command) = @_;

	pipe my $reader, my $writer or die "pipe: $!\n";
	my $pid = fork // die "fork: $!\n";
	if ($pid == 0)
	{
		# an interrupt is for the runner, which then ends us by process id
		$SIG{$_} = 'DEFAULT' foreach qw(INT TERM HUP);
		setpgrp 0, 0;
		open STDIN, '<', '/dev/null';
		open STDOUT, '>&', $writer;
		exec @command or POSIX::_exit(127);
	}
	close $writer;
	$self->{children}{$pid} = 1;
	return { pid => $pid, name => $name, pipe => $reader, values => {}, text => '', rest => '' };
}

# Start one of the benchmark programs.
sub program
{
	my ($self, $name, %options) = @_;

	return $self->spawn($name, "$self->{programs}/$name",
		map { "--$_=$options{$_}" } sort keys %options);
}

# Read a program's output until a key appears (undef: until its end).
sub read_until
{
	my ($self, $child, $key, $limit) = @_;
	my $deadline = time + ($limit // 180);
	my $select = IO::Select->new($child->{pipe});

	until (defined $key && exists $child->{values}{$key})
	{
		my $left = $deadline - time;
		die "$child->{name} did not answer in time\n" if $left <= 0;
		next unless $select->can_read($left);
		my $got = sysread $child->{pipe}, my $chunk, 65536;
		next if !defined $got && $! == EINTR;
		die "$child->{name} ended early\n$child->{text}" if !$got && defined $key;
		last unless $got;
		$child->{text} .= $chunk;
		$child->{rest} .= $chunk;
		while ($child->{rest} =~ s/^(.*)\n//)
		{
			my ($name, $value) = split /=/, $1, 2;
			$child->{values}{$name} = $value if defined $value;
		}
	}
	return $child->{values};
}

# Wait for a program's end; returns its values.
sub finish
{
	my ($self, $child, $limit) = @_;

	$self->read_until($child, undef, $limit);
	1 while waitpid($child->{pid}, 0) < 0 && $! == EINTR;
	my $status = $?;
	delete $self->{children}{ $child->{pid} };
	die "$child->{name} failed (status $status)\n" . _tail("$self->{dir}/server.log")
	  if $status != 0;
	return $child->{values};
}

# Ask a program to end, and return its values.
sub end
{
	my ($self, $child) = @_;

	kill 'TERM', $child->{pid};
	return $self->finish($child);
}

# End a program that does not end by itself.
sub terminate
{
	my ($self, $child) = @_;

	kill 'TERM', $child->{pid};
	1 while waitpid($child->{pid}, 0) < 0 && $! == EINTR;
	delete $self->{children}{ $child->{pid} };
	return;
}

# Run a program to its end and return what it printed.
sub run
{
	my ($self, @command) = @_;
	my $child = $self->spawn($command[0], @command);

	$self->finish($child);
	return $child->{text};
}

# Last lines of a file, for error messages.
sub _tail
{
	my ($file) = @_;

	open my $in, '<', $file or return '';
	my @lines = <$in>;
	splice @lines, 0, -15 if @lines > 15;
	return join '', @lines;
}

1;
