/*-------------------------------------------------------------------------
 *
 * gw_settings.c
 *	  The settings that the hub sends, as the gateway reads them.
 *
 * The defaults here only hold for keys that a hub does not send; the ones that
 * users see are in guc.c.  Strings are copied with malloc: settings are not
 * sized by clients, and a program that cannot keep them cannot serve either.
 *
 * src/gateway/gw_settings.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/bus_link.h"
#include "gateway/gw_settings.h"

GwSettings	gw_settings = {
	.port = 4000,
	.max_connections = 100000,
	.max_channels_per_client = 100,
	.max_frame_size = 5000 * 1024,
	.max_send_queue = 1024 * 1024,
	.send_timeout = 10000,
	.header_timeout = 10000,
	.idle_timeout = 60000
};

static const struct
{
	const char *key;
	int64	   *value;
	int64		min;
	int64		max;
}			numbers[] = {
	{"port", &gw_settings.port, 0, 65535},
	{"max_connections", &gw_settings.max_connections, 1, PG_INT32_MAX},
	{"max_channels_per_client", &gw_settings.max_channels_per_client, 1, PG_INT32_MAX},
	{"max_frame_size", &gw_settings.max_frame_size, 1, PG_INT32_MAX / 2},
	{"max_send_queue", &gw_settings.max_send_queue, 1, PG_INT64_MAX},
	{"send_timeout", &gw_settings.send_timeout, 1, PG_INT32_MAX},
	{"header_timeout", &gw_settings.header_timeout, 1, PG_INT32_MAX},
	{"idle_timeout", &gw_settings.idle_timeout, 1, PG_INT32_MAX},
};

static const struct
{
	const char *key;
	char	  **value;
}			texts[] = {
	{"listen_addresses", &gw_settings.listen_addresses},
	{"allowed_origins", &gw_settings.allowed_origins},
};

/*
 * Read a decimal number; false if it is none or out of range.
 */
static bool
parse_number(const char *value, int64 min, int64 max, int64 *number)
{
	char	   *end;

	errno = 0;
	*number = strtoll(value, &end, 10);
	return end != value && *end == '\0' && errno == 0 &&
		*number >= min && *number <= max;
}

/*
 * Take one setting; false only for want of memory.
 */
static bool
apply_one(const char *key, const char *value)
{
	for (int i = 0; i < (int) lengthof(numbers); i++)
	{
		int64		number;

		if (strcmp(key, numbers[i].key) != 0)
			continue;
		if (parse_number(value, numbers[i].min, numbers[i].max, &number))
			*numbers[i].value = number;
		else
			bus_log(BUS_LOG_WARNING, "setting \"%s\" has no valid value", key);
		return true;
	}
	for (int i = 0; i < (int) lengthof(texts); i++)
	{
		char	   *copy;

		if (strcmp(key, texts[i].key) != 0)
			continue;
		copy = strdup(value);
		if (copy == NULL)
			return false;
		free(*texts[i].value);
		*texts[i].value = copy;
		return true;
	}
	return true;
}

/*
 * Step through the settings of a BUS_CONFIG.
 */
bool
gw_settings_apply(Slice settings)
{
	const char *key;
	const char *value;
	int			more;

	while ((more = bus_next_setting(&settings, &key, &value)) > 0)
	{
		if (!apply_one(key, value))
			return false;
	}
	return more == 0;
}
