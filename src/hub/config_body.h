/*-------------------------------------------------------------------------
 *
 * config_body.h
 *	  Building the body of a BUS_CONFIG.
 *
 * src/hub/config_body.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_CONFIG_BODY_H
#define REALTIME_CONFIG_BODY_H

#include "lib/stringinfo.h"

#include "proto/bus_frame.h"

/* Fill in the fixed part. */
extern void config_hello(BusHello *hello, int slot);

/* Append a setting: key NUL value NUL. */
extern void add_setting(StringInfo settings, const char *key, const char *value);
extern void add_number(StringInfo settings, const char *key, int64 value);
extern void add_slice(StringInfo settings, const char *key, Slice value);

#endif							/* REALTIME_CONFIG_BODY_H */
