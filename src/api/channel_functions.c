/*-------------------------------------------------------------------------
 *
 * channel_functions.c
 *	  SQL functions about names: of topics and channels, and channels with a proof.
 *
 * What a channel's proof is, proto/channel_name.c knows; here the arguments
 * become the UTF-8 bytes it works on, whatever the database's encoding.
 *
 * src/api/channel_functions.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "api/sql_function.h"
#include "api/utf8_text.h"
#include "proto/channel_name.h"
#include "proto/channel_pattern.h"

SQL_FUNCTION(realtime_topic);
SQL_FUNCTION(realtime_channel_name);
SQL_FUNCTION(channel_matches);
SQL_FUNCTION(channel_hmac_hex);
SQL_FUNCTION(derive_channel);
SQL_FUNCTION(verify_channel);
SQL_FUNCTION(match_channels);

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
 * The value of a setting; NULL where there is none.
 */
static Datum
setting_value(FunctionCallInfo fcinfo, const char *name)
{
	const char *value = GetConfigOption(name, true, false);

	if (value == NULL || *value == '\0')
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(value));
}

/*
 * realtime.topic() returns text
 *
 * The topic that a policy or a transaction is about.
 */
static Datum
realtime_topic_body(PG_FUNCTION_ARGS)
{
	return setting_value(fcinfo, "realtime.topic");
}

/*
 * realtime.channel_name() returns text
 *
 * The channel that a policy is about.
 */
static Datum
realtime_channel_name_body(PG_FUNCTION_ARGS)
{
	return setting_value(fcinfo, "realtime.channel_name");
}

/*
 * realtime.channel_matches(pattern text, name text) returns boolean
 */
static Datum
channel_matches_body(PG_FUNCTION_ARGS)
{
	text	   *pattern = PG_GETARG_TEXT_PP(0);
	text	   *name = PG_GETARG_TEXT_PP(1);

	PG_RETURN_BOOL(channel_pattern_matches(slice_make(VARDATA_ANY(pattern), VARSIZE_ANY_EXHDR(pattern)),
										   slice_make(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name))));
}

/*
 * realtime.channel_hmac(name text, secret text) returns text
 */
static Datum
channel_hmac_hex_body(PG_FUNCTION_ARGS)
{
	char		hex[CHANNEL_HMAC_HEX];

	compute_hmac(PG_GETARG_TEXT_PP(0), PG_GETARG_TEXT_PP(1), hex);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(hex, CHANNEL_HMAC_HEX));
}

/*
 * realtime.derive_channel(name text, secret text) returns text
 */
static Datum
derive_channel_body(PG_FUNCTION_ARGS)
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
static Datum
verify_channel_body(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(channel_verify(utf8_text(PG_GETARG_TEXT_PP(0)),
								  utf8_text(PG_GETARG_TEXT_PP(1))));
}

/*
 * The elements of an array of texts, none of which may be null.
 */
static Slice *
text_elements(ArrayType *array, int *n)
{
	Datum	   *values;
	bool	   *nulls;
	Slice	   *elements;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, n);
	elements = palloc_array(Slice, *n);
	for (int i = 0; i < *n; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("names and secrets must not be null")));
		elements[i] = utf8_text(DatumGetTextPP(values[i]));
	}
	return elements;
}

/*
 * This process's verifier; made at its first use, kept for good.
 */
static ChannelVerifier *
get_verifier(void)
{
	static ChannelVerifier *verifier = NULL;

	if (verifier == NULL)
		verifier = channel_verifier_new();
	if (verifier == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not set up HMAC-SHA256 of OpenSSL")));
	return verifier;
}

/*
 * Try one secret with all channels that none has been found for; numbers count
 * from 1, 0 is none.
 */
static void
match_secret(Slice secret, int number, const ChannelParts *parts, const bool *has_parts,
			 int nchannels, Datum *numbers)
{
	ChannelVerifier *verifier = get_verifier();

	if (!channel_verifier_use(verifier, secret))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not compute the HMAC of a channel name")));
	for (int i = 0; i < nchannels; i++)
	{
		if (has_parts[i] && DatumGetInt32(numbers[i]) == 0 &&
			channel_verifier_check(verifier, &parts[i]))
			numbers[i] = Int32GetDatum(number);
	}
}

/*
 * realtime.match_channels(channels text[], secrets text[]) returns integer[]
 *
 * For each channel the number of the first secret that it is good by, 0 if there
 * is none.
 */
static Datum
match_channels_body(PG_FUNCTION_ARGS)
{
	int			nchannels;
	int			nsecrets;
	Slice	   *channels = text_elements(PG_GETARG_ARRAYTYPE_P(0), &nchannels);
	Slice	   *secrets = text_elements(PG_GETARG_ARRAYTYPE_P(1), &nsecrets);
	ChannelParts *parts = palloc_array(ChannelParts, nchannels);
	bool	   *has_parts = palloc_array(bool, nchannels);
	Datum	   *numbers = palloc0_array(Datum, nchannels);

	for (int i = 0; i < nchannels; i++)
		has_parts[i] = channel_split(channels[i], &parts[i]);
	for (int i = 0; i < nsecrets; i++)
	{
		CHECK_FOR_INTERRUPTS();
		match_secret(secrets[i], i + 1, parts, has_parts, nchannels, numbers);
	}
	PG_RETURN_ARRAYTYPE_P(construct_array(numbers, nchannels, INT4OID, 4, true, TYPALIGN_INT));
}
