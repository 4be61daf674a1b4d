# Chaos: 16 writers with rollbacks, savepoints, two-phase commits and a long
# transaction; 50 clients that are cut off at random and come back with their
# cursors; gateways, executors, the hub and the server are ended, killed and
# restarted.  In the end every client has heard every message of its topic that
# is in the table, once, and all in one order; only what had to restart the
# server did so; and memory and descriptors are what they were without clients.
#
# Two controls do what must not go unnoticed: one client comes back without its
# cursor and misses messages, another one with an old cursor and hears some twice.
#
# A long run consists of rounds, each of which ends with the verdict, because
# what 50 clients have heard in an hour is too much to keep.
#
#	CHAOS_SECONDS	how long (default 50); make chaos SECONDS=3600
#	CHAOS_SEED		repeats the choices of a run, as far as these are ours

use strict;
use warnings;

use IO::Select;
use IPC::Run;
use List::Util qw(max sum0);
use MIME::Base64 qw(decode_base64url);
use POSIX ();
use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;
use Time::HiRes qw(time sleep);

my $seconds = $ENV{CHAOS_SECONDS} // 50;
my $seed = $ENV{CHAOS_SEED} // int(time() * 1000) % 1_000_000;
my $writers = 16;
my $clients = 50;
my $rate = 100; # transactions a second
my @topics = qw(open room secret);
my $longest_round = 120;
my $rounds = POSIX::ceil($seconds / $longest_round);
my $report_every = 30;

srand $seed;
diag "CHAOS_SEED=$seed, $seconds s";

# On a machine with much else to do history takes its time, and clients are silent.
my $server = RealtimeServer->start_new('chaos', conf => <<'CONF');
realtime.gateways = 3
realtime.max_resume_messages = 1000000
realtime.idle_timeout = 10min
realtime.statement_timeout = 60s
fsync = on
CONF
my $node = $server->node;
$server->sql(q{SELECT realtime.setup_api_roles();
	CREATE POLICY all_may_read ON realtime.messages FOR SELECT TO anon USING (true)});

#
# Writers
#
my $send = q{realtime.send('{"w": %s, "n": %s}', 'e', (ARRAY['open', 'room', 'secret'])[1 + :n %% 3], :n %% 3 = 2)};
my %scripts = (
	plain => [ 6, 'SELECT ' . sprintf($send, ':w', ':n') . ';' ],
	off => [ 2, "BEGIN;\nSET LOCAL synchronous_commit = off;\nSELECT " . sprintf($send, ':w', ':n') . ";\nCOMMIT;" ],
	rollback => [ 2, "BEGIN;\nSELECT " . sprintf($send, '-1', ':n') . ";\nROLLBACK;" ],
	savepoint => [ 2, "BEGIN;\nSELECT " . sprintf($send, ':w', ':n') . ";\nSAVEPOINT s;\nSELECT " . sprintf($send, '-1', ':n')
		  . ";\nROLLBACK TO s;\n\\set n :n + 1\nSELECT " . sprintf($send, ':w', ':n') . ";\nCOMMIT;" ],
	prepared => [ 2, "BEGIN;\nSELECT " . sprintf($send, ':w', ':n') . ";\nPREPARE TRANSACTION 'g:w_:n';\nCOMMIT PREPARED 'g:w_:n';" ],
	abandoned => [ 1, "BEGIN;\nSELECT " . sprintf($send, '-1', ':n') . ";\nPREPARE TRANSACTION 'a:w_:n';\nROLLBACK PREPARED 'a:w_:n';" ],
	many => [ 1, "BEGIN;\nSELECT realtime.send(jsonb_build_object('w', :w, 'n', :n + i * 0.01), 'e', 'room', false) FROM generate_series(1, 15) i;\nCOMMIT;" ],
);
my @pgbench = ('pgbench', '-n', '-M', 'simple', '-c', $writers, '-j', 1, '-R', $rate, '-D', 'n=0');
for my $name (sort keys %scripts)
{
	my ($weight, $sql) = @{ $scripts{$name} };
	my $file = $node->basedir . "/$name.sql";
	append_to_file($file, "\\set n :n + 1\n\\set w :run * 1000 + :client_id\n$sql\n");
	push @pgbench, '-f', "$file\@$weight";
}
my $run = 0;
my $bench;
my ($bench_in, $bench_out) = ('', '');

# Start the writers, under names of their own.
sub write_on
{
	$run++;
	($bench_in, $bench_out) = ('', '');
	$bench = IPC::Run::start([ @pgbench, '-D', "run=$run", '-T', $longest_round + 60, $node->connstr('postgres') ],
		'<', \$bench_in, '>&', \$bench_out);
	return;
}

