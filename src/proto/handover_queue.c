/*-------------------------------------------------------------------------
 *
 * handover_queue.c
 *	  Connections that wait for a door with room.
 *
 * src/proto/handover_queue.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/handover_queue.h"

/*
 * Add a connection.
 */
bool
handover_queue_push(HandoverQueue *queue, const HandoverHead *head, Slice bytes, int fd)
{
	HandoverItem *item = malloc(offsetof(HandoverItem, bytes) + bytes.len);

	if (item == NULL)
		return false;
	item->next = NULL;
	item->fd = fd;
	item->head = *head;
	if (bytes.len > 0)
		memcpy(item->bytes, bytes.data, bytes.len);
	if (queue->first == NULL)
		queue->first = item;
	else
		queue->last->next = item;
	queue->last = item;
	return true;
}

/*
 * Take the first one off.
 */
int
handover_queue_pop(HandoverQueue *queue)
{
	HandoverItem *item = queue->first;
	int			fd = item->fd;

	queue->first = item->next;
	free(item);
	return fd;
}
