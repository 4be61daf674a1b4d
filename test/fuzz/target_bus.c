/*-------------------------------------------------------------------------
 *
 * target_bus.c
 *	  What the processes tell each other: frames of the bus, records of the WAL,
 *	  presence, metrics, connections on their way between gateways.
 *
 *	  input   kind | cuts | stream of frames
 *	  input   kind | flips | what to make a body of, or a body itself
 *
 * A body that is taken apart, and put together again, is the same bytes.
 * Jobs are in target_bus_jobs.c.
 *
 * test/fuzz/target_bus.c
 *
 *-------------------------------------------------------------------------
 */
#include "target_bus.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/handover_queue.h"
#include "proto/metrics_frame.h"
#include "proto/presence_frame.h"
#include "proto/usage_frame.h"
#include "reference.h"

#define MAX_STREAM_FRAMES 64

Slice
input_text(Slice *input, size_t least, size_t most)
{
	static const char letters[] = "abcdefghij\xc3\xa9\xf0\x9f\x98\x80";
	size_t		len = input_byte(input);
	Slice		piece = input_bytes(input, Min(len, most));

	if (piece.len >= least && ref_utf8(piece) == REF_UTF8_WHOLE && !has_byte(piece, '\0'))
		return piece;
	return fuzz_exact(slice_make(letters, least));
}

Slice
input_json(Slice *input, bool object)
{
	Slice		piece = input_bytes(input, input_byte(input));

	if (object ? ref_json_object(piece) : ref_json(piece))
		return piece;
	return object ? SLICE_LIT("{\"a\":[1]}") : SLICE_LIT("[\"\\u00e9\",-1.5e3]");
}

Slice
with_flips(const Bytes *body, Slice *input)
{
	Slice		copy;

	must(!body->failed);
	copy = exact_bytes(body);
	for (int flips = input_byte(input) % 4; flips > 0 && copy.len > 0; flips--)
	{
		size_t		at = input_number(input, 2) % copy.len;

		unconstify(char *, copy.data)[at] = (char) input_byte(input);
	}
	if (input_byte(input) % 8 == 1)
	{
		size_t		cut = input_byte(input);

		copy = fuzz_exact(slice_make(copy.data, copy.len - Min(copy.len, cut)));
	}
	return copy;
}

/* Frames, however the stream is cut. */
static void
check_stream(Slice input)
{
	Cuts		cuts = input_cuts(&input);
	Slice		held = slice_make(NULL, 0);
	Slice		rest = input;
	Slice		whole = input;
	BusHeader	header;
	BusHeader	wanted;
	Slice		body;
	Slice		wanted_body;
	ssize_t		taken = 0;

	while (rest.len > 0 && taken >= 0)
	{
		size_t		n = cuts_next(&cuts, rest.len);
		char	   *buf = fuzz_alloc(held.len + n);

		if (held.len > 0)
			memcpy(buf, held.data, held.len);
		memcpy(buf + held.len, rest.data, n);
		held = slice_make(buf, held.len + n);
		rest = slice_make(rest.data + n, rest.len - n);
		while ((taken = bus_frame_decode(held.data, held.len, &header, &body)) > 0)
		{
			must(bus_frame_decode(whole.data, whole.len, &wanted, &wanted_body) == taken);
			must(memcmp(&header, &wanted, sizeof(header)) == 0 && slice_equals(body, wanted_body));
			must(body.len == header.length && body.len <= BUS_MAX_BODY && lies_in(body, held));
			bus_frame_header(fuzz_alloc(BUS_HEADER_BYTES), header.type, body.len);
			held = slice_make(held.data + taken, held.len - taken);
			whole = slice_make(whole.data + taken, whole.len - taken);
		}
		held = fuzz_exact(held);
	}
	/* what is left there is left here */
	must(bus_frame_decode(whole.data, whole.len, &wanted, &wanted_body) == taken || input.len == 0);
}

