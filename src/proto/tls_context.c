/*-------------------------------------------------------------------------
 *
 * tls_context.c
 *	  From certificates and a key, as texts, to what TLS connections begin with.
 *
 * The hub makes a context of what it has read to know whether it is good, the
 * gateways make the one that they use: both by this code, so that what the
 * hub finds good is good.  No file is opened here.
 *
 * Sessions are not resumed.  A ticket would be good in one of the gateways that
 * share the port, and its key would open what was recorded of other sessions.
 *
 * src/proto/tls_context.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/tls_context.h"

#include <openssl/err.h>
#include <openssl/pem.h>

/* Of TLS 1.2; all suites of TLS 1.3 are good. */
#define CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"

/*
 * The verdict "no", with what OpenSSL says or else `reason`.
 */
static bool
refuse(TlsProblem *problem, TlsPart part, const char *reason)
{
	unsigned long error = ERR_peek_last_error();

	problem->part = part;
	if (reason == NULL && error != 0)
		reason = ERR_reason_error_string(error);
	problem->reason = reason != NULL ? reason : "it cannot be used";
	ERR_clear_error();
	return false;
}

/*
 * A text for the functions that read PEM; NULL without memory.
 */
static BIO *
open_text(Slice text)
{
	return BIO_new_mem_buf(text.data, (int) Min(text.len, PG_INT32_MAX));
}

/*
 * Nobody is there to be asked for a passphrase.
 */
static int
no_passphrase(char *buf, int size, int rwflag, void *asked)
{
	if (asked != NULL)
		*(bool *) asked = true;
	return -1;
}

/*
 * The next certificate of a text.  NULL at its end, or with *good false at
 * something that is none.
 */
static X509 *
next_certificate(BIO *text, bool *good)
{
	X509	   *certificate = PEM_read_bio_X509(text, NULL, no_passphrase, NULL);
	unsigned long error = ERR_peek_last_error();

	*good = certificate != NULL ||
		(ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE);
	if (*good)
		ERR_clear_error();
	return certificate;
}

/*
 * Take the server's own certificate, and those behind it.
 */
static bool
use_certificates(SSL_CTX *context, BIO *text, TlsProblem *problem)
{
	bool		good;
	X509	   *certificate = next_certificate(text, &good);

	if (certificate == NULL)
		return refuse(problem, TLS_PART_CERTIFICATE, good ? "there is no certificate in it" : NULL);
	good = SSL_CTX_use_certificate(context, certificate) == 1;
	X509_free(certificate);
	if (!good)
		return refuse(problem, TLS_PART_CERTIFICATE, NULL);
	while ((certificate = next_certificate(text, &good)) != NULL)
	{
		if (SSL_CTX_add0_chain_cert(context, certificate) != 1)
		{
			X509_free(certificate);
			return refuse(problem, TLS_PART_CERTIFICATE, NULL);
		}
	}
	return good || refuse(problem, TLS_PART_CERTIFICATE, NULL);
}

/*
 * Take its key.
 */
static bool
use_key(SSL_CTX *context, BIO *text, TlsProblem *problem)
{
	EVP_PKEY   *key = PEM_read_bio_PrivateKey(text, NULL, no_passphrase, &problem->is_encrypted);
	bool		good;

	if (problem->is_encrypted)
		return refuse(problem, TLS_PART_KEY, "it is encrypted");
	if (key == NULL)
		return refuse(problem, TLS_PART_KEY, "there is no key in it");
	good = SSL_CTX_use_PrivateKey(context, key) == 1 &&
		SSL_CTX_check_private_key(context) == 1;
	EVP_PKEY_free(key);
	return good || refuse(problem, TLS_PART_KEY, NULL);
}

/*
 * Ask clients for certificates.
 */
static bool
use_authorities(SSL_CTX *context, BIO *text, TlsProblem *problem)
{
	X509_STORE *store = SSL_CTX_get_cert_store(context);
	X509	   *certificate;
	int			count = 0;
	bool		good;

	while ((certificate = next_certificate(text, &good)) != NULL)
	{
		good = X509_STORE_add_cert(store, certificate) == 1 &&
			SSL_CTX_add_client_CA(context, certificate) == 1;
		X509_free(certificate);
		if (!good)
			break;
		count++;
	}
	if (!good)
		return refuse(problem, TLS_PART_AUTHORITIES, NULL);
	if (count == 0)
		return refuse(problem, TLS_PART_AUTHORITIES, "there is no certificate in it");
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	return true;
}

/*
 * Hand one of the texts to who takes it; an empty one is refused there.
 */
static bool
use_text(SSL_CTX *context, Slice text, TlsProblem *problem,
		 bool (*use) (SSL_CTX *context, BIO *text, TlsProblem *problem))
{
	BIO		   *bio = open_text(text);
	bool		good;

	if (bio == NULL)
		return refuse(problem, TLS_PART_NONE, "out of memory");
	good = use(context, bio, problem);
	BIO_free(bio);
	return good;
}

/*
 * Choose a protocol: we have one.  Who can speak others only is told so (RFC
 * 7301 3.2).
 */
static int
choose_protocol(SSL *ssl, const unsigned char **chosen, unsigned char *chosen_len,
				const unsigned char *offered, unsigned int offered_len, void *arg)
{
	static const unsigned char ours[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
	unsigned char *found;

	if (SSL_select_next_proto(&found, chosen_len, ours, sizeof(ours),
							  offered, offered_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*chosen = found;
	return SSL_TLSEXT_ERR_OK;
}

/*
 * What does not depend on certificates.
 *
 * A record is written at once or kept until it can be, and the caller offers
 * more bytes then than before, from elsewhere.  Without AUTO_RETRY one call reads
 * one record, whatever is in it, so that nobody keeps us in it.
 */
static bool
set_rules(SSL_CTX *context)
{
	SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
					 SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
	return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
		SSL_CTX_set_cipher_list(context, CIPHERS) == 1 &&
		SSL_CTX_set_num_tickets(context, 0) == 1;
}

/*
 * Make a context.
 */
SSL_CTX *
tls_context_new(const TlsIdentity *identity, TlsProblem *problem)
{
	SSL_CTX    *context;

	memset(problem, 0, sizeof(*problem));
	ERR_clear_error();
	context = SSL_CTX_new(TLS_server_method());
	if (context == NULL || !set_rules(context))
		(void) refuse(problem, TLS_PART_NONE, NULL);
	else if (use_text(context, identity->certificate, problem, use_certificates) &&
			 use_text(context, identity->key, problem, use_key) &&
			 (identity->authorities.len == 0 ||
			  use_text(context, identity->authorities, problem, use_authorities)))
		return context;
	SSL_CTX_free(context);
	return NULL;
}
