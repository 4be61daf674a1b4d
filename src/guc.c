/*-------------------------------------------------------------------------
 *
 * guc.c
 *	  Definition of the settings of realtime.*.
 *
 * The prefix is deliberately not reserved: policies and clients set runtime
 * values like realtime.channel_name with set_config(), and those that we know
 * of are defined here as ordinary user-settable strings.
 *
 * src/guc.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>
#include <limits.h>

#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/varlena.h"

#include "guc.h"
#include "pg_compat.h"
#include "proto/ip_range.h"
#include "proto/jwt.h"

char	   *realtime_database;
char	   *realtime_listen_addresses;
int			realtime_port;
int			realtime_gateways;
char	   *realtime_allowed_origins;
bool		realtime_ssl;
char	   *realtime_ssl_cert_file;
char	   *realtime_ssl_key_file;
char	   *realtime_ssl_ca_file;
int			realtime_flush_interval;
int			realtime_max_message_size;
int			realtime_spill_size;
int			realtime_retention_minutes;
int			realtime_on_error;
int			realtime_capture;
bool		realtime_delivery_tracking;
int			realtime_max_change_size;
int			realtime_executors;
int			realtime_max_queued_jobs;
int			realtime_max_replay_messages;
int			realtime_max_resume_messages;
int			realtime_statement_timeout;
int			realtime_lock_timeout;
int			realtime_authorization;
bool		realtime_private_only;
bool		realtime_sandbox;
int			realtime_agent_channels;
char	   *realtime_jwt_secret;
char	   *realtime_jwt_secret_file;
char	   *realtime_jwt_jwks;
char	   *realtime_jwt_roles;
const ClaimSettings *realtime_claim_settings = NULL;
char	   *realtime_jwt_audience;
char	   *realtime_jwt_issuer;
int			realtime_max_connections;
int			realtime_max_channels_per_client;
int			realtime_max_frame_size;
int			realtime_max_send_queue;
int			realtime_send_timeout;
int			realtime_header_timeout;
int			realtime_idle_timeout;
int			realtime_keepalive_interval;
int			realtime_ping_interval;
int			realtime_ping_timeout;
int			realtime_connect_timeout;
int			realtime_max_presence_members;
int			realtime_max_presence_memory;
int			realtime_max_presence_calls;
int			realtime_presence_window;
int			realtime_max_pending_changes;
bool		realtime_webhooks;
int			realtime_webhook_timeout;
int			realtime_webhook_concurrency;
int			realtime_webhook_max_attempts;
int			realtime_webhook_retry_delay;
char	   *realtime_webhook_allow_private;
char	   *realtime_webhook_ca_file;
int			realtime_max_concurrent_users;
int			realtime_max_joins_per_second;
int			realtime_max_events_per_second;
int			realtime_max_presence_events_per_second;
int			realtime_rate_window;

static char *claim_settings;
static char *retention;
static char *topic;
static char *channel_name;
static char *hidden_secret;
static char *hidden_jwks;

static const struct config_enum_entry on_error_options[] = {
	{"error", ON_ERROR_ERROR, false},
	{"warning", ON_ERROR_WARNING, false},
	{NULL, 0, false}
};

static const struct config_enum_entry capture_options[] = {
	{"listened", CAPTURE_LISTENED, false},
	{"always", CAPTURE_ALWAYS, false},
	{NULL, 0, false}
};

static const struct config_enum_entry authorization_options[] = {
	{"virtual", AUTHORIZATION_VIRTUAL, false},
	{"probe", AUTHORIZATION_PROBE, false},
	{NULL, 0, false}
};

static const struct config_enum_entry agent_channels_options[] = {
	{"auto", AGENT_CHANNELS_AUTO, false},
	{"off", AGENT_CHANNELS_OFF, false},
	{"warn", AGENT_CHANNELS_WARN, false},
	{"require", AGENT_CHANNELS_REQUIRE, false},
	{NULL, 0, false}
};

/*
 * Take blanks away at both ends, in place.
 */
