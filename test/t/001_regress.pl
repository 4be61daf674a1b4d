# What SQL sees: pg_regress over test/sql with expected/, one file after the
# other, on a server that has the extension's library preloaded.  Each file is
# one test here.  guard needs a database without the extension, setup creates
# it for all others, send_paths makes it anew, and maintenance drops it.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename;
use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;

my $top = abs_path(dirname(__FILE__) . '/../..');
my %place = (guard => -5, setup => -4, messages => -3, send => -2, send_paths => -1, maintenance => 1);
my @tests = sort { ($place{$a} // 0) <=> ($place{$b} // 0) || $a cmp $b }
  map { basename($_, '.sql') } glob "$top/test/sql/*.sql";
my $server = RealtimeServer->start_new('regress', extension => 0);
my $inputdir = "$PostgreSQL::Test::Utils::tmp_check/regress";
my $out = '';

ok(@tests > 0, 'there are regression tests');

# pg_regress wants sql/ and expected/ beside each other.
mkdir $inputdir;
symlink "$top/test/sql", "$inputdir/sql";
symlink "$top/expected", "$inputdir/expected";
IPC::Run::run(
	[
		$ENV{PG_REGRESS}, "--inputdir=$inputdir", "--outputdir=$inputdir",
		'--use-existing', '--dbname=postgres', '--bindir=',
		'--host=' . $server->node->host, '--port=' . $server->node->port, @tests
	],
	'>', \$out, '2>&1');

for my $test (@tests)
{
	# "test name ... ok" up to version 15, TAP since 16
	ok($out =~ /^test \Q$test\E +\.\.\. ok\b|^ok \d+ +- \Q$test\E\b/m, $test);
}
if ($out !~ /All \d+ tests passed/)
{
	diag($out);
	diag(slurp_file("$inputdir/regression.diffs")) if -s "$inputdir/regression.diffs";
}
unlike(slurp_file($server->node->logfile), qr/terminated by signal|reinitializing/,
	'no process of the server was killed');

done_testing();
