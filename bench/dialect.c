/*-------------------------------------------------------------------------
 *
 * dialect.c
 *	  What clients of the two protocols say and hear.
 *
 * Not parsers: the server that is measured is known, and what a text is shows in
 * its first bytes or in a word that nothing else holds.
 *
 * bench/dialect.c
 *
 *-------------------------------------------------------------------------
 */
#include "dialect.h"

#include "support.h"

/*
 * Which dialect has this name?
 */
Dialect
dialect_by_name(const char *name)
{
	if (strcmp(name, "phoenix") == 0)
		return DIALECT_PHOENIX;
	if (strcmp(name, "socketio") == 0)
		return DIALECT_SOCKETIO;
	fatal("there is no dialect \"%s\"", name);
}

/*
 * See that a text has fitted into DIALECT_MAX_TEXT; returns its length.
 */
static int
whole(int len)
{
	if (len >= DIALECT_MAX_TEXT)
		fatal("a topic, a token or the path is too long");
	return len;
}

/*
 * Path and query.  An empty path is the dialect's own.
 */
void
dialect_target(Dialect dialect, const char *path, const char *apikey, char *dst)
{
	if (dialect == DIALECT_SOCKETIO)
		whole(snprintf(dst, DIALECT_MAX_TEXT, "%s?EIO=4&transport=websocket",
					   *path ? path : "/socket.io/"));
	else
		whole(snprintf(dst, DIALECT_MAX_TEXT, "%s?apikey=%s&vsn=2.0.0",
					   *path ? path : "/realtime/v1/websocket", apikey));
}

/*
 * Connect to the namespace.
 */
int
dialect_hello(const char *apikey, char *dst)
{
	return whole(snprintf(dst, DIALECT_MAX_TEXT, "40{\"token\":\"%s\"}", apikey));
}

/*
 * A join of Phoenix.
 */
static int
phoenix_join(const Join *join, char *dst)
{
	char		token[DIALECT_MAX_TEXT] = "";
	char		filter[256] = "";
	char		table[512] = "";

	if (join->token)
		whole(snprintf(token, sizeof(token), ",\"access_token\":\"%s\"", join->token));
	if (join->filter)
		snprintf(filter, sizeof(filter), ",\"filter\":\"%s\"", join->filter);
	if (join->table)
		snprintf(table, sizeof(table), "\"postgres_changes\":[{\"event\":\"INSERT\","
				 "\"schema\":\"public\",\"table\":\"%s\"%s}],", join->table, filter);
	return whole(snprintf(dst, DIALECT_MAX_TEXT,
						  "[\"%d\",\"%d\",\"realtime:%s\",\"phx_join\",{\"config\":"
						  "{\"broadcast\":{\"self\":false},\"presence\":{\"enabled\":false},"
						  "%s\"private\":%s}%s}]", join->number, join->number, join->topic,
						  table, join->is_private ? "true" : "false", token));
}

/*
 * Join a topic.  Nobody here looks at presence, whose members would be told of
 * each other.
 */
int
dialect_join(Dialect dialect, const Join *join, char *dst)
{
	if (dialect == DIALECT_PHOENIX)
		return phoenix_join(join, dst);
	return whole(snprintf(dst, DIALECT_MAX_TEXT,
						  "42%d[\"realtime:subscribe\",{\"channel\":\"%s\",\"presence\":false}]",
						  join->number, join->topic));
}

/*
 * Publish.
 */
int
dialect_publish_head(const char *channel, const char *event, char *dst)
{
	return whole(snprintf(dst, DIALECT_MAX_TEXT, "42[\"realtime:publish\",{\"channel\":\"%s\","
						  "\"event\":\"%s\",\"payload\":", channel, event));
}

/*
 * Does text[0..len) contain this string?
 */
static bool
has(const char *text, size_t len, const char *needle)
{
	return memmem(text, len, needle, strlen(needle)) != NULL;
}

/*
 * Read a text of Phoenix.  A change's record begins like a payload.
 */
static Said
phoenix_read(const char *text, size_t len, const char **payload)
{
	static const char record[] = "\"record\":";
	const char *at = memmem(text, len, record, sizeof(record) - 1);

	if (at != NULL)
	{
		*payload = at + sizeof(record) - 1;
		return SAID_MESSAGE;
	}
	if (!has(text, len, "\"phx_reply\""))
		return has(text, len, "\"phx_error\"") ? SAID_FAILED : SAID_OTHER;
	if (has(text, len, "\"phoenix\""))
		return SAID_HEARTBEAT;
	return has(text, len, "\"status\":\"ok\"") ? SAID_JOINED : SAID_REFUSED;
}

/*
 * Read a text of Socket.IO: 42["<event>",<payload>] and the like.
 */
static Said
socketio_read(const char *text, size_t len, const char **payload)
{
	const char *comma;

	if (len > 3 && memcmp(text, "42[", 3) == 0)
	{
		comma = memchr(text, ',', len);
		if (comma == NULL || has(text, (size_t) (comma - text), "\"realtime:") ||
			has(text, (size_t) (comma - text), "\"presence:"))
			return SAID_OTHER;
		*payload = comma + 1;
		return SAID_MESSAGE;
	}
	if (len == 1 && text[0] == '2')
		return SAID_PING;
	if (len > 0 && text[0] == '0')
		return SAID_HELLO;
	if (len < 2 || text[0] != '4')
		return SAID_OTHER;
	if (text[1] == '0')
		return SAID_CONNECTED;
	if (text[1] == '3')
		return has(text, len, "\"ok\":true") ? SAID_JOINED : SAID_REFUSED;
	return text[1] == '4' ? SAID_FAILED : SAID_OTHER;
}

/*
 * What is this text?
 */
Said
dialect_read(Dialect dialect, const char *text, size_t len, const char **payload)
{
	return dialect == DIALECT_PHOENIX ? phoenix_read(text, len, payload)
		: socketio_read(text, len, payload);
}
