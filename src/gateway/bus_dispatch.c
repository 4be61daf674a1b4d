/*-------------------------------------------------------------------------
 *
 * bus_dispatch.c
 *	  What the frames of the hub mean.
 *
 * The hub is our parent, and yet a frame that does not decode ends the
 * program: its successor starts in milliseconds from a known state.
 *
 * src/gateway/bus_dispatch.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include <openssl/crypto.h>

#include "gateway/access.h"
#include "gateway/agent_channels.h"
#include "gateway/backpressure.h"
#include "gateway/bus_dispatch.h"
#include "gateway/change_delivery.h"
#include "gateway/conn_timers.h"
#include "gateway/fanout.h"
#include "gateway/gw_histograms.h"
#include "gateway/gw_sandbox.h"
#include "gateway/gw_settings.h"
#include "gateway/handover.h"
#include "gateway/hub_report.h"
#include "gateway/joins.h"
#include "gateway/limits.h"
#include "gateway/listener.h"
#include "gateway/place.h"
#include "gateway/presence_topics.h"
#include "gateway/tls_accept.h"
#include "gateway/tracking.h"
#include "program/bus_jobs.h"
#include "program/bus_link.h"
#include "program/life.h"
#include "program/loop.h"
#include "proto/ws_frame.h"

static bool configured;			/* the first BUS_CONFIG came */
static char shutdown_reason[WS_MAX_CONTROL];

/*
 * The settings are there, and clients will be.  False if they would meet more
 * than they should; then this is the end.
 */
static bool
begin_service(void)
{
	SandboxOutcome outcome;

	life_silence_stderr();
	if (!gw_settings.sandbox)
		return true;
	outcome = gw_sandbox_enter();
	if (outcome == SANDBOX_FAILED)
	{
		bus_log(BUS_LOG_FATAL, "could not enter the sandbox: %s"
				" (with realtime.sandbox = off there is none)", strerror(errno));
		strlcpy(shutdown_reason, "the server cannot serve", sizeof(shutdown_reason));
	}
	else if (outcome == SANDBOX_UNSUPPORTED)
		bus_log(BUS_LOG_INFO, "there is no sandbox for this build or processor");
	return outcome != SANDBOX_FAILED;
}

/*
 * BUS_CONFIG, at the start and on every reload.  The secret in it is not left
 * in the bus's buffer.
 */
static bool
take_config(Slice body)
{
	BusHello	hello;
	Slice		settings;

	if (!bus_decode_hello(body, &hello, &settings) || !gw_settings_apply(settings))
		return false;
	OPENSSL_cleanse(unconstify(char *, settings.data), settings.len);
	gw_settings.slot = hello.slot;
	fanout_settle();
	place_set_epoch(hello.epoch);
	access_settings_changed();
	if (!configured && !begin_service())
		return true;
	tls_settings_changed();
	configured = true;
	listener_configure();
	handover_begin();
	return true;
}

/*
 * BUS_MESSAGE: one committed message.
 */
static bool
take_message(Slice body)
{
	BusMessageHead head;
	WalMessage	message;
	Slice		record;

	if (!bus_decode_message(body, &head, &record) ||
		!wal_record_decode(record.data, record.len, &message))
		return false;
	if (message.kind == WAL_MESSAGE_CHANGE)
		return change_delivery_take(&head, &message);
	measure_message(&head, &message);
	fanout_stored(&message, &head.place);
	return true;
}

/*
 * BUS_RELAY: what a client of another gateway says.
 */
static bool
take_relay(Slice body)
{
	WalMessage	message;

	if (!wal_record_decode(body.data, body.len, &message) ||
		message.kind != WAL_MESSAGE_CAST)
		return false;
	fanout_relayed(&message);
	return true;
}

/*
 * BUS_INTEREST_ACK: joins of the topics it covers can be answered.
 */
