/*-------------------------------------------------------------------------
 *
 * waiters.c
 *	  Those who wait for the answer to one and the same question.
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
waiters_add(Waiters *waiters, Waiter *waiter)
{
	Assert(!waiter->waits);
	dlist_push_tail(next_list(waiters), &waiter->node);
	waiter->waits = true;
}

/*
 * Leave the list.
 */
void
waiter_leave(Waiter *waiter)
{
	if (waiter->waits)
		dlist_delete(&waiter->node);
	waiter->waits = false;
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
Waiter *
waiters_take(Waiters *waiters)
{
	dlist_head *list = &waiters->lists[waiters->asked];
	Waiter	   *waiter;

	Assert(waiters->asking);
	if (dlist_is_empty(list))
		return NULL;
	waiter = dlist_container(Waiter, node, dlist_pop_head_node(list));
	waiter->waits = false;
	return waiter;
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
