# JSON that we accept and jsonb does not would reach the database before anybody
# says no.  So all texts of the corpora of JSON, and numbers around the limits of
# numeric, are given to both.  What jsonb takes and we do not is nested more than
# 64 deep, or a number that is counted generously.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename;
use IPC::Run;
use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;

my $top = abs_path(dirname(__FILE__) . '/../..');
my @texts;

# Inputs of the target of JSON: a byte that says what it is, and the text.
for my $file (glob "$top/test/fuzz/corpus/json/*")
{
	my $input = slurp_file($file);
	push @texts, substr($input, 1) if length $input > 0 && ord($input) % 8 >= 2;
}

# Numbers of every shape, and those at the limits of numeric: 131072 digits before
# the point and 16383 behind it, written down or by an exponent.
my @exponents = ('', 'e0', 'E+5', 'e-5', 'e400', 'e131071', 'e131072', 'e-16383', 'e-16384', 'e-99999',
	'e2147483648', 'e-2147483648', 'e99999999999999999999', 'e', 'e00000000000000000007');

for my $whole ('0', '1', '10', '9' x 40, '01', '')
{
	for my $fraction ('', '.', '.0', '.5')
	{
		push @texts, map { ("$whole$fraction$_", "-$whole$fraction$_") } @exponents;
	}
}
for my $digits (131071, 131072, 131073)
{
	push @texts, map { '9' x $digits . $_ } '', '.5', 'e0', 'e1', 'e-1';
}
for my $digits (16382, 16383, 16384)
{
	push @texts, map { '0.' . '1' x $digits . $_ } '', 'e0', 'e1', 'e-1';
}

# Every character's escape and spelling at the borders, and the same half.
for my $code (0x01, 0x1F, 0x20, 0x22, 0x5C, 0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xD800, 0xDBFF, 0xDC00,
	0xDFFF, 0xE000, 0xFFFD, 0xFFFE, 0xFFFF, 0)
{
	push @texts, sprintf('"\\u%04x"', $code), sprintf('{"\\u%04X":"\\u%04x\\udc00"}', $code, $code);
	push @texts, '"' . pack('C*', 0xE0 | $code >> 12, 0x80 | $code >> 6 & 63, 0x80 | $code & 63) . '"';
}

my ($ours, $err);
my $asked = join '', map { unpack('H*', $_) . "\n" } @texts;
IPC::Run::run(["$top/build/fuzz/verdict"], '<', \$asked, '>', \$ours, '2>', \$err)
  or die "no verdicts: $err";
my @ours = split /\n/, $ours;
is(scalar @ours, scalar @texts, 'a verdict of ours for each of ' . @texts . ' texts');

my $server = RealtimeServer->start_new('verdicts');
my $node = $server->node;
$node->safe_psql('postgres', q{
	CREATE FUNCTION jsonb_takes(bytea) RETURNS text LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM convert_from($1, 'UTF8')::jsonb;
		RETURN 'yes';
	EXCEPTION WHEN OTHERS THEN
		RETURN 'no ' || SQLERRM;
	END $$;
	CREATE TABLE asked (n integer, text bytea);
});
my $copy = join '', map { "$_\t\\\\x" . unpack('H*', $texts[$_]) . "\n" } 0 .. $#texts;
my $file = "$PostgreSQL::Test::Utils::tmp_check/asked";
PostgreSQL::Test::Utils::append_to_file($file, $copy);
$node->safe_psql('postgres', "COPY asked FROM '$file'");
my @theirs = split /\n/, $node->safe_psql('postgres',
	q{SELECT left(regexp_replace(jsonb_takes(text), '\s+', ' ', 'g'), 80) FROM asked ORDER BY n});
is(scalar @theirs, scalar @texts, 'and one of jsonb');

my ($both, $neither, @beyond, @stricter) = (0, 0);
for my $n (0 .. $#texts)
{
	my ($we, $they) = (($ours[$n] // '') eq 'yes', ($theirs[$n] // '') eq 'yes');
	my $shown = length $texts[$n] > 60 ? substr($texts[$n], 0, 60) . '...' : $texts[$n];

	$both++ if $we && $they;
	$neither++ if !$we && !$they;
	push @beyond, "$shown: $theirs[$n]" if $we && !$they;
	push @stricter, "$shown: $ours[$n]"
	  if !$we && $they && $ours[$n] !~ /^no (nested too deeply|number out of range)$/;
}
cmp_ok($both, '>', 100, "both take $both of them");
cmp_ok($neither, '>', 100, "neither takes $neither");
is(join("\n", @beyond), '', 'we take none that jsonb does not');
is(join("\n", @stricter), '', 'nor refuse one for another reason than depth and range');

$node->stop;
done_testing();
