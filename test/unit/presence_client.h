/*-------------------------------------------------------------------------
 *
 * presence_client.h
 *	  Presence as a client sees it.
 *
 * What phoenix.js does with presence_state and presence_diff, and stricter:
 * a state comes once and before any diff, a join brings a ref that is not
 * there, a leave names one that is, with the meta it had, and phx_ref_prev
 * names one that leaves in the same diff.
 *
 * test/unit/presence_client.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_PRESENCE_CLIENT_H
#define REALTIME_PRESENCE_CLIENT_H

#include "tap.h"

#include "proto/base64url.h"
#include "proto/jslice.h"

typedef struct ClientMeta
{
	char		key[40];		/* plain */
	char		ref[20];
	char		user[80];		/* the object without phx_... */
} ClientMeta;

typedef struct PresenceClient
{
	bool		stated;			/* presence_state came */
	const char *error;			/* NULL = none */
	ClientMeta *metas;
	int			count;
	int			size;
} PresenceClient;

/* The first thing that is wrong is kept. */
static void
client_error(PresenceClient *client, const char *error)
{
	if (client->error == NULL)
		client->error = error;
}

/* Copy a slice as a string; false if it is too long. */
static bool
copy_string(char *dst, size_t size, Slice s)
{
	if (s.len >= size)
		return false;
	memcpy(dst, s.data, s.len);
	dst[s.len] = '\0';
	return true;
}

/* The string that is a member of an object; false if there is none. */
static bool
copy_member(char *dst, size_t size, Slice object, const char *name)
{
	Bytes		plain;
	bool		good;

	bytes_init(&plain);
	good = jslice_unescape(jslice_get(object, name), &plain) &&
		copy_string(dst, size, bytes_slice(&plain));
	bytes_free(&plain);
	return good;
}

/* The user's part of a meta; false if phx_ref is not its first member, and once. */
static bool
copy_user(char *dst, size_t size, Slice object)
{
	Bytes		json;
	JsliceIter	it;
	Slice		name;
	Slice		value;
	int			refs = 0;
	int			prevs = 0;
	int			n = 0;
	bool		good;

	bytes_init(&json);
	jslice_iter_init(&it, object);
	while (jslice_iter_next(&it, &name, &value))
	{
		if (jslice_string_equals(name, B("phx_ref")))
			refs += n == 0 ? 1 : 2;
		else if (jslice_string_equals(name, B("phx_ref_prev")))
			prevs++;
		else
		{
			bytes_append_byte(&json, json.len == 0 ? '{' : ',');
			bytes_append_slice(&json, name);
			bytes_append_byte(&json, ':');
			bytes_append_slice(&json, value);
		}
		n++;
	}
	if (json.len == 0)
		bytes_append_byte(&json, '{');
	bytes_append_byte(&json, '}');
	good = refs == 1 && prevs <= 1 && copy_string(dst, size, bytes_slice(&json));
	bytes_free(&json);
	return good;
}

/* Place of a ref; -1 if it is not there. */
static int
client_find(const PresenceClient *client, const char *ref)
{
	for (int i = 0; i < client->count; i++)
	{
		if (strcmp(client->metas[i].ref, ref) == 0)
			return i;
	}
	return -1;
}

/* A meta joins. */
static void
client_join(PresenceClient *client, const ClientMeta *meta)
{
	if (client_find(client, meta->ref) >= 0)
		client_error(client, "a ref comes twice");
	if (client->count == client->size)
	{
		client->size = Max(client->size * 2, 16);
		client->metas = realloc(client->metas, client->size * sizeof(ClientMeta));
	}
	client->metas[client->count++] = *meta;
}

/* A meta leaves. */
static void
client_leave(PresenceClient *client, const ClientMeta *meta)
{
	int			at = client_find(client, meta->ref);

	if (at < 0)
	{
		client_error(client, "a ref leaves that is not there");
		return;
	}
	if (strcmp(client->metas[at].key, meta->key) != 0 ||
		strcmp(client->metas[at].user, meta->user) != 0)
		client_error(client, "a ref leaves with another key or meta");
	client->metas[at] = client->metas[--client->count];
}

