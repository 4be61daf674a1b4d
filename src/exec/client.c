/*-------------------------------------------------------------------------
 *
 * client.c
 *	  Whose policies are asked for: a role, and what they may look at.
 *
 * The settings are those of supabase.md 7.2, set by value: nothing that a client
 * has sent is ever part of an SQL text.  To these realtime.claim_settings may add
 * others, by claim.
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
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "exec/client.h"
#include "exec/local_setting.h"
#include "exec/plan_watch.h"
#include "guc.h"

#define AUTHENTICATED_ROLE "authenticated"

/*
 * The text of a claim: a string's characters, else its JSON; "" if it is null or
 * absent.
 */
static const char *
claim_text(const Jsonb *claims, const char *claim)
{
	JsonbValue	value;

	if (!JB_ROOT_IS_OBJECT(claims) ||
		getKeyJsonValueFromContainer((JsonbContainer *) &claims->root, claim,
									 (int) strlen(claim), &value) == NULL)
		return "";
	switch (value.type)
	{
		case jbvNull:
			return "";
		case jbvString:
			return pnstrdup(value.val.string.val, value.val.string.len);
		case jbvNumeric:
			return DatumGetCString(DirectFunctionCall1(numeric_out,
													   NumericGetDatum(value.val.numeric)));
		case jbvBool:
			return value.val.boolean ? "true" : "false";
		default:
			return JsonbToCString(NULL, value.val.binary.data, value.val.binary.len);
	}
}

/*
 * Set what realtime.claim_settings wants of the claims, all of which were
 * verified with the token.
 */
static void
set_claim_settings(const Client *client)
{
	const ClaimSettings *list = realtime_claim_settings;
	Jsonb	   *claims;

	if (list == NULL || list->count == 0)
		return;
	claims = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(client->claims)));
	for (int i = 0; i < list->count; i++)
		set_local(list->items[i].setting, claim_text(claims, list->items[i].claim));
}

/*
 * Set the claims.
 */
void
client_set_claims(const Client *client)
{
	set_local("request.jwt.claims", client->claims);
	set_local("request.jwt.claim.sub", client->sub);
	set_claim_settings(client);
}

/*
 * Take the claim sub away where policies on channels do not get it.
 */
void
client_hide_sub(Client *client)
{
	Jsonb	   *claims;

	if (strcmp(client->role, AUTHENTICATED_ROLE) == 0)
		return;
	claims = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(client->claims)));
	if (JB_ROOT_IS_OBJECT(claims))
		claims = DatumGetJsonbP(DirectFunctionCall2(jsonb_delete, JsonbPGetDatum(claims),
													CStringGetTextDatum("sub")));
	client->claims = JsonbToCString(NULL, &claims->root, VARSIZE(claims));
	client->sub = "";
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
	set_local("request.jwt.claim.role", client->role);
	set_local("request.headers", client->headers);
	client_set_claims(client);
	SetUserIdAndSecContext(client->role_oid,
						   SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	plan_watch_client(client->role_oid);
}
