# What docs/operations.md and the README say is what the server has: every
# setting with its default and when it takes effect, every line that the log may
# have, every metric of the dashboard and the alerts.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename;
use JSON::PP;
use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;

my $top = abs_path(dirname(__FILE__) . '/../..');
my $operations = slurp_file("$top/docs/operations.md");
my $readme = slurp_file("$top/README.md");
my $server = RealtimeServer->start_new('operations');

# The part of a document below a heading.
sub section
{
	my ($text, $heading) = @_;
	return $text =~ /^## \Q$heading\E\n(.*?)(?=^## |\z)/ms ? $1 : BAIL_OUT("there is no section \"$heading\"");
}

# The rows of the tables in it, as lists of cells.
sub rows { return map { [ map { s/^\s+|\s+$//gr } /((?:[^|\\]|\\.)*)\|/g ] } map { /^\|(.*)$/ ? $1 : () } split /\n/, $_[0]; }

#
# Settings
#

# A value in the unit of its setting, blanks left out.
sub plain
{
	my ($value, $unit) = @_;
	my %units = (kB => { kB => 1, MB => 1024, GB => 1024 * 1024 },
		ms => { ms => 1, s => 1000, min => 60_000 }, s => { s => 1, min => 60 });

	$value =~ s/^'(.*)'$/$1/;
	$value =~ s/,\s+/,/g;
	return $value unless $unit && $value =~ /^(\d+)(\D+)$/;
	return $1 * ($units{$unit}{$2} // BAIL_OUT("no unit of $unit: $2"));
}

my %settings = map { my ($name, $default, $unit, $context) = split /\|/, $_, -1; $name => [ $default, $unit, $context ] }
  split /\n/, $server->sql(q{SELECT name, boot_val, unit, context FROM pg_settings WHERE name LIKE 'realtime.%'});
# the server does not list what may hold secrets
$settings{$_} = [ '', '', 'sighup' ] for grep { $server->sql("SELECT current_setting('$_', true) IS NOT NULL") eq 't' }
  qw(realtime.jwt_secret realtime.jwt_jwks);
# these are said by realtime to policies, not by the user to realtime
delete @settings{qw(realtime.topic realtime.channel_name)};
cmp_ok(scalar(keys %settings), '>', 50, 'the server has settings');

my %words = (postmaster => 'restart', sighup => 'reload', user => 'session', superuser => 'session, superuser');
my (%told, @wrong);
for (rows(section($operations, 'Settings')))
{
	my ($name, $default, $when, $why) = @$_;
	next unless $name =~ s/^`(realtime\.\w+)`$/$1/;
	$told{$name}++ and push @wrong, "$name: twice";
	my $setting = $settings{$name} or next;
	$default =~ s/^`|`$//g;
	push @wrong, "$name: default $default" if plain($default, $setting->[1]) ne plain($setting->[0], '');
	push @wrong, "$name: takes effect by $when" if $when ne $words{ $setting->[2] };
	push @wrong, "$name: when to change it?" unless $why;
}
is_deeply([ sort keys %told ], [ sort keys %settings ], 'docs/operations.md has all settings, and no others');
is(join("\n", @wrong), '', 'as they are');

(%told, @wrong) = ();
for (rows(section($readme, 'Settings')))
{
	my ($names, $default) = @$_;
	my @names = $names =~ /`(realtime\.\w+)`/g;
	$default =~ s/^`|`$//g;
	for my $name (@names)
	{
		$told{$name}++ and push @wrong, "$name: twice";
		my $setting = $settings{$name} or next;
		push @wrong, "$name: default $default" if plain($default, $setting->[1]) ne plain($setting->[0], '');
	}
}
is_deeply([ sort keys %told ], [ sort keys %settings ], 'the README has all settings, and no others');
is(join("\n", @wrong), '', 'as they are');
my @restart = grep { $settings{$_}[2] eq 'postmaster' } sort keys %settings;
like($readme, qr/^All but @{[ join ' and ', map { "`$_`" } @restart ]} take effect on reload\.$/m, 'which need a restart');

#
# Lines of the log
#

# Formats whose text is another one's.
my %carriers = map { $_ => 1 } 'realtime %: %', 'realtime gateway N: %';

# What stands between the parentheses from here on.
sub in_parentheses
{
	my ($text) = @_;
	my ($depth, $from) = (1, pos $$text);

	while ($depth > 0 && $$text =~ /\G(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)'|([()])|[^"'()]+)/gcs)
	{
		$depth += !defined $1 ? 0 : $1 eq '(' ? 1 : -1;
	}
	return substr $$text, $from, pos($$text) - 1 - $from;
}

# The literals that are the first argument of a call, one or those of a
# condition, as formats with % for whatever differs.  Macros that are defined
# elsewhere differ, too.
sub formats
{
	my ($code, $macros) = @_;
	my @formats;

	$code =~ s/^((?:"(?:[^"\\]|\\.)*"|[^",])*),.*$/$1/s;
	while ($code =~ /(?:^|[?:])\s*((?:(?:"(?:[^"\\]|\\.)*"|\b[A-Z][A-Z0-9_]+\b)\s*)+)/g)
	{
		my $format = join '', map { /^"(.*)"$/s ? $1 : $macros->{$_} // '%' } $1 =~ /"(?:[^"\\]|\\.)*"|[A-Z][A-Z0-9_]+/g;
		$format =~ s{%X/%X}{%}g;
		$format =~ s/%[-.*0-9]*(?:ll)?[a-zA-Z]/%/g;
		push @formats, $format =~ s/\\"/"/gr;
	}
	return @formats;
}

my (@formats, @reasons);
for my $file (glob("$top/src/*.c"), glob("$top/src/*/*.c"))
{
	my $code = slurp_file($file);
	my %macros = $code =~ /^#define ([A-Z]\w+) "(.*)"$/mg;
	my $of = $file =~ m{/gateway/} ? 'realtime gateway N: ' : $file =~ m{/courier/} ? 'realtime courier: ' : '';

	while ($code =~ /\b(ereport|bus_log|complain)\s*\(/g)
	{
		my $what = $1;
		# told by the process that looks up names (gateway/lookup.c)
		if ($what eq 'complain') { push @formats, map { "$of$_" } formats(in_parentheses(\$code), \%macros); next; }
		my ($level, $rest) = in_parentheses(\$code) =~ /^\s*(\w[\w ]*?)\s*,\s*(.*)$/s or next;

		next if $level =~ /ERROR|DEBUG/;
		if ($what eq 'bus_log') { push @formats, map { "$of$_" } formats($rest, \%macros); next; }
		while ($rest =~ /\berrmsg(?:_internal)?\(/g) { push @formats, formats(in_parentheses(\$rest), \%macros); }
	}
	push @reasons, $code =~ /\b(?:bus_peer_lose|door_lost)\([^;"]*"([^"]+)"\)/g if $file =~ m{/hub/};
	push @reasons, $code =~ /\blose\("([^"]+)"\)/g if $file =~ m{/program/};
}
cmp_ok(scalar(@formats), '>', 60, 'there are lines: ' . @formats);
cmp_ok(scalar(@reasons), '>', 8, 'and reasons: ' . @reasons);

my $log = section($operations, 'What the log says');
my %lines = map { $_->[0] =~ /^`(.+)`$/ ? ($1 => 0) : () } rows($log);
my @untold;
for my $format (@formats)
{
	next if $carriers{$format};
	# the row's words for what differs may be anything
	my $pattern = join '.+', map { quotemeta } split /%/, $format, -1;
	my @found = grep { /^$pattern$/ } keys %lines;
	push @untold, $format unless @found;
	$lines{$_}++ for @found;
}
is(join("\n", @untold), '', 'every line of the log has a row in docs/operations.md');
is(join("\n", grep { index($log, $_) < 0 } @reasons), '', 'so has every reason for which a program ends or is ended');
is(join("\n", grep { !$lines{$_} && $_ ne 'realtime WHO: TEXT' } sort keys %lines), '',
	'and no row is of what is not logged');
for (rows($log))
{
	next unless $_->[0] =~ /^`/;
	fail("no level or meaning: $_->[0]") unless ($_->[1] // '') =~ /^(LOG|WARNING|FATAL)(, (LOG|WARNING|FATAL))*$/ && $_->[2];
}

#
# Metrics
#
my (undef, $metrics) = $server->http_get('/metrics');
my %metrics = map { $_ => 1 } $metrics =~ /^# TYPE (\w+)/mg;
my %histograms = map { $_ => 1 } $metrics =~ /^# TYPE (\w+) histogram/mg;
cmp_ok(scalar(keys %metrics), '>', 100, 'the server has metrics');

# Names in an expression that no metric has.
sub unknown
{
	my ($expression) = @_;
	$expression =~ s/"[^"]*"//g;
	return grep { my $name = $_; !$metrics{$name} && !($name =~ s/_(bucket|sum|count)$// && $histograms{$name}) }
	  $expression =~ /\b(realtime_\w+)/g;
}

my $dashboard = eval { decode_json(slurp_file("$top/docs/grafana-dashboard.json")) };
ok($dashboard, 'the dashboard is JSON') or diag($@);
my @expressions = map { $_->{expr} } map { @{ $_->{targets} } } @{ $dashboard->{panels} };
cmp_ok(scalar(@expressions), '>', 50, 'it shows metrics: ' . @expressions);
is(join("\n", map { unknown($_) } @expressions, map { $_->{query}{query} // () } grep { ref $_->{query} } @{ $dashboard->{templating}{list} }),
	'', 'which the server has');
my (%ids, %places);
for my $panel (@{ $dashboard->{panels} })
{
	my $place = $panel->{gridPos};
	fail("panel \"$panel->{title}\" has another one's id") if $ids{ $panel->{id} }++;
	fail("panel \"$panel->{title}\" is outside") if $place->{x} + $place->{w} > 24;
	for my $x ($place->{x} .. $place->{x} + $place->{w} - 1)
	{
		for my $y ($place->{y} .. $place->{y} + $place->{h} - 1) { fail("panel \"$panel->{title}\" is on another one") if $places{"$x,$y"}++; }
	}
}

my ($alerts) = $operations =~ /<!-- alerts -->\n```yaml\n(.*?)^```/ms;
@expressions = $alerts =~ /^ +expr: (.*)$/mg;
cmp_ok(scalar(@expressions), '>', 8, 'there are alerts');
is(join("\n", map { unknown($_) } @expressions), '', 'of metrics that the server has');

$server->cluster_alive('after it was looked at');
done_testing();