void
same_bytes(const void *head, size_t head_len, Slice rest, Slice body)
{
	must(body.len == head_len + rest.len);
	must(head_len == 0 || memcmp(body.data, head, head_len) == 0);
	must(slice_equals(slice_make(body.data + head_len, rest.len), rest));
}

/* Bodies that begin with a fixed part. */
static void
check_fixed(uint8 kind, Slice body)
{
	union
	{
		BusHello	hello;
		BusMessageHead message;
		BusInterestAck interest_ack;
		BusInterest interest;
		BusJob		job;
		BusResult	result;
		BusFollow	follow;
		BusFollowAck follow_ack;
		BusUsage	usage;
		uint64		number;
	}			u;
	Slice		rest = {NULL, 0};

	switch (kind % 10)
	{
		case 0:
			if (bus_decode_hello(body, &u.hello, &rest))
				same_bytes(&u.hello, sizeof(u.hello), rest, body);
			break;
		case 1:
			if (bus_decode_message(body, &u.message, &rest))
				same_bytes(&u.message, sizeof(u.message), rest, body);
			break;
		case 2:
			if (bus_decode_interest_ack(body, &u.interest_ack))
				same_bytes(&u.interest_ack, sizeof(u.interest_ack), rest, body);
			break;
		case 3:
			if (bus_decode_interest(body, &u.interest, &rest))
			{
				same_bytes(&u.interest, sizeof(u.interest), rest, body);
				must(rest.len >= 1 && rest.len <= TOPIC_MAX_BYTES);
			}
			break;
		case 4:
			if (bus_decode_job(body, &u.job, &rest))
				same_bytes(&u.job, sizeof(u.job), rest, body);
			break;
		case 5:
			if (bus_decode_result(body, &u.result, &rest))
				same_bytes(&u.result, sizeof(u.result), rest, body);
			break;
		case 6:
			if (bus_decode_follow(body, &u.follow, &rest))
			{
				same_bytes(&u.follow, sizeof(u.follow), rest, body);
				must(u.follow.relid != 0 && rest.len % 4 == 0 && (u.follow.add || rest.len == 0));
			}
			break;
		case 7:
			if (bus_decode_follow_ack(body, &u.follow_ack))
				same_bytes(&u.follow_ack, sizeof(u.follow_ack), rest, body);
			break;
		case 8:
			if (usage_decode(body, &u.usage))
				same_bytes(&u.usage, sizeof(u.usage), rest, body);
			break;
		case 9:
			if (presence_decode_number(body, &u.number))
				same_bytes(&u.number, sizeof(u.number), rest, body);
			break;
	}
}

/* Lists of settings. */
static void
check_settings(Slice list)
{
	Slice		left = list;
	const char *key;
	const char *value;
	Bytes	   *again = fuzz_bytes();
	int			more;

	while ((more = bus_next_setting(&left, &key, &value)) > 0)
	{
		must(lies_in(left, list));
		must(bytes_append(again, key, strlen(key) + 1) && bytes_append(again, value, strlen(value) + 1));
	}
	must(more < 0 ? left.len > 0 : slice_equals(bytes_slice(again), list));
	must(slice_equals(bytes_slice(again), slice_make(list.data, list.len - left.len)));
}

/* Names of statistics: all of them have one. */
static void
check_names(void)
{
	int			gauges = 0;

	for (int stat = 0; stat < BUS_STAT_COUNT; stat++)
	{
		must(bus_stat_name(stat) != NULL && bus_stat_name(stat)[0] != '\0');
		gauges += bus_stat_is_gauge(stat);
	}
	must(gauges > 0 && gauges < BUS_STAT_COUNT);
}