# Have they ended, for whatever reason?
sub writers_ended { return !$bench || !$bench->pumpable; }

# One transaction that is open for long.
my $long;
my $long_n = 0;

sub open_long
{
	$long = eval { $node->background_psql('postgres', on_error_stop => 0, on_error_die => 0) };
	eval { $long->query(sprintf q{BEGIN; SELECT realtime.send('{"w": 999999, "n": %d}', 'e', 'open', false)}, ++$long_n) } if $long;
	return;
}

sub commit_long
{
	eval { $long->query('COMMIT'); $long->quit } if $long;
	undef $long;
	return;
}

#
# Clients
#
# A client: {topic}, {cursor} of what it has, {heard} = list of "w/n"; while it is
# connected {ws}, and {joined} once it is answered.
my @clients = map { { name => "client $_", topic => $topics[ $_ % 3 ], heard => [], joined => 0 } } 1 .. $clients;
my $forgetful = { name => 'without cursor', topic => 'room', heard => [], control => 1 };
my $repetitive = { name => 'old cursor', topic => 'room', heard => [], control => 1 };
push @clients, $forgetful, $repetitive;
my (%by_socket, %not_recovered);
my $select = IO::Select->new;

# What a cursor says, for the report of a fault.
sub place
{
	my ($cursor) = @_;
	return 'no cursor' unless $cursor;
	my ($epoch, $lsn, $timeline, $number) = unpack 'Q>Q>NN', decode_base64url($cursor);
	return sprintf '%X/%X, %d', $lsn >> 32, $lsn & 0xffffffff, $number;
}

# Note what a client goes through.
sub way
{
	my ($client, $what) = @_;
	push @{ $client->{way} }, sprintf '%.3f %s', time(), $what;
	return;
}

sub cut
{
	my ($client) = @_;
	my $ws = delete $client->{ws} or return;

	way($client, 'is cut off with ' . place($client->{cursor}));
	$select->remove($ws->{socket});
	delete $by_socket{ $ws->{socket} };
	$ws->abandon;
	$client->{joined} = 0;
	$client->{again_at} = time() + rand 0.5;
	return;
}

sub come
{
	my ($client) = @_;
	my $ws = eval { $server->client } or do { $client->{again_at} = time() + 0.1; return };
	my $cursor = $client == $forgetful ? undef
	  : $client == $repetitive ? $client->{old_cursor} : $client->{cursor};

	$client->{ws} = $ws;
	way($client, 'comes with ' . place($cursor));
	$by_socket{ $ws->{socket} } = $client;
	$select->add($ws->{socket});
	$client->{deadline} = time() + 20;
	did('joins');
	eval { $ws->start_join($client->{topic}, private => $client->{topic} eq 'secret' ? 1 : 0,
			broadcast => { $cursor ? (resume => $cursor) : () }); 1 } or cut($client);
	return;
}

