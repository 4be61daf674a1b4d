# The wall clock jumps (reliability E22): an hour on, an hour back, in one step.
# Nothing that waits ends early or waits longer for it: jobs, what is queued for a
# gateway, restarts of workers and programs, batches of commits.  Only what is a
# date, the end of a token, comes when the clock says.  Order and cursors do not
# mind.
#
# And midnight passes (E25): while a transaction is open, and with no partition
# for the day that begins.

use strict;
use warnings;

use Preload;
use RealtimeServer;
use Test::More;
use Time::HiRes qw(sleep time);

my $server = Preload->shifted_server('clock', conf => <<'CONF');
realtime.executors = 1
realtime.statement_timeout = '10min'
realtime.max_send_queue = '64MB'
realtime.send_timeout = '60s'
CONF
my $node = $server->node;
my $clock = $server->{clock};

$server->sql(<<'SQL');
SELECT realtime.setup_api_roles();
CREATE POLICY all_may ON realtime.messages FOR SELECT TO anon USING (true);
-- Not pg_sleep() and no lock's timeout: PostgreSQL's own go by the wall clock.
CREATE FUNCTION spin() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	WHILE NOT pg_try_advisory_xact_lock_shared(1) LOOP END LOOP;
	RETURN true;
END $$;
CREATE POLICY slow ON realtime.messages AS RESTRICTIVE FOR SELECT TO anon
	USING (realtime.topic() NOT LIKE 'slow%' OR spin());
SQL

my $client = $server->client;
my $start = $client->join('room')->{payload}{response}{cursor};
my $published = 0;
$client->join('bulk');