/* Metrics, with as many gateways as the input says. */
static void
check_metrics(Slice input)
{
	Bytes	   *body = fuzz_bytes();
	BusMetricsHead *head = fuzz_alloc(sizeof(BusMetricsHead));
	BusGatewayMetrics *gateway = fuzz_alloc(sizeof(BusGatewayMetrics));
	MetricsReport *report = fuzz_alloc(sizeof(MetricsReport));
	Slice		list;
	const char *key;
	const char *value;

	head->ngateways = input_byte(&input) % 4;
	bytes_append(body, head, sizeof(*head));
	for (uint64 i = 0; i < head->ngateways; i++)
		bytes_append(body, gateway, sizeof(*gateway));
	if (input_byte(&input) & 1)
		bytes_append(body, "cname_1\00042\0gother\0000", 20);
	list = with_flips(body, &input);
	body->len = 0;
	bytes_append_slice(body, list);
	must(bytes_append_slice(body, input));
	list = exact_bytes(body);

	if (!metrics_decode(list, report))
		return;
	must(lies_in(report->gateways, list) && lies_in(report->figures, list));
	must(report->gateways.len == report->head.ngateways * sizeof(BusGatewayMetrics));
	for (uint64 i = 0; i < report->head.ngateways; i++)
		metrics_gateway(report, i, gateway);
	list = report->figures;
	while (bus_next_setting(&list, &key, &value) > 0)
		must((key[0] == 'c' || key[0] == 'g') && strspn(value, "0123456789") == strlen(value));
	must(list.len == 0);
}

/* What is told of presence has what clients and the hub count on. */
static void
check_parts(const PresenceParts *parts, Slice body, bool has_meta)
{
	must(lies_in(parts->topic, body) && lies_in(parts->key, body) && lies_in(parts->meta, body));
	must(has_meta || parts->key.len + parts->meta.len == 0);
	if (!has_meta)
		return;
	must(parts->topic.len >= 1 && parts->topic.len <= TOPIC_MAX_BYTES);
	must(ref_utf8(parts->key) == REF_UTF8_WHOLE && !has_byte(parts->key, '\0') && parts->key.len > 0);
	must(ref_json_object(parts->meta));
}

/* Frames of presence, made of the input. */
static void
check_presence(Slice input)
{
	uint8		kind = input_byte(&input);
	bool		is_private = input_byte(&input) & 1;
	Bytes	   *body = fuzz_bytes();
	PresenceParts parts = {{NULL, 0}};
	PresenceParts got;
	BusTrack	track;
	BusPresent	present;
	BusWatch	watch = {0};
	Slice		topic;
	Slice		data;

	parts.topic = input_text(&input, 1, TOPIC_MAX_BYTES);
	if (kind & 4)
	{
		parts.key = input_text(&input, 1, PRESENCE_KEY_MAX_BYTES);
		parts.meta = input_json(&input, true);
	}
	switch (kind % 4)
	{
		case 0:
			if (parts.meta.len == 0)
				parts.topic = slice_make(NULL, 0);
			track = presence_track_head(input_number(&input, 8), kind & 4 ? TRACK_META : TRACK_NO_MORE,
										is_private, &parts);
			bytes_append(body, &track, sizeof(track));
			break;
		case 1:
			watch.seq = input_number(&input, 8);
			watch.add = input_byte(&input) & 1;
			watch.is_private = is_private;
			bytes_append(body, &watch, sizeof(watch));
			parts.key = parts.meta = slice_make(NULL, 0);
			break;
		default:
			present = presence_head(kind & 4 ? PRESENCE_JOIN : PRESENCE_LEAVE, is_private, &parts);
			present.ref = input_number(&input, 8) + 1;
			if (kind & 8)
				present.op = kind & 4 ? PRESENCE_UPDATE : PRESENCE_BEGIN;
			present.prev_ref = kind & 8 && kind & 4 ? present.ref + 1 : 0;
			present.ref = kind & 8 && !(kind & 4) ? 0 : present.ref;
			bytes_append(body, &present, sizeof(present));
	}
	bytes_append_slice(body, parts.topic);
	bytes_append_slice(body, parts.key);
	must(bytes_append_slice(body, parts.meta));
	data = with_flips(body, &input);

	switch (kind % 4)
	{
		case 0:
			if (presence_decode_track(data, &track, &got))
				check_parts(&got, data, track.op == TRACK_META);
			else
				must(!slice_equals(data, bytes_slice(body)));
			break;
		case 1:
			if (presence_decode_watch(data, &watch, &topic))
				same_bytes(&watch, sizeof(watch), topic, data);
			else
				must(!slice_equals(data, bytes_slice(body)));
			break;
		default:
			if (presence_decode_present(data, &present, &got))
				check_parts(&got, data, present.op == PRESENCE_JOIN || present.op == PRESENCE_UPDATE);
			else
				must(!slice_equals(data, bytes_slice(body)) || present.ref == 0 || present.prev_ref == 0);
	}
}

