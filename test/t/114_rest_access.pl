# Who may use /api/realtime: tokens, API keys and their lives, what the roles of
# the database may call; what is answered when the database cannot.

use strict;
use warnings;

use ApiClient;
use Digest::SHA qw(sha256_hex);
use JSON::PP;
use JwtKey;
use PostgreSQL::Test::Cluster;
use RealtimeServer;
use Test::More;

my $server = RealtimeServer->start_new('rest_access', conf => <<'CONF');
realtime.max_events_per_second = 1000
realtime.rate_window = 5s
CONF
my $json = JSON::PP->new->utf8->canonical->allow_nonref;
my $key = $server->sql(q{SELECT realtime.create_api_key('first')});
my $anon_key = $server->sql('SELECT realtime.create_anon_key()');

sub error { return ApiClient::error(@_); }
sub status { my ($headers, @request) = @_; return ApiClient->new($server, $headers)->ask(@request ? @request : ('GET', 'config')); }
sub refused
{
	my ($headers, $error, $name, @request) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is_deeply(status($headers, @request), $error, $name);
}
sub admitted
{
	my ($headers, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is_deeply(status($headers), [ 200, { retentionDays => undef } ], $name);
}

my $missing = error(401, 'AUTH_INVALID_CREDENTIALS', 'No admin token provided');
my $no_token = error(401, 'AUTH_INVALID_CREDENTIALS', 'No token provided');
my $bad_key = error(401, 'AUTH_INVALID_API_KEY', 'Invalid API key');
my $bad_token = error(401, 'AUTH_UNAUTHORIZED', 'Invalid token');
my $no_admin = error(403, 'AUTH_UNAUTHORIZED', 'Admin access required');
my $admin_token = $server->token(role => 'project_admin');
sub bearer { return "Authorization: Bearer $_[0]\r\n"; }

#
# Credentials
#
like($key, qr/^ik_[0-9a-f]{64}$/, 'a key');
like($anon_key, qr/^anon_[0-9a-f]{64}$/, 'one for everybody');
refused('', $missing, 'nothing');
refused("Authorization: Basic eDp5\r\n", $missing, 'another scheme');
refused('', $missing, "nothing: $_->[0] $_->[1]", @$_)
  for [ 'GET', 'channels' ], [ 'POST', 'channels', {} ], [ 'GET', 'channels/x' ], [ 'PUT', 'channels/x', {} ], [ 'DELETE', 'channels/x' ],
  [ 'GET', 'messages' ], [ 'DELETE', 'messages' ], [ 'GET', 'messages/stats' ], [ 'GET', 'permissions' ], [ 'PATCH', 'config', {} ];
refused('', $no_token, "nothing: POST $_", 'POST', $_, '{') for qw(publish messages broadcast);
admitted("X-API-Key: $key\r\n", 'a key in X-API-Key');
admitted(bearer($key), 'a key for a bearer');
admitted("authorization: BEARER $key\r\n", 'in any case');
admitted(bearer($admin_token), 'a token of project_admin');
admitted("X-API-Key: $key\r\n" . bearer('x.y.z'), 'X-API-Key before a bad token');
refused("X-API-Key: $_\r\n", $bad_key, "X-API-Key: $_")
  for 'x', 'ik_', "ik_" . '0' x 64, "$key" . '0', uc $key, $anon_key, $admin_token, 'ik_' . 'g' x 64;
refused(bearer($_), $bad_key, "bearer $_") for 'ik_', 'ik_' . '0' x 64, "$key.";
refused(bearer($_), $bad_token, "bearer $_")
  for 'x', 'x.y.z', $anon_key, $server->token(role => 'project_admin', exp => 1), JwtKey->secret('x' x 32)->token({ role => 'project_admin', exp => 4_000_000_000 });
refused(bearer($server->token(role => $_)), $no_admin, "a token of $_") for qw(anon authenticated service_role postgres);
refused(bearer($_), $bad_token, "publish with $_", 'POST', 'publish', { channel => 'x', event => 'e', payload => {} })
  for 'x.y.z', 'anon_x', 'anon_' . '0' x 64;
refused(bearer($server->token(role => 'postgres')), error(403, 'AUTH_UNAUTHORIZED', 'The role of the token is not allowed'),
	'a role that is not allowed', 'POST', 'publish', {});
is(ApiClient->new($server, '')->raw('POST', '/api/realtime/channels', undef, headers => "Content-Length: 100000\r\n")->[0], 401,
	'the body of a stranger is not read');

#
# The life of a key
#
my $prefix = substr $key, 0, 15;
is($server->sql(q{SELECT prefix || ' ' || name || ' ' || role FROM realtime.api_keys WHERE role = 'project_admin'}), "$prefix first project_admin", 'how it begins is kept');
is($server->sql("SELECT count(*) FROM realtime.api_keys k WHERE k::text LIKE '%' || substr('$key', 20) || '%'"), 0, 'the key itself is not');
is($server->sql("SELECT key_hash = decode('" . sha256_hex($key) . "', 'hex') FROM realtime.api_keys WHERE prefix = '$prefix'"), 't', 'its SHA-256 is');

my $used = "SELECT last_used_at, xmin FROM realtime.api_keys WHERE prefix = '$prefix'";
my $first = $server->sql($used);
isnt($first, '', 'its use is noted');
admitted("X-API-Key: $key\r\n", 'it is used again') for 1 .. 3;
is($server->sql($used), $first, 'and not noted again');
$server->sql("UPDATE realtime.api_keys SET last_used_at = now() - interval '61 seconds' WHERE prefix = '$prefix'");
admitted("X-API-Key: $key\r\n", 'after a minute');
is($server->sql("SELECT last_used_at > now() - interval '1 minute' FROM realtime.api_keys WHERE prefix = '$prefix'"), 't', 'it is');
# somebody has the row locked
my $locker = $server->node->background_psql('postgres');
$locker->query_safe("BEGIN; UPDATE realtime.api_keys SET last_used_at = now() - interval '1 hour' WHERE prefix = '$prefix'");
admitted("X-API-Key: $key\r\n", 'nobody waits for that');
$locker->quit;

my $new = $server->sql("SELECT realtime.rotate_api_key('$prefix')");
admitted("X-API-Key: $_\r\n", 'a key and the one in its place') for $key, $new;
$server->sql("SELECT realtime.revoke_api_key('$prefix', '1 hour')");
admitted("X-API-Key: $key\r\n", 'revoked with grace');
$server->sql("SELECT realtime.revoke_api_key('$prefix')");
refused("X-API-Key: $key\r\n", $bad_key, 'revoked');
admitted("X-API-Key: $new\r\n", 'the new one stays');
my $short = $server->sql(q{SELECT realtime.create_api_key(expires_at => now() + interval '1 second')});
wait_for(sub { status("X-API-Key: $short\r\n")->[0] == 401 }, 'a key to expire');
pass('a key expires');
for (
	[ "realtime.revoke_api_key('$prefix')", 'there is no such key in use' ],
	[ q{realtime.revoke_api_key('x')}, 'there is no such key in use' ],
	[ q{realtime.rotate_api_key('x')}, 'there is no such key in use' ],
	[ "realtime.revoke_api_key('$prefix', '-1')", 'grace must be between 0 and 1 year' ],
	[ q{realtime.create_api_key(expires_at => now())}, 'expires_at must be in the future' ])
{
	my (undef, undef, $error) = $server->node->psql('postgres', "SELECT $_->[0]");
	like($error, qr/$_->[1]/, "$_->[0]: $_->[1]");
}
sub check { my ($hash) = @_; return $server->sql("SELECT status, body - 'id' FROM realtime.check_api_key('{\"keyHash\": $hash}')"); }
is(check('"' . sha256_hex($new) . '"'), '200|{"role": "project_admin", "expiresAt": null}', 'whose a key is');
is(check('"' . sha256_hex($anon_key) . '"'), '200|{"role": "anon", "expiresAt": null}', 'whose one for everybody');
is(check($_), '401|{"error": "Invalid API key"}', "nobody's: $_") for 'null', '7', '"x"', '"' . sha256_hex($key) . '"';

#
# Roles of the database
#
$server->sql('SELECT realtime.setup_api_roles()');
for my $role (qw(anon authenticated service_role project_admin))
{
	next if $server->sql("SELECT to_regrole('$role') IS NULL") eq 't';
	is($server->sql(<<"SQL"), '', "$role can call none of it");
SELECT p.oid::regprocedure FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
WHERE p.pronamespace = 'realtime'::regnamespace AND p.proname ~ '^(http_|check_|(add|create|revoke|rotate|use)_(api|anon)_key\$)'
  AND has_function_privilege('$role', p.oid, 'EXECUTE')
SQL
	is($server->sql(<<"SQL"), '', "$role can read no keys and change no configuration");
SELECT c.relname, p.name FROM pg_class c, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) p(name)
WHERE c.oid IN ('realtime.api_keys'::regclass, 'realtime.config'::regclass) AND has_table_privilege('$role', c.oid, p.name)
SQL
}
# what a function of this schema does is not what a caller's path says
$server->sql(<<'SQL');
CREATE SCHEMA mallory;
CREATE FUNCTION mallory.refuse_stranger(jsonb) RETURNS jsonb LANGUAGE sql AS 'SELECT null::jsonb';
ALTER ROLE realtime_executor SET search_path = mallory, realtime, pg_catalog;
SQL
refused("X-API-Key: $key\r\n", $bad_key, 'a search path changes nothing');
$server->sql('ALTER ROLE realtime_executor RESET search_path');

