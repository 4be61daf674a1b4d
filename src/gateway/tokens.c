/*-------------------------------------------------------------------------
 *
 * tokens.c
 *	  Which tokens this gateway accepts.
 *
 * The keys come from the hub, with the other settings.  New ones replace the
 * old ones when all of them can be used: a slip of the pen in a key set must
 * not lock everybody out.  At the start, when there are none to keep, what can
 * be used is.
 *
 * Nothing of a token or a key is ever logged.
 *
 * src/gateway/tokens.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/gw_settings.h"
#include "gateway/tokens.h"
#include "program/bus_link.h"
#include "program/loop.h"

#define LEEWAY_SECONDS 30		/* that the clock of an issuer may be ahead */
#define KID_SHOWN_MAX 64		/* bytes of a kid in the log */

static JwtKeys *keys;			/* NULL while there are none */

/*
 * A text of the settings, empty where the hub has sent none.
 */
static Slice
setting(const char *text)
{
	return text != NULL ? slice_make(text, strlen(text)) : slice_make(NULL, 0);
}

/*
 * A member of the key set is left out.
 */
static void
key_skipped(Slice kid, const char *why, void *arg)
{
	bool	   *complete = arg;

	kid.len = Min(kid.len, KID_SHOWN_MAX);
	bus_log(BUS_LOG_WARNING, "realtime.jwt_jwks: key \"" SLICE_FMT "\" is left out: %s",
			SLICE_ARG(kid), why);
	*complete = false;
}

/*
 * Add the configured keys to a set; returns how many could be added.  *complete
 * is cleared if that is not all of them.  One bad key among good ones is
 * normal life for a key set, and no reason to go without the good ones.
 */
static int
add_keys(JwtKeys *set, bool *complete)
{
	Slice		secret = setting(gw_settings.jwt_secret);
	Slice		jwks = setting(gw_settings.jwt_jwks);
	const char *error = NULL;
	bool		skipped_none = true;
	int			nadded = 0;
	int			n;

	if (secret.len > 0)
	{
		if (jwt_keys_add_secret(set, secret))
			nadded++;
		else
		{
			bus_log(BUS_LOG_WARNING, "realtime.jwt_secret cannot be used: it must have %d bytes or more",
					JWT_MIN_SECRET);
			*complete = false;
		}
	}
	if (jwks.len > 0)
	{
		n = jwt_keys_add_jwks(set, jwks, key_skipped, &skipped_none, &error);
		if (n < 0)
			bus_log(BUS_LOG_WARNING, "realtime.jwt_jwks is no JSON Web Key Set: %s", error);
		if (n < 0 || (n == 0 && !skipped_none))
			*complete = false;
		nadded += Max(n, 0);
	}
	return nadded;
}

/*
 * Make the set of keys anew.
 */
static void
configure_keys(void)
{
	JwtKeys    *set = jwt_keys_create();
	bool		complete = true;

	if (set != NULL && add_keys(set, &complete) > 0 && (complete || keys == NULL))
	{
		jwt_keys_free(keys);
		keys = set;
		return;
	}
	jwt_keys_free(set);
	bus_log(BUS_LOG_WARNING, keys != NULL ?
			"tokens are still verified with the previous keys" :
			"no token can be verified: there are no keys");
}

/*
 * Take keys and rules from the settings.
 */
bool
tokens_configure(void)
{
	static uint32 version;

	if (version == gw_settings_jwt_version)
		return false;
	version = gw_settings_jwt_version;
	configure_keys();
	return true;
}

/*
 * Is this one of the roles that clients may have?
 */
static bool
role_allowed(Slice role)
{
	Slice		rest = bytes_slice(&gw_settings.jwt_roles);

	while (rest.len > 0)
	{
		size_t		len = strlen(rest.data);

		if (slice_equals(slice_make(rest.data, len), role))
			return true;
		rest = slice_make(rest.data + len + 1, rest.len - len - 1);
	}
	return false;
}

/*
 * Verify a token.
 */
bool
token_verify(Slice token, Bytes *text, JwtClaims *claims, TokenRefusal *refusal)
{
	JwtRules	rules = {0};

	rules.now = loop_wall / 1000;
	rules.leeway = LEEWAY_SECONDS;
	rules.audience = setting(gw_settings.jwt_audience);
	rules.issuer = setting(gw_settings.jwt_issuer);
	refusal->exp = 0;
	refusal->verdict = JWT_NO_SIGNER;
	if (keys == NULL)
		return false;
	refusal->verdict = jwt_verify(keys, token, &rules, text, claims);
	if (refusal->verdict == JWT_EXPIRED)
		refusal->exp = claims->exp;
	return refusal->verdict == JWT_OK && role_allowed(claims->role);
}
