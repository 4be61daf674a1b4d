/*-------------------------------------------------------------------------
 *
 * waiters.c
 *	  Channels that wait for the answer to one and the same question.
 *
 * src/gateway/waiters.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/waiters.h"

/*
 * Nobody waits, nothing is asked.
 */
void
waiters_init(Waiters *waiters)
{
	dlist_init(&waiters->lists[0]);
	dlist_init(&waiters->lists[1]);
	waiters->asked = 0;
	waiters->asking = false;
}

/*
 * The list of those who wait for the next question.
 */
static dlist_head *
next_list(Waiters *waiters)
{
	return &waiters->lists[waiters->asking ? 1 - waiters->asked : waiters->asked];
}

/*
 * Wait for the next question.
 */
void
waiters_add(Waiters *waiters, Channel *channel)
{
	Assert(!channel->waits);
	dlist_push_tail(next_list(waiters), &channel->wait);
	channel->waits = true;
}

/*
 * Is there a next question?
 */
bool
waiters_waiting(const Waiters *waiters)
{
	return !dlist_is_empty(next_list(unconstify(Waiters *, waiters)));
}

/*
 * The next question is asked.
 */
void
waiters_begin(Waiters *waiters)
{
	Assert(!waiters->asking);
	waiters->asking = true;
}

/*
 * Hand out those whom the question at hand was for.  Who asks again meanwhile
 * goes to the other list.
 */
Channel *
waiters_take(Waiters *waiters)
{
	dlist_head *list = &waiters->lists[waiters->asked];
	Channel    *channel;

	Assert(waiters->asking);
	if (dlist_is_empty(list))
		return NULL;
	channel = dlist_container(Channel, wait, dlist_pop_head_node(list));
	channel->waits = false;
	return channel;
}

/*
 * The other list is the one to be asked for next.
 */
void
waiters_end(Waiters *waiters)
{
	Assert(dlist_is_empty(&waiters->lists[waiters->asked]));
	waiters->asking = false;
	waiters->asked = 1 - waiters->asked;
}
