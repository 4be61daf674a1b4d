/*-------------------------------------------------------------------------
 *
 * metrics_text.c
 *	  The metrics of the whole server as Prometheus reads them.
 *
 * Text format 0.0.4.  What upstream has (supabase.md section 10) comes first and
 * has upstream's name.  Then come all counters of the hub, as realtime_hub_...,
 * and of the gateways, as realtime_gateway_..., by the names that
 * realtime.status() has for them, so that a new counter shows up by itself.  No
 * label has a topic or a user.
 *
 * src/gateway/metrics_text.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/metrics_text.h"

#define MAX_TERMS 3

/* A metric that is the sum of some counters, minus another one. */
typedef struct Upstream
{
	const char *name;
	const char *help;
	int			nterms;
	BusStat		terms[MAX_TERMS];
	int			nminus;			/* 0 or 1 */
	BusStat		minus;
} Upstream;

static const Upstream upstream[] = {
	{"connections_connected", "Open WebSocket connections",
	1, {BUS_STAT_CONNECTIONS}},
	{"channel_joins", "Joins of channels that succeeded",
	1, {BUS_STAT_JOINS}},
	{"channel_events", "Events that clients sent to channels, and deliveries of these, without presence",
	2, {BUS_STAT_EVENTS, BUS_STAT_CAST_DELIVERIES}},
	{"channel_presence_events", "Calls of track and untrack, states and diffs delivered",
	3, {BUS_STAT_PRESENCE_CALLS, BUS_STAT_PRESENCE_STATES, BUS_STAT_PRESENCE_DIFFS}},
	{"channel_db_events", "Deliveries of messages and of changes of the database",
	2, {BUS_STAT_DELIVERIES, BUS_STAT_CHANGES}, 1, BUS_STAT_CAST_DELIVERIES},
	{"channel_input_bytes", "Bytes read from clients",
	1, {BUS_STAT_BYTES_IN}},
	{"channel_output_bytes", "Bytes written to clients",
	1, {BUS_STAT_BYTES_OUT}},
	{"channel_error", "Joins that were refused",
	1, {BUS_STAT_JOIN_ERRORS}},
};

/* What was refused for a limit, by the limit. */
static const struct
{
	const char *limit;
	BusStat		stat;
}			limits[] = {
	{"connections", BUS_STAT_CONNECTIONS_LIMITED},
	{"users", BUS_STAT_USERS_LIMITED},
	{"joins", BUS_STAT_JOINS_LIMITED},
	{"channels", BUS_STAT_CHANNELS_LIMITED},
	{"events", BUS_STAT_EVENTS_LIMITED},
	{"presence_events", BUS_STAT_PRESENCE_EVENTS_LIMITED},
	{"presence_calls", BUS_STAT_PRESENCE_LIMITED},
	{"payload_size", BUS_STAT_PAYLOADS_LIMITED},
	{"send_queue", BUS_STAT_SLOW_CLOSED}
};

static const struct
{
	const char *name;
	const char *help;
	int			unit;			/* of what was measured, in one of what is shown */
}			histograms[HISTOGRAM_KINDS] = {
	[HISTOGRAM_PAYLOAD] = {"payload_size", "Bytes of the payloads of messages", 1},
	[HISTOGRAM_COMMITTED] = {"tenants_broadcast_from_database_latency_committed_at",
	"Milliseconds from a commit to a gateway that delivers its message", 1000},
	[HISTOGRAM_INSERTED] = {"tenants_broadcast_from_database_latency_inserted_at",
	"Milliseconds from realtime.send() to a gateway that delivers the message", 1000},
	[HISTOGRAM_READ_CHECK] = {"tenants_read_authorization_check",
	"Milliseconds of a decision whether a channel may be read", 1000},
	[HISTOGRAM_WRITE_CHECK] = {"tenants_write_authorization_check",
	"Milliseconds of a decision whether a channel may be written to", 1000}
};

/* Those of a single gateway: who looks for the odd one out needs no more. */
static const BusStat by_gateway[] = {
	BUS_STAT_CONNECTIONS, BUS_STAT_CHANNELS, BUS_STAT_QUEUED_BYTES, BUS_STAT_DELIVERIES
};

/*
 * Append a formatted line; none is longer than the buffer.
 */
static void pg_attribute_printf(2, 3)
append(Bytes *out, const char *fmt,...)
{
	char		line[512];
	va_list		args;

	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	bytes_append_cstr(out, line);
}

/*
 * Append the lines before the samples of a metric.
 */
static void
append_head(Bytes *out, const char *prefix, const char *name, const char *help,
			const char *type)
{
	append(out, "# HELP %s%s %s.\n# TYPE %s%s %s\n", prefix, name, help, prefix, name, type);
}

/*
 * A metric of upstream's.
 */
