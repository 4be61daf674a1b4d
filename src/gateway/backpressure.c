/*-------------------------------------------------------------------------
 *
 * backpressure.c
 *	  Who may make the bus wait, and for how long.
 *
 * A burst larger than what a client's connection carries has to wait somewhere.
 * The best place is the WAL: while the bus is not read, the hub stops reading
 * the WAL and nothing grows.  But a pause is for all, so it must not be in the
 * hands of a client that reads slowly or not at all: 100 of those once made a
 * healthy one hear nothing for ever.
 *
 * A socket whose queue is past the soft mark (a quarter of max_send_queue)
 * pauses the bus only as long as it is entitled to.  Every TICK_MS it is judged
 * anew and stays entitled if it
 *	- wrote something since the last tick, and at least an eighth of what the
 *	  fastest backlogged socket wrote; and
 *	- has pause budget left.  A tick in which it held the bus costs one of
 *	  BUDGET_TICKS if the backlogged sockets are a minority of those that get
 *	  messages and it wrote less than FAST_BYTES; a tick without backlog gives
 *	  one back.
 * One that is not entitled pauses nobody: its queue grows to the hard limit
 * and it is closed (conn.c), as it is when its oldest frame gets too old.
 *
 * So a stuck socket costs the others two ticks, one that trickles on purpose a
 * second, and when everybody is equally slow, because this machine or theirs
 * is the bottleneck, all are paced and nobody is closed.
 *
 * Why the budget comes back one to one: in such an overload sockets take turns
 * in being backlogged.  If those of a moment are fewer than half, the average
 * socket is backlogged in fewer than half of the ticks and gets back at least
 * what it spends.  Coming back more slowly would close some of them in the end.
 *
 * Who "gets messages" is counted over windows of TICK_MS in which the bus was
 * read.  The count stands still during a pause, in which nobody gets any.
 *
 * src/gateway/backpressure.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/backpressure.h"
#include "gateway/bus_link.h"
#include "gateway/gw_settings.h"
#include "gateway/gw_stats.h"
#include "gateway/loop.h"
#include "lib/ilist.h"

#define TICK_MS 100
#define BUDGET_TICKS 10
#define FAST_BYTES (1024 * 1024)	/* a tick */
#define FAIR_SHARE 8			/* of the fastest socket's bytes */
#define SOFT_PART 4				/* of max_send_queue */

/*
 * A socket with bytes that it did not take yet.
 */
struct Backlog
{
	dlist_node	node;
	void	   *owner;
	Pressure   *pressure;
	uint64		drained;		/* bytes written since the last tick */
	bool		entitled;
	bool		holding;		/* entitled and past the soft mark */
	bool		held;			/* was holding at some time since the tick */
};

static dlist_head backlogs = DLIST_STATIC_INIT(backlogs);
static uint32 nbacklogs;
static uint32 nended;			/* backlogs that ended since the last tick */
static uint32 nholding;
static int64 next_tick;

static uint32 window = 1;		/* 0 is the mark of nobody */
static int64 window_end;
static uint32 receivers;		/* sockets that got a message in the window */
static uint32 last_receivers;	/* in the window before */

void
backpressure_receiver(Pressure *pressure)
{
	if (pressure->receiver_mark == window)
		return;
	pressure->receiver_mark = window;
	receivers++;
}

void
backpressure_bus_read(int64 now)
{
	if (now < window_end)
		return;
	window_end = now + TICK_MS;
	window = window == PG_UINT32_MAX ? 1 : window + 1;
	last_receivers = receivers;
	receivers = 0;
}

bool
backpressure_paused(void)
{
	return nholding > 0;
}

/*
 * Stop or resume the bus when the first socket begins, or the last one ceases,
 * to hold it.
 */
static void
set_holding(Backlog *backlog, bool holding)
{
	if (backlog->holding == holding)
		return;
	backlog->holding = holding;
	if (holding)
	{
		backlog->held = true;
		if (nholding++ == 0)
		{
			STAT_INC(BUS_STAT_PAUSES);
			bus_link_pause(true);
		}
	}
	else if (--nholding == 0)
		bus_link_pause(false);
}

