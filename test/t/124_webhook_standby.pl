# Deliveries outlive the courier's server, a standby that is promoted and a dump:
# what was published and not delivered is, and by one server alone.

use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;
use WebhookReceiver;

my $conf = <<'CONF';
realtime.webhook_allow_private = '127.0.0.0/8'
realtime.webhook_retry_delay = 20ms
CONF
my $receiver = WebhookReceiver->start;
my $server = RealtimeServer->start_new('primary', conf => $conf);

# Publish a number on a channel.
sub publish
{
	my ($channel, $n, $database) = @_;
	return $server->sql("SELECT realtime.publish('$channel', 'e', to_jsonb($n))", $database);
}

# The numbers that a path has received, in their order.
sub numbers
{
	my ($path) = @_;
	return [ map { decode_json($_->{body})->{payload} } $receiver->requests($path) ];
}

sub channel
{
	my ($pattern, $path, $database) = @_;
	return $server->sql(sprintf(q{INSERT INTO realtime.channels (pattern, webhook_ordered, webhook_urls) VALUES ('%s', true, ARRAY['%s'])},
			$pattern, $receiver->url($path)), $database);
}

channel('restart', 'ok/restart');
channel('standby', 'ok/standby');

# A server that starts with deliveries has a courier without anybody publishing.
$server->reconfigure('realtime.webhooks' => 'off');
publish('restart', $_) for 1 .. 5;
$server->node->restart;
$server->wait_until_healthy;
is($server->sql('SELECT courier_pid IS NULL FROM realtime.status()'), 't', 'where webhooks are off no courier runs');
$server->reconfigure('realtime.webhooks' => 'on');
$receiver->wait_for_requests('ok/restart', 5);
is_deeply(numbers('ok/restart'), [ 1 .. 5 ], 'what was published before a restart is delivered after it, in its order');

# A crash of the server.
publish('restart', 6);
$receiver->wait_for_requests('ok/restart', 6);
$server->node->stop('immediate');
$server->node->start;
$server->wait_until_healthy;
publish('restart', 7);
wait_for(sub { numbers('ok/restart')->[-1] == 7 }, 'a delivery after a crash');
my %seen = map { ($_ => 1) } @{ numbers('ok/restart') };
is_deeply([ sort keys %seen ], [ 1 .. 7 ], 'and after a crash');

# A standby delivers nothing, and everything once it is promoted.
$server->node->backup('base');
my $node = PostgreSQL::Test::Cluster->new('standby');
$node->init_from_backup($server->node, 'base', has_streaming => 1);
my $standby = bless { node => $node, port => PostgreSQL::Test::Cluster::get_free_port() }, 'RealtimeServer';
$node->append_conf('postgresql.conf', "realtime.port = $standby->{port}\n");
$node->start;
$standby->wait_until_healthy;
$server->reconfigure('realtime.webhooks' => 'off');
wait_for(sub { $server->sql('SELECT courier_pid IS NULL FROM realtime.status()') eq 't' }, 'the courier to end');
publish('standby', $_) for 1 .. 5;
$server->node->wait_for_catchup('standby');
$standby->sql('SELECT 1');
is($standby->sql('SELECT count(*) FROM realtime.webhook_deliveries'), 5, 'the standby knows of deliveries');
is($standby->sql('SELECT courier_pid IS NULL FROM realtime.status()'), 't', 'and makes none');

$server->node->stop('immediate');
$node->promote;
$receiver->wait_for_requests('ok/standby', 5);
is_deeply(numbers('ok/standby'), [ 1 .. 5 ], 'once it is promoted it does, in their order');

# A dump.
$server = RealtimeServer->new('dump', extension => 0, conf => "$conf\nrealtime.database = 'restored'\n");
$server->start;
$server->sql('CREATE DATABASE original');
$server->sql('CREATE EXTENSION realtime', 'original');
channel('dump', 'ok/dump', 'original');
channel('dead', 'status/404/dump', 'original');
publish('dump', $_, 'original') for 1 .. 5;
publish('dead', 1, 'original');
$server->sql(q{WITH d AS (DELETE FROM realtime.webhook_deliveries WHERE channel_name = 'dead' RETURNING *)
	INSERT INTO realtime.webhook_dead_letters SELECT id, message_id, inserted_at, channel_id, channel_name, event, payload,
		sender_type, sender_id, url, 1, 404, 'x', created_at FROM d}, 'original');
my $dump = $server->node->basedir . '/dump.sql';
$server->node->command_ok([ 'pg_dump', '--file', $dump, $server->node->connstr('original') ], 'pg_dump');
$server->sql('CREATE DATABASE restored');
$server->node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $server->node->connstr('restored') ], 'restore');
$receiver->wait_for_requests('ok/dump', 5);
is_deeply(numbers('ok/dump'), [ 1 .. 5 ], 'what is restored is delivered, in its order');
publish('dump', 6, 'restored');
$receiver->wait_for_requests('ok/dump', 6);
is(numbers('ok/dump')->[-1], 6, 'and what is published then comes behind it');
is($server->sql('SELECT last_error FROM realtime.webhook_dead_letters', 'restored'), 'x', 'dead letters are restored as well');
is($server->sql('SELECT realtime.redeliver(id) FROM realtime.webhook_dead_letters', 'restored'), 't', 'and can be delivered once more');
$receiver->wait_for_requests('status/404/dump', 1);
cmp_ok($server->sql(q{SELECT nextval('realtime.webhook_delivery_ids')}, 'restored'), '>',
	$server->sql(q{SELECT last_value FROM realtime.webhook_delivery_ids}, 'original'), 'new deliveries have new ids');

done_testing();
