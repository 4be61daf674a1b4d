#-------------------------------------------------------------------------
#
# NpmClients.pm
#	  Run tests of the unmodified npm clients (test/clients) against a server.
#
# Each result is one of the calling test.  Packages come from the lock file
# (npm ci).
#
#-------------------------------------------------------------------------
package NpmClients;

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter 'import';
use File::Basename;
use IPC::Run ();
use TapProgram;

our @EXPORT = qw(npm_clients npm_clients_ok);

my $directory = abs_path(dirname(__FILE__) . '/../clients');

# Names of all tests.
sub npm_clients { return map { basename($_, '.test.mjs') } sort glob "$directory/*.test.mjs"; }

# Run some of them against a RealtimeServer.
sub npm_clients_ok
{
	my ($server, @names) = @_;
	my $node = $server->node;
	my @command = ('node', '--test', '--test-reporter=tap');

	local $ENV{REALTIME_URL} = 'http://127.0.0.1:' . $server->port;
	local $ENV{REALTIME_JWT_SECRET} = $RealtimeServer::jwt_secret;
	local $ENV{PGHOST} = $node->host;
	local $ENV{PGPORT} = $node->port;
	local $ENV{PGDATABASE} = 'postgres';
	local $ENV{PGUSER} = getpwuid $<;

	# supabase-js leaves a timer of 10 s behind, which nothing here waits for.
	push @command, '--test-force-exit'
	  if IPC::Run::run([ 'node', '--test-force-exit', '--version' ], '>', '/dev/null', '2>', '/dev/null');

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	tap_program_ok("$_.test.mjs", [ @command, "$directory/$_.test.mjs" ]) for @names;
	return;
}

1;