static char *
trimmed(char *text)
{
	size_t		len;

	while (*text == ' ')
		text++;
	len = strlen(text);
	while (len > 0 && text[len - 1] == ' ')
		text[--len] = '\0';
	return text;
}

/*
 * May a claim be the value of this setting?  Custom ones are "class.name"; those
 * of realtime and of the request say already what they are there for.
 */
static bool
may_be_claimed(const char *name)
{
	static const char *const reserved[] = {"realtime.", "request."};
	bool		at_start = true;
	bool		dotted = false;

	for (int i = 0; i < (int) lengthof(reserved); i++)
	{
		if (pg_strncasecmp(name, reserved[i], strlen(reserved[i])) == 0)
			return false;
	}
	for (const char *p = name; *p != '\0'; p++)
	{
		bool		letter = isalpha((unsigned char) *p) || *p == '_';

		if (*p == '.' && !at_start)
			dotted = at_start = true;
		else if (letter || (!at_start && (isdigit((unsigned char) *p) || *p == '$')))
			at_start = false;
		else
			return false;
	}
	return dotted && !at_start;
}

/*
 * Check hook of realtime.claim_settings.  What it leaves is one allocation: the
 * list, and a copy of the text that its items point into.
 */
static bool
check_claim_settings(char **newval, void **extra, GucSource source)
{
	size_t		len = strlen(*newval);
	size_t		list_size;
	size_t		most = 1;
	ClaimSettings *list;
	char	   *next;

	for (const char *p = *newval; *p != '\0'; p++)
		most += *p == ',';
	list_size = offsetof(ClaimSettings, items) + most * sizeof(ClaimSetting);
	list = guc_malloc(LOG, list_size + len + 1);
	if (list == NULL)
		return false;
	list->count = 0;
	*extra = list;
	next = (char *) list + list_size;
	memcpy(next, *newval, len + 1);
	if (*trimmed(next) == '\0')
		return true;
	while (next != NULL)
	{
		char	   *item = next;
		char	   *equals;

		next = strchr(item, ',');
		if (next != NULL)
			*next++ = '\0';
		equals = strchr(item, '=');
		if (equals != NULL)
			*equals = '\0';
		item = trimmed(item);
		if (equals == NULL || *trimmed(equals + 1) == '\0' || !may_be_claimed(item))
		{
			GUC_check_errdetail("\"%s\" is no setting of a client followed by = and a claim.", item);
			GUC_check_errhint("For example 'app.anonymous_id=anonymous_id'; names have a dot, and are not those of realtime or of the request.");
			return false;
		}
		list->items[list->count].setting = item;
		list->items[list->count++].claim = trimmed(equals + 1);
	}
	return true;
}

/*
 * Assign hook of it.
 */
static void
assign_claim_settings(const char *newval, void *extra)
{
	realtime_claim_settings = extra;
}

/*
 * Read a length of time like '3 days', '12h' or '0' into minutes.
 *
 * Not interval_in(): a check hook runs in the postmaster as well, where an
 * error must not be thrown.
 */
static bool
parse_retention(const char *value, int *minutes)
{
	static const struct
	{
		const char *name;
		int			minutes;
	}			units[] = {
		{"min", 1}, {"minute", 1}, {"minutes", 1},
		{"h", 60}, {"hour", 60}, {"hours", 60},
		{"d", 1440}, {"day", 1440}, {"days", 1440},
		{"week", 10080}, {"weeks", 10080}
	};
	char	   *end;
	long		count;

	errno = 0;
	count = strtol(value, &end, 10);
	if (end == value || errno != 0 || count < 0 || count > INT_MAX)
		return false;
	while (*end == ' ')
		end++;
	if (*end == '\0' && count == 0)
	{
		*minutes = 0;
		return true;
	}
	for (int i = 0; i < (int) lengthof(units); i++)
	{
		if (pg_strcasecmp(end, units[i].name) != 0)
			continue;
		if (count > INT_MAX / units[i].minutes)
			return false;
		*minutes = (int) count * units[i].minutes;
		return true;
	}
	return false;
}

