/*-------------------------------------------------------------------------
 *
 * change_audience.c
 *	  Channels that are told the same of a change.
 *
 * A frame is encoded once for all members of an audience, whoever of them gets
 * it, and the data in it once for all audiences that see the same columns.
 * Frames of one turn lie behind each other in memory, so that what a socket
 * gets of them is one run in its queue.
 *
 * Where audiences are small, as where every client has a topic of its own, there
 * would be as many copies of the data.  So a frame of more than a few bytes then
 * is only its head, and what follows is shared by all audiences.
 *
 * Frames of a turn are let go of at its end, because a queue's age is that of
 * its oldest buffer.
 *
 * src/gateway/change_audience.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "common/hashfn.h"

#include "gateway/change_audience.h"
#include "gateway/replies.h"
#include "program/loop.h"
#include "proto/phoenix_shared.h"

#define BUF_MAX (64 * 1024)		/* a buffer of several frames */
#define SPLIT_BYTES 512			/* of data that is worth sharing */
#define SPLIT_MEMBERS 4			/* in an audience that is small */
#define FIRST_CAP 4				/* members */

/* The data that was encoded last, and what it depends on. */
typedef struct DataKey
{
	uint64		serial;
	const Plan *plan;			/* NULL: everything that the table has */
	uint32		relation;
	int			group;
	ChangeFault fault;
} DataKey;

/* The end of messages with these data, as one version has it. */
typedef struct Body
{
	DataKey		key;			/* serial 0 = none */
	FrameBuf   *buf;			/* a reference */
	uint32		start;
	uint32		end;
} Body;

static ChainTable table;		/* of Audience */
static Audience *open_audiences;
static DataKey data_key;
static Bytes data;				/* JSON */
static Bytes payload;			/* of the message */
static Bytes frame;
static Body bodies[PHX_VERSIONS][2];	/* and for legacy ones */
static FrameBuf *open_bodies;	/* those of this turn */

/*
 * Hash of what an audience has in common.  Nobody can choose addresses.
 */
static uint32
audience_hash(const Terms *terms, const Topic *topic, PhxVersion version, bool legacy)
{
	return hash_combine(hash_combine(topic->hash, (uint32) ((uintptr_t) terms >> 4)),
						version * 2 + legacy);
}

/*
 * Get the audience.
 */
Audience *
change_audience_get(Terms *terms, Topic *topic, PhxVersion version, bool legacy)
{
	uint32		hash = audience_hash(terms, topic, version, legacy);
	Audience   *audience;

	for (ChainNode *node = chain_first(&table, hash); node != NULL; node = chain_next(node))
	{
		audience = chain_container(Audience, node, node);
		if (audience->terms == terms && audience->topic == topic &&
			audience->version == version && audience->legacy == legacy)
			return change_audience_ref(audience);
	}
	audience = calloc(1, sizeof(Audience));
	if (audience == NULL)
		return NULL;
	audience->refs = 1;
	audience->terms = terms;
	terms->refs++;
	audience->topic = topic;
	topics_hold(topic);
	audience->version = (uint8) version;
	audience->legacy = legacy;
	dlist_push_tail(&terms->audiences, &audience->of_terms);
	chain_insert(&table, &audience->node, hash);
	return audience;
}

/*
 * Hold it.
 */
Audience *
change_audience_ref(Audience *audience)
{
	audience->refs++;
	return audience;
}

/*
 * Let go of a buffer, if there is one.
 */
static void
drop_buf(FrameBuf **buf)
{
	if (*buf != NULL)
		frame_buf_unref(*buf);
	*buf = NULL;
}

/*
 * Let go of what was encoded in this turn.
 */
static void
close_frames(Audience *audience)
{
	for (int i = 0; i < AUDIENCE_FRAMES; i++)
	{
		audience->frames[i].serial = 0;
		drop_buf(&audience->frames[i].buf);
		drop_buf(&audience->frames[i].body);
	}
	drop_buf(&audience->open);
}

/*
 * Forget an audience that nobody holds.
 */
static void
free_audience(Audience *audience)
{
	Assert(audience->count == 0);
	chain_remove(&table, &audience->node);
	dlist_delete(&audience->of_terms);
	change_terms_release(audience->terms);
	topics_release(audience->topic);
	free(audience->members);
	free(audience);
}

/*
 * Let go of it.  One with frames stays to the end of the turn.
 */
