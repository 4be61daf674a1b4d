# Any role may write a logical message into the WAL.  Only those that carry
# the server's seal are delivered; others are ignored and counted, whatever
# they contain, also a true record copied from the WAL.

use strict;
use warnings;

use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;

my $server = RealtimeServer->start_new('forged');
my $node = $server->node;
my $client = $server->member('room');
my $forged = 0;

# Emit a record as an ordinary role.
sub emit
{
	my ($bytes, $transactional) = @_;
	return $server->sql(sprintf q{SET ROLE mallory; SELECT pg_logical_emit_message(%s, 'realtime', '\x%s'::bytea)},
		$transactional // 'true', unpack('H*', $bytes));
}

sub hears_only
{
	my ($name, $n) = @_;
	$server->publish('room', $n);
	my $message = $client->broadcast;
	return is($message && $message->{payload}{n}, $n, $name);
}

$server->sql('CREATE ROLE mallory');
hears_only('a true message arrives', 1);

# A body as wal_record.h describes it, sealed with a guess.
sub body
{
	my ($xid, $payload) = @_;
	my ($topic, $event) = ('room', 'e');
	return pack('C4 S S L q', 1, 1, 0, length $event, length $topic, 0, length $payload, 0)
	  . ("\x11" x 16) . pack('Q', $xid) . $topic . $event . $payload;
}

my $counted = $server->stat('forged') + $server->stat('malformed_records');
my $records = 0;
for (
	[ 'nothing at all', '' ],
	[ 'one byte', "\x01" ],
	[ 'text', 'hello' ],
	[ 'a body without a seal', body(0, '{"n": 99}') ],
	[ 'a body with a seal of zeros', body(0, '{"n": 99}') . "\0" x 32 ],
	[ 'lengths past the end', pack('C4 S S L q', 1, 1, 0, 255, 65535, 0, 4294967295, 0) . "\0" x 60 ],
	[ 'a megabyte', 'x' x 1_000_000 ])
{
	my ($name, $bytes) = @$_;

	emit($bytes);
	$records++;
	hears_only("$name: ignored", 10 + $records);
	emit($bytes, 'false');
	$records++;
	hears_only("$name, not transactional: ignored", 10 + $records);
}
wait_for(sub { $server->stat('forged') + $server->stat('malformed_records') >= $counted + $records / 2 },
	'the forged records to be counted');
pass('forged records are counted');

# A copy of a true record.  It is looked for in the segment file; a page
# boundary may cut it in two, so several are tried.
my $record;
for my $n (50 .. 59)
{
	my $file = $server->sql('SELECT pg_walfile_name(pg_current_wal_insert_lsn())');
	hears_only("message $n, to be copied", $n);
	my $wal = slurp_file($node->data_dir . "/pg_wal/$file");
	($record) = $wal =~ /(\x03\x01.\x01\x04\x00.{42}roome\{"n": $n[^}]*\}.{32})/s;
	last if defined $record;
}
ok(defined $record, 'a true record is found in the WAL');
emit($record // '');
hears_only('a copied record is ignored: its transaction has ended', 70);
$server->publish('room', 71);
is($client->broadcast->{payload}{n}, 71, 'also later');

# Other prefixes cost nothing and mean nothing.
$server->sql(q{SELECT pg_logical_emit_message(true, 'realtimes', 'x'), pg_logical_emit_message(true, '', 'x')});
hears_only('other prefixes are ignored', 80);

# The key is for the server alone.
my @secrets = grep { -f } glob($node->data_dir . '/realtime/* ' . $node->data_dir . '/realtime*');
for my $file (@secrets)
{
	is((stat $file)[2] & 077, 0, 'nobody else may read ' . substr($file, length $node->data_dir));
}

$server->cluster_alive('after forged records');
done_testing();
