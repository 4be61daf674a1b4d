/*-------------------------------------------------------------------------
 *
 * uuid.h
 *	  Identifiers of messages (RFC 9562): making and spelling them.
 *
 * src/proto/uuid.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_PROTO_UUID_H
#define REALTIME_PROTO_UUID_H

#include "proto/proto.h"

#define UUID_BYTES 16
#define UUID_TEXT_LENGTH 36

/*
 * Make one of version 7 for a time, in milliseconds since 1970, that is random
 * otherwise.  False without randomness.
 */
extern bool uuid_make_v7(uint8 *uuid, int64 unix_ms) RT_MUSTCHECK;

/* Spell one: 8-4-4-4-12 digits, without a NUL. */
extern void uuid_write(const uint8 *uuid, char *dst);

#endif							/* REALTIME_PROTO_UUID_H */
