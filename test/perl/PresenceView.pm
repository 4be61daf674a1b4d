#-------------------------------------------------------------------------
#
# PresenceView.pm
#	  Presence of one topic as a client sees it, strictly.
#
# Applies what comes to one channel of a WebSocketClient as phoenix.js does,
# and notes what a server must not do: a diff before the state, a join of a ref
# that is there, a leave of one that is not or with another meta, phx_ref_prev
# that names nothing which leaves in the same diff, a key without metas.
#
#-------------------------------------------------------------------------
package PresenceView;

use strict;
use warnings;

use JSON::PP;
use Time::HiRes qw(time);

my $json = JSON::PP->new->canonical->allow_nonref;

# A view of realtime:<topic> on this client, which has asked to join it.
sub new
{
	my ($class, $client, $topic) = @_;
	return bless { client => $client, topic => $topic, keys => {}, errors => [],
		states => 0, diffs => [] }, $class;
}

# Join with presence enabled and return the view; dies unless the join is
# answered ok.
#
#	key			config.presence.key
#	...			as for WebSocketClient::join
sub join
{
	my ($class, $client, $topic, %join) = @_;
	my $key = delete $join{key} // '';
	my $result = $client->join_result($topic,
		presence => { key => $key, enabled => JSON::PP::true }, %join);

	die "could not join $topic: $result\n" unless $result eq 'ok';
	# what came before was for an earlier channel of that topic
	$client->drop_events($topic, qw(presence_state presence_diff));
	return $class->new($client, $topic);
}

# Note something that must not happen.
sub wrong
{
	my ($self, $what) = @_;
	push @{ $self->{errors} }, $what;
	return;
}

# The user's part of a meta.
sub user_part
{
	my ($meta) = @_;
	my %copy = %$meta;
	delete @copy{qw(phx_ref phx_ref_prev)};
	return $json->encode(\%copy);
}

sub add
{
	my ($self, $key, $meta) = @_;
	my $ref = $meta->{phx_ref};

	return $self->wrong('a meta without phx_ref') unless defined $ref && $ref ne '';
	$self->wrong("ref $ref is not unique")
	  if grep { exists $_->{$ref} } values %{ $self->{keys} };
	$self->{keys}{$key}{$ref} = user_part($meta);
	return;
}

sub remove
{
	my ($self, $key, $meta) = @_;
	my $ref = $meta->{phx_ref} // '';
	my $had = delete $self->{keys}{$key}{$ref};

	$self->wrong("a leave of $key, $ref, which is not there") unless defined $had;
	$self->wrong("a leave of $key, $ref, with another meta")
	  if defined $had && $had ne user_part($meta);
	delete $self->{keys}{$key} unless %{ $self->{keys}{$key} };
	return;
}

# Call $call->($key, $meta) for every meta of a map of keys.
sub each_meta
{
	my ($self, $map, $call) = @_;

	for my $key (sort keys %$map)
	{
		my @metas = @{ $map->{$key}{metas} };
		$self->wrong("$key has no metas") unless @metas;
		$call->($key, $_) for @metas;
	}
	return;
}

sub apply_state
{
	my ($self, $state) = @_;

	$self->wrong('a second state') if $self->{states}++;
	$self->{keys} = {};
	$self->each_meta($state, sub { $self->add(@_) });
	return;
}

sub apply_diff
{
	my ($self, $diff) = @_;
	my %leaving;

	$self->wrong('a diff before the state') unless $self->{states};
	$self->wrong('a diff of ' . CORE::join(', ', sort keys %$diff))
	  unless CORE::join(' ', sort keys %$diff) eq 'joins leaves';
	push @{ $self->{diffs} }, $diff;
	$self->each_meta($diff->{leaves}, sub { $leaving{"$_[0] $_[1]{phx_ref}"} = 1 });
	# phoenix.js takes the joins first
	$self->each_meta($diff->{joins}, sub {
			my ($key, $meta) = @_;
			$self->add($key, $meta);
			$self->wrong("$meta->{phx_ref_prev} does not leave")
			  if exists $meta->{phx_ref_prev} && !$leaving{"$key $meta->{phx_ref_prev}"};
		});
	$self->each_meta($diff->{leaves}, sub { $self->remove(@_) });
	return;
}

# Take the next state or diff; false if none comes within $timeout.
sub step
{
	my ($self, $timeout) = @_;
	my $message = $self->{client}->event($self->{topic}, [ 'presence_state', 'presence_diff' ],
		$timeout) or return 0;

	if ($message->{event} eq 'presence_state') { $self->apply_state($message->{payload}); }
	else { $self->apply_diff($message->{payload}); }
	return 1;
}

# What is known, as {key => [metas as JSON, sorted]}.
sub known
{
	my ($self) = @_;
	return { map { $_ => [ sort values %{ $self->{keys}{$_} } ] } keys %{ $self->{keys} } };
}

# The same as text, for comparison.
sub text { return $json->encode($_[0]->known); }

# All refs that are known, by key.
sub refs
{
	my ($self) = @_;
	return { map { my $key = $_; $key => [ sort keys %{ $self->{keys}{$key} } ] } keys %{ $self->{keys} } };
}

# Take messages until $condition->($self) is true when all that has come is
# taken; false when it does not become so within $timeout.
sub until
{
	my ($self, $condition, $timeout) = @_;
	my $deadline = time() + ($timeout // $WebSocketClient::patience);

	while (1)
	{
		1 while $self->step(0);
		return 1 if $self->{states} && $condition->($self);
		my $left = $deadline - time();
		return 0 if $left <= 0 || !$self->step($left);
	}
}

# Take messages until this is known: {key => [metas]}, where metas are what was
# tracked, in any order.
sub until_known
{
	my ($self, $wanted, $timeout) = @_;
	my $text = $json->encode({ map { $_ => [ sort map { $json->encode($_) } @{ $wanted->{$_} } ] }
			  keys %$wanted });

	return $self->until(sub { $self->text eq $text }, $timeout);
}

# Nothing is on its way: the client's heartbeat is answered and no message of
# presence has come before the answer.
sub quiet
{
	my ($self) = @_;
	return $self->{client}->heartbeat && !$self->step(0);
}

# Track and untrack: 'ok', or the reason of a refusal as JSON.
sub track
{
	my ($self, @meta) = @_;
	return call($self->{client}, $self->{topic}, 'track', @meta);
}

sub untrack
{
	my ($self) = @_;
	return call($self->{client}, $self->{topic}, 'untrack');
}

# Send one of them without waiting for the answer, which nobody will ask for.
sub tell
{
	my ($self, $event, @meta) = @_;
	$self->{client}->push("realtime:$self->{topic}", 'presence',
		{ type => 'presence', event => $event, @meta ? (payload => $meta[0]) : () });
	return;
}

# Track or untrack without a view.
sub call
{
	my ($client, $topic, $event, @meta) = @_;
	my $reply = $client->reply($client->push("realtime:$topic", 'presence',
			{ type => 'presence', event => $event, @meta ? (payload => $meta[0]) : () }))
	  or return 'no reply';

	return $reply->{payload}{status} eq 'ok' ? 'ok' : $json->encode($reply->{payload}{response});
}

1;
