# The unit tests of src/proto: programs in C, built with ASan and UBSan by
# test/unit/Makefile, that feed byte vectors to the parsers, whole and one byte
# at a time.  Each speaks TAP; here they are only run and counted.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename;
use PostgreSQL::Test::Utils;
use TapProgram;
use Test::More;

my $build = abs_path(dirname(__FILE__) . '/../../build/unit');
my @programs = grep { -f && -x } glob "$build/test_*";

ok(@programs > 0, 'there are unit tests');
tap_program_ok(basename($_), [$_]) for @programs;

done_testing();