/* A record is the bytes that it was made of. */
static void
check_record_bytes(Slice data)
{
	WalMessage	msg;
	char	   *again;

	if (!wal_record_decode(data.data, data.len, &msg))
		return;
	must(lies_in(msg.topic, data) && lies_in(msg.event, data) && lies_in(msg.payload, data));
	must(wal_record_size(&msg) == data.len);
	must((msg.kind == WAL_MESSAGE_BROADCAST) == (msg.number > 0));
	must(msg.topic.len <= TOPIC_MAX_BYTES && msg.event.len <= EVENT_MAX_BYTES);
	again = fuzz_alloc(data.len);
	wal_record_encode(&msg, again);
	must(memcmp(again, data.data, data.len) == 0);
}

WalMessage
input_message(Slice *input, WalMessageKind kind)
{
	WalMessage	msg = {kind};

	msg.flags = input_byte(input) & (WAL_MESSAGE_PRIVATE | WAL_MESSAGE_BINARY);
	msg.origin = (uint16) input_number(input, 2);
	msg.top_xid = input_number(input, 8);
	msg.inserted_at = (int64) input_number(input, 8);
	if (kind == WAL_MESSAGE_BROADCAST)
	{
		msg.number = input_byte(input) + 1;
		msg.flags |= input_byte(input) & (WAL_MESSAGE_CHANNEL | WAL_MESSAGE_USER | WAL_MESSAGE_SENDER);
	}
	if (msg.flags & WAL_MESSAGE_SENDER)
		memset(msg.sender, input_byte(input), sizeof(msg.sender));
	memset(msg.id, input_byte(input), sizeof(msg.id));
	if (kind == WAL_MESSAGE_BROADCAST || kind == WAL_MESSAGE_CAST)
	{
		msg.topic = input_text(input, 1, TOPIC_MAX_BYTES);
		msg.event = input_text(input, 1, EVENT_MAX_BYTES);
		msg.payload = input_json(input, false);
	}
	else if (kind == WAL_MESSAGE_CHANGE)
		msg.payload = input_json(input, false);
	return msg;
}

/* Records of messages, made of the input. */
static void
check_record(Slice input)
{
	WalMessage	msg = input_message(&input, input_byte(&input) % 6 + 1);
	WalMessage	got;
	Bytes	   *body = fuzz_bytes();
	Slice		data;

	must(bytes_reserve(body, wal_record_size(&msg)));
	body->len = wal_record_size(&msg);
	wal_record_encode(&msg, body->data);
	data = exact_bytes(body);
	must(wal_record_decode(data.data, data.len, &got));
	must(slice_equals(got.topic, msg.topic) && slice_equals(got.event, msg.event) &&
		 slice_equals(got.payload, msg.payload) && got.flags == msg.flags && got.number == msg.number &&
		 got.top_xid == msg.top_xid && got.inserted_at == msg.inserted_at && got.origin == msg.origin);
	check_record_bytes(data);
	check_record_bytes(with_flips(body, &input));
}

static void
close_fd(void *fd)
{
	(void) close((int) (intptr_t) fd);
}

