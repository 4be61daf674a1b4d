/*-------------------------------------------------------------------------
 *
 * sio_presence.c
 *	  Who is online, as Socket.IO clients are told: members.
 *
 * insforge-oaura.md 1.7.  Whoever subscribes is a member, a member of the same
 * presence that Phoenix clients follow, and the answer to its subscription tells
 * of all.  Then come events: presence:join when a key comes, presence:leave when
 * its last meta goes, presence:update when a payload changes.  They are encoded
 * once for all; but whoever comes, or tracks something else, is not told of itself,
 * so that its event is cut out of what it gets.
 *
 * src/gateway/sio_presence.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/conn_output.h"
#include "gateway/engine_session.h"
#include "gateway/joins.h"
#include "gateway/presence_form.h"
#include "gateway/presence_member.h"
#include "gateway/replies.h"
#include "gateway/sio_frame.h"
#include "gateway/sio_presence.h"
#include "proto/socket_io.h"

static Bytes before;			/* a member as it was told */
static Bytes after;				/* and as it will have been */
static Bytes json;				/* an argument being put together */

/* Where a diff is encoded to. */
typedef struct DiffWriter
{
	Bytes	   *out;
	Slice		topic;			/* plain name */
	bool		failed;
} DiffWriter;

/*
 * What a channel tracks.
 */
bool
sio_member_append(Bytes *out, const Channel *channel)
{
	const Subscription *subscription = channel->subscription;
	bool		is_user = channel->conn->engine->sio.is_user;

	bytes_printf(out, "{\"type\":\"%s\",\"presenceId\":", is_user ? "user" : "anonymous");
	jslice_append_string(out, presence_key(channel->presence));
	bytes_append_cstr(out, ",\"joinedAt\":\"");
	bytes_append(out, subscription->joined_at, ISO_TIME_BYTES);
	bytes_append_byte(out, '"');
	if (subscription->payload.len > 0)
	{
		bytes_append_cstr(out, ",\"payload\":");
		bytes_append_slice(out, bytes_slice(&subscription->payload));
	}
	return bytes_append_byte(out, '}');
}

/*
 * Append one member of a state.
 */
static void
append_to_state(ReplicaKey *key, void *arg)
{
	Bytes	   *out = arg;
	size_t		start = out->len;

	if (start > 0)
		bytes_append_byte(out, ',');
	if (!presence_member_append(out, key, REPLICA_TOLD))
		out->len = start;
}

/*
 * All members, joined by commas.
 */
static bool
encode_state(PresenceReplica *replica, Dialect dialect, Bytes *out)
{
	presence_replica_visit(replica, false, append_to_state, out);
	return !out->failed;
}

/*
 * The state is there: the answer to the join may have waited for it.
 */
static void
tell_state(struct Watched *topic, Channel *channel)
{
	join_continue(channel);
}

/*
 * Append an event about a member.
 */
static void
put_event(DiffWriter *writer, const char *name, const Bytes *member)
{
	scratch_reset(&json);
	bytes_append_cstr(&json, "{\"member\":");
	bytes_append_slice(&json, bytes_slice(member));
	bytes_append_cstr(&json, ",\"meta\":");
	sio_meta_of_server(&json, writer->topic);
	bytes_append_byte(&json, '}');
	if (member->failed || json.failed ||
		!socket_io_encode_event(writer->out, name, bytes_slice(&json)))
		writer->failed = true;
}

/*
 * What a member tracks, or nothing.  Its joinedAt becomes another one when the
 * socket that came first goes, which is no news.
 */
static Slice
tracked_by(const Bytes *member)
{
	static const char payload[] = ",\"payload\":";
	Slice		whole = bytes_slice(member);
	const char *found = member->failed ? NULL :
		memmem(whole.data, whole.len, payload, strlen(payload));

	if (found == NULL)
		return slice_make(NULL, 0);
	return slice_make(found, whole.len - (size_t) (found - whole.data));
}

/*
 * Append what there is to say of a key.
 */