/* Does the ref leave in these leaves, under that key? */
static bool
leaves_too(Slice leaves, const char *key, const char *ref)
{
	Slice		metas = jslice_get(jslice_get(leaves, key), "metas");
	JsliceIter	it;
	Slice		ignored;
	Slice		object;
	char		other[20];

	jslice_iter_init(&it, metas);
	while (jslice_iter_next(&it, &ignored, &object))
	{
		if (copy_member(other, sizeof(other), object, "phx_ref") && strcmp(other, ref) == 0)
			return true;
	}
	return false;
}

/*
 * Every meta of {"key":{"metas":[...]}, ...} joins or leaves.  `leaves` is the
 * other half of a diff.
 */
static void
client_apply(PresenceClient *client, Slice presences, bool join, Slice leaves)
{
	JsliceIter	it;
	Slice		raw_key;
	Slice		entry;

	if (jslice_type(presences) != JSLICE_OBJECT)
		client_error(client, "not an object");
	jslice_iter_init(&it, presences);
	while (jslice_iter_next(&it, &raw_key, &entry))
	{
		JsliceIter	it2;
		Slice		ignored;
		Slice		object;
		ClientMeta	meta;
		Bytes		key;
		int			n = 0;

		bytes_init(&key);
		if (!jslice_unescape(raw_key, &key) ||
			!copy_string(meta.key, sizeof(meta.key), bytes_slice(&key)))
			client_error(client, "a bad key");
		bytes_free(&key);
		jslice_iter_init(&it2, jslice_get(entry, "metas"));
		while (client->error == NULL && jslice_iter_next(&it2, &ignored, &object))
		{
			char		prev[20];

			n++;
			if (!copy_member(meta.ref, sizeof(meta.ref), object, "phx_ref") ||
				!copy_user(meta.user, sizeof(meta.user), object))
				client_error(client, "a bad meta");
			else if (join)
				client_join(client, &meta);
			else
				client_leave(client, &meta);
			if (jslice_get(object, "phx_ref_prev").len > 0 &&
				(!join || !copy_member(prev, sizeof(prev), object, "phx_ref_prev") ||
				 !leaves_too(leaves, meta.key, prev)))
				client_error(client, "a bad phx_ref_prev");
		}
		if (n == 0)
			client_error(client, "a key without metas");
	}
}

/* presence_state. */
static void
client_state(PresenceClient *client, Slice payload)
{
	if (client->stated)
		client_error(client, "a second state");
	client->stated = true;
	if (!jslice_validate(payload.data, payload.len, NULL))
		client_error(client, "the state is no JSON");
	else
		client_apply(client, payload, true, slice_make(NULL, 0));
}

/* presence_diff. */
static void
client_diff(PresenceClient *client, Slice payload)
{
	Slice		leaves;

	if (!client->stated)
		client_error(client, "a diff before the state");
	if (!jslice_validate(payload.data, payload.len, NULL))
	{
		client_error(client, "the diff is no JSON");
		return;
	}
	leaves = jslice_get(payload, "leaves");
	client_apply(client, jslice_get(payload, "joins"), true, leaves);
	client_apply(client, leaves, false, leaves);
}

/* Is this meta what the client has under its ref? */
static bool
client_has(const PresenceClient *client, uint64 ref, const char *key, const char *user)
{
	char		bytes[8];
	char		name[20];
	Bytes		encoded;
	int			at;

	for (int i = 0; i < 8; i++)
		bytes[i] = (char) (ref >> (8 * (7 - i)));
	bytes_init(&encoded);
	if (!base64url_encode(slice_make(bytes, sizeof(bytes)), &encoded) ||
		!copy_string(name, sizeof(name), bytes_slice(&encoded)))
		name[0] = '\0';
	bytes_free(&encoded);
	at = client_find(client, name);
	return at >= 0 && strcmp(client->metas[at].key, key) == 0 &&
		strcmp(client->metas[at].user, user) == 0;
}

/* Forget everything. */
static void
client_clear(PresenceClient *client)
{
	free(client->metas);
	memset(client, 0, sizeof(*client));
}

#endif							/* REALTIME_PRESENCE_CLIENT_H */
