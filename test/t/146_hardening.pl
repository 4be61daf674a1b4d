# What is installed was built so that an error of ours is hard to use: checks of
# the stack and of buffers, code and tables of addresses that cannot be written,
# programs that are loaded anywhere.  Read from the files themselves.

use strict;
use warnings;

use PostgreSQL::Test::Utils;
use POSIX ();
use Test::More;

plan skip_all => 'sanitizers are built otherwise' if $INC{'SanitizedPrograms.pm'};

# What a command prints.
sub output
{
	my (@command) = @_;
	my ($out, $err) = run_command(\@command);

	die "@command: $err" if $out eq '';
	return $out;
}

my $bindir = output(qw(pg_config --bindir));
my $libdir = output(qw(pg_config --pkglibdir));
my $is_x86 = (POSIX::uname())[4] eq 'x86_64';

# Sanitizers and assertions of a developer's build do without an optimizer.
my $optimized = output(qw(pg_config --cflags)) !~ /-O0/;

for my $file ("$libdir/realtime.so", "$bindir/realtime_gateway", "$bindir/realtime_courier")
{
	my ($name) = $file =~ m{([^/]+)$};
	my $segments = output('readelf', '-lW', $file);
	my $dynamic = output('readelf', '-dW', $file);
	my $symbols = output('readelf', '--dyn-syms', '-W', $file);

	like($segments, qr/^ +GNU_RELRO /m, "$name: addresses of functions are read-only");
	like($dynamic, qr/\(FLAGS_1\).*\bNOW\b/, "$name: ... all of them, because they are bound at the start");
	like($segments, qr/^ +GNU_STACK .* RW +\S+$/m, "$name: the stack is no code");
	unlike($segments, qr/^ +LOAD .* RWE /m, "$name: nothing is both written and executed");
	unlike($dynamic, qr/\(TEXTREL\)|\(RPATH\)|\(RUNPATH\)/, "$name: code is not changed when it is loaded, and libraries are the system's");
	like($dynamic, qr/\(FLAGS_1\).*\bPIE\b/, "$name: it is loaded anywhere") unless $name =~ /\.so$/;
	like($symbols, qr/UND __stack_chk_fail\b/, "$name: the stack is checked");
  SKIP:
	{
		skip 'PostgreSQL was built without an optimizer', 1 unless $optimized;
		like($symbols, qr/UND __\w+_chk\b(?<!__stack_chk)/, "$name: the C library checks buffers");
	}
  SKIP:
	{
		skip 'only x86-64 marks where jumps may lead to', 1 unless $is_x86;
		# endbr64
		my $marks = () = slurp_file($file) =~ /\xF3\x0F\x1E\xFA/g;
		cmp_ok($marks, '>', 200, "$name: indirect jumps lead to marked places");
	}
}

done_testing();
