# Channels, from where gateways ask: who may subscribe, and what comes of what
# clients publish; by grants and policies as users write them, on a primary and on
# its standby.

use strict;
use warnings;

use BusGateway;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;

my $room = '7c9e6679-7425-40de-944b-e07fc1f90ae7';
my $user = '123e4567-e89b-12d3-a456-426614174000';
my $other = '00000000-0000-0000-0000-000000000002';

my $bus = BusGateway->start_new('channels', conf => "realtime.statement_timeout = '60s'\n");
my $server = $bus->server;
$bus->sql('SELECT realtime.setup_api_roles()');

sub claims
{
	my ($role, $sub, $more) = @_;
	return qq({"role":"$role") . (defined $sub ? qq(,"sub":"$sub") : '') . ($more // '') . '}';
}

# May this client subscribe?  0 or 1; the outcome if there is no answer.
sub may_subscribe
{
	my ($channel, $role, $sub, %params) = @_;
	my ($outcome, $rights) = $bus->authorise($params{wanted} // 0x20, $role, $sub // '', $channel,
		$params{claims} // claims($role, $sub));

	return "outcome $outcome" if $outcome != 0;
	$rights = unpack('C', $rights);
	return $params{wanted} ? sprintf('%#x', $rights) : $rights == 0x20 ? 1 : $rights;
}

# Publish; 'denied', the message's id, or the outcome if there is no answer.
sub publish
{
	my ($channel, $role, $sub, %params) = @_;
	my ($outcome, $verdict, $id) = $bus->publish($role, $sub // '', $channel,
		$params{claims} // claims($role, $sub), $params{event} // 'said', $params{payload} // '{"n":1}',
		$params{type} // 'message');

	return "outcome $outcome" if $outcome != 0;
	return $verdict == 1 ? 'denied' : $id;
}

# The row of a message.
sub row
{
	my ($id) = @_;
	return $bus->sql("SELECT m.topic, m.event, m.payload, m.extension, m.private, c.pattern, m.sender_type, m.sender_id, m.type
		FROM realtime.messages m LEFT JOIN realtime.channels c ON c.id = m.channel_id WHERE m.id = '$id'");
}

my $uuid = qr/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

# Nothing is open before there is a channel.
is(may_subscribe('chat:1', 'anon'), 0, 'without a channel nobody subscribes');
is(publish('chat:1', 'project_admin'), 'denied', 'or publishes');

# Row-level security on channels is off: all that is enabled may be subscribed to.
$bus->sql(q{INSERT INTO realtime.channels (pattern) VALUES ('chat:%'), ('order:%'), ('global'), ('user:*:notifications')});
is(may_subscribe('chat:1', 'anon'), 1, 'with one everybody subscribes');
is(may_subscribe('chat:1', 'authenticated', $user), 1, 'users as well');
is(may_subscribe('chat:1', 'project_admin', 'local:admin'), 1, 'and the administrator');
is(may_subscribe('mail:1', 'authenticated', $user), 0, 'but not to what matches nothing');
is(may_subscribe('global', 'anon'), 1, 'an exact name');
is(may_subscribe('user:1:notifications', 'anon'), 1, 'a part of a name');
is(may_subscribe('user:1:2:notifications', 'anon'), 0, 'which is one');
is(may_subscribe('chat:%', 'anon'), 1, 'a name that is written like the pattern');
is(may_subscribe("chat:\x01", 'anon'), 0, 'no control characters');
is(may_subscribe('chat:1', 'nobody'), 'outcome 4', 'a role that tokens may not name');
$bus->sql(q{UPDATE realtime.channels SET enabled = false WHERE pattern = 'chat:%'});
is(may_subscribe('chat:1', 'anon'), 0, 'a disabled channel is none');
is(publish('chat:1', 'project_admin'), 'denied', 'to nobody');
$bus->sql(q{UPDATE realtime.channels SET enabled = true WHERE pattern = 'chat:%'});
$bus->sql('REVOKE SELECT ON realtime.channels FROM anon; REVOKE SELECT (id, pattern, description, webhook_urls, webhook_format, webhook_ordered, enabled, persist, is_public, owner_id, created_at, updated_at) ON realtime.channels FROM anon');
is(may_subscribe('chat:1', 'anon'), 0, 'without the privilege nobody subscribes');
$bus->sql('SELECT realtime.setup_api_roles()');
is(may_subscribe('chat:1', 'anon'), 1, 'which can be given back');

# Publishing takes a policy, as realtime.messages has row-level security.
is(publish('chat:1', 'authenticated', $user), 'denied', 'without a policy nobody publishes');
is(publish('chat:1', 'anon'), 'denied', 'nor without an account');
like(my $id = publish('chat:1', 'project_admin', 'local:admin'), $uuid, 'the administrator does');
is(row($id), 'chat:1|said|{"n": 1}|broadcast|t|chat:%|system||', 'as the system');

# The policies that InsForge's documentation shows, as they stand.
$bus->sql(qq{
CREATE TABLE public.orders (id uuid, user_id uuid);
CREATE TABLE public.chat_members (room_id uuid, user_id uuid);
INSERT INTO public.orders VALUES ('$room', '$user');
INSERT INTO public.chat_members VALUES ('$room', '$user');
GRANT SELECT ON public.orders, public.chat_members TO authenticated;
ALTER TABLE realtime.channels ENABLE ROW LEVEL SECURITY});
is(may_subscribe('order:1', 'authenticated', $user), 0, 'with row-level security and no policy nobody subscribes');
is(may_subscribe('order:1', 'project_admin'), 1, 'but the administrator');
$bus->sql(q{
CREATE POLICY users_subscribe_own_orders ON realtime.channels FOR SELECT TO authenticated
USING (pattern = 'order:%' AND EXISTS (SELECT 1 FROM public.orders
       WHERE id = NULLIF(split_part(realtime.channel_name(),':',2),'')::uuid AND user_id = auth.uid()));
CREATE POLICY members_publish_chat ON realtime.messages FOR INSERT TO authenticated
WITH CHECK (channel_name LIKE 'chat:%' AND EXISTS (SELECT 1 FROM chat_members
       WHERE room_id = NULLIF(split_part(channel_name,':',2),'')::uuid AND user_id = auth.uid()))});
is(may_subscribe("order:$room", 'authenticated', $user), 1, 'their own order');
is(may_subscribe("order:$room", 'authenticated', $other), 0, "not another's");
is(may_subscribe("order:$other", 'authenticated', $user), 0, 'and no other order');
is(may_subscribe("order:$room", 'anon', $user), 0, 'not as another role');
is(may_subscribe("chat:$room", 'authenticated', $user), 0, 'and no other channel');
is(may_subscribe('order:nonsense', 'authenticated', $user), 0, 'an error means no');
is(may_subscribe("order:$room", 'authenticated', 'no uuid'), 0, 'whosever it is');
like(slurp_file($server->node->logfile), qr/could not say who may subscribe to a channel: an error in the data/, 'and is logged');
unlike(slurp_file($server->node->logfile), qr/nonsense|no uuid/, 'without data');

like($id = publish("chat:$room", 'authenticated', $user, type => 'broadcast', event => 'message.new', payload => '{"text":"Hi"}'),
	$uuid, 'a member publishes');
is(row($id), "chat:$room|message.new|{\"text\": \"Hi\"}|broadcast|t|chat:%|user|$user|broadcast", 'as himself');
is(publish("chat:$room", 'authenticated', $other), 'denied', 'others do not');
is(publish("chat:$other", 'authenticated', $user), 'denied', 'nor elsewhere');
is(publish("order:$room", 'authenticated', $user), 'denied', 'nor on another channel');
is(publish('chat:nonsense', 'authenticated', $user), 'denied', 'an error means no');
is(publish("chat:$room", 'authenticated', 'no uuid'), 'denied', 'as does a sub that is no uuid');
is(publish("chat:$room", 'authenticated', $user, event => 'connect'), 'denied', 'reserved events are refused');
is(publish("chat:$room", 'authenticated', $user, event => 'presence:join'), 'denied', 'all of them');
is($bus->sql('SELECT count(*) FROM realtime.messages'), 2, 'nothing of what was refused is there');

# What others get to hear of it.
{
	my ($type, $body);

	$bus->interest("chat:$room");
	$id = publish("chat:$room", 'authenticated', $user, type => 'broadcast');
	my $message = $bus->next_message;
	is($message->{id}, $id, 'it is told');
	is($message->{flags}, 0x01 | 0x08 | 0x10 | 0x20 | 0x80, 'as of a user on a channel');
	is($message->{sender}, $user, 'which one');
	is($message->{topic}, "chat:$room", 'where');
	is($message->{payload}, '{"n": 1}', 'what');
	$id = publish("chat:$room", 'project_admin');
	is($bus->next_message->{flags}, 0x01 | 0x08, 'and of the system');
}

# The policies of the other documentation, with their tables renamed.
$bus->sql(qq{
DROP POLICY users_subscribe_own_orders ON realtime.channels;
DROP POLICY members_publish_chat ON realtime.messages;
CREATE TABLE channel_members (channel_id uuid, user_id uuid);
GRANT SELECT ON channel_members TO authenticated, anon;
UPDATE realtime.channels SET is_public = false, owner_id = '$user' WHERE pattern = 'order:%';
INSERT INTO channel_members SELECT id, '$user' FROM realtime.channels WHERE pattern = 'order:%';
CREATE POLICY "Users can subscribe to public channels"
ON realtime.channels FOR SELECT
USING (enabled = true AND is_public = true);
CREATE POLICY "Users can subscribe to their own channels"
ON realtime.channels FOR SELECT
USING (owner_id = auth.user_id());
CREATE POLICY "Users can publish to their channels"
ON realtime.messages FOR INSERT
WITH CHECK (
  EXISTS (
    SELECT 1 FROM channel_members
    WHERE channel_id = messages.channel_id
    AND user_id = auth.user_id()
  )
)});
is(may_subscribe('chat:1', 'anon'), 1, 'a public channel');
is(may_subscribe('order:1', 'anon'), 0, 'a private one');
is(may_subscribe('order:1', 'authenticated', $user), 1, 'is open to its owner');
is(may_subscribe('order:1', 'authenticated', $other), 0, 'and to nobody else');
like(publish('order:1', 'authenticated', $user), $uuid, 'a member publishes');
is(publish('order:1', 'authenticated', $other), 'denied', 'others do not');
is(publish('chat:1', 'authenticated', $user), 'denied', 'nor on channels that they are no members of');
# an administrator's or anonymous sub is no uuid, and never gets to a cast
is(may_subscribe('order:1', 'anon', 'no uuid'), 0, 'a sub that is no uuid is kept from policies');
is(may_subscribe('chat:1', 'anon', 'no uuid'), 1, 'which would raise an error');

# Rights on channels and on messages in one question, each as its policies see it.
$bus->sql(q{CREATE POLICY hear ON realtime.messages FOR SELECT USING (realtime.topic() = 'chat:1' AND auth.jwt() ->> 'sub' = 'no uuid')});
is(may_subscribe('chat:1', 'anon', 'no uuid', wanted => 0x21), '0x21', 'both are granted');
is(may_subscribe('order:1', 'anon', 'no uuid', wanted => 0x21), '0', 'or neither');
is(may_subscribe('chat:2', 'authenticated', $user, wanted => 0x3f), '0x20', 'or one of them');

# Plans that are kept hold nothing of the client that they were made for, even where
# a function lies about itself.
$bus->sql(qq{
INSERT INTO realtime.channels (pattern, is_public) VALUES ('mine:*', false);
CREATE FUNCTION is_me(who text) RETURNS boolean IMMUTABLE LANGUAGE sql
	AS \$\$ SELECT current_setting('request.jwt.claims')::jsonb ->> 'sub' = who \$\$;
CREATE POLICY mine ON realtime.channels FOR SELECT USING (pattern = 'mine:*' AND is_me('$user'));
CREATE POLICY mine ON realtime.messages FOR INSERT WITH CHECK (channel_name LIKE 'mine:%' AND is_me('$user'))});
foreach my $round (1 .. 2)
{
	is(may_subscribe('mine:1', 'authenticated', $user), 1, "it is mine, $round");
	is(may_subscribe('mine:1', 'authenticated', $other), 0, "and not another's, $round");
	like(publish('mine:1', 'authenticated', $user), $uuid, "I publish, $round");
	is(publish('mine:1', 'authenticated', $other), 'denied', "others do not, $round");
}
$bus->sql('DROP POLICY mine ON realtime.messages');

# Policies that can only be asked by real statements.
$bus->sql(q{
CREATE POLICY of_the_table ON realtime.channels AS RESTRICTIVE FOR SELECT USING (tableoid = 'realtime.channels'::regclass);
CREATE POLICY of_the_row ON realtime.messages AS RESTRICTIVE FOR INSERT WITH CHECK (tableoid <> 0 AND event <> 'secret')});
is(may_subscribe('chat:1', 'anon'), 1, 'a policy on a system column is asked');
is(may_subscribe('order:1', 'anon'), 0, 'and the others with it');
like(publish('order:1', 'authenticated', $user), $uuid, 'one on a message, too');
is(publish('order:1', 'authenticated', $user, event => 'secret'), 'denied', 'which may say no');

# A channel that does not store its messages.
$bus->sql(qq{INSERT INTO realtime.channels (pattern, persist) VALUES ('cursor:*', false);
INSERT INTO channel_members SELECT id, '$user' FROM realtime.channels WHERE pattern = 'cursor:*'});
$bus->interest('cursor:1');
foreach my $way ('by real statements', 'without one')
{
	my $before = $bus->sql('SELECT count(*) FROM realtime.messages');

	like($id = publish('cursor:1', 'authenticated', $user), $uuid, "an unstored message is published $way");
	my $message = $bus->next_message;
	is($message->{id}, $id, 'it is told');
	is($message->{flags} & 0x40, 0x40, 'as one that is not stored');
	is(publish('cursor:1', 'authenticated', $other), 'denied', 'policies decide the same way');
	is($bus->sql('SELECT count(*) FROM realtime.messages'), $before, 'and none is stored');
	$bus->sql('DROP POLICY of_the_row ON realtime.messages') if $way eq 'by real statements';
}
$id = publish('cursor:1', 'authenticated', $user);
$bus->sql(q{SELECT realtime.publish('global', 'last', '{}')});
wait_for(sub {
	$bus->sql(q{SELECT count(*) FROM realtime.commits c JOIN realtime.messages m USING (xid) WHERE m.event = 'last'}) == 1 },
	'the record of commits');
is($bus->sql('SELECT count(*) FROM realtime.commits c WHERE NOT EXISTS (SELECT FROM realtime.messages m WHERE m.xid = c.xid)'),
	0, 'no commit is recorded for what is not stored');

# A table that is not as we made it, and functions that leave something behind.
$bus->sql(q{
CREATE TABLE noticed (event text);
CREATE FUNCTION notice() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN INSERT INTO public.noticed VALUES (NEW.event); NEW.event := NEW.event || '!'; RETURN NEW; END $$;
CREATE TRIGGER notice BEFORE INSERT ON realtime.messages FOR EACH ROW EXECUTE FUNCTION notice();
CREATE FUNCTION may_publish() RETURNS boolean LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS $$ BEGIN INSERT INTO public.noticed VALUES ('asked'); RETURN false; END $$;
});
like($id = publish('order:1', 'authenticated', $user, event => 'changed'), $uuid, "others' triggers are fired");
like(row($id), qr/^order:1\|changed!\|/, 'and may change the row');
$bus->sql('DROP TRIGGER notice ON realtime.messages; CREATE POLICY asks ON realtime.messages AS RESTRICTIVE FOR INSERT WITH CHECK (may_publish())');
is(publish('order:1', 'authenticated', $user), 'denied', 'a policy that writes denies');
is($bus->sql('SELECT string_agg(event, \' \') FROM noticed'), 'changed', 'and leaves nothing behind');
$bus->sql('DROP POLICY asks ON realtime.messages');

# Large ones: above what an executor used to take.
$bus->server->reconfigure('realtime.max_message_size' => '32MB');
wait_for(sub { $bus->sql('SHOW realtime.max_message_size') eq '32MB' }, 'the setting');
$id = publish('order:1', 'authenticated', $user, payload => '{"text":"' . 'x' x (20 * 1024 * 1024) . '"}');
like($id, $uuid, 'a message of 20 MB');
is($bus->sql("SELECT length(payload ->> 'text') FROM realtime.messages WHERE id = '$id'"), 20 * 1024 * 1024, 'is stored');
is(publish('order:1', 'authenticated', $user, payload => '{"text":"' . 'x' x (40 * 1024 * 1024) . '"}'), 'denied', 'one of 40 MB is refused');
like(publish('order:1', 'authenticated', $user), $uuid, 'and executors go on');

unlike(slurp_file($server->node->logfile), qr/terminated by signal|PANIC|FATAL/, 'no process has ended');

# A standby decides the same by itself, and publishes nothing.  Its gateway takes the
# place of the primary's, so that one has to go.
my $standby = PostgreSQL::Test::Cluster->new('standby');
$server->node->backup('base');
$standby->init_from_backup($server->node, 'base', has_streaming => 1);
chmod 0600, $standby->data_dir . '/realtime/secret';
$server->node->stop;
$standby->start;
$bus->connect;
wait_for(sub { may_subscribe('chat:1', 'anon') eq '1' }, 'executors of the standby');
pass('a standby says who may subscribe');
is(may_subscribe('order:1', 'anon'), 0, 'and who may not');
is(may_subscribe('order:1', 'authenticated', $user), 1, 'by policies as well');
is(publish('order:1', 'authenticated', $user), 'outcome 2', 'but cannot publish');
done_testing();