#
# Retention
#
my $admin = ApiClient->with_key($server, $new);
$server->sql(<<'SQL');
INSERT INTO realtime.messages (topic, extension, event, payload, inserted_at)
SELECT 'old', 'broadcast', 'e', '{}', now() - n * interval '1 day' FROM generate_series(20, 21) n;
INSERT INTO realtime.messages (topic, extension, event, payload, inserted_at) VALUES ('young', 'broadcast', 'e', '{}', now() - interval '10 days');
SQL
my $kept = q{SELECT coalesce(string_agg(DISTINCT topic, ' ' ORDER BY topic), '') FROM realtime.messages};
is($admin->ask('PATCH', 'config', { retentionDays => 15 })->[0], 200, 'messages are kept for 15 days');
$server->sql('SELECT realtime.maintain()');
is($server->sql($kept), 'young', 'more than the setting says, and no more than that');
is($admin->ask('PATCH', 'config', { retentionDays => undef })->[0], 200, 'as the setting says');
$server->reconfigure('realtime.retention' => '9d');
wait_for(sub { $server->sql('SHOW realtime.retention') eq '9d' }, 'the setting');
$server->sql('SELECT realtime.maintain()');
is($server->sql($kept), '', 'which is less');

#
# When the database cannot
#
my $busy = error(503, 'SERVICE_UNAVAILABLE', 'Busy, please try again');
$locker = $server->node->background_psql('postgres');
$locker->query_safe('BEGIN; LOCK TABLE realtime.channels');
is_deeply($admin->ask('GET', 'channels'), $busy, 'a table is locked');
$locker->quit;
is($admin->ask('GET', 'channels')->[0], 200, 'and is not any more');
$admin->ask('POST', 'channels', { pattern => 'x' });
my @published = map { $admin->ask('POST', 'publish', { channel => 'x', event => 'e', payload => {} }) } 1 .. 3;
is(join(' ', map { $_->[0] } @published), '201 201 201', 'publishing below the limit');
$server->reconfigure('realtime.max_events_per_second' => 1);
my $limited = wait_for(
	sub {
		my $answer = $admin->ask('POST', 'publish', { channel => 'x', event => 'e', payload => {} });
		return $answer->[0] == 429 && $answer;
	},
	'the limit to be reached');
