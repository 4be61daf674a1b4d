# Memory is short (reliability E21): whatever allocation of our own code fails, an
# error is what comes of it.  A session's statement fails and its transaction is
# rolled back; a job fails and its client is told; the hub ends and is started
# again; a gateway closes what it has no memory for, or ends and is started
# again.  No process crashes, nothing is told that is not so, and nothing lost.
#
# Allocation n fails, for n = 1, 2, 3 ... until there are not so many.  Where each
# failure costs a restart some of them are taken; FAULT_EVERY=1 takes them all.

use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Preload;
use RealtimeServer;
use Test::More;
use Time::HiRes qw(time);

my $server = Preload->faulty_server('memory', conf => <<'CONF');
realtime.executors = 1
realtime.capture = 'always'
CONF
my $faults = $server->{faults};
my $node = $server->node;

# How many failures are tried where each costs a restart.
my $restarts = 8;

$server->sql(<<'SQL');
SELECT realtime.setup_api_roles();
CREATE POLICY all_may ON realtime.messages TO anon USING (true) WITH CHECK (true);
INSERT INTO realtime.channels (pattern) VALUES ('open');
CREATE TABLE followed (n int PRIMARY KEY, note text);
INSERT INTO followed VALUES (0, 'note');
ALTER PUBLICATION supabase_realtime ADD TABLE followed;
SQL

# Arm for n = 1, 1 + step ... and run.  Returns how many have failed, and how many
# allocations there were to choose from.
#
# Whose they are may change from one failure to the next: then it is a function
# that tells.
sub each_fault
{
	my ($whose, $most, $run) = @_;
	my $arm = sub { $faults->arm(ref $whose eq 'CODE' ? $whose->() : %$whose, @_) };
	my ($failed, $step) = (0, 1);

	if ($most)
	{
		$arm->(n => 1_000_000_000);
		$run->(0);
		$faults->disarm;
		$step = $ENV{FAULT_EVERY} // (int($faults->granted / $most) || 1);
	}
	for (my $n = 1;; $n += $step)
	{
		$arm->(n => $n);
		$run->($n);
		return ($failed, $n - 1) if !$faults->disarm;
		$failed++;
	}
}

# A client that hears, whatever became of the one before.
sub hearing_client
{
	return wait_for(sub {
		my $candidate = eval { $server->member('room') } or return undef;
		$server->publish('room', 0);
		my $message = $candidate->broadcast(5);
		return $message && !exists $message->{close} && $candidate;
	}, 'a client to hear');
}

#
# A session that sends
#
{
	my $client = $server->member('room');
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	my ($pid) = $session->query('SELECT pg_backend_pid()') =~ /(\d+)/;
	my $n = 0;
	my @sent;

	for (
		[ 'send', q{SELECT realtime.send('{"n": %d}'::jsonb, 'e', 'room', false)} ],
		[ 'send of 10 kB', q{SELECT realtime.send(jsonb_build_object('n', %d, 'x', repeat('x', 10000)), 'e', 'room', false)} ],
		[ 'INSERT', q{INSERT INTO realtime.messages (topic, extension, event, payload) VALUES ('room', 'broadcast', 'e', '{"n": %d}')} ],
		[ 'broadcast_changes', q{SELECT realtime.broadcast_changes('other', 'e', 'INSERT', 'followed', 'public', f, NULL) FROM (SELECT * FROM followed LIMIT 1) f} ],
		[ 'publish', q{SELECT realtime.publish('open', 'e', '{"n": %d}')} ],
		[ 'a followed table', q{INSERT INTO followed VALUES (%d, 'note')} ],
		[ 'two-phase commit', q{BEGIN; SELECT realtime.send('{"n": %d}'::jsonb, 'e', 'room', false); PREPARE TRANSACTION 'p'; COMMIT PREPARED 'p'} ],
		[ 'status', 'SELECT * FROM realtime.status()' ])
	{
		my ($name, $sql) = @$_;
		my @wrong;
		my ($failed) = each_fault({ pid => $pid }, 0, sub {
			$n++;
			my $text = $sql =~ s/%d/$n/r;

			$session->{stderr} = '';
			$session->query($text);
			my $error = $faults->failed ? qr/ERROR:  out of memory/ : qr/^$/;
			push @wrong, "$n: $session->{stderr}" if $session->{stderr} !~ $error;
			push @sent, $n if !$faults->failed && $sql =~ /'room'/;
		});
		is("@wrong", '', "$name: an error is what comes of it");
		note "$name: $failed allocations have failed";
	}
	is_deeply([ map { $_->{payload}{n} } $client->broadcasts(scalar @sent) ], \@sent, 'what did not fail was told, once and in order');
	is($server->sql('SELECT count(*) FROM realtime.messages WHERE topic = $$room$$'), scalar @sent, 'and nothing else is there');
	$server->publish('room', 'null');
	is($client->broadcast->{payload}{n}, undef, 'nor was anything else told');
	$session->quit;
}

