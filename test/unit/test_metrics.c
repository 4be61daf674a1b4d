/*-------------------------------------------------------------------------
 *
 * test_metrics.c
 *	  Histograms, the frames that limits and metrics travel in, and the text
 *	  that Prometheus gets.
 *
 * test/unit/test_metrics.c
 *
 *-------------------------------------------------------------------------
 */
#include "tap.h"

#include "gateway/metrics_text.h"
#include "proto/usage_frame.h"

/*
 * A body of BUS_METRICS with n gateways; figures are given as they stand there.
 */
static Slice
make_body(const BusMetricsHead *head, int n, Slice figures)
{
	Bytes		body = {0};
	Slice		copy;

	bytes_append(&body, (const char *) head, sizeof(*head));
	for (int i = 0; i < n; i++)
	{
		BusGatewayMetrics gateway = {0};

		gateway.slot = (uint64) i;
		gateway.starts = 10 + (uint64) i;
		gateway.stats[BUS_STAT_CONNECTIONS] = 100 + (uint64) i;
		bytes_append(&body, (const char *) &gateway, sizeof(gateway));
	}
	bytes_append_slice(&body, figures);
	copy = exact(bytes_slice(&body));
	bytes_free(&body);
	return copy;
}

/* Where values go. */
static void
test_histogram(void)
{
	for (int kind = 0; kind < HISTOGRAM_KINDS; kind++)
	{
		const uint64 *bounds = histogram_bounds(kind);
		Histogram	histogram = {{0}};
		Histogram	sum = {{0}};
		bool		right = true;

		for (int i = 0; i < HISTOGRAM_BOUNDS; i++)
		{
			right = right && (i == 0 || bounds[i] > bounds[i - 1]);
			histogram_add(&histogram, kind, bounds[i]);
			histogram_add(&histogram, kind, bounds[i] + 1);
		}
		right = right && histogram.buckets[0] == 1;
		for (int i = 1; i < HISTOGRAM_BOUNDS; i++)
			right = right && histogram.buckets[i] == 2;
		right = right && histogram.buckets[HISTOGRAM_BOUNDS] == 1;
		ok(right, "bounds of kind %d, each in its own bucket", kind);
		histogram_merge(&sum, &histogram);
		histogram_merge(&sum, &histogram);
		is_int(sum.sum, 2 * histogram.sum, "sums add up");
		is_int(sum.buckets[1], 4, "so do buckets");
	}
}

/* BUS_USAGE. */
static void
test_usage(void)
{
	BusUsage	usage = {.users = 3,.used = {1, 2, 3}};
	BusUsage	got;
	Slice		body = slice_make((const char *) &usage, sizeof(usage));

	ok(usage_decode(body, &got) && memcmp(&got, &usage, sizeof(usage)) == 0, "usage");
	for (size_t len = 0; len < sizeof(usage); len++)
	{
		Slice		part = exact(slice_make(body.data, len));

		ok(!usage_decode(part, &got), "not %zu bytes of it", len);
		release(part);
	}
}

/* BUS_METRICS that decodes. */
static void
test_report(void)
{
	BusMetricsHead head = {.lag_ms = 7,.ngateways = 2};
	MetricsReport report;
	BusGatewayMetrics gateway;
	Slice		body = make_body(&head, 2, B("creleased\0" "5\0ggauge_1\0" "18446744073709551615\0"));

	ok(metrics_decode(body, &report), "a report");
	is_int(report.head.lag_ms, 7, "its lag");
	metrics_gateway(&report, 1, &gateway);
	ok(gateway.slot == 1 && gateway.starts == 11 &&
	   gateway.stats[BUS_STAT_CONNECTIONS] == 101, "its second gateway");
	release(body);
	head.ngateways = 0;
	body = make_body(&head, 0, B(""));
	ok(metrics_decode(body, &report), "one of nothing");
	release(body);
}

