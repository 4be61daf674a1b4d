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
 * pauses the bus until it has caught up, but only as long as it is entitled to.
 * Every TICK_MS it is judged anew and stays entitled if
 *	- its peer has acknowledged bytes in the last PATIENCE_TICKS.  Not bytes
 *	  that the socket took from us: it takes them in steps of megabytes, while
 *	  acknowledgements come as the client reads;
 *	- it is at least an eighth as fast as the fastest backlogged socket, once
 *	  there was time to tell; and
 *	- it has pause budget left.  A tick in which it held the bus costs one of
 *	  BUDGET_TICKS if the backlogged sockets are a minority of those that get
 *	  messages and its peer took less than FAST_BYTES; a tick below the soft
 *	  mark gives one back.
 * One that is not entitled pauses nobody: its queue grows to the hard limit
 * and it is closed (conn_output.c), as it is when its oldest frame gets too old.
 *
 * Patience is for readers that take large bites.  So that stuck clients cannot
 * use it one after the other, ticks in which the bus waited and none of those
 * it waited for moved are limited, too: past WASTE_TICKS, won back at one a
 * second, patience is SHORT_TICKS.  Fewer would close clients that read well:
 * TCP sends a lost segment again after 200 ms at the earliest, and on a busy
 * machine a process may not run for as long.
 *
 * So stuck sockets cost the others a second in all, and then SHORT_TICKS each
 * time that some get stuck; one that trickles on purpose costs a second; and when
 * everybody is equally slow, because this machine or theirs is the bottleneck,
 * all are paced and nobody is closed.
 *
 * Why the budget comes back one to one: in such an overload sockets take turns
 * in holding the bus.  If those of a moment are fewer than half, the average
 * socket holds it in fewer than half of the ticks and gets back at least what it
 * spends.  Coming back more slowly would close some of them in the end.  And why
 * one that holds the bus does so until its queue is nearly empty: else the few
 * that are furthest behind would stay just that, and hold it in every tick.
 *
 * Who "gets messages" is counted over windows of TICK_MS in which the bus was
 * read.  The count stands still during a pause, in which nobody gets any.
 *
 * After PAUSE_MAX_MS one piece of the bus is read in any case.  The hub takes
 * a gateway that reads nothing at all for dead.
 *
 * src/gateway/backpressure.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/backpressure.h"
#include "gateway/gw_settings.h"
#include "gateway/gw_stats.h"
#include "lib/ilist.h"
#include "program/bus_link.h"
#include "program/loop.h"

#define TICK_MS 100
#define PATIENCE_TICKS 5
#define SHORT_TICKS 3
#define SPEED_TICKS 8			/* that a speed is measured over */
#define BUDGET_TICKS 10
#define WASTE_TICKS 10
#define WASTE_REFUND_MS 1000	/* to win back one of them */
#define PAUSE_MAX_MS 2000
#define FAST_BYTES (1024 * 1024)	/* a tick */
#define FAIR_SHARE 8			/* of the fastest socket's bytes */
#define SOFT_PART 4				/* of max_send_queue */
#define CATCH_UP_PART 4			/* of the soft mark: holding ends below */

/*
 * A socket with bytes that it did not take yet.
 */
struct Backlog
{
	dlist_node	node;
	void	   *owner;
	Pressure   *pressure;
	uint64		queued;
	uint64		written;		/* to the socket since the last tick */
	uint64		in_kernel;		/* bytes not acknowledged at the last tick */
	uint64		acked;			/* by the peer between the last two ticks */
	uint64		speed;			/* in SPEED_TICKS; newer ticks count more */
	uint32		age;			/* ticks since the backlog began */
	uint32		idle_ticks;		/* in a row without an acknowledgement */
	bool		entitled;
	bool		holding;		/* entitled and past the soft mark */
	bool		held;			/* was holding at some time since the tick */
};

static dlist_head backlogs = DLIST_STATIC_INIT(backlogs);
static uint32 nbacklogs;
static uint32 nended;			/* backlogs that ended since the last tick */
static uint32 nholding;
static int64 next_tick;
static int64 paused_since;
static bool breathing;			/* one piece of the bus in spite of the pause */
static uint32 wasted;			/* ticks that the bus waited for nothing */
static int64 wasted_since;		/* when that number last changed */

static uint32 window = 1;		/* 0 is the mark of nobody */
static int64 window_end;
static uint32 receivers;		/* sockets that got a message in the window */
static uint32 last_receivers;	/* in the window before */

/*
 * Count a socket once per window.
 */
void
backpressure_receiver(Pressure *pressure)
{
	if (pressure->receiver_mark == window)
		return;
	pressure->receiver_mark = window;
	receivers++;
}

/*
 * Stop or resume the bus.
 */
static void
pause_bus(bool wait, int64 now)
{
	bus_link_pause(wait);
	paused_since = now;
	breathing = false;
}

/*
 * Does anybody hold the bus, even if it breathes?
 */
bool
backpressure_holding(void)
{
	return nholding > 0;
}

/*
 * Messages flow: end a window that is over.
 */
void
backpressure_message(int64 now)
{
	if (now < window_end)
		return;
	window_end = now + TICK_MS;
	window = window == PG_UINT32_MAX ? 1 : window + 1;
	last_receivers = receivers;
	receivers = 0;
}

/*
 * The bus moves: end a breath.
 */