static bool
take_interest_ack(Slice body)
{
	BusInterestAck ack;
	Topic	   *topic;

	if (!bus_decode_interest_ack(body, &ack))
		return false;
	fanout_settle();
	place_pass(&ack.place);
	while ((topic = topics_acknowledged(ack.seq)) != NULL)
		join_topic_held(topic);
	return true;
}

/*
 * Messages were lost.  Nobody may go on as if nothing had happened.
 */
static bool
take_gap(Slice body)
{
	uint64		epoch;
	Slice		reason;

	if (body.len < sizeof(epoch))
		return false;
	memcpy(&epoch, body.data, sizeof(epoch));
	place_set_epoch(epoch);
	reason = slice_make(body.data + sizeof(epoch), Min(body.len - sizeof(epoch), 256));
	bus_log(BUS_LOG_INFO, "closing %u clients, epoch " UINT64_FORMAT " begins: " SLICE_FMT,
			conn_open_count(), epoch, SLICE_ARG(reason));
	fanout_settle();
	conn_close_all(WS_CLOSE_RESTART, "messages were lost: reconnect and refetch");
	return true;
}

/*
 * BUS_FOLLOW_ACK: joins that want the table can be answered.
 */
static bool
take_follow_ack(Slice body)
{
	fanout_settle();
	return change_terms_acknowledged(body);
}

/*
 * BUS_SHUTDOWN: keep the reason for check_shutdown(), which looks every turn.
 */
static bool
take_shutdown(Slice body)
{
	if (body.len == 0)
		strlcpy(shutdown_reason, "the server is shutting down", sizeof(shutdown_reason));
	else
		snprintf(shutdown_reason, sizeof(shutdown_reason), SLICE_FMT, SLICE_ARG(body));
	return true;
}

/*
 * BUS_RESULT: what the answer changes must not touch messages before it.
 */
static bool
take_result(Slice body)
{
	fanout_settle();
	return bus_jobs_result(body);
}

/*
 * BUS_PRESENT: a change of who is on a topic, told at the end of the turn.
 */
static bool
take_present(Slice body)
{
	backpressure_bus_read(loop_now);
	return presence_topics_present(body);
}

/*
 * BUS_WATCHED: some get the state of a topic now.
 */
static bool
take_watched(Slice body)
{
	fanout_settle();
	return presence_topics_watched(body);
}

/*
 * BUS_TRACK_REFUSED: a channel ends.
 */
static bool
take_track_refused(Slice body)
{
	fanout_settle();
	return tracking_refused(body);
}

/*
 * Act on one frame.  The first one must be the configuration.
 */
bool
bus_dispatch(BusFrameType type, Slice body)
{
	if (!configured && type != BUS_CONFIG)
		return false;
	switch (type)
	{
		case BUS_CONFIG:
			return take_config(body);
		case BUS_MESSAGE:
			return take_message(body);
		case BUS_RELAY:
			return take_relay(body);
		case BUS_PRESENT:
			return take_present(body);
		case BUS_WATCHED:
			return take_watched(body);
		case BUS_TRACK_REFUSED:
			return take_track_refused(body);
		case BUS_METRICS:
			return hub_report_take(body);
		case BUS_USAGE_OTHERS:
			return limits_take_others(body);
		case BUS_INTEREST_ACK:
			return take_interest_ack(body);
		case BUS_GAP:
			return take_gap(body);
		case BUS_SHUTDOWN:
			return take_shutdown(body);
		case BUS_RESULT:
			return take_result(body);
		case BUS_FOLLOW_ACK:
			return take_follow_ack(body);
		case BUS_TABLES_CHANGED:
			change_terms_tables_changed();
			return true;
		case BUS_AGENTS_CHANGED:
			agent_channels_changed();
			return true;
		default:
			return false;
	}
}

/*
 * The reason that came with BUS_SHUTDOWN.
 */
const char *
bus_dispatch_shutdown_reason(void)
{
	return shutdown_reason[0] != '\0' ? shutdown_reason : NULL;
}
