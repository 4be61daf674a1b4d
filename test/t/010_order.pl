# Commit order, under 16 concurrent writers: two clients receive identical
# sequences, nothing is missing or doubled, and the sequence is the one in
# which the commit records stand in the WAL (read with pg_waldump), the
# messages of one transaction in the order in which it sent them.
#
# The writers sleep between sending and committing, so that the order of ids
# and the order of commits differ: a server that sorted by either would fail.

use strict;
use warnings;

use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;

my $writers = 16;
my $transactions = 60;
my $expected = $writers * $transactions * 2;

my $server = RealtimeServer->start_new('order');
my $node = $server->node;
my @clients = map { $server->member('order', vsn => $_) } '2.0.0', '1.0.0';

# Every writer sends two messages per transaction; a third of them commits
# asynchronously.
append_to_file($node->basedir . '/writer.sql', <<'SQL');
\set pause random(0, 3000)
\set asynchronous random(0, 2)
BEGIN;
SELECT set_config('synchronous_commit', CASE :asynchronous WHEN 0 THEN 'off' ELSE 'on' END, true);
SELECT realtime.send(jsonb_build_object('part', 1), 'e', 'order', false);
\sleep :pause us
SELECT realtime.send(jsonb_build_object('part', 2), 'e', 'order', false);
COMMIT;
SQL

my $start = $node->lsn('insert');
$node->command_ok(
	[
		'pgbench', '--no-vacuum', "--client=$writers", "--transactions=$transactions",
		'--file', $node->basedir . '/writer.sql', '--host', $node->host, '--port', $node->port,
		'postgres'
	],
	'the writers wrote');

my @sequences = map {
	[ map { $_->{meta}{id} } $_->broadcasts($expected) ]
} @clients;

is(scalar @{ $sequences[0] }, $expected, 'the first client received everything');
is_deeply($sequences[1], $sequences[0], 'both clients received the same sequence');
is($_->broadcast(0), undef, 'and nothing more') for @clients;

# What the WAL says: xids in the order of their commit records.
my ($dump) = run_command(
	[
		'pg_waldump', '--rmgr=Transaction', "--start=$start",
		"--end=" . $node->lsn('flush'), '--path=' . $node->data_dir . '/pg_wal'
	]);
my %messages_of;
for my $row (split /\n/, $server->sql(
		q{SELECT xid, id, payload ->> 'part' FROM realtime.messages WHERE topic = 'order'}))
{
	my ($xid, $id, $part) = split /\|/, $row;
	$messages_of{$xid}[ $part - 1 ] = $id;
}
my @committed = map { @{ $messages_of{$_} // [] } } $dump =~ /tx: +(\d+),.*desc: COMMIT\b/g;

is(scalar @committed, $expected, 'every message belongs to a commit record');
is_deeply($sequences[0], \@committed, 'the sequence is that of the commit records');
isnt(join(' ', sort @committed), join(' ', @committed),
	'and not that of the ids, so that this test can tell');

$server->cluster_alive('after 16 writers');
done_testing();