static bool
check_retention(char **newval, void **extra, GucSource source)
{
	int			minutes;

	if (!parse_retention(*newval, &minutes))
	{
		GUC_check_errdetail("Expected a number and a unit: \"min\", \"hours\", \"days\" or \"weeks\".");
		GUC_check_errhint("For example '3 days', or '0' to keep messages for ever.");
		return false;
	}
	*extra = guc_malloc(LOG, sizeof(int));
	if (*extra == NULL)
		return false;
	*(int *) *extra = minutes;
	return true;
}

static void
assign_retention(const char *newval, void *extra)
{
	realtime_retention_minutes = *(int *) extra;
}

/*
 * A list of identifiers.
 */
static bool
check_role_list(char **newval, void **extra, GucSource source)
{
	char	   *copy = pstrdup(*newval);
	List	   *names;
	bool		valid = SplitIdentifierString(copy, ',', &names);

	if (!valid)
		GUC_check_errdetail("List syntax is invalid.");
	list_free(names);
	pfree(copy);
	return valid;
}

/*
 * Take a value away from the server, which would log it when it changes while
 * the server runs: it holds an empty string, and ours is in *extra.
 */
static bool
hide_value(char *newval, void **extra)
{
	size_t		size = strlen(newval) + 1;

	*extra = guc_malloc(LOG, size);
	if (*extra == NULL)
		return false;
	memcpy(*extra, newval, size);
	*newval = '\0';
	return true;
}

/*
 * A secret that can be guessed is none (RFC 7518 3.2 wants 32 bytes for HS256).
 *
 * The message is our own, because that of the server quotes the value.
 */
static bool
check_jwt_secret(char **newval, void **extra, GucSource source)
{
	if (**newval == '\0' || strlen(*newval) >= JWT_MIN_SECRET)
		return hide_value(*newval, extra);
	GUC_check_errmsg("invalid value for parameter \"%s\"", "realtime.jwt_secret");
	GUC_check_errdetail("The secret has fewer than %d bytes.", JWT_MIN_SECRET);
	return false;
}

static void
assign_jwt_secret(const char *newval, void *extra)
{
	realtime_jwt_secret = extra;
}

static const char *
show_jwt_secret(void)
{
	return *realtime_jwt_secret != '\0' ? "********" : "";
}

/*
 * A key set may hold secrets, too.
 */
static bool
check_jwt_jwks(char **newval, void **extra, GucSource source)
{
	return hide_value(*newval, extra);
}

static void
assign_jwt_jwks(const char *newval, void *extra)
{
	realtime_jwt_jwks = extra;
}

static const char *
show_jwt_jwks(void)
{
	return *realtime_jwt_jwks == '{' ? "{********}" : realtime_jwt_jwks;
}

