/*-------------------------------------------------------------------------
 *
 * handover_queue.h
 *	  Connections that wait for a door with room.
 *
 * A queue of messages of proto/handover_message.h, the same at both ends of a door.
 * Bounds are the business of whoever adds to it.
 *
 * src/proto/handover_queue.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_HANDOVER_QUEUE_H
#define REALTIME_HANDOVER_QUEUE_H

#include "proto/handover_message.h"

typedef struct HandoverItem
{
	struct HandoverItem *next;
	int			fd;
	HandoverHead head;
	char		bytes[FLEXIBLE_ARRAY_MEMBER];
} HandoverItem;

/* All zero at first. */
typedef struct HandoverQueue
{
	HandoverItem *first;		/* NULL = empty */
	HandoverItem *last;
} HandoverQueue;

/* Add a connection at the end; false without memory. */
extern bool handover_queue_push(HandoverQueue *queue, const HandoverHead *head,
								Slice bytes, int fd) RT_MUSTCHECK;

/* Take the first one off; its descriptor is the caller's. */
extern int	handover_queue_pop(HandoverQueue *queue);

#endif							/* REALTIME_HANDOVER_QUEUE_H */