# Publish and hear; $settings for the session.
sub hears
{
	my ($what, $settings) = @_;
	my $began = time();

	$server->sql(($settings // '') . qq{SELECT realtime.send('{"n": @{[ ++$published ]}}'::jsonb, 'e', 'room', false)});
	my $message = $client->broadcast;
	is($message && $message->{payload}{n}, $published, $what);
	return time() - $began;
}
hears('a message arrives');

my $long = $server->client;
is($long->join_result('long', access_token => $server->token(exp => time() + 90_000)), 'ok', 'a token for a day');
my $short = $server->client;
is($short->join_result('short', access_token => $server->token(exp => time() + 1800)), 'ok', 'a token for half an hour');

my $lock = $node->background_psql('postgres');
my $at = 0;
for my $shift (3600, 0, -3600, 0)
{
	my $jump = sprintf '%+d h', ($shift - $at) / 3600;
	my $failures = $server->stat('executor_failures');
	my $gateway_failures = $server->stat('gateway_failures');
	my $gateway = $server->gateway_pid;
	wait_for(sub { $server->stat('executors') == 1 }, 'the executor');
	my $executor = $server->sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'realtime executor'});
	my $other = $server->client;
	my ($worst, $took) = (0);

	# a job that runs, one that waits for the executor, and a gateway for which
	# something is queued
	$lock->query_safe('SELECT pg_advisory_lock(1)');
	my $asked = time();
	my @joins = map { $other->start_join("slow-$shift-$_", private => 1) } 1, 2;
	wait_for(sub { $server->stat('queued_jobs') == 1 }, 'a job to wait');
	kill 'STOP', $gateway;
	$server->sql(q{SELECT realtime.send(jsonb_build_object('n', n, 'x', repeat('x', 300000)), 'e', 'bulk', false) FROM generate_series(1, 8) n});
	$clock->set($shift);
	sleep 0.3;
	$lock->query_safe('SELECT pg_advisory_unlock(1)');
	kill 'CONT', $gateway;

	my $queued = 0;
	$client->each_payload(sub { $queued++ if length $_[0] > 300_000; return $queued < 8 });
	is($queued, 8, "$jump: what was queued arrives");
	is($server->gateway_pid, $gateway, "$jump: the gateway is the same");
	my $waited = time() - $asked;
	# PostgreSQL's own statement_timeout goes by the wall clock; and a job that has
	# truly waited for 8 s is given up
	my @answers = map { my $reply = $other->reply($_); $reply ? $reply->{payload}{response}{reason} // 'ok' : 'no reply' } @joins;
	is(scalar(grep { $_ eq 'ok' || $shift > $at && /^QueryCanceled/ || $waited > 7 && /^IncreaseConnectionPool/ } @answers), 2, "$jump: jobs under way are done, or cancelled by the server")
	  or diag("@answers");
	is($server->sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'realtime executor'}), $executor,
		"$jump: the executor is the same");
	is(abs($server->sql('SELECT extract(epoch FROM clock_timestamp())') - time() - $shift) < 60, 1, "$jump: the clock has jumped");

	$took = hears("$jump: a message arrives") foreach 1 .. 3;
	$took = hears("$jump: one of an asynchronous commit arrives", 'SET synchronous_commit = off; ');
	ok($_->heartbeat, "$jump: connections go on") for $client, $long, $other;

	# What ends is started again without delay.
	my $began = time();
	$server->sql("SELECT pg_terminate_backend($executor)");
	wait_for(sub { $server->sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'realtime executor' AND pid <> $executor") }, 'another executor');
	wait_for(sub { $server->stat('executors') == 1 }, 'it to be ready');
	$worst = time() - $began;
	cmp_ok($worst, '<', 5, "$jump: an executor is started again");
	$began = time();
	wait_for(sub { $server->stat('record_backlog') == 0 }, 'commits to be recorded');
	cmp_ok(time() - $began, '<', 5, "$jump: commits are recorded");
	is($server->stat('gateway_failures'), $gateway_failures, "$jump: no gateway was given up");
	like($server->sql('SELECT lag_ms FROM realtime.status()'), qr/^0/, "$jump: there is no lag");
	like($short->channel_end('short', 5), qr/^Token has expired/, "$jump: a token ends when the clock says") if $shift == 3600;
	$other->abandon;
	$at = $shift;
	note sprintf '%s: the last message after %.0f ms, an executor after %.0f ms', $jump, $took * 1000, $worst * 1000;
}
ok($long->heartbeat, 'who has a token for a day was never closed');

# The past in its order, whatever the clock said
{
	my $again = $server->client;
	my $reply = $again->join('room', broadcast => { resume => $start });
	my @expected = map { $_->[0] } @{ JSON::PP::decode_json($server->sql(q{
		SELECT json_agg(json_build_array(m.payload -> 'n') ORDER BY c.lsn, m.number) FROM realtime.messages m JOIN realtime.commits c ON c.xid = m.xid
		WHERE m.topic = 'room'})) };
	my @got = map { $_->{payload}{n} } $again->broadcasts(scalar @expected);

	is($reply->{payload}{response}{recovered}, 1, 'a cursor from before all of this is good');
	is_deeply(\@got, \@expected, 'and what came since comes once, in its order');
	note scalar @got . ' messages resumed across four jumps';
}
$lock->quit;
$server->cluster_alive('after the clock has jumped');

#
# Midnight
#
{
	my $seconds = $server->sql(q{SELECT 86400 - extract(epoch FROM (now() AT TIME ZONE 'UTC')::time)});
	my ($today, $tomorrow) = map { $server->sql("SELECT to_char((now() AT TIME ZONE 'UTC')::date + $_, 'YYYY_MM_DD')") } 0, 1;

	$client = $server->member('midnight');
	$clock->set($seconds - 30);
	$server->sql("SELECT realtime.drop_partition('realtime.messages_$tomorrow')");
	my $writer = $node->background_psql('postgres');
	$writer->query_safe(q{BEGIN; SELECT realtime.send('{"n": 1}'::jsonb, 'e', 'midnight', false)});
	$clock->set($seconds + 30);
	$writer->query_safe(q{SELECT realtime.send('{"n": 2}'::jsonb, 'e', 'midnight', false)});
	$server->sql(q{SELECT realtime.send('{"n": 3}'::jsonb, 'e', 'midnight', false)});
	is($client->broadcast->{payload}{n}, 3, 'after midnight, without a partition: a message arrives');

	# the transaction keeps maintenance waiting, and that must keep nobody else
	my $maintenance = $node->background_psql('postgres', on_error_stop => 0);
	$maintenance->{stdin} .= "SELECT realtime.maintain();\n\\echo maintained\n";
	$maintenance->{run}->pump_nb;
	sleep 0.5;
	my $began = time();
	$server->sql(q{SET lock_timeout = '20s'; SELECT realtime.send('{"n": 4}'::jsonb, 'e', 'midnight', false)});
	my $waited = time() - $began;
	is($client->broadcast->{payload}{n}, 4, 'while a transaction of yesterday is open others go on');
	cmp_ok($waited, '<', 5, 'without waiting for its end');
	$writer->query_safe('COMMIT');
	is_deeply([ map { $_->{payload}{n} } $client->broadcasts(2) ], [ 1, 2 ], 'a transaction across midnight is delivered whole');
	$writer->quit;
	$maintenance->quit;
	$server->sql('SELECT realtime.maintain()');
	is($server->sql("SELECT array_agg(payload -> 'n' ORDER BY id) FROM realtime.messages_$today WHERE topic = 'midnight'"), '{1}', 'the first is in the partition of its day');
	is($server->sql("SELECT array_agg(payload -> 'n' ORDER BY payload -> 'n') FROM realtime.messages_$tomorrow WHERE topic = 'midnight'"), '{2,3,4}', 'the others in one that was made then');
	is($client->broadcast(0), undef, 'which tells nobody anything twice');
	note sprintf 'while maintenance waited a message took %.0f ms', $waited * 1000;
}
$server->cluster_alive('after midnight');
done_testing();
