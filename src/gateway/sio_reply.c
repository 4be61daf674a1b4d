/*-------------------------------------------------------------------------
 *
 * sio_reply.c
 *	  What the gateway says to one Socket.IO client.
 *
 * src/gateway/sio_reply.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/conn_output.h"
#include "gateway/replies.h"
#include "gateway/sio_reply.h"

static Bytes frames;			/* being encoded for one client */
static Bytes json;				/* an argument being put together */

/*
 * Queue what was encoded.
 */
void
sio_send(Conn *conn, Bytes *frame, bool encoded)
{
	if (encoded)
		conn_write(conn, frame->data, frame->len);
	else
		reply_no_memory(conn);
	scratch_reset(frame);
}

/*
 * Answer.
 */
void
sio_answer(Conn *conn, Slice ack, const Bytes *argument)
{
	if (argument->failed)
		reply_no_memory(conn);
	else if (ack.len > 0)
		sio_send(conn, &frames, socket_io_encode_ack(&frames, ack, bytes_slice(argument)));
}

/*
 * Append a channel's name, if there is one.
 */
static void
append_channel(Slice channel)
{
	if (channel.len == 0)
		return;
	bytes_append_cstr(&json, "\"channel\":");
	jslice_append_string(&json, channel);
	bytes_append_byte(&json, ',');
}

/*
 * The event.
 */
void
sio_send_error(Conn *conn, Slice channel, const SioError *error)
{
	scratch_reset(&json);
	bytes_append_byte(&json, '{');
	append_channel(channel);
	bytes_printf(&json, "\"code\":\"%s\",\"message\":\"%s\"}", error->code, error->message);
	sio_send(conn, &frames, !json.failed &&
			 socket_io_encode_event(&frames, "realtime:error", bytes_slice(&json)));
}

/*
 * The answer.
 */
void
sio_refuse(Conn *conn, Slice ack, Slice channel, const SioError *error)
{
	if (ack.len == 0)
	{
		sio_send_error(conn, channel, error);
		return;
	}
	scratch_reset(&json);
	bytes_append_cstr(&json, "{\"ok\":false,");
	append_channel(channel);
	bytes_printf(&json, "\"error\":{\"code\":\"%s\",\"message\":\"%s\"}}",
				 error->code, error->message);
	sio_answer(conn, ack, &json);
}