static void
define_serving(void)
{
	DefineCustomStringVariable("realtime.database",
							   "The database whose messages are served.",
							   NULL, &realtime_database, "postgres",
							   PGC_POSTMASTER, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("realtime.listen_addresses",
							   "Addresses that WebSocket clients connect to.",
							   "A comma-separated list of names or addresses; '*' means all, an empty value none.",
							   &realtime_listen_addresses, "localhost",
							   PGC_SIGHUP, GUC_LIST_INPUT, NULL, NULL, NULL);
	DefineCustomIntVariable("realtime.port",
							"TCP port that WebSocket clients connect to.",
							NULL, &realtime_port, 4000, 1, 65535,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("realtime.gateways",
							"Number of gateway programs sharing the port.",
							NULL, &realtime_gateways, 1, 0, 64,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("realtime.allowed_origins",
							   "Origins whose pages may connect.",
							   "'*' for all, or a comma-separated list of scheme://host[:port].",
							   &realtime_allowed_origins, "*",
							   PGC_SIGHUP, 0, NULL, NULL, NULL);
}

static void
define_tls(void)
{
	DefineCustomBoolVariable("realtime.ssl",
							 "Have clients connect by TLS: https and wss.",
							 "Those that are connected already stay as they are.",
							 &realtime_ssl, false,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("realtime.ssl_cert_file",
							   "File with the certificate that clients are shown, and those that lead to its root.",
							   "Without one it is that of ssl_cert_file.",
							   &realtime_ssl_cert_file, "",
							   PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("realtime.ssl_key_file",
							   "File with the key of realtime.ssl_cert_file, readable by the server alone.",
							   "Without one it is that of ssl_key_file.",
							   &realtime_ssl_key_file, "",
							   PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("realtime.ssl_ca_file",
							   "File with the certificates that sign those of clients.",
							   "Without one clients need no certificate.",
							   &realtime_ssl_ca_file, "",
							   PGC_SIGHUP, 0, NULL, NULL, NULL);
}

static void
define_messages(void)
{
	DefineCustomIntVariable("realtime.flush_interval",
							"Least time between two WAL flushes of the hub for asynchronous commits.",
							NULL, &realtime_flush_interval, 1, 0, 1000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("realtime.max_message_size",
							"Largest payload of one message.",
							NULL, &realtime_max_message_size, 3000, 1, MAX_MESSAGE_SIZE_MAX,
							PGC_SUSET, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable("realtime.spill_size",
							"Messages of one open transaction that the hub keeps in memory.",
							"Beyond this it remembers where they are in the WAL and reads them again at commit.",
							&realtime_spill_size, 1024, 64, 1024 * 1024,
							PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomStringVariable("realtime.retention",
							   "How long realtime.messages keeps history.",
							   "Partitions that are older are dropped; '0' keeps them for ever.",
							   &retention, "3 days",
							   PGC_SIGHUP, 0, check_retention, assign_retention, NULL);
	DefineCustomEnumVariable("realtime.on_error",
							 "What realtime.send() does with a message that cannot be sent.",
							 "'error' raises it, 'warning' warns and sends nothing.",
							 &realtime_on_error, ON_ERROR_ERROR, on_error_options,
							 PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomEnumVariable("realtime.capture",
							 "Which changes of followed tables are written to the WAL.",
							 "'listened' are those that clients of this server listen to; 'always' serves clients of its standbys as well.",
							 &realtime_capture, CAPTURE_LISTENED, capture_options,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("realtime.delivery_tracking",
							 "Count how many sockets each message on a channel reaches.",
							 "The counts are rows of realtime.message_audience.",
							 &realtime_delivery_tracking, true,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("realtime.max_change_size",
							"Largest change of a row that is told with all its values.",
							"Of a larger one only values of up to 64 bytes are.",
							&realtime_max_change_size, 1024, 1, 2048,
							PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomStringVariable("realtime.topic",
							   "Topic that policies see as realtime.topic().",
							   NULL, &topic, "", PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("realtime.channel_name",
							   "Channel that policies see as realtime.channel_name().",
							   NULL, &channel_name, "", PGC_USERSET, 0, NULL, NULL, NULL);
}

/*
 * Values of postgresql.conf, which was read before their settings are defined,
 * cost only a warning when they are no good.  But a server must not come up
 * with another secret than the one that it was given (reliability.md C11).
 */
static void
refuse_short_secret(void)
{
	const char *secret = GetConfigOption("realtime.jwt_secret", true, false);

	if (secret == NULL || *secret == '\0' || strlen(secret) >= JWT_MIN_SECRET || IsBinaryUpgrade)
		return;
	ereport(FATAL,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for parameter \"%s\"", "realtime.jwt_secret"),
			 errdetail("The secret has fewer than %d bytes.", JWT_MIN_SECRET)));
}

/*
 * Settings that name secrets are for superusers' eyes; those that may hold
 * some, for nobody's.
 */
static void
define_tokens(void)
{
	refuse_short_secret();
	DefineCustomStringVariable("realtime.jwt_secret",
							   "Secret that tokens are signed with (HS256, HS384, HS512).",
							   "Without one, that of realtime.jwt_secret_file, else one generated in the data directory.",
							   &hidden_secret, "",
							   PGC_SIGHUP, GUC_SUPERUSER_ONLY | GUC_NO_SHOW_ALL | GUC_NO_RESET_ALL,
							   check_jwt_secret, assign_jwt_secret, show_jwt_secret);
	DefineCustomStringVariable("realtime.jwt_secret_file",
							   "File that holds realtime.jwt_secret, readable by the server alone.",
							   NULL, &realtime_jwt_secret_file, "",
							   PGC_SIGHUP, GUC_SUPERUSER_ONLY, NULL, NULL, NULL);
	DefineCustomStringVariable("realtime.jwt_jwks",
							   "JSON Web Key Set that tokens are verified with, or a file that holds it.",
							   "A value that begins with { is the set itself.",
							   &hidden_jwks, "",
							   PGC_SIGHUP, GUC_SUPERUSER_ONLY | GUC_NO_SHOW_ALL | GUC_NO_RESET_ALL,
							   check_jwt_jwks, assign_jwt_jwks, show_jwt_jwks);
	DefineCustomStringVariable("realtime.jwt_roles",
							   "Roles that a token may name.",
							   NULL, &realtime_jwt_roles, "anon,authenticated,service_role,project_admin",
							   PGC_SIGHUP, GUC_LIST_INPUT, check_role_list, NULL, NULL);
	DefineCustomStringVariable("realtime.jwt_audience",
							   "Audience (aud) that a token must name; empty for any.",
							   NULL, &realtime_jwt_audience, "",
							   PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("realtime.jwt_issuer",
							   "Issuer (iss) that a token must name; empty for any.",
							   NULL, &realtime_jwt_issuer, "",
							   PGC_SIGHUP, 0, NULL, NULL, NULL);
}

static void
define_authorization(void)
{
	DefineCustomIntVariable("realtime.executors",
							"Number of workers that run SQL for clients.",
							"Each is a connection to the served database and takes one of max_worker_processes.",
							&realtime_executors, 2, 0, MAX_EXECUTORS,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("realtime.max_queued_jobs",
							"Most jobs waiting for an executor; more are answered with an error.",
							NULL, &realtime_max_queued_jobs, 1000, 1, 1000000,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("realtime.max_replay_messages",
							"Most messages that a join with replay is given.",
							NULL, &realtime_max_replay_messages, 100, 1, 100000,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("realtime.max_resume_messages",
							"Most messages that a client can have missed and still be given.",
							"Who has missed more is told that it was not recovered.",
							&realtime_max_resume_messages, 10000, 1, INT_MAX,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("realtime.statement_timeout",
							"Longest time that policies may take for one client's request.",
							NULL, &realtime_statement_timeout, 2000, 1, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("realtime.lock_timeout",
							"Longest time that they may wait for a lock.",
							NULL, &realtime_lock_timeout, 500, 1, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomEnumVariable("realtime.authorization",
							 "How the policies on realtime.messages are asked.",
							 "'virtual' evaluates them without writing, 'probe' inserts a row, selects it and rolls back.",
							 &realtime_authorization, AUTHORIZATION_VIRTUAL, authorization_options,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("realtime.private_only",
							 "Refuse joins to public channels.",
							 NULL, &realtime_private_only, false,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("realtime.sandbox",
							 "Keep gateways and the courier from asking the kernel for what they do not need.",
							 "Holds for programs that start later.",
							 &realtime_sandbox, true,
							 PGC_SIGHUP, GUC_SUPERUSER_ONLY, NULL, NULL, NULL);
	DefineCustomStringVariable("realtime.claim_settings",
							   "Settings that policies read, and the claims that are their values.",
							   "A list like 'app.anonymous_id=anonymous_id'; only verified claims are used.",
							   &claim_settings, "",
							   PGC_SIGHUP, 0, check_claim_settings, assign_claim_settings, NULL);
	DefineCustomEnumVariable("realtime.agent_channels",
							 "What happens to joins of agent- and conv- channels whose signature is wrong.",
							 "'auto' requires the right one as soon as realtime.agents has a row.",
							 &realtime_agent_channels, AGENT_CHANNELS_AUTO, agent_channels_options,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);
}

static void
define_limits(void)
{
	DefineCustomIntVariable("realtime.max_connections",
							"Most clients connected to one gateway.",
							NULL, &realtime_max_connections, 100000, 1, 10000000,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("realtime.max_channels_per_client",
							"Most channels that one connection may join.",
							NULL, &realtime_max_channels_per_client, 100, 1, 1000000,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("realtime.max_frame_size",
							"Largest message that a client may send.",
							NULL, &realtime_max_frame_size, 5000, 1, 65536,
							PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable("realtime.max_send_queue",
							"Most bytes waiting for one client before it is closed as too slow.",
							NULL, &realtime_max_send_queue, 1024, 64, 1024 * 1024,
							PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable("realtime.send_timeout",
							"Longest time that a client may leave a message unread.",
							NULL, &realtime_send_timeout, 10000, 100, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("realtime.header_timeout",
							"Longest time that a request may take to arrive.",
							NULL, &realtime_header_timeout, 10000, 100, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("realtime.idle_timeout",
							"Longest silence of a client.",
							"supabase-js sends a heartbeat every 25 s.",
							&realtime_idle_timeout, 60000, 1000, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("realtime.keepalive_interval",
							"Silence after which a stream of server-sent events gets a sign of life.",
							"Proxies end connections that are silent for long.",
							&realtime_keepalive_interval, 15000, 100, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("realtime.ping_interval",
							"Time between two pings of a Socket.IO client.",
							"Clients are told when they connect.",
							&realtime_ping_interval, 25000, 100, INT_MAX / 2,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("realtime.ping_timeout",
							"Longest time that a Socket.IO client may take to answer a ping.",
							"Clients are told when they connect.",
							&realtime_ping_timeout, 20000, 100, INT_MAX / 2,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("realtime.connect_timeout",
							"Longest time that a Socket.IO client may take to show its credentials.",
							NULL, &realtime_connect_timeout, 45000, 100, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
}

static void
define_presence(void)
{
	DefineCustomIntVariable("realtime.max_presence_members",
							"Most channels that track something at a time, over all topics and gateways.",
							NULL, &realtime_max_presence_members, 100000, 0, INT_MAX,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("realtime.max_presence_memory",
							"Most memory that the hub holds what they track in.",
							"Every gateway keeps as much of it as its clients follow.",
							&realtime_max_presence_memory, 128 * 1024, 64, 16 * 1024 * 1024,
							PGC_SIGHUP, GUC_UNIT_KB, NULL, NULL, NULL);
	DefineCustomIntVariable("realtime.max_presence_calls",
							"Most calls of track() and untrack() of one channel within realtime.presence_window.",
							"A channel that calls more often is closed; 0 means no limit.",
							&realtime_max_presence_calls, 5, 0, INT_MAX,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("realtime.presence_window",
							"Time that realtime.max_presence_calls counts over, from the first call on.",
							NULL, &realtime_presence_window, 30000, 1, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
}

/*
 * Following tables.
 */
static void
define_changes(void)
{
	DefineCustomIntVariable("realtime.max_pending_changes",
							"Most changes of followed tables that wait for one channel.",
							"They wait while row-level security is evaluated for them. A channel "
							"for which more would wait is ended, and its client joins again.",
							&realtime_max_pending_changes, 10000, 1, INT_MAX,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
}

/*
 * Upstream's limits for one tenant (supabase.md section 9), which are none by
 * default: here the server is the user's own, and has to bear no stranger's load.
 */
static void
define_rates(void)
{
	DefineCustomIntVariable("realtime.max_concurrent_users",
							"Most clients that have joined a channel, over all gateways.",
							"0 means no limit.",
							&realtime_max_concurrent_users, 0, 0, INT_MAX,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("realtime.max_joins_per_second",
							"Most joins of channels, over all gateways, as an average over realtime.rate_window.",
							"0 means no limit.",
							&realtime_max_joins_per_second, 0, 0, INT_MAX,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("realtime.max_events_per_second",
							"Most broadcasts of clients and deliveries of these, likewise.",
							"0 means no limit. Messages of the database are not counted.",
							&realtime_max_events_per_second, 0, 0, INT_MAX,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("realtime.max_presence_events_per_second",
							"Most calls of track() and untrack() and deliveries of presence, likewise.",
							"0 means no limit.",
							&realtime_max_presence_events_per_second, 0, 0, INT_MAX,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("realtime.rate_window",
							"Time over which these limits per second are averaged.",
							"A burst may use what the whole of it allows at once.",
							&realtime_rate_window, 60, 1, 3600,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
}

/*
 * A list of address ranges.
 */
static bool
check_ranges(char **newval, void **extra, GucSource source)
{
	Slice		list = slice_make(*newval, strlen(*newval));
	IpRange		range;
	int			more;

	while ((more = ip_next_range(&list, &range)) > 0)
		;
	if (more < 0)
	{
		GUC_check_errdetail("It is no list of addresses and ranges.");
		GUC_check_errhint("For example '10.0.0.0/8, fd00::/8'.");
	}
	return more == 0;
}

static void
define_webhooks(void)
{
	DefineCustomBoolVariable("realtime.webhooks",
							 "Deliver messages of channels to their webhooks.",
							 "Where this is off, deliveries wait.",
							 &realtime_webhooks, true,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("realtime.webhook_timeout",
							"Longest time that one delivery may take.",
							NULL, &realtime_webhook_timeout, 10000, 10, 300000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("realtime.webhook_concurrency",
							"Most deliveries under way to one server.",
							"A server that fails gets one at a time until it succeeds.",
							&realtime_webhook_concurrency, 16, 1, 256,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("realtime.webhook_max_attempts",
							"Most attempts at one delivery.",
							"Then it is kept in realtime.webhook_dead_letters.",
							&realtime_webhook_max_attempts, 12, 1, 100,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("realtime.webhook_retry_delay",
							"Longest pause before the second attempt at a delivery.",
							"Before every further one it is three times as long, up to 6 hours; the pause is a random part of it.",
							&realtime_webhook_retry_delay, 1000, 1, 3600000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomStringVariable("realtime.webhook_allow_private",
							   "Addresses outside the public internet that webhooks may lead to.",
							   "A list of ranges like '10.0.0.0/8, ::1'; without one there are none.",
							   &realtime_webhook_allow_private, "",
							   PGC_SIGHUP, GUC_SUPERUSER_ONLY, check_ranges, NULL, NULL);
	DefineCustomStringVariable("realtime.webhook_ca_file",
							   "File with the certificates that sign those of webhooks' servers.",
							   "Without one the system's are used.",
							   &realtime_webhook_ca_file, "",
							   PGC_SIGHUP, GUC_SUPERUSER_ONLY, NULL, NULL, NULL);
}

void
guc_define(void)
{
	define_serving();
	define_tls();
	define_messages();
	define_tokens();
	define_authorization();
	define_limits();
	define_presence();
	define_changes();
	define_rates();
	define_webhooks();
}