#
# Jobs
#
{
	my $client = $server->member('room');
	my $cursor = $client->join('room')->{payload}{response}{cursor};
	my $failures = $server->stat('executor_failures');
	my %answers;
	my $jobs = 0;

	$server->publish('room', $_) for 1 .. 3;
	$client->broadcasts(3);
	wait_for(sub { $server->stat('record_backlog') == 0 }, 'the commits to be recorded');
	for (
		[ 'a private join', sub { $client->join_result("secret-$_[0]", private => 1) =~ s/:.*//sr } ],
		[ 'a resume', sub {
			my $reply = $client->join('room', broadcast => { resume => $cursor }) // return 'no reply';
			my $response = $reply->{payload}{response};
			return $response->{reason} // 'ok';
		} ],
		[ 'a broadcast to be stored', sub {
			my ($status) = @{ $client->{rest}->($_[0]) };
			return $status == 202 ? 'ok' : $status;
		} ])
	{
		my ($name, $run) = @$_;
		my %came;

		$client->{rest} = sub {
			my $rest = $server->client(upgrade => 0);
			my $body = qq({"messages": [{"topic": "secret", "event": "e", "payload": {"n": $_[0]}, "private": true}]});
			my $answer = $rest->http("POST /api/broadcast HTTP/1.1\r\nHost: a\r\napikey: " . $server->anon_token
				  . "\r\nContent-Type: application/json\r\nContent-Length: " . length($body) . "\r\n\r\n$body");
			$rest->abandon;
			return $answer // ['none'];
		};
		my ($failed, $of) = each_fault({ worker => 'realtime executor' }, 0, sub {
			wait_for(sub { $server->stat('executors') == 1 }, 'an executor');
			$came{ $run->(++$jobs) }++;
		});
		ok($came{ok}, "$name: in the end it is done");
		ok(!$came{none} && !$came{'no reply'}, "$name: each is answered");
		ok($client->heartbeat, "$name: the connection goes on");
		note "$name: $failed allocations have failed; answers: " . join(', ', map { "$came{$_} x $_" } sort keys %came);
	}
	note 'executors that have ended: ' . ($server->stat('executor_failures') - $failures);
}

#
# The hub: at work, and when it starts
#
{
	my $client = hearing_client();
	my $heard = 0;
	my ($failed, $of) = each_fault({ worker => 'realtime hub' }, $restarts, sub {
		$server->publish('room', 1);
		my $message = $client->broadcast(5);
		eval {
			my $other = $server->client;
			$other->join('another', private => 1);
			$other->join('watched', presence => 1);
		};
		$client = hearing_client();
		$heard++;
	});
	is($heard, $failed + 2, 'the hub at work: each time clients hear again');
	note "the hub at work: $failed of $of allocations have failed, each ended it: " . $server->stat('hub_starts') . ' starts';
}
for my $times (1, 4)
{
	my $start = time();
	my ($failed, $of) = each_fault({ worker => 'realtime hub', times => $times }, $restarts / 4, sub {
		my $hub = wait_for(sub { $server->hub_pid }, 'a hub');

		$server->sql("SELECT pg_terminate_backend($hub)");
		wait_for(sub { my $now = $server->hub_pid; $now && $now != $hub }, 'another hub');
		hearing_client();
	});
	pass("the hub when it starts, $times in a row: it is started again");
	note sprintf '%d failures of %d in %.1f s', $failed, $of, time() - $start;
}

#
# The gateway
#
{
	my ($ended, $n) = (0, 0);
	my $bystander = hearing_client();
	my $workload = sub {
		my $client = eval { $server->client } or return;

		$client->join('another', private => 1);
		$client->join('watched', presence => 1);
		$server->publish('another', 1);
		$client->heartbeat(1);
		$client->abandon;
	};
	my ($failed, $of) = each_fault(sub { pid => $server->gateway_pid }, $restarts, sub {
		my $gateway = $server->gateway_pid;

		$workload->();
		$ended++ if $server->gateway_pid != $gateway;
		$server->wait_until_healthy;
	});
	my $client = hearing_client();
	pass('a gateway: clients hear again');
	note "a gateway: $failed of $of allocations have failed, $ended have ended it";
}
# Signal 9 is the hub's own, for a gateway whose frame it had no memory to take.
unlike(slurp_file($node->logfile), qr/has ended with signal (?!9\b)/, 'no gateway has crashed');
$server->cluster_alive('after memory was short');
$node->stop;

#
# A gateway that may have 200 MB of addresses, and clients that want more: each
# sends the beginning of a large message.
#
{
	my $small = Preload->limited_server('small', '-v 200000', conf => "realtime.max_frame_size = '8MB'\n");
	my $gateway = $small->gateway_pid;
	my $bystander = $small->member('room');
	my $piece = WebSocketClient::frame(WebSocketClient::TEXT, 'x' x (7 * 1024 * 1024), length => 8 * 1024 * 1024 - 1);
	my @greedy;

	for (1 .. 40)
	{
		my $client = eval { $small->client } // last;
		$client->send_raw($piece);
		push @greedy, $client;
	}
	my $closed = grep { $_->eof || defined $_->close_code(0) } @greedy;
	ok($closed > 0, 'who wants too much is closed');
	ok($bystander->heartbeat, 'others are served');
	$small->publish('room', 1);
	is($bystander->broadcast->{payload}{n}, 1, 'and hear');
	is($small->gateway_pid, $gateway, 'by the same gateway');
	note sprintf '%d clients wanted 8 MB each, %d were closed; the gateway has %d MB of addresses', scalar @greedy, $closed, $small->memory_kb($gateway, 'VmSize') / 1024;
	$small->cluster_alive('with a limit on its gateway');
}
done_testing();
