/*-------------------------------------------------------------------------
 *
 * gw_settings.h
 *	  The settings that the hub sends, as the gateway reads them.
 *
 * src/gateway/gw_settings.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_GW_SETTINGS_H
#define REALTIME_GW_SETTINGS_H

#include "proto/bytes.h"

typedef struct GwSettings
{
	uint32		slot;			/* number of this gateway, from 0 */
	char	   *listen_addresses;	/* comma-separated, "*" = all */
	char	   *allowed_origins;	/* as ws_origin_allowed() wants them */
	char	   *jwt_secret;		/* these may be empty */
	char	   *jwt_jwks;		/* JSON Web Key Set */
	char	   *jwt_audience;
	char	   *jwt_issuer;
	Bytes		jwt_roles;		/* allowed ones, each with a NUL behind it */
	char	   *agent_channels; /* off, warn, require or auto */
	char	   *ssl;			/* off, on, or absent: tls_accept.c */
	char	   *ssl_certificate;	/* these in PEM */
	char	   *ssl_key;		/* wiped once it is taken */
	char	   *ssl_authorities;
	bool		private_only;	/* no public channels */
	bool		sandbox;		/* as of the first BUS_CONFIG */
	bool		delivery_tracking;	/* audiences are counted */
	int64		port;
	int64		max_connections;
	int64		max_channels_per_client;
	int64		gateways;		/* that share the port, this one among them */
	int64		max_message_size;	/* bytes, of one payload */
	int64		max_frame_size; /* bytes */
	int64		max_send_queue; /* bytes */
	int64		send_timeout;	/* ms, like all times */
	int64		header_timeout;
	int64		idle_timeout;
	int64		keepalive_interval;
	int64		ping_interval;	/* of Socket.IO, like the next two */
	int64		ping_timeout;
	int64		connect_timeout;
	int64		max_presence_calls; /* of a channel; 0 = no limit */
	int64		presence_window;
	int64		rate_window;	/* of these, which hold for all gateways: */
	int64		max_concurrent_users;	/* 0 = no limit */
	int64		max_joins_per_second;
	int64		max_events_per_second;
	int64		max_presence_events_per_second;
	int64		max_pending_changes;	/* of a channel */
} GwSettings;

extern GwSettings gw_settings;

/* Counts the times that a setting called jwt_... became another. */
extern uint32 gw_settings_jwt_version;

/*
 * Take the settings of a BUS_CONFIG.  False if they do not decode or there is
 * no memory; a key that is not known is left out and a value that is out of
 * range logged and not taken.
 */
extern bool gw_settings_apply(Slice settings) RT_MUSTCHECK;

/* Whoever needs ssl_key has taken it: leave none in memory. */
extern void gw_settings_wipe_key(void);

#endif							/* REALTIME_GW_SETTINGS_H */
