# Versions of the extension.  ALTER EXTENSION UPDATE brings an older one to what
# a new installation is, while clients are served and miss nothing.  Where the
# SQL objects and the library do not fit each other, whoever calls a function is
# told what to do, what needs no SQL goes on, and nothing crashes; it ends with
# the update, without a restart.
#
# The older versions are made here, of the script as it is: "0.1.0" is the
# number of this version (0.1), so the library works with it, and 0.0 has the
# same text under a number that the library does not know.  Versions that were
# released are in test/released.

use strict;
use warnings;

use ExtensionCatalog;
use File::Basename;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use PrivateInstallation;
use RealtimeServer;
use Test::More;

my $install = PrivateInstallation->new;
my $version = $install->default_version;
my $like_ours = "$version.0";
my ($too_old, $too_new) = ('0.0', '99.0');
my ($before, $update) = ($install->script($version), "\\echo Use \"ALTER EXTENSION realtime UPDATE\" to load this file. \\quit\n");

# Take what a pattern matches out of the older script, and have something done
# for it by the update: the same if nothing is said.
sub came_later
{
	my ($pattern, $instead) = @_;

	$before =~ s/($pattern)// or BAIL_OUT("the script has no $pattern");
	$update .= ($instead // $1) . "\n";
	return;
}

came_later(qr/,\n\tCONSTRAINT messages_type_known CHECK \([^\n]*\)\)/,
	q{ALTER TABLE realtime.messages ADD CONSTRAINT messages_type_known CHECK (type IN ('message', 'broadcast'));});
came_later(qr/,\n\tcheck_expression text(?=\n\);)/, 'ALTER TABLE realtime.dumped_policies ADD check_expression text;');
came_later(qr/GRANT EXECUTE ON FUNCTION realtime\.status\(\) TO pg_monitor;/);
came_later(qr/COMMENT ON FUNCTION realtime\.topic\(\) IS\n[^\n]*;/);
came_later(qr/CREATE INDEX messages_topic_inserted_at_id_idx\n[^\n]*;/);
came_later(qr/CREATE FUNCTION realtime\.recount_messages\(\).*?\n\$\$;\n/s);
came_later(qr/COMMENT ON FUNCTION realtime\.recount_messages\(\) IS\n[^\n]*;/);
came_later(qr/(?<=\n\t)realtime\.recount_messages\(\), (?=realtime\.watch_messages)/, 'REVOKE EXECUTE ON FUNCTION realtime.recount_messages() FROM PUBLIC;');
# a body that is another one
$before =~ s/(CREATE FUNCTION realtime\.note_drop\(\).*?\nBEGIN\n)(?:.*?)(\nEXCEPTION)/$1\tNULL;$2/s
  or BAIL_OUT('the script has no note_drop()');
$install->script($version) =~ /(CREATE FUNCTION realtime\.note_drop\(\).*?\n\$\$;\n)/s;
$update .= $1 =~ s/CREATE FUNCTION/CREATE OR REPLACE FUNCTION/r;

for my $old ($like_ours, $too_old)
{
	$install->add_script($old, $before);
	$install->add_script("$old--$version", $update);
}
$install->add_script("$version--$too_new", "SELECT 'nothing new';\n");
my @released = map { /realtime--([\d.]+)\.sql$/ } glob dirname(__FILE__) . '/../released/realtime--*.sql';
$install->add_script($_, slurp_file(dirname(__FILE__) . "/../released/realtime--$_.sql")) for @released;

my $server = RealtimeServer->start_new('versions', extension => 0, install => $install);
my $node = $server->node;

sub installed { return $server->sql(q{SELECT extversion FROM pg_extension WHERE extname = 'realtime'}, @_); }

