/*-------------------------------------------------------------------------
 *
 * jwt_config.h
 *	  Where the keys come from that tokens are verified and signed with.
 *
 * src/jwt_config.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_JWT_CONFIG_H
#define REALTIME_JWT_CONFIG_H

#include "instant.h"
#include "proto/slice.h"

/*
 * At the start of the postmaster: make a secret for clusters that configure
 * none, and refuse to start with a realtime.jwt_secret_file that is no good.
 */
extern void jwt_config_start(void);

/*
 * For the hub, at its start and when the configuration was read again: read
 * secret and key set.  What is not valid is logged, and the former one kept.
 */
extern void jwt_config_load(void);

/*
 * For the hub, now and then: read them again if the server lacked memory or
 * descriptors to do so, which no reload will tell of.  True if that was done, and
 * whoever uses them is to be told.
 */
extern bool jwt_config_retry(Instant now);

/*
 * What jwt_config_load() last found good: empty if it never did.  Both are
 * followed by a NUL, hold none, and are good until the next load.
 */
extern Slice jwt_config_secret(void);
extern Slice jwt_config_jwks(void);

/*
 * For backends: the secret to sign tokens with, palloc'd.  Raises an error if
 * there is none that is good.
 */
extern Slice jwt_config_signing_secret(void);

#endif							/* REALTIME_JWT_CONFIG_H */
