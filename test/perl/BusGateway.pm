#-------------------------------------------------------------------------
#
# BusGateway.pm
#	  A server whose gateway is the test itself.
#
# The hub starts a gateway that is a dozen lines of Perl: it hands what comes over
# the bus to a Unix-domain socket that the test connects to, and back.  So a test
# sees what gateways are told of changes, and asks executors what gateways ask.
# The server's programs are run from a copy of their directory, because there the
# hub looks for its gateway.
#
#-------------------------------------------------------------------------
package BusGateway;

use strict;
use warnings;

use Carp;
use File::Basename qw(dirname);
use File::Copy qw(copy);
use File::Path qw(make_path);
use IO::Select;
use IO::Socket::UNIX;
use PostgreSQL::Test::Utils;
use RealtimeServer;
use Socket;
use Time::HiRes qw(time);

# Frames (proto/bus_frame.h) and jobs (proto/job.h).
our %TYPE = (
	message => 2, interest_ack => 3, result => 6, interest => 34, job => 36, follow => 64, follow_ack => 65, tables_changed => 66,
	audience => 99);
our %KIND = (authorise => 1, subscribe => 6, visible => 7, publish => 9);
our %OP = ('*' => 0, INSERT => 1, UPDATE => 2, DELETE => 3);
our @OPERATORS = qw(eq neq lt lte gt gte in like ilike is match imatch isdistinct);

