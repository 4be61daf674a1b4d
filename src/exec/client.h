/*-------------------------------------------------------------------------
 *
 * client.h
 *	  Whose policies are asked for: a role, and what they may look at.
 *
 * src/exec/client.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_CLIENT_H
#define REALTIME_CLIENT_H

/* All texts are in the server's encoding. */
typedef struct Client
{
	const char *role;
	Oid			role_oid;		/* as role_check() has found it */
	const char *sub;			/* claim; "" for none */
	const char *topic;
	const char *claims;			/* JSON */
	const char *headers;		/* JSON */
} Client;

/*
 * Become that client, until the current transaction or subtransaction is rolled
 * back: its settings, its role, and no way back from within.
 */
extern void client_become(const Client *client);

/*
 * What policies on channels may know of a client: of one with another role than
 * authenticated not its claim sub, which may be no uuid (insforge-oaura.md 2.4).
 */
extern void client_hide_sub(Client *client);

/*
 * Set the claims of the client that we are once more, as changed since.
 */
extern void client_set_claims(const Client *client);

#endif							/* REALTIME_CLIENT_H */
