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

/* The role that executors connect as; the extension's script makes it. */
#define EXECUTOR_ROLE "realtime_executor"

/*
 * Can executors connect: does the served database take connections, and does
 * their role exist?  *database is as above.  An error is logged and means no.
 */
extern bool served_database_ready(Oid *database);

#endif							/* REALTIME_SERVED_DATABASE_H */
