#-------------------------------------------------------------------------
#
# LogSecrets.pm
#	  No token, key or secret is in any server's log (reliability.md C13).
#
# Every test file that uses RealtimeServer ends with a look through the logs of
# all its servers.  What is found there fails the file, whatever its tests said.
#
# Tokens are known by their form: base64url of what begins with {" is hardly
# anything else, and a part of a token is as good as a whole one.  So are API
# keys.  Secrets are registered by those who make them up.
#
#-------------------------------------------------------------------------
package LogSecrets;

use strict;
use warnings;

use File::Basename qw(basename);
use PostgreSQL::Test::Utils;
use Test::More;

my $main = $$;
my %secrets;

# These may be nowhere either.
sub register { $secrets{$_} = 1 for grep { defined && length > 8 } @_; return; }

# What of this kind a text has in it, each as a name that does not give it away.
sub found_in
{
	my ($text) = @_;
	my @found;

	push @found, 'a token that begins with ' . substr($1, 0, 8) while $text =~ /(?<![\w-])(eyJ[\w-]{16,})/g;
	push @found, "a key that begins with $1" while $text =~ /\b((?:ik|anon|rtk)_[0-9a-f]{4})[0-9a-f]{28,}/g;
	push @found, 'a secret of ' . length($_) . ' bytes' for grep { index($text, $_) >= 0 } sort keys %secrets;
	return @found;
}

# The logs of this file's servers.  regress_log_... is the test's own.
sub logs
{
	my $name = basename($0, '.pl');
	return glob "$PostgreSQL::Test::Utils::log_path/${name}_*.log";
}

# Tell of what is in the logs; the number of findings.
sub check
{
	my $findings = 0;

	for my $file (logs())
	{
		open my $log, '<:raw', $file or next;
		while (my $line = <$log>)
		{
			my @found = found_in($line) or next;
			my ($start) = $line =~ /^(.{0,60})/;
			$start = 'its start is left out' if found_in($start);
			diag(basename($file) . ", line $.: $_ ($start)") for @found;
			$findings += @found;
		}
		close $log;
	}
	return $findings;
}

# Before the servers are taken down, and before prove is told how it went.
END
{
	my $exit_code = $?;
	$exit_code ||= 1 if $$ == $main && $INC{'RealtimeServer.pm'} && check() > 0;
	$? = $exit_code;
}

1;
