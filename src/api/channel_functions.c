/*-------------------------------------------------------------------------
 *
 * channel_functions.c
 *	  SQL functions about names: realtime.topic(), and channels with a proof.
 *
 * What a channel's proof is, proto/channel_name.c knows; here the arguments
 * become the UTF-8 bytes it works on, whatever the database's encoding.
 *
 * src/api/channel_functions.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/guc.h"

#include "api/sql_function.h"
#include "api/utf8_text.h"
#include "proto/channel_name.h"

SQL_FUNCTION(realtime_topic);
SQL_FUNCTION(channel_hmac_hex);
SQL_FUNCTION(derive_channel);
SQL_FUNCTION(verify_channel);

/*
 * Compute the digits for a name or raise an error.
 */
static void
compute_hmac(text *name, text *secret, char *hex)
{
	if (!channel_hmac(utf8_text(name), utf8_text(secret), hex))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not compute the HMAC of a channel name")));
}

/*
 * realtime.topic() returns text
 *
 * The topic that a policy or a transaction is about; NULL where there is none.
 */
Datum
realtime_topic(PG_FUNCTION_ARGS)
{
	const char *value = GetConfigOption("realtime.topic", true, false);

	if (value == NULL || *value == '\0')
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(value));
}

/*
 * realtime.channel_hmac(name text, secret text) returns text
 */
Datum
channel_hmac_hex(PG_FUNCTION_ARGS)
{
	char		hex[CHANNEL_HMAC_HEX];

	compute_hmac(PG_GETARG_TEXT_PP(0), PG_GETARG_TEXT_PP(1), hex);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(hex, CHANNEL_HMAC_HEX));
}

/*
 * realtime.derive_channel(name text, secret text) returns text
 */
Datum
derive_channel(PG_FUNCTION_ARGS)
{
	text	   *name = PG_GETARG_TEXT_PP(0);
	Size		name_len = VARSIZE_ANY_EXHDR(name);
	text	   *channel = palloc(VARHDRSZ + name_len + 1 + CHANNEL_HMAC_HEX);
	char	   *dst = VARDATA(channel);

	SET_VARSIZE(channel, VARHDRSZ + name_len + 1 + CHANNEL_HMAC_HEX);
	memcpy(dst, VARDATA_ANY(name), name_len);
	dst[name_len] = '-';
	compute_hmac(name, PG_GETARG_TEXT_PP(1), dst + name_len + 1);
	PG_RETURN_TEXT_P(channel);
}

/*
 * realtime.verify_channel(channel text, secret text) returns boolean
 */
Datum
verify_channel(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(channel_verify(utf8_text(PG_GETARG_TEXT_PP(0)),
								  utf8_text(PG_GETARG_TEXT_PP(1))));
}
