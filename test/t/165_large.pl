# Large and long transactions (E12; a million messages: 012_million.pl), and a
# crash of the server while one is open.
#
# What an hour does to an open transaction is that its WAL is removed behind it;
# that takes a minute here.

use strict;
use warnings;

use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;
use Time::HiRes qw(time);

my $server = RealtimeServer->start_new('large', conf => <<'CONF');
max_wal_size = 160MB
realtime.max_message_size = 3000kB
realtime.idle_timeout = 10min
CONF
my $node = $server->node;
my $client = $server->member('room');
my $n = 0;

is($server->sql('SHOW wal_keep_size'), '80MB', 'half of max_wal_size is kept');

# Write so many megabytes of WAL that are nobody's, and have it removed as far as
# the server wishes.
sub others_write
{
	my ($megabytes) = @_;
	for (1 .. $megabytes / 16)
	{
		$server->sql(q{SELECT count(pg_logical_emit_message(false, 'filler', repeat('x', 1000000))) FROM generate_series(1, 16)});
	}
	$server->sql('CHECKPOINT');
	return;
}

# The oldest WAL that is there.
sub oldest_wal { return $server->sql(q{SELECT min(name) FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'}); }

# The numbers of the next messages.
sub numbers { return join ',', map { $_->{payload}{n} } $client->broadcasts(@_); }

#
# A hundred megabytes
#
{
	my $hub = $server->hub_pid;
	my $memory = $server->memory_kb($hub, 'RssAnon');
	my ($result, $out, $err) = $node->psql('postgres',
		q{SELECT realtime.send(jsonb_build_object('text', repeat('x', 100000000)), 'e', 'room', false)});
	isnt($result, 0, 'a payload of 100 MB is refused');
	like($err, qr/too large|exceed|larger/i, 'with a reason') or diag(substr $err, 0, 200);
	($result, $out, $err) = $node->psql('postgres',
		q{INSERT INTO realtime.messages (topic, extension, event, payload)
			VALUES ('room', 'broadcast', 'e', jsonb_build_object('text', repeat('x', 100000000)))});
	isnt($result, 0, 'an INSERT of it, too');

	# a hundred megabytes in one transaction, in messages that may be
	$server->sql(q{SELECT realtime.send(jsonb_build_object('n', i, 'text', repeat('x', 2500000)), 'e', 'room', false) FROM generate_series(1, 40) i});
	my ($next, $most) = (1, 0);
	my $whole = $client->each_payload(
		sub {
			my ($got) = $_[0] =~ /"n": ?(\d+)/;
			is($got, $next, 'out of order') if $got != $next;
			$next++;
			my $now = $server->memory_kb($hub, 'RssAnon');
			$most = $now if $now > $most;
			return $next <= 40;
		});
	ok($whole, '40 messages of 2.5 MB in one transaction arrive in order');
	cmp_ok($most - $memory, '<', 48 * 1024, sprintf 'the hub takes %d kB for it', $most - $memory);
	is($server->hub_pid, $hub, 'and is the same');
}

#
# Open for long
#
{
	my $open = $node->background_psql('postgres');
	my ($hub, $oldest) = ($server->hub_pid, oldest_wal());

	$open->query_safe(q{BEGIN; SELECT realtime.send('{"n": "before"}', 'e', 'room', false)});
	others_write(200);
	isnt(oldest_wal(), $oldest, 'the WAL in which a transaction began is removed behind it');
	my $start = time();
	$server->publish('room', ++$n);
	is(numbers(1), $n, sprintf 'others do not wait for it: %.0f ms', (time() - $start) * 1000);
	$open->query_safe(q{SELECT realtime.send('{"n": "after"}', 'e', 'room', false); COMMIT});
	is(numbers(2), 'before,after', 'it is delivered at its commit, whole and in order');
	is($server->stat('gaps'), 0, 'without a gap');
	$open->quit;
	is($server->hub_pid, $hub, 'by the same hub');
}
$server->cluster_alive('large and long transactions');

#
# The server crashes, and recovery ends with a checkpoint
#
# Who was there may have missed what was committed just before the crash.  An open
# transaction that began long before, within what is kept, is no reason to lose that.
{
	my $open = $node->background_psql('postgres', on_error_stop => 0, on_error_die => 0);
	my $epoch = $server->stat('epoch');

	$open->query(q{BEGIN; SELECT realtime.send('{"n": "never"}', 'e', 'room', false)});
	others_write(48);
	$server->publish('room', ++$n);
	my $cursor = $client->broadcast->{meta}{cursor};
	$server->publish('room', ++$n) for 1 .. 3;
	$node->stop('immediate');
	$node->start;
	$server->wait_until_healthy;
	undef $open;
	$client = $server->client;
	my $reply = $client->join('room', broadcast => { resume => $cursor });
	ok($reply->{payload}{response}{recovered}, 'after a crash a client recovers');
	is(numbers(3), join(',', $n - 2 .. $n), 'what was committed before it');
	is($server->stat('epoch'), $epoch, 'the epoch is the same');
	$server->publish('room', ++$n);
	is(numbers(1), $n, 'and what is new');
	$client->abandon;
}

$node->stop;
done_testing();
