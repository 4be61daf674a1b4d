/*-------------------------------------------------------------------------
 *
 * changes.c
 *	  Channels that follow tables: from their join to their end.
 *
 * supabase.md 6.  A join is answered when the database has said what it will
 * get and the hub that nothing will be missed, so that what commits after the
 * answer is always delivered.  Where the database refuses, the join succeeds
 * nevertheless, as upstream's does, and a system message says why; with
 * postgres_changes_options.wait the join is refused instead (6.5).
 *
 * A channel that gets a token of another role goes on by the old one until the
 * database has said what the new one gets.
 *
 * A join without a configuration asks by the name of its topic (3.1).  Most of
 * those mean no table at all, so only names that look like one are asked for,
 * and where there is no such table nothing is said.
 *
 * src/gateway/changes.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/change_delivery.h"
#include "gateway/changes.h"
#include "gateway/conn_timers.h"
#include "gateway/joins.h"
#include "gateway/refusals.h"
#include "gateway/replies.h"

#define REFUSAL_PREFIX "RealtimeDisabledForConfiguration: "
#define NO_DATABASE "Realtime was unable to connect to the project database"

static const SystemMessage subscribed =
{"postgres_changes", "ok", "Subscribed to PostgreSQL", true};

static Bytes error_text;		/* of a join being looked at */

/*
 * The channel's part that a waiter is embedded in.
 */
static Changes *
changes_of_waiter(TermsWaiter *waiter)
{
	return (Changes *) ((char *) waiter - offsetof(Changes, wait));
}

/*
 * Send a system message about tables.
 */
static void
send_error(Channel *channel, const char *text)
{
	SystemMessage message = {"postgres_changes", "error", text, true};

	reply_system(channel, &message);
}

/*
 * Remember why nothing is followed; false without memory.
 */
static bool
set_error(Changes *changes, Slice text)
{
	changes->error = malloc(text.len + 1);
	if (changes->error == NULL)
		return false;
	if (text.len > 0)
		memcpy(changes->error, text.data, text.len);
	changes->error[text.len] = '\0';
	return true;
}

/*
 * Leave the audience.
 */
static void
leave_audience(Changes *changes)
{
	Audience   *audience = changes->audience;
	Changes    *moved;

	if (audience == NULL)
		return;
	moved = change_audience_remove(audience, changes->place);
	if (moved != NULL)
		moved->place = changes->place;
	changes->audience = NULL;
	change_audience_unref(audience);
}

/*
 * Join the audience of the terms, instead of the one before; false without
 * memory.
 */
static bool
enter_audience(Changes *changes)
{
	Channel    *channel = changes->channel;
	Audience   *audience = change_audience_get(changes->terms, channel->topic,
											   channel->conn->version, changes->legacy);
	uint32		place;

	if (audience == NULL)
		return false;
	if (audience == changes->audience)
	{
		change_audience_unref(audience);
		return true;
	}
	if (!change_audience_add(audience, changes, &place))
	{
		change_audience_unref(audience);
		return false;
	}
	leave_audience(changes);
	changes->audience = audience;
	changes->place = place;
	return true;
}

/*
 * Ask no more, and hear no more.
 */
static void
let_go(Changes *changes)
{
	change_delivery_forget(changes);
	leave_audience(changes);
	change_terms_leave(&changes->wait);
	if (changes->terms != NULL)
		change_terms_release(changes->terms);
	changes->terms = NULL;
}

/*
 * From now on these terms count, when they have been asked for.
 */
static void
set_terms(Changes *changes, Terms *terms)
{
	change_terms_leave(&changes->wait);
	if (changes->terms != NULL)
		change_terms_release(changes->terms);
	changes->terms = terms;
	change_terms_wait(terms, &changes->wait);
}

/*
 * From now on the rights of the channel's identity count.
 */
static void
set_identity(Changes *changes)
{
	identity_unref(changes->identity);
	changes->identity = identity_ref(changes->channel->identity);
}

/*
 * A channel that follows already has other terms, which are ready.
 */
static void
change_over(Changes *changes)
{
	set_identity(changes);
	if (enter_audience(changes))
		reply_system(changes->channel, &subscribed);
	else
		reply_no_memory(changes->conn);
}

/*
 * The terms are ready.
 */
