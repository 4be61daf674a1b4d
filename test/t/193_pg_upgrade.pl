# pg_upgrade: nothing of realtime runs meanwhile, and afterwards history, policies
# and agents are there; new messages are told, and who comes back with a cursor of
# the former server is told that it is one.

use strict;
use warnings;

use File::Copy qw(copy);
use JSON::PP;
use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;

# Without a secret of the configuration there is the one in the data directory.
my $old = RealtimeServer->new('old');
$old->node->adjust_conf('postgresql.conf', 'realtime.jwt_secret', undef);
$old->start;
$old->sql(<<'SQL');
SELECT realtime.setup_api_roles();
CREATE POLICY everybody ON realtime.messages FOR SELECT TO anon USING (topic LIKE 'open-%');
SELECT realtime.create_agent('acme', 'a secret that agents of the test sign with');
CREATE TABLE followed (n int PRIMARY KEY);
ALTER PUBLICATION supabase_realtime ADD TABLE followed;
GRANT SELECT ON followed TO anon;
SQL
my $token = $old->sql(q{SELECT realtime.sign_jwt('{"role": "anon"}', '1 day')});
my $agent = $old->sql(q{SELECT realtime.user_channel('acme', 'u')});
my $client = $old->client(apikey => $token);
is($client->join_result('open-room', private => 1), 'ok', 'a private channel of the former server');
$old->sql(qq{SELECT realtime.send('{"n": $_}'::jsonb, 'e', 'open-room', true)}) for 1 .. 3;
my @heard = $client->broadcasts(3);
my $cursor = $heard[2]{meta}{cursor};
ok($cursor, 'a cursor');
wait_for(sub { $old->stat('record_backlog') == 0 }, 'commits to be recorded');
my $version = $old->sql(q{SELECT extversion FROM pg_extension WHERE extname = 'realtime'});
$old->node->stop;

my $new = RealtimeServer->new('new', extension => 0);
$new->node->adjust_conf('postgresql.conf', 'realtime.jwt_secret', undef);
chomp(my $bindir = `pg_config --bindir`);
my $directory = PostgreSQL::Test::Utils::tempdir_short();
chdir $directory or die "$directory: $!";
$new->node->command_ok([ 'pg_upgrade', '--no-sync', '-b', $bindir, '-B', $bindir, '-d', $old->node->data_dir, '-D', $new->node->data_dir,
		'-s', $directory, '-p', $old->node->port, '-P', $new->node->port, '-U', scalar(getpwuid $<) ],
	'pg_upgrade');

ok(!-e $new->node->data_dir . '/realtime/position', 'no hub has run in the new data directory');
my $secret = 'realtime/jwt_secret';
ok(copy($old->node->data_dir . "/$secret", $new->node->data_dir . "/$secret"), 'the secret of tokens is copied');
chmod 0600, $new->node->data_dir . "/$secret";
$new->start;

is($new->sql(q{SELECT extversion FROM pg_extension WHERE extname = 'realtime'}), $version, 'the extension is there');
is($new->sql(q{SELECT count(*) FROM realtime.history('open-room')}), 3, 'so is history');
is($new->sql(q{SELECT realtime.user_channel('acme', 'u')}), $agent, 'and agents');
is($new->sql(q{SELECT schema_name || '.' || table_name FROM realtime.followed_tables}), 'public.followed', 'and what is followed');
is($new->sql('SELECT count(*) FROM realtime.captures c JOIN pg_trigger t ON t.oid = c.capture_trigger'), 1, 'with its trigger');
wait_for(sub { $new->stat('executors') == 2 }, 'the executors');

my $back = $new->client(apikey => $token);
my $answer = $back->join('open-room', private => 1, broadcast => { resume => $cursor });
is($answer->{payload}{status}, 'ok', 'a client of before joins with its token');
is_deeply([ @{ $answer->{payload}{response} }{qw(recovered reason)} ], [ JSON::PP::false, 'epoch' ],
	'is told that its cursor is of another server');
$new->sql(q{SELECT realtime.send('{"n": 4}'::jsonb, 'e', 'open-room', true)});
is($back->broadcast->{payload}{n}, 4, 'and hears what is new');
wait_for(sub { $new->stat('record_backlog') == 0 }, 'commits to be recorded');
is($new->sql(q{SELECT string_agg(m.payload ->> 'n', ' ' ORDER BY c.lsn, m.number)
	FROM realtime.messages m JOIN realtime.commits c USING (xid) WHERE m.topic = 'open-room'}), '1 2 3 4',
	'the order of commits goes on where it was');
$new->cluster_alive('after pg_upgrade');
done_testing();
