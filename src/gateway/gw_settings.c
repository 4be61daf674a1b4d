/*-------------------------------------------------------------------------
 *
 * gw_settings.c
 *	  The settings that the hub sends, as the gateway reads them.
 *
 * The defaults here only hold for keys that a hub does not send; the ones that
 * users see are in guc.c.  Strings are copied with malloc: settings are not
 * sized by clients, and a program that cannot keep them cannot serve either.
 * What is replaced is wiped first, because secrets are among them.
 *
 * src/gateway/gw_settings.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include <openssl/crypto.h>

#include "gateway/gw_settings.h"
#include "program/bus_link.h"

GwSettings	gw_settings = {
	.port = 4000,
	.max_connections = 100000,
	.max_channels_per_client = 100,
	.gateways = 1,
	.max_message_size = 3000 * 1024,
	.max_frame_size = 5000 * 1024,
	.max_send_queue = 1024 * 1024,
	.send_timeout = 10000,
	.header_timeout = 10000,
	.idle_timeout = 60000,
	.keepalive_interval = 15000,
	.ping_interval = 25000,
	.ping_timeout = 20000,
	.connect_timeout = 45000,
	.max_presence_calls = 5,
	.presence_window = 30000,
	.max_pending_changes = 10000,
	.rate_window = 60000
};

uint32		gw_settings_jwt_version;

static Bytes roles;				/* of the BUS_CONFIG at hand */

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
	{"gateways", &gw_settings.gateways, 0, PG_INT32_MAX},
	{"max_message_size", &gw_settings.max_message_size, 1, PG_INT32_MAX},
	{"max_frame_size", &gw_settings.max_frame_size, 1, PG_INT32_MAX / 2},
	{"max_send_queue", &gw_settings.max_send_queue, 1, PG_INT64_MAX},
	{"send_timeout", &gw_settings.send_timeout, 1, PG_INT32_MAX},
	{"header_timeout", &gw_settings.header_timeout, 1, PG_INT32_MAX},
	{"idle_timeout", &gw_settings.idle_timeout, 1, PG_INT32_MAX},
	{"keepalive_interval", &gw_settings.keepalive_interval, 1, PG_INT32_MAX},
	{"ping_interval", &gw_settings.ping_interval, 1, PG_INT32_MAX},
	{"ping_timeout", &gw_settings.ping_timeout, 1, PG_INT32_MAX},
	{"connect_timeout", &gw_settings.connect_timeout, 1, PG_INT32_MAX},
	{"max_presence_calls", &gw_settings.max_presence_calls, 0, PG_INT32_MAX},
	{"presence_window", &gw_settings.presence_window, 1, PG_INT32_MAX},
	{"max_pending_changes", &gw_settings.max_pending_changes, 1, PG_INT32_MAX},
	{"rate_window", &gw_settings.rate_window, 1, PG_INT32_MAX},
	{"max_concurrent_users", &gw_settings.max_concurrent_users, 0, PG_INT32_MAX},
	{"max_joins_per_second", &gw_settings.max_joins_per_second, 0, PG_INT32_MAX},
	{"max_events_per_second", &gw_settings.max_events_per_second, 0, PG_INT32_MAX},
	{"max_presence_events_per_second", &gw_settings.max_presence_events_per_second,
	0, PG_INT32_MAX},
};

static const struct
{
	const char *key;
	bool	   *value;
}			flags[] = {
	{"private_only", &gw_settings.private_only},
	{"sandbox", &gw_settings.sandbox},
	{"delivery_tracking", &gw_settings.delivery_tracking},
};

static const struct
{
	const char *key;
	char	  **value;
}			texts[] = {
	{"listen_addresses", &gw_settings.listen_addresses},
	{"allowed_origins", &gw_settings.allowed_origins},
	{"jwt_secret", &gw_settings.jwt_secret},
	{"jwt_jwks", &gw_settings.jwt_jwks},
	{"jwt_audience", &gw_settings.jwt_audience},
	{"jwt_issuer", &gw_settings.jwt_issuer},
	{"agent_channels", &gw_settings.agent_channels},
	{"ssl", &gw_settings.ssl},
	{"ssl_certificate", &gw_settings.ssl_certificate},
	{"ssl_key", &gw_settings.ssl_key},
	{"ssl_authorities", &gw_settings.ssl_authorities},
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
 * Forget a text, if there is one.
 */
static void
wipe_text(char **text)
{
	if (*text != NULL)
		OPENSSL_cleanse(*text, strlen(*text));
	free(*text);
	*text = NULL;
}

/*
 * The key is not needed any more.
 */
void
gw_settings_wipe_key(void)
{
	wipe_text(&gw_settings.ssl_key);
}

/*
 * Keep a copy of a text; false without memory.
 */
static bool
replace_text(const char *key, char **text, const char *value)
{
	char	   *copy;

	if (*text != NULL && strcmp(*text, value) == 0)
		return true;
	copy = strdup(value);
	if (copy == NULL)
		return false;
	wipe_text(text);
	*text = copy;
	if (strncmp(key, "jwt_", 4) == 0)
		gw_settings_jwt_version++;
	return true;
}

/*
 * All roles have come: are they others than before?
 */
static void
replace_roles(void)
{
	if (slice_equals(bytes_slice(&roles), bytes_slice(&gw_settings.jwt_roles)))
		return;
	bytes_free(&gw_settings.jwt_roles);
	gw_settings.jwt_roles = roles;
	bytes_init(&roles);
	gw_settings_jwt_version++;
}

/*
 * A value is not taken.
 */
static void
refuse_value(const char *key)
{
	bus_log(BUS_LOG_WARNING, "setting \"%s\" has no valid value", key);
}

/*
 * Take a number or a flag; false if there is none of that key.
 */
static bool
apply_scalar(const char *key, const char *value)
{
	for (int i = 0; i < (int) lengthof(numbers); i++)
	{
		int64		number;

		if (strcmp(key, numbers[i].key) != 0)
			continue;
		if (parse_number(value, numbers[i].min, numbers[i].max, &number))
			*numbers[i].value = number;
		else
			refuse_value(key);
		return true;
	}
	for (int i = 0; i < (int) lengthof(flags); i++)
	{
		if (strcmp(key, flags[i].key) != 0)
			continue;
		if (strcmp(value, "on") == 0 || strcmp(value, "off") == 0)
			*flags[i].value = strcmp(value, "on") == 0;
		else
			refuse_value(key);
		return true;
	}
	return false;
}

/*
 * Take one setting; false only for want of memory.
 */
static bool
apply_one(const char *key, const char *value)
{
	if (apply_scalar(key, value))
		return true;
	if (strcmp(key, "jwt_role") == 0)
		return bytes_append(&roles, value, strlen(value) + 1);
	for (int i = 0; i < (int) lengthof(texts); i++)
	{
		if (strcmp(key, texts[i].key) == 0)
			return replace_text(key, texts[i].value, value);
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

	roles.len = 0;
	while ((more = bus_next_setting(&settings, &key, &value)) > 0)
	{
		if (!apply_one(key, value))
			return false;
	}
	replace_roles();
	return more == 0;
}
