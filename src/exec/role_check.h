/*-------------------------------------------------------------------------
 *
 * role_check.h
 *	  May the role that a token names be used?
 *
 * src/exec/role_check.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_ROLE_CHECK_H
#define REALTIME_ROLE_CHECK_H

/* Why not.  Both texts are palloc'd or literals; hint may be NULL. */
typedef struct RoleRefusal
{
	const char *reason;			/* "it is a superuser" */
	const char *hint;
} RoleRefusal;

/*
 * Look a role up, by its name in the server's encoding.  False, with *refusal
 * filled, if clients may not act as that role; `messages` is the table whose
 * owner they must not be.  Within a transaction; runs no SQL.
 */
extern bool role_check(const char *name, Oid messages, Oid *role,
					   RoleRefusal *refusal);

/* Log a refusal, once a second at most. */
extern void role_check_report(const char *role, const RoleRefusal *refusal);

#endif							/* REALTIME_ROLE_CHECK_H */
