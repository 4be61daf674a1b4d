# Exactly the rows that survive are told, also where many rows, triggers, conflicts
# and subtransactions come together (reliability E14; 011_transactions.pl has the
# plain cases); and what is prepared is told when it is committed, by whichever
# server does that (E13), within seconds of a promotion (E15).

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use RealtimeServer;
use Test::More;
use Time::HiRes qw(time);

my $server = RealtimeServer->start_new('survivors', conf => "realtime.max_send_queue = '64MB'\n");
my $node = $server->node;
my $client = $server->member('room');
my $marker = 0;

# What has come since the last call: the n of each payload.
sub delivered
{
	my ($from) = @_;
	my @got;

	$marker++;
	($from // $server)->sql(qq{SELECT realtime.send('{"n": "end $marker"}'::jsonb, 'e', 'room', false)});
	$client->each_payload(sub {
		my ($n) = $_[0] =~ /"n": ?("end \d+"|-?\d+)/;
		return 0 if $n eq qq("end $marker");
		push @got, $n;
		return 1;
	}) or die 'the marker did not arrive';
	return @got;
}

# Run SQL; what comes is what the table has of it, in the order of the numbers.
sub survivors_ok
{
	my ($name, $sql, $count) = @_;
	my $start = time();

	$server->sql('TRUNCATE realtime.messages');
	$node->psql('postgres', $sql);
	my $took = time() - $start;
	my @got = delivered();
	my @there = split /\n/, $server->sql(q{SELECT payload ->> 'n' FROM realtime.messages WHERE topic = 'room' AND payload ->> 'n' !~ 'end' ORDER BY number, id});

	is(join(',', sort { $a <=> $b } @got), join(',', sort { $a <=> $b } @there), "$name: exactly the rows that are there");
	is(scalar @got, $count, "$name: $count of them") if defined $count;
	note sprintf '%s: %d messages, %.1f s to write, %.1f s until all were there', $name, scalar @got, $took, time() - $start;
	return;
}

my $insert = q{INSERT INTO realtime.messages (topic, extension, event, payload) };
my $row = q{SELECT 'room', 'broadcast', 'e', jsonb_build_object('n', n)};

survivors_ok('INSERT ... SELECT of 100,000 rows, of which 30,000 are rolled back', <<"SQL", 70_000);
BEGIN;
$insert $row FROM generate_series(1, 50000) n;
SAVEPOINT s;
$insert $row FROM generate_series(50001, 80000) n;
ROLLBACK TO s;
$insert $row FROM generate_series(80001, 100000) n;
COMMIT
SQL
survivors_ok('a thousand EXCEPTION blocks, some of them within others', <<'SQL');
DO $$
DECLARE
	n int := 0;
BEGIN
	PERFORM setseed(0.42);
	FOR i IN 1 .. 500 LOOP
		BEGIN
			n := n + 1;
			PERFORM realtime.send(jsonb_build_object('n', n), 'e', 'room', false);
			BEGIN
				n := n + 1;
				PERFORM realtime.send(jsonb_build_object('n', n), 'e', 'room', false);
				IF random() < 0.3 THEN RAISE EXCEPTION 'inner'; END IF;
			EXCEPTION WHEN OTHERS THEN
				n := n + 1;
				PERFORM realtime.send(jsonb_build_object('n', n), 'e', 'room', false);
			END;
			IF random() < 0.3 THEN RAISE EXCEPTION 'outer'; END IF;
		EXCEPTION WHEN OTHERS THEN
			NULL;
		END;
	END LOOP;
END $$
SQL
survivors_ok('a trigger of the table that returns NULL for every other row', <<"SQL", 500);
CREATE FUNCTION odd_only() RETURNS trigger LANGUAGE plpgsql AS
	'BEGIN RETURN CASE WHEN (NEW.payload ->> ''n'')::int % 2 = 1 THEN NEW END; END';
CREATE TRIGGER odd_only BEFORE INSERT ON realtime.messages FOR EACH ROW
	WHEN (NEW.payload ->> 'n' !~ 'end') EXECUTE FUNCTION odd_only();
$insert $row FROM generate_series(1, 400) n;
COPY realtime.messages (topic, extension, event, payload) FROM PROGRAM
	'seq 401 800 | while read n; do printf "room\\tbroadcast\\te\\t{\\"n\\": %d}\\n" \$n; done';
SELECT realtime.send(jsonb_build_object('n', n), 'e', 'room', false) FROM generate_series(801, 1000) n;
DROP TRIGGER odd_only ON realtime.messages
SQL
survivors_ok('ON CONFLICT on the table itself', <<"SQL", 20);
CREATE TABLE keys AS SELECT gen_random_uuid() AS id, now() AS at, n FROM generate_series(1, 20) n;
INSERT INTO realtime.messages (topic, extension, event, payload, id, inserted_at) $row, id, at FROM keys ORDER BY n LIMIT 10;
INSERT INTO realtime.messages (topic, extension, event, payload, id, inserted_at) $row, id, at FROM keys ORDER BY n ON CONFLICT DO NOTHING
SQL
survivors_ok('payloads out of line and compressed, from another table', <<"SQL", 40);
CREATE TABLE large (n int, body jsonb);
ALTER TABLE large ALTER COLUMN body SET STORAGE EXTERNAL;
INSERT INTO large SELECT n, jsonb_build_object('n', n, 'x', (SELECT string_agg(md5(n::text || i), '') FROM generate_series(1, 600) i)) FROM generate_series(1, 20) n;
ALTER TABLE large ALTER COLUMN body SET STORAGE EXTENDED;
INSERT INTO large SELECT n, jsonb_build_object('n', n, 'x', repeat('abc', 20000)) FROM generate_series(21, 40) n;
$insert SELECT 'room', 'broadcast', 'e', body FROM large
SQL

#
# Prepared, and then: a restart, a promotion
#
$server->sql('TRUNCATE realtime.messages');
for my $name (qw(committed abandoned promoted lost))
{
	my %number = (committed => 1, abandoned => 2, promoted => 3, lost => 4);
	$node->psql('postgres', qq{BEGIN; SELECT realtime.send('{"n": $number{$name}}'::jsonb, 'e', 'room', false); PREPARE TRANSACTION '$name'});
}
$node->restart;
$server->wait_until_healthy;
$client = $server->member('room');
is_deeply([ delivered() ], [], 'prepared, and the server restarted: nothing yet');
$server->sql(q{ROLLBACK PREPARED 'abandoned'});
$server->sql(q{COMMIT PREPARED 'committed'});
is_deeply([ delivered() ], [1], 'what is committed then is told, what is rolled back is not');

$node->backup('base');
my $standby_node = PostgreSQL::Test::Cluster->new('standby');
$standby_node->init_from_backup($node, 'base', has_streaming => 1);
my $standby = bless { node => $standby_node, port => PostgreSQL::Test::Cluster::get_free_port() }, 'RealtimeServer';
$standby_node->append_conf('postgresql.conf', "realtime.port = $standby->{port}\n");
chmod 0600, $standby_node->data_dir . '/realtime/secret';
$standby_node->start;
$standby->wait_until_healthy;
my $on_standby = $standby->member('room');
$node->psql('postgres', q{BEGIN; SELECT realtime.send('{"n": 5}'::jsonb, 'e', 'room', false); PREPARE TRANSACTION 'streamed'});
$server->sql(q{SELECT realtime.send('{"n": 6}'::jsonb, 'e', 'room', false)});
is($on_standby->broadcast->{payload}{n}, 6, 'the standby tells what is committed, not what is prepared');
$node->wait_for_catchup('standby');
$node->stop('immediate');

my $start = time();
$standby_node->promote;
$client = wait_for(sub {
	my $candidate = eval { $standby->member('room') } or return undef;
	eval { $standby->sql(q{SELECT realtime.send('{"n": 7}'::jsonb, 'e', 'room', false)}); 1 } or return undef;
	my $message = $candidate->broadcast(5);
	return $message && !exists $message->{close} && $candidate;
}, 'the promoted standby to serve');
my $took = time() - $start;
cmp_ok($took, '<', 5, 'a promoted standby serves what it commits within 5 s');
note sprintf 'a promotion, until a message was there: %.2f s', $took;
delivered($standby);
$standby->sql(q{COMMIT PREPARED 'promoted'});
$standby->sql(q{ROLLBACK PREPARED 'lost'});
$standby->sql(q{COMMIT PREPARED 'streamed'});
is_deeply([ delivered($standby) ], [5], 'what the old primary has prepared is told when the new one commits it');
# That has no WAL of before its base backup.
is($standby->sql(q{SELECT count(*) FROM realtime.messages WHERE payload ->> 'n' = '3'}), 1, 'what was prepared before the backup is in the table');
$standby_node->stop;
done_testing();
