/*-------------------------------------------------------------------------
 *
 * api_key.h
 *	  API keys as clients show them.
 *
 * src/gateway/api_key.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_API_KEY_H
#define REALTIME_API_KEY_H

#include "proto/bytes.h"

/*
 * Has a key the form of those that the database makes: this prefix and 64
 * digits of lower-case hex?  What has not need not be asked for.
 */
extern bool api_key_has_form(Slice key, const char *prefix) RT_MUSTCHECK;

/* Is it one that realtime.check_api_key() may know? */
extern bool api_key_is_well_formed(Slice key) RT_MUSTCHECK;

/*
 * Append the SHA-256 of a key as a string of JSON: what SQL is told of it.
 * Where that cannot be done *out has failed.
 */
extern void api_key_append_hash(Bytes *out, Slice key);

#endif							/* REALTIME_API_KEY_H */
