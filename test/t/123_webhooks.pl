# Messages of channels are posted to their webhooks: what is sent, what counts as
# delivered, and what becomes of a delivery whose receiver fails, hangs,
# redirects or lies.

use strict;
use warnings;

use Digest::SHA qw(hmac_sha256_base64);
use JSON::PP;
use MIME::Base64 qw(decode_base64);
use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;
use WebhookReceiver;

my $server = RealtimeServer->start_new('webhooks', conf => <<'CONF');
realtime.webhook_allow_private = '127.0.0.0/8'
realtime.webhook_retry_delay = 10ms
realtime.webhook_timeout = 700ms
realtime.webhook_max_attempts = 4
CONF
my $receiver = WebhookReceiver->start;
my $user = '11111111-2222-3333-4444-555555555555';

is($server->stat('webhooks_sent'), 0, 'nothing was sent yet');
is($server->sql('SELECT courier_pid IS NULL FROM realtime.status()'), 't', 'and no courier runs');

# A channel, which may have other columns than URLs.
sub channel
{
	my ($pattern, $urls, %columns) = @_;
	my %all = (%columns, pattern => "'$pattern'", webhook_urls => "ARRAY[" . join(', ', map { "'$_'" } @$urls) . ']');

	return $server->sql(sprintf 'INSERT INTO realtime.channels (%s) VALUES (%s) RETURNING id',
		join(', ', sort keys %all), join(', ', map { $all{$_} } sort keys %all));
}

