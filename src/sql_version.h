/*-------------------------------------------------------------------------
 *
 * sql_version.h
 *	  Does the extension's SQL fit the library that is loaded?
 *
 * src/sql_version.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_SQL_VERSION_H
#define REALTIME_SQL_VERSION_H

/*
 * The oldest version of the SQL objects that this library works with; the
 * newest is its own, REALTIME_VERSION.  sql/updates/README.md says when it has
 * to be raised.
 */
#define SQL_VERSION_OLDEST "0.1"

/* What the extension of the present database is to this library. */
typedef enum SqlVersion
{
	SQL_VERSION_NONE,			/* it is not there */
	SQL_VERSION_FITS,
	SQL_VERSION_OLD,			/* ALTER EXTENSION ... UPDATE is due */
	SQL_VERSION_NEW				/* it is of a later library */
} SqlVersion;

/* True while this process knows that the SQL fits. */
extern bool sql_version_known;

/*
 * Look; within a transaction.  *version (if not NULL) gets the version that is
 * installed, NULL if it was not looked at.
 */
extern SqlVersion sql_version_look(char **version);

/*
 * Does it fit, or is it not there?  If not, that is reported as an error or as
 * a warning.  Asked by every SQL function.
 */
extern bool sql_version_fits(int elevel);

/*
 * May a worker run SQL of the extension?  Where it may not, and when it may
 * again, the server's log is told, by one worker for all.
 */
extern bool sql_version_serves(void);

/* Put the hook in place that watches CREATE and ALTER EXTENSION. */
extern void sql_version_install_hook(void);

#endif							/* REALTIME_SQL_VERSION_H */
