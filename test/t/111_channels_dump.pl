# pg_dump and restore of channels: the rows, their rights, the policies and, because
# a table that it were lost for would be open, row-level security itself.

use strict;
use warnings;

use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;

my $server = RealtimeServer->start_new('dump', extension => 0);
my $node = $server->node;
my $dir = PostgreSQL::Test::Utils::tempdir();

$server->sql('CREATE DATABASE original');
$server->sql('CREATE EXTENSION realtime; SELECT realtime.setup_api_roles()', 'original');
$server->sql(<<'SQL', 'original');
INSERT INTO realtime.channels (pattern, description, webhook_urls, webhook_secret, persist, owner_id) VALUES
	('chat:%', 'rooms', '{https://example.com/a,https://example.com/b}', 'hush', false, gen_random_uuid()),
	('order:*', NULL, NULL, NULL, true, NULL);
UPDATE realtime.channels SET enabled = false WHERE pattern = 'order:*';
ALTER TABLE realtime.channels ENABLE ROW LEVEL SECURITY;
CREATE POLICY rooms ON realtime.channels FOR SELECT TO anon USING (pattern = 'chat:%' AND realtime.channel_name() = 'chat:1');
GRANT SELECT (webhook_secret) ON realtime.channels TO service_role;
ALTER TABLE realtime.messages DISABLE ROW LEVEL SECURITY;
ALTER TABLE realtime.agents FORCE ROW LEVEL SECURITY;
CREATE TABLE todos (id int);
CREATE TRIGGER todos_publish AFTER INSERT ON todos FOR EACH ROW EXECUTE FUNCTION realtime.publish_changes('chat:{id}');
SQL

my %same = (
	'channels' => 'SELECT * FROM realtime.channels ORDER BY pattern',
	'policies' => q{SELECT * FROM pg_policies WHERE schemaname = 'realtime'},
	'row-level security' => q{SELECT relname, relrowsecurity, relforcerowsecurity FROM pg_class
		WHERE relnamespace = 'realtime'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY 1},
	'rights on columns' => q{SELECT attname, attacl FROM pg_attribute WHERE attrelid = 'realtime.channels'::regclass ORDER BY attnum},
	'rights' => q{SELECT relacl FROM pg_class WHERE oid = 'realtime.channels'::regclass});
my %before = map { $_ => $server->sql($same{$_}, 'original') } keys %same;

my %ways = (
	'a plain dump' => sub {
		my ($database) = @_;
		command_ok([ 'pg_dump', '-f', "$dir/plain", $node->connstr('original') ], 'it is made');
		command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/plain", $node->connstr($database) ], 'and restored');
	},
	'a directory, in parallel' => sub {
		my ($database) = @_;
		command_ok([ 'pg_dump', '-Fd', '-j2', '-f', "$dir/directory", $node->connstr('original') ], 'it is made');
		command_ok([ 'pg_restore', '-e', '-j2', '-d', $node->connstr($database), "$dir/directory" ], 'and restored');
	});
for my $way (sort keys %ways)
{
	my $database = 'restored_' . ($way =~ /plain/ ? 'plain' : 'directory');

	note($way);
	$server->sql("CREATE DATABASE $database");
	$ways{$way}->($database);
	is($server->sql($same{$_}, $database), $before{$_}, "$way: $_") for sort keys %same;
	is($server->sql(q{SET ROLE anon; SELECT count(*) FROM realtime.channels}, $database), 0,
		"$way: channels are not open to all");
	is($server->sql(q{SET ROLE anon; SET realtime.channel_name = 'chat:1'; SELECT pattern FROM realtime.channels}, $database),
		'chat:%', "$way: but to whom the policy says");
	is($server->sql(q{SELECT count(*) FROM realtime.dumped_row_security}, $database), 0, "$way: nothing is left of how that was done");
	isnt($server->sql(q{SELECT realtime.publish('chat:1', 'e', '{}')}, $database), '', "$way: and something can be published");
}

done_testing();
