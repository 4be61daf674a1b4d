/*-------------------------------------------------------------------------
 *
 * courier_main.c
 *	  realtime_courier: delivers messages of channels to their webhooks.
 *
 * Started by the hub and by nobody else, with one end of a socket pair as
 * descriptor BUS_FD.  One process, one loop; libcurl resolves names in threads of
 * its own.  What is due stands in a table of the database, which is asked and
 * told through jobs, so nothing is lost with the program: what it has in hand is
 * delivered once more by its successor.
 *
 * src/courier/courier_main.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/pg_prng.h"

#include "courier/courier_settings.h"
#include "courier/curl_loop.h"
#include "courier/fetches.h"
#include "courier/reports.h"
#include "courier/requests.h"
#include "program/bus_jobs.h"
#include "program/bus_link.h"
#include "program/life.h"
#include "program/loop.h"
#include "program/sandbox.h"

#define REPORT_INTERVAL_MS 250	/* between two BUS_STATS */
#define SWEEP_INTERVAL_MS 60000

/* Of the CPU time that others want, too, it gets about a tenth of theirs. */
#define COURIER_NICE 10

/* For requests under way to end, and to report them. */
#define SHUTDOWN_GRACE_MS 400

static bool configured;			/* the first BUS_CONFIG came */
static bool bus_lost;
static int64 end_at = LOOP_NEVER;	/* set when the end has begun */
static int64 counted_at;
static int64 swept_at;

/*
 * The settings are there for the first time.  False if receivers would meet more
 * than they should; then this is the end.
 */
static bool
begin_service(void)
{
	const curl_version_info_data *curl = curl_version_info(CURLVERSION_NOW);
	char		with[64];

	life_silence_stderr();
	if (courier_settings.sandbox != 0 && sandbox_enter_lookup() == SANDBOX_FAILED)
	{
		bus_log(BUS_LOG_FATAL, "could not enter the sandbox: %s"
				" (with realtime.sandbox = off there is none)", strerror(errno));
		end_at = loop_now;
		return false;
	}
	snprintf(with, sizeof(with), "libcurl %s", curl->version);
	bus_send(BUS_READY, with, strlen(with), NULL, 0);
	return true;
}

/*
 * BUS_CONFIG, at the start and on every reload.
 */
static bool
take_config(Slice body)
{
	BusHello	hello;
	Slice		settings;

	if (!bus_decode_hello(body, &hello, &settings) || !courier_settings_apply(settings))
		return false;
	configured = configured || begin_service();
	return true;
}

/*
 * Act on one frame.  The first one must be the configuration.
 */
static bool
take_frame(BusFrameType type, Slice body)
{
	if (!configured && type != BUS_CONFIG)
		return false;
	switch (type)
	{
		case BUS_CONFIG:
			return take_config(body);
		case BUS_WEBHOOKS:
			fetches_want();
			return body.len == 0;
		case BUS_RESULT:
			return bus_jobs_result(body);
		default:
			return false;
	}
}

/*
 * Nothing is done piecewise.
 */
static void
ignore_piece_end(void)
{
}

/*
 * The hub is gone.
 */
static void
handle_bus_lost(const char *why)
{
	bus_lost = true;
}

/*
 * Tell the hub what was counted.
 */
static void
tell_counts(int64 now)
{
	static uint64 told_held;
	CourierReport counts;

	if (now < counted_at + REPORT_INTERVAL_MS)
		return;
	reports_take_counts(&counts);
	counts.held = (uint64) deliveries_held;
	counted_at = now;
	if (counts.sent == 0 && counts.held == told_held)
		return;
	told_held = counts.held;
	bus_send(BUS_STATS, &counts, sizeof(counts), NULL, 0);
}

/*
 * When the next step is due even if nothing happens.
 */
static int64
next_deadline(void)
{
	int64		deadline = Min(curl_loop_deadline(), reports_deadline());

	if (end_at != LOOP_NEVER)
		return Min(deadline, end_at);
	deadline = Min(deadline, fetches_deadline());
	deadline = Min(deadline, endpoints_deadline(loop_now));
	/* counts are told once more after things have come to rest */
	if (deliveries_held > 0 || loop_now < counted_at + 2 * REPORT_INTERVAL_MS)
		deadline = Min(deadline, counted_at + REPORT_INTERVAL_MS);
	return deadline;
}

/*
 * One turn of the loop.
 */
static void
turn(void)
{
	loop_wait(next_deadline());
	if (end_at == LOOP_NEVER && (life_is_over() || bus_lost))
		end_at = loop_now + SHUTDOWN_GRACE_MS;
	curl_loop_run(loop_now);
	if (end_at == LOOP_NEVER && configured)
	{
		requests_begin(loop_now);
		fetches_run(loop_now);
	}
	reports_run(loop_now, end_at != LOOP_NEVER);
	tell_counts(loop_now);
	if (loop_now >= swept_at + SWEEP_INTERVAL_MS)
	{
		endpoints_sweep(loop_now);
		swept_at = loop_now;
	}
	bus_link_flush();
}

/*
 * Is there nothing left to wait for?
 */
static bool
is_over(void)
{
	if (bus_lost || curl_loop_is_broken())
		return true;
	return end_at != LOOP_NEVER &&
		(loop_now >= end_at || (deliveries_under_way == 0 && reports_are_done()));
}

/*
 * Let those who publish go first where cores are full: what is due can wait, and
 * is kept in a table.  Where the kernel groups processes by session, the nice
 * value that counts is the group's, and we are alone in ours.
 */
static void
give_way(void)
{
	int			fd = open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC);

	(void) setpriority(PRIO_PROCESS, 0, COURIER_NICE);
	if (fd < 0)
		return;
	if (dprintf(fd, "%d", COURIER_NICE) < 0)
		bus_log(BUS_LOG_DEBUG, "could not give way to others: %m");
	close(fd);
}

/*
 * Take over the bus, then turn until the end.
 */
int
main(int argc, char **argv)
{
	static const BusHandlers handlers = {
		.frame = take_frame,
		.piece_end = ignore_piece_end,
		.lost = handle_bus_lost
	};

	life_begin();
	if (!loop_init() || !bus_link_open(&handlers))
	{
		fprintf(stderr, "realtime_courier is started by the server, not by hand\n");
		return 1;
	}
	if (!pg_prng_strong_seed(&pg_global_prng_state) || !requests_init())
	{
		bus_log(BUS_LOG_FATAL, "could not start: no memory or no random numbers");
		bus_link_flush();
		return 1;
	}
	give_way();
	while (!is_over())
		turn();
	if (curl_loop_is_broken())
	{
		bus_log(BUS_LOG_FATAL, "could not go on: libcurl is out of order");
		bus_link_flush();
	}
	return bus_lost || curl_loop_is_broken() ? 1 : 0;
}
