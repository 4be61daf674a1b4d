# Every command that the README and the guides show works.
#
# A fenced block that an HTML comment <!-- test --> precedes is run, in the
# order of the file, against one server per file: sql by psql, sh by bash with
# PGHOST, PGPORT and REALTIME_URL set, js by node beside the demo's packages.
# localhost:4000 stands for this server's gateway; the key that createClient()
# is given, for one that this server signed; the token that setAuth() is given,
# for one of the user whom the text before it names as "sub".
#
#	<!-- test -->							must succeed
#	<!-- test expect: REGEX -->				and print this
#	<!-- test listen: REGEX [then: SQL] expect: REGEX -->
#		for what goes on: started, waited for until it printed the first, SQL
#		run, and ended at the end of the file, when it must have printed the
#		second
#
# The extension is created beforehand, unless a marked block does that.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;

my $top = abs_path(dirname(__FILE__) . '/../..');
my @blocks = map { my $file = $_; map { [ $file, @$_ ] } blocks($file) }
  grep { -f } "$top/README.md", sort glob "$top/docs/*.md";

plan skip_all => 'no README.md here' unless -f "$top/README.md";
ok(@blocks > 0, 'the README shows commands');

# The marked blocks of a file as [line, language, options, text].
sub blocks
{
	my ($file) = @_;
	my $text = slurp_file($file);
	my @found;

	while ($text =~ /^<!-- test(.*?)-->\s*\n+```(\w+)[^\n]*\n(.*?)^```/msg)
	{
		my ($options, $language, $body) = ($1, $2, $3);
		my $line = 1 + (substr($text, 0, $-[0]) =~ tr/\n//);
		push @found, [ $line, $language, $options, $body ];
	}
	return @found;
}

my ($server, $of_file, @listeners, @scripts) = (undef, '');
my $count = 0;
my $user;
END { unlink @scripts; }

# End the listeners: each must have printed what it was to print.
sub finish_listeners
{
	for my $listener (splice @listeners)
	{
		my ($name, $run, $out, $expect) = @$listener;
		eval { wait_for(sub { $run->pump_nb; $$out =~ /$expect/ }, "\"$expect\"") };
		like($$out, qr/$expect/, "$name: printed what it should");
		# a shell, and what it waits for
		$run->signal('-TERM');
		eval { $run->finish };
	}
}

for (@blocks)
{
	my ($file, $line, $language, $options, $body) = @$_;
	my $name = substr($file, length($top) + 1) . ":$line";
	my ($listen) = $options =~ /listen: (.*?) +(?=then:|expect:)/;
	my ($then) = $options =~ /then: (.*?) +(?=expect:)/;
	my ($expect) = $options =~ /expect: (.*?) *$/;

	if ($file ne $of_file)
	{
		finish_listeners();
		$server->node->stop if $server;
		$server = RealtimeServer->start_new('readme' . ++$count,
			extension => !grep { $_->[0] eq $file && $_->[4] =~ /CREATE EXTENSION/ } @blocks);
		$of_file = $file;
		$ENV{PGHOST} = $server->node->host;
		$ENV{PGPORT} = $server->node->port;
		$ENV{PGDATABASE} = 'postgres';
		$ENV{REALTIME_URL} = 'http://127.0.0.1:' . $server->port;
	}
	$body =~ s/(?:localhost|127\.0\.0\.1):4000/'127.0.0.1:' . $server->port/ge;

	my $key = $server->anon_token;
	$body =~ s/(createClient\([^,()]+, )'[^']*'/$1'$key'/g;
	$user = $1 if $body =~ /"sub": "([^"]+)"/;
	$body =~ s/(setAuth\()'[^']*'/"$1'" . $server->token(role => 'authenticated', sub => $user) . "'"/ge;

	my @command = ('psql', '-X', '-v', 'ON_ERROR_STOP=1');
	@command = ('bash', '-euo', 'pipefail', '-s') if $language =~ /^(sh|bash|console)$/;
	if ($language =~ /^(js|javascript|mjs)$/)
	{
		# Node has a WebSocket of its own only since version 22.
		my $script = "$top/examples/demo/readme$line.mjs";
		push @scripts, $script;
		append_to_file($script,
			"import { WebSocket as Socket } from 'ws'\nglobalThis.WebSocket ??= Socket\n$body");
		@command = ('node', $script);
		$body = '';
	}
	my ($in, $out) = ($body, '');
	my $run = IPC::Run::start(\@command, init => sub { chdir $top; setpgrp },
		'<', \$in, '>', \$out, '2>&1', IPC::Run::timeout($RealtimeServer::patience));
	if (defined $listen)
	{
		eval { wait_for(sub { $run->pump_nb; $out =~ /$listen/ }, "\"$listen\"") };
		like($out, qr/$listen/, "$name: $language starts");
		$server->sql($then) if defined $then;
		push @listeners, [ $name, $run, \$out, $expect ];
		next;
	}
	my $ended = eval { $run->finish };
	ok($ended, "$name: $language runs") or diag($body . $out);
	like($out, qr/$expect/, "$name: prints what it should") if defined $expect;
}
finish_listeners();

done_testing();
