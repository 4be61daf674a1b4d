/*-------------------------------------------------------------------------
 *
 * event_name.c
 *	  Names of events that nobody may publish on a channel.
 *
 * src/proto/event_name.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/event_name.h"

/*
 * Would a client library take an event of that name for one of its own?
 */
bool
event_name_is_reserved(Slice event)
{
	static const char *const names[] = {
		"connect", "connect_error", "disconnect", "disconnecting",
		"newListener", "removeListener"
	};
	static const char *const prefixes[] = {"realtime:", "presence:", "phx_"};

	for (size_t i = 0; i < lengthof(names); i++)
	{
		if (slice_equals_cstr(event, names[i]))
			return true;
	}
	for (size_t i = 0; i < lengthof(prefixes); i++)
	{
		if (slice_has_prefix(event, slice_make(prefixes[i], strlen(prefixes[i]))))
			return true;
	}
	return false;
}
