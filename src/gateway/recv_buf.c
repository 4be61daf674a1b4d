/*-------------------------------------------------------------------------
 *
 * recv_buf.c
 *	  What a client has sent of a message that is not complete yet.
 *
 * Whole messages are handled where recv() put them (conn_input.c), so a
 * connection owns such a buffer only while something is cut off in the middle.
 * All of them together are bounded: else 10,000 clients could each have us
 * keep all but the last byte of the largest message.
 *
 * src/gateway/recv_buf.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/gw_settings.h"
#include "gateway/recv_buf.h"

#define TOTAL_MAX (256 * 1024 * 1024)

static size_t total;			/* capacity of all buffers */

/*
 * Between two requests or messages.
 */
void
recv_state_init(RecvState *state)
{
	state->http_scanned = 0;
	state->http_discard = 0;
	ws_message_init(&state->ws, gw_settings.max_frame_size);
}

/*
 * Would recv_state_init() lose nothing?
 */
bool
recv_state_idle(const RecvState *state)
{
	return state->http_scanned == 0 && state->http_discard == 0 &&
		state->ws.opcode == 0 && !state->ws.in_frame;
}

/*
 * Allocate or grow, within the bound on all buffers.
 */
bool
recv_buf_reserve(RecvBuf **buf, size_t cap)
{
	size_t		old_cap = *buf != NULL ? (*buf)->cap : 0;
	RecvBuf    *moved;

	/* state alone has to be kept as well, when no byte is */
	if (*buf != NULL && cap <= old_cap)
		return true;
	if (total - old_cap + cap > TOTAL_MAX)
		return false;
	moved = realloc(*buf, offsetof(RecvBuf, data) + cap);
	if (moved == NULL)
		return false;
	if (*buf == NULL)
	{
		moved->len = 0;
		recv_state_init(&moved->state);
	}
	moved->cap = cap;
	total += cap - old_cap;
	*buf = moved;
	return true;
}

/*
 * Give a buffer back.
 */
void
recv_buf_free(RecvBuf *buf)
{
	if (buf == NULL)
		return;
	total -= buf->cap;
	free(buf);
}