is_deeply($limited, error(429, 'TOO_MANY_REQUESTS', 'You have exceeded your rate limit'), 'publishing above it');

# a standby reads and does not write
$server->node->backup('base');
my $node = PostgreSQL::Test::Cluster->new('rest_standby');
$node->init_from_backup($server->node, 'base', has_streaming => 1);
my $standby = bless { node => $node, port => PostgreSQL::Test::Cluster::get_free_port() }, 'RealtimeServer';
$node->append_conf('postgresql.conf', "realtime.port = $standby->{port}\n");
chmod 0600, $node->data_dir . '/realtime/secret';
$node->start;
$standby->wait_until_healthy;
my $reader = ApiClient->with_key($standby, $new);
is(join(' ', map { $reader->ask('GET', $_)->[0] } qw(channels messages messages/stats permissions config)), '200 200 200 200 200', 'a standby reads');
is_deeply(ApiClient->with_key($standby, $key)->ask('GET', 'config'), $bad_key, 'for those who may');
is_deeply($reader->ask(@$_), $busy, "$_->[0] $_->[1] on a standby")
  for [ 'POST', 'channels', { pattern => 'y' } ], [ 'PATCH', 'config', { retentionDays => 1 } ], [ 'DELETE', 'messages' ];
$node->stop;

$server->sql('DROP EXTENSION realtime CASCADE');
is_deeply($admin->ask('GET', 'channels'), $busy, 'without the extension');

$server->cluster_alive('after the requests');
done_testing();
