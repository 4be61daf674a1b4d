/*-------------------------------------------------------------------------
 *
 * usage_server.c
 *	  Limits of the whole server: what each gateway is told of the others.
 *
 * A gateway reports what it has counted since its last report, and the hub hands
 * that on to all the others, who add it to windows of their own.  So each of
 * them knows what all have used but for the last moments, and decides by itself.
 *
 * The hub has windows, too, for a gateway that starts: it takes what the server
 * has used lately as used right now, so that a gateway cannot be made to forget
 * by making it end.
 *
 * src/hub/usage_server.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "guc.h"
#include "hub/bus_server.h"
#include "hub/usage_server.h"
#include "instant.h"
#include "proto/rate_window.h"
#include "proto/usage_frame.h"

typedef struct GatewayUsage
{
	bool		present;
	bool		has_news;		/* for it, in `others` */
	uint64		users;			/* as it last reported */
	BusUsage	others;			/* not told yet, but for the users */
} GatewayUsage;

static GatewayUsage gateways[MAX_GATEWAYS];
static RateWindow windows[RATE_KINDS];

/*
 * Users of all gateways but one.
 */
static uint64
users_but(int slot)
{
	uint64		users = 0;

	for (int i = 0; i < MAX_GATEWAYS; i++)
	{
		if (i != slot)
			users += gateways[i].users;
	}
	return users;
}

/*
 * There is something to tell everybody but one.
 */
static void
note_news_but(int slot)
{
	for (int i = 0; i < MAX_GATEWAYS; i++)
	{
		if (i != slot)
			gateways[i].has_news = gateways[i].present;
	}
}

/*
 * Begin with a gateway.
 */
void
usage_server_add(int slot)
{
	GatewayUsage *gateway = &gateways[slot];

	memset(gateway, 0, sizeof(*gateway));
	gateway->present = true;
	gateway->has_news = true;
	for (int kind = 0; kind < RATE_KINDS; kind++)
		gateway->others.used[kind] = rate_window_total(&windows[kind], instant_now() / 1000,
													   realtime_rate_window * INT64CONST(1000));
}

/*
 * Take a report.
 */
bool
usage_server_take(int slot, Slice body)
{
	int64		now = instant_now() / 1000;
	BusUsage	usage;

	if (!usage_decode(body, &usage))
		return false;
	gateways[slot].users = usage.users;
	for (int kind = 0; kind < RATE_KINDS; kind++)
	{
		rate_window_add(&windows[kind], now, realtime_rate_window * INT64CONST(1000),
						usage.used[kind]);
		for (int i = 0; i < MAX_GATEWAYS; i++)
		{
			if (i != slot)
				gateways[i].others.used[kind] += usage.used[kind];
		}
	}
	note_news_but(slot);
	return true;
}

/*
 * Forget a gateway and its users, but not what it has used.
 */
void
usage_server_remove(int slot)
{
	memset(&gateways[slot], 0, sizeof(gateways[slot]));
	note_news_but(slot);
}

/*
 * Tell what is new.
 */
void
usage_server_tell(void)
{
	for (int i = 0; i < MAX_GATEWAYS; i++)
	{
		GatewayUsage *gateway = &gateways[i];

		if (!gateway->has_news)
			continue;
		gateway->others.users = users_but(i);
		bus_server_send(i, BUS_USAGE_OTHERS,
						slice_make((const char *) &gateway->others, sizeof(BusUsage)),
						slice_make(NULL, 0));
		memset(&gateway->others, 0, sizeof(BusUsage));
		gateway->has_news = false;
	}
}
