/*-------------------------------------------------------------------------
 *
 * tls_accept.c
 *	  Whether clients speak TLS, and how that begins.
 *
 * The certificate and its key come with the settings and are wiped there once
 * there is a context.  Another context takes its place when they change; one
 * lives as long as a connection that has begun with it.
 *
 * A handshake costs as much as some hundred messages, and a crowd may want one at
 * the same time.  So a turn makes HANDSHAKES_PER_TURN steps at most: those who
 * speak already have their turn, too, and the others have theirs in the order in
 * which epoll has them.  Until a client has said something, it costs no more than
 * one without TLS.
 *
 * src/gateway/tls_accept.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include <openssl/err.h>

#include "gateway/gw_settings.h"
#include "gateway/gw_stats.h"
#include "gateway/tls_accept.h"
#include "gateway/tls_stream.h"
#include "program/bus_link.h"
#include "proto/tls_context.h"

#define HANDSHAKES_PER_TURN 8

static SSL_CTX *context;		/* what connections begin with; NULL = none */
static int	steps;				/* made in this turn */

/*
 * The hub says so.
 */
bool
tls_wanted(void)
{
	return gw_settings.ssl == NULL || strcmp(gw_settings.ssl, "off") != 0;
}

/*
 * Is there a certificate?
 */
bool
tls_possible(void)
{
	return context != NULL;
}

/*
 * A text of the settings, which may not have come.
 */
static Slice
slice_of(const char *setting)
{
	return slice_make(setting, setting != NULL ? strlen(setting) : 0);
}

/*
 * Use another context from now on; NULL for none.
 */
static void
replace_context(SSL_CTX *other)
{
	SSL_CTX_free(context);
	context = other;
}

/*
 * Make a context of what the settings hold.
 */
static void
take_identity(void)
{
	TlsIdentity identity;
	TlsProblem	problem;
	SSL_CTX    *made;

	identity.certificate = slice_of(gw_settings.ssl_certificate);
	identity.key = slice_of(gw_settings.ssl_key);
	identity.authorities = slice_of(gw_settings.ssl_authorities);
	made = tls_context_new(&identity, &problem);
	if (made != NULL)
		replace_context(made);
	else
		bus_log(BUS_LOG_WARNING, "could not use the certificate for TLS: %s%s", problem.reason,
				context != NULL ? "; the former one stays in use" : "");
}

/*
 * Act on the settings.
 */
void
tls_settings_changed(void)
{
	if (gw_settings.ssl != NULL && strcmp(gw_settings.ssl, "on") == 0)
		take_identity();
	else
		replace_context(NULL);
	gw_settings_wipe_key();
}

/*
 * A stream's first step.  False without memory.
 */
static bool
begin(Stream *stream, int fd)
{
	stream->ssl = context != NULL ? SSL_new(context) : NULL;
	if (stream->ssl == NULL || SSL_set_fd(stream->ssl, fd) != 1)
		return false;
	SSL_set_accept_state(stream->ssl);
	return true;
}

/*
 * It has failed: is anybody there to be told?
 */
static TlsProgress
failure(Stream *stream, int error)
{
	int			reason = ERR_GET_REASON(ERR_peek_error());

	if (error != SSL_ERROR_SSL || reason == SSL_R_UNEXPECTED_EOF_WHILE_READING)
		return TLS_GONE;
	STAT_INC(BUS_STAT_TLS_FAILED);
	stream_reset(stream);
	return reason == SSL_R_HTTP_REQUEST ? TLS_IS_HTTP : TLS_REFUSED;
}

/*
 * One step of a handshake.
 */
TlsProgress
tls_handshake(Stream *stream, int fd)
{
	int			error;

	if (steps >= HANDSHAKES_PER_TURN)
		return TLS_NEXT_TURN;
	steps++;
	ERR_clear_error();
	if (stream->ssl == NULL && !begin(stream, fd))
		return TLS_GONE;
	if (SSL_do_handshake(stream->ssl) == 1)
	{
		STAT_INC(BUS_STAT_TLS_HANDSHAKES);
		stream->ops = &stream_tls;
		return TLS_DONE;
	}
	error = SSL_get_error(stream->ssl, 0);
	if (error == SSL_ERROR_WANT_READ)
		return TLS_WANTS_READ;
	if (error == SSL_ERROR_WANT_WRITE)
		return TLS_WANTS_WRITE;
	return failure(stream, error);
}

/*
 * The next turn has its own.
 */
void
tls_end_turn(void)
{
	steps = 0;
}
