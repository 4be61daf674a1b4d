/*-------------------------------------------------------------------------
 *
 * emit.h
 *	  From a backend into the WAL: seal a message and write its record.
 *
 * src/api/emit.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_EMIT_H
#define REALTIME_EMIT_H

#include "proto/wal_record.h"

/*
 * Write msg into the WAL as part of the current transaction, and have the hub
 * woken when it commits.  top_xid and origin are filled in here; everything
 * else must be valid already (lengths as in wal_record.h).  Assigns a
 * transaction id.  Raises an error if the WAL cannot be written.
 */
extern void emit_message(WalMessage *msg);

/*
 * Install what notices COMMIT PREPARED, which ends a transaction that another
 * session wrote; called once, from _PG_init.
 */
extern void emit_install_hooks(void);

#endif							/* REALTIME_EMIT_H */
