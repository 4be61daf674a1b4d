#-------------------------------------------------------------------------
#
# TapProgram.pm
#	  Run a program that speaks TAP itself and pass its results on.
#
# So that one prove counts everything: the unit tests in C and the tests of
# the npm clients appear as subtests, with the name they have there.  Nested
# results (node's subtests) are counted one by one.  A program that dies, that
# prints no test or fewer than it planned is a failure.
#
#-------------------------------------------------------------------------
package TapProgram;

use strict;
use warnings;

use Exporter 'import';
use IPC::Run ();
use Test::More;

our @EXPORT = qw(tap_program_ok);

# Run @$command as the subtest $name; true if all passed.
sub tap_program_ok
{
	my ($name, $command, $timeout) = @_;
	my ($out, $err, $timed_out) = ('', '', 0);
	my $run = IPC::Run::start($command, '<', \undef, '>', \$out, '2>', \$err,
		IPC::Run::timeout($timeout // 300));

	if (!eval { $run->finish; 1 })
	{
		$timed_out = 1;
		$run->kill_kill;
	}
	my $status = $timed_out ? -1 : $run->full_result(0);

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return subtest $name => sub {
		my %seen = (plan => undef, top => 0);
		my ($failed, @block) = (0);

		for my $line (split /\n/, $out)
		{
			if ($line =~ /^( *)(not )?ok\b *\d* *-? *(.*?)(?: +# *(SKIP|TODO)\b *(.*))?$/i)
			{
				my ($indent, $not, $what, $directive, $reason) = ($1, $2, $3, $4, $5);
				$what = "test \"$what\"" if $what =~ /^[\d\s]*$/;
				$seen{top}++ if $indent eq '';
				if ($directive && uc $directive eq 'SKIP') { pass("$what # skipped: $reason"); next; }
				$failed = !ok(!$not, $what);
			}
			elsif ($line =~ /^1\.\.(\d+)/) { $seen{plan} = $1; }
			elsif ($failed && $line =~ /\S/) { diag($line); }
		}
		is($seen{top}, $seen{plan}, 'it ran the tests that it planned');
		ok(!$timed_out, 'it ended in time');
		is($status, 0, 'its exit status') or diag($err);
		done_testing();
	};
}

1;