static void
drain_queue(void *queue)
{
	while (((HandoverQueue *) queue)->first != NULL)
		(void) close(handover_queue_pop(queue));
}

/* A connection through a real socket, and verdicts on what did not come so. */
static void
check_handover(Slice input)
{
	uint32		slots = input_byte(&input) % 4;
	int			flags = (input_byte(&input) & 1 ? MSG_TRUNC : 0) | (input_byte(&input) & 1 ? MSG_CTRUNC : 0);
	HandoverQueue *queue = fuzz_alloc(sizeof(HandoverQueue));
	HandoverEnvelope *envelope = fuzz_alloc(sizeof(HandoverEnvelope));
	char	   *buffer = fuzz_alloc(HANDOVER_MAX_MESSAGE);
	HandoverHead head = {input_byte(&input) % 4, (uint32) input.len};
	HandoverHead got;
	HandoverVerdict verdict;
	Slice		bytes;
	int			fds[HANDOVER_FDS];
	int			pair[2];
	int			sent;
	ssize_t		len;

	fuzz_at_end(drain_queue, queue);
	sent = open("/dev/null", O_RDONLY);
	must(sent >= 0);
	if (!handover_queue_push(queue, &head, input, sent))
	{
		close(sent);
		must(false);
	}
	must(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
	fuzz_at_end(close_fd, (void *) (intptr_t) pair[0]);
	fuzz_at_end(close_fd, (void *) (intptr_t) pair[1]);
	handover_to_send(envelope, &queue->first->head, slice_make(queue->first->bytes, input.len),
					 queue->first->fd);
	must(sendmsg(pair[0], &envelope->msg, 0) == (ssize_t) (sizeof(head) + input.len));
	handover_to_receive(envelope, buffer);
	len = recvmsg(pair[1], &envelope->msg, 0);
	must(len == (ssize_t) (sizeof(head) + input.len) && handover_descriptors(envelope, fds) == 1);
	fuzz_at_end(close_fd, (void *) (intptr_t) fds[0]);

	verdict = handover_judge(envelope, len, 1, slots, &got, &bytes);
	must(verdict == (head.slot < slots ? HANDOVER_GOOD : HANDOVER_BAD));
	if (verdict == HANDOVER_GOOD)
		must(slice_equals(bytes, input) && got.slot == head.slot);

	/* the same as from somebody who does not keep to it */
	envelope->msg.msg_flags = flags;
	for (int n = 0; n <= HANDOVER_FDS; n++)
	{
		verdict = handover_judge(envelope, len, n, slots, &got, &bytes);
		must((verdict == HANDOVER_GOOD) == (flags == 0 && n == 1 && head.slot < slots));
		must(verdict != HANDOVER_LOST || (n == 0 && flags == MSG_CTRUNC));
	}
	memcpy(buffer, input.data ? input.data : "", Min(input.len, HANDOVER_MAX_MESSAGE));
	envelope->msg.msg_flags = 0;
	if (handover_judge(envelope, input.len, 1, slots, &got, &bytes) == HANDOVER_GOOD)
		must(got.length == bytes.len && bytes.len == input.len - sizeof(head) && got.slot < slots);
}

void
fuzz_bus(Slice input)
{
	uint8		kind = input_byte(&input);

	switch (kind % 16)
	{
		case 0:
			check_stream(input);
			break;
		case 1:
			check_fixed(kind / 16, fuzz_exact(input));
			break;
		case 2:
			check_settings(fuzz_exact(input));
			check_names();
			break;
		case 3:
			check_metrics(input);
			break;
		case 4:
			check_presence(input);
			break;
		case 5:
			check_record(input);
			break;
		case 6:
			check_record_bytes(fuzz_exact(input));
			break;
		case 7:
			check_handover(input);
			break;
		default:
			fuzz_bus_jobs(kind % 16 - 8, input);
			break;
	}
}
