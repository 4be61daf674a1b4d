# The same on a hot standby: its hub tails the replayed WAL and its gateway
# serves what the primary commits.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use RealtimeServer;
use Test::More;

my $primary = RealtimeServer->start_new('primary');
my $on_primary = $primary->member('room');

$primary->node->backup('base');
my $node = PostgreSQL::Test::Cluster->new('standby');
$node->init_from_backup($primary->node, 'base', has_streaming => 1);
my $standby = bless { node => $node, port => PostgreSQL::Test::Cluster::get_free_port() }, 'RealtimeServer';
$node->append_conf('postgresql.conf', "realtime.port = $standby->{port}\n");
# the copy that Cluster makes of a backup, unlike pg_basebackup, loses modes
my $secret = $node->data_dir . '/realtime/secret';
chmod 0640, $secret;
$node->start;
is((stat $secret)[2] & 07777, 0600, 'a secret that others could read is closed again');
$standby->wait_until_healthy;
pass('a standby serves clients');

my $on_standby = $standby->member('room');
for my $n (1 .. 20)
{
	$primary->publish('room', $n);
}
my @expected = 1 .. 20;
is_deeply([ map { $_->{payload}{n} } $on_primary->broadcasts(20) ], \@expected, 'a client of the primary hears');
is_deeply([ map { $_->{payload}{n} } $on_standby->broadcasts(20) ], \@expected, 'a client of the standby hears the same');

my ($code, undef, $error) = $node->psql('postgres', q{SELECT realtime.send('{"n": 1}'::jsonb, 'e', 'room', false)});
isnt($code, 0, 'sending on a standby is refused');
like($error, qr/read-only|recovery/, 'because it is read-only');

# The primary goes, the standby takes over.
$primary->node->stop('immediate');
$node->promote;
my $client = wait_for(
	sub {
		my $candidate = eval { $standby->member('room') } or return undef;
		$standby->publish('room', 21);
		my $message = $candidate->broadcast(2);
		return $message && !exists $message->{close} && $message->{payload}{n} == 21;
	},
	'the promoted standby to serve what it commits itself');
ok($client, 'after a promotion the standby serves what it commits itself');

done_testing();
