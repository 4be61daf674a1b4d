/*-------------------------------------------------------------------------
 *
 * channel_name.h
 *	  Channel names that carry their own proof: name '-' hex HMAC-SHA256.
 *
 * insforge-oaura.md section 8.2: lower-case hex over the UTF-8 bytes of the
 * name without its suffix, keyed with the bytes of the secret.
 *
 * src/proto/channel_name.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_CHANNEL_NAME_H
#define REALTIME_CHANNEL_NAME_H

#include "proto/proto.h"

#define CHANNEL_HMAC_HEX 64		/* hex digits, no NUL */

/* Write the CHANNEL_HMAC_HEX digits for name; false if OpenSSL refuses. */
extern bool channel_hmac(Slice name, Slice secret, char *hex) RT_MUSTCHECK;

/*
 * Is channel `name-<hmac>` with the right hmac?  Takes the same time wherever
 * the digits differ.  False also where there is no suffix of the right form.
 */
extern bool channel_verify(Slice channel, Slice secret) RT_MUSTCHECK;

#endif							/* REALTIME_CHANNEL_NAME_H */
