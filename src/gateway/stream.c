/*-------------------------------------------------------------------------
 *
 * stream.c
 *	  Bytes to and from a client over plain TCP.
 *
 * src/gateway/stream.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include <linux/sockios.h>
#include <openssl/ssl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "gateway/stream.h"

/*
 * What a failed call of recv or send means.
 */
static ssize_t
failure(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ?
		STREAM_AGAIN : STREAM_BROKEN;
}

/*
 * Read once.
 */
static ssize_t
plain_recv(Stream *stream, int fd, char *buf, size_t len)
{
	ssize_t		n = recv(fd, buf, len, MSG_DONTWAIT);

	return n >= 0 ? n : failure();
}

/*
 * One stretch of memory is the common case, and send() is cheaper than
 * sendmsg().
 */
static ssize_t
plain_send(Stream *stream, int fd, const struct iovec *iov, int n)
{
	struct msghdr msg = {0};
	ssize_t		sent;

	if (n == 1)
		sent = send(fd, iov->iov_base, iov->iov_len, MSG_DONTWAIT | MSG_NOSIGNAL);
	else
	{
		msg.msg_iov = unconstify(struct iovec *, iov);
		msg.msg_iovlen = n;
		sent = sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	return sent >= 0 ? sent : failure();
}

/*
 * What SIOCOUTQ tells: sent and not acknowledged, or not sent yet.
 */
static uint64
plain_in_flight(Stream *stream, int fd)
{
	int			bytes;

	return ioctl(fd, SIOCOUTQ, &bytes) == 0 && bytes > 0 ? bytes : 0;
}

/*
 * Send a FIN behind what is sent.
 */
static void
plain_end(Stream *stream, int fd)
{
	shutdown(fd, SHUT_WR);
}

const StreamOps stream_plain = {
	.recv = plain_recv,
	.send = plain_send,
	.in_flight = plain_in_flight,
	.end = plain_end,
	.can_hand_over = true
};

/*
 * From now on its bytes are those of the socket.
 */
void
stream_reset(Stream *stream)
{
	SSL_free(stream->ssl);
	stream->ssl = NULL;
	stream->ops = &stream_plain;
	stream->recv_wants_write = false;
}
