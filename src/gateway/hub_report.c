/*-------------------------------------------------------------------------
 *
 * hub_report.c
 *	  Asking the hub how the whole server does.
 *
 * One question at a time: who comes while one is under way waits for the next,
 * together with all others who do, so that a report is never older than the
 * request it answers, and however many ask, the hub is asked once per turn at
 * most.
 *
 * A hub that hangs answers nothing.  After HUB_PATIENCE_MS that is the news, for
 * those who wait and for all who come until it answers after all.
 *
 * src/gateway/hub_report.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/gw_stats.h"
#include "gateway/hub_report.h"
#include "lib/ilist.h"
#include "program/bus_link.h"
#include "program/loop.h"

#define RECENT_MS 1000

typedef struct Question
{
	dlist_node	node;
	HttpExchange *exchange;
	HubReportHandler handler;
} Question;

static dlist_head asked = DLIST_STATIC_INIT(asked); /* of the report under way */
static dlist_head next = DLIST_STATIC_INIT(next);	/* of the one after it */
static bool under_way;
static int64 asked_at;
static int64 told_at;
static int64 told_lag = -1;

/*
 * Answer all of a list.  Answering may let a connection go on, which may ask
 * again: those go into `next`.
 */
static void
tell(dlist_head *list, const MetricsReport *report)
{
	while (!dlist_is_empty(list))
	{
		Question   *question = dlist_container(Question, node, dlist_pop_head_node(list));
		HttpExchange *exchange = question->exchange;
		HubReportHandler handler = question->handler;

		free(question);
		handler(exchange, report);
	}
}

/*
 * Ask for all who wait.  What we know ourselves goes first.
 */
static void
ask_hub(void)
{
	gw_stats_send(loop_now);
	bus_send(BUS_ASK_METRICS, NULL, 0, NULL, 0);
	under_way = true;
	asked_at = loop_now;
	while (!dlist_is_empty(&next))
		dlist_push_tail(&asked, dlist_pop_head_node(&next));
}

/*
 * Is the hub's answer overdue?
 */
static bool
is_overdue(void)
{
	return under_way && loop_now >= asked_at + HUB_PATIENCE_MS;
}

/*
 * Ask, now or next.
 */
void
hub_report_ask(HttpExchange *exchange, HubReportHandler handler)
{
	Question   *question = is_overdue() ? NULL : malloc(sizeof(Question));

	if (question == NULL)
	{
		handler(exchange, NULL);
		return;
	}
	question->exchange = exchange;
	question->handler = handler;
	http_exchange_defer(exchange, false);
	dlist_push_tail(&next, &question->node);
	if (!under_way)
		ask_hub();
}

/*
 * For those who need not know better.
 */
int64
hub_report_recent_lag(void)
{
	return told_lag >= 0 && loop_now < told_at + RECENT_MS ? told_lag : -1;
}

/*
 * The hub answers.
 */
bool
hub_report_take(Slice body)
{
	MetricsReport report;

	if (!under_way || !metrics_decode(body, &report))
		return false;
	told_at = loop_now;
	told_lag = (int64) Min(report.head.lag_ms, (uint64) PG_INT32_MAX);
	tell(&asked, &report);
	under_way = false;
	if (!dlist_is_empty(&next))
		ask_hub();
	return true;
}

/*
 * Nobody waits longer than that.
 */
void
hub_report_run_timers(int64 now)
{
	if (now < hub_report_deadline())
		return;
	tell(&asked, NULL);
	tell(&next, NULL);
}

/*
 * While somebody waits.
 */
int64
hub_report_deadline(void)
{
	if (dlist_is_empty(&asked) && dlist_is_empty(&next))
		return LOOP_NEVER;
	return asked_at + HUB_PATIENCE_MS;
}