/* What does not. */
static void
test_bad_report(void)
{
	static const Slice bad[] = {
		P("creleased"), P("creleased\0"), P("creleased\0" "5"), P("xreleased\0" "5\0"),
		P("c\0" "5\0"), P("\0" "5\0"), P("crel eased\0" "5\0"), P("crel\neased\0" "5\0"),
		P("cReleased\0" "5\0"), P("creleased\0\0"), P("creleased\0-5\0"), P("creleased\0" "5\n\0")
	};
	BusMetricsHead head = {.ngateways = 1};
	MetricsReport report;
	Slice		body = make_body(&head, 1, B("ca\0" "1\0"));

	for (size_t len = 0; len < body.len; len++)
	{
		Slice		part = exact(slice_make(body.data, len));
		bool		whole = len == sizeof(head) + sizeof(BusGatewayMetrics);

		if (metrics_decode(part, &report) != whole)
			ok(false, "%zu bytes of a report", len);
		release(part);
	}
	release(body);
	for (int i = 0; i < (int) lengthof(bad); i++)
	{
		body = make_body(&head, 1, bad[i]);
		ok(!metrics_decode(body, &report), "bad figures %d", i);
		release(body);
	}
	head.ngateways = PG_UINT64_MAX;
	body = make_body(&head, 1, B(""));
	ok(!metrics_decode(body, &report), "more gateways than there is room for");
	release(body);
}

/* Does a text have this line? */
static void
has_line(const Bytes *text, const char *line)
{
	char		wanted[256];

	snprintf(wanted, sizeof(wanted), "\n%s\n", line);
	ok(memmem(text->data, text->len, wanted, strlen(wanted)) != NULL, "%s", line);
}

/* What Prometheus gets. */
static void
test_text(void)
{
	BusMetricsHead head = {.ngateways = 2};
	MetricsReport report;
	Bytes		text = {0};
	Slice		body;

	head.totals[BUS_STAT_CONNECTIONS] = 201;
	head.totals[BUS_STAT_DELIVERIES] = 1000;
	head.totals[BUS_STAT_CAST_DELIVERIES] = 300;
	head.totals[BUS_STAT_EVENTS] = 20;
	head.totals[BUS_STAT_JOINS_LIMITED] = 4;
	histogram_add(&head.histograms[HISTOGRAM_COMMITTED], HISTOGRAM_COMMITTED, 250);
	histogram_add(&head.histograms[HISTOGRAM_COMMITTED], HISTOGRAM_COMMITTED, 400);
	histogram_add(&head.histograms[HISTOGRAM_COMMITTED], HISTOGRAM_COMMITTED, UINT64CONST(1) << 40);
	body = make_body(&head, 2, B("creleased\0" "5\0gholding\0" "1\0"));
	ok(metrics_decode(body, &report) && metrics_text(&report, &text), "a text");
	has_line(&text, "# TYPE realtime_connections_connected gauge");
	has_line(&text, "realtime_connections_connected 201");
	has_line(&text, "# TYPE realtime_channel_db_events counter");
	has_line(&text, "realtime_channel_db_events 700");
	has_line(&text, "realtime_channel_events 320");
	has_line(&text, "realtime_limit_reached{limit=\"joins\"} 4");
	has_line(&text, "realtime_each_gateway_connections{gateway=\"2\"} 101");
	has_line(&text, "# TYPE realtime_hub_released counter");
	has_line(&text, "realtime_hub_released 5");
	has_line(&text, "# TYPE realtime_hub_holding gauge");
#define LATENCY "realtime_tenants_broadcast_from_database_latency_committed_at_"
	has_line(&text, LATENCY "bucket{le=\"0.1\"} 0");
	has_line(&text, LATENCY "bucket{le=\"0.25\"} 1");
	has_line(&text, LATENCY "bucket{le=\"0.5\"} 2");
	has_line(&text, LATENCY "bucket{le=\"15000\"} 2");
	has_line(&text, LATENCY "bucket{le=\"+Inf\"} 3");
	has_line(&text, LATENCY "count 3");
	has_line(&text, "realtime_payload_size_bucket{le=\"16777216\"} 0");
	ok(text.data[text.len - 1] == '\n', "ends with a line feed");
	bytes_free(&text);
	release(body);
}

int
main(void)
{
	test_histogram();
	test_usage();
	test_report();
	test_bad_report();
	test_text();
	return done_testing();
}