/*
 * Number of the tick that `now` falls into.
 */
static uint32
tick_number(int64 now)
{
	return (uint32) (now / TICK_MS);
}

/*
 * Give back what was earned in the time without backlog.
 */
static void
refund(Pressure *pressure)
{
	uint32		earned = tick_number(loop_now) - pressure->freed_tick;

	pressure->spent -= (uint8) Min(earned, (uint32) pressure->spent);
}

bool
backpressure_begin(Pressure *pressure, void *owner, uint64 queued)
{
	Backlog    *backlog = calloc(1, sizeof(Backlog));

	Assert(pressure->backlog == NULL);
	if (backlog == NULL)
		return false;
	refund(pressure);
	backlog->owner = owner;
	backlog->pressure = pressure;
	backlog->entitled = pressure->spent < BUDGET_TICKS;
	pressure->backlog = backlog;
	if (nbacklogs++ == 0)
		next_tick = loop_now + TICK_MS;
	dlist_push_tail(&backlogs, &backlog->node);
	backpressure_update(pressure, queued, 0);
	return true;
}

void
backpressure_update(Pressure *pressure, uint64 queued, uint64 drained)
{
	Backlog    *backlog = pressure->backlog;

	if (backlog == NULL)
		return;
	backlog->drained += drained;
	set_holding(backlog, backlog->entitled &&
				queued > (uint64) gw_settings.max_send_queue / SOFT_PART);
}

void
backpressure_end(Pressure *pressure)
{
	Backlog    *backlog = pressure->backlog;

	if (backlog == NULL)
		return;
	set_holding(backlog, false);
	dlist_delete(&backlog->node);
	nbacklogs--;
	nended++;
	pressure->backlog = NULL;
	pressure->freed_tick = tick_number(loop_now);
	free(backlog);
}

/*
 * Decide on one backlogged socket.  Who becomes entitled holds the bus again
 * with its next write, if its queue is still that long.
 */
static void
judge(Backlog *backlog, uint64 best, bool minority)
{
	Pressure   *pressure = backlog->pressure;

	if (backlog->held && minority && backlog->drained < FAST_BYTES &&
		pressure->spent < BUDGET_TICKS)
		pressure->spent++;
	backlog->entitled = backlog->drained > 0 &&
		backlog->drained >= best / FAIR_SHARE &&
		pressure->spent < BUDGET_TICKS;
	if (!backlog->entitled)
		set_holding(backlog, false);
	backlog->held = backlog->holding;
	backlog->drained = 0;
}

bool
backpressure_tick(int64 now)
{
	uint32		slow = nbacklogs + nended;
	bool		minority = slow * UINT64CONST(2) <= Max(receivers, last_receivers);
	uint64		best = 0;
	dlist_iter	iter;

	if (nbacklogs == 0 || now < next_tick)
		return false;
	next_tick = now + TICK_MS;
	nended = 0;
	dlist_foreach(iter, &backlogs)
		best = Max(best, dlist_container(Backlog, node, iter.cur)->drained);
	dlist_foreach(iter, &backlogs)
		judge(dlist_container(Backlog, node, iter.cur), best, minority);
	return true;
}

int64
backpressure_deadline(void)
{
	return nbacklogs > 0 ? next_tick : LOOP_NEVER;
}

void *
backpressure_next(const Pressure *after)
{
	dlist_node *node;

	if (after == NULL)
	{
		if (dlist_is_empty(&backlogs))
			return NULL;
		node = dlist_head_node(&backlogs);
	}
	else
	{
		if (!dlist_has_next(&backlogs, &after->backlog->node))
			return NULL;
		node = dlist_next_node(&backlogs, &after->backlog->node);
	}
	return dlist_container(Backlog, node, node)->owner;
}
