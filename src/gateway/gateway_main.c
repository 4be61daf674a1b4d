/*-------------------------------------------------------------------------
 *
 * gateway_main.c
 *	  realtime_gateway: serves WebSocket clients what the hub hands out.
 *
 * Started by the hub and by nobody else, with one end of a socket pair as
 * descriptor BUS_FD.  One process, one thread, one loop; the list of steps in
 * turn() is the program.  It has no access to the database's memory, and when
 * it dies, no backend notices (DESIGN.md section 2; README.md here has a
 * picture).
 *
 * src/gateway/gateway_main.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include <malloc.h>

#include "gateway/access.h"
#include "gateway/agent_channels.h"
#include "gateway/audience_counts.h"
#include "gateway/bus_dispatch.h"
#include "gateway/catch_up.h"
#include "gateway/change_delivery.h"
#include "gateway/conn_output.h"
#include "gateway/conn_timers.h"
#include "gateway/decisions.h"
#include "gateway/event_stream.h"
#include "gateway/fanout.h"
#include "gateway/gw_histograms.h"
#include "gateway/gw_sandbox.h"
#include "gateway/gw_stats.h"
#include "gateway/handover.h"
#include "gateway/hub_report.h"
#include "gateway/identities.h"
#include "gateway/limits.h"
#include "gateway/listener.h"
#include "gateway/polling.h"
#include "gateway/outbox.h"
#include "gateway/presence.h"
#include "gateway/presence_topics.h"
#include "gateway/publishers.h"
#include "gateway/relay.h"
#include "gateway/stores.h"
#include "gateway/tls_accept.h"
#include "gateway/topics.h"
#include "program/bus_link.h"
#include "program/life.h"
#include "program/loop.h"
#include "proto/ws_frame.h"

#define SHUTDOWN_GRACE_MS 300	/* for clients to take their close frames */

#define TRIM_CROWD 1000			/* clients that are worth a malloc_trim() */
#define TRIM_DELAY_MS 1000		/* for what they had to be freed */

static bool bus_lost;
static int64 trim_at = LOOP_NEVER;	/* set when memory may be given back */
static int64 end_at = LOOP_NEVER;	/* set when the shutdown began */

/*
 * The hub is gone, or what is there is no hub.
 */
static void
handle_bus_lost(const char *why)
{
	bus_lost = true;
}

/*
 * Begin the orderly end if something asks for it: no new clients, a close
 * frame for those we have.
 */
static void
check_shutdown(void)
{
	const char *reason = bus_dispatch_shutdown_reason();

	if (end_at != LOOP_NEVER ||
		!(life_is_over() || bus_lost || reason != NULL || listener_is_lost()))
		return;
	end_at = loop_now + SHUTDOWN_GRACE_MS;
	listener_close();
	conn_close_all(WS_CLOSE_RESTART,
				   reason != NULL ? reason : "the server is shutting down");
}

/*
 * When the next step is due even if nothing happens.
 */
static int64
next_deadline(void)
{
	int64		deadline = Min(conn_deadline(), listener_deadline());

	deadline = Min(deadline, relay_deadline());
	deadline = Min(deadline, gw_stats_deadline());
	deadline = Min(deadline, audience_deadline());
	deadline = Min(deadline, hub_report_deadline());
	deadline = Min(deadline, limits_deadline());
	deadline = Min(deadline, publishers_deadline());
	deadline = Min(deadline, identities_deadline());
	deadline = Min(deadline, agent_channels_deadline());
	deadline = Min(deadline, presence_topics_deadline());
	deadline = Min(deadline, change_delivery_deadline());
	deadline = Min(deadline, catch_up_deadline());
	deadline = Min(deadline, event_streams_deadline());
	deadline = Min(deadline, polling_deadline());
	return Min(deadline, Min(trim_at, end_at));
}

/*
 * Give memory back to the system a while after most of the clients of a crowd
 * have left: malloc keeps what lies between the blocks of those who stay.
 */
static void
trim_memory(void)
{
	static uint32 peak;
	uint32		now = conn_count();

	peak = Max(peak, now);
	if (peak >= TRIM_CROWD && now <= peak / 4)
	{
		trim_at = loop_now + TRIM_DELAY_MS;
		peak = now;
	}
	if (loop_now >= trim_at)
	{
		malloc_trim(0);
		trim_at = LOOP_NEVER;
	}
}

/*
 * Write to the hub.
 */
static void
tell_hub(void)
{
	topics_flush_interest();
	presence_flush();
	bus_link_flush();
}

/*
 * One turn of the loop: sleep unless somebody was held back, take what came,
 * then write.  The hub comes first: what a client is told is done, it knows, so
 * whoever asks another gateway after that finds it done.  It comes last, too,
 * with what connections that have ended leave behind.
 */
static void
turn(void)
{
	loop_wait(publishers_begin_turn() ? loop_now : next_deadline());
	check_shutdown();
	listener_run_timers(loop_now);
	conn_run_timers(loop_now);
	relay_run_timers(loop_now);
	polling_run();
	access_run_expiry();
	agent_channels_run_timers(loop_now);
	hub_report_run_timers(loop_now);
	fanout_end();
	stores_flush();
	event_streams_run();
	catch_up_flush();
	outboxes_flush();
	decisions_flush();
	agent_channels_flush();
	change_terms_flush();
	change_delivery_flush();
	presence_topics_tell(loop_now);
	tell_hub();
	conn_flush_all();
	conn_reap();
	relay_reap();
	measure_end_turn();
	limits_turn(loop_now);
	tls_end_turn();
	audience_report(loop_now);
	gw_stats_report(loop_now);
	tell_hub();
	trim_memory();
}

/*
 * Take over the bus, then turn until the orderly end is over.
 */
int
main(int argc, char **argv)
{
	static const BusHandlers handlers = {
		.frame = bus_dispatch,
		.piece_end = fanout_end,
		.lost = handle_bus_lost
	};

	/* an orphan would keep its share of the new connections */
	life_begin();
	if (!loop_init() || !bus_link_open(&handlers) || !handover_open())
	{
		fprintf(stderr, "realtime_gateway is started by the server, not by hand\n");
		return 1;
	}
	gw_sandbox_prepare();
	access_init();
	changes_init();
	if (!listener_init(argv[0]) || !topics_init() || !presence_topics_init() || !identities_init())
	{
		bus_log(BUS_LOG_FATAL, "could not start: no memory, process or random numbers");
		bus_link_flush();
		return 1;
	}
	while (loop_now < end_at && !(end_at != LOOP_NEVER && conn_count() + relay_count() == 0))
		turn();
	return bus_lost || listener_is_lost() ? 1 : 0;
}
