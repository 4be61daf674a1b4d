# pg_dump and restore: the extension comes back as CREATE EXTENSION, messages
# and commits are not carried over, policies and agents with their keys are, and
# what the users made around it works in the new database.

use strict;
use warnings;

use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;

my $server = RealtimeServer->start_new('dump', extension => 0,
	conf => "realtime.database = 'restored'\n");
my $node = $server->node;

$server->sql('CREATE DATABASE original');
$node->safe_psql('original', <<'SQL');
CREATE EXTENSION realtime;
SELECT realtime.setup_api_roles();
CREATE TABLE orders (id int PRIMARY KEY, state text, owner uuid);
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
	PERFORM realtime.send(jsonb_build_object('n', NEW.id), 'e', 'orders', false);
	RETURN NEW;
END $$;
CREATE TRIGGER tell AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION tell();
INSERT INTO orders VALUES (1, 'new'), (2, 'new');
CREATE TABLE followed (id int PRIMARY KEY);
CREATE TABLE by_name (id int);
CREATE TABLE dropped (id int);
ALTER PUBLICATION supabase_realtime ADD TABLE followed;
ALTER PUBLICATION supabase_realtime SET (publish = 'insert, delete');
SELECT realtime.follow('by_name'), realtime.follow('dropped');
DROP TABLE dropped;
CREATE POLICY owners ON realtime.messages FOR SELECT TO authenticated
	USING (EXISTS (SELECT FROM orders WHERE owner = auth.uid() AND realtime.topic() = 'order:' || id));
SQL
is($server->sql('SELECT count(*) FROM realtime.messages', 'original'), 2, 'two messages in the original');
my $api_key = $server->sql(q{SELECT api_key FROM realtime.create_agent('acme')}, 'original');
$server->sql(q{SELECT realtime.rotate_signing_key('acme', '1 hour')}, 'original');

my $admin_key = $server->sql(q{SELECT realtime.create_api_key('console')}, 'original');
$server->sql(q{SELECT realtime.http_config_update('{"admin": true, "body": {"retentionDays": 5}}')}, 'original');

# What users of the agents see, the rights of clients, and the policies.
my %same = (
	'a user channel'         => q{SELECT realtime.user_channel('acme', 'u')},
	'a conversation channel' => q{SELECT realtime.conversation_channel('acme', 'c')},
	'what is published to'   => q{SELECT realtime.realtime_publish('acme', 'u', 'c')},
	'the answer to the API key' =>
	  qq{SELECT realtime.http_realtime_publish(jsonb_build_object('keyHash', encode(sha256('$api_key'), 'hex'), 'body', '{"endUserId": "u"}'::jsonb))},
	'whose the API key of an administrator is' =>
	  qq{SELECT realtime.check_api_key(jsonb_build_object('keyHash', encode(sha256('$admin_key'), 'hex')))},
	'how long messages are kept' => 'SELECT now() - realtime.oldest_kept()',
	'agents'       => 'SELECT * FROM realtime.agents',
	'signing keys' => 'SELECT agent_id, version, state, secret, not_after, created_at FROM realtime.signing_keys ORDER BY version',
	'policies'     => q{SELECT * FROM pg_policies WHERE schemaname = 'realtime'},
	'rights'       => q{SELECT relacl FROM pg_class WHERE oid = 'realtime.messages'::regclass},
	'publication'     => q{SELECT pubname, pubinsert, pubupdate, pubdelete, puballtables FROM pg_publication},
	'followed tables' => 'SELECT * FROM realtime.followed_tables ORDER BY 1, 2',
	'triggers'        => q{SELECT c.tab, t.tgenabled, c.events FROM realtime.captures c JOIN pg_trigger t ON t.oid = c.capture_trigger ORDER BY c.tab::text},
	'what follow() was told' => 'SELECT * FROM realtime.follows',
	'functions of auth' => q{SELECT pg_get_functiondef(oid), proacl FROM pg_proc WHERE pronamespace = 'auth'::regnamespace ORDER BY 1},
	'rights on auth'    => q{SELECT nspacl FROM pg_namespace WHERE nspname = 'auth'},
);
my %before = map { $_ => $server->sql($same{$_}, 'original') } keys %same;

