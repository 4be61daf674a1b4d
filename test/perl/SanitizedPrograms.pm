#-------------------------------------------------------------------------
#
# SanitizedPrograms.pm
#	  A test file once more, with programs of the hub that have been built with
#	  ASan, UBSan and assertions.
#
#	use SanitizedPrograms;
#	SanitizedPrograms::again('025_websocket_input.pl');
#
# Whatever a sanitizer finds, leaks as well, makes the file fail, even if all of
# its tests pass.  `make test-asan` runs every file in this way by loading this
# module first (PERL5OPT).  The programs come from test/unit/Makefile.
#
# How much memory a program takes says nothing here, because what it frees is
# kept to catch who still uses it: RealtimeServer::memory_kb is 0 for these
# programs.
#
#-------------------------------------------------------------------------
package SanitizedPrograms;

use strict;
use warnings;

my $test_pid;

# Set by the test that provokes a report to see it.
our $expected = 0;

# Runs after the servers have been stopped, because Cluster's own END block is
# compiled later than this one.
END
{
	if (($test_pid // 0) == $$)
	{
		my @reports = $expected ? () : reports();

		if (@reports)
		{
			print STDERR "# Failed test: a sanitizer has found something\n", map { "# $_\n" } @reports;
			$? ||= 1;
		}
	}
}

use Cwd qw(abs_path);
use File::Basename qw(basename dirname);

# Is it a test file that runs?  prove and what test files start in Perl load this
# module, too, when PERL5OPT names it.
sub _is_test
{
	return $0 =~ m{\bt/\d\d\d_\w+\.pl$};
}

# Not at run time: these have INIT blocks.
BEGIN
{
	if (_is_test())
	{
		require PostgreSQL::Test::Cluster;
		require PrivateInstallation;
	}
}

my $top = abs_path(dirname(__FILE__) . '/../..');

# Have servers started with the sanitized programs.  In time before the test runs,
# but not before there is a directory for it.
INIT
{
	_set_up() if _is_test();
}

sub _set_up
{
	my $bindir = PrivateInstallation->new->path . '/bin';

	$test_pid = $$;
	$ENV{PATH} = "$bindir:$ENV{PATH}";
	foreach my $name (qw(realtime_gateway realtime_courier))
	{
		my $program = "$top/build/asan/$name";

		die "$program is missing: make -C test/unit programs\n" unless -x $program;
		unlink "$bindir/$name";
		symlink $program, "$bindir/$name" or die "could not link $program: $!\n";
	}
	return;
}

# Run a test file under the name of the one that asks.
sub again
{
	my ($name) = @_;
	my $done = do "$top/test/t/$name";

	die $@ if $@;
	die "could not read $name: $!\n" unless defined $done;
	return;
}

# What the sanitizers have said in the logs of this file's servers, the first
# lines of each report.
sub reports
{
	my $test = basename($0, '.pl');
	my $logs = $ENV{TESTLOGDIR} // "$top/tmp_check/log";
	my @found;

	foreach my $log (glob "$logs/${test}_*.log")
	{
		my $left = 0;

		open my $file, '<', $log or next;
		while (my $line = <$file>)
		{
			$left = 25 if $line =~ /ERROR: (?:Address|Leak)Sanitizer|: runtime error: |: Assertion .* failed/;
			next unless $left-- > 0;
			chomp $line;
			push @found, $line if @found < 200;
		}
	}
	return @found;
}

1;
