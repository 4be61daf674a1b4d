/*-------------------------------------------------------------------------
 *
 * monitor_routes.c
 *	  GET /healthz and GET /metrics.
 *
 * /healthz tells everybody whether messages flow: 503 when the hub is further
 * behind the WAL than LAG_MAX_MS, or does not answer.  It is asked once a second
 * at most.
 *
 * /metrics tells how much, and so not everybody: who connects from this machine,
 * and who shows a token of the role service_role.  A proxy on this machine
 * speaks for others, which shows by the headers that proxies add; then only the
 * token counts.  A page of another origin gets neither, whatever
 * realtime.allowed_origins says, because its browser may run on this machine.
 *
 * src/gateway/monitor_routes.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "gateway/gw_stats.h"
#include "gateway/http_answer.h"
#include "gateway/hub_report.h"
#include "gateway/metrics_text.h"
#include "gateway/monitor_routes.h"
#include "gateway/request_token.h"

#define LAG_MAX_MS 5000
#define MESSAGE_PREFIX "{\"message\":\""
#define NO_STORE "Cache-Control: no-store\r\n"
#define MONITOR_ROLE "service_role"
#define TEXT_FORMAT "text/plain; version=0.0.4; charset=utf-8"

static bool admit_metrics(Conn *conn, const HttpRequest *req);
static void handle_health(HttpExchange *exchange, const HttpRequest *req, Slice body);
static void handle_metrics(HttpExchange *exchange, const HttpRequest *req, Slice body);

const HttpBodyRoute health_route = {
	.handler = handle_health,
	.body_max = HTTP_DISCARD_MAX,
	.error_prefix = MESSAGE_PREFIX,
	.readers = HTTP_SAME_ORIGIN
};

const HttpBodyRoute metrics_route = {
	.admit = admit_metrics,
	.handler = handle_metrics,
	.body_max = HTTP_DISCARD_MAX,
	.error_prefix = MESSAGE_PREFIX,
	.readers = HTTP_SAME_ORIGIN
};

/*
 * Tell how it is, by the hub's lag or -1 if it does not answer.
 */
static void
answer_health(HttpExchange *exchange, int64 lag)
{
	char		body[64];

	if (lag >= 0 && lag <= LAG_MAX_MS)
	{
		http_exchange_answer(exchange, 200, SLICE_LIT("{\"status\":\"ok\"}"), NO_STORE);
		return;
	}
	if (lag < 0)
		strlcpy(body, "{\"status\":\"no answer\"}", sizeof(body));
	else
		snprintf(body, sizeof(body), "{\"status\":\"behind\",\"lag_ms\":" INT64_FORMAT "}", lag);
	http_exchange_answer(exchange, 503, slice_make(body, strlen(body)), NO_STORE);
}

/*
 * The hub has answered, or not.
 */
static void
health_told(HttpExchange *exchange, const MetricsReport *report)
{
	answer_health(exchange, report != NULL ? hub_report_recent_lag() : -1);
}

/*
 * GET /healthz.
 */
static void
handle_health(HttpExchange *exchange, const HttpRequest *req, Slice body)
{
	int64		lag = hub_report_recent_lag();

	if (lag >= 0)
		answer_health(exchange, lag);
	else
		hub_report_ask(exchange, health_told);
}

/*
 * Is the peer on this machine, and speaks for itself?
 */
static bool
is_local(const Conn *conn, const HttpRequest *req)
{
	static const char *const proxied[] = {"X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"};
	union
	{
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_storage room;
	}			peer;
	socklen_t	len = sizeof(peer);

	for (int i = 0; i < (int) lengthof(proxied); i++)
	{
		if (http_header_count(req, proxied[i]) > 0)
			return false;
	}
	if (getpeername(conn->watch.fd, &peer.any, &len) != 0)
		return false;
	if (peer.any.sa_family == AF_INET)
		return (ntohl(peer.v4.sin_addr.s_addr) >> 24) == IN_LOOPBACKNET;
	return peer.any.sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&peer.v6.sin6_addr);
}

/*
 * May this request see the metrics?  Refuses it if not.
 */
static bool
admit_metrics(Conn *conn, const HttpRequest *req)
{
	Identity   *identity;
	bool		good;

	if (is_local(conn, req))
		return true;
	identity = request_identity(req);
	good = identity != NULL && slice_equals_cstr(identity->claims.role, MONITOR_ROLE);
	if (!good)
	{
		STAT_INC(BUS_STAT_REFUSED);
		http_answer_error(conn, req, HTTP_SAME_ORIGIN, identity == NULL ? 401 : 403,
						  MESSAGE_PREFIX, "Unauthorized", NULL);
	}
	identity_unref(identity);
	return good;
}

/*
 * The hub has answered, or not.
 */
static void
metrics_told(HttpExchange *exchange, const MetricsReport *report)
{
	Bytes		text;

	if (report == NULL)
	{
		http_exchange_error(exchange, 503, "The hub does not answer", NULL);
		return;
	}
	bytes_init(&text);
	if (metrics_text(report, &text))
		http_exchange_answer_as(exchange, 200, TEXT_FORMAT, bytes_slice(&text), NO_STORE);
	else
		http_exchange_error(exchange, 503, "Out of memory", NULL);
	bytes_free(&text);
}

/*
 * GET /metrics.
 */
static void
handle_metrics(HttpExchange *exchange, const HttpRequest *req, Slice body)
{
	hub_report_ask(exchange, metrics_told);
}