static void
terms_ready(TermsWaiter *waiter)
{
	Changes    *changes = changes_of_waiter(waiter);

	if (changes->channel->state == CHANNEL_JOINED)
		change_over(changes);
	else
		join_continue(changes->channel);
}

/*
 * The database refuses.
 */
static void
terms_failed(TermsWaiter *waiter, Slice error)
{
	Changes    *changes = changes_of_waiter(waiter);
	Channel    *channel = changes->channel;

	let_go(changes);
	if (changes->legacy && channel->state != CHANNEL_JOINED)
		join_continue(channel);
	else if (!set_error(changes, error))
		reply_no_memory(changes->conn);
	else if (channel->state == CHANNEL_JOINED)
		send_error(channel, changes->error);
	else
		join_continue(channel);
}

/*
 * Nobody could say.  Joins without a configuration mostly are not about tables.
 */
static void
terms_unanswered(TermsWaiter *waiter, JobOutcome outcome)
{
	Changes    *changes = changes_of_waiter(waiter);
	Channel    *channel = changes->channel;
	RefusalText room;

	if (channel->state == CHANNEL_JOINED)
		join_end(channel, NO_DATABASE, END_FOR_NOW);
	else if (!changes->legacy)
		join_refuse(channel, refusal_of_job(outcome, topic_name(channel->topic), &room));
	else
	{
		let_go(changes);
		if (set_error(changes, SLICE_LIT(NO_DATABASE)))
			join_continue(channel);
		else
			reply_no_memory(changes->conn);
	}
}

/*
 * A member of one of the audiences, which may all be empty.
 */
static Changes *
any_member(Terms *terms)
{
	dlist_iter	iter;

	dlist_foreach(iter, &terms->audiences)
	{
		Audience   *audience = dlist_container(Audience, of_terms, iter.cur);

		if (audience->count > 0)
			return audience->members[audience->count - 1];
	}
	return NULL;
}

/*
 * What a channel follows is gone.
 */
static void
end_following(Changes *changes, Slice error)
{
	let_go(changes);
	if (set_error(changes, error))
		send_error(changes->channel, changes->error);
	else
		reply_no_memory(changes->conn);
}

/*
 * The database refuses what was followed.
 */
static void
terms_failed_all(Terms *terms, Slice error)
{
	Changes    *changes;

	while ((changes = any_member(terms)) != NULL)
		end_following(changes, error);
}

/*
 * Nobody could say whether it still may be.
 */
static void
terms_unanswered_all(Terms *terms)
{
	Changes    *changes;

	while ((changes = any_member(terms)) != NULL)
		join_end(changes->channel, NO_DATABASE, END_FOR_NOW);
}

/*
 * Be told of what becomes of questions.
 */
void
changes_init(void)
{
	static const TermsHandlers handlers = {
		.ready = terms_ready,
		.failed = terms_failed,
		.unanswered = terms_unanswered,
		.failed_all = terms_failed_all,
		.unanswered_all = terms_unanswered_all
	};

	change_terms_init(&handlers);
	change_delivery_init();
}

/*
 * Does the name of a topic look like schema[:table[:filter]]?
 */
static bool
names_table(Slice name)
{
	return slice_equals_cstr(name, "*") || slice_equals_cstr(name, "public") ||
		slice_has_prefix(name, SLICE_LIT("public:")) ||
		slice_has_prefix(name, SLICE_LIT("*:"));
}

/*
 * Give a channel its part in following tables; NULL without memory.
 */
static Changes *
make_changes(Channel *channel, Slice payload, bool legacy)
{
	Slice		options = jslice_get(jslice_get(payload, "config"), "postgres_changes_options");
	Changes    *changes = calloc(1, sizeof(Changes));

	if (changes == NULL)
		return NULL;
	changes->channel = channel;
	changes->conn = channel->conn;
	changes->identity = identity_ref(channel->identity);
	changes->legacy = legacy;
	changes->reply_waits = jslice_bool(jslice_get(options, "wait"), false);
	dlist_init(&changes->held);
	channel->changes = changes;
	return changes;
}

/*
 * Ask the database about entries; false without memory.
 */
static bool
ask(Channel *channel, Slice payload, bool legacy, const ChangeEntries *entries)
{
	Changes    *changes = make_changes(channel, payload, legacy);
	Terms	   *terms;

	if (changes == NULL)
		return false;
	terms = change_terms_get(channel->identity->claims.role, entries);
	if (terms == NULL)
		return false;
	set_terms(changes, terms);
	return true;
}

