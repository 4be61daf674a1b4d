/*-------------------------------------------------------------------------
 *
 * tracking.c
 *	  The event presence: what clients track.
 *
 * supabase.md section 5.  A channel hears of presence if its join enabled that
 * or it tracked something, and tracks as often as the settings allow.  On a
 * private channel both need a right: the one to hear is asked for with the join
 * or, where that did not enable presence, together with the right to track,
 * before the first one.  To untrack needs none.
 *
 * What it takes to be there and to be told of it is presence.c's affair.
 *
 * src/gateway/tracking.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/access.h"
#include "gateway/admission.h"
#include "gateway/agent_channels.h"
#include "gateway/gw_settings.h"
#include "gateway/gw_stats.h"
#include "gateway/joins.h"
#include "gateway/presence.h"
#include "gateway/replies.h"
#include "gateway/tracking.h"
#include "gateway/write_queue.h"
#include "program/loop.h"

static Bytes name;				/* of the event at hand */

/*
 * Does a join give a key?  supabase-js always sends one, but an empty one by
 * default.
 */
static bool
has_key(const PhxJoin *join)
{
	return join->presence_key.len > 0 && !slice_equals_cstr(join->presence_key, "\"\"");
}

/*
 * Most channels have nothing to do with presence, and nothing to keep.
 */
bool
tracking_open(Channel *channel, const PhxJoin *join)
{
	channel->presence_enabled = join->presence_enabled;
	if (!join->presence_enabled && !has_key(join))
		return true;
	channel->presence = presence_open(channel, join->presence_key);
	return channel->presence != NULL;
}

/*
 * Hear of presence.
 */
void
tracking_listen(Channel *channel)
{
	if (!channel->presence_enabled || (channel->rights & RIGHT_PRESENCE_READ) == 0)
		return;
	if (!presence_listen(channel->presence))
		reply_no_memory(channel->conn);
}

/*
 * Answer with ok.
 */
static void
answer(Channel *channel, Slice ref)
{
	reply_ok(channel->conn, channel_join_ref(channel), ref, topic_full_name(channel->topic));
}

/*
 * Answer with an error that says nothing (5.1).
 */
static void
refuse(Channel *channel, Slice ref)
{
	reply_refusal(channel->conn, channel_join_ref(channel), ref,
				  topic_full_name(channel->topic));
}

/*
 * A track is not allowed.
 */
static void
deny(Channel *channel, Slice ref)
{
	STAT_INC(BUS_STAT_PRESENCE_DENIED);
	refuse(channel, ref);
}

/*
 * Track, and hear of it.
 */
static void
do_track(Channel *channel, Slice ref, Slice meta)
{
	if (!presence_track(channel->presence, meta))
	{
		reply_no_memory(channel->conn);
		return;
	}
	channel->presence_enabled = true;
	answer(channel, ref);
	tracking_listen(channel);
}

/*
 * A track that needed a right.
 */
static void
settle_track(Channel *channel, Slice ref, Slice meta, JobOutcome outcome)
{
	if (write_refusal(channel, RIGHT_PRESENCE_WRITE, outcome) == NULL)
		do_track(channel, ref, meta);
	else
		deny(channel, ref);
}

/*
 * An untrack that came behind one.
 */
static void
settle_untrack(Channel *channel, Slice ref, Slice nothing, JobOutcome outcome)
{
	presence_untrack(channel->presence);
	answer(channel, ref);
}

/*
 * Keep a track until it is decided whether the channel may.
 */
static void
track_later(Channel *channel, Slice ref, Slice meta)
{
	char	   *copy = write_queue_keep(channel, settle_track, ref, meta.len);

	if (copy == NULL)
	{
		deny(channel, ref);
		return;
	}
	memcpy(copy, meta.data, meta.len);
	access_ask_track(channel);
}

/*
 * End a channel that goes too far.
 */
static void
end_limited(Channel *channel, const char *message)
{
	STAT_INC(BUS_STAT_PRESENCE_LIMITED);
	join_end(channel, message, END_FOR_GOOD);
}

/*
 * Count a call; false if it was one too many, and then the channel is gone.
 */
static bool
count_call(Channel *channel)
{
	if (!admission_presence(channel))
		return false;
	STAT_INC(BUS_STAT_PRESENCE_CALLS);
	if (gw_settings.max_presence_calls == 0 ||
		presence_count_call(channel->presence, loop_now, gw_settings.presence_window) <=
		gw_settings.max_presence_calls)
		return true;
	end_limited(channel, "Client presence rate limit exceeded");
	return false;
}

/*
 * Track (5.1).
 */
static void
track(Channel *channel, Slice ref, Slice meta)
{
	if (jslice_type(meta) != JSLICE_OBJECT)
		reply_error(channel->conn, channel_join_ref(channel), ref,
					topic_full_name(channel->topic), "Presence track payload must be a map");
	else if (meta.len > (size_t) Min(gw_settings.max_message_size, PRESENCE_META_MAX_BYTES))
		end_limited(channel, "Track message size exceeded");
	else if (agent_channel_receive_only(channel->topic))
		deny(channel, ref);
	else if (!channel->topic->is_private)
		do_track(channel, ref, meta);
	else if (access_track_decided(channel))
		settle_track(channel, ref, meta, JOB_DONE);
	else
		track_later(channel, ref, meta);
}

/*
 * Untrack, behind the tracks that wait.  It is never denied, so where it finds
 * no room to wait the channel ends, which untracks as well.
 */
static void
untrack(Channel *channel, Slice ref)
{
	if (!write_queue_waits(channel))
		settle_untrack(channel, ref, NO_REF, JOB_DONE);
	else if (write_queue_keep(channel, settle_untrack, ref, 0) == NULL)
		join_end(channel, "Too many messages wait for a decision", END_FOR_NOW);
}

/*
 * Is this the event at hand?  Upstream takes it in any case.
 */
static bool
is_called(const char *event)
{
	return name.len == strlen(event) && pg_strncasecmp(name.data, event, name.len) == 0;
}

/*
 * Track or untrack, whichever it is called.
 */
static void
act(Channel *channel, const ClientMessage *msg)
{
	Slice		meta = jslice_get(msg->payload, "payload");
	bool		is_track = is_called("track");

	if (!is_track && !is_called("untrack"))
	{
		refuse(channel, msg->ref);
		return;
	}
	if (channel->presence == NULL)
		channel->presence = presence_open(channel, NO_REF);
	if (channel->presence == NULL)
		reply_no_memory(channel->conn);
	else if (!count_call(channel))
		return;
	else if (is_track)
		track(channel, msg->ref, meta.len > 0 ? meta : SLICE_LIT("{}"));
	else
		untrack(channel, msg->ref);
}

/*
 * A presence event.
 */
void
tracking_request(Channel *channel, const ClientMessage *msg)
{
	Slice		event = jslice_get(msg->payload, "event");

	scratch_reset(&name);
	if (event.len == 0)
		answer(channel, msg->ref);
	else if (jslice_type(event) != JSLICE_STRING)
		refuse(channel, msg->ref);
	else if (!jslice_unescape(event, &name))
		reply_no_memory(channel->conn);
	else
		act(channel, msg);
}

/*
 * The hub has no room for what a channel tracks, which is no fault of the
 * client's.
 */
bool
tracking_refused(Slice body)
{
	Channel    *channel;

	if (!presence_take_refused(body, &channel))
		return false;
	if (channel != NULL)
		channel->conn->protocol->untracked(channel);
	return true;
}
