/*-------------------------------------------------------------------------
 *
 * client_message.h
 *	  A Phoenix message of a client, whichever encoding it came in.
 *
 * src/gateway/client_message.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_CLIENT_MESSAGE_H
#define REALTIME_CLIENT_MESSAGE_H

#include "proto/phoenix.h"

/* The slices are good until the next message is decoded. */
typedef struct ClientMessage
{
	bool		is_push;		/* a broadcast in binary form */
	Slice		join_ref;		/* raw JSON in every encoding; empty = null */
	Slice		ref;
	Slice		topic;			/* plain bytes, as the client wrote it */
	Slice		event;
	Slice		name;			/* topic without prefix, or NULL data */
	uint32		hash;			/* of name, unless that is too long */
	Slice		payload;		/* raw JSON, or of a push the user's payload */
	bool		is_binary;		/* of a push: the payload is bytes */
	Slice		metadata;		/* of a push: raw JSON object, or empty */
} ClientMessage;

/*
 * Decode a whole WebSocket message; false if it is malformed, or no memory is
 * there to tell.
 */
extern bool client_message_decode(PhxVersion version, Slice data, bool binary,
								  ClientMessage *msg) RT_MUSTCHECK;

#endif							/* REALTIME_CLIENT_MESSAGE_H */
