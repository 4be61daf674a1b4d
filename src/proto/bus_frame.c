/*-------------------------------------------------------------------------
 *
 * bus_frame.c
 *	  Frames between the hub and its programs: encode and decode.
 *
 * src/proto/bus_frame.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/bus_frame.h"

StaticAssertDecl(sizeof(BusHeader) == BUS_HEADER_BYTES, "BusHeader is padded");
StaticAssertDecl(sizeof(BusMessageHead) == 24, "BusMessageHead is padded");
StaticAssertDecl(sizeof(BusInterestAck) == 24, "BusInterestAck is padded");
StaticAssertDecl(sizeof(BusInterest) == 16, "BusInterest is padded");
StaticAssertDecl(sizeof(BusHello) == 32, "BusHello is padded");
StaticAssertDecl(sizeof(BusFollow) == 16, "BusFollow is padded");
StaticAssertDecl(sizeof(BusFollowAck) == 16, "BusFollowAck is padded");

/*
 * Find the first frame in a buffer.
 */
ssize_t
bus_frame_decode(const char *buf, size_t len, BusHeader *header, Slice *body)
{
	if (len < BUS_HEADER_BYTES)
		return 0;
	memcpy(header, buf, BUS_HEADER_BYTES);
	if (header->length > BUS_MAX_BODY || header->reserved[0] != 0 ||
		header->reserved[1] != 0 || header->reserved[2] != 0)
		return -1;
	if (len - BUS_HEADER_BYTES < header->length)
		return 0;
	*body = slice_make(buf + BUS_HEADER_BYTES, header->length);
	return BUS_HEADER_BYTES + (ssize_t) header->length;
}

/*
 * Write a frame's header.
 */
void
bus_frame_header(char *dst, BusFrameType type, size_t length)
{
	BusHeader	header = {0};

	Assert(length <= BUS_MAX_BODY);
	header.length = (uint32) length;
	header.type = (uint8) type;
	memcpy(dst, &header, BUS_HEADER_BYTES);
}

/*
 * Copy the fixed part of a body to dst and leave the rest in *rest.
 */
static bool
take_fixed(Slice body, void *dst, size_t size, Slice *rest)
{
	if (body.len < size)
		return false;
	memcpy(dst, body.data, size);
	*rest = slice_make(body.data + size, body.len - size);
	return true;
}

/*
 * BUS_CONFIG.
 */
bool
bus_decode_hello(Slice body, BusHello *hello, Slice *settings)
{
	return take_fixed(body, hello, sizeof(*hello), settings) &&
		hello->version == BUS_VERSION;
}

/*
 * BUS_MESSAGE.
 */
bool
bus_decode_message(Slice body, BusMessageHead *head, Slice *record)
{
	return take_fixed(body, head, sizeof(*head), record);
}

/*
 * BUS_INTEREST_ACK.
 */
bool
bus_decode_interest_ack(Slice body, BusInterestAck *ack)
{
	Slice		rest;

	return take_fixed(body, ack, sizeof(*ack), &rest) && rest.len == 0;
}

/*
 * BUS_INTEREST.
 */
bool
bus_decode_interest(Slice body, BusInterest *interest, Slice *topic)
{
	static const uint8 zeros[sizeof(interest->reserved)] = {0};

	return take_fixed(body, interest, sizeof(*interest), topic) &&
		memcmp(interest->reserved, zeros, sizeof(zeros)) == 0 &&
		interest->add <= 1 && interest->is_private <= 1 &&
		topic->len >= 1 && topic->len <= TOPIC_MAX_BYTES;
}

/*
 * BUS_JOB and BUS_RUN.
 */
bool
bus_decode_job(Slice body, BusJob *job, Slice *rest)
{
	static const uint8 zeros[sizeof(job->reserved)] = {0};

	return take_fixed(body, job, sizeof(*job), rest) &&
		memcmp(job->reserved, zeros, sizeof(zeros)) == 0;
}

/*
 * BUS_RESULT and BUS_DONE.
 */
bool
bus_decode_result(Slice body, BusResult *result, Slice *rest)
{
	static const uint8 zeros[sizeof(result->reserved)] = {0};

	return take_fixed(body, result, sizeof(*result), rest) &&
		memcmp(result->reserved, zeros, sizeof(zeros)) == 0;
}

/*
 * BUS_FOLLOW.
 */
bool
bus_decode_follow(Slice body, BusFollow *follow, Slice *tables)
{
	return take_fixed(body, follow, sizeof(*follow), tables) &&
		(follow->reserved[0] | follow->reserved[1] | follow->reserved[2]) == 0 &&
		follow->add <= 1 && follow->relid != 0 &&
		tables->len % sizeof(uint32) == 0 &&
		tables->len / sizeof(uint32) <= BUS_FOLLOW_MAX_TABLES &&
		(follow->add == 1 || tables->len == 0);
}

/*
 * BUS_FOLLOW_ACK.
 */
bool
bus_decode_follow_ack(Slice body, BusFollowAck *ack)
{
	Slice		rest;

	return take_fixed(body, ack, sizeof(*ack), &rest) && rest.len == 0 &&
		(ack->reserved[0] | ack->reserved[1] | ack->reserved[2]) == 0 &&
		ack->outcome <= BUS_FOLLOW_BUSY;
}

/*
 * Take the next setting off the list.
 */
