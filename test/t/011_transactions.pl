# What a transaction decides: exactly the messages that survive it arrive, in
# the order in which they were sent, whatever inserted them.
#
# After each case a marker is published; what the client received before the
# marker is what the case delivered.

use strict;
use warnings;

use RealtimeServer;
use Test::More;

my $server = RealtimeServer->start_new('xact');
my $node = $server->node;
my $client = $server->member('xact');
my $marker = 0;

# What arrived since the last call, as the n of each payload.
sub delivered
{
	my @got;

	$server->sql(sprintf q{SELECT realtime.send('{"marker": %d}'::jsonb, 'marker', 'xact', false)},
		++$marker);
	while (1)
	{
		my $message = $client->broadcast or die 'the marker did not arrive';
		die "connection closed with $message->{close}" if exists $message->{close};
		last if $message->{event} eq 'marker' && $message->{payload}{marker} == $marker;
		push @got, $message->{payload}{n};
	}
	return \@got;
}

# Run SQL in which "send(...)" stands for a message with n, and test what came.
sub case_ok
{
	my ($name, $sql, $expected) = @_;

	$sql =~ s/\bsend\(([^()]+)\)/realtime.send(jsonb_build_object('n', $1), 'e', 'xact', false)/g;
	$node->psql('postgres', $sql);
	return is_deeply(delivered(), $expected, $name);
}

