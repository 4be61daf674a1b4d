/*-------------------------------------------------------------------------
 *
 * outbox.c
 *	  What a Socket.IO client publishes, one event after the other.
 *
 * insforge-oaura.md 2.4.  An executor inserts the message as the client's role,
 * and what its commit brings is what everybody hears, the sender as well.  Jobs
 * overtake each other, so the next event of a client on a channel is sent off
 * when the one before it has been committed: that is its order.  Different
 * channels do not wait for each other.
 *
 * What a client has said counts even if it leaves the channel or the server right
 * after that, as it does with upstream: the outbox then goes on by itself.  It is
 * bounded by what is read from the client.
 *
 * src/gateway/outbox.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "lib/ilist.h"

#include "gateway/conn_input.h"
#include "gateway/gw_histograms.h"
#include "gateway/gw_stats.h"
#include "gateway/outbox.h"
#include "gateway/replies.h"
#include "gateway/request_headers.h"
#include "gateway/sio_reply.h"
#include "program/bus_jobs.h"
#include "proto/uuid.h"

/* A client that has more than this to publish is not read. */
#define CLIENT_MAX 64
#define CLIENT_MAX_BYTES (256 * 1024)

/* Nor one that has anything, if all clients together have more than this. */
#define ALL_MAX_BYTES (64 * 1024 * 1024)

/* An event that waits. */
typedef struct Waiting
{
	dlist_node	node;
	Identity   *identity;		/* a reference */
	bool		is_broadcast;
	uint8		ack_len;
	uint16		event_len;
	uint32		payload_len;
	char		data[FLEXIBLE_ARRAY_MEMBER];	/* ack, event, payload */
} Waiting;

/* The events of a client on one channel; the first is the one under way. */
typedef struct Outbox
{
	SioSession *session;		/* NULL = the client is gone */
	dlist_node	of_session;
	Topic	   *topic;			/* held */
	RequestHeaders *headers;	/* of the client; a reference */
	dlist_head	events;
	bool		asked;			/* the first one is with an executor */
	bool		stalled;		/* it found no room on the bus */
	dlist_node	stalled_node;
} Outbox;

static dlist_head stalled = DLIST_STATIC_INIT(stalled);
static size_t all_bytes;
static Bytes job;				/* being encoded */
static Bytes json;				/* an answer being put together */

/*
 * Parts of an event.
 */
static Slice
ack_of(const Waiting *event)
{
	return slice_make(event->data, event->ack_len);
}

static Slice
event_of(const Waiting *event)
{
	return slice_make(event->data + event->ack_len, event->event_len);
}

static Slice
payload_of(const Waiting *event)
{
	return slice_make(event->data + event->ack_len + event->event_len, event->payload_len);
}

/*
 * What it counts.
 */
static size_t
weight(const Waiting *event)
{
	return sizeof(Waiting) + event->event_len + event->payload_len;
}

/*
 * The outbox of a client for a topic, made if there is none; NULL without memory.
 */
static Outbox *
get_outbox(SioSession *session, Topic *topic)
{
	Outbox	   *outbox;
	dlist_iter	iter;

	dlist_foreach(iter, &session->outboxes)
	{
		outbox = dlist_container(Outbox, of_session, iter.cur);
		if (outbox->topic == topic)
			return outbox;
	}
	outbox = calloc(1, sizeof(Outbox));
	if (outbox == NULL)
		return NULL;
	outbox->session = session;
	outbox->topic = topic;
	outbox->headers = session->conn->headers;
	topics_hold(topic);
	request_headers_ref(outbox->headers);
	dlist_init(&outbox->events);
	dlist_push_tail(&session->outboxes, &outbox->of_session);
	return outbox;
}

/*
 * Free one that has nothing to publish.
 */
static void
free_outbox(Outbox *outbox)
{
	Assert(dlist_is_empty(&outbox->events));
	if (outbox->session != NULL)
		dlist_delete(&outbox->of_session);
	if (outbox->stalled)
		dlist_delete(&outbox->stalled_node);
	topics_release(outbox->topic);
	request_headers_unref(outbox->headers);
	free(outbox);
}

/*
 * The event under way is done with.
 */
static void
drop_first(Outbox *outbox)
{
	Waiting    *event = dlist_container(Waiting, node, dlist_pop_head_node(&outbox->events));

	all_bytes -= weight(event);
	if (outbox->session != NULL)
	{
		outbox->session->unpublished--;
		outbox->session->unpublished_bytes -= weight(event);
	}
	identity_unref(event->identity);
	free(event);
}

/*
 * Tell the client that an event is published.
 */
static void
tell_done(Conn *conn, Slice ack, const uint8 *id)
{
	char		text[UUID_TEXT_LENGTH];

	uuid_write(id, text);
	scratch_reset(&json);
	bytes_append_cstr(&json, "{\"ok\":true,\"messageId\":\"");
	bytes_append(&json, text, sizeof(text));
	bytes_append_cstr(&json, "\"}");
	sio_answer(conn, ack, &json);
}

/*
 * Or that it is not.  An error of the SQL means that it may not, as upstream
 * has it.
 */
static void
tell_failed(Outbox *outbox, Slice ack, JobOutcome outcome)
{
	static const SioError denied = {SIO_UNAUTHORIZED, "Not authorized to publish to this channel"};
	static const SioError busy = {SIO_UNAVAILABLE, "Failed to publish message"};
	static const SioError failed = {SIO_INTERNAL_ERROR, "Failed to publish message"};
	const SioError *error = &denied;

	if (outcome == JOB_BUSY || outcome == JOB_UNAVAILABLE)
		error = &busy;
	else if (outcome == JOB_TIMED_OUT)
		error = &failed;
	STAT_INC(BUS_STAT_CASTS_DENIED);
	sio_refuse(outbox->session->conn, ack, topic_name(outbox->topic), error);
}

