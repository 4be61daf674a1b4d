/*-------------------------------------------------------------------------
 *
 * owner.h
 *	  Act as the owner of one of the extension's tables.
 *
 * src/exec/owner.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_OWNER_H
#define REALTIME_OWNER_H

#include "postgres.h"

typedef struct SavedUser
{
	Oid			user;
	int			context;
} SavedUser;

/*
 * Be the owner of a table, which is locked for reading: bound by no policy on
 * it, even a forced one, and with no way for what is called to change the
 * session.  For statements of our own only.  An error ends it, too.
 */
extern void owner_become(Oid relid, SavedUser *saved);

/* Be who we were. */
extern void owner_end(const SavedUser *saved);

#endif							/* REALTIME_OWNER_H */
