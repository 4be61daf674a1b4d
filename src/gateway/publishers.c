/*-------------------------------------------------------------------------
 *
 * publishers.c
 *	  Who broadcasts waits while those who listen cannot follow.
 *
 * What the database sends waits in the WAL while the bus is paused
 * (backpressure.c).  What clients send has to wait as well, or one that sends
 * as fast as it can would fill the queues of all who listen to it, and have
 * them closed as slow though they read well.  The place where it waits is the
 * client's own socket: it is not read.  Only those who broadcast wait; nobody
 * is slowed down for joining or for a heartbeat.
 *
 * There are three reasons to wait:
 *	- a socket that is entitled to holds the bus;
 *	- too much waits for the hub, which hands it to other gateways;
 *	- this turn has brought a share of what a queue may hold.  Sockets are
 *	  written to at its end, and only then it is known who falls behind.
 *
 * After HOLD_MAX_MS one message goes out in any case, as one piece of the bus
 * does.  It does not take the bus's turn: the hub takes a gateway that reads
 * nothing for dead.
 *
 * Who waits longest goes first, before anything new is read.
 *
 * src/gateway/publishers.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/backpressure.h"
#include "gateway/gw_settings.h"
#include "gateway/publishers.h"
#include "program/bus_link.h"
#include "program/loop.h"

#define HOLD_MAX_MS 2000
#define TURN_PART 4				/* of max_send_queue */
#define MESSAGE_COST 256		/* bytes of a frame besides its payload */

static dlist_head waiting = DLIST_STATIC_INIT(waiting);
static uint64 turn_bytes;		/* that this turn has brought */
static int64 held_since;		/* when somebody went last, or the first began
								 * to wait */
static bool breathing;			/* one message in spite of all */

/*
 * Is there none of the reasons to wait?
 */
bool
publishers_may_go(void)
{
	if (breathing)
		return true;
	return !backpressure_holding() && bus_queued() <= BUS_OUT_MARK &&
		turn_bytes < (uint64) gw_settings.max_send_queue / TURN_PART;
}

/*
 * Count a broadcast.
 */
void
publishers_sent(size_t bytes)
{
	turn_bytes += bytes + MESSAGE_COST;
	held_since = loop_now;
	breathing = false;
}

/*
 * Into the list of those who wait.
 */
void
publisher_wait(Publisher *publisher)
{
	if (publisher->waits)
		return;
	if (dlist_is_empty(&waiting))
		held_since = loop_now;
	dlist_push_tail(&waiting, &publisher->node);
	publisher->waits = true;
}

/*
 * Out of it.
 */
void
publisher_leave(Publisher *publisher)
{
	if (publisher->waits)
		dlist_delete(&publisher->node);
	publisher->waits = false;
}

/*
 * Resume those who wait, until one of them gives a reason to wait again.
 */
bool
publishers_begin_turn(void)
{
	bool		any = false;

	turn_bytes = 0;
	if (dlist_is_empty(&waiting))
		return false;
	breathing = !publishers_may_go() && loop_now - held_since >= HOLD_MAX_MS;
	while (!dlist_is_empty(&waiting) && publishers_may_go())
	{
		Publisher  *publisher = dlist_head_element(Publisher, node, &waiting);

		publisher_leave(publisher);
		publisher->resume(publisher->owner);
		any = true;
	}
	breathing = false;
	return any;
}

/*
 * When the next message goes out whatever happens.
 */
int64
publishers_deadline(void)
{
	return dlist_is_empty(&waiting) ? LOOP_NEVER : held_since + HOLD_MAX_MS;
}