my @columns = 'topic, extension, event, payload';
my $row = q{'xact', 'broadcast', 'e', jsonb_build_object('n', };

$server->sql('CREATE TABLE unique_row (n int PRIMARY KEY)');

case_ok('autocommit', 'SELECT send(1)', [1]);
case_ok('one transaction, in order', 'BEGIN; SELECT send(1); SELECT send(2); SELECT send(3); COMMIT', [ 1, 2, 3 ]);
case_ok('rollback', 'BEGIN; SELECT send(1); ROLLBACK', []);
case_ok('an error rolls back', 'BEGIN; SELECT send(1); SELECT 1/0; COMMIT', []);
case_ok('savepoint rolled back',
	'BEGIN; SELECT send(1); SAVEPOINT s; SELECT send(2); ROLLBACK TO s; SELECT send(3); COMMIT', [ 1, 3 ]);
case_ok('savepoint released',
	'BEGIN; SELECT send(1); SAVEPOINT s; SELECT send(2); RELEASE s; SELECT send(3); COMMIT', [ 1, 2, 3 ]);
case_ok('released into a savepoint that is rolled back',
	'BEGIN; SAVEPOINT a; SELECT send(1); SAVEPOINT b; SELECT send(2); RELEASE b; ROLLBACK TO a; SELECT send(3); COMMIT', [3]);
case_ok('exception block', <<'SQL', [ 1, 3, 4 ]);
DO $$
BEGIN
	PERFORM send(1);
	BEGIN
		PERFORM send(2);
		RAISE EXCEPTION 'no';
	EXCEPTION WHEN OTHERS THEN
		PERFORM send(3);
	END;
	PERFORM send(4);
END $$
SQL
case_ok('commit inside a procedure', <<'SQL', [ 1, 3 ]);
CREATE PROCEDURE halves() LANGUAGE plpgsql AS $$
BEGIN
	PERFORM send(1);
	COMMIT;
	PERFORM send(2);
	ROLLBACK;
	PERFORM send(3);
END $$;
CALL halves()
SQL
case_ok('deferred constraint fails at commit', <<'SQL', []);
CREATE TABLE parent (n int PRIMARY KEY);
CREATE TABLE child (n int REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
BEGIN;
SELECT send(1);
INSERT INTO child VALUES (1);
COMMIT
SQL

# A hundred savepoints inside each other, each released or rolled back at
# random; a stack keeps what survives.
{
	my @survivors = ([]);
	my $sql = "BEGIN;\n";
	my $seed = 20240;

	srand($seed);
	note("seed $seed");
	for my $n (1 .. 100)
	{
		$sql .= "SAVEPOINT s$n; SELECT send($n);\n";
		push @survivors, [$n];
	}
	for my $n (reverse 1 .. 100)
	{
		my $inner = pop @survivors;
		if (rand() < 0.15) { $sql .= "ROLLBACK TO s$n; RELEASE s$n;\n"; }
		else
		{
			$sql .= "RELEASE s$n;\n";
			push @{ $survivors[-1] }, @$inner;
		}
		if (rand() < 0.3)
		{
			$sql .= "SELECT send(1000 + $n);\n";
			push @{ $survivors[-1] }, 1000 + $n;
		}
	}
	case_ok('a hundred nested savepoints', $sql . 'COMMIT', $survivors[0]);
}

# The same again side by side, so that inner transactions come and go.
{
	my @survivors;
	my $sql = "BEGIN;\n";

	for my $n (1 .. 100)
	{
		my $keep = rand() < 0.5;
		$sql .= "SAVEPOINT s; SELECT send($n); " . ($keep ? 'RELEASE s' : 'ROLLBACK TO s') . ";\n";
		push @survivors, $n if $keep;
	}
	case_ok('a hundred savepoints in a row', $sql . 'COMMIT', \@survivors);
}

# Whatever inserts the row
case_ok('INSERT', "INSERT INTO realtime.messages (@columns) VALUES ($row 1))", [1]);
case_ok('INSERT with several rows',
	"INSERT INTO realtime.messages (@columns) VALUES ($row 1)), ($row 2)), ($row 3))", [ 1, 2, 3 ]);
case_ok('INSERT ... SELECT of 10,000 rows',
	"INSERT INTO realtime.messages (@columns) SELECT $row n) FROM generate_series(1, 10000) AS n",
	[ 1 .. 10000 ]);
case_ok('COPY', "COPY realtime.messages (@columns) FROM STDIN;\n"
	  . join('', map { qq{xact\tbroadcast\te\t{"n": $_}\n} } 1 .. 500) . "\\.\n", [ 1 .. 500 ]);
case_ok('COPY that fails half-way', "COPY realtime.messages (@columns) FROM STDIN;\n"
	  . qq{xact\tbroadcast\te\t{"n": 1}\nxact\tbroadcast\te\tno json\n\\.\n}, []);
case_ok('INSERT in a common table expression',
	"WITH w AS (INSERT INTO realtime.messages (@columns) VALUES ($row 1)) RETURNING id) SELECT count(*) FROM w", [1]);
case_ok('ON CONFLICT DO NOTHING in a trigger', <<'SQL', [7]);
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM realtime.send(jsonb_build_object('n', NEW.n), 'e', 'xact', false);
	RETURN NEW;
END $$;
CREATE TRIGGER tell AFTER INSERT ON unique_row FOR EACH ROW EXECUTE FUNCTION tell();
INSERT INTO unique_row VALUES (7);
INSERT INTO unique_row VALUES (7) ON CONFLICT DO NOTHING
SQL
case_ok('a row trigger that returns NULL', <<'SQL', []);
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER refuse BEFORE INSERT ON unique_row FOR EACH ROW EXECUTE FUNCTION refuse();
INSERT INTO unique_row VALUES (8);
DROP TRIGGER refuse ON unique_row
SQL
case_ok('UPDATE and DELETE publish nothing', <<'SQL', []);
UPDATE realtime.messages SET payload = '{"n": 99}' WHERE topic = 'xact' AND payload ->> 'n' = '7';
DELETE FROM realtime.messages WHERE topic = 'xact'
SQL
case_ok('another extension than broadcast publishes nothing',
	"INSERT INTO realtime.messages (@columns) VALUES ('xact', 'presence', 'e', '{}')", []);
case_ok('a read-only transaction cannot send', 'BEGIN READ ONLY; SELECT send(1); COMMIT', []);

# A payload that is stored out of line arrives whole.
{
	my $text = join '', map { chr(97 + rand 26) } 1 .. 200_000;
	$server->sql(qq{SELECT realtime.send('{"n": 1, "text": "$text"}'::jsonb, 'e', 'xact', false)});
	my $message = $client->broadcast;
	is($message->{payload}{text}, $text, 'a payload of 200 kB');
}

# Two-phase commit
case_ok('prepared: nothing yet', q{BEGIN; SELECT send(1); SELECT send(2); PREPARE TRANSACTION 'one'}, []);
case_ok('commit prepared', q{COMMIT PREPARED 'one'}, [ 1, 2 ]);
case_ok('prepared with savepoints',
	q{BEGIN; SELECT send(1); SAVEPOINT s; SELECT send(2); ROLLBACK TO s; SAVEPOINT t; SELECT send(3); PREPARE TRANSACTION 'two'}, []);
case_ok('committed: the survivors', q{COMMIT PREPARED 'two'}, [ 1, 3 ]);
case_ok('prepared again', q{BEGIN; SELECT send(1); PREPARE TRANSACTION 'three'}, []);
case_ok('rollback prepared', q{ROLLBACK PREPARED 'three'}, []);

# COMMIT PREPARED wakes the hub by itself: no other message follows here.
$node->psql('postgres', q{BEGIN; SELECT realtime.send('{"n": 5}'::jsonb, 'e', 'xact', false); PREPARE TRANSACTION 'alone'});
is($client->broadcast(0.2), undef, 'a prepared message does not arrive');
$server->sql(q{COMMIT PREPARED 'alone'});
my $alone = $client->broadcast;
is($alone && $alone->{payload}{n}, 5, 'it arrives with COMMIT PREPARED, without any other message');

# Prepared, then a restart of the server, then committed.
$node->psql('postgres', q{BEGIN; SELECT realtime.send('{"n": 6}'::jsonb, 'e', 'xact', false);
	SAVEPOINT s; SELECT realtime.send('{"n": 7}'::jsonb, 'e', 'xact', false); PREPARE TRANSACTION 'restart'});
$node->restart;
$server->wait_until_healthy;
$client = $server->member('xact');
is_deeply(delivered(), [], 'prepared before a restart: nothing yet');
$server->sql(q{COMMIT PREPARED 'restart'});
is_deeply(delivered(), [ 6, 7 ], 'prepared before a restart, committed after it');

# The same with a checkpoint between, which lets the WAL of the messages go
# as far as the restart position is concerned.
$node->psql('postgres', q{BEGIN; SELECT realtime.send('{"n": 8}'::jsonb, 'e', 'xact', false); PREPARE TRANSACTION 'checkpoint'});
$server->sql('CHECKPOINT');
$node->restart;
$server->wait_until_healthy;
$client = $server->member('xact');
$server->sql(q{COMMIT PREPARED 'checkpoint'});
is_deeply(delivered(), [8], 'prepared before a checkpoint and a restart, committed after them');

done_testing();
