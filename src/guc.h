/*-------------------------------------------------------------------------
 *
 * guc.h
 *	  The settings of realtime.*, as the rest of the module reads them.
 *
 * src/guc.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_GUC_H
#define REALTIME_GUC_H

#define MAX_EXECUTORS 64

/* What realtime.send() and its kin do when something is wrong. */
typedef enum OnErrorMode
{
	ON_ERROR_ERROR,				/* raise it */
	ON_ERROR_WARNING			/* WARNING, nothing sent: upstream's way */
} OnErrorMode;

/* Which changes of followed tables are put into the WAL. */
typedef enum CaptureMode
{
	CAPTURE_LISTENED,			/* those that somebody listens to here */
	CAPTURE_ALWAYS				/* all, for listeners on standbys */
} CaptureMode;

/* How private channels are authorised. */
typedef enum AuthorizationMode
{
	AUTHORIZATION_VIRTUAL,		/* policies evaluated on a row that is not there */
	AUTHORIZATION_PROBE			/* a row inserted, selected and rolled back */
} AuthorizationMode;

/* What a name of an agent channel without the right signature is good for. */
typedef enum AgentChannelsMode
{
	AGENT_CHANNELS_AUTO,		/* REQUIRE once there is an agent, else OFF */
	AGENT_CHANNELS_OFF,			/* names are not looked at */
	AGENT_CHANNELS_WARN,		/* joins are logged */
	AGENT_CHANNELS_REQUIRE		/* joins are refused */
} AgentChannelsMode;

/* A setting that policies read, and the claim that is its value. */
typedef struct ClaimSetting
{
	const char *setting;
	const char *claim;
} ClaimSetting;

typedef struct ClaimSettings
{
	int			count;
	ClaimSetting items[FLEXIBLE_ARRAY_MEMBER];
} ClaimSettings;

/* where and whom to serve */
extern char *realtime_database;
extern char *realtime_listen_addresses;
extern int	realtime_port;
extern int	realtime_gateways;
extern char *realtime_allowed_origins;
extern bool realtime_ssl;
extern char *realtime_ssl_cert_file;	/* empty: the server's own, and its
										 * key */
extern char *realtime_ssl_key_file;
extern char *realtime_ssl_ca_file;	/* empty: clients need no certificate */

/* messages and history */
extern int	realtime_flush_interval;	/* ms */
#define MAX_MESSAGE_SIZE_MAX 65536	/* kB */
extern int	realtime_max_message_size;	/* kB, of one payload */
extern int	realtime_spill_size;	/* kB of messages kept per transaction */
extern int	realtime_retention_minutes; /* 0 = keep for ever */
extern int	realtime_on_error;	/* OnErrorMode */
extern int	realtime_capture;	/* CaptureMode */
extern bool realtime_delivery_tracking;
extern int	realtime_max_change_size;	/* kB, of one change of a row */

/* who may listen */
extern int	realtime_executors;
extern int	realtime_max_queued_jobs;
extern int	realtime_max_replay_messages;
extern int	realtime_max_resume_messages;
extern int	realtime_statement_timeout; /* ms */
extern int	realtime_lock_timeout;	/* ms */
extern int	realtime_authorization; /* AuthorizationMode */
extern bool realtime_private_only;
extern bool realtime_sandbox;
extern int	realtime_agent_channels;	/* AgentChannelsMode */
extern char *realtime_jwt_secret;
extern char *realtime_jwt_secret_file;
extern char *realtime_jwt_jwks;
extern char *realtime_jwt_roles;	/* a list of identifiers */
extern const ClaimSettings *realtime_claim_settings;	/* NULL = none */
extern char *realtime_jwt_audience;
extern char *realtime_jwt_issuer;

/* limits of a gateway */
extern int	realtime_max_connections;
extern int	realtime_max_channels_per_client;
extern int	realtime_max_frame_size;	/* kB, of one message from a client */
extern int	realtime_max_send_queue;	/* kB waiting for one client */
extern int	realtime_send_timeout;	/* ms */
extern int	realtime_header_timeout;	/* ms */
extern int	realtime_idle_timeout;	/* ms */
extern int	realtime_keepalive_interval;	/* ms */
extern int	realtime_ping_interval; /* ms */
extern int	realtime_ping_timeout;	/* ms */
extern int	realtime_connect_timeout;	/* ms */

/* presence */
extern int	realtime_max_presence_members;
extern int	realtime_max_presence_memory;	/* kB */
extern int	realtime_max_presence_calls;	/* of a channel; 0 = no limit */
extern int	realtime_presence_window;	/* ms */
extern int	realtime_max_pending_changes;	/* of a channel */

/* webhooks */
extern bool realtime_webhooks;	/* deliver them */
extern int	realtime_webhook_timeout;	/* ms */
extern int	realtime_webhook_concurrency;	/* to one server */
extern int	realtime_webhook_max_attempts;
extern int	realtime_webhook_retry_delay;	/* ms, the first one */
extern char *realtime_webhook_allow_private;	/* a list of address ranges */
extern char *realtime_webhook_ca_file;

/* limits of all gateways together; 0 = no limit */
extern int	realtime_max_concurrent_users;
extern int	realtime_max_joins_per_second;
extern int	realtime_max_events_per_second;
extern int	realtime_max_presence_events_per_second;
extern int	realtime_rate_window;	/* s */

/* Define all of them; called once, from _PG_init. */
extern void guc_define(void);

#endif							/* REALTIME_GUC_H */
