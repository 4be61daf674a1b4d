/*-------------------------------------------------------------------------
 *
 * api_caller.c
 *	  Who sends a request to /api/realtime.
 *
 * An administrator has a token of the role project_admin, or a key "ik_..." in
 * Authorization or X-API-Key (insforge-oaura.md 3).  That role need not be among
 * realtime.jwt_roles: nothing is done as it, the functions that carry requests
 * out have rights of their own.  Whether a key is good SQL says, when it does
 * what is asked for.
 *
 * Whoever publishes may be a client as well.
 *
 * src/gateway/api_caller.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/api_caller.h"
#include "gateway/api_key.h"
#include "gateway/request_token.h"

#define ADMIN_ROLE SLICE_LIT("project_admin")

static const ApiError no_admin_token =
{401, "AUTH_INVALID_CREDENTIALS", "No admin token provided", NULL};
static const ApiError no_token =
{401, "AUTH_INVALID_CREDENTIALS", "No token provided", NULL};
static const ApiError bad_key = {401, "AUTH_INVALID_API_KEY", "Invalid API key", NULL};
static const ApiError bad_token = {401, "AUTH_UNAUTHORIZED", "Invalid token", NULL};
static const ApiError no_admin = {403, "AUTH_UNAUTHORIZED", "Admin access required", NULL};
static const ApiError bad_role =
{403, "AUTH_UNAUTHORIZED", "The role of the token is not allowed", NULL};

/*
 * Is a token genuine, and what is its role?  Whether clients may have that role
 * is another question.
 */
static bool
is_admin_token(Slice token, bool *genuine)
{
	Bytes		kept;
	JwtClaims	claims;
	TokenRefusal refusal;
	bool		is_admin = false;

	bytes_init(&kept);
	*genuine = token_verify(token, &kept, &claims, &refusal) || refusal.verdict == JWT_OK;
	if (*genuine)
		is_admin = slice_equals(claims.role, ADMIN_ROLE);
	bytes_free(&kept);
	return is_admin;
}

/*
 * A key.
 */
static const ApiError *
find_by_key(Slice key, ApiCallerKind kind, ApiCaller *caller)
{
	if (!api_key_has_form(key, kind == API_ANON_KEY ? "anon_" : "ik_"))
		return kind == API_ANON_KEY ? &bad_token : &bad_key;
	caller->kind = kind;
	caller->key = key;
	return NULL;
}

/*
 * A token.
 */
static const ApiError *
find_by_token(Slice token, bool clients_may, ApiCaller *caller)
{
	TokenRefusal refusal;
	bool		genuine;

	if (is_admin_token(token, &genuine))
	{
		caller->kind = API_ADMIN;
		return NULL;
	}
	if (!genuine)
		return &bad_token;
	if (!clients_may)
		return &no_admin;
	caller->kind = API_CLIENT;
	caller->identity = identity_get(token, &refusal);
	return caller->identity != NULL ? NULL : &bad_role;
}

/*
 * Find out who it is.
 */
const ApiError *
api_caller_find(const HttpRequest *req, bool clients_may, ApiCaller *caller)
{
	Slice		token = request_token(req);
	const Slice *key = http_header(req, "X-API-Key");

	memset(caller, 0, sizeof(*caller));
	if (slice_has_prefix(token, SLICE_LIT("ik_")))
		return find_by_key(token, API_ADMIN_KEY, caller);
	if (key != NULL)
		return find_by_key(*key, API_ADMIN_KEY, caller);
	if (token.len == 0)
		return clients_may ? &no_token : &no_admin_token;
	if (clients_may && slice_has_prefix(token, SLICE_LIT("anon_")))
		return find_by_key(token, API_ANON_KEY, caller);
	return find_by_token(token, clients_may, caller);
}

/*
 * Tell SQL.
 */
void
api_caller_append(Bytes *out, const ApiCaller *caller)
{
	if (caller->kind == API_ADMIN)
	{
		bytes_append_cstr(out, "\"admin\":true");
		return;
	}
	bytes_append_cstr(out, "\"keyHash\":");
	api_key_append_hash(out, caller->key);
}
