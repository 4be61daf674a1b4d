/*-------------------------------------------------------------------------
 *
 * handover_message.h
 *	  A client's connection on its way from one gateway to another.
 *
 * Each gateway has a door to the hub, a SOCK_SEQPACKET socket beside its bus.
 * A message there is a HandoverHead, the bytes of the client that were read but
 * not acted on, and exactly one descriptor (SCM_RIGHTS): the client's socket.
 * From a gateway to the hub and from there to the other gateway it is the same.
 *
 * Who receives treats it as hostile.  Whatever comes of a message, the receiver
 * owns its descriptors.
 *
 * src/proto/handover_message.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_HANDOVER_MESSAGE_H
#define REALTIME_HANDOVER_MESSAGE_H

#include "proto/proto.h"

#include <sys/socket.h>
#include <sys/uio.h>

#define DOOR_FD 4				/* descriptor that a gateway inherits */

/* Bytes of a client that go along: more than a gateway reads ahead. */
#define HANDOVER_MAX_BYTES (112 * 1024)

typedef struct HandoverHead
{
	uint32		slot;			/* of the gateway that it is for */
	uint32		length;			/* of the bytes that follow */
} HandoverHead;

#define HANDOVER_MAX_MESSAGE (sizeof(HandoverHead) + HANDOVER_MAX_BYTES)

/* Descriptors that there is room for: one more than are good. */
#define HANDOVER_FDS 2

/*
 * A message as sendmsg() and recvmsg() want it.  Points into itself: not to be
 * moved between making and using it.
 */
typedef struct HandoverEnvelope
{
	struct msghdr msg;
	struct iovec iov[2];
	union
	{
		struct cmsghdr aligned;
		char		bytes[CMSG_SPACE(HANDOVER_FDS * sizeof(int))];
	}			control;
} HandoverEnvelope;

typedef enum HandoverVerdict
{
	HANDOVER_GOOD,
	HANDOVER_LOST,				/* the receiver had no descriptor free */
	HANDOVER_BAD				/* should not have been sent */
} HandoverVerdict;

/* Put a message together; head and bytes must last until it is sent. */
extern void handover_to_send(HandoverEnvelope *envelope, const HandoverHead *head,
							 Slice bytes, int fd);

/* Prepare to receive a message into buffer[0..HANDOVER_MAX_MESSAGE). */
extern void handover_to_receive(HandoverEnvelope *envelope, char *buffer);

/* Take the descriptors out of what was received; returns how many. */
extern int	handover_descriptors(HandoverEnvelope *envelope, int fds[HANDOVER_FDS]);

/*
 * Read a message of len bytes that came with so many descriptors, for one of
 * `slots` gateways; *bytes points into the buffer.
 */
extern HandoverVerdict handover_judge(const HandoverEnvelope *envelope, size_t len, int nfds,
									  uint32 slots, HandoverHead *head, Slice *bytes);

#endif							/* REALTIME_HANDOVER_MESSAGE_H */
