/*-------------------------------------------------------------------------
 *
 * metrics_frame.c
 *	  What the hub tells a gateway about the whole server, when it is asked.
 *
 * src/proto/metrics_frame.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/metrics_frame.h"

/*
 * Are these figures, each with a name that may stand in an exposition and a
 * number?
 */
static bool
check_figures(Slice figures)
{
	static const char name_bytes[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
	const char *key;
	const char *value;
	int			more;

	while ((more = bus_next_setting(&figures, &key, &value)) > 0)
	{
		if ((key[0] != 'c' && key[0] != 'g') || key[1] == '\0' ||
			strspn(key + 1, name_bytes) != strlen(key + 1))
			return false;
		if (value[0] == '\0' || strspn(value, "0123456789") != strlen(value))
			return false;
	}
	return more == 0;
}

/*
 * Take a body apart.
 */
bool
metrics_decode(Slice body, MetricsReport *report)
{
	size_t		left;

	if (body.len < sizeof(report->head))
		return false;
	memcpy(&report->head, body.data, sizeof(report->head));
	left = body.len - sizeof(report->head);
	if (report->head.ngateways > left / sizeof(BusGatewayMetrics))
		return false;
	report->gateways = slice_make(body.data + sizeof(report->head),
								  report->head.ngateways * sizeof(BusGatewayMetrics));
	report->figures = slice_make(report->gateways.data + report->gateways.len,
								 left - report->gateways.len);
	return check_figures(report->figures);
}

/*
 * Copy one gateway out: bodies have no alignment.
 */
void
metrics_gateway(const MetricsReport *report, uint64 n, BusGatewayMetrics *gateway)
{
	Assert(n < report->head.ngateways);
	memcpy(gateway, report->gateways.data + n * sizeof(*gateway), sizeof(*gateway));
}
