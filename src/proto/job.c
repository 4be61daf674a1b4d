/*-------------------------------------------------------------------------
 *
 * job.c
 *	  Bodies of jobs and their answers.
 *
 * Texts follow a fixed head that holds their lengths, one after the other and
 * without gaps.  Nothing is aligned, so everything is copied out.
 *
 * src/proto/job.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "proto/job.h"
#include "proto/utf8.h"

#define ROLE_MAX_BYTES (NAMEDATALEN - 1)
#define STORE_TTL_LIMIT 259200

StaticAssertDecl(sizeof(HistoryHead) == 64, "HistoryHead is padded");
StaticAssertDecl(sizeof(HistoryReply) == 40, "HistoryReply is padded");

typedef struct AuthoriseHead
{
	uint8		wanted;
	uint8		reserved[3];	/* zero */
	uint32		role_len;
	uint32		sub_len;
	uint32		topic_len;
	uint32		claims_len;
	uint32		headers_len;
} AuthoriseHead;

typedef struct PublishHead
{
	uint32		is_broadcast;	/* 0 or 1 */
	uint32		role_len;
	uint32		sub_len;
	uint32		channel_len;
	uint32		claims_len;
	uint32		headers_len;
	uint32		event_len;
	uint32		payload_len;
} PublishHead;

typedef struct CallHead
{
	uint8		function;
	uint8		reserved[3];	/* zero */
} CallHead;

typedef struct CallReplyHead
{
	uint16		status;
	uint16		reserved;		/* zero */
} CallReplyHead;

/*
 * Take `len` bytes off *rest; false if there are fewer.
 */
static bool
take(Slice *rest, size_t len, Slice *piece)
{
	if (rest->len < len)
		return false;
	*piece = slice_make(rest->data, len);
	*rest = slice_make(rest->data + len, rest->len - len);
	return true;
}

/*
 * Take a fixed part off *rest.
 */
static bool
take_head(Slice *rest, void *head, size_t len)
{
	Slice		piece;

	if (!take(rest, len, &piece))
		return false;
	memcpy(head, piece.data, len);
	return true;
}

/*
 * May this become a C string in the server?
 */
static bool
is_text(Slice s)
{
	return s.len == 0 ||
		(memchr(s.data, '\0', s.len) == NULL && utf8_valid(s.data, s.len));
}

/*
 * AuthoriseJob.
 */
bool
job_encode_authorise(Bytes *out, const AuthoriseJob *job)
{
	AuthoriseHead head = {0};

	head.wanted = job->wanted;
	head.role_len = (uint32) job->role.len;
	head.sub_len = (uint32) job->sub.len;
	head.topic_len = (uint32) job->topic.len;
	head.claims_len = (uint32) job->claims.len;
	head.headers_len = (uint32) job->headers.len;
	return bytes_append(out, &head, sizeof(head)) &&
		bytes_append_slice(out, job->role) &&
		bytes_append_slice(out, job->sub) &&
		bytes_append_slice(out, job->topic) &&
		bytes_append_slice(out, job->claims) &&
		bytes_append_slice(out, job->headers);
}

/*
 * AuthoriseJob, checked.
 */
bool
job_decode_authorise(Slice body, AuthoriseJob *job)
{
	AuthoriseHead head;

	if (!take_head(&body, &head, sizeof(head)) ||
		(head.reserved[0] | head.reserved[1] | head.reserved[2]) != 0 ||
		!take(&body, head.role_len, &job->role) ||
		!take(&body, head.sub_len, &job->sub) ||
		!take(&body, head.topic_len, &job->topic) ||
		!take(&body, head.claims_len, &job->claims) ||
		!take(&body, head.headers_len, &job->headers))
		return false;
	job->wanted = head.wanted;
	return body.len == 0 &&
		job->wanted != 0 && (job->wanted & ~RIGHTS_ALL) == 0 &&
		job->role.len >= 1 && job->role.len <= ROLE_MAX_BYTES &&
		job->topic.len >= 1 && job->topic.len <= TOPIC_MAX_BYTES &&
		job->claims.len >= 2 && job->headers.len >= 2 &&
		is_text(job->role) && is_text(job->sub) && is_text(job->topic);
}

/*
 * CallJob.
 */
bool
job_encode_call(Bytes *out, const CallJob *job)
{
	CallHead	head = {0};

	head.function = job->function;
	return bytes_append(out, &head, sizeof(head)) &&
		bytes_append_slice(out, job->request);
}

/*
 * CallJob, checked.
 */
