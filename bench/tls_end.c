/*-------------------------------------------------------------------------
 *
 * tls_end.c
 *	  An end of a TLS connection, as simple as it can be.
 *
 * bench/tls_end.c
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

#include <openssl/err.h>

#include "tls_end.h"

/*
 * End the program with what OpenSSL says.
 */
static void
tls_fatal(const char *what)
{
	fatal("%s: %s", what, ERR_reason_error_string(ERR_get_error()));
}

/*
 * A context for one side.
 */
static SSL_CTX *
make_context(const SSL_METHOD *method)
{
	SSL_CTX    *context = SSL_CTX_new(method);

	if (context == NULL)
		tls_fatal("TLS");
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(context, 1);
	SSL_CTX_set_num_tickets(context, 0);
	return context;
}

/*
 * A connection on a descriptor.
 */
static SSL *
make_end(SSL_CTX *context, int fd)
{
	SSL		   *tls = SSL_new(context);

	if (tls == NULL || !SSL_set_fd(tls, fd))
		tls_fatal("TLS");
	return tls;
}

/*
 * Shake hands as the client.
 */
SSL *
tls_connect(int fd)
{
	static SSL_CTX *context = NULL;
	SSL		   *tls;

	if (context == NULL)
		context = make_context(TLS_client_method());
	tls = make_end(context, fd);
	if (SSL_connect(tls) != 1)
		tls_fatal("handshake");
	return tls;
}

/*
 * Shake hands as the server.
 */
SSL *
tls_accept(int fd, const char *certificate, const char *key)
{
	static SSL_CTX *context = NULL;
	SSL		   *tls;

	if (context == NULL)
	{
		context = make_context(TLS_server_method());
		if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1 ||
			SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
			tls_fatal(certificate);
	}
	tls = make_end(context, fd);
	if (SSL_accept(tls) != 1)
		tls_fatal("handshake");
	return tls;
}

/*
 * Read as many records as there are and as there is room for.
 */
ssize_t
tls_read(SSL *tls, char *data, size_t size)
{
	size_t		len = 0;

	while (len < size)
	{
		int			got = SSL_read(tls, data + len, (int) (size - len));

		if (got <= 0)
		{
			int			reason = SSL_get_error(tls, got);

			ERR_clear_error();
			if (len > 0)
				break;
			if (reason != SSL_ERROR_WANT_READ)
				return 0;
			errno = EAGAIN;
			return -1;
		}
		len += (size_t) got;
		if (!SSL_has_pending(tls))
			break;
	}
	return (ssize_t) len;
}

/*
 * Write all of it.
 */
void
tls_write(SSL *tls, const char *data, size_t len)
{
	if (SSL_write(tls, data, (int) len) != (int) len)
		tls_fatal("write");
}
