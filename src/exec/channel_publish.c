/*-------------------------------------------------------------------------
 *
 * channel_publish.c
 *	  What clients publish on channels.
 *
 * insforge-oaura.md 2.4: the channel is found whoever asks; then a row is inserted
 * into realtime.messages as the client, whose grants and policies decide, and its
 * commit publishes it.
 *
 * A real INSERT would have to be planned for each job.  So the policies are asked
 * first, about the very row, in a plan that is kept (policy_query.c); then it is
 * put into its partition (direct_insert.c).  Where they cannot be asked that way,
 * or the row cannot be put there, a real INSERT does both.
 *
 * On a channel that does not store its messages they decide the same way.  If
 * only a real INSERT can tell, it is rolled back.
 *
 * Whatever the client or the policies bring about is the answer no, as on
 * InsForge's server: it cannot be told apart from a policy that refuses.
 *
 * src/exec/channel_publish.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "api/channels_table.h"
#include "api/direct_insert.h"
#include "api/emit.h"
#include "api/message_number.h"
#include "api/message_row.h"
#include "api/publish.h"
#include "api/send.h"
#include "api/utf8_text.h"
#include "api/uuid_v7.h"
#include "api/webhooks.h"
#include "exec/apart.h"
#include "exec/channel_publish.h"
#include "exec/client.h"
#include "exec/job_run.h"
#include "exec/policy_cache.h"
#include "exec/report.h"
#include "exec/role_check.h"
#include "exec/virtual_row.h"
#include "proto/event_name.h"

#define ADMIN_ROLE "project_admin"

/* What the policies say of a row. */
typedef enum Decision
{
	DECISION_NO,
	DECISION_YES,
	DECISION_BY_INSERT			/* a real one has to be tried */
} Decision;

/*
 * Append the answer.
 */
static void
append_answer(Bytes *answer, PublishVerdict verdict, const pg_uuid_t *id)
{
	PublishReply reply = {0};

	reply.verdict = (uint8) verdict;
	if (id != NULL)
		memcpy(reply.id, id->data, MESSAGE_ID_BYTES);
	if (!bytes_append(answer, &reply, sizeof(reply)))
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
}

/*
 * Fill the row of a message.
 */
static void
make_row(const PublishJob *job, const Client *client, const ChannelInfo *channel,
		 MessageRow *row)
{
	memset(row, 0, sizeof(*row));
	uuid_v7_generate(&row->id);
	row->inserted_at = GetCurrentTimestamp();
	row->topic = cstring_to_text(client->topic);
	row->event = cstring_to_text(utf8_to_server(job->event));
	row->payload = DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
													  CStringGetDatum(utf8_to_server(job->payload))));
	row->is_private = true;
	row->has_channel = true;
	row->channel_id = channel->id;
	row->is_unstored = !channel->persist;
	row->has_webhooks = channel->has_webhooks;
	row->by_user = strcmp(client->role, ADMIN_ROLE) != 0;
	row->is_broadcast = job->is_broadcast;
	row->has_sender = *client->sub != '\0';
	if (row->has_sender)
		row->sender_id = *DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(client->sub)));
}

/*
 * Ask the policies about a row.
 */
static Decision
decide(Relation messages, const MessageRow *row)
{
	const PolicyQuery *query = policy_cache_get(messages, POLICY_PUBLISH);

	switch (query->barrier)
	{
		case BARRIER_SCHEMA:
		case BARRIER_TABLE:
			return DECISION_NO;
		case BARRIER_NONE:
			return DECISION_YES;
		case BARRIER_POLICIES:
			return virtual_row_ask_message(query->plan, messages, row) == VERDICT_TRUE ?
				DECISION_YES : DECISION_NO;
		case BARRIER_REAL_ROW:
			break;
	}
	return DECISION_BY_INSERT;
}

/*
 * Insert a row that nobody shall hear of.
 */
static void
insert_muted(void *arg)
{
	publish_muted = true;
	PG_TRY();
	{
		send_by_insert(arg);
	}
	PG_FINALLY();
	{
		publish_muted = false;
	}
	PG_END_TRY();
}

