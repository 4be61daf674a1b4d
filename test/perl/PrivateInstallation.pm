#-------------------------------------------------------------------------
#
# PrivateInstallation.pm
#	  The server's installation once more, with extension scripts of a test's own.
#
# The server looks for everything beside its own program, so a copy of that
# with links to the rest is an installation like the original one; only the
# folder of extension scripts is a real one, which the test may write to.
#
#-------------------------------------------------------------------------
package PrivateInstallation;

use strict;
use warnings;

use Carp;
use File::Basename;
use File::Copy qw(copy);
use File::Path qw(make_path);
use PostgreSQL::Test::Utils;

# These look for others beside themselves, and would follow a link.
my @copied = qw(postgres pg_ctl);

# Folders of the installation that the tests run with.
sub directory
{
	my ($which) = @_;
	chomp(my $path = `pg_config --$which`);
	return $path;
}

# Link all of a folder into another one, but what is named.
sub link_all
{
	my ($from, $to, %but) = @_;

	make_path($to);
	for my $file (glob "$from/*")
	{
		my $name = basename($file);
		next if $but{$name} || -e "$to/$name";
		symlink $file, "$to/$name" or croak "could not link $to/$name: $!";
	}
	return;
}

# Make one below the test's own directory.
sub new
{
	my ($class) = @_;
	my $root = PostgreSQL::Test::Utils::tempdir();
	my ($bin, $share, $lib) = map { directory($_) } qw(bindir sharedir pkglibdir);
	my $prefix = $bin;

	$prefix = dirname($prefix) until index("$share/", "$prefix/") == 0 && index("$lib/", "$prefix/") == 0;
	my ($to_bin, $to_share, $to_lib) = map { $root . substr($_, length $prefix) } $bin, $share, $lib;
	my $self = bless { bin => $to_bin, scripts => "$to_share/extension" }, $class;

	link_all($bin, $to_bin, map { $_ => 1 } @copied);
	for my $program (@copied)
	{
		copy("$bin/$program", "$to_bin/$program") or croak "could not copy $program: $!";
		chmod 0755, "$to_bin/$program";
	}
	link_all($share, $to_share, extension => 1);
	link_all("$share/extension", $self->{scripts}, map { basename($_) => 1 } glob "$share/extension/realtime*");
	copy($_, $self->{scripts}) for glob "$share/extension/realtime*";
	# a source installation has the modules of the server in the folder of its libraries
	make_path(dirname($to_lib));
	-e $to_lib or symlink $lib, $to_lib or croak "could not link $to_lib: $!";
	return $self;
}

# For PostgreSQL::Test::Cluster->new, which looks for programs below bin.
sub path { return dirname($_[0]{bin}); }

# Text of a script, and writing one.
sub script
{
	my ($self, $version) = @_;
	return slurp_file("$self->{scripts}/realtime--$version.sql");
}

sub add_script
{
	my ($self, $version, $text) = @_;
	unlink "$self->{scripts}/realtime--$version.sql";
	append_to_file("$self->{scripts}/realtime--$version.sql", $text);
	return;
}

# What CREATE EXTENSION and ALTER EXTENSION UPDATE take by default.
sub default_version
{
	my ($self, $version) = @_;
	my $control = "$self->{scripts}/realtime.control";
	my $text = slurp_file($control);
	my ($before) = $text =~ /^default_version = '(.*)'$/m;

	if (defined $version)
	{
		$text =~ s/^default_version = .*$/default_version = '$version'/m;
		unlink $control;
		append_to_file($control, $text);
	}
	return $before;
}

1;
