# Followed tables over the wire: frames of both versions, answers in which the
# entries come back as they were sent, what is refused and how, joins without a
# configuration, and rows committed right after an answer, over one gateway and
# over two.

use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;

my $json = JSON::PP->new->canonical;
my $rounds = $ENV{ROUNDS} // 200;
my $server = RealtimeServer->start_new('follow');

$server->sql(<<'SQL');
SELECT realtime.setup_api_roles();
CREATE TABLE todos (id int PRIMARY KEY, owner text, note text);
CREATE TABLE notes (id int PRIMARY KEY, owner text, note text);
GRANT SELECT ON todos, notes TO anon, authenticated;
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON notes FOR SELECT USING (owner = current_setting('request.jwt.claims', true)::json ->> 'sub');
ALTER PUBLICATION supabase_realtime ADD TABLE todos, notes;
SQL

# One entry of a join.
sub entry { return { event => '*', schema => 'public', table => 'todos', @_ }; }

# Join with entries; returns the reply's payload.
sub follow
{
	my ($client, $topic, $entries, %more) = @_;
	my $reply = $client->join($topic, postgres_changes => $entries, %more)
	  or die 'no reply';
	return $reply->{payload};
}

# The next change of a topic.
sub change
{
	my ($client, $topic, $timeout) = @_;
	my $message = $client->event($topic, ['postgres_changes'], $timeout) or return;
	return $message->{payload};
}

# The next system message of a topic.
sub told
{
	my ($client, $topic, $timeout) = @_;
	my $message = $client->event($topic, ['system'], $timeout) or return 'nothing';
	return join ' ', map { $message->{payload}{$_} } qw(extension status message);
}

my $subscribed = 'postgres_changes ok Subscribed to PostgreSQL';

for my $vsn ('1.0.0', '2.0.0')
{
	my $client = $server->client(vsn => $vsn);
	my @entries = (
		entry(filter => 'id=eq.1', extra => { deep => [ 1, undef ] }),
		entry(event => 'INSERT', filter => ''),
		undef,
		entry(event => 'INSERT', table => '*'),
		entry(event => 'INSERT', filter => ''));

	my $reply = follow($client, 'room', \@entries);
	is($reply->{status}, 'ok', "$vsn: joined");
	my @echoed = @{ $reply->{response}{postgres_changes} };
	my @ids = map { delete $_->{id} } @echoed;
	is_deeply(\@echoed, [ grep { defined } @entries ], 'the entries come back as they were, but for null');
	is_deeply(\@ids, [ 1, 2, 3, 4 ], 'with ids');
	is(told($client, 'room'), $subscribed, 'and a message that says so');

	$server->sql(q{INSERT INTO todos VALUES (1, 'a', E'say "hi"\n'), (2, NULL, NULL)});
	$server->sql('UPDATE todos SET id = 3 WHERE id = 1');
	$server->sql('DELETE FROM todos');
	my $message = $client->event('room', ['postgres_changes']);
	is_deeply([ $message->{ref}, $message->{join_ref} ], [ undef, undef ], 'without refs');
	my $first = $message->{payload};
	is_deeply($first->{ids}, [ 1, 2, 3, 4 ], 'one frame for all entries that want a change');
	like(delete $first->{data}{commit_timestamp}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, 'a time');
	is_deeply($first->{data},
		{
			schema => 'public', table => 'todos', type => 'INSERT', errors => undef,
			columns => [ { name => 'id', type => 'int4' }, { name => 'owner', type => 'text' }, { name => 'note', type => 'text' } ],
			record => { id => 1, owner => 'a', note => qq{say "hi"\n} }
		}, 'an INSERT');
	is_deeply(change($client, 'room')->{ids}, [ 2, 3, 4 ], 'those whose filter fits');
	# 1 became 3: no filter of the new values fits; deletes are found by the key
	$server->sql(q{INSERT INTO todos VALUES (1, 'b', 'c')});
	$server->sql('DELETE FROM todos');
	is_deeply(change($client, 'room')->{data}{record}{note}, 'c', 'an UPDATE of another row is none');
	my $deleted = change($client, 'room');
	is_deeply([ $deleted->{ids}, $deleted->{data}{type}, $deleted->{data}{old_record} ],
		[ [1], 'DELETE', { id => 1 } ], 'a DELETE');

	$client->leave('room');
	$server->sql(q{INSERT INTO todos VALUES (1)});
	$server->sql('DELETE FROM todos');
	is($client->join_result('other'), 'ok', 'another topic');
	is(change($client, 'room', 0), undef, 'who has left is told nothing');
	$client->close;
}

