/*-------------------------------------------------------------------------
 *
 * client.c
 *	  Whose policies are asked for: a role, and what they may look at.
 *
 * The settings are those of supabase.md 7.2, set by value: nothing that a client
 * has sent is ever part of an SQL text.
 *
 * SET ROLE alone would not do.  Functions that policies call could go back from
 * it to the session's user, which for realtime.can() is a superuser.  Under
 * SECURITY_RESTRICTED_OPERATION they cannot, nor can they do anything else that
 * would outlive the transaction, as temporary tables or LISTEN.
 *
 * src/exec/client.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/guc.h"

#include "exec/client.h"

/*
 * SET LOCAL.
 */
static void
set_local(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
}

/*
 * Become a client.
 */
void
client_become(const Client *client)
{
	set_local("row_security", "on");
	/* for those who read the setting; what counts follows below */
	set_local("role", client->role);
	set_local("realtime.topic", client->topic);
	set_local("realtime.channel_name", client->topic);
	set_local("request.jwt.claims", client->claims);
	set_local("request.jwt.claim.sub", client->sub);
	set_local("request.jwt.claim.role", client->role);
	set_local("request.headers", client->headers);
	SetUserIdAndSecContext(client->role_oid,
						   SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
}