void
change_audience_unref(Audience *audience)
{
	Assert(audience->refs > 0);
	if (--audience->refs == 0)
		free_audience(audience);
}

/*
 * Add a member.
 */
bool
change_audience_add(Audience *audience, struct Changes *member, uint32 *place)
{
	if (audience->count == audience->cap)
	{
		uint32		cap = Max(audience->cap * 2, FIRST_CAP);
		struct Changes **moved = realloc(audience->members, cap * sizeof(struct Changes *));

		if (moved == NULL)
			return false;
		audience->members = moved;
		audience->cap = cap;
	}
	*place = audience->count;
	audience->members[audience->count++] = member;
	return true;
}

/*
 * Fill the gap with the last one.
 */
struct Changes *
change_audience_remove(Audience *audience, uint32 place)
{
	Assert(place < audience->count);
	audience->count--;
	if (place == audience->count)
		return NULL;
	audience->members[place] = audience->members[audience->count];
	return audience->members[place];
}

/*
 * Of what a group of entries may see of a relation.
 */
static ChangeColumns
columns_of(const Audience *audience, const Telling *telling, int group)
{
	const PlanRelation *relation = &telling->plan->relations[telling->relation];
	const SelectGroup *select = &audience->terms->groups[group];
	ChangeColumns columns;

	columns.all = relation->all_columns;
	columns.attnums = relation->attnums;
	columns.wanted = select->wanted;
	columns.nwanted = select->nwanted;
	return columns;
}

/*
 * Are these the same data?
 */
static bool
same_data(const DataKey *a, const DataKey *b)
{
	return a->serial == b->serial && a->plan == b->plan && a->relation == b->relation &&
		a->group == b->group && a->fault == b->fault;
}

/*
 * Have the JSON of the change in `data`; false without memory.
 */
static bool
encode_data(const Audience *audience, const Telling *telling, int group, ChangeFault fault)
{
	ChangeColumns columns = columns_of(audience, telling, group);
	DataKey		key = {telling->serial, telling->plan, telling->relation, group, fault};

	if (fault == CHANGE_FINE)
		key.fault = fault = change_fault(telling->record, &columns);
	if (columns.all && columns.nwanted == 0)
	{
		key.plan = NULL;
		key.relation = 0;
		key.group = 0;
	}
	if (same_data(&data_key, &key))
		return true;
	scratch_reset(&data);
	data_key.serial = 0;
	if (!change_encode_data(&data, telling->record, &columns, telling->committed_at, fault))
		return false;
	data_key = key;
	return true;
}

/*
 * Have the payload of a message up to its data in `payload`: the entries that it
 * is for, whose ids count from 1.
 */
static void
begin_payload(uint64 entries)
{
	bool		first = true;

	scratch_reset(&payload);
	bytes_append_cstr(&payload, "{\"ids\":[");
	for (int i = 0; i < CHANGE_MAX_ENTRIES; i++)
	{
		if ((entries & (UINT64CONST(1) << i)) == 0)
			continue;
		if (!first)
			bytes_append_byte(&payload, ',');
		bytes_append_u64(&payload, i + 1);
		first = false;
	}
	bytes_append_cstr(&payload, "],\"data\":");
}

/*
 * Have the whole message in `frame`; false without memory.
 */
static bool
encode_frame(const Audience *audience, const Telling *telling, uint64 entries)
{
	Slice		topic = topic_full_name(audience->topic);

	scratch_reset(&frame);
	if (audience->legacy)
		return phx_encode_text(&frame, audience->version, NO_REF, NO_REF, topic,
							   change_type_name(telling->record->op), bytes_slice(&data));
	begin_payload(entries);
	bytes_append_slice(&payload, bytes_slice(&data));
	return bytes_append_byte(&payload, '}') &&
		phx_encode_text(&frame, audience->version, NO_REF, NO_REF, topic,
						"postgres_changes", bytes_slice(&payload));
}

/*
 * Have the message up to its data in `frame`; false without memory.
 */
static bool
encode_head(const Audience *audience, const Telling *telling, uint64 entries)
{
	Slice		topic = topic_full_name(audience->topic);

	scratch_reset(&frame);
	if (audience->legacy)
		return phx_encode_shared_head(&frame, audience->version, NO_REF, topic,
									  change_type_name(telling->record->op), data.len);
	begin_payload(entries);
	return !payload.failed &&
		phx_encode_shared_head(&frame, audience->version, NO_REF, topic, "postgres_changes",
							   payload.len + data.len + 1) &&
		bytes_append_slice(&frame, bytes_slice(&payload));
}

