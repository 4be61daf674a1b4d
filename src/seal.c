/*-------------------------------------------------------------------------
 *
 * seal.c
 *	  Seal and verify WAL records.
 *
 * One EVP_MAC context is kept per process with the key set; re-initialising it
 * without a key costs 0.35 us a record, where setting the key each time costs
 * three times that (measured with the prototype, spec/lessons.md).
 *
 * src/seal.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "seal.h"
#include "shmem.h"

static EVP_MAC_CTX *mac_context = NULL;

/*
 * The process's context with the key set; made on first use, kept for good.
 */
static EVP_MAC_CTX *
get_context(void)
{
	OSSL_PARAM	params[2];
	EVP_MAC    *mac;
	EVP_MAC_CTX *context;
	char		digest[] = "SHA256";

	if (mac_context != NULL)
		return mac_context;

	mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	context = mac ? EVP_MAC_CTX_new(mac) : NULL;
	EVP_MAC_free(mac);			/* the context holds its own reference */
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0);
	params[1] = OSSL_PARAM_construct_end();
	if (context == NULL ||
		!EVP_MAC_init(context, realtime_shared->secret, SECRET_BYTES, params))
	{
		EVP_MAC_CTX_free(context);
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not set up HMAC-SHA256 of OpenSSL")));
	}
	mac_context = context;
	return mac_context;
}

/*
 * HMAC over the database's OID and the body.
 */
void
seal_compute(Oid database, Slice body, uint8 *seal)
{
	EVP_MAC_CTX *context = get_context();
	size_t		len = 0;

	if (!EVP_MAC_init(context, NULL, 0, NULL) ||
		!EVP_MAC_update(context, (const unsigned char *) &database, sizeof(database)) ||
		!EVP_MAC_update(context, (const unsigned char *) body.data, body.len) ||
		!EVP_MAC_final(context, seal, &len, WAL_RECORD_SEAL_BYTES) ||
		len != WAL_RECORD_SEAL_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not compute the seal of a realtime message")));
}

/*
 * Compare a seal without telling by time where it differs.
 */
bool
seal_verify(Oid database, Slice body, const uint8 *seal)
{
	uint8		expected[WAL_RECORD_SEAL_BYTES];

	seal_compute(database, body, expected);
	return CRYPTO_memcmp(expected, seal, WAL_RECORD_SEAL_BYTES) == 0;
}
