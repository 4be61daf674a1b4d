/*-------------------------------------------------------------------------
 *
 * tls_stream.c
 *	  Bytes to and from a client over TLS.
 *
 * OpenSSL is never let to hold bytes that we could read: it takes one record at
 * a time off the socket, and is asked only where there is room for all of it.
 * What is not read stays in the socket, and epoll knows of it.
 *
 * Runs of one flush are gathered into as few records as hold them.  A record
 * that the socket has no room for is kept by OpenSSL, encrypted, and counts as
 * not sent; the next send begins with the same bytes, which are still the first
 * of the queue.
 *
 * src/gateway/tls_stream.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include "gateway/tls_stream.h"

#define RECORD_MAX SSL3_RT_MAX_PLAIN_LENGTH

StaticAssertDecl(STREAM_RECV_MIN >= RECORD_MAX, "a record may not fit");

static char record[RECORD_MAX]; /* to be sent */

/*
 * What a failed SSL_read() means, where `got` bytes were read before.  Who ends
 * the connection without the goodbye of TLS may be somebody else who cuts it off,
 * so this is no end of input (RFC 8446 6.1).
 */
static ssize_t
recv_failure(Stream *stream, size_t got)
{
	int			error = SSL_get_error(stream->ssl, 0);

	switch (error)
	{
		case SSL_ERROR_WANT_WRITE:
			stream->recv_wants_write = true;
			/* fall through */
		case SSL_ERROR_WANT_READ:
			return got > 0 ? (ssize_t) got : STREAM_AGAIN;
		case SSL_ERROR_ZERO_RETURN:
			return got > 0 ? (ssize_t) got : STREAM_EOF;
		case SSL_ERROR_SYSCALL:
			/* the socket tells it once more */
			return got > 0 ? (ssize_t) got : STREAM_BROKEN;
		default:
			return got > 0 && ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING ?
				(ssize_t) got : STREAM_BROKEN;
	}
}

/*
 * Read records as long as the next one fits.
 */
static ssize_t
tls_recv(Stream *stream, int fd, char *buf, size_t len)
{
	size_t		got = 0;

	Assert(len >= RECORD_MAX);
	stream->recv_wants_write = false;
	while (len - got >= RECORD_MAX)
	{
		size_t		n;

		ERR_clear_error();
		if (SSL_read_ex(stream->ssl, buf + got, len - got, &n) != 1)
			return recv_failure(stream, got);
		got += n;
	}
	return (ssize_t) got;
}

/*
 * The bytes of the next record, which begins in iov[*i] at *offset: where they
 * are if that is one piece, else gathered.
 */
static const char *
next_record(const struct iovec *iov, int n, int i, size_t offset, size_t *len)
{
	const char *first = (const char *) iov[i].iov_base + offset;
	size_t		first_len = iov[i].iov_len - offset;

	if (first_len >= RECORD_MAX || i == n - 1)
	{
		*len = Min(first_len, RECORD_MAX);
		return first;
	}
	memcpy(record, first, first_len);
	*len = first_len;
	while (++i < n && *len < RECORD_MAX)
	{
		size_t		part = Min(iov[i].iov_len, RECORD_MAX - *len);

		memcpy(record + *len, iov[i].iov_base, part);
		*len += part;
	}
	return record;
}

/*
 * Write records until all is written or the socket is full.
 */
static ssize_t
tls_send(Stream *stream, int fd, const struct iovec *iov, int n)
{
	size_t		sent = 0;
	size_t		offset = 0;		/* in iov[i], of what was sent */
	int			i = 0;

	while (i < n)
	{
		size_t		len;
		const char *data = next_record(iov, n, i, offset, &len);
		size_t		written;

		ERR_clear_error();
		if (SSL_write_ex(stream->ssl, data, len, &written) != 1)
		{
			if (SSL_get_error(stream->ssl, 0) != SSL_ERROR_WANT_WRITE)
				return STREAM_BROKEN;
			return sent > 0 ? (ssize_t) sent : STREAM_AGAIN;
		}
		sent += written;
		offset += written;
		while (i < n && offset >= iov[i].iov_len)
			offset -= iov[i++].iov_len;
	}
	return (ssize_t) sent;
}

/*
 * What the socket holds.  The record that OpenSSL keeps is still in our queue.
 */
static uint64
tls_in_flight(Stream *stream, int fd)
{
	return stream_plain.in_flight(stream, fd);
}

/*
 * The goodbye of TLS, then a FIN.  All has been written; if there is no room for
 * the goodbye all the same, the protocol's own has to do.
 */
static void
tls_end(Stream *stream, int fd)
{
	ERR_clear_error();
	(void) SSL_shutdown(stream->ssl);
	stream_plain.end(stream, fd);
}

const StreamOps stream_tls = {
	.recv = tls_recv,
	.send = tls_send,
	.in_flight = tls_in_flight,
	.end = tls_end,
	.can_hand_over = false
};
