/*-------------------------------------------------------------------------
 *
 * uuid_v7.h
 *	  Time-ordered identifiers of messages.
 *
 * src/api/uuid_v7.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_UUID_V7_H
#define REALTIME_UUID_V7_H

#include "utils/uuid.h"

/* Length of the text form, without the NUL. */
#define UUID_TEXT_BYTES 36

/* Make a new identifier, greater than every other made by this backend. */
extern void uuid_v7_generate(pg_uuid_t *uuid);

/* Write the text form of uuid to text[0..UUID_TEXT_BYTES], NUL included. */
extern void uuid_v7_text(const pg_uuid_t *uuid, char *text);

#endif							/* REALTIME_UUID_V7_H */
