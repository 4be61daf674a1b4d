/*-------------------------------------------------------------------------
 *
 * handover_message.c
 *	  A client's connection on its way from one gateway to another.
 *
 * src/proto/handover_message.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/handover_message.h"

StaticAssertDecl(sizeof(HandoverHead) == 8, "HandoverHead is padded");

/*
 * Put a message together.
 */
void
handover_to_send(HandoverEnvelope *envelope, const HandoverHead *head, Slice bytes, int fd)
{
	struct cmsghdr *control;

	memset(envelope, 0, sizeof(*envelope));
	envelope->iov[0].iov_base = unconstify(HandoverHead *, head);
	envelope->iov[0].iov_len = sizeof(*head);
	envelope->iov[1].iov_base = unconstify(char *, bytes.data);
	envelope->iov[1].iov_len = bytes.len;
	envelope->msg.msg_iov = envelope->iov;
	envelope->msg.msg_iovlen = 2;
	envelope->msg.msg_control = envelope->control.bytes;
	envelope->msg.msg_controllen = CMSG_SPACE(sizeof(int));
	control = CMSG_FIRSTHDR(&envelope->msg);
	control->cmsg_level = SOL_SOCKET;
	control->cmsg_type = SCM_RIGHTS;
	control->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(control), &fd, sizeof(int));
}

/*
 * Prepare to receive.
 */
void
handover_to_receive(HandoverEnvelope *envelope, char *buffer)
{
	memset(envelope, 0, sizeof(*envelope));
	envelope->iov[0].iov_base = buffer;
	envelope->iov[0].iov_len = HANDOVER_MAX_MESSAGE;
	envelope->msg.msg_iov = envelope->iov;
	envelope->msg.msg_iovlen = 1;
	envelope->msg.msg_control = envelope->control.bytes;
	envelope->msg.msg_controllen = sizeof(envelope->control.bytes);
}

/*
 * Take the descriptors out.
 */
int
handover_descriptors(HandoverEnvelope *envelope, int fds[HANDOVER_FDS])
{
	int			n = 0;

	for (struct cmsghdr *control = CMSG_FIRSTHDR(&envelope->msg); control != NULL;
		 control = CMSG_NXTHDR(&envelope->msg, control))
	{
		int			count;

		if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS)
			continue;
		count = (int) ((control->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		Assert(n + count <= HANDOVER_FDS);
		memcpy(&fds[n], CMSG_DATA(control), count * sizeof(int));
		n += count;
	}
	return n;
}

/*
 * Read a message.
 */
HandoverVerdict
handover_judge(const HandoverEnvelope *envelope, size_t len, int nfds, uint32 slots,
			   HandoverHead *head, Slice *bytes)
{
	const char *data = envelope->iov[0].iov_base;

	if (envelope->msg.msg_flags & MSG_TRUNC || len < sizeof(*head))
		return HANDOVER_BAD;
	memcpy(head, data, sizeof(*head));
	*bytes = slice_make(data + sizeof(*head), len - sizeof(*head));
	if (head->slot >= slots || head->length != bytes->len)
		return HANDOVER_BAD;
	/* the kernel cuts off what is too much, and what it has no number for */
	if (envelope->msg.msg_flags & MSG_CTRUNC && nfds == 0)
		return HANDOVER_LOST;
	return nfds == 1 && (envelope->msg.msg_flags & MSG_CTRUNC) == 0 ?
		HANDOVER_GOOD : HANDOVER_BAD;
}
