/*-------------------------------------------------------------------------
 *
 * sealed.h
 *	  Which messages in the WAL are ours: the served database's, genuine.
 *
 * src/hub/sealed.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_SEALED_H
#define REALTIME_SEALED_H

#include "hub/wal_reader.h"
#include "proto/wal_record.h"

typedef enum SealedVerdict
{
	SEALED_GENUINE,
	SEALED_FOREIGN,				/* of a database that is not served */
	SEALED_MALFORMED,			/* does not decode */
	SEALED_FORGED				/* the seal is wrong */
} SealedVerdict;

/* Prepare for watching which database is served; once per process. */
extern void sealed_init(void);

/*
 * Judge a WAL_MESSAGE event.  Genuine ones are decoded into *message, with
 * *body the record without its seal; both point into the event.
 */
extern SealedVerdict sealed_open(const WalEvent *event, WalMessage *message, Slice *body);

/* The database that genuine messages came from. */
extern Oid	sealed_database(void);

#endif							/* REALTIME_SEALED_H */