static void ask(Outbox *outbox);

/*
 * Go on with the next event.
 */
static void
go_on(Outbox *outbox)
{
	if (dlist_is_empty(&outbox->events))
		free_outbox(outbox);
	else
		ask(outbox);
}

/*
 * The first event is over: tell the client, and go on.
 */
static void
end_first(Outbox *outbox, JobOutcome outcome, const uint8 *id)
{
	SioSession *session = outbox->session;
	const Waiting *event = dlist_head_element(Waiting, node, &outbox->events);

	outbox->asked = false;
	if (session != NULL && outcome == JOB_DONE && id != NULL)
		tell_done(session->conn, ack_of(event), id);
	else if (session != NULL)
		tell_failed(outbox, ack_of(event), outcome);
	drop_first(outbox);
	go_on(outbox);
	/* what is read now may free anything */
	if (session != NULL && session->waits && !outboxes_full(session))
	{
		session->waits = false;
		conn_input_resume(session->conn);
	}
}

/*
 * The answer to a job.
 */
static void
answered(JobOutcome outcome, Slice body, void *arg)
{
	PublishReply reply;

	if (outcome == JOB_DONE && !job_decode_publish_reply(body, &reply))
		outcome = JOB_FAILED;
	if (outcome == JOB_DONE && reply.verdict == PUBLISH_DONE)
		STAT_INC(BUS_STAT_STORED);
	end_first(arg, outcome,
			  outcome == JOB_DONE && reply.verdict == PUBLISH_DONE ? reply.id : NULL);
}

/*
 * Encode the job of an event; false without memory.
 */
static bool
encode(const Outbox *outbox, const Waiting *event)
{
	const JwtClaims *claims = &event->identity->claims;
	PublishJob	body = {
		.role = claims->role,
		.sub = claims->sub,
		.channel = topic_name(outbox->topic),
		.claims = claims->json,
		.headers = request_headers_json(outbox->headers),
		.event = event_of(event),
		.payload = payload_of(event),
		.is_broadcast = event->is_broadcast
	};

	bytes_free(&job);
	return job_encode_publish(&job, &body);
}

/*
 * Have the first event published, now or when the bus has room.
 */
static void
ask(Outbox *outbox)
{
	const Waiting *event = dlist_head_element(Waiting, node, &outbox->events);

	if (bus_jobs_room() && encode(outbox, event) &&
		bus_jobs_ask(JOB_PUBLISH, bytes_slice(&job), answered, outbox))
		outbox->asked = true;
	else if (!outbox->stalled)
	{
		outbox->stalled = true;
		dlist_push_tail(&stalled, &outbox->stalled_node);
	}
	bytes_free(&job);
}

/*
 * Keep an event; NULL without memory.
 */
static Waiting *
keep(const Publication *publication, Identity *identity)
{
	size_t		len = publication->ack.len + publication->event.len + publication->payload.len;
	Waiting    *event = malloc(offsetof(Waiting, data) + len);
	char	   *dst;

	if (event == NULL)
		return NULL;
	event->identity = identity_ref(identity);
	event->is_broadcast = publication->is_broadcast;
	event->ack_len = (uint8) publication->ack.len;
	event->event_len = (uint16) publication->event.len;
	event->payload_len = (uint32) publication->payload.len;
	dst = event->data;
	if (publication->ack.len > 0)
		memcpy(dst, publication->ack.data, publication->ack.len);
	dst += publication->ack.len;
	memcpy(dst, publication->event.data, publication->event.len);
	memcpy(dst + publication->event.len, publication->payload.data, publication->payload.len);
	return event;
}

/*
 * Publish.
 */
bool
outbox_publish(SioSession *session, Channel *channel, const Publication *publication)
{
	Outbox	   *outbox = get_outbox(session, channel->topic);
	Waiting    *event = NULL;

	if (outbox != NULL)
		event = keep(publication, session->conn->identity);
	if (event == NULL)
	{
		if (outbox != NULL && dlist_is_empty(&outbox->events))
			free_outbox(outbox);
		return false;
	}
	measure_payload(publication->payload.len);
	all_bytes += weight(event);
	session->unpublished++;
	session->unpublished_bytes += weight(event);
	dlist_push_tail(&outbox->events, &event->node);
	if (!outbox->asked && !outbox->stalled)
		ask(outbox);
	return true;
}

/*
 * Room?
 */
bool
outboxes_have_room(void)
{
	return all_bytes < 2 * ALL_MAX_BYTES;
}

/*
 * Enough?
 */
bool
outboxes_full(const SioSession *session)
{
	return session->unpublished >= CLIENT_MAX ||
		session->unpublished_bytes >= CLIENT_MAX_BYTES ||
		(session->unpublished > 0 && all_bytes >= ALL_MAX_BYTES);
}

/*
 * Go on without a client.
 */
void
outboxes_orphan(SioSession *session)
{
	while (!dlist_is_empty(&session->outboxes))
	{
		Outbox	   *outbox = dlist_container(Outbox, of_session,
											 dlist_pop_head_node(&session->outboxes));

		outbox->session = NULL;
	}
	session->unpublished = 0;
	session->unpublished_bytes = 0;
}

/*
 * Have those go on that found no room.
 */
void
outboxes_flush(void)
{
	while (!dlist_is_empty(&stalled) && bus_jobs_room())
	{
		Outbox	   *outbox = dlist_container(Outbox, stalled_node,
											 dlist_pop_head_node(&stalled));

		outbox->stalled = false;
		ask(outbox);
		if (outbox->stalled)
			break;				/* no memory: in a later turn */
	}
}
