# What belongs to the extension is dropped or changed under clients that use all of
# it (reliability E16): the server goes on, nobody loops, and once it is as it was
# clients hear again, by the connection they had or after a close that tells them
# to come back.

use strict;
use warnings;

use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;
use Time::HiRes qw(time);

my $server = RealtimeServer->start_new('drop', extension => 0);
my $node = $server->node;
my $client;
my $n = 0;

# One session does all of it: what it has cached of the extension must not matter.
my $session = $node->background_psql('postgres', on_error_stop => 0);

# What each round begins with.
my $set_up = <<'SQL';
CREATE EXTENSION realtime;
SELECT realtime.setup_api_roles();
CREATE POLICY all_may ON realtime.messages FOR SELECT TO anon USING (true);
ALTER PUBLICATION supabase_realtime SET TABLE followed;
SQL

# Run SQL in the session; returns its errors.
sub run
{
	my ($sql) = @_;

	$session->{stderr} = '';
	$session->query($sql);
	my @errors = grep { /ERROR|FATAL|PANIC/ } split /\n/, $session->{stderr};
	return join "\n", @errors;
}

# A client of everything: a public and a private channel, a table.
sub new_client
{
	my $candidate = eval { $server->client } or return undef;

	for my $join ([ 'room' ], [ 'secret', private => 1 ],
		[ 'table', postgres_changes => [ { event => '*', schema => 'public', table => 'followed' } ] ])
	{
		return undef if $candidate->join_result(@$join) ne 'ok';
	}
	$candidate->event('table', ['system'], 20) or return undef;
	return $candidate;
}

# Does a client hear all of it?  It may have been sent away, or one of its channels.
sub hears
{
	my ($name) = @_;
	my $closed;

	for my $attempt (1 .. 20)
	{
		$n++;
		my $errors = run(qq{SELECT realtime.send('{"n": $n}'::jsonb, 'e', 'room', false);
			SELECT realtime.send('{"n": $n}'::jsonb, 'e', 'secret', true); INSERT INTO followed VALUES ($n)});
		is($errors, '', "$name: sending goes well") or return 'errors';
		my ($public, $secret, $change) = map { my ($topic, $event) = @$_;
			$client->expect(sub { exists $_[0]{close} || ($_[0]{topic} // '') =~ /^(realtime:)?$topic$/ && ($_[0]{kind} // '') eq '4'
				|| ($_[0]{topic} // '') eq "realtime:$topic" && ($_[0]{event} // '') =~ /^(broadcast|phx_close|$event)$/ }, 3)
		} [ 'room', 'broadcast' ], [ 'secret', 'broadcast' ], [ 'table', 'postgres_changes' ];

		my $whole = $public && $secret && $change && !(grep { exists $_->{close} || ($_->{event} // '') eq 'phx_close' } $public, $secret, $change);
		return pass("$name: the client hears") && ($closed // 'the same connection') if $whole;
		$closed //= $client->eof ? 'closed' : 'joined again';
		$client->abandon;
		$client = wait_for(\&new_client, 'a client to join again');
	}
	fail("$name: the client hears");
	return 'never';
}

run('CREATE TABLE followed (n int PRIMARY KEY); CREATE ROLE installer SUPERUSER; CREATE PUBLICATION supabase_realtime');
is(run($set_up), '', 'set up');
$client = wait_for(\&new_client, 'a client');
hears('at first');

for (
	[ 'DROP EXTENSION', 'DROP EXTENSION realtime', $set_up ],
	[ 'DROP EXTENSION and CREATE in one transaction', "BEGIN; DROP EXTENSION realtime; $set_up COMMIT", '' ],
	[ 'DROP EXTENSION CASCADE, rolled back', 'BEGIN; DROP EXTENSION realtime CASCADE; ROLLBACK', '' ],
	[ 'DROP SCHEMA realtime CASCADE', 'DROP SCHEMA realtime CASCADE', "$set_up" ],
	[ 'DROP OWNED', 'DROP EXTENSION realtime; SET ROLE installer; CREATE EXTENSION realtime; RESET ROLE; DROP OWNED BY installer CASCADE', $set_up ],
	[ 'DROP OWNED of the executors', 'DROP OWNED BY realtime_executor', "DROP EXTENSION realtime; $set_up" ],
	[ 'TRUNCATE', 'TRUNCATE realtime.messages; TRUNCATE realtime.commits', '' ],
	[ 'VACUUM FULL', 'VACUUM FULL realtime.messages; VACUUM FULL realtime.commits', '' ],
	[ 'ALTER TABLE', q{ALTER TABLE realtime.messages ADD COLUMN extra text DEFAULT 'x'; ALTER TABLE realtime.messages ALTER COLUMN event SET STORAGE PLAIN}, '' ],
	[ 'partitions detached', q{
		SELECT format('ALTER TABLE realtime.messages DETACH PARTITION %s', inhrelid::regclass) FROM pg_inherits
		WHERE inhparent = 'realtime.messages'::regclass AND inhrelid::regclass::text ~ '_20\d\d_'
		UNION ALL SELECT format('ALTER TABLE realtime.commits DETACH PARTITION %s', inhrelid::regclass) FROM pg_inherits
		WHERE inhparent = 'realtime.commits'::regclass AND inhrelid::regclass::text ~ '_20\d\d_'
		\gexec}, '' ],
	[ 'a table renamed', 'ALTER TABLE realtime.commits RENAME TO was_commits', 'ALTER TABLE realtime.was_commits RENAME TO commits' ],
	[ 'the followed table', 'DROP TABLE followed; CREATE TABLE followed (n int PRIMARY KEY)', 'ALTER PUBLICATION supabase_realtime ADD TABLE followed' ])
{
	my ($name, $sql, $mend) = @$_;
	my $before = -s $node->logfile;
	my $starts = $server->stat('hub_starts');
	my $errors;

	is($errors = run($sql), '', $name);
	ok($server->hub_pid, "$name: there is a hub");
	is(run($mend), '', "$name: mended") if $mend ne '';
	my $how = hears($name);
	my $lines = () = slurp_file($node->logfile, $before) =~ /\n/g;
	cmp_ok($lines, '<', 60, "$name: the log is not flooded");
	unlike(slurp_file($node->logfile, $before), qr/could not open relation|cache lookup failed/, "$name: nobody looks for what is gone");
	note "$name: $how; $lines lines of log, " . ($server->stat('hub_starts') - $starts) . ' starts of the hub';
}
$session->quit;
$server->cluster_alive('after all of this');
done_testing();
