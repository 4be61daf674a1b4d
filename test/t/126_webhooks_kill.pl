# 100,000 deliveries and a courier that is killed in their midst, again and again:
# none is lost, and what is delivered twice has the same id both times.

use strict;
use warnings;

use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;
use WebhookReceiver;

my $messages = 100_000;
my $server = RealtimeServer->start_new('webhooks_kill', conf => <<'CONF');
realtime.webhook_allow_private = '127.0.0.0/8'
realtime.webhook_concurrency = 32
CONF
my $receiver = WebhookReceiver->start;

$receiver->ask('brief');
$server->sql(sprintf q{INSERT INTO realtime.channels (pattern, webhook_urls) VALUES ('load:%%', ARRAY['%s'])},
	$receiver->url('ok/load'));

# The courier, waiting for it if need be.
sub courier_pid
{
	return wait_for(sub { ($server->programs('realtime_courier'))[0] }, 'a courier');
}

# Several transactions, of which some are large enough to be read twice by the hub.
$server->sql(qq{SELECT count(realtime.publish('load:' || i % 100, 'e', jsonb_build_object('n', i)))
	FROM generate_series($_ * $messages / 10 + 1, ($_ + 1) * $messages / 10) i}) for 0 .. 9;

my %killed;
for my $share (0.1, 0.3, 0.5, 0.7)
{
	wait_for(sub { $receiver->ask('totals')->[1] >= $share * $messages }, "a share of $share to be delivered");
	my $pid = courier_pid();
	ok(!$killed{$pid}++, 'the courier was started again');
	kill 'KILL', $pid;
}
wait_for(sub { $server->sql('SELECT NOT EXISTS (SELECT FROM realtime.webhook_deliveries)') eq 't' }, 'everything to be delivered');

my %received = map { ($_->[1] => $_->[2]) } @{ $receiver->ask('counts') };
my @published = split /\n/, $server->sql('SELECT id FROM realtime.messages');
my $requests = $receiver->ask('totals')->[0];

is(scalar(@published), $messages, 'all messages were published');
is(scalar(grep { !$received{$_} } @published), 0, 'and none was lost');
is(scalar(keys %received), $messages, 'nothing else came');
note $requests - $messages, ' deliveries came more than once';
cmp_ok($requests - $messages, '<=', 4 * 4096, 'what came twice was in hand');
is($server->sql('SELECT count(*) FROM realtime.webhook_dead_letters'), 0, 'nothing was given up');
is($server->stat('courier_failures'), 4, 'the courier ended when it was killed, and else not');
is($server->sql('SELECT sum(wh_audience) = sum(wh_delivered) FROM realtime.message_audience'), 't', 'all is counted');
is($server->sql('SELECT sum(wh_delivered) FROM realtime.message_audience'), $messages, 'once');

done_testing();