static void
append_upstream(Bytes *out, const Upstream *metric, const uint64 *totals)
{
	uint64		value = 0;

	for (int i = 0; i < metric->nterms; i++)
		value += totals[metric->terms[i]];
	if (metric->nminus > 0)
		value -= totals[metric->minus];
	append_head(out, "realtime_", metric->name, metric->help,
				bus_stat_is_gauge(metric->terms[0]) ? "gauge" : "counter");
	append(out, "realtime_%s " UINT64_FORMAT "\n", metric->name, value);
}

/*
 * What was refused.
 */
static void
append_limits(Bytes *out, const uint64 *totals)
{
	append_head(out, "realtime_", "limit_reached",
				"What was refused, or closed, for a limit", "counter");
	for (int i = 0; i < (int) lengthof(limits); i++)
		append(out, "realtime_limit_reached{limit=\"%s\"} " UINT64_FORMAT "\n",
			   limits[i].limit, totals[limits[i].stat]);
}

/*
 * A histogram: its buckets add up.
 */
static void
append_histogram(Bytes *out, HistogramKind kind, const Histogram *histogram)
{
	const uint64 *bounds = histogram_bounds(kind);
	const char *name = histograms[kind].name;
	double		unit = histograms[kind].unit;
	uint64		count = 0;

	append_head(out, "realtime_", name, histograms[kind].help, "histogram");
	for (int i = 0; i < HISTOGRAM_BOUNDS; i++)
	{
		count += histogram->buckets[i];
		append(out, "realtime_%s_bucket{le=\"%.10g\"} " UINT64_FORMAT "\n",
			   name, bounds[i] / unit, count);
	}
	count += histogram->buckets[HISTOGRAM_BOUNDS];
	append(out, "realtime_%s_bucket{le=\"+Inf\"} " UINT64_FORMAT "\n", name, count);
	append(out, "realtime_%s_sum %.17g\nrealtime_%s_count " UINT64_FORMAT "\n",
		   name, histogram->sum / unit, name, count);
}

/*
 * The hub's own figures.
 */
static void
append_figures(Bytes *out, Slice figures)
{
	const char *key;
	const char *value;

	while (bus_next_setting(&figures, &key, &value) > 0)
	{
		append(out, "# HELP realtime_hub_%s Figure of the hub: %s.\n# TYPE realtime_hub_%s %s\n",
			   key + 1, key + 1, key + 1, key[0] == 'g' ? "gauge" : "counter");
		append(out, "realtime_hub_%s %s\n", key + 1, value);
	}
}

/*
 * All that gateways count.
 */
static void
append_totals(Bytes *out, const uint64 *totals)
{
	for (int stat = 0; stat < BUS_STAT_COUNT; stat++)
	{
		const char *name = bus_stat_name(stat);

		append(out, "# HELP realtime_gateway_%s Of all gateways: %s.\n# TYPE realtime_gateway_%s %s\n",
			   name, name, name, bus_stat_is_gauge(stat) ? "gauge" : "counter");
		append(out, "realtime_gateway_%s " UINT64_FORMAT "\n", name, totals[stat]);
	}
}

/*
 * Of each gateway.
 */
static void
append_gateways(Bytes *out, const MetricsReport *report)
{
	BusGatewayMetrics gateway;

	append_head(out, "realtime_", "gateways", "Gateways that run", "gauge");
	append(out, "realtime_gateways " UINT64_FORMAT "\n", report->head.ngateways);
	append_head(out, "realtime_", "each_gateway_starts",
				"Programs started for this gateway", "counter");
	for (uint64 n = 0; n < report->head.ngateways; n++)
	{
		metrics_gateway(report, n, &gateway);
		append(out, "realtime_each_gateway_starts{gateway=\"" UINT64_FORMAT "\"} " UINT64_FORMAT "\n",
			   gateway.slot + 1, gateway.starts);
	}
	for (int i = 0; i < (int) lengthof(by_gateway); i++)
	{
		const char *name = bus_stat_name(by_gateway[i]);

		append(out, "# HELP realtime_each_gateway_%s Of this gateway: %s.\n# TYPE realtime_each_gateway_%s %s\n",
			   name, name, name, bus_stat_is_gauge(by_gateway[i]) ? "gauge" : "counter");
		for (uint64 n = 0; n < report->head.ngateways; n++)
		{
			metrics_gateway(report, n, &gateway);
			append(out, "realtime_each_gateway_%s{gateway=\"" UINT64_FORMAT "\"} " UINT64_FORMAT "\n",
				   name, gateway.slot + 1, gateway.stats[by_gateway[i]]);
		}
	}
}

/*
 * All of it.
 */
bool
metrics_text(const MetricsReport *report, Bytes *out)
{
	for (int i = 0; i < (int) lengthof(upstream); i++)
		append_upstream(out, &upstream[i], report->head.totals);
	append_limits(out, report->head.totals);
	for (int kind = 0; kind < HISTOGRAM_KINDS; kind++)
		append_histogram(out, kind, &report->head.histograms[kind]);
	append_gateways(out, report);
	append_figures(out, report->figures);
	append_totals(out, report->head.totals);
	return !out->failed;
}
