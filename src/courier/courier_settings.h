/*-------------------------------------------------------------------------
 *
 * courier_settings.h
 *	  The settings that the hub sends, as the courier reads them.
 *
 * src/courier/courier_settings.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_COURIER_SETTINGS_H
#define REALTIME_COURIER_SETTINGS_H

#include "proto/ip_range.h"

typedef struct CourierSettings
{
	int64		sandbox;		/* 1 = as of the first BUS_CONFIG; 0 = none */
	int64		timeout;		/* ms, like all times; of one request */
	int64		concurrency;	/* requests to one endpoint */
	int64		max_attempts;	/* at one delivery */
	int64		retry_delay;	/* longest pause before the second one */
	char	   *allow_private;	/* a list of address ranges */
	char	   *ca_file;		/* empty = the system's */
} CourierSettings;

extern CourierSettings courier_settings;

/*
 * Take the settings of a BUS_CONFIG.  False if they do not decode or there is no
 * memory; a key that is not known is left out, and a value that is out of range
 * logged and not taken.
 */
extern bool courier_settings_apply(Slice settings) RT_MUSTCHECK;

/* May a webhook lead to this address? */
extern bool courier_settings_allow(const IpAddress *address);

#endif							/* REALTIME_COURIER_SETTINGS_H */
