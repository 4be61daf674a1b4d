/*-------------------------------------------------------------------------
 *
 * tls_context.h
 *	  From certificates and a key, as texts, to what TLS connections begin with.
 *
 * src/proto/tls_context.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_TLS_CONTEXT_H
#define REALTIME_TLS_CONTEXT_H

#include "proto/proto.h"
#include "proto/slice.h"

#include <openssl/ssl.h>

/* All in PEM. */
typedef struct TlsIdentity
{
	Slice		certificate;	/* the server's, then those that lead to a root */
	Slice		key;			/* of the first one, not encrypted */
	Slice		authorities;	/* whose certificates clients must show one of;
								 * empty = clients need none */
} TlsIdentity;

typedef enum TlsPart
{
	TLS_PART_CERTIFICATE,
	TLS_PART_KEY,
	TLS_PART_AUTHORITIES,
	TLS_PART_NONE				/* want of memory */
} TlsPart;

/* What cannot be used, and why. */
typedef struct TlsProblem
{
	TlsPart		part;
	const char *reason;			/* lasts for ever */
	bool		is_encrypted;	/* it is a key that asks for a passphrase */
} TlsProblem;

/*
 * Make a context for server connections; the caller owns it.  NULL with a
 * problem if that cannot be.  Keeps nothing of what it is given.
 */
extern SSL_CTX *tls_context_new(const TlsIdentity *identity, TlsProblem *problem) RT_MUSTCHECK;

#endif							/* REALTIME_TLS_CONTEXT_H */