# A message or an answer has come.
sub take
{
	my ($client, $frame) = @_;
	my $text = $frame->{payload};

	if ($frame->{opcode} == 8) { return 0; }
	if ($frame->{opcode} == 2)
	{
		my ($cursor) = $text =~ /"cursor":"([-\w]{32})"/ or die 'a message without cursor';
		my ($n, $w) = ($text =~ /"n": ?([\d.]+)/, $text =~ /"w": ?(-?\d+)/);
		push @{ $client->{heard} }, "$w/$n";
		$client->{cursor} = $cursor;
		# a hundred to two hundred messages old
		@{$client}{qw(old_cursor next_cursor)} = ($client->{next_cursor} // $cursor, $cursor)
		  if @{ $client->{heard} } % 100 == 1;
		return 1;
	}
	if ($text =~ /"phx_reply"/ && $text =~ /"status":"ok"/)
	{
		my ($cursor) = $text =~ /"cursor":"([-\w]{32})"/;
		$not_recovered{$1}++ if !$client->{control} && $text =~ /"recovered":false,"reason":"(\w+)"/;
		way($client, 'is answered with ' . place($cursor) . ($text =~ /"recovered":(\w+)/ ? ", recovered $1" : ''));
		$client->{cursor} //= $cursor;
		$client->{joined} = 1;
	}
	return $text !~ /"phx_reply".*"status":"error"|"phx_error"|"phx_close"/;
}

# Serve all clients for a while.
sub serve
{
	my ($until) = @_;

	while (time() < $until)
	{
		$bench->pump_nb if $bench && $bench->pumpable;
		for my $client (grep { !$_->{ws} && time() >= ($_->{again_at} // 0) } @clients)
		{
			come($client);
		}
		for my $socket ($select->can_read(0.02))
		{
			my $client = $by_socket{$socket} or next;
			my $ws = $client->{ws};
			my $good = 1;

			$ws->read_more(0);
			while ($good && (my $frame = $ws->take_frame)) { $good = take($client, $frame); }
			cut($client) if !$good || $ws->{eof};
		}
		cut($_) for grep { $_->{ws} && !$_->{joined} && time() > $_->{deadline} } @clients;
	}
	return;
}

#
# What it costs without clients
#

# Of each kind of process: sockets, memory in kB that is its own, and of gateways
# all descriptors.  The server's processes keep files open as they like.
sub costs
{
	my %cost;
	my @pids = map { [ 'gateway', $_ ] } $server->programs;

	for (split /\n/, $server->sql(q{SELECT backend_type, pid FROM pg_stat_activity WHERE backend_type ~ '^realtime'}))
	{
		my ($type, $pid) = split /\|/;
		push @pids, [ $type =~ /(hub|executor)/, $pid ];
	}
	for (@pids)
	{
		my ($type, $pid) = @$_;
		my %found = (sockets => $server->sockets($pid), memory => $server->memory_kb($pid, 'RssAnon'));
		$found{descriptors} = $server->descriptors($pid) if $type eq 'gateway';
		$cost{"$type $_"} = max($cost{"$type $_"} // 0, $found{$_}) for keys %found;
	}
	return \%cost;
}

# Wait for what is there without a client: all processes, no connection.
sub quiet
{
	wait_for(sub { eval { $server->stat('connections') == 0 && $server->stat('gateways') == 3
				&& $server->stat('executors') == 2 } }, 'quiet');
	return costs();
}

#
# What happens
#
my (%did, %total);

# Note a deed.
sub did { $did{ $_[0] }++; $total{ $_[0] }++; return; }

# How many workers were killed so far.
sub crashes { return sum0(@total{ grep { /^(hub|executor)s killed/ } keys %total }); }

# Cut off some clients.  Those that wait to be answered are mostly spared: on a slow
# machine they would never get on.
sub cut_some
{
	cut($_), did('cuts') for grep { $_->{ws} && rand() < ($_->{joined} ? 0.03 : 0.003) } @clients;
	return;
}

# Kill a worker, which takes the server along, as with any process that has its
# shared memory.
sub crash
{
	my ($type) = @_;
	my $pid = $server->try_sql(qq{SELECT pid FROM pg_stat_activity WHERE backend_type ~ '^realtime $type' ORDER BY random() LIMIT 1});

	return unless $pid && kill 'KILL', $pid;
	did("${type}s killed");
	wait_for(sub { $server->crash_restarts == crashes() }, 'the server to notice');
	return;
}

# End a worker in the orderly way.
sub terminate
{
	my ($type) = @_;
	my $done = $server->try_sql(qq{SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE backend_type ~ '^realtime $type' ORDER BY random() LIMIT 1});

	did("${type}s ended") if ($done // '') eq 't';
	return;
}

# A gateway dies, or sleeps for a while; who wakes it is another process, because
# a client that comes waits for it.
sub hit_gateway
{
	my ($pid) = List::Util::shuffle($server->programs) or return;
	my $signal = (qw(KILL KILL SEGV TERM STOP))[ rand 5 ];

	return unless kill $signal, $pid;
	did('gateways ' . ($signal eq 'STOP' ? 'stopped' : 'killed'));
	system sprintf('(sleep %.1f; kill -CONT %d) >/dev/null 2>&1 &', rand 1.5, $pid) if $signal eq 'STOP';
	return;
}

# The server is stopped in one way or the other and started again.  It may just be
# recovering from a crash: a round has one restart only, or two.
sub restart
{
	my $mode = (qw(fast immediate))[ rand 2 ];

	undef $long;
	wait_for(sub { defined $server->try_sql('SELECT 1') }, 'the server');
	return unless $node->stop($mode, fail_ok => 1);
	$node->start;
	did('restarts');
	return;
}

# When each comes: first after and then every so many seconds, by chance up to
# twice as many.
my $worker_type = 0;
my @happenings = (
	[ 0, 0.25, \&cut_some ],
	[ 4, 4, \&hit_gateway ],
	[ 9, 12, sub { terminate('hub') } ],
	[ 6, 8, sub { terminate('executor') } ],
	[ 5, 10, sub { commit_long(); open_long() unless rand() < 0.2 } ],
	[ 20, 120, sub { crash((qw(hub executor))[ $worker_type++ % 2 ]) } ],
	[ 35, 100, \&restart ]);

#
# A round
#
sub play
{
	my ($round, $duration) = @_;
	my $start = time();
	my $end = $start + $duration;
	my $report = $start + $report_every;
	my @at = map { $start + $_->[0] } @happenings;

	%did = ();
	write_on();
	open_long();
	while (time() < $end)
	{
		for my $i (0 .. $#happenings)
		{
			next if time() < $at[$i];
			$happenings[$i][2]->();
			$at[$i] = time() + rand 2 * $happenings[$i][1];
		}
		if (writers_ended())
		{
			eval { $bench->finish };
			write_on() if defined $server->try_sql('SELECT 1');
		}
		serve(time() + 0.1);
		if (time() >= $report && $seconds > 60)
		{
			diag sprintf 'round %d of %d, %d s: %d heard; %s', $round, $rounds, time() - $start,
			  sum0(map { scalar @{ $_->{heard} } } @clients), join ', ', map { "$_ $did{$_}" } sort keys %did;
			$report += $report_every;
		}
	}

	# Let what is under way come to its end.
	$bench->kill_kill;
	wait_for(sub { defined $server->try_sql('SELECT 1') }, 'the server');
	commit_long();
	for my $gid (split /\n/, $server->sql('SELECT gid FROM pg_prepared_xacts'))
	{
		$server->sql(($gid =~ /^g/ ? 'COMMIT' : 'ROLLBACK') . " PREPARED '$gid'");
	}
	wait_for(sub { $server->sql(q{SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgbench'}) == 0 }, 'the writers to be gone');
	return;
}

#
# The verdict
#
my (%stored, %expected);
my @honest = grep { !$_->{control} } @clients;

# What is wrong with what a client has heard: lost, duplicated, phantom, and out
# of order against what another one of the topic has heard.
sub faults
{
	my ($client, $order) = @_;
	my %fault = (lost => 0, duplicated => 0, phantom => 0, reordered => 0);
	my (%seen, $last);
	my %place = map { $order->[$_] => $_ } 0 .. $#$order;

	for my $message (@{ $client->{heard} })
	{
		if ($seen{$message}++) { $fault{duplicated}++; next; }
		if (!$stored{ $client->{topic} }{$message}) { $fault{phantom}++; next; }
		next unless defined $place{$message};
		$fault{reordered}++ if defined $last && $place{$message} < $last;
		$last = $place{$message};
	}
	$fault{lost} = grep { !$seen{$_} } keys %{ $stored{ $client->{topic} } };
	return \%fault;
}

# What is known of the messages that a client has not heard, and of its way.
sub explain_lost
{
	my ($client) = @_;
	my %seen = map { $_ => 1 } @{ $client->{heard} };
	my @lost = grep { !$seen{$_} } keys %{ $stored{ $client->{topic} } };
	my $number = @lost;

	return '' unless @lost;
	splice @lost, 20 if $number > 20;
	my $list = join ', ', map { "'$_'" } @lost;
	return "some of $number:\n" . $server->sql(qq{SELECT m.payload, m.number, m.inserted_at, m.xid, c.lsn, c.committed_at, c.early_at, c.epoch, c.restart_lsn
		FROM realtime.messages m LEFT JOIN realtime.commits c USING (xid)
		WHERE m.topic = '$client->{topic}' AND (m.payload ->> 'w') || '/' || (m.payload ->> 'n') IN ($list) ORDER BY c.lsn})
	  . "\n" . join "\n", @{ $client->{way} };
}

# Judge a round that began at $since, by the server's clock.
sub judge
{
	my ($round, $duration, $since) = @_;

	%stored = ();
	for my $row (split /\n/, $server->sql(qq{SELECT topic, payload ->> 'w', payload ->> 'n' FROM realtime.messages WHERE inserted_at >= '$since'}))
	{
		my ($topic, $w, $n) = split /\|/, $row;
		$stored{$topic}{"$w/$n"}++;
	}
	%expected = map { $_ => scalar keys %{ $stored{$_} } } @topics;

	# Everybody may take a while to be back and to hear the rest, as long as it goes on.
	my $heard = sub { sum0(map { $_->{joined} + @{ $_->{heard} } } @honest) };
	my ($before, $all_by) = (0, 0);
	while (grep { !$_->{joined} || @{ $_->{heard} } < $expected{ $_->{topic} } } @honest)
	{
		my $now = $heard->();
		($before, $all_by) = ($now, time() + $RealtimeServer::patience) if $now > $before;
		last if time() > $all_by;
		serve(time() + 0.2);
	}
	serve(time() + 1);

	my %order = map { my $topic = $_; $topic => (grep { $_->{topic} eq $topic } @honest)[0]{heard} } @topics;
	my %sum = (lost => 0, duplicated => 0, phantom => 0, reordered => 0);
	for my $client (@honest)
	{
		my $fault = faults($client, $order{ $client->{topic} });
		$sum{$_} += $fault->{$_} for keys %sum;
		next unless grep { $_ } values %$fault;
		diag "$client->{name} on $client->{topic}: " . join ', ', map { "$_ $fault->{$_}" } sort keys %$fault;
		diag explain_lost($client);
	}
	is($server->sql(q{SELECT count(*) FROM realtime.messages m WHERE NOT EXISTS (SELECT FROM realtime.commits c WHERE c.xid = m.xid)}),
		0, 'every message is recorded with its commit');

	# One writer's transactions are committed one after the other.
	my $backwards = 0;
	for my $topic (@topics)
	{
		my %last;
		for (@{ $order{$topic} })
		{
			my ($w, $n) = split m{/};
			$backwards++ if $n <= ($last{$w} // 0);
			$last{$w} = $n;
		}
	}

	my $messages = sum0(values %expected);
	note sprintf '%d messages, %s', $messages, join ', ', map { "$did{$_} $_" } sort keys %did;
	$total{messages} += $messages;
	cmp_ok($messages, '>', $duration * $rate / 4, 'there was something to hear');
	cmp_ok($expected{$_}, '>', 50, "on $_") for @topics;
	cmp_ok($did{cuts}, '>', $duration / 10, 'clients were cut off');
	ok($did{$_}, $_) for 'gateways killed', 'hubs ended', 'executors ended', 'restarts';
	is(scalar(grep { !$_->{joined} } @honest), 0, 'all clients are back');
	is($sum{$_}, 0, $_) for sort keys %sum;
	is($backwards, 0, 'each writer is heard in its order');
	is(join(', ', map { "$_: $not_recovered{$_}" } sort keys %not_recovered), '', 'nobody was told that it could not be recovered');
	is($server->crash_restarts, crashes(), 'the server restarted only where a worker was killed');

	cmp_ok(faults($forgetful, $order{room})->{lost}, '>', 0, 'control: a client without cursor has lost messages');
	cmp_ok(faults($repetitive, $order{room})->{duplicated}, '>', 0, 'control: one with an old cursor has heard some twice');
	return;
}

# Nobody is there any more: is everything given back?
sub given_back
{
	my ($before) = @_;

	cut($_) for @clients;
	my $after = quiet();
	my $enough = sub { !grep { $after->{$_} > $before->{$_} + (/memory/ ? 16 * 1024 : 0) } keys %$before };
	eval { wait_for(sub { $enough->() || do { $after = quiet(); 0 } }, 'all to be given back', 10) };
	note join ', ', map { "$_ $after->{$_} (before $before->{$_})" } sort keys %$after;
	cmp_ok($after->{$_}, '<=', $before->{$_} + (/memory/ ? 16 * 1024 : 0), "$_ at the baseline") for sort keys %$before;
	return;
}

my $before = quiet();
for my $round (1 .. $rounds)
{
	my $duration = $round < $rounds ? $longest_round : $seconds - ($rounds - 1) * $longest_round;
	my $played = subtest "round $round, $duration s" => sub {
		# who joins late has lost nothing: nobody writes before all are there
		my $all_by = time() + $RealtimeServer::patience;
		serve(time() + 0.1) while time() < $all_by && grep { !$_->{joined} } @clients;
		$_->{heard} = [], $_->{way} = [] for @clients;
		my $since = $server->sql('SELECT now()');

		play($round, $duration);
		judge($round, $duration, $since);
		given_back($before);
	};
	diag "round $round of $rounds: " . ($played ? 'fine' : 'NOT fine') . ", $total{messages} messages so far" if $seconds > 60;
	diag "repeat with CHAOS_SEED=$seed" unless $played;
}
note 'in all ' . join ', ', map { "$total{$_} $_" } sort keys %total;
ok($total{'hubs killed'}, 'hubs killed');
ok($total{'executors killed'} || $seconds < 600, 'executors killed');

$node->stop;
done_testing();
