/*-------------------------------------------------------------------------
 *
 * presence_form.h
 *	  The forms in which clients are told who is online.
 *
 * Which topic has what to tell when, and to whom, is presence_topics.c's affair.
 *
 * src/gateway/presence_form.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_PRESENCE_FORM_H
#define REALTIME_PRESENCE_FORM_H

#include "gateway/channels.h"
#include "gateway/presence_replica.h"
#include "gateway/presence_topics.h"

typedef struct PresenceForm
{
	/*
	 * Append of the state what all who are told it share; false without memory.
	 */
	bool		(*encode_state) (PresenceReplica *replica, Dialect dialect, Bytes *out);

	/* The state is there: tell a channel that listens. */
	void		(*tell_state) (struct Watched *topic, Channel *channel);

	/*
	 * Append what they have not been told as frames for all; false without
	 * memory.
	 */
	bool		(*encode_diff) (PresenceReplica *replica, Dialect dialect, Slice full_name,
								Bytes *out);

	/* Queue these frames for one; true if the connection took them. */
	bool		(*deliver_diff) (PresenceReplica *replica, Listener *listener, FrameBuf *frames);
} PresenceForm;

extern const PresenceForm presence_phoenix_form;
extern const PresenceForm sio_presence_form;

#endif							/* REALTIME_PRESENCE_FORM_H */
