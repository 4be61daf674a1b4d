# The parsers of src/proto under libFuzzer, ASan and UBSan (test/fuzz): first
# the corpora, whole and with one allocation after the other failing, then every
# target for some time with inputs that nobody has thought of.  A finding's
# input is among the logs.  FUZZ_SECONDS says for how long, a target each.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename;
use PostgreSQL::Test::Utils;
use TapProgram;
use Test::More;

my $top = abs_path(dirname(__FILE__) . '/../..');
my $seconds = $ENV{FUZZ_SECONDS} // 30;
my @targets = map { basename($_) } glob "$top/test/fuzz/corpus/*";
my $out = "$PostgreSQL::Test::Utils::log_path/fuzz";

cmp_ok(scalar @targets, '>=', 8, 'there are targets');
tap_program_ok('corpora', ["$top/build/fuzz/replay", "$top/test/fuzz/corpus"]);

my ($stdout, $stderr);
my $good = IPC::Run::run(["$top/test/fuzz/run", '-s', $seconds, '-j', 2, '-o', $out],
	'<', \undef, '>', \$stdout, '2>', \$stderr);

for my $target (@targets)
{
	my ($line) = $stdout =~ /^\Q$target\E: (no finding .*|A FINDING.*)$/m;
	like($line // '', qr/^no finding in \d+ s, [1-9]\d* runs/, "$target: " . ($line // 'nothing'))
	  or diag($stdout, $stderr);
}
ok($good, 'no finding at all') or diag($stdout, $stderr);

# what was new is of no use to anybody here
system('rm', '-rf', "$out/corpus");

done_testing();
