/*-------------------------------------------------------------------------
 *
 * agent_answer.c
 *	  What realtime.check_channels() says of names.
 *
 *	  {"mode": "off" | "warn" | "require",
 *	   "channels": [{"name": ..., "valid": true | false, "until": ...}, ...]}
 *
 * "until" is a number of seconds since 1970, or null.
 *
 * src/gateway/agent_answer.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include <math.h>

#include "gateway/agent_answer.h"
#include "proto/jslice.h"

#define UNTIL_MAX 1e15			/* no later than that, whatever it means */

/*
 * Read a time, up to the next whole second; 0 for null.
 */
static int64
read_until(Slice value)
{
	char		digits[64];
	double		seconds;

	if (jslice_type(value) != JSLICE_NUMBER || value.len >= sizeof(digits))
		return 0;
	memcpy(digits, value.data, value.len);
	digits[value.len] = '\0';
	seconds = ceil(strtod(digits, NULL));
	return seconds >= 1 && seconds < UNTIL_MAX ? (int64) seconds : 0;
}

/*
 * Read what is said of one name; false if that is nothing.
 */
static bool
read_verdict(Slice item, AgentVerdict *verdict)
{
	JsliceType	valid = jslice_type(jslice_get(item, "valid"));

	verdict->name = jslice_get(item, "name");
	verdict->valid = valid == JSLICE_TRUE;
	verdict->until = read_until(jslice_get(item, "until"));
	return valid == JSLICE_TRUE || valid == JSLICE_FALSE;
}

/*
 * Read the mode; false if there is none.
 */
static bool
read_mode(Slice value, AgentMode *mode)
{
	static const struct
	{
		const char *name;
		AgentMode	mode;
	}			modes[] = {
		{"off", AGENT_MODE_OFF},
		{"warn", AGENT_MODE_WARN},
		{"require", AGENT_MODE_REQUIRE}
	};

	for (int i = 0; i < (int) lengthof(modes); i++)
	{
		if (!jslice_string_equals(value, slice_make(modes[i].name, strlen(modes[i].name))))
			continue;
		*mode = modes[i].mode;
		return true;
	}
	return false;
}

/*
 * Read a whole answer.
 */
bool
agent_answer_read(Slice result, AgentMode *mode, AgentVerdict *verdicts, uint32 count)
{
	CallReply	reply;
	JsliceIter	it;
	Slice		key;
	Slice		item;
	uint32		n = 0;

	if (!job_decode_call_reply(result, &reply) || reply.status != 200 ||
		!jslice_validate(reply.body.data, reply.body.len, NULL) ||
		!read_mode(jslice_get(reply.body, "mode"), mode))
		return false;
	jslice_iter_init(&it, jslice_get(reply.body, "channels"));
	while (jslice_iter_next(&it, &key, &item))
	{
		if (n == count || !read_verdict(item, &verdicts[n]))
			return false;
		n++;
	}
	return n == count;
}