/*
 * Have change_audiences_end() let go of the frames.
 */
static void
note_open(Audience *audience)
{
	if (audience->is_open)
		return;
	audience->is_open = true;
	audience->next_open = open_audiences;
	open_audiences = change_audience_ref(audience);
}

/*
 * Append bytes to an open buffer, or to a larger one that takes its place; *buf
 * is a reference to it.  False without memory.
 */
static bool
append(FrameBuf **open, Slice bytes, FrameBuf **buf, uint32 *start, uint32 *end)
{
	if (*open == NULL || frame_buf_room(*open) < bytes.len)
	{
		size_t		cap = *open == NULL ? 0 : Min((size_t) (*open)->cap * 2, BUF_MAX);

		drop_buf(open);
		*open = frame_buf_new(Max(bytes.len, cap));
		if (*open == NULL)
			return false;
	}
	*start = (*open)->len;
	frame_buf_append(*open, bytes.data, bytes.len);
	*end = (*open)->len;
	*buf = frame_buf_ref(*open);
	return true;
}

/*
 * What follows the head of a message with the data at hand; NULL without memory.
 */
static const Body *
get_body(const Audience *audience)
{
	Body	   *body = &bodies[audience->version][audience->legacy];
	bool		appended;

	if (body->key.serial != 0 && same_data(&body->key, &data_key))
		return body;
	body->key.serial = 0;
	drop_buf(&body->buf);
	scratch_reset(&payload);
	bytes_append_slice(&payload, bytes_slice(&data));
	if (!audience->legacy)
		bytes_append_byte(&payload, '}');
	bytes_append_slice(&payload, phx_shared_tail(audience->version));
	appended = !payload.failed &&
		append(&open_bodies, bytes_slice(&payload), &body->buf, &body->start, &body->end);
	if (!appended)
		return NULL;
	body->key = data_key;
	return body;
}

/*
 * Let a frame's body be that of others; false without memory.
 */
static bool
share_body(const Audience *audience, AudienceFrame *slot)
{
	const Body *body = get_body(audience);

	if (body == NULL)
		return false;
	slot->body = frame_buf_ref(body->buf);
	slot->body_start = body->start;
	slot->body_end = body->end;
	return true;
}

/*
 * Encode a frame into its place; false without memory.
 */
static bool
fill_slot(Audience *audience, const Telling *telling, uint64 entries, AudienceFrame *slot)
{
	bool		split = audience->count <= SPLIT_MEMBERS && data.len >= SPLIT_BYTES;

	slot->serial = 0;
	drop_buf(&slot->buf);
	drop_buf(&slot->body);
	if (!(split ? encode_head(audience, telling, entries) :
		  encode_frame(audience, telling, entries)))
		return false;
	note_open(audience);
	return append(&audience->open, bytes_slice(&frame), &slot->buf, &slot->start, &slot->end) &&
		(!split || share_body(audience, slot));
}

/*
 * Get a frame, the one of before if it is the same.
 */
const AudienceFrame *
change_audience_frame(Audience *audience, const Telling *telling, int group,
					  uint64 entries, ChangeFault fault)
{
	AudienceFrame *slot = &audience->frames[group % AUDIENCE_FRAMES];

	if (slot->serial == telling->serial && slot->entries == entries && slot->fault == fault)
		return slot;
	if (!encode_data(audience, telling, group, fault) ||
		!fill_slot(audience, telling, entries, slot))
		return NULL;
	slot->serial = telling->serial;
	slot->entries = entries;
	slot->fault = fault;
	return slot;
}

/*
 * The turn is over.
 */
void
change_audiences_end(void)
{
	while (open_audiences != NULL)
	{
		Audience   *audience = open_audiences;

		open_audiences = audience->next_open;
		audience->is_open = false;
		close_frames(audience);
		change_audience_unref(audience);
	}
	for (int v = 0; v < PHX_VERSIONS; v++)
	{
		for (int legacy = 0; legacy < 2; legacy++)
		{
			bodies[v][legacy].key.serial = 0;
			drop_buf(&bodies[v][legacy].buf);
		}
	}
	drop_buf(&open_bodies);
}