my $program = <<'PROGRAM';
use IO::Select;
use IO::Socket::UNIX;
open(my $bus, '+<&=', 3) or exit 1;
unlink $path;
my $door = IO::Socket::UNIX->new(Local => $path, Listen => 1) or exit 1;
my ($waiting, $test) = ('', undef);
while (1)
{
	foreach my $ready (IO::Select->new(grep { defined } $bus, $door, $test)->can_read)
	{
		if ($ready == $door) { $test = $door->accept; next; }
		my $n = sysread($ready, my $bytes, 65536);
		exit 1 if !$n && $ready == $bus;
		if (!$n) { $test = undef; next; }
		if ($ready == $bus) { $waiting .= $bytes; }
		else { syswrite($bus, substr($bytes, 0, 65536, '')) while length $bytes; }
	}
	$waiting = substr($waiting, syswrite($test, $waiting) // 0) if $test && length $waiting;
}
PROGRAM

# What pg_config says.
sub _place
{
	my ($what) = @_;
	my ($out, $err) = run_command([ 'pg_config', "--$what" ]);
	return $out;
}

# Copy the server's programs, with a program in Perl as the gateway.  They find the
# rest of their installation by where they are themselves.
sub copy_programs
{
	my ($top, $gateway) = @_;
	my $bindir = _place('bindir');

	make_path("$top$bindir");
	foreach my $name (qw(postgres pg_ctl initdb))
	{
		copy("$bindir/$name", "$top$bindir/$name") or croak "could not copy $name: $!";
		chmod 0755, "$top$bindir/$name";
	}
	foreach my $place (map { _place($_) } qw(sharedir pkglibdir))
	{
		make_path(dirname("$top$place"));
		symlink $place, "$top$place" unless -e "$top$place";
	}
	open my $file, '>', "$top$bindir/realtime_gateway" or croak $!;
	print $file "#!$^X\n$gateway";
	close $file;
	chmod 0755, "$top$bindir/realtime_gateway";
	$ENV{PATH} = "$top$bindir:$ENV{PATH}";
	return;
}

# Start a server with the extension.
sub start_new
{
	my ($class, $name, %params) = @_;
	my $top = PostgreSQL::Test::Utils::tempdir();
	my $path = PostgreSQL::Test::Utils::tempdir_short() . '/bus';
	my $self;

	copy_programs($top, "my \$path = '$path';\n$program");
	$self = bless { server => RealtimeServer->new($name, %params), path => $path,
		input => '', seq => 0, job => 0, waiting => [] }, $class;
	$self->{server}->node->start;
	$self->{server}->sql('CREATE EXTENSION realtime');
	$self->{server}{started} = $self->{server}->sql('SELECT pg_postmaster_start_time()');
	$self->connect;
	return $self;
}

sub server { return $_[0]{server}; }
sub sql { my $self = shift; return $self->{server}->sql(@_); }

# Take the gateway's place on the bus.
sub connect
{
	my ($self) = @_;

	$self->{socket} = wait_for(sub { IO::Socket::UNIX->new(Peer => $self->{path}) }, 'the bus');
	return;
}

# Send a frame.
sub send_frame
{
	my ($self, $type, $body) = @_;

	$self->{socket}->syswrite(pack('L C x3', length $body, $TYPE{$type}) . $body);
	return;
}

# The next frame of one of these types; others are left out, but messages, which
# wait for their turn.  Dies when none comes.
sub next_frame
{
	my ($self, @types) = @_;
	my $deadline = time() + $RealtimeServer::patience;

	for (my $i = 0; $i < @{ $self->{waiting} }; $i++)
	{
		my $frame = $self->{waiting}[$i];

		next unless grep { $TYPE{$_} == $frame->[0] } @types;
		return @{ splice(@{ $self->{waiting} }, $i, 1) };
	}
	while (1)
	{
		while (length $self->{input} >= 8)
		{
			my ($length, $type) = unpack('L C', $self->{input});
			my $body;

			last if length $self->{input} < 8 + $length;
			$body = substr($self->{input}, 8, $length);
			substr($self->{input}, 0, 8 + $length, '');
			return ($type, $body) if grep { $TYPE{$_} == $type } @types;
			push @{ $self->{waiting} }, [ $type, $body ] if $type == $TYPE{message};
		}
		croak "no frame of type @types" if time() > $deadline;
		IO::Select->new($self->{socket})->can_read(0.1) or next;
		sysread($self->{socket}, $self->{input}, 1 << 20, length $self->{input})
		  or croak 'the bus has ended';
	}
}

# A text, a list of numbers.
sub text { my ($text) = @_; return pack('L/a*', $text); }

# Ask the executors; returns outcome and body.
sub job
{
	my ($self, $kind, $body) = @_;
	my $id = ++$self->{job};
	my ($type, $result, $got, $outcome);

	$self->send_frame('job', pack('Q C x7', $id, $KIND{$kind}) . $body);
	do
	{
		($type, $result) = $self->next_frame('result');
		($got, $outcome) = unpack('Q C', $result);
	} while ($got != $id);
	return ($outcome, substr($result, 16));
}

# Fixed part with lengths, then texts.
sub _texts { return pack('L*', map { length } @_) . join('', @_); }

# JOB_AUTHORISE; returns the outcome and the body.
sub authorise
{
	my ($self, $wanted, $role, $sub, $topic, $claims, $headers) = @_;

	return $self->job('authorise', pack('C x3', $wanted) . _texts($role, $sub, $topic, $claims, $headers // '{}'));
}

# JOB_PUBLISH; returns the outcome, the verdict and the id of the message.
sub publish
{
	my ($self, $role, $sub, $channel, $claims, $event, $payload, $type) = @_;
	my ($outcome, $body) = $self->job('publish', pack('L', $type eq 'broadcast' ? 1 : 0) .
		_texts($role, $sub, $channel, $claims, '{}', $event, $payload));

	return ($outcome) if $outcome != 0;
	return ($outcome, unpack('C', $body), _uuid(substr($body, 8, 16)));
}

# Want the private messages of a topic, and wait until that holds.
sub interest
{
	my ($self, $topic) = @_;
	my $seq = ++$self->{interest};
	my ($type, $body);

	$self->send_frame('interest', pack('Q C C x6', $seq, 1, 1) . $topic);
	do { ($type, $body) = $self->next_frame('interest_ack') } while unpack('Q', $body) < $seq;
	return;
}

sub _uuid
{
	my ($bytes) = @_;
	return join('-', unpack('H8 H4 H4 H4 H12', $bytes));
}

# The next message, taken apart (proto/wal_record.h).
sub next_message
{
	my ($self) = @_;
	my ($type, $body) = $self->next_frame('message');
	my ($version, $kind, $flags, $event_len, $topic_len, $origin, $payload_len, $inserted_at, $id, $xid, $number) =
	  unpack('C4 S S L q a16 Q L', substr($body, 24));
	my $rest = substr($body, 24 + 48);
	my $sender = $flags & 0x20 ? _uuid(substr($rest, 0, 16, '')) : undef;

	return { flags => $flags, id => _uuid($id), sender => $sender, topic => substr($rest, 0, $topic_len),
		event => substr($rest, $topic_len, $event_len), payload => substr($rest, $topic_len + $event_len) };
}

# Begin to follow a table, or end that; returns the number of the request.
sub follow
{
	my ($self, $relid, $tables, $add) = @_;

	$self->send_frame('follow', pack('Q L C x3 L*', ++$self->{seq}, $relid, $add // 1, @$tables));
	return $self->{seq};
}

# The next acknowledgement: number, table, outcome.
sub next_ack
{
	my ($self) = @_;
	my ($type, $body) = $self->next_frame('follow_ack');

	return unpack('Q L C', $body);
}

# The next change: its record, and the record taken apart.
sub next_change
{
	my ($self) = @_;
	my ($type, $body) = $self->next_frame('message');
	my ($topic_len, $event_len) = (unpack('S', substr($body, 24 + 4)), unpack('C', substr($body, 24 + 3)));
	my $record = substr($body, 24 + 48 + $topic_len + $event_len);

	return ($record, decode_change($record));
}

# A value: its JSON text, undef if it is absent, 'null', 'left out'.
sub _take_value
{
	my ($rest) = @_;
	my $form = unpack('C', substr($$rest, 0, 1, ''));
	my $json = $form == 0 ? undef : $form == 1 ? 'null' : 'left out';

	$json = _take_text($rest) if $form >= 2 && $form <= 5;
	_take_text($rest) if $form == 5;
	return $json;
}

sub _take_text
{
	my ($rest) = @_;
	my $length = unpack('L', substr($$rest, 0, 4, ''));

	return substr($$rest, 0, $length, '');
}

# Take a record apart (proto/change_record.h).
sub decode_change
{
	my ($rest) = @_;
	my ($relid, $op, $flags, $n) = unpack('L C C S', substr($rest, 0, 8, ''));
	my $change = { relid => $relid, op => (qw(* INSERT UPDATE DELETE))[$op], flags => $flags,
		schema => _take_text(\$rest), table => _take_text(\$rest), columns => [] };

	foreach (1 .. $n)
	{
		my ($attnum, $column_flags) = unpack('S C', substr($rest, 0, 3, ''));

		push @{ $change->{columns} }, { attnum => $attnum, flags => $column_flags,
			name => _take_text(\$rest), type => _take_text(\$rest),
			new => _take_value(\$rest), old => _take_value(\$rest) };
	}
	croak 'the change goes on' if length $rest;
	return $change;
}

# The same as text: INSERT public.t id*:int8 1 | name:text "x" <- "w"
sub show_change
{
	my ($change) = @_;

	return "$change->{op} $change->{schema}.$change->{table} " . join(' | ', map {
		"$_->{name}" . ($_->{flags} & 1 ? '*' : '') . ($_->{flags} & 2 ? '=' : '') . ":$_->{type}" .
		(defined $_->{new} ? " $_->{new}" : '') . (defined $_->{old} ? " <- $_->{old}" : '')
	} @{ $change->{columns} });
}

# JOB_SUBSCRIBE for [event, schema, table, filter, [columns]] ...; returns the
# outcome, the relations and the results.
sub subscribe
{
	my ($self, $role, @entries) = @_;
	my ($outcome, $body) = $self->job('subscribe', text($role) . pack('S', scalar @entries) . join('', map {
		my ($event, $schema, $table, $filter, $columns) = @$_;

		pack('C C S', $OP{$event}, $columns ? 1 : 0, scalar @{ $columns // [] }) .
		text($schema) . text($table) . text($filter // '') .
		text(join('', map { text($_) } @{ $columns // [] }))
	} @entries));
	my ($nrelations, $nresults, $relations, @relations, @results);

	return ($outcome) if $outcome != 0;
	($nrelations, $nresults) = unpack('S S', substr($body, 0, 4, ''));
	$relations = _take_text(\$body);
	foreach (1 .. $nrelations)
	{
		my ($relid, $flags, $ntables, $ncolumns) = unpack('L C S S', substr($relations, 0, 9, ''));

		push @relations, { relid => $relid, ask => $flags & 1, all => ($flags >> 1) & 1,
			schema => _take_text(\$relations), table => _take_text(\$relations),
			tables => [ unpack('L*', substr($relations, 0, 4 * $ntables, '')) ],
			columns => [ unpack('S*', substr($relations, 0, 2 * $ncolumns, '')) ] };
	}
	foreach (1 .. $nresults)
	{
		my ($failed, $n, $nconditions) = unpack('C S S', substr($body, 0, 5, ''));
		my $result = { failed => $failed, error => _take_text(\$body),
			relations => [ unpack('S*', substr($body, 0, 2 * $n, '')) ], conditions => [] };
		my $conditions = _take_text(\$body);

		foreach (1 .. $nconditions)
		{
			my ($attnum, $class, $op, $negated) = unpack('S C C C', substr($conditions, 0, 5, ''));
			my $condition = { attnum => $attnum, class => $class, op => $OPERATORS[$op],
				negated => $negated, column => _take_text(\$conditions), values => [] };

			foreach (1 .. unpack('S', substr($conditions, 0, 2, '')))
			{
				my $is_null = unpack('C', substr($conditions, 0, 1, ''));
				my $text = _take_text(\$conditions);

				push @{ $condition->{values} }, $is_null ? undef : $text;
			}
			push @{ $result->{conditions} }, $condition;
		}
		push @results, $result;
	}
	return ($outcome, \@relations, \@results);
}

# A condition for visible().
sub condition
{
	my ($column, $op, $negated, @values) = @_;
	my %number = map { $OPERATORS[$_] => $_ } 0 .. $#OPERATORS;

	return pack('C C', $number{$op}, $negated) . text($column) . pack('S', scalar @values) .
	  join('', map { pack('C', defined $_ ? 0 : 1) . text($_ // '') } @values);
}

# JOB_VISIBLE for changes (records), clients [role, claims] and asks [client,
# policies, conditions]; returns the outcome and, per ask, a string of verdicts
# like '102', one per change.
sub visible
{
	my ($self, $relid, $changes, $clients, $asks) = @_;
	my ($outcome, $body) = $self->job('visible',
		pack('L S S S', $relid, scalar @$changes, scalar @$clients, scalar @$asks) .
		text(join('', map { text($_) } @$changes)) .
		text(join('', map { text($_->[0]) . text($_->[2] // '') . text($_->[1] // '{}') . text('{}') } @$clients)) .
		join('', map {
			my ($client, $policies, @conditions) = @$_;

			pack('S C S', $client, $policies, scalar @conditions) . text(join('', @conditions))
		} @$asks));

	return ($outcome) if $outcome != 0;
	return ($outcome, map { join('', unpack('C*', substr($body, $_ * @$changes, scalar @$changes))) } 0 .. $#$asks);
}

1;
