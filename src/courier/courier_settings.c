/*-------------------------------------------------------------------------
 *
 * courier_settings.c
 *	  The settings that the hub sends, as the courier reads them.
 *
 * The defaults here only hold for keys that a hub does not send; the ones that
 * users see are in guc.c.
 *
 * src/courier/courier_settings.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "courier/courier_settings.h"
#include "program/bus_link.h"

CourierSettings courier_settings = {
	.timeout = 10000,
	.concurrency = 16,
	.max_attempts = 12,
	.retry_delay = 1000
};

static const struct
{
	const char *key;
	int64	   *value;
	int64		min;
	int64		max;
}			numbers[] = {
	{"sandbox", &courier_settings.sandbox, 0, 1},
	{"webhook_timeout", &courier_settings.timeout, 1, PG_INT32_MAX},
	{"webhook_concurrency", &courier_settings.concurrency, 1, 1024},
	{"webhook_max_attempts", &courier_settings.max_attempts, 1, PG_INT32_MAX},
	{"webhook_retry_delay", &courier_settings.retry_delay, 1, PG_INT32_MAX},
};

static const struct
{
	const char *key;
	char	  **value;
}			texts[] = {
	{"webhook_allow_private", &courier_settings.allow_private},
	{"webhook_ca_file", &courier_settings.ca_file},
};

/*
 * Take a number.
 */
static void
take_number(const char *key, const char *value, int64 min, int64 max, int64 *number)
{
	char	   *end;
	int64		parsed;

	errno = 0;
	parsed = strtoll(value, &end, 10);
	if (end != value && *end == '\0' && errno == 0 && parsed >= min && parsed <= max)
		*number = parsed;
	else
		bus_log(BUS_LOG_WARNING, "setting \"%s\" has no valid value", key);
}

/*
 * Take a text; false without memory.
 */
static bool
take_text(char **text, const char *value)
{
	char	   *copy;

	if (*text != NULL && strcmp(*text, value) == 0)
		return true;
	copy = strdup(value);
	if (copy == NULL)
		return false;
	free(*text);
	*text = copy;
	return true;
}

/*
 * Take one setting; false only for want of memory.
 */
static bool
apply_one(const char *key, const char *value)
{
	for (int i = 0; i < (int) lengthof(numbers); i++)
	{
		if (strcmp(key, numbers[i].key) == 0)
			take_number(key, value, numbers[i].min, numbers[i].max, numbers[i].value);
	}
	for (int i = 0; i < (int) lengthof(texts); i++)
	{
		if (strcmp(key, texts[i].key) == 0)
			return take_text(texts[i].value, value);
	}
	return true;
}

/*
 * Step through the settings of a BUS_CONFIG.
 */
bool
courier_settings_apply(Slice settings)
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

/*
 * May a webhook lead there?  The list is short, and read once per connection.
 */
bool
courier_settings_allow(const IpAddress *address)
{
	Slice		list;
	IpRange		range;

	if (ip_is_public(address))
		return true;
	if (courier_settings.allow_private == NULL)
		return false;
	list = slice_make(courier_settings.allow_private, strlen(courier_settings.allow_private));
	while (ip_next_range(&list, &range) > 0)
	{
		if (ip_in_range(address, &range))
			return true;
	}
	return false;
}