/*
 * Publish a row without storing it.
 */
static void
publish_unstored(MessageRow *row, WalMessage *message, Decision decision)
{
	ErrorData  *error = NULL;

	if (decision == DECISION_BY_INSERT)
		error = run_apart(insert_muted, row);
	if (error != NULL)
		ReThrowError(error);
	emit_message(message);
	webhooks_enqueue(row);
}

/*
 * Store a row and publish it.
 */
static void
publish_stored(MessageRow *row, WalMessage *message, Decision decision)
{
	if (decision == DECISION_YES && direct_insert_allowed(row))
	{
		emit_message(message);
		webhooks_enqueue(row);
	}
	else
		send_by_insert(row);
}

/*
 * Publish as the client that we are; false if the policies say no.
 */
static bool
publish_row(Relation messages, MessageRow *row)
{
	WalMessage	message;
	MessageFault fault;
	Decision	decision;

	row->number = message_number_next();
	if (!message_from_row(row, &message, &fault))
		message_fault_raise(&fault);
	decision = decide(messages, row);
	if (decision == DECISION_NO)
		return false;
	if (row->is_unstored)
		publish_unstored(row, &message, decision);
	else
		publish_stored(row, &message, decision);
	return true;
}

/*
 * Find the channel and publish on it.
 */
static bool
publish(const PublishJob *job, Client *client, Relation messages, Relation channels,
		pg_uuid_t *id)
{
	ChannelInfo channel;
	MessageRow	row;

	if (event_name_is_reserved(job->event) ||
		!channel_find(channels, slice_make(client->topic, strlen(client->topic)), &channel))
		return false;
	client_hide_sub(client);
	client_become(client);
	make_row(job, client, &channel, &row);
	*id = row.id;
	return publish_row(messages, &row);
}

/*
 * JOB_PUBLISH.
 */
JobOutcome
channel_publish(Slice body, Bytes *answer)
{
	PublishJob	job;
	Client		client;
	RoleRefusal refusal;
	Relation	messages;
	Relation	channels;
	pg_uuid_t	id;
	Oid			save_user;
	int			save_context;

	if (!job_decode_publish(body, &job))
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("what is to be published is malformed")));
	client.role = utf8_to_server(job.role);
	client.sub = utf8_to_server(job.sub);
	client.topic = utf8_to_server(job.channel);
	client.claims = utf8_to_server(job.claims);
	client.headers = utf8_to_server(job.headers);

	messages = policy_cache_open_messages();
	channels = policy_cache_open_channels();
	if (messages == NULL || channels == NULL)
		return JOB_UNAVAILABLE;
	if (!role_check(client.role, RelationGetRelid(messages), &client.role_oid, &refusal))
	{
		role_check_report(client.role, &refusal);
		return JOB_REFUSED;
	}
	GetUserIdAndSecContext(&save_user, &save_context);
	if (publish(&job, &client, messages, channels, &id))
		append_answer(answer, PUBLISH_DONE, &id);
	else
	{
		append_answer(answer, PUBLISH_DENIED, NULL);
		job_roll_back();
	}
	SetUserIdAndSecContext(save_user, save_context);
	relation_close(channels, NoLock);
	relation_close(messages, NoLock);
	return JOB_DONE;
}

/*
 * Is this an error of the server's, and none that a client or a policy brings
 * about?
 */
static bool
is_server_error(const ErrorData *error)
{
	switch (ERRCODE_TO_CATEGORY(error->sqlerrcode))
	{
		case ERRCODE_CONNECTION_EXCEPTION:
		case ERRCODE_TRANSACTION_ROLLBACK:
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_SYSTEM_ERROR:
		case ERRCODE_INTERNAL_ERROR:
			return true;
		default:
			return error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE;
	}
}

/*
 * Does an error mean no?
 */
bool
channel_publish_denied(const ErrorData *error, Bytes *answer)
{
	static ReportLimit limit;

	if (is_server_error(error))
		return false;
	report_error(&limit, error, "publish on a channel");
	answer->len = 0;
	append_answer(answer, PUBLISH_DENIED, NULL);
	return true;
}
