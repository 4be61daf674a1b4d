/*-------------------------------------------------------------------------
 *
 * presence_phoenix.c
 *	  Who is online, in Phoenix messages: presence_state and presence_diff.
 *
 * A state is as long as the topic has members and cannot be made cheaper, but
 * it is encoded once for all who join between two diffs; only the head of the
 * message, with the join ref, is each client's own.
 *
 * src/gateway/presence_phoenix.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/conn_output.h"
#include "gateway/gw_stats.h"
#include "gateway/presence_form.h"
#include "gateway/replies.h"
#include "proto/phoenix_shared.h"

/*
 * Payload and tail of presence_state.
 */
static bool
encode_state(PresenceReplica *replica, Dialect dialect, Bytes *out)
{
	return presence_replica_state(replica, out) &&
		bytes_append_slice(out, phx_shared_tail((PhxVersion) dialect));
}

/*
 * Queue presence_state: a head of the channel's own, the rest by reference.
 */
static void
tell_state(struct Watched *topic, Channel *channel)
{
	static Bytes head;
	Conn	   *conn = channel->conn;
	Slice		tail = phx_shared_tail(conn->version);
	FrameBuf   *state = presence_topics_state(topic, conn->version);

	if (state != NULL &&
		phx_encode_shared_head(&head, conn->version, channel_join_ref(channel),
							   topic_full_name(channel->topic), "presence_state",
							   state->len - tail.len))
	{
		/* a connection that takes the first but not the second is closed */
		conn_write(conn, head.data, head.len);
		STAT_ADD(BUS_STAT_PRESENCE_STATES, conn_deliver(conn, state, 0, state->len));
	}
	else
		reply_no_memory(conn);
	scratch_reset(&head);
}

/*
 * One presence_diff.
 */
static bool
encode_diff(PresenceReplica *replica, Dialect dialect, Slice full_name, Bytes *out)
{
	static Bytes payload;
	bool		good = presence_replica_diff(replica, &payload) &&
	phx_encode_text(out, (PhxVersion) dialect, NO_REF, NO_REF, full_name, "presence_diff",
					bytes_slice(&payload));

	scratch_reset(&payload);
	return good;
}

/*
 * The same for all.
 */
static bool
deliver_diff(PresenceReplica *replica, Listener *listener, FrameBuf *frames)
{
	return conn_deliver(listener->channel->conn, frames, 0, frames->len);
}

const PresenceForm presence_phoenix_form = {
	.encode_state = encode_state,
	.tell_state = tell_state,
	.encode_diff = encode_diff,
	.deliver_diff = deliver_diff
};
