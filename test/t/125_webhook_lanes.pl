# Webhooks that are ordered get the messages of a channel in the order of their
# commits, one after the other, also when they fail; and a receiver that is dead
# or hangs keeps nobody else waiting, however much there is for him.

use strict;
use warnings;

use IPC::Run ();
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;
use WebhookReceiver;

my $server = RealtimeServer->start_new('webhook_lanes', conf => <<'CONF');
realtime.webhook_allow_private = '127.0.0.0/8'
realtime.webhook_retry_delay = 20ms
realtime.webhook_timeout = 2s
realtime.webhook_concurrency = 8
CONF

# A channel with some URLs.
sub channel
{
	my ($pattern, $ordered, @urls) = @_;
	return $server->sql(sprintf q{INSERT INTO realtime.channels (pattern, webhook_ordered, webhook_urls) VALUES ('%s', %s, ARRAY[%s])},
		$pattern, $ordered ? 'true' : 'false', join ', ', map { "'$_'" } @urls);
}

# How many deliveries wait for URLs like that.
sub waiting
{
	my ($like) = @_;
	return $server->sql("SELECT count(*) FROM realtime.webhook_deliveries WHERE url LIKE '%/$like'");
}

subtest 'ordered' => sub {
	my $receiver = WebhookReceiver->start;
	my $rounds = 60;

	channel('order:%', 1, $receiver->url('flaky/1/x'), $receiver->url('ok/x'));
	# writers who take a ticket hold its lock until they have committed
	$server->sql('CREATE TABLE ticket (name text PRIMARY KEY, n int NOT NULL); INSERT INTO ticket SELECT i, 0 FROM generate_series(1, 3) i');
	append_to_file("$PostgreSQL::Test::Utils::tmp_check/ticket.sql", <<'SQL');
\set name random(1, 3)
BEGIN;
SELECT txid_current();
UPDATE ticket SET n = n + 2 WHERE name = ':name' RETURNING n \gset
SELECT realtime.publish('order:' || ':name', 'e', jsonb_build_object('n', :n - 1)), realtime.publish('order:' || ':name', 'e', jsonb_build_object('n', :n));
COMMIT;
SQL
	$server->node->command_ok([ 'pgbench', '-n', '-c', 6, '-t', $rounds / 6, '-M', 'simple',
			'-f', "$PostgreSQL::Test::Utils::tmp_check/ticket.sql", 'postgres' ], 'writers write');
	wait_for(sub { waiting('%') eq '0' }, 'all to be delivered');

	for my $path ('flaky/1/x', 'ok/x')
	{
		my (%got, %tries, $disorder, $early);

		for my $request ($receiver->requests($path))
		{
			my $body = decode_json($request->{body});
			my $list = $got{ $body->{channelName} } //= [];
			my $try = ++$tries{ $body->{messageId} };

			# the first attempt at a flaky one fails: only then is it its turn
			$disorder++ if $body->{payload}{n} != @$list + 1;
			push @$list, $body->{payload}{n} if $path =~ /^ok/ || $try == 2;
		}
		is($disorder // 0, 0, "$path: every request was for the message whose turn it was");
		is_deeply($got{"order:$_"}, [ 1 .. $server->sql("SELECT n FROM ticket WHERE name = '$_'") ],
			"$path: channel $_ is complete") for 1 .. 3;
	}
	is($server->sql('SELECT count(*) FROM realtime.webhook_dead_letters'), 0, 'nothing was given up');
};

subtest 'a head that is given up' => sub {
	my $receiver = WebhookReceiver->start;

	channel('head', 1, $receiver->url('status/404/x'));
	$server->sql(q{SELECT realtime.publish('head', 'e', to_jsonb(i)) FROM generate_series(1, 40) i});
	wait_for(sub { waiting('%') eq '0' }, 'all to be given up');
	is_deeply([ map { decode_json($_->{body})->{payload} } $receiver->requests('status/404/x') ], [ 1 .. 40 ],
		'lets the next one go on');
	is($server->sql('SELECT count(*) FROM realtime.webhook_dead_letters'), 40, 'all are dead letters');
};

subtest 'a large transaction' => sub {
	my $receiver = WebhookReceiver->start;

	channel('large', 1, $receiver->url('ok/large'));
	$server->sql(q{SELECT count(realtime.publish('large', 'e', to_jsonb(i))) FROM generate_series(1, 2500) i});
	wait_for(sub { waiting('%') eq '0' }, 'all to be delivered');
	is_deeply([ map { decode_json($_->{body})->{payload} } $receiver->requests('ok/large') ], [ 1 .. 2500 ],
		'comes in its order');
};

subtest 'channels that store nothing' => sub {
	my $receiver = WebhookReceiver->start;

	$server->sql(sprintf q{INSERT INTO realtime.channels (pattern, persist, webhook_ordered, webhook_urls) VALUES ('fleeting', false, true, ARRAY['%s'])},
		$receiver->url('ok/fleeting'));
	$server->sql("SELECT realtime.publish('fleeting', 'e', to_jsonb($_))") for 1 .. 20;
	wait_for(sub { waiting('%') eq '0' }, 'all to be delivered');
	is_deeply([ map { decode_json($_->{body})->{payload} } $receiver->requests('ok/fleeting') ], [ 1 .. 20 ],
		'are ordered as well');
};

subtest 'a dead receiver slows nobody' => sub {
	my ($good, $hanging) = (WebhookReceiver->start, WebhookReceiver->start);
	my $dead = PostgreSQL::Test::Cluster::get_free_port();
	my $messages = 1000;

	channel('mixed', 0, "http://127.0.0.1:$dead/ok/dead", $hanging->url('hang/x'), $good->url('ok/good'), $good->url('slow/10/x'));
	$server->sql("SELECT count(realtime.publish('mixed', 'e', to_jsonb(i))) FROM generate_series(1, $messages) i");
	wait_for(sub { waiting('ok/good') eq '0' && waiting('slow/10/x') eq '0' }, 'the good one to get all of his');
	is(scalar($good->requests('ok/good')), $messages, 'he gets all');
	cmp_ok(waiting('hang/x'), '>', $messages * 0.9, 'while others still wait');
	cmp_ok(waiting('ok/dead'), '>', $messages * 0.9, 'or refuse');
	cmp_ok(scalar($hanging->requests('hang/x')), '<', 100, 'who are not bothered much');

	my $most = $good->ask('most');
	cmp_ok($most->{'/slow/10/x'}, '>', 1, 'requests are made in parallel');
	cmp_ok($most->{'/slow/10/x'}, '<=', 8, 'as many as realtime.webhook_concurrency says');
};

$server->cluster_alive('after all of that');
done_testing();
