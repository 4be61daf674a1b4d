/*-------------------------------------------------------------------------
 *
 * persist.c
 *	  Does a client want its broadcast to be stored, and for how long?
 *
 * src/gateway/persist.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/persist.h"
#include "gateway/stores.h"

/*
 * Decimal digits and nothing else, 1 to STORE_TTL_MAX.
 */
static bool
read_ttl(Slice text, uint32 *ttl)
{
	uint32		value = 0;

	if (text.len < 1 || text.len > 6)
		return false;
	for (size_t i = 0; i < text.len; i++)
	{
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
		value = value * 10 + (uint32) (text.data[i] - '0');
	}
	*ttl = value;
	return value >= 1 && value <= STORE_TTL_MAX;
}

/*
 * In metadata.
 */
bool
persist_read(Slice value, Persist *persist)
{
	Slice		ttl;

	persist->wanted = 0;
	persist->ttl = STORE_TTL_NONE;
	switch (jslice_type(value))
	{
		case JSLICE_NONE:
		case JSLICE_NULL:
			return true;
		case JSLICE_OBJECT:
			persist->wanted = 1;
			ttl = jslice_trim(jslice_get(value, "ttl"));
			return jslice_type(ttl) == JSLICE_NUMBER && read_ttl(ttl, &persist->ttl);
		default:
			persist->wanted = jslice_bool(value, false);
			/* what both defaults agree on is a boolean */
			return jslice_bool(value, false) == jslice_bool(value, true);
	}
}

/*
 * In a query.
 */
bool
persist_read_query(Slice query, Persist *persist)
{
	Bytes		text;
	int			found;
	bool		good = true;

	persist->wanted = 0;
	persist->ttl = STORE_TTL_NONE;
	bytes_init(&text);
	found = http_query_get(query, "persist[ttl]", &text);
	if (found != 0)
	{
		persist->wanted = 1;
		good = found > 0 && read_ttl(bytes_slice(&text), &persist->ttl);
	}
	else if (http_query_get(query, "persist", &text) > 0)
		persist->wanted = slice_equals_cstr(bytes_slice(&text), "true");
	bytes_free(&text);
	return good;
}