bool
job_decode_call(Slice body, CallJob *job)
{
	CallHead	head;

	if (!take_head(&body, &head, sizeof(head)) ||
		(head.reserved[0] | head.reserved[1] | head.reserved[2]) != 0)
		return false;
	job->function = head.function;
	job->request = body;
	return CALL_FUNCTION_VALID(job->function) && body.len >= 1;
}

/*
 * CallReply.
 */
bool
job_encode_call_reply(Bytes *out, const CallReply *reply)
{
	CallReplyHead head = {0};

	head.status = reply->status;
	return bytes_append(out, &head, sizeof(head)) &&
		bytes_append_slice(out, reply->body);
}

/*
 * CallReply, checked.
 */
bool
job_decode_call_reply(Slice body, CallReply *reply)
{
	CallReplyHead head;

	if (!take_head(&body, &head, sizeof(head)) || head.reserved != 0)
		return false;
	reply->status = head.status;
	reply->body = body;
	return reply->status >= 100 && reply->status <= 599;
}

/*
 * The answer to an AuthoriseJob.
 */
bool
job_decode_rights(Slice body, uint8 *rights)
{
	if (body.len != 1)
		return false;
	*rights = (uint8) body.data[0];
	return (*rights & ~RIGHTS_ALL) == 0;
}

/*
 * CommitsHead, and that as many entries follow as it says.
 */
bool
job_decode_commits(Slice body, CommitsHead *head, Slice *entries)
{
	if (!take_head(&body, head, sizeof(*head)))
		return false;
	*entries = body;
	return head->count >= 1 && head->may_repeat <= 1 && head->reserved == 0 &&
		body.len == (size_t) head->count * sizeof(CommitEntry);
}

/*
 * One of the entries.
 */
void
job_commit_entry(Slice entries, uint32 n, CommitEntry *entry)
{
	memcpy(entry, entries.data + n * sizeof(CommitEntry), sizeof(CommitEntry));
}

/*
 * PositionReply.
 */
bool
job_decode_position(Slice body, PositionReply *reply)
{
	return take_head(&body, reply, sizeof(*reply)) && body.len == 0 &&
		reply->found <= 1;
}

/*
 * HistoryJob.
 */
bool
job_encode_history(Bytes *out, const HistoryJob *job)
{
	return bytes_append(out, &job->head, sizeof(job->head)) &&
		bytes_append_slice(out, job->topic);
}

/*
 * HistoryJob, checked.
 */
bool
job_decode_history(Slice body, HistoryJob *job)
{
	HistoryHead *head = &job->head;

	if (!take_head(&body, head, sizeof(*head)))
		return false;
	job->topic = body;
	return (head->kind == HISTORY_RESUME || head->kind == HISTORY_REPLAY) &&
		head->is_private <= 1 && head->is_first <= 1 && head->reserved == 0 &&
		(head->kind == HISTORY_REPLAY ? head->limit >= 1 : head->after.place.lsn != 0) &&
		job->topic.len >= 1 && job->topic.len <= TOPIC_MAX_BYTES && is_text(job->topic);
}

/*
 * A broadcast to be stored.
 */
bool
job_encode_store(Bytes *out, const StoreHead *head, const WalMessage *message)
{
	size_t		len = wal_record_size(message);

	if (!bytes_append(out, head, sizeof(*head)) || !bytes_reserve(out, len))
		return false;
	wal_record_encode(message, out->data + out->len);
	out->len += len;
	return true;
}

/*
 * The same, checked.
 */
bool
job_decode_store(Slice body, StoreHead *head, WalMessage *message)
{
	return take_head(&body, head, sizeof(*head)) &&
		head->ttl <= STORE_TTL_LIMIT && head->reserved == 0 &&
		wal_record_decode(body.data, body.len, message) &&
		message->kind == WAL_MESSAGE_CAST && (message->flags & WAL_MESSAGE_PRIVATE) != 0 &&
		(message->flags & WAL_MESSAGE_WHOLE) == 0 &&
		is_text(message->topic) && is_text(message->event) &&
		((message->flags & WAL_MESSAGE_BINARY) != 0 || is_text(message->payload));
}

/*
 * PublishJob.
 */
