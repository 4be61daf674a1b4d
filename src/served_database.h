/*-------------------------------------------------------------------------
 *
 * served_database.h
 *	  realtime.database, looked up by a process that is in no database.
 *
 * src/served_database.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_SERVED_DATABASE_H
#define REALTIME_SERVED_DATABASE_H

/*
 * OID of the database that realtime.database names, InvalidOid if there is
 * none; *connectable (if not NULL) says whether it takes connections.  Runs a
 * transaction of its own and leaves the memory context as it was.
 */
extern Oid	served_database_lookup(bool *connectable);

#endif							/* REALTIME_SERVED_DATABASE_H */
