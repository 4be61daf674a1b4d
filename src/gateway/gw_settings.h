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

#include "proto/proto.h"

typedef struct GwSettings
{
	char	   *listen_addresses;	/* comma-separated, "*" = all */
	char	   *allowed_origins;	/* as ws_origin_allowed() wants them */
	int64		port;
	int64		max_connections;
	int64		max_channels_per_client;
	int64		max_frame_size; /* bytes */
	int64		max_send_queue; /* bytes */
	int64		send_timeout;	/* ms, like all times */
	int64		header_timeout;
	int64		idle_timeout;
} GwSettings;

extern GwSettings gw_settings;

/*
 * Take the settings of a BUS_CONFIG.  False if they do not decode; a key that
 * is not known is left out and a value that is out of range logged and not
 * taken.
 */
extern bool gw_settings_apply(Slice settings) RT_MUSTCHECK;

#endif							/* REALTIME_GW_SETTINGS_H */
