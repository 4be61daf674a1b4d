/*-------------------------------------------------------------------------
 *
 * sio_frame.h
 *	  A message as the Socket.IO event that clients get.
 *
 * src/gateway/sio_frame.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_SIO_FRAME_H
#define REALTIME_SIO_FRAME_H

#include "gateway/message_frame.h"

/*
 * Append a message of a topic.  Nothing is appended where its event has a name
 * that clients do not take, or none.  False without memory.
 */
extern bool sio_frame_append(Bytes *out, Dialect dialect, const Topic *topic,
							 const WalMessage *message, const MessageMeta *meta) RT_MUSTCHECK;

/* Append the member "meta" of what the server itself says about a channel. */
extern void sio_meta_of_server(Bytes *out, Slice channel);

/* Is this the name of an event that clients may publish? */
extern bool sio_event_is_free(Slice name);

#endif							/* REALTIME_SIO_FRAME_H */