void
backpressure_bus_read(int64 now)
{
	if (breathing)
		pause_bus(nholding > 0, now);
	backpressure_message(now);
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
			pause_bus(true, loop_now);
		}
	}
	else if (--nholding == 0)
		pause_bus(false, loop_now);
}

/*
 * Queue length past which a socket holds the bus.
 */
static uint64
soft_mark(void)
{
	return (uint64) gw_settings.max_send_queue / SOFT_PART;
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

/*
 * A backlog begins.  It may hold the bus if there is budget left.
 */
bool
backpressure_begin(Pressure *pressure, void *owner, uint64 queued, uint64 in_kernel)
{
	Backlog    *backlog = calloc(1, sizeof(Backlog));

	Assert(pressure->backlog == NULL);
	if (backlog == NULL)
		return false;
	refund(pressure);
	backlog->owner = owner;
	backlog->pressure = pressure;
	backlog->in_kernel = in_kernel;
	backlog->entitled = pressure->spent < BUDGET_TICKS;
	pressure->backlog = backlog;
	if (nbacklogs++ == 0)
		next_tick = loop_now + TICK_MS;
	dlist_push_tail(&backlogs, &backlog->node);
	backpressure_update(pressure, queued, 0);
	return true;
}

/*
 * Its queue has changed: it may begin, or cease, to hold the bus.
 */
void
backpressure_update(Pressure *pressure, uint64 queued, uint64 written)
{
	Backlog    *backlog = pressure->backlog;

	if (backlog == NULL)
		return;
	backlog->written += written;
	backlog->queued = queued;
	set_holding(backlog, backlog->entitled &&
				queued > (backlog->holding ? soft_mark() / CATCH_UP_PART : soft_mark()));
}

/*
 * A backlog ends.  Harmless where there is none.
 */
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
 * Is there anything to judge, and is it time?
 */
bool
backpressure_due(int64 now)
{
	return nbacklogs > 0 && now >= next_tick;
}

/*
 * Take what the peer has acknowledged since the last tick into the speed.
 */
void
backpressure_measure(Pressure *pressure, uint64 in_kernel)
{
	Backlog    *backlog = pressure->backlog;
	uint64		sent = backlog->in_kernel + backlog->written;

	backlog->acked = sent > in_kernel ? sent - in_kernel : 0;
	backlog->speed += backlog->acked - backlog->speed / SPEED_TICKS;
	backlog->age++;
	backlog->idle_ticks = backlog->acked > 0 ? 0 : backlog->idle_ticks + 1;
	backlog->in_kernel = in_kernel;
	backlog->written = 0;
}

/*
 * Count a tick in which the bus waited and nobody that it waited for moved;
 * returns how many ticks without movement are forgiven for now.
 */
static uint32
patience(bool waited, bool moved, int64 now)
{
	uint32		earned = (uint32) Min((now - wasted_since) / WASTE_REFUND_MS, WASTE_TICKS);

	if (earned > 0)
	{
		wasted -= Min(earned, wasted);
		wasted_since = now;
	}
	if (waited && !moved)
	{
		wasted = Min(wasted + 1, WASTE_TICKS);
		wasted_since = now;
	}
	return wasted < WASTE_TICKS ? PATIENCE_TICKS : SHORT_TICKS;
}

/*
 * Decide on one backlogged socket.  Who becomes entitled holds the bus again
 * with its next write, if its queue is still that long.
 */
static void
judge(Backlog *backlog, uint64 best, bool minority, uint32 idle_max)
{
	Pressure   *pressure = backlog->pressure;

	if (backlog->held)
	{
		if (minority && backlog->acked < FAST_BYTES && pressure->spent < BUDGET_TICKS)
			pressure->spent++;
	}
	else if (backlog->queued <= soft_mark() && pressure->spent > 0)
		pressure->spent--;
	backlog->entitled = backlog->idle_ticks < idle_max &&
		(backlog->age < SPEED_TICKS || backlog->speed >= best / FAIR_SHARE) &&
		pressure->spent < BUDGET_TICKS;
	if (!backlog->entitled)
		set_holding(backlog, false);
	backlog->held = backlog->holding;
}

/*
 * Judge all backlogs by what was measured, and let a long pause breathe.
 */
void
backpressure_judge(int64 now)
{
	uint32		slow = nbacklogs + nended;
	bool		minority = slow * UINT64CONST(2) <= Max(receivers, last_receivers);
	uint64		best = 0;
	bool		waited = false;
	bool		moved = false;
	uint32		idle_max;
	dlist_iter	iter;

	next_tick = now + TICK_MS;
	nended = 0;
	dlist_foreach(iter, &backlogs)
	{
		Backlog    *backlog = dlist_container(Backlog, node, iter.cur);

		best = Max(best, backlog->speed);
		waited |= backlog->held;
		moved |= backlog->held && backlog->acked > 0;
	}
	idle_max = patience(waited, moved, now);
	dlist_foreach(iter, &backlogs)
		judge(dlist_container(Backlog, node, iter.cur), best, minority, idle_max);
	if (nholding > 0 && !breathing && now - paused_since >= PAUSE_MAX_MS)
	{
		breathing = true;
		bus_link_pause(false);
	}
}

/*
 * The next tick.
 */
int64
backpressure_deadline(void)
{
	return nbacklogs > 0 ? next_tick : LOOP_NEVER;
}

/*
 * Walk the backlogs in the order of their beginning.
 */
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