bool
job_encode_publish(Bytes *out, const PublishJob *job)
{
	PublishHead head;

	head.is_broadcast = job->is_broadcast;
	head.role_len = (uint32) job->role.len;
	head.sub_len = (uint32) job->sub.len;
	head.channel_len = (uint32) job->channel.len;
	head.claims_len = (uint32) job->claims.len;
	head.headers_len = (uint32) job->headers.len;
	head.event_len = (uint32) job->event.len;
	head.payload_len = (uint32) job->payload.len;
	return bytes_append(out, &head, sizeof(head)) &&
		bytes_append_slice(out, job->role) &&
		bytes_append_slice(out, job->sub) &&
		bytes_append_slice(out, job->channel) &&
		bytes_append_slice(out, job->claims) &&
		bytes_append_slice(out, job->headers) &&
		bytes_append_slice(out, job->event) &&
		bytes_append_slice(out, job->payload);
}

/*
 * PublishJob, checked.
 */
bool
job_decode_publish(Slice body, PublishJob *job)
{
	PublishHead head;

	if (!take_head(&body, &head, sizeof(head)) || head.is_broadcast > 1)
		return false;
	job->is_broadcast = head.is_broadcast == 1;
	return take(&body, head.role_len, &job->role) &&
		take(&body, head.sub_len, &job->sub) &&
		take(&body, head.channel_len, &job->channel) &&
		take(&body, head.claims_len, &job->claims) &&
		take(&body, head.headers_len, &job->headers) &&
		take(&body, head.event_len, &job->event) &&
		take(&body, head.payload_len, &job->payload) &&
		body.len == 0 &&
		job->role.len >= 1 && job->role.len <= ROLE_MAX_BYTES &&
		job->channel.len >= 1 && job->channel.len <= TOPIC_MAX_BYTES &&
		job->claims.len >= 2 && job->headers.len >= 2 &&
		job->event.len >= 1 && job->event.len <= EVENT_MAX_BYTES &&
		job->payload.len >= 1 &&
		is_text(job->role) && is_text(job->sub) && is_text(job->channel) &&
		is_text(job->event) && is_text(job->payload);
}

/*
 * PublishReply, checked.
 */
bool
job_decode_publish_reply(Slice body, PublishReply *reply)
{
	static const uint8 zero[sizeof(reply->reserved)];

	return take_head(&body, reply, sizeof(*reply)) && body.len == 0 &&
		reply->verdict <= PUBLISH_DENIED &&
		memcmp(reply->reserved, zero, sizeof(zero)) == 0;
}

/*
 * How many entries does a JOB_AUDIENCE have?
 */
bool
job_decode_audience(Slice body, uint32 *count)
{
	AudienceEntry entry;

	if (body.len == 0 || body.len % sizeof(AudienceEntry) != 0 ||
		body.len > AUDIENCE_MAX_ENTRIES * sizeof(AudienceEntry))
		return false;
	*count = (uint32) (body.len / sizeof(AudienceEntry));
	for (uint32 i = 0; i < *count; i++)
	{
		job_audience_entry(body, i, &entry);
		if (entry.sockets == 0 || entry.reserved != 0)
			return false;
	}
	return true;
}

/*
 * One of them, the n-th from 0.
 */
void
job_audience_entry(Slice body, uint32 n, AudienceEntry *entry)
{
	memcpy(entry, body.data + n * sizeof(AudienceEntry), sizeof(AudienceEntry));
}

/*
 * One message of a HistoryReply: its length, its head, its record.
 */
bool
job_encode_history_entry(Bytes *out, const BusMessageHead *head, const WalMessage *message)
{
	uint32		len = (uint32) wal_record_size(message);
	size_t		before = out->len;

	if (!bytes_append(out, &len, sizeof(len)) || !bytes_append(out, head, sizeof(*head)) ||
		!bytes_reserve(out, len))
	{
		out->len = before;
		return false;
	}
	wal_record_encode(message, out->data + out->len);
	out->len += len;
	return true;
}

/*
 * HistoryReply; its messages are looked at one by one.
 */
bool
job_decode_history_reply(Slice body, HistoryReply *reply, Slice *entries)
{
	if (!take_head(&body, reply, sizeof(*reply)))
		return false;
	*entries = body;
	return HISTORY_VERDICT_VALID(reply->verdict) && reply->complete <= 1 &&
		(reply->reserved[0] | reply->reserved[1]) == 0 &&
		(reply->verdict == HISTORY_FOUND || reply->count == 0);
}

/*
 * The next message.
 */
bool
job_next_history_entry(Slice *entries, BusMessageHead *head, WalMessage *message)
{
	uint32		len;
	Slice		record;

	return take_head(entries, &len, sizeof(len)) &&
		take_head(entries, head, sizeof(*head)) &&
		take(entries, len, &record) &&
		wal_record_decode(record.data, record.len, message) &&
		message->kind == WAL_MESSAGE_BROADCAST;
}