my $dump = $node->basedir . '/dump.sql';
$node->command_ok([ 'pg_dump', '--file', $dump, $node->connstr('original') ], 'pg_dump');
unlike(slurp_file($dump), qr/\Q$api_key\E/, 'the API key is not in it');
$server->sql('CREATE DATABASE restored');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $node->connstr('restored') ], 'restore');

is($server->sql('SELECT count(*) FROM orders', 'restored'), 2, 'the rows of the user are back');
is($server->sql('SELECT count(*) FROM realtime.messages', 'restored'), 0, 'messages are not carried over');
is($server->sql(q{SELECT count(*) FROM realtime.setup_api_roles()}, 'restored'), 0, 'nothing has to be set up again');
for my $what (sort keys %same)
{
	is($server->sql($same{$what}, 'restored'), $before{$what}, "$what: as before");
}

my $client = $server->member('orders');
$server->sql(q{INSERT INTO orders VALUES (3, 'new')}, 'restored');
my $message = $client->broadcast;
is($message && $message->{payload}{n}, 3, 'the restored database is served');

# pg_dump of the restored one is the same
my $again = $node->basedir . '/again.sql';
$node->command_ok([ 'pg_dump', '--file', $again, $node->connstr('restored') ], 'pg_dump of the restored database');
like(slurp_file($again), qr/CREATE EXTENSION IF NOT EXISTS realtime/, 'has the extension');
unlike(slurp_file($again), qr/(?:messages|commits)_\d{4}_\d\d_\d\d|CREATE TABLE realtime|COPY realtime\.(?:messages|commits)/,
	'and none of its objects');

# CREATE PUBLICATION comes when it likes in a restore, and may be all there is of one
my $schema = $node->basedir . '/schema.sql';
$node->command_ok([ 'pg_dump', '--schema-only', '--file', $schema, $node->connstr('original') ], 'pg_dump without data');
$server->sql('CREATE DATABASE bare');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $schema, $node->connstr('bare') ], 'restore of it');
my $publication = q{SELECT p.pubowner::regrole, p.pubupdate, t.tablename
	FROM pg_publication p LEFT JOIN pg_publication_tables t USING (pubname)};
is($server->sql($publication, 'bare'), 'postgres|f|followed', 'the publication is that of the dump');
$node->command_fails_like([ 'psql', '-Xqc', 'CREATE PUBLICATION supabase_realtime', $node->connstr('bare') ],
	qr/publication "supabase_realtime" already exists/, 'one that has tables stays');
$server->sql('ALTER PUBLICATION supabase_realtime DROP TABLE followed', 'bare');
$server->sql('CREATE PUBLICATION another', 'bare');
is($server->sql($publication, 'bare'), "postgres|f|\npostgres|t|", 'so does an empty one when another is made');
$server->sql('CREATE ROLE owner; GRANT CREATE ON DATABASE bare TO owner', 'bare');
$node->command_fails_like([ 'psql', '-Xqc', 'SET ROLE owner; CREATE PUBLICATION supabase_realtime', $node->connstr('bare') ],
	qr/publication "supabase_realtime" already exists/, 'and one that belongs to somebody else');
$server->sql('CREATE PUBLICATION supabase_realtime FOR TABLE followed; DROP PUBLICATION another', 'bare');
is($server->sql($publication, 'bare'), 'postgres|t|followed', 'an empty one is replaced');
is($server->sql('SELECT tab, events FROM realtime.captures', 'bare'), 'followed|28', 'and its table is followed');

# the extension takes its triggers along without a word, and leaves what is the user's
$server->sql('DROP EXTENSION realtime', 'original');
is($server->sql(q{SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'realtime%'}, 'original'), 0, 'no trigger is left');
is($server->sql('INSERT INTO followed VALUES (1) RETURNING id', 'original'), 1, 'the table is as any other');
is($server->sql('SELECT pubname FROM pg_publication', 'original'), 'supabase_realtime', 'the publication is still there');
$server->sql('CREATE EXTENSION realtime', 'original');
is($server->sql('SELECT tab, events FROM realtime.captures', 'original'), 'followed|12', 'and is followed when the extension comes again');

done_testing();
