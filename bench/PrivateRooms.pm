#-------------------------------------------------------------------------
#
# PrivateRooms.pm
#	  Users, rooms and policies for measurements of private channels.
#
# User n is a member of the rooms n to n+9.  The policy is that of Supabase's
# guide with a number for the room.  Rooms whose names begin with "slow:" are
# for everybody, but their policy takes 50 ms.
#
# What we are compared with is what upstream does at a join: put a row into
# realtime.messages, become the user, see whether the row can be seen, and roll
# back.  pgbench does it in five prepared statements, as upstream does, or in
# one call of a function, as upstream's newest version can.
#
# bench/PrivateRooms.pm
#
#-------------------------------------------------------------------------
package PrivateRooms;

use strict;
use warnings;

# The six settings that policies may look at, as a target list; $topic and
# $user are expressions.
sub _settings
{
	my ($topic, $user) = @_;
	my @settings = (
		[ 'role', "'authenticated'" ],
		[ 'realtime.topic', $topic ],
		[ 'request.jwt.claims',
			"'{\"role\":\"authenticated\",\"exp\":4000000000,\"sub\":\"' || $user || '\"}'" ],
		[ 'request.jwt.claim.sub', $user ],
		[ 'request.jwt.claim.role', "'authenticated'" ],
		[ 'request.headers', "'{}'" ]);

	return join ', ', map { "set_config('$_->[0]', $_->[1], true)" } @settings;
}

# Write a file of the server's directory; returns its name.
sub _write
{
	my ($self, $name, @lines) = @_;
	my $file = "$self->{server}{dir}/$name";

	open my $out, '>', $file or die "$file: $!\n";
	print $out map { "$_\n" } @lines;
	close $out or die "$file: $!\n";
	return $file;
}

# Make everything on a server.  The files {tokens} and {one_token} are for
# load_client: the token of user n in line n, and that of user 0.
sub new
{
	my ($class, $server, $users) = @_;
	my $self = bless { server => $server, users => $users }, $class;
	my @tokens = map {
		$server->token(role => 'authenticated', sub => sprintf '00000000-0000-4000-8000-%012d', $_)
	} 0 .. $users - 1;

	$server->sql($_) foreach $self->_schema, 'VACUUM (FREEZE, ANALYZE) room_members';
	$self->{tokens} = $self->_write('tokens', @tokens);
	$self->{one_token} = $self->_write('token', $tokens[0]);

	my $topic = "'room:' || :n";
	my $user = "'00000000-0000-4000-8000-' || lpad((:n)::text, 12, '0')";
	my $choose = '\set n random(0, ' . ($users - 1) . ')';
	$self->{probe} = $self->_write('probe.sql', $choose, 'BEGIN;',
		"INSERT INTO realtime.messages (topic, extension) VALUES ($topic, 'broadcast') RETURNING id AS probe \\gset",
		'SELECT ' . _settings($topic, $user) . ';',
		'SELECT id FROM realtime.messages WHERE id = (:probe)::uuid;',
		'ROLLBACK;');
	$self->{authorize} = $self->_write('authorize.sql', $choose, "SELECT bench_authorize($topic, $user);");
	return $self;
}

# Tables, policies, and upstream's way in one function.
sub _schema
{
	my ($self) = @_;
	my $last = $self->{users} - 1;
	my $settings = _settings('topic_name', 'user_id');

	return <<"SQL";
SELECT realtime.setup_api_roles();

CREATE TABLE room_members (user_id uuid NOT NULL, room_id int NOT NULL);
INSERT INTO room_members
SELECT ('00000000-0000-4000-8000-' || lpad(u::text, 12, '0'))::uuid, (u + r) % $self->{users}
FROM generate_series(0, $last) AS u, generate_series(0, 9) AS r;
CREATE INDEX ON room_members (user_id, room_id);
GRANT SELECT ON room_members TO authenticated;

CREATE POLICY members_read ON realtime.messages FOR SELECT TO authenticated
USING (
	topic LIKE 'room:%' AND
	EXISTS (
		SELECT 1 FROM room_members
		WHERE user_id = auth.uid() AND room_id = split_part(topic, ':', 2)::int
	)
);
CREATE POLICY slow_read ON realtime.messages FOR SELECT TO authenticated
USING (topic LIKE 'slow:%' AND pg_sleep(0.05) IS NOT NULL);

CREATE FUNCTION bench_authorize(topic_name text, user_id text) RETURNS boolean
LANGUAGE plpgsql AS \$\$
DECLARE
	probe uuid;
	allowed boolean;
BEGIN
	INSERT INTO realtime.messages (topic, extension) VALUES (topic_name, 'broadcast') RETURNING id INTO probe;
	PERFORM $settings;
	allowed := EXISTS (SELECT 1 FROM realtime.messages WHERE id = probe);
	RAISE EXCEPTION USING ERRCODE = 'RTA01';
EXCEPTION WHEN SQLSTATE 'RTA01' THEN
	RETURN allowed;
END
\$\$;
SQL
}

# Run something that decides $count joins and returns its values; adds to them
# what the server wrote for each, and how many a CPU second is good for, $cpu
# saying what has been used.
sub account
{
	my ($self, $count, $cpu, $run) = @_;
	my $cpu_before = $cpu->();
	my $before = $self->{server}->written;
	my $values = $run->();
	my $after = $self->{server}->written;
	my $used = $cpu->() - $cpu_before;

	return {
		%$values,
		wal => ($after->[0] - $before->[0]) / $count,
		xids => ($after->[1] - $before->[1]) / $count,
		per_cpu_second => $used > 0 ? $count / $used : 0,
	};
}

# Decide joins in upstream's way ("probe" or "authorize") by so many sessions,
# $each for each of them.
sub upstream
{
	my ($self, $script, $sessions, $each) = @_;
	my $server = $self->{server};

	# upstream has no trigger on the table
	$server->reset;
	$server->publish(0);
	my $values = $self->account($sessions * $each, sub { return $server->sessions_cpu; }, sub
		{
			my $text = $server->run("$server->{bindir}/pgbench", '-n', '-M', 'prepared',
				'-c', $sessions, '-j', $sessions, '-t', $each, '-f', $self->{$script}, $server->conninfo);
			my ($tps) = $text =~ /^tps = ([\d.]+)/m or die "pgbench said: $text\n";
			return { joins_per_second => $tps };
		});
	$server->publish(1);
	return $values;
}

1;
