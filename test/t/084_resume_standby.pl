# Cursors on a standby and after its promotion: one of the primary is good at the
# standby and stays so when that takes over; one from behind the fork is not.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use RealtimeServer;
use Test::More;

my $primary = RealtimeServer->start_new('primary', conf => "wal_keep_size = 64MB\n");
my $ahead = $primary->client;
my $start = $ahead->join('room')->{payload}{response}{cursor};
$primary->publish('room', $_) for 1 .. 5;
my @heard = $ahead->broadcasts(5);
wait_for(sub { $primary->stat('record_backlog') == 0 }, 'the commits to be recorded');

$primary->node->backup('base');
my $node = PostgreSQL::Test::Cluster->new('standby');
$node->init_from_backup($primary->node, 'base', has_streaming => 1);
my $standby = bless { node => $node, port => PostgreSQL::Test::Cluster::get_free_port() }, 'RealtimeServer';
$node->append_conf('postgresql.conf', "realtime.port = $standby->{port}\n");
chmod 0600, $node->data_dir . '/realtime/secret';
$node->start;
$standby->wait_until_healthy;
is($standby->stat('epoch'), $primary->stat('epoch'), 'the standby is in the epoch of its primary');

# A client with a cursor, and the answer to its join.
sub come_back
{
	my ($server, $cursor) = @_;
	my $client = $server->client;
	my $reply = $client->join('room', broadcast => { resume => $cursor });

	return ($client, $reply->{payload}{response});
}

sub numbers { return [ map { $_->{payload}{n} } @_ ]; }

# What the primary has sent is to be had from the standby, right after it was sent
for my $round (1 .. 20)
{
	$primary->publish('room', 5 + $round);
	$ahead->broadcast;
	$primary->node->wait_for_catchup('standby');
	my ($client, $response) = come_back($standby, $heard[1]{meta}{cursor});
	my @missed = $client->broadcasts(3 + $round);
	is($response->{recovered} . ' ' . join(',', @{ numbers(@missed) }), '1 ' . join(',', 3 .. 5 + $round),
		"round $round: a cursor of the primary at the standby");
	$client->abandon;
}

# live at the standby, with the same cursors as at the primary
my ($behind) = come_back($standby, $heard[4]{meta}{cursor});
$behind->broadcasts(20);
$primary->publish('room', 26);
my $one = $ahead->broadcast;
my $other = $behind->broadcast;
is_deeply($other->{meta}, $one->{meta}, 'the same message has the same cursor on both');

# The standby is cut off: what the primary says then is no part of its history.
$node->append_conf('postgresql.conf', "primary_conninfo = ''\n");
$node->reload;
wait_for(sub { $node->safe_psql('postgres', 'SELECT count(*) FROM pg_stat_wal_receiver') == 0 }, 'the standby to be cut off');
my $shared = $one->{meta}{cursor};
$primary->publish('room', 27);
my $beyond = $ahead->broadcast->{meta}{cursor};
$primary->node->stop('immediate');
$node->promote;
wait_for(sub { eval { $standby->publish('room', 100); 1 } }, 'the promoted standby to take messages');
my ($client, $response);
wait_for(
	sub {
		($client, $response) = eval { come_back($standby, $shared) };
		return $response && exists $response->{recovered};
	},
	'the promoted standby to know its past');
is($response->{recovered}, 1, 'a cursor from before the fork is good');
is_deeply(numbers($client->broadcasts(1)), [100], 'and what was behind it is there');
is($standby->stat('epoch') . '', $standby->sql('SELECT DISTINCT epoch FROM realtime.commits'), 'in the same epoch');
($client, $response) = come_back($standby, $beyond);
is($response->{reason}, 'diverged', 'one from behind the fork is not');
# also when the new history has gone on for longer than the old one
$standby->sql(q{SELECT pg_logical_emit_message(false, 'filler', repeat('x', 100000)); SELECT pg_switch_wal()});
$standby->publish('room', 101);
($client, $response) = come_back($standby, $beyond);
is($response->{reason}, 'diverged', 'nor will it ever be');
$standby->publish('room', 102);
# 101 may not have been told of when the join was answered
my @new;
push @new, $client->broadcast while !@new || $new[-1]{payload}{n} != 102;
pass('but who has it hears what is new');
my ($last) = come_back($standby, $response->{cursor});
is_deeply(numbers($last->broadcasts(scalar @new)), numbers(@new), 'and can go on from there');

$node->stop;
done_testing();
