/*-------------------------------------------------------------------------
 *
 * json_payload.h
 *	  JSON payloads of messages: what they must be, and their "id".
 *
 * src/api/json_payload.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_JSON_PAYLOAD_H
#define REALTIME_JSON_PAYLOAD_H

#include "utils/jsonb.h"
#include "utils/uuid.h"

/*
 * The payload with "id" added to it: an object that has none gets one, an
 * array stays as it is, anything else raises an error.
 */
extern Jsonb *json_payload_with_id(Jsonb *payload, const pg_uuid_t *id);

/* One member of an object under construction; the key is not copied. */
extern void json_push_jsonb(JsonbParseState **state, const char *key, Jsonb *value);
extern void json_push_text(JsonbParseState **state, const char *key, const text *value);
extern void json_push_uuid(JsonbParseState **state, const char *key, const pg_uuid_t *value);

#endif							/* REALTIME_JSON_PAYLOAD_H */
