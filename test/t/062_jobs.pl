# Jobs that wait for an executor: how many may wait, for how long, which comes
# first, and that every one of them is answered, whatever ends.
#
# The policy waits for a lock that the test holds, so the test decides how long
# a decision takes.  There is one executor.

use strict;
use warnings;

use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;
use Time::HiRes qw(time);

my $busy = qr/^IncreaseConnectionPool/;
my $unavailable = qr/^UnableToConnectToProject/;
my $canceled = qr/^QueryCanceled/;

my $server = RealtimeServer->start_new('jobs', conf => <<'CONF');
realtime.executors = 1
realtime.max_queued_jobs = 10
realtime.statement_timeout = 60s
realtime.lock_timeout = 60s
CONF
my $node = $server->node;

$server->sql(<<'SQL');
SELECT realtime.setup_api_roles();
CREATE POLICY waits ON realtime.messages FOR SELECT TO anon
	USING (pg_advisory_xact_lock_shared(split_part(realtime.topic(), ':', 1)::int) IS NOT NULL);
SQL

# A session that holds the locks that topics like "1:..." wait for.  It is asked how
# things stand, too: jobs wait for 8 s, and each new session takes some of that.
my $session = $node->background_psql('postgres');
$session->set_query_timer_restart;

sub hold { $session->query_safe("SELECT pg_advisory_lock($_)") for @_; return; }
sub release { $session->query_safe("SELECT pg_advisory_unlock($_)") for @_; return; }

# Wait until so many jobs wait, beside the one that runs.  One of the hub's own may be
# among them, which it has now and then, and stays there as long as that one runs.
sub wait_for_queue
{
	my ($n) = @_;

	wait_for(
		sub {
			my $queued = $session->query_safe(q{SELECT counters ->> 'queued_jobs' FROM realtime.status()});
			return $queued == $n || $queued == $n + 1;
		},
		"$n jobs to wait");
	return;
}

# Wait until the executor waits for the lock.
sub wait_for_run
{
	wait_for(
		sub {
			$session->query_safe(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'realtime executor' AND wait_event = 'advisory'});
		},
		'the executor to wait for the lock');
	return;
}

# What came of a join that was started.
sub result
{
	my ($client, $ref, $timeout) = @_;
	my $reply = $client->reply($ref, $timeout) or return 'no reply';
	return $reply->{payload}{status} eq 'ok' ? 'ok' : $reply->{payload}{response}{reason};
}

sub start_joins
{
	my ($client, @topics) = @_;
	return map { $client->start_join($_, private => 1) } @topics;
}

my $client = $server->client;
is($client->join_result('1:first', private => 1), 'ok', 'a private join is a job');

#
# As many as may wait
#
{
	my $busy_before = $server->stat('jobs_busy');

	hold(1);
	my @refs = start_joins($client, '1:running');
	wait_for_run();
	push @refs, start_joins($client, map { "1:$_" } 1 .. 29);
	wait_for_queue(10);
	like(result($client, $_), $busy, 'one too many: come back later') for @refs[ 11 .. 29 ];
	is($server->stat('jobs_busy') - $busy_before, 19, 'all of them are counted');

	my $member = $server->member('public');
	$server->publish('public', 1);
	is($member->broadcast->{payload}{n}, 1, 'public channels do not wait');
	is($client->reply($refs[0], 0), undef, 'while the others do');

	release(1);
	is(result($client, $_), 'ok', 'the others are answered when it goes on') for @refs[ 0 .. 10 ];
	# the message that was published is a job, too
	wait_for(sub { $server->stat('record_backlog') == 0 }, 'the commit to be recorded');
	is($server->stat('queued_jobs'), 0, 'none waits any more');
}

#
# In which order
#

# A call with a key that could be one; its answer is read with http().
sub start_call
{
	my $body = '{"agentId": "nobody", "conversationId": "1"}';
	my $http = WebSocketClient->connect(port => $server->port, upgrade => 0);

	$http->send_raw("POST /functions/v1/realtime-publish HTTP/1.1\r\nHost: localhost\r\n"
		  . 'x-api-key: rtk_' . '0' x 64 . "\r\n"
		  . 'Content-Type: application/json' . "\r\nContent-Length: " . length($body) . "\r\n\r\n$body");
	return $http;
}

{
	hold(2, 3, 8);
	my ($running) = start_joins($client, '2:running');
	wait_for_run();
	my ($next) = start_joins($client, '3:next');
	wait_for_queue(1);
	my ($last) = start_joins($client, '8:last');
	wait_for_queue(2);

	# both come later than the joins that wait
	my $xid = $session->query_safe(q{SELECT pg_current_xact_id() FROM realtime.send('{}'::jsonb, 'e', 'room', false)});
	wait_for_queue(3);
	my $call = start_call();
	wait_for_queue(4);

	release(2);
	is(result($client, $running), 'ok', 'the job that runs ends');
	wait_for(sub { $session->query_safe("SELECT count(*) FROM realtime.commits WHERE xid = '$xid'") }, 'the commit to be recorded');
	is($client->reply($next, 0), undef, 'commits are recorded before joins are decided');
	release(3);
	my $answer = $call->http;
	is($answer && $answer->[0], 401, 'calls are answered between joins');
	wait_for_run();
	is($client->reply($last, 0), undef, 'of which one waits still');
	is(result($client, $next), 'ok', 'each is decided');
	release(8);
	is(result($client, $last), 'ok', 'in its turn');
}