# Publish, and return the message's id.
sub publish
{
	my ($channel, $payload, $event) = @_;
	return $server->sql(sprintf q{SELECT realtime.publish('%s', '%s', '%s')}, $channel, $event // 'e', $payload // '{"n": 1}');
}

# Dead letters of a message: rows of URL (its path), attempts, status and error.
sub dead_letters
{
	my ($id) = @_;
	return $server->sql(qq{SELECT regexp_replace(url, '^.*:\\d+/', ''), attempts, last_status, last_error
		FROM realtime.webhook_dead_letters WHERE message_id = '$id' ORDER BY url});
}

# Wait until nothing is to be delivered.
sub all_done
{
	return wait_for(sub { $server->sql('SELECT count(*) FROM realtime.webhook_deliveries') eq '0' }, 'all deliveries to end');
}

my $envelope_channel = channel('order:%', [ $receiver->url('ok/envelope'), $receiver->url('ok/twice') ]);
my $id = publish('order:7', '{"status": "shipped", "meta": [1, null]}', 'status_changed');
my ($request) = $receiver->wait_for_requests('ok/envelope', 1);
my $body = decode_json($request->{body});

is($request->{method}, 'POST', 'a message is posted');
is($request->{headers}{'content-type'}, 'application/json', 'as JSON');
like($request->{headers}{'user-agent'}, qr{^realtime/}, 'by us');
is($request->{headers}{'x-insforge-event'}, 'status_changed', 'a header has the event');
is($request->{headers}{'x-insforge-channel'}, 'order:7', 'another one the name of the channel, and not its pattern');
is($request->{headers}{'x-insforge-message-id'}, $id, 'and one the id of the message');
is($request->{headers}{'webhook-id'}, $id, 'which is also that of Standard Webhooks');
cmp_ok(abs($request->{headers}{'webhook-timestamp'} - time), '<', 60, 'with the time');
ok(!exists $request->{headers}{'webhook-signature'}, 'without a secret there is no signature');
like(delete $body->{timestamp}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, 'the body has the time of the message');
is_deeply($body, {
		event => 'status_changed', channelName => 'order:7', channelId => $envelope_channel,
		payload => { status => 'shipped', meta => [ 1, undef ] },
		messageId => $id, senderType => 'system', senderId => undef },
	'and all else that there is to know');
$receiver->wait_for_requests('ok/twice', 1);
all_done();
is($server->sql('SELECT count(*) FROM realtime.webhook_dead_letters'), 0, 'nothing was given up');
is($server->sql("SELECT wh_audience_count, wh_delivered_count FROM realtime.message_details WHERE id = '$id'"),
	'2|2', 'the message was delivered to both URLs') if $server->sql("SELECT to_regclass('realtime.message_details')");
isnt($server->sql('SELECT courier_pid FROM realtime.status()'), '', 'a courier runs now');
wait_for(sub { $server->stat('webhooks_delivered') == 2 }, 'deliveries to be counted');
pass('deliveries are counted');

subtest 'raw bodies and signatures' => sub {
	my $plain = 'not base64!';
	my $standard = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

	channel('raw', [ $receiver->url('ok/raw') ], webhook_format => "'raw'", webhook_secret => "'$standard'");
	channel('plain', [ $receiver->url('ok/plain') ], webhook_secret => "'$plain'");
	channel('bad', [ $receiver->url('ok/bad') ], webhook_secret => "'whsec_%%%'");
	my $raw = publish('raw', '[1, "ä€"]');
	publish('plain');
	my $bad = publish('bad');

	for my $case ([ raw => decode_base64('MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw') ], [ plain => $plain ])
	{
		my ($path, $key) = @$case;
		my ($got) = $receiver->wait_for_requests("ok/$path", 1);
		my $signed = join '.', $got->{headers}{'webhook-id'}, $got->{headers}{'webhook-timestamp'}, $got->{body};
		utf8::encode($signed);
		my $mac = hmac_sha256_base64($signed, $key);
		is($got->{headers}{'webhook-signature'}, "v1,$mac=", "$path: the signature is right");
	}
	is_deeply(JSON::PP->new->decode(($receiver->requests('ok/raw'))[0]{body}), [ 1, "\x{e4}\x{20ac}" ], 'a raw body is the payload');
	all_done();
	like(dead_letters($bad), qr/^ok\/bad\|1\|\|the channel's webhook_secret/, 'a secret that is none gives the delivery up');
};

subtest 'names cannot become headers' => sub {
	channel('evil:%', [ $receiver->url('ok/evil') ]);
	$server->sql(q{SELECT realtime.publish('evil:ä', E'e\r\nX-Evil: 1', '{}')});
	my ($got) = $receiver->wait_for_requests('ok/evil', 1);

	ok(!exists $got->{headers}{'x-evil'}, 'no header comes out of an event');
	is($got->{headers}{'x-insforge-event'}, 'e%0D%0AX-Evil: 1', 'what is no printable ASCII is escaped');
	is($got->{headers}{'x-insforge-channel'}, 'evil:%C3%A4', 'in channels, too');
};

subtest 'transactions' => sub {
	channel('tx', [ $receiver->url('ok/tx') ]);
	$server->sql(q{BEGIN; SELECT realtime.publish('tx', 'rolled back', '{}'); ROLLBACK});
	$server->sql(q{BEGIN; SELECT realtime.publish('tx', 'before', '{}');
		SAVEPOINT s; SELECT realtime.publish('tx', 'rolled back', '{}'); ROLLBACK TO s;
		SELECT realtime.publish('tx', 'after', '{}'); COMMIT});
	$server->sql(q{BEGIN; SAVEPOINT s; SELECT realtime.publish('tx', 'rolled back', '{}'); ROLLBACK TO s;
		SELECT realtime.publish('tx', 'only', '{}'); PREPARE TRANSACTION 'tx'});
	$receiver->wait_for_requests('ok/tx', 2);
	$server->sql(q{COMMIT PREPARED 'tx'});
	is_deeply([ sort map { $_->{headers}{'x-insforge-event'} } $receiver->wait_for_requests('ok/tx', 3) ],
		[ 'after', 'before', 'only' ], 'what is committed is delivered, when it is, and nothing else');
};

# What receivers do, and what comes of it: requests made, and the dead letter.
my %cases = (
	'status/204/x' => [ 1, '' ],
	'status/400/x' => [ 1, '1|400|answered with status 400' ],
	'status/404/x' => [ 1, '1|404|answered with status 404' ],
	'status/410/x' => [ 1, '1|410|answered with status 410' ],
	'status/408/x' => [ 4, '4|408|answered with status 408' ],
	'status/429/x' => [ 4, '4|429|answered with status 429' ],
	'status/500/x' => [ 4, '4|500|answered with status 500' ],
	'status/503/x' => [ 4, '4|503|answered with status 503' ],
	'redirect/x' => [ 1, '1|302|answered with status 302, and redirects are not followed' ],
	'flaky/2/x' => [ 3, '' ],
	'hang/x' => [ 4, '4||Timeout was reached' ],
	'close/x' => [ 4, undef ],
	'garbage/x' => [ 4, undef ],
	'drip/x' => [ 1, '' ],
	'huge/x' => [ 1, '' ],
	'short/x' => [ 1, '' ],
	'head/x' => [ 4, undef ],
);

subtest 'receivers that are no good' => sub {
	# a server each, so that none suffers from another's failures
	my %receivers = map { ($_ => WebhookReceiver->start) } sort keys %cases;

	channel('bad:%', [ map { $receivers{$_}->url($_) } sort keys %cases ]);
	my $message = publish('bad:x');
	all_done();

	my %dead = map { my ($path, $rest) = split /\|/, $_, 2; ($path => $rest) } split /\n/, dead_letters($message);
	for my $path (sort keys %cases)
	{
		my ($requests, $letter) = @{ $cases{$path} };

		is(scalar($receivers{$path}->requests($path)), $requests, "$path: requests made");
		if (defined $letter) { is($dead{$path} // '', $letter, "$path: how it ended"); }
		else { like($dead{$path} // '', qr/^4\|\|./, "$path: given up without an answer"); }
	}
	is(scalar($receivers{'redirect/x'}->requests('ok/redirected')), 0, 'no redirect was followed');
	my %ids = map { ($_->{headers}{'webhook-id'} => 1) } map { $receivers{$_}->requests($_) } sort keys %cases;
	is_deeply([ keys %ids ], [$message], 'every attempt has the id of the message');
};

subtest 'Retry-After' => sub {
	channel('busy', [ $receiver->url('busy/1/x') ]);
	publish('busy');
	my @got = $receiver->wait_for_requests('busy/1/x', 2);
	cmp_ok($got[1]{at} - $got[0]{at}, '>=', 900, 'who asks for time is given it');
	all_done();
};

subtest 'TLS' => sub {
	my $dir = PostgreSQL::Test::Utils::tempdir();
	my %ca = (key => "$dir/key.pem", cert => "$dir/cert.pem");

	system_or_bail('openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '30', '-subj', '/CN=localhost',
		'-addext', 'subjectAltName=DNS:localhost', '-keyout', $ca{key}, '-out', $ca{cert});
	my $tls = WebhookReceiver->start(%ca);
	# a busy machine takes its time for a handshake, which is not what is to be seen
	$server->reconfigure('realtime.webhook_timeout' => '30s');
	# its own questions are answered over TLS as well, so it is asked nothing
	channel('tls', [ $tls->url('ok/tls', 'localhost') ]);
	channel('tls-name', [ $tls->url('ok/tls', '127.0.0.1') ]);
	my $untrusted = publish('tls');
	all_done();
	like(dead_letters($untrusted), qr/^ok\/tls\|4\|\|.*(peer certificate|CA)/, 'a certificate that nobody knows is not trusted');

	$server->reconfigure('realtime.webhook_ca_file' => $ca{cert});
	my ($trusted, $named) = (publish('tls'), publish('tls-name'));
	all_done();
	is(dead_letters($trusted), '', 'one that was made known is');
	like(dead_letters($named), qr/^ok\/tls\|4\|\|./, 'but not for another name');
	$server->reconfigure('realtime.webhook_ca_file' => '');
	wait_for(sub { my $message = publish('tls'); all_done(); return dead_letters($message) ne '' },
		'the certificate to be forgotten');
	pass('and no longer when it is taken back');
	$server->reconfigure('realtime.webhook_timeout' => '700ms');
};

subtest 'redelivery' => sub {
	my ($message, $letter) = split /\|/, $server->sql(
		q{SELECT message_id, id FROM realtime.webhook_dead_letters WHERE url LIKE '%/ok/bad'});

	$server->sql(q{UPDATE realtime.channels SET webhook_secret = NULL WHERE pattern = 'bad'});
	is($server->sql("SELECT realtime.redeliver($letter)"), 't', 'a dead letter can be delivered once more');
	is(($receiver->wait_for_requests('ok/bad', 1))[0]{headers}{'webhook-id'}, $message, 'with the same id');
	is($server->sql("SELECT realtime.redeliver($letter)"), 'f', 'it is a dead letter no longer');
	all_done();
	is($server->sql("SELECT realtime.redeliver('$message'::uuid)"), 1, 'a message that was delivered, too');
	$receiver->wait_for_requests('ok/bad', 2);
	is($server->sql("SELECT realtime.redeliver(gen_random_uuid())"), 0, 'one that is not known is not');
	is($server->sql("SELECT realtime.test_webhooks('$envelope_channel')"), 2, 'webhooks can be tested');
	is(decode_json(($receiver->wait_for_requests('ok/twice', 2))[1]{body})->{event}, 'webhook.test', 'with an event of its own');
};

subtest 'channels that change' => sub {
	my $channel = channel('gone', [ $receiver->url('ok/gone') ]);
	my $message;

	$server->reconfigure('realtime.webhooks' => 'off');
	wait_for(sub { $server->sql('SELECT courier_pid IS NULL FROM realtime.status()') eq 't' }, 'the courier to end');
	$message = publish('gone');
	$server->sql("UPDATE realtime.channels SET webhook_urls = ARRAY['" . $receiver->url('ok/moved') . "'] WHERE id = '$channel'");
	$server->reconfigure('realtime.webhooks' => 'on');
	all_done();
	is(dead_letters($message), 'ok/gone|0||the channel has no such webhook any more', 'what a channel no longer wants is not delivered');
	is(scalar($receiver->requests('ok/gone')), 0, 'not even once');
	$message = publish('gone');
	$receiver->wait_for_requests('ok/moved', 1);

	channel('null', [ 'ftp://127.0.0.1/x', 'javascript:alert(1)', $receiver->url('ok/null') ]);
	$message = publish('null');
	all_done();
	like(dead_letters($message), qr{^ftp://127.0.0.1/x\|1\|\|it is no http or https URL\njavascript:alert\(1\)\|1\|\|it is no http}, 'what is no URL of HTTP is given up');
	$receiver->wait_for_requests('ok/null', 1);
};

subtest 'channels that store nothing' => sub {
	channel('fleeting', [ $receiver->url('ok/fleeting') ], persist => 'false');
	my $message = publish('fleeting', '{"x": 1}');
	my ($got) = $receiver->wait_for_requests('ok/fleeting', 1);

	is(decode_json($got->{body})->{messageId}, $message, 'have webhooks as well');
	is($server->sql("SELECT count(*) FROM realtime.messages WHERE id = '$message'"), 0, 'without a row');
};

$server->cluster_alive('after all of that');
done_testing();
