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

/* A channel taken apart; the name points into it. */
typedef struct ChannelParts
{
	Slice		name;
	uint8		hmac[CHANNEL_HMAC_HEX / 2];
} ChannelParts;

/* Take a channel apart; false if its suffix has not the right form. */
extern bool channel_split(Slice channel, ChannelParts *parts) RT_MUSTCHECK;

/*
 * Many channels against one secret after the other: half a microsecond for each
 * secret, and 0.2 for each channel, where channel_verify() takes more than 1.
 */
typedef struct ChannelVerifier ChannelVerifier;

/* NULL if OpenSSL refuses. */
extern ChannelVerifier *channel_verifier_new(void) RT_MUSTCHECK;
extern void channel_verifier_free(ChannelVerifier *verifier);

/* Take another secret; false if OpenSSL refuses. */
extern bool channel_verifier_use(ChannelVerifier *verifier, Slice secret) RT_MUSTCHECK;

/* Is a channel's hmac right by it?  In constant time, too. */
extern bool channel_verifier_check(ChannelVerifier *verifier,
								   const ChannelParts *parts) RT_MUSTCHECK;

/*
 * Is channel `name-<hmac>` with the right hmac?  Takes the same time wherever
 * the digits differ.  False also where there is no suffix of the right form.
 */
extern bool channel_verify(Slice channel, Slice secret) RT_MUSTCHECK;

#endif							/* REALTIME_CHANNEL_NAME_H */
