/*-------------------------------------------------------------------------
 *
 * config_body.c
 *	  Building the body of a BUS_CONFIG.
 *
 * src/hub/config_body.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "hub/config_body.h"
#include "shmem.h"

/*
 * Who we are, and how far.
 */
void
config_hello(BusHello *hello, int slot)
{
	memset(hello, 0, sizeof(*hello));
	hello->version = BUS_VERSION;
	hello->slot = (uint32) slot;
	LWLockAcquire(realtime_shared->lock, LW_SHARED);
	hello->generation = realtime_shared->generation;
	hello->epoch = realtime_shared->epoch;
	hello->position = realtime_shared->released_lsn;
	LWLockRelease(realtime_shared->lock);
}

/*
 * Append a text.
 */
void
add_setting(StringInfo settings, const char *key, const char *value)
{
	add_slice(settings, key, slice_make(value, strlen(value)));
}

/*
 * Append a number.
 */
void
add_number(StringInfo settings, const char *key, int64 value)
{
	char		digits[32];

	snprintf(digits, sizeof(digits), INT64_FORMAT, value);
	add_setting(settings, key, digits);
}

/*
 * Append bytes without NUL.
 */
void
add_slice(StringInfo settings, const char *key, Slice value)
{
	appendBinaryStringInfo(settings, key, (int) strlen(key) + 1);
	if (value.len > 0)
		appendBinaryStringInfo(settings, value.data, (int) value.len);
	appendStringInfoChar(settings, '\0');
}
