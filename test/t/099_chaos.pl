# Chaos: 16 writers with rollbacks, savepoints, two-phase commits and a long
# transaction; 50 clients that are cut off at random and come back with their
# cursors; gateways and the hub are killed.  In the end every client has heard
# every message of its topic that is in the table, once, and all in one order.
#
# Two controls do what must not go unnoticed: one client comes back without its
# cursor and misses messages, another one with an old cursor and hears some twice.
#
#	CHAOS_SECONDS	how long (default 60)
#	CHAOS_SEED		repeats the choices of a run, as far as these are ours

use strict;
use warnings;

use IO::Select;
use IPC::Run;
use MIME::Base64 qw(decode_base64url);
use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;
use Time::HiRes qw(time sleep);

my $seconds = $ENV{CHAOS_SECONDS} // 60;
my $seed = $ENV{CHAOS_SEED} // int(time() * 1000) % 1_000_000;
my $writers = 16;
my $clients = 50;
my $rate = 100; # transactions a second
my @topics = qw(open room secret);

srand $seed;
diag "CHAOS_SEED=$seed, $seconds s";

my $server = RealtimeServer->start_new('chaos', conf => <<'CONF');
realtime.gateways = 3
realtime.max_resume_messages = 1000000
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
	many => [ 1, "BEGIN;\nSELECT realtime.send(jsonb_build_object('w', :w, 'n', :n + i * 0.01), 'e', 'room', false) FROM generate_series(1, 30) i;\nCOMMIT;" ],
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
	$bench = IPC::Run::start([ @pgbench, '-D', "run=$run", '-T', $seconds + 60, $node->connstr('postgres') ],
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
my @clients = map { { name => "client $_", topic => $topics[ $_ % 3 ], heard => [] } } 1 .. $clients;
my $forgetful = { name => 'without cursor', topic => 'room', heard => [], control => 1 };
my $repetitive = { name => 'old cursor', topic => 'room', heard => [], control => 1 };
push @clients, $forgetful, $repetitive;
my (%by_socket, %not_recovered);
my $select = IO::Select->new;
my ($cuts, $joins) = (0, 0);

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
	  : $client == $repetitive ? $client->{first_cursor} : $client->{cursor};

	$client->{ws} = $ws;
	way($client, 'comes with ' . place($cursor));
	$by_socket{ $ws->{socket} } = $client;
	$select->add($ws->{socket});
	$client->{deadline} = time() + 20;
	$joins++;
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
		$client->{first_cursor} //= $cursor;
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
# The run
#
# who joins late has lost nothing: nobody writes before all are there
my $all_by = time() + $RealtimeServer::patience;
serve(time() + 0.1) while time() < $all_by && grep { !$_->{joined} } @clients;
write_on();
open_long();
my $end = time() + $seconds;
my %did;
my $next = { cut => 0, gateway => 4, hub => 9, crash => $seconds / 2, long => 5 };
$_ += time() for values %$next;
while (time() < $end)
{
	my $now = time();

	if ($now >= $next->{cut})
	{
		cut($_), $cuts++ for grep { $_->{ws} && rand() < 0.03 } @clients;
		$next->{cut} = $now + rand 0.5;
	}
	if ($now >= $next->{gateway})
	{
		my @gateways = $server->programs;
		$did{'gateways killed'} += kill 'KILL', $gateways[ rand @gateways ] if @gateways;
		$next->{gateway} = $now + 2 + rand 6;
	}
	if ($now >= $next->{hub})
	{
		$did{'hubs ended'}++ if defined $server->try_sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'realtime hub'});
		$next->{hub} = $now + 8 + rand 10;
	}
	if ($now >= $next->{long})
	{
		commit_long();
		open_long();
		$next->{long} = $now + 10;
	}
	if ($now >= $next->{crash})
	{
		# takes the server along, as with any process that has its shared memory
		my $hub = $server->hub_pid;
		$did{'hubs killed'} += kill 'KILL', $hub if $hub;
		$next->{crash} = $now + $seconds;
	}
	if (writers_ended())
	{
		eval { $bench->finish };
		write_on() if defined $server->try_sql('SELECT 1');
	}
	serve(time() + 0.1);
}

# Let what is under way come to its end.
$bench->kill_kill;
commit_long();
wait_for(sub { defined $server->try_sql('SELECT 1') }, 'the server');
for my $gid (split /\n/, $server->sql('SELECT gid FROM pg_prepared_xacts'))
{
	$server->sql(($gid =~ /^g/ ? 'COMMIT' : 'ROLLBACK') . " PREPARED '$gid'");
}
wait_for(sub { $server->sql(q{SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgbench'}) == 0 }, 'the writers to be gone');
my %stored;
for my $row (split /\n/, $server->sql(q{SELECT topic, payload ->> 'w', payload ->> 'n' FROM realtime.messages}))
{
	my ($topic, $w, $n) = split /\|/, $row;
	$stored{$topic}{"$w/$n"}++;
}
my %expected = map { $_ => scalar keys %{ $stored{$_} } } @topics;
my @honest = grep { !$_->{control} } @clients;

# Everybody may take a while to be back and to hear the rest.
$all_by = time() + $RealtimeServer::patience;
serve(time() + 0.2)
  while time() < $all_by && grep { !$_->{joined} || @{ $_->{heard} } < $expected{ $_->{topic} } } @honest;
serve(time() + 1);

#
# The verdict
#
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
	my $list = join ', ', map { "'$_'" } @lost;

	return '' unless @lost;
	return $server->sql(qq{SELECT m.payload, m.number, m.inserted_at, m.xid, c.lsn, c.committed_at, c.early_at, c.epoch, c.restart_lsn
		FROM realtime.messages m LEFT JOIN realtime.commits c USING (xid)
		WHERE m.topic = '$client->{topic}' AND (m.payload ->> 'w') || '/' || (m.payload ->> 'n') IN ($list) ORDER BY c.lsn})
	  . "\n" . join "\n", @{ $client->{way} };
}

my %order = map { my $topic = $_; $topic => (grep { $_->{topic} eq $topic } @honest)[0]{heard} } @topics;
my %total = (lost => 0, duplicated => 0, phantom => 0, reordered => 0);
for my $client (@honest)
{
	my $fault = faults($client, $order{ $client->{topic} });
	$total{$_} += $fault->{$_} for keys %total;
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

my $messages = 0;
$messages += $_ for values %expected;
note sprintf '%d messages, %d joins, %d cuts, %s', $messages, $joins, $cuts, join ', ', map { "$did{$_} $_" } sort keys %did;
cmp_ok($messages, '>', $seconds * $rate / 4, 'there was something to hear');
cmp_ok($expected{$_}, '>', 50, "on $_") for @topics;
cmp_ok($cuts, '>', $seconds, 'clients were cut off');
ok($did{$_}, $_) for 'gateways killed', 'hubs ended', 'hubs killed';
is(scalar(grep { !$_->{joined} } @honest), 0, 'all clients are back');
is($total{$_}, 0, $_) for sort keys %total;
is($backwards, 0, 'each writer is heard in its order');
is(join(', ', map { "$_: $not_recovered{$_}" } sort keys %not_recovered), '', 'nobody was told that it could not be recovered');

cmp_ok(faults($forgetful, $order{room})->{lost}, '>', 0, 'control: a client without cursor has lost messages');
cmp_ok(faults($repetitive, $order{room})->{duplicated}, '>', 0, 'control: one with an old cursor has heard some twice');

cut($_) for @clients;
$node->stop;
done_testing();
