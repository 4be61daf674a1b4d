/*-------------------------------------------------------------------------
 *
 * seal.h
 *	  The seal of a WAL record: HMAC-SHA256 under the cluster's secret.
 *
 * Any role may call pg_logical_emit_message(), so a record counts only with a
 * seal over the database, the record's body (which names the top transaction)
 * and nothing that a reader cannot recompute.
 *
 * src/seal.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_SEAL_H
#define REALTIME_SEAL_H

#include "proto/wal_record.h"

/* Write the seal of a body to seal[WAL_RECORD_SEAL_BYTES]; errors out on failure. */
extern void seal_compute(Oid database, Slice body, uint8 *seal);

/* Is this the seal of that body?  Constant time. */
extern bool seal_verify(Oid database, Slice body, const uint8 *seal);

#endif							/* REALTIME_SEAL_H */
