/*-------------------------------------------------------------------------
 *
 * json_text.h
 *	  JSON as text, unless that is too long.
 *
 * src/api/json_text.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_JSON_TEXT_H
#define REALTIME_JSON_TEXT_H

#include "lib/stringinfo.h"
#include "utils/jsonb.h"

#include "proto/proto.h"

/*
 * Append the text of a value, the same as a cast to text gives; false once that
 * is longer than `max` bytes, in the server's encoding.
 */
extern bool json_text_append(StringInfo out, Jsonb *json, size_t max) RT_MUSTCHECK;

#endif							/* REALTIME_JSON_TEXT_H */
