# Agents, where it takes more than one session or another setting to see:
# concurrent rotations, publishing beside a locked key, the modes of
# realtime.agent_channels, a database in another encoding.

use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;

my $server = RealtimeServer->start_new('agents_sql');
my $node = $server->node;

sub check_channels
{
	my (@names) = @_;
	my $json = JSON::PP->new->canonical->encode({ names => \@names });
	return decode_json($server->sql("SELECT body FROM realtime.check_channels('$json')"));
}

sub post
{
	my ($key) = @_;
	return qq{SELECT status FROM realtime.http_realtime_publish(jsonb_build_object(
		'keyHash', encode(sha256('$key'), 'hex'), 'body', '{"endUserId": "u"}'::jsonb))};
}

# Made-up names of conversations are tried with every key; that takes so little
# that those who ask with them get their answers.
sub try_many
{
	$server->sql(q{SELECT count(realtime.create_agent('many-' || n)) FROM generate_series(1, 1000) n});
	my @good = map { $server->sql("SELECT realtime.conversation_channel('$_', 'c')") } qw(many-1 many-500 many-1000);
	my @bad = map { "conv-c$_-" . 'ab' x 32 } 1 .. 250;
	my $json = JSON::PP->new->canonical->encode({ names => [ @good[ 0, 1 ], @bad, $good[2], $good[0], 'conv-c', 'conv-' . 'ab' x 32 ] });
	my $answer = $server->sql(qq{
		SET statement_timeout = '2s';
		SELECT string_agg(c.place::text, ' ' ORDER BY c.place) FROM realtime.check_channels('$json') r,
			jsonb_array_elements(r.body -> 'channels') WITH ORDINALITY c(channel, place)
		WHERE (c.channel ->> 'valid')::boolean});

	is($answer, '1 2 253 254', 'good names among 252 others and 1000 agents');
	is($server->sql(q{SELECT status || (body ->> 'error') FROM realtime.check_channels(
		jsonb_build_object('names', (SELECT jsonb_agg('conv-' || n) FROM generate_series(1, 257) n)))}),
		'400there must be no more than 256 names', 'and not more than that at once');
	$server->sql(q{DELETE FROM realtime.agents WHERE agent_id LIKE 'many-%'});
	return;
}

# The mode that gateways are told.
is(check_channels()->{mode}, 'off', 'auto, and no agent: off');
try_many();
my $key = $server->sql(q{SELECT api_key FROM realtime.create_agent('acme')});
is(check_channels()->{mode}, 'require', 'auto, and an agent: require');
my $name = $server->sql(q{SELECT realtime.user_channel('acme', 'u')});
for my $mode (qw(off warn require auto))
{
	$server->reconfigure('realtime.agent_channels' => $mode);
	wait_for(sub { $server->sql('SHOW realtime.agent_channels') eq $mode }, 'the setting');
	my $answer = check_channels($name, "${name}0");
	is($answer->{mode}, $mode eq 'auto' ? 'require' : $mode, "mode $mode");
	is_deeply([ map { $_->{valid} ? 1 : 0 } @{ $answer->{channels} } ], [ 1, 0 ], "names are checked in mode $mode");
}

# Two rotations at once come one after the other.
my $first = $node->background_psql('postgres', on_error_stop => 1);
my $second = $node->background_psql('postgres', on_error_stop => 1);
$first->query_safe('BEGIN');
is($first->query_safe(q{SELECT realtime.rotate_signing_key('acme', '1 hour')}), 2, 'the first rotation');
$second->query_until(qr/rotating/, qq{\\echo rotating\nSELECT realtime.rotate_signing_key('acme', '2 hours');\n});
wait_for(sub { $server->sql(q{SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%rotate%'}) },
	'the second rotation to wait');
$first->query_safe('COMMIT');
$second->query_safe('SELECT 1');
is($server->sql(q{SELECT string_agg(version || state, ' ' ORDER BY version) FROM realtime.signing_keys}),
	'1previous 2previous 3current', 'the second one found the key of the first');
$second->quit;

# Publishing waits for nobody who looks at the key.
$first->query_safe('BEGIN');
$first->query_safe('SELECT FROM realtime.agent_api_keys FOR UPDATE');
is($server->sql("SET lock_timeout = '1s'; " . post($key)), 200, 'published beside a locked key');
is($server->sql('SELECT count(*) FROM realtime.agent_api_keys WHERE last_used_at IS NULL'), 1, 'whose use is not noted');
$first->query_safe('COMMIT');
is($server->sql(post($key)), 200, 'published again');
is($server->sql('SELECT count(*) FROM realtime.agent_api_keys WHERE last_used_at IS NULL'), 0, 'and noted now');
$first->quit;

# No secret gets into the log, whatever goes wrong and however much is logged.
my $secret = 'a secret that is long enough';
$node->append_conf('postgresql.conf', "log_min_messages = debug1\n");
$node->reload;
$node->psql('postgres', $_)
  for "SELECT realtime.rotate_signing_key('acme', '-1 hour', '$secret')",
  "SELECT realtime.create_agent('acme', '$secret')",
  "SELECT realtime.create_agent('x-user-y', '$secret')",
  "SELECT realtime.rotate_signing_key('nobody', '1 hour', '$secret')";
my @lines = grep { /\Q$secret\E/ && !/STATEMENT:/ } split /\n/, slurp_file($node->logfile);
is("@lines", '', 'the secret is in no message of the server');

# In any encoding it is the UTF-8 bytes that count.
$server->sql(q{CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'});
$node->safe_psql('latin', 'CREATE EXTENSION realtime');
my $latin = $node->safe_psql('latin', <<'SQL');
SET client_encoding = 'UTF8';
SELECT count(*) FROM realtime.create_agent('größe', 'geheim geheim geheim');
SELECT realtime.verify_channel(realtime.user_channel('größe', 'ü'), 'geheim geheim geheim');
SELECT octet_length(realtime.user_channel('größe', repeat('ü', 64)));
SELECT body -> 'channels' -> 0 ->> 'valid' FROM realtime.check_channels(jsonb_build_object('names', jsonb_build_array(realtime.user_channel('größe', 'ü'))));
SQL
is($latin, "1\nt\n146\ntrue", 'names in LATIN1');
my ($code, undef, $error) = $node->psql('latin', q{SET client_encoding = 'UTF8'; SELECT realtime.user_channel('größe', repeat('ü', 65))});
like($error, qr/end_user_id is too long/, 'whose length is that in UTF-8');

$server->cluster_alive('after agents');
done_testing();