static void
put_news(ReplicaKey *key, void *arg)
{
	DiffWriter *writer = arg;
	size_t		start = writer->out->len;
	bool		was;
	bool		is;

	scratch_reset(&before);
	scratch_reset(&after);
	was = presence_member_append(&before, key, REPLICA_TOLD);
	is = presence_member_append(&after, key, REPLICA_NEW);
	if (is && !was)
		put_event(writer, "presence:join", &after);
	else if (was && !is)
		put_event(writer, "presence:leave", &before);
	else if (was && !slice_equals(tracked_by(&before), tracked_by(&after)))
		put_event(writer, "presence:update", &after);
	if (writer->out->len > start)
		replica_key_note_news(key, start, writer->out->len);
	if (before.failed || after.failed)
		writer->failed = true;
}

/*
 * Everything that has changed.
 */
static bool
encode_diff(PresenceReplica *replica, Dialect dialect, Slice full_name, Bytes *out)
{
	DiffWriter	writer = {out};

	writer.topic = slice_make(full_name.data + TOPIC_PREFIX_LEN, full_name.len - TOPIC_PREFIX_LEN);
	presence_replica_visit(replica, true, put_news, &writer);
	scratch_reset(&before);
	scratch_reset(&after);
	scratch_reset(&json);
	return !writer.failed;
}

/*
 * Is an event about a channel's own key what it knows by itself?  That is where
 * it tells of the payload that the channel tracks, or of the end when it tracks
 * none.  Another socket of the user's may have said something else meanwhile.
 */
static bool
knows(const Channel *channel, Slice event)
{
	static const char end[] = "},\"meta\":";
	const Subscription *subscription = channel->subscription;

	scratch_reset(&json);
	if (!subscription->is_tracked)
		bytes_append_cstr(&json, "[\"presence:leave\",");
	else if (subscription->payload.len == 0)
		bytes_printf(&json, "Z\"%s", end);
	else
	{
		bytes_append_cstr(&json, ",\"payload\":");
		bytes_append_slice(&json, bytes_slice(&subscription->payload));
		bytes_append_cstr(&json, end);
	}
	return !json.failed && memmem(event.data, event.len, json.data, json.len) != NULL;
}

/*
 * Is there something in a diff that the channel knows by itself, and where?
 */
static bool
own_news(PresenceReplica *replica, Listener *listener, const FrameBuf *frames,
		 uint32 *start, uint32 *end)
{
	if (!listener->untold)
		return false;
	scratch_reset(&json);
	jslice_append_string(&json, presence_key(presence_of_listener(listener)));
	if (!presence_replica_own_news(replica, bytes_slice(&json), start, end))
		return false;
	listener->untold = false;
	return *start < *end &&
		knows(listener->channel, slice_make(frames->data + *start, *end - *start));
}

/*
 * Queue a part of it, if there is any.
 */
static bool
deliver_part(Conn *conn, FrameBuf *frames, uint32 start, uint32 end)
{
	return start < end && conn_deliver(conn, frames, start, end);
}

/*
 * Queue that for one.  Before it has its answer, that will tell.
 */
static bool
deliver_diff(PresenceReplica *replica, Listener *listener, FrameBuf *frames)
{
	Channel    *channel = listener->channel;
	Conn	   *conn = channel->conn;
	uint32		start;
	uint32		end;

	if (channel->state != CHANNEL_JOINED)
		return false;
	if (!own_news(replica, listener, frames, &start, &end))
		start = end = 0;
	return deliver_part(conn, frames, 0, start) + deliver_part(conn, frames, end, frames->len) > 0;
}

const PresenceForm sio_presence_form = {
	.encode_state = encode_state,
	.tell_state = tell_state,
	.encode_diff = encode_diff,
	.deliver_diff = deliver_diff
};

/*
 * The members, for an answer.
 */
FrameBuf *
sio_presence_snapshot(Channel *channel, bool *own)
{
	struct Watched *topic = presence_listener(channel->presence)->topic;

	scratch_reset(&json);
	*own = channel->subscription->is_tracked;
	if (*own && jslice_append_string(&json, presence_key(channel->presence)))
		*own = !presence_topics_told(topic, bytes_slice(&json));
	return presence_topics_state(topic, channel->conn->version);
}
