/*-------------------------------------------------------------------------
 *
 * presence_member.c
 *	  A key of a presence as InsForge's clients know it: a member.
 *
 * insforge-oaura.md 1.7.  All sockets of a user are one member, which is what a
 * key with several metas is.
 *
 * src/gateway/presence_member.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/presence_member.h"
#include "proto/iso_time.h"
#include "proto/jslice.h"

/* What is known of a member after some of its metas. */
typedef struct Member
{
	bool		any;
	Slice		type;			/* raw JSON strings; empty = it has none */
	Slice		joined_at;
	int64		seen_at;		/* of the first meta */
	Slice		payload;		/* raw JSON; empty = it has none */
	Slice		fields;			/* between the braces of a payload, instead */
} Member;

/* The members of a meta that a client of this kind wrote. */
typedef struct MetaParts
{
	Slice		type;
	Slice		id;
	Slice		joined_at;
	Slice		payload;
} MetaParts;

/*
 * Find them.  False if it was none of these clients.
 */
static bool
read_parts(Slice meta, MetaParts *parts)
{
	JsliceIter	it;
	Slice		key;
	Slice		value;

	memset(parts, 0, sizeof(*parts));
	jslice_iter_init(&it, meta);
	while (jslice_iter_next(&it, &key, &value))
	{
		if (jslice_string_equals(key, SLICE_LIT("type")))
			parts->type = value;
		else if (jslice_string_equals(key, SLICE_LIT("presenceId")))
			parts->id = value;
		else if (jslice_string_equals(key, SLICE_LIT("joinedAt")))
			parts->joined_at = value;
		else if (jslice_string_equals(key, SLICE_LIT("payload")))
			parts->payload = value;
	}
	return jslice_type(parts->type) == JSLICE_STRING &&
		jslice_type(parts->id) == JSLICE_STRING &&
		jslice_type(parts->joined_at) == JSLICE_STRING;
}

/*
 * Look at the next meta.
 */
static void
take_meta(Slice meta, int64 seen_at, void *arg)
{
	Member	   *member = arg;
	MetaParts	parts;
	bool		is_ours = read_parts(meta, &parts);

	if (!member->any)
	{
		member->seen_at = seen_at;
		if (is_ours)
		{
			member->type = parts.type;
			member->joined_at = parts.joined_at;
		}
	}
	member->any = true;
	if (!is_ours)
	{
		member->fields = replica_meta_fields(meta);
		member->payload = slice_make(NULL, 0);
	}
	else if (parts.payload.len > 0)
	{
		member->payload = parts.payload;
		member->fields = slice_make(NULL, 0);
	}
}

/*
 * Append a time.
 */
static void
append_time(Bytes *out, int64 unix_ms)
{
	char		text[ISO_TIME_BYTES];

	iso_time_write(unix_ms, text);
	bytes_append_byte(out, '"');
	bytes_append(out, text, sizeof(text));
	bytes_append_byte(out, '"');
}

/*
 * Append a member.
 */
bool
presence_member_append(Bytes *out, const ReplicaKey *key, ReplicaVersion version)
{
	Member		member = {0};

	replica_key_visit_metas(key, version, take_meta, &member);
	if (!member.any)
		return false;
	bytes_append_cstr(out, "{\"type\":");
	bytes_append_slice(out, member.type.len > 0 ? member.type : SLICE_LIT("\"anonymous\""));
	bytes_append_cstr(out, ",\"presenceId\":");
	bytes_append_slice(out, replica_key_json(key));
	bytes_append_cstr(out, ",\"joinedAt\":");
	if (member.joined_at.len > 0)
		bytes_append_slice(out, member.joined_at);
	else
		append_time(out, member.seen_at);
	if (member.payload.len > 0)
	{
		bytes_append_cstr(out, ",\"payload\":");
		bytes_append_slice(out, member.payload);
	}
	else if (member.fields.len > 0)
	{
		bytes_append_cstr(out, ",\"payload\":{");
		bytes_append_slice(out, member.fields);
		bytes_append_byte(out, '}');
	}
	bytes_append_byte(out, '}');
	return true;
}