# As many calls as there is room for leave room for joins.
{
	hold(9);
	my ($running) = start_joins($client, '9:running');
	wait_for_run();
	my @calls;
	for my $n (1 .. 5)
	{
		push @calls, start_call();
		wait_for_queue($n);
	}
	my $refused = start_call()->http;
	is($refused && $refused->[0], 503, 'one call too many: come back later');
	my @joins = start_joins($client, map { "9:$_" } 1 .. 10);
	wait_for_queue(15);
	release(9);
	is(result($client, $_), 'ok', 'joins have room of their own') for $running, @joins;
	for my $call (@calls)
	{
		my $answer = $call->http;
		is($answer && $answer->[0], 401, 'calls that waited are answered');
	}
}

#
# For how long
#
{
	hold(4);
	my $start = time();
	my ($running, @waiting) = start_joins($client, '4:running', '4:a', '4:b');

	like(result($client, $_, 30), $busy, 'who has waited for too long is to come back') for @waiting;
	my $waited = time() - $start;
	ok($waited > 7.5 && $waited < 9.9, sprintf 'before the client gives up: after %.1f s', $waited);
	is($client->reply($running, 0), undef, 'the one that runs, runs');
	release(4);
	is(result($client, $running), 'ok', 'and is answered');
}

#
# Nobody waits for them any more
#
{
	my $gateway = $server->gateway_pid;
	my $done = $server->stat('jobs_done');

	hold(5);
	start_joins($client, map { "5:$_" } 1 .. 6);
	wait_for_run();
	wait_for_queue(5);
	kill 'KILL', $gateway;
	wait_for_queue(0);
	pass('when a gateway is gone its jobs are forgotten');
	release(5);
	wait_for(sub { $server->stat('jobs_done') > $done }, 'the job to end that ran');
	$server->wait_until_healthy;
	$client = $server->client;
	is($client->join_result('5:again', private => 1), 'ok', 'and nobody hears of the one that ran');
	# but for one of the hub's own now and then
	cmp_ok($server->stat('jobs_done'), '<', $done + 2 + 5, 'and those that waited were not run');
}

#
# The executor ends
#
{
	hold(6);
	my ($running, $waiting) = start_joins($client, '6:running', '6:waiting');
	wait_for_run();
	wait_for_queue(1);
	$server->sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'realtime executor'});
	like(result($client, $running), $unavailable, 'its job is answered');
	is($client->reply($waiting, 0), undef, 'those that wait');
	release(6);
	is(result($client, $waiting), 'ok', 'are left to the next one');
}

# Stopped, it hears of no timeout.
{
	# the number of executors shows that the hub has read its settings again
	$server->reconfigure('realtime.statement_timeout' => '1s', 'realtime.executors' => 2);
	wait_for(sub { $server->stat('executors') == 2 }, 'another executor');
	$server->reconfigure('realtime.executors' => 1);
	wait_for(sub { $server->stat('executors') == 1 }, 'it to end');

	my $failures = $server->stat('executor_failures');
	my $stopped = $server->sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'realtime executor'});
	is($client->join_result('6:before', private => 1), 'ok', 'before it is stopped it does its job');
	kill 'STOP', $stopped;
	my $start = time();
	like($client->join_result('6:stuck', private => 1), $canceled, 'a job that does not end is answered');
	cmp_ok(time() - $start, '<', 8, 'in time');
	kill 'CONT', $stopped;
	is($client->join_result('6:after', private => 1), 'ok', 'by another executor than that');
	isnt($server->sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'realtime executor'}), $stopped, 'which was terminated');
	cmp_ok($server->stat('executor_failures'), '>', $failures, 'and counted');
}

#
# There is none
#
{
	$server->reconfigure('realtime.executors' => 0);
	wait_for(sub { $server->stat('executors') == 0 }, 'the executor to end');
	my $unavailable_before = $server->stat('jobs_unavailable');
	my $start = time();
	like($client->join_result('7:none', private => 1), $unavailable, 'without executors private channels are refused');
	cmp_ok(time() - $start, '<', 5, 'at once');
	is($server->stat('jobs_unavailable'), $unavailable_before + 1, 'and that is counted');
	is($client->join_result('public'), 'ok', 'public ones are not');
	$server->reconfigure('realtime.executors' => 1);
	wait_for(sub { $server->stat('executors') == 1 }, 'an executor');
	is($client->join_result('7:one', private => 1), 'ok', 'until there is one again');
}

$session->quit;
$server->cluster_alive('after all of that');

done_testing();
