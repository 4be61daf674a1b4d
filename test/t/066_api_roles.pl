# Roles: what executors connect as lets nobody in from outside, goes for all
# databases, and acts as the roles of realtime.jwt_roles and no others.

use strict;
use warnings;

use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;

my $server = RealtimeServer->new('api_roles', extension => 0,
	conf => qq{realtime.jwt_roles = 'Web, "Odd, ""role""",boss, nobody'\n});
my $node = $server->node;
$server->start;
$server->sql(q{CREATE ROLE web; CREATE ROLE "Odd, ""role"""; CREATE ROLE boss CREATEROLE; CREATE ROLE anon});

sub members
{
	return $server->sql(q{SELECT string_agg(r.rolname, '|' ORDER BY r.rolname) FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid
		WHERE m.member = 'realtime_executor'::regrole});
}

# CREATE EXTENSION grants what roles that exist need.
my (undef, undef, $warning) = $node->psql('postgres', 'CREATE EXTENSION realtime');
like($warning, qr/role "boss" is too powerful for a token/, 'a powerful role is refused');
is(members(), 'Odd, "role"|web', 'executors may act as the roles that the setting names');
is($server->sql(q{SELECT string_agg(r, '|' ORDER BY r) FROM unnest(ARRAY['web', 'Odd, "role"', 'boss', 'anon']) r
	WHERE has_table_privilege(r, 'realtime.messages', 'INSERT')}), 'Odd, "role"|anon|web', 'which have rights on messages, as anon has');

# What is missing is made later.
$server->sql('SELECT realtime.setup_api_roles()');
is($server->sql(q{SELECT rolbypassrls FROM pg_roles WHERE rolname = 'service_role'}), 't', 'there is a service_role');
is(members(), 'Odd, "role"|web', 'which is not named in the setting');
$server->reconfigure('realtime.jwt_roles' => 'anon');
wait_for(sub { $server->sql('SHOW realtime.jwt_roles') eq 'anon' }, 'the setting');
is($server->sql('SELECT action, object FROM realtime.setup_api_roles()'), 'grant to realtime_executor|ROLE anon', 'a role more');

# pg_hba.conf trusts everybody here, and lets nobody in as realtime_executor.
my ($code, undef, $error) = $node->psql('postgres', 'SELECT 1', extra_params => [ '-U', 'realtime_executor' ]);
isnt($code, 0, 'no session from outside');
like($error, qr/too many connections for role "realtime_executor"/, 'because it may have none');
wait_for(sub { $server->sql(q{SELECT count(*) FROM pg_stat_activity WHERE usename = 'realtime_executor' AND backend_type = 'realtime executor'}) },
	'an executor to connect');
pass('but executors');

# Whoever gives clients' roles all that is to come gives them nothing of this;
# nor is a role too powerful that has its power from others.
$server->sql(q{CREATE ROLE reader NOINHERIT IN ROLE pg_read_all_data});
$server->sql('CREATE DATABASE generous');
$node->safe_psql('generous', q{
	ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO anon, PUBLIC, realtime_executor;
	ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO anon, realtime_executor;
	CREATE SCHEMA realtime;
	CREATE TABLE realtime.mine ();
	CREATE FUNCTION realtime.mine() RETURNS integer LANGUAGE sql RETURN 1;
	CREATE EXTENSION realtime});
$server->reconfigure('realtime.jwt_roles' => 'anon, reader');
wait_for(sub { $node->safe_psql('generous', 'SHOW realtime.jwt_roles') eq 'anon, reader' }, 'the setting');
(undef, undef, $warning) = $node->psql('generous', 'SELECT realtime.setup_api_roles()');
like($warning, qr/role "reader" is too powerful for a token/, 'a member of a powerful role is refused');
$server->reconfigure('realtime.jwt_roles' => 'anon');
my $granted = q{
	SELECT string_agg(DISTINCT format('%s %s', coalesce(nullif(a.grantee, 0)::regrole::text, 'PUBLIC'), a.object), E'\\n')
	FROM (SELECT x.grantee, c.relname::text AS object FROM pg_class c, aclexplode(c.relacl) x
		  WHERE c.relnamespace = 'realtime'::regnamespace AND x.grantee <> c.relowner
		  UNION ALL
		  SELECT x.grantee, p.proname FROM pg_proc p, aclexplode(p.proacl) x
		  WHERE p.pronamespace = 'realtime'::regnamespace AND x.grantee NOT IN (p.proowner, 0)) a
	WHERE a.object <> 'mine'};
# partitions that are made later, too
$node->safe_psql('generous', q{
	SELECT realtime.drop_partition(i.inhrelid::regclass) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
	WHERE i.inhparent IN ('realtime.messages'::regclass, 'realtime.commits'::regclass) AND c.relname !~ '_default$'});
like($node->safe_psql('generous', 'SELECT action FROM realtime.maintain()'), qr/created/, 'partitions are made again');
my $generous = $node->safe_psql('generous', $granted);
$node->safe_psql('generous', q{
	DROP EXTENSION realtime; DROP SCHEMA realtime CASCADE;
	ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM anon, PUBLIC, realtime_executor;
	ALTER DEFAULT PRIVILEGES REVOKE ALL ON FUNCTIONS FROM anon, realtime_executor;
	CREATE EXTENSION realtime});
$node->psql('generous', 'SELECT realtime.setup_api_roles()');
is($generous, $node->safe_psql('generous', $granted), 'default privileges change nothing');
like($generous, qr/^anon messages$/m, 'as little as ever');
$node->safe_psql('generous', 'DROP EXTENSION realtime');
$server->sql('DROP DATABASE generous');

# One role for all databases, closed ones as well; what is not as it should be
# is not taken.
$server->sql('CREATE DATABASE second');
$server->sql('REVOKE CONNECT ON DATABASE second FROM PUBLIC');
$node->safe_psql('second', 'CREATE EXTENSION realtime');
is($server->sql(q{SELECT has_database_privilege('realtime_executor', 'second', 'CONNECT')}), 't', 'it may connect to a closed database');
$node->safe_psql('second', 'DROP EXTENSION realtime');
$server->sql('ALTER ROLE realtime_executor CREATEDB');
($code, undef, $error) = $node->psql('second', 'CREATE EXTENSION realtime');
like($error, qr/role "realtime_executor" exists already and is not safe to use.*It has CREATEDB.*HINT:  Drop it, or: ALTER ROLE/s,
	'a role that is not as it should be');
$server->sql('ALTER ROLE realtime_executor NOCREATEDB');
$node->safe_psql('second', 'CREATE EXTENSION realtime');
pass('one that was put right');

$server->cluster_alive('after roles');
done_testing();
