/*-------------------------------------------------------------------------
 *
 * jwt_json.h
 *	  JSON of tokens and keys, read more strictly than JSON itself asks for.
 *
 * src/proto/jwt_json.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_JWT_JSON_H
#define REALTIME_JWT_JSON_H

#include "proto/jslice.h"
#include "proto/jwt.h"

/*
 * Most members of a header, of the claims and of a key: they are compared each
 * with each other.
 */
#define JWT_JSON_MAX_MEMBERS 256

/*
 * Times are below this (the year 31,690,708): seconds that also count as
 * milliseconds in an int64 with room to add to them.
 */
#define JWT_JSON_TIME_LIMIT INT64CONST(1000000000000000)

/*
 * Is a validated value an object in which no name stands twice?  JWT_OK,
 * JWT_MALFORMED (also with too many members) or JWT_NO_MEMORY.
 */
extern JwtVerdict jwt_json_object(Slice value) RT_MUSTCHECK;

/*
 * Seconds since 1970 of a NumericDate (RFC 7519 2), rounded down.  False if a
 * validated value is no number, is negative or not below JWT_JSON_TIME_LIMIT.
 */
extern bool jwt_json_time(Slice value, int64 *seconds) RT_MUSTCHECK;

#endif							/* REALTIME_JWT_JSON_H */
