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

/*
 * The operations of one kind of stream.  None of them waits or logs.
 */
typedef struct StreamOps
{
	/* up to len bytes into buf */
	ssize_t		(*recv) (int fd, char *buf, size_t len);

	/* iov[0..n); fewer bytes than asked for means that the socket is full */
	ssize_t		(*send) (int fd, const struct iovec *iov, int n);

	/* bytes sent that the peer has not acknowledged */
	uint64		(*in_flight) (int fd);

	/* tell the peer that nothing more will come */
	void		(*end) (int fd);

	/* is all of its state in the kernel, so that another process can go on? */
	bool		can_hand_over;
} StreamOps;

extern const StreamOps stream_plain;

#endif							/* REALTIME_STREAM_H */