int
bus_next_setting(Slice *settings, const char **key, const char **value)
{
	const char *end = settings->data + settings->len;
	const char *key_end;
	const char *value_end;

	if (settings->len == 0)
		return 0;
	*key = settings->data;
	key_end = memchr(*key, '\0', settings->len);
	if (key_end == NULL)
		return -1;
	*value = key_end + 1;
	value_end = memchr(*value, '\0', end - *value);
	if (value_end == NULL)
		return -1;
	*settings = slice_make(value_end + 1, end - (value_end + 1));
	return 1;
}

/*
 * Gauge or counter.
 */
bool
bus_stat_is_gauge(BusStat stat)
{
	switch (stat)
	{
		case BUS_STAT_CONNECTIONS:
		case BUS_STAT_CHANNELS:
		case BUS_STAT_TOPICS:
		case BUS_STAT_QUEUED_BYTES:
		case BUS_STAT_IDENTITIES:
		case BUS_STAT_USERS:
		case BUS_STAT_CHANGES_HELD:
			return true;
		default:
			return false;
	}
}

/*
 * Name of a statistic.
 */
const char *
bus_stat_name(BusStat stat)
{
	static const char *const names[BUS_STAT_COUNT] = {
		[BUS_STAT_CONNECTIONS] = "connections",
		[BUS_STAT_CHANNELS] = "channels",
		[BUS_STAT_TOPICS] = "topics",
		[BUS_STAT_QUEUED_BYTES] = "queued_bytes",
		[BUS_STAT_ACCEPTED] = "accepted",
		[BUS_STAT_UPGRADED] = "upgraded",
		[BUS_STAT_REFUSED] = "refused",
		[BUS_STAT_JOINS] = "joins",
		[BUS_STAT_JOIN_ERRORS] = "join_errors",
		[BUS_STAT_MESSAGES] = "messages",
		[BUS_STAT_DELIVERIES] = "deliveries",
		[BUS_STAT_BYTES_OUT] = "bytes_out",
		[BUS_STAT_FRAMES_IN] = "frames_in",
		[BUS_STAT_MALFORMED] = "malformed",
		[BUS_STAT_PROTOCOL_ERRORS] = "protocol_errors",
		[BUS_STAT_SLOW_CLOSED] = "slow_closed",
		[BUS_STAT_IDLE_CLOSED] = "idle_closed",
		[BUS_STAT_PAUSES] = "pauses",
		[BUS_STAT_CASTS] = "broadcasts",
		[BUS_STAT_CASTS_DENIED] = "broadcasts_denied",
		[BUS_STAT_CASTS_LOST] = "broadcasts_lost",
		[BUS_STAT_BAD_TOKENS] = "bad_tokens",
		[BUS_STAT_IDENTITIES] = "identities",
		[BUS_STAT_AUTHORISATIONS] = "authorisations",
		[BUS_STAT_DENIED] = "denied",
		[BUS_STAT_EXPIRED] = "expired",
		[BUS_STAT_EVICTED] = "evicted",
		[BUS_STAT_PUBLISHED] = "published",
		[BUS_STAT_PRESENCE_CALLS] = "presence_calls",
		[BUS_STAT_PRESENCE_DENIED] = "presence_denied",
		[BUS_STAT_PRESENCE_LIMITED] = "presence_limited",
		[BUS_STAT_PRESENCE_STATES] = "presence_states",
		[BUS_STAT_PRESENCE_DIFFS] = "presence_diffs",
		[BUS_STAT_HISTORY_PAGES] = "history_pages",
		[BUS_STAT_RECOVERED] = "recovered",
		[BUS_STAT_NOT_RECOVERED] = "not_recovered",
		[BUS_STAT_REPLAYED] = "replayed",
		[BUS_STAT_STORED] = "stored",
		[BUS_STAT_HOLD_OVERRUNS] = "hold_overruns",
		[BUS_STAT_USERS] = "users",
		[BUS_STAT_BYTES_IN] = "bytes_in",
		[BUS_STAT_JOINS_ASKED] = "joins_asked",
		[BUS_STAT_EVENTS] = "events",
		[BUS_STAT_CAST_DELIVERIES] = "broadcast_deliveries",
		[BUS_STAT_CONNECTIONS_LIMITED] = "connections_limited",
		[BUS_STAT_USERS_LIMITED] = "users_limited",
		[BUS_STAT_JOINS_LIMITED] = "joins_limited",
		[BUS_STAT_CHANNELS_LIMITED] = "channels_limited",
		[BUS_STAT_EVENTS_LIMITED] = "events_limited",
		[BUS_STAT_PRESENCE_EVENTS_LIMITED] = "presence_events_limited",
		[BUS_STAT_PAYLOADS_LIMITED] = "payloads_limited",
		[BUS_STAT_CHANGES] = "changes",
		[BUS_STAT_CHANGES_ASKED] = "changes_asked",
		[BUS_STAT_CHANGES_HELD] = "changes_held",
		[BUS_STAT_CHANGES_OVERRUN] = "changes_overrun",
		[BUS_STAT_AUDIENCES_OVERRUN] = "audiences_overrun",
		[BUS_STAT_HANDOVERS] = "handovers",
		[BUS_STAT_RESERVED_EVENTS] = "reserved_events",
		[BUS_STAT_TLS_HANDSHAKES] = "tls_handshakes",
		[BUS_STAT_TLS_FAILED] = "tls_failed",
	};

	return names[stat];
}