# What is refused: the join succeeds, and a message says why; or it fails.
{
	my $client = $server->client;
	my $nothing = 'Unable to subscribe to changes with given parameters. Please check Realtime is enabled '
	  . 'for the given connect parameters: [event: INSERT, schema: public, table: nothing, filters: [], select: nil]';
	my @cases = (
		[ entry(filter => 'id=foo.1'), 'Error parsing `filter` params: ["foo", "1"]' ],
		[ entry(filter => 'id=in.1'), 'Error parsing `filter` params: `in` filter value must be wrapped by parentheses' ],
		[ { event => '*' }, 'No subscription params provided. Please provide at least a `schema` or `table` to subscribe to: %{"event" => "*"}' ],
		[ entry(select => 'id'), 'Error parsing `select` params: expected a list of column name strings, e.g. select: ["col1", "col2"]' ],
		[ entry(event => 'INSERT', table => 'nothing'), $nothing ]);

	for my $case (@cases)
	{
		my ($entry, $text) = @$case;
		is(follow($client, 'bad', [ entry(), $entry ])->{status}, 'ok', 'a join with a bad entry');
		is(told($client, 'bad'), "postgres_changes error $text", 'says why nothing is followed');
		$server->sql(q{INSERT INTO todos VALUES (1)});
		$server->sql('DELETE FROM todos');
		is($client->join_result("fence $text"), 'ok', 'a fence');
		is(change($client, 'bad', 0), undef, 'one bad entry spoils all');
		my $reply = follow($client, 'waits', [$entry], postgres_changes_options => { wait => JSON::PP::true });
		is_deeply($reply, { status => 'error', response => { reason => "RealtimeDisabledForConfiguration: $text" } },
			'who waits is refused');
	}
	$client->close;
}

# Joins without a configuration.
{
	my $client = $server->client;
	my $join = sub { $client->reply($client->push("realtime:$_[0]", 'phx_join', {})) };

	is($join->('public:todos:id=eq.7')->{payload}{status}, 'ok', 'a join without a configuration');
	is(told($client, 'public:todos:id=eq.7'), $subscribed, 'follows the table of its name');
	is($join->('public:nothing')->{payload}{status}, 'ok', 'one that names no table');
	is(told($client, 'public:nothing', 0), 'nothing', 'hears nothing of it');
	$server->sql(q{INSERT INTO todos VALUES (6, NULL), (7, 'x')});
	my $message = $client->event('public:todos:id=eq.7', ['INSERT']);
	is_deeply($message->{payload}{record}, { id => 7, owner => 'x', note => undef }, 'the event is that of the change');
	$server->sql('DELETE FROM todos');
	$client->close;
}

# Rows that are committed right after the answer, under row-level security and
# without, over one gateway and over two.
for my $gateways (1, 2)
{
	$server->reconfigure('realtime.gateways' => $gateways);
	wait_for(sub { $server->stat('gateways') == $gateways }, "$gateways gateways");

	my @clients = map {
		{
			client => $server->client(apikey => $server->token(role => 'authenticated', sub => "user$_")),
			sub => "user$_"
		}
	} 1 .. 4;
	my ($lost, $wrong, $rest) = (0, 0, 0);

	for my $round (1 .. $rounds)
	{
		my ($client, $sub) = @{ $clients[ $round % 4 ] }{qw(client sub)};
		my $table = $round % 3 ? 'todos' : 'notes';
		my $topic = "round$round";

		follow($client, $topic, [ entry(event => 'INSERT', table => $table, $round % 2 ? (filter => "id=eq.$round") : ()) ]);
		$server->sql("INSERT INTO $table VALUES ($round, '$sub', 'now')");
		my $change = change($client, $topic, 10);
		if (!$change) { $lost++; }
		elsif ($change->{data}{record}{id} != $round) { $wrong++; }
		$client->leave($topic);
		$client->drop_events($topic, 'system', 'phx_close');
	}
	is_deeply([ $lost, $wrong ], [ 0, 0 ], "$gateways: none of $rounds rows right after an answer is lost");
	$server->sql('DELETE FROM todos');
	$server->sql('DELETE FROM notes');

	# all in one order, each its own rows
	follow($_->{client}, 'all', [ entry(), entry(table => 'notes') ]) for @clients;
	$server->sql(join '', map { "INSERT INTO notes VALUES ($_, 'user" . ($_ % 4 + 1) . "'); INSERT INTO todos VALUES ($_);" } 1 .. 200);
	for my $one (@clients)
	{
		my @got;
		my @wanted = map { (('user' . ($_ % 4 + 1)) eq $one->{sub} ? "notes $_" : (), "todos $_") } 1 .. 200;
		while (@got < @wanted)
		{
			my $change = change($one->{client}, 'all', 20) or last;
			push @got, "$change->{data}{table} $change->{data}{record}{id}";
		}
		is_deeply(\@got, \@wanted, "$gateways: $one->{sub} is told of all and its own, in order");
	}
	$server->sql('DELETE FROM todos');
	$server->sql('DELETE FROM notes');
	$_->{client}->close for @clients;
}
ok(wait_for(sub { $server->stat('changes_held') == 0 }, 'what is held'), 'nothing is held');
$server->cluster_alive('after all');
done_testing();
