#-------------------------------------------------------------------------
#
# ValgrindServer.pm
#	  A test file with every process of its servers under Valgrind.
#
# `make valgrind` has test files load this module first (PERL5OPT).  The postgres
# that is found is a script that runs the real one under Valgrind; initdb does
# without, and so do the programs of the hub, which SanitizedPrograms.pm looks
# into.  Each process has a log of its own beside the others of the test.
#
# Whatever Valgrind finds makes the file fail, even if all of its tests pass.
# What it finds in PostgreSQL itself stands in test/valgrind.supp.  It knows
# nothing of palloc: an overflow inside of a block of a memory context, or the
# use of what was pfree'd there, is not seen.
#
#-------------------------------------------------------------------------
package ValgrindServer;

use strict;
use warnings;

my $test_pid;

# Runs after the servers have been stopped, because Cluster's own END block is
# compiled later than this one.
END
{
	if (($test_pid // 0) == $$)
	{
		my ($logs, @reports) = _reports();

		push @reports, 'it has written no log' if $logs == 0;
		if (@reports)
		{
			print STDERR "# Failed test: Valgrind has found something\n", map { "# $_\n" } @reports;
			$? ||= 1;
		}
	}
}

use Cwd qw(abs_path);
use File::Basename qw(basename dirname);

# Is it a test file that runs?  prove and what test files start in Perl load this
# module, too.
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

# Where the logs of this file's processes are, without the process id.
sub _log
{
	return ($ENV{TESTLOGDIR} // "$top/tmp_check/log") . '/valgrind_' . basename($0, '.pl');
}

# Have servers started under Valgrind.  In time before the test runs, but not
# before there is a directory for it.
INIT
{
	_set_up() if _is_test();
}

sub _set_up
{
	my $bindir = PrivateInstallation->new->path . '/bin';
	my $log = _log();

	$test_pid = $$;
	$ENV{PATH} = "$bindir:$ENV{PATH}";
	rename "$bindir/postgres", "$bindir/postgres.checked" or die "could not rename postgres: $!\n";

	open my $script, '>', "$bindir/postgres" or die "could not write $bindir/postgres: $!\n";
	print $script <<"SCRIPT";
#!/bin/sh
# asked for its version, or by initdb
case "\$1" in -V|--*) exec '$bindir/postgres.checked' "\$@" ;; esac
exec valgrind --quiet --leak-check=no --num-callers=25 --vgdb=no --error-markers=VGB,VGE \\
	--trace-children=yes --trace-children-skip='*/realtime_*,*/sh' \\
	--suppressions='$top/test/valgrind.supp' --gen-suppressions=all \\
	--log-file='$log.%p' '$bindir/postgres.checked' "\$@"
SCRIPT
	close $script;
	chmod 0755, "$bindir/postgres";
	# as much slower as everything is
	$RealtimeServer::conf = "realtime.statement_timeout = 60s\nrealtime.lock_timeout = 20s\n"
	  . "realtime.idle_timeout = 1h\nrealtime.send_timeout = 5min\n";
	$ENV{PGCTLTIMEOUT} = $PostgreSQL::Test::Utils::timeout_default;
	return;
}

# How many logs there are, and the lines of all reports in them.
sub _reports
{
	my @logs = glob _log() . '.*';
	my @found;

	foreach my $log (@logs)
	{
		open my $file, '<', $log or next;
		while (my $line = <$file>)
		{
			chomp $line;
			push @found, $line if @found < 300;
		}
	}
	return (scalar @logs, @found);
}

1;