/*
 * Note what is wrong with entries; false without memory.
 */
static bool
refuse(Channel *channel, Slice payload)
{
	Changes    *changes = make_changes(channel, payload, false);

	return changes != NULL && set_error(changes, bytes_slice(&error_text));
}

/*
 * Look at a join.
 */
bool
changes_open(Channel *channel, Slice payload, const PhxJoin *settings)
{
	bool		legacy = jslice_type(jslice_get(payload, "config")) == JSLICE_NONE;
	ChangeEntries entries;
	EntryParse	verdict;
	bool		done;

	if (legacy && !names_table(topic_name(channel->topic)))
		return true;
	scratch_reset(&error_text);
	if (legacy)
		verdict = change_entries_of_name(topic_name(channel->topic), &entries, &error_text);
	else
		verdict = change_entries_parse(settings->postgres_changes, &entries, &error_text);
	switch (verdict)
	{
		case ENTRIES_PARSED:
			done = entries.count == 0 || ask(channel, payload, legacy, &entries);
			change_entries_free(&entries);
			return done;
		case ENTRIES_BAD:
			return legacy || refuse(channel, payload);
		default:
			return false;
	}
}

/*
 * Is everything known?  What was, but may have changed since, is waited for
 * once more.
 */
bool
changes_ready(Channel *channel)
{
	Changes    *changes = channel->changes;
	Terms	   *terms;

	if (changes == NULL || changes->terms == NULL)
		return true;
	if (changes->wait.waits)
		return false;
	if (change_terms_ready(changes->terms))
		return true;
	terms = change_terms_of_role(changes->terms, changes->identity->claims.role);
	if (terms != NULL)
		set_terms(changes, terms);
	else
		reply_no_memory(channel->conn);
	return false;
}

/*
 * Is the join to be refused?
 */
const char *
changes_refusal(const Channel *channel)
{
	const Changes *changes = channel->changes;

	if (changes == NULL || changes->error == NULL || !changes->reply_waits)
		return NULL;
	scratch_reset(&error_text);
	bytes_append_cstr(&error_text, REFUSAL_PREFIX);
	bytes_append(&error_text, changes->error, strlen(changes->error) + 1);
	return error_text.failed ? REFUSAL_PREFIX : error_text.data;
}

/*
 * From now on the channel is told of changes.  Terms that were ready may have
 * been given up by now, while the join waited for something else.
 */
static void
begin_following(Changes *changes)
{
	changes->since = change_delivery_serial();
	if (changes_ready(changes->channel))
		change_over(changes);
}

/*
 * The channel is joined.
 */
void
changes_answered(Channel *channel)
{
	Changes    *changes = channel->changes;

	if (changes == NULL)
		return;
	if (changes->error != NULL)
		send_error(channel, changes->error);
	else if (changes->terms != NULL)
		begin_following(changes);
}

/*
 * The channel has another identity.
 */
void
changes_identified(Channel *channel)
{
	Changes    *changes = channel->changes;
	Terms	   *terms;

	if (changes == NULL || changes->terms == NULL)
		return;
	terms = change_terms_of_role(changes->terms, channel->identity->claims.role);
	if (terms == NULL)
	{
		reply_no_memory(channel->conn);
		return;
	}
	if (changes->audience == NULL)
		set_identity(changes);
	if (terms != changes->terms || changes->audience == NULL)
	{
		set_terms(changes, terms);
		return;
	}
	change_terms_leave(&changes->wait);
	change_terms_check(terms);
	change_terms_release(terms);
	change_over(changes);
}

/*
 * The channel ends.
 */
void
changes_close(Channel *channel)
{
	Changes    *changes = channel->changes;

	if (changes == NULL)
		return;
	let_go(changes);
	identity_unref(changes->identity);
	free(changes->error);
	free(changes);
	channel->changes = NULL;
}

/*
 * End all channels that follow.
 */
void
changes_end_all(const char *message)
{
	for (Conn *conn = conn_first_open(); conn != NULL; conn = conn_next_open(conn))
	{
		Channel    *channel = conn->channels.first;

		while (channel != NULL)
		{
			Channel    *next = channel->next;

			if (channel->changes != NULL && channel->changes->audience != NULL)
				join_end(channel, message, END_FOR_NOW);
			channel = next;
		}
	}
}
