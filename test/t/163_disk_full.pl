# A disk that is full (E5): that of the data, of the log, of the WAL.  Who sends
# gets an error, no worker of ours minds, clients stay, and when there is room
# again messages flow without a restart.  Only a full disk of the WAL ends the
# server, as PostgreSQL does then with all that is in it; nothing that was
# committed is missed by those who come back.

use strict;
use warnings;

use Namespace 'mount';

use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;

# Size of the disk of each, in MB.
my %disk = (data => 160, wal => 80, log => 1);

my $server = RealtimeServer->new('full', conf => <<'CONF');
logging_collector = on
log_directory = 'small_log'
log_filename = 'postgresql.log'
realtime.idle_timeout = 10min
min_wal_size = 32MB
max_wal_size = 32MB
CONF
my $node = $server->node;
my $data = $node->data_dir;

# Move the data to disks of their own.
my %path = (data => $data, wal => "$data/pg_wal", log => "$data/small_log");
rename $data, "$data.before" or die "rename: $!";
mkdir $data, 0700;
Namespace::small_disk($data, $disk{data});
system('cp', '-a', "$data.before/.", $data) == 0 or die 'cp';
for my $name (qw(wal log))
{
	mkdir $path{$name}, 0700;
	Namespace::small_disk($path{$name}, $disk{$name});
}
system('cp', '-a', "$data.before/pg_wal/.", $path{wal}) == 0 or die 'cp';
$server->start;

my $hub = $server->hub_pid;
my $gateway = $server->gateway_pid;
my $client = $server->member('room');
my $n = 0;

# Bytes that are free.
sub free_bytes
{
	my ($disk) = @_;
	my ($blocks) = (split /\n/, `df --block-size=1 --output=avail $path{$disk}`)[1] =~ /(\d+)/;
	return $blocks;
}

# Fill a disk to the last byte; make_room() undoes it.
sub fill
{
	my ($disk) = @_;
	open my $file, '>', "$path{$disk}/filler" or die "filler: $!";
	my $page = 'x' x 4096;
	1 while syswrite $file, $page;
	close $file;
	return free_bytes($disk) < 4096;
}

sub make_room
{
	my ($disk) = @_;
	unlink "$path{$disk}/filler" or die "filler: $!";
	return;
}

# Send, and what psql says of errors; '' when all went well.
sub send_large
{
	my ($count) = @_;
	my ($result, $out, $err) = $node->psql('postgres',
		qq{SELECT realtime.send(jsonb_build_object('n', @{[ ++$n ]}, 'text', string_agg(md5(i::text), '')), 'e', 'room', false)
			FROM generate_series(1, $count) i});
	return $result == 0 ? '' : $err;
}

# When a process began of which there is a new one after a crash.  The log cannot
# tell: it is on a disk that gets full.
sub began { return $server->sql(q{SELECT min(backend_start) FROM pg_stat_activity WHERE backend_type = 'checkpointer'}); }
my $began = began();

# All is as it was, and a client that was there before hears.
sub serves
{
	my ($what) = @_;

	$server->publish('room', ++$n);
	my $message = $client->broadcast;
	$message = $client->broadcast while $message && !exists $message->{close} && $message->{payload}{n} < $n;
	is($message && $message->{payload}{n}, $n, "$what: a client hears");
	is($server->hub_pid, $hub, "$what: the hub is the same");
	is($server->gateway_pid, $gateway, "$what: so is the gateway");
	is(began(), $began, "$what: cluster alive");
	return;
}

serves('at first');

#
# The disk of the data
#
{
	ok(fill('data'), 'the disk of the data is full');
	my ($sent, $error) = (0, '');
	while ($sent < 200 && !$error) { $error = send_large(20_000); $sent++ unless $error; }
	like($error, qr/could not (extend|write).*No space left on device/s, "after $sent messages who sends is told so");
	ok($client->heartbeat, 'clients stay');
	ok($server->healthy, 'and the gateway is well');
	is($server->hub_pid, $hub, 'the hub is the same');
	make_room('data');
	is(send_large(20_000), '', 'there is room: the next one is sent');
	serves('the disk of the data was full');
}

#
# That of the log
#
{
	ok(fill('log'), 'the disk of the log is full');
	# each of these writes to it
	$server->sql(q{DO $$ BEGIN RAISE LOG 'a line'; END $$}) for 1 .. 5;
	$server->sql(q{SELECT pg_logical_emit_message(true, 'realtime', 'forged')});
	$server->reconfigure('realtime.idle_timeout' => '9min');
	serves('the disk of the log is full');
	make_room('log');
	serves('there is room for the log again');
}

#
# That of the WAL
#
{
	ok(fill('wal'), 'the disk of the WAL is full');
	# what there is of segments has to be used up first
	my $last = 0;
	for my $try (1 .. 200)
	{
		my $id = $n + 1;
		last unless defined $server->try_sql(qq{SELECT realtime.send(jsonb_build_object('n', $id, 'text', repeat(md5(random()::text), 20000)), 'e', 'room', false)});
		$last = ++$n;
	}
	my $cursor;
	my @heard;
	while (my $message = $client->broadcast(5))
	{
		last if exists $message->{close};
		$cursor = $message->{meta}{cursor} // $cursor;
		push @heard, $message->{payload}{n};
	}
	ok($client->wait_eof, 'the server ends, and with it the connection');
	cmp_ok($heard[-1], '<=', $last, "of $last that were committed it has heard " . $heard[-1]);
	wait_for(sub { !$server->process_alive($hub) && !$server->process_alive($gateway) }, 'ours to be gone');
	my $postmaster = $node->{_pid};
	make_room('wal');
	# it may be about to give up, or to start anew
	my $back = wait_for(
		sub {
			if (!$server->process_alive($postmaster))
			{
				$node->_update_pid(-1);
				undef $node->{_pid};
				$node->start(fail_ok => 1) or return;
				$postmaster = $node->{_pid};
			}
			return $server->healthy && defined $server->try_sql('SELECT 1');
		},
		'the server to be back');
	ok($back, 'there is room: the server is back');
	my $stored = $server->sql(q{SELECT max((payload ->> 'n')::int) FROM realtime.messages});
	is($stored, $last, 'with all that was committed');

	my $again = $server->client;
	my $reply = $again->join('room', broadcast => { resume => $cursor });
	ok($reply->{payload}{response}{recovered}, 'a client comes back with its cursor');
	my @rest = map { $_->{payload}{n} } $again->broadcasts($last - $heard[-1]);
	is_deeply(\@rest, [ $heard[-1] + 1 .. $last ], 'and hears ' . @rest . ' that it has missed');
	$again->abandon;
}

$node->stop;
done_testing();