# Lines of the log that begin so, since the given place.
sub logged
{
	my ($text, $offset) = @_;
	my $count = () = slurp_file($node->logfile, $offset // 0) =~ /\Q$text\E/g;
	return $count;
}

sub log_end { return -s $node->logfile; }

# How often the log has told since $from that nothing can be done; waits for the
# first time.
my $from;
sub waits
{
	my ($why) = @_;
	return wait_for(sub { logged("LOG:  realtime waits, because extension \"realtime\" is too $why for its library", $from) },
		'the log');
}

# What a command that fails says.
sub error_of
{
	my ($sql) = @_;
	my ($code, undef, $error) = $node->psql('postgres', $sql);
	return $code == 0 ? 'no error' : $error;
}

# The server as one that was started with other files.
sub restart
{
	$node->restart;
	$server->{started} = $server->sql('SELECT pg_postmaster_start_time()');
	$server->wait_until_healthy;
	return;
}

$server->sql('CREATE DATABASE fresh');
$server->sql('CREATE EXTENSION realtime', 'fresh');
my $fresh = ExtensionCatalog::of($server, 'fresh');

#
# An update while clients are served
#
$server->sql("CREATE EXTENSION realtime VERSION '$like_ours'");
is(installed(), $like_ours, 'an older version is installed');
isnt(ExtensionCatalog::of($server, 'postgres'), $fresh, 'it is another one');
$server->sql(<<'SQL');
SELECT realtime.setup_api_roles();
CREATE POLICY everybody ON realtime.messages FOR SELECT TO anon USING (topic LIKE 'open-%');
CREATE TABLE followed (n int PRIMARY KEY);
CREATE TABLE enough ();
GRANT SELECT ON followed TO anon;
ALTER PUBLICATION supabase_realtime ADD TABLE followed;
INSERT INTO realtime.channels (pattern) VALUES ('chat:%');
SELECT realtime.create_agent('acme', 'a secret that agents of the test sign with');
SQL
wait_for(sub { $server->stat('executors') == 2 }, 'the executors');
my $agent = $server->sql(q{SELECT realtime.user_channel('acme', 'u')});

my $public = $server->member('room');
my $private = $server->client;
my $follower = $server->client;
is($private->join_result('open-room', private => 1), 'ok', 'a private channel');
my $answer = $follower->join('rows', postgres_changes => [ { event => 'INSERT', schema => 'public', table => 'followed' } ]);
is($answer->{payload}{status}, 'ok', 'a followed table');
ok($follower->expect(sub { ($_[0]{event} // '') eq 'system' }), 'is followed');

# One session that sends all the time, with the plans that it has made before.
my $send = <<'SQL';
DO $$
DECLARE
	n int := 0;
BEGIN
	WHILE NOT EXISTS (SELECT FROM enough) LOOP
		n := n + 1;
		PERFORM realtime.send(jsonb_build_object('n', n), 'e', 'room', false),
			realtime.send(jsonb_build_object('n', n), 'e', 'open-room', true);
		INSERT INTO followed VALUES (n);
		COMMIT;
		PERFORM pg_sleep(0.002);
	END LOOP;
END
$$
SQL
my $said = '';
my $publisher = IPC::Run::start([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-c', $send ],
	'<', '/dev/null', '>', '/dev/null', '2>', \$said);
my @heard = map { $_->{payload}{n} } $public->broadcasts(50);
$server->sql('ALTER EXTENSION realtime UPDATE');
my $updated_at = $server->sql('SELECT max(n) FROM followed');
wait_for(sub { $server->sql('SELECT max(n) FROM followed') >= $updated_at + 50 }, 'more to be sent');
$server->sql('INSERT INTO enough DEFAULT VALUES');
ok($publisher->finish, "who sends meets no error; the update ended with message $updated_at") or diag($said);

my $most = $server->sql('SELECT max(n) FROM followed');
my @all = 1 .. $most;
push @heard, map { $_->{payload}{n} } $public->broadcasts($most - 50);
is_deeply(\@heard, \@all, "a client of a public channel hears all $most, in order");
is_deeply([ map { $_->{payload}{n} } $private->broadcasts($most) ], \@all, 'so does one of a private channel');
is_deeply([ map { $follower->expect(sub { ($_[0]{event} // '') eq 'postgres_changes' })->{payload}{data}{record}{n} } @all ],
	\@all, 'and one that follows a table');
is(logged('realtime waits'), 0, 'nobody had to wait for the update');

is(installed(), $version, 'the version is that of the library');
$server->sql('DROP POLICY everybody ON realtime.messages');
$server->sql('SELECT realtime.setup_api_roles()', 'fresh');
is(ExtensionCatalog::difference(ExtensionCatalog::of($server, 'postgres'), ExtensionCatalog::of($server, 'fresh')),
	'', 'all is as in a new installation');
is($server->sql(q{SELECT realtime.user_channel('acme', 'u')}), $agent, 'agents are there as before');
is($server->sql(q{SELECT pattern FROM realtime.channels}), 'chat:%', 'channels, too');
is($server->sql(q{SELECT count(*) FROM realtime.history('room', max_rows => 100000)}), $most, 'and messages');

for my $old (@released)
{
	$server->sql("CREATE DATABASE \"from_$old\"");
	$server->sql("CREATE EXTENSION realtime VERSION '$old'; ALTER EXTENSION realtime UPDATE", "from_$old");
	is(ExtensionCatalog::difference(ExtensionCatalog::of($server, "from_$old"), $fresh), '', "from $old: as a new installation");
}

#
# A library that is too new for the SQL
#
$server->sql('DROP EXTENSION realtime');
$server->sql("CREATE EXTENSION realtime VERSION '$too_old'");
is(installed(), $too_old, 'a version that the library does not know any more');
$from = log_end();
restart();
my $hub = $server->hub_pid;

my $refusal = qr/extension "realtime" is too old for the library of realtime.*library that the server has loaded is version \Q$version\E .* the extension is version \Q$too_old\E\..*HINT:  As a superuser in that database: ALTER EXTENSION realtime UPDATE/s;
like(error_of($_), $refusal, $_)
  for q{SELECT realtime.send('{}'::jsonb, 'e', 'room', false)},
  q{INSERT INTO realtime.messages (topic, extension, event, payload, private) VALUES ('room', 'broadcast', 'e', '{}', false)},
  'SELECT * FROM realtime.status()',
  q{SELECT * FROM realtime.can('anon', '{}', 'room')},
  q{SELECT realtime.publish('chat:1', 'e', '{}')};
my ($status, undef, $warning) = $node->psql('postgres', q{SET realtime.on_error = 'warning';
	SELECT realtime.send('{}'::jsonb, 'e', 'room', false)});
is($status, 0, 'where realtime.on_error is "warning", who sends goes on');
like($warning, qr/WARNING:  extension "realtime" is too old for the library of realtime/, 'and is told');
is(error_of('CREATE TABLE made_meanwhile (n int)'), 'no error', 'commands that have nothing to do with it work');
my ($here, $there) = map { $server->member('room') } 1, 2;
$here->cast('room', 'e', { n => 1 });
is($there->broadcast->{payload}{n}, 1, 'what clients of public channels say to each other needs no SQL');
unlike($there->join_result('open-room', private => 1), qr/^ok$/, 'a private channel does');
is(waits('old'), 1, 'the log has one line of it');
is(logged('HINT:  As a superuser in that database: ALTER EXTENSION realtime UPDATE', $from), 7, 'with a hint, as have the errors and the warning');

$server->sql('ALTER EXTENSION realtime UPDATE');
is(installed(), $version, 'after the update');
$server->publish('room', 2);
is($_->broadcast->{payload}{n}, 2, 'who was connected hears what is sent') for $here, $there;
$server->sql(q{CREATE POLICY everybody ON realtime.messages FOR SELECT TO anon USING (topic LIKE 'open-%')});
is($there->join_result('open-room', private => 1), 'ok', 'private channels can be joined');
is($server->hub_pid, $hub, 'the hub is the same');
is(logged('LOG:  realtime goes on, because extension "realtime" fits its library', $from), 1, 'the log has that, too');
$server->cluster_alive('a library that is too new');

#
# SQL that is too new for the library
#
my $later = qr/version \Q$too_new\E of extension "realtime" needs a later library.*library is version \Q$version\E\..*HINT:  Restart the server/s;
like(error_of("ALTER EXTENSION realtime UPDATE TO '$too_new'"), $later, 'an update is refused before the restart');
is(installed(), $version, 'and changes nothing');
$server->sql('CREATE DATABASE another');
my ($code, undef, $error) = $node->psql('another', "CREATE EXTENSION realtime VERSION '$too_new'");
like($error, $later, 'so is a new installation');
$server->publish('room', 3);
is($_->broadcast->{payload}{n}, 3, 'all goes on') for $here, $there;

# Every psql is a session that looks for itself.
my %fits = ('0' => 'old', '0.0.9' => 'old', 'next' => 'old', "$version.0" => 'no error', $version => 'no error',
	"$version.1" => 'new', ($version =~ s/\d+$/10 + $&/er) => 'new', '1' => 'new');
is_deeply({ map { my $which = $_;
		$server->sql("UPDATE pg_extension SET extversion = '$which' WHERE extname = 'realtime'");
		$which => error_of('SELECT realtime.topic()') =~ s/^.*is too (old|new) for.*$/$1/sr } keys %fits }, \%fits,
	'versions are compared number by number');

# On a standby that is older than its primary it is the WAL that brings it; here,
# a server that is started with older files.
$server->sql(q{UPDATE pg_extension SET extversion = '99.0' WHERE extname = 'realtime'});
$from = log_end();
restart();
$refusal = qr/extension "realtime" is too new for the library of realtime.*HINT:  Install that version of realtime and restart the server/s;
like(error_of(q{SELECT realtime.send('{}'::jsonb, 'e', 'room', false)}), $refusal, 'sending');
($here, $there) = map { $server->member('room') } 1, 2;
$here->cast('room', 'e', { n => 1 });
is($there->broadcast->{payload}{n}, 1, 'clients are served as far as that needs no SQL');
unlike($there->join_result('open-room', private => 1), qr/^ok$/, 'private channels are not');
is(waits('new'), 1, 'the log has one line of it');
$server->cluster_alive('SQL that is too new');
$server->sql("UPDATE pg_extension SET extversion = '$version' WHERE extname = 'realtime'");
restart();
my $member = $server->member('room');
$server->publish('room', 4);
is($member->broadcast->{payload}{n}, 4, 'with the right files all is well');

done_testing();
