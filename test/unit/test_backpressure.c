/*-------------------------------------------------------------------------
 *
 * test_backpressure.c
 *	  For whom the bus waits, tick by tick, without a socket.
 *
 * test/unit/test_backpressure.c
 *
 *-------------------------------------------------------------------------
 */
#include "tap.h"

#include "gateway/backpressure.h"
#include "gateway/gw_settings.h"
#include "gateway/gw_stats.h"
#include "program/bus_link.h"
#include "program/loop.h"

#define TICK 100				/* ms */
#define LONG 5					/* ticks without a byte that are forgiven... */
#define SHORT 3					/* ...and once enough of them were for nothing */
#define QUEUE (1024 * 1024)
#define MANY (QUEUE / 2)		/* past the soft mark */
#define CROWD 10				/* that get messages: backlogs are a minority */

/* One whose peer takes `flow` bytes a tick. */
typedef struct Peer
{
	Pressure	pressure;
	uint64		in_kernel;
	uint64		flow;
} Peer;

int64		loop_now = 1000000;
GwSettings	gw_settings = {.max_send_queue = QUEUE};
uint64		gw_stats[BUS_STAT_COUNT];

static bool paused;

void
bus_link_pause(bool wait)
{
	paused = wait;
}

static Peer *
peer_begin(Peer *peer, uint64 flow)
{
	memset(peer, 0, sizeof(Peer));
	peer->in_kernel = QUEUE;
	peer->flow = flow;
	if (!backpressure_begin(&peer->pressure, peer, MANY, peer->in_kernel))
		abort();
	return peer;
}

/* A tick later.  What a peer has taken is written anew. */
static void
tick(void)
{
	Peer	   *peer;

	loop_now += TICK;
	for (peer = backpressure_next(NULL); peer != NULL; peer = backpressure_next(&peer->pressure))
	{
		backpressure_update(&peer->pressure, MANY, peer->flow);
		backpressure_measure(&peer->pressure, peer->in_kernel);
	}
	backpressure_judge(loop_now);
	for (peer = backpressure_next(NULL); peer != NULL; peer = backpressure_next(&peer->pressure))
		backpressure_update(&peer->pressure, MANY, 0);
}

/* Ticks until the bus is read again; 100 if it is not. */
static int
ticks_held(void)
{
	int			n = 0;

	while (paused && n < 100)
	{
		tick();
		n++;
	}
	return n;
}

/* How long does the bus wait for one that gets stuck? */
static int
stuck(void)
{
	Peer		peer;
	int			held;

	peer_begin(&peer, 0);
	held = ticks_held();
	backpressure_end(&peer.pressure);
	return held;
}

/* Does the bus still wait for the peer when it was silent for so long? */
static bool
silence_is_forgiven(Peer *peer, int ticks)
{
	uint64		flow = peer->flow;
	bool		forgiven = paused;

	peer->flow = 0;
	while (ticks-- > 0)
	{
		tick();
		forgiven &= paused;
	}
	peer->flow = flow;
	tick();
	return forgiven;
}

/* So many get messages in this window and the one before. */
static void
crowd(void)
{
	static Pressure others[CROWD];

	for (int window = 0; window < 2; window++)
	{
		for (int i = 0; i < CROWD; i++)
			backpressure_receiver(&others[i]);
		backpressure_message(loop_now += TICK);
	}
}

int
main(void)
{
	Peer		peer;

	crowd();
	ok(!paused, "nobody holds the bus at first");

	/* one that reads, but pauses */
	peer_begin(&peer, QUEUE);
	ok(paused && backpressure_holding(), "a long queue holds it");
	ok(silence_is_forgiven(&peer, LONG - 1), "a peer may be silent");
	ok(!silence_is_forgiven(&peer, LONG), "but not for ever");
	ok(paused, "as soon as it reads on, it is waited for");
	backpressure_end(&peer.pressure);
	ok(!paused, "until its queue is empty");

	/* some that do not read at all, long after */
	loop_now += 10 * 1000;
	is_int(stuck(), LONG, "one that is stuck is waited for");
	is_int(stuck(), LONG, "and the next one");
	is_int(stuck(), SHORT, "but then patience is short");
	is_int(stuck(), SHORT, "and stays so");

	/* which does not close who reads */
	peer_begin(&peer, QUEUE);
	ok(silence_is_forgiven(&peer, SHORT - 1), "200 ms are, which TCP needs to send anew");
	ok(!silence_is_forgiven(&peer, SHORT), "a peer that is silent for longer is not waited for");
	backpressure_end(&peer.pressure);

	/* time heals */
	loop_now += 5 * 1000;
	is_int(stuck(), LONG, "patience comes back");
	is_int(stuck(), SHORT, "a second for each tick");

	/* a trickle is no reading */
	loop_now += 60 * 1000;
	crowd();
	peer_begin(&peer, 10);
	is_int(ticks_held(), 10, "one that trickles has its budget");
	backpressure_end(&peer.pressure);
	ok(gw_stats[BUS_STAT_PAUSES] > 0, "pauses are counted");
	return done_testing();
}
