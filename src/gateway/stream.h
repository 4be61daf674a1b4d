/*-------------------------------------------------------------------------
 *
 * stream.h
 *	  Bytes to and from a client, whatever carries them.
 *
 * src/gateway/stream.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_STREAM_H
#define REALTIME_STREAM_H

#include <sys/uio.h>

#include "proto/proto.h"

/* What recv and send return instead of a number of bytes. */
#define STREAM_EOF 0			/* recv: the peer sends no more */
#define STREAM_AGAIN (-1)		/* not now */
#define STREAM_BROKEN (-2)		/* never again */

/* Room that recv wants: what one record of TLS holds. */
#define STREAM_RECV_MIN (16 * 1024)

struct ssl_st;

typedef struct Stream
{
	const struct StreamOps *ops;
	struct ssl_st *ssl;			/* of one that speaks TLS */
	bool		recv_wants_write;	/* recv has something to say first */
} Stream;

/*
 * The operations of one kind of stream, on its socket.  None of them waits or
 * logs.
 */
typedef struct StreamOps
{
	/* up to len bytes into buf; what is left stays in the socket */
	ssize_t		(*recv) (Stream *stream, int fd, char *buf, size_t len);

	/*
	 * iov[0..n).  Fewer bytes than asked for mean that the socket is full; then
	 * the next call must begin with the bytes that were not taken.
	 */
	ssize_t		(*send) (Stream *stream, int fd, const struct iovec *iov, int n);

	/* bytes sent that the peer has not acknowledged */
	uint64		(*in_flight) (Stream *stream, int fd);

	/* tell the peer that nothing more will come */
	void		(*end) (Stream *stream, int fd);

	/* is all of its state in the kernel, so that another process can go on? */
	bool		can_hand_over;
} StreamOps;

extern const StreamOps stream_plain;

/* Make it a plain one, whatever it was; what it holds is freed. */
extern void stream_reset(Stream *stream);

#endif							/* REALTIME_STREAM_H */
