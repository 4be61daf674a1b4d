/*-------------------------------------------------------------------------
 *
 * ws_writer.c
 *	  A WebSocket frame whose length is known when it is written.
 *
 * src/proto/ws_writer.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/ws_writer.h"

#include "proto/ws_frame.h"

/* Leave room for a header. */
void
ws_writer_begin(WsWriter *w, Bytes *out, size_t estimate)
{
	w->out = out;
	w->start = out->len;
	w->header = ws_frame_header_size(estimate);
	if (bytes_reserve(out, WS_MAX_SERVER_HEADER + estimate))
		out->len += w->header;
}

/* Fill it in. */
bool
ws_writer_end(WsWriter *w, uint8 opcode)
{
	Bytes	   *out = w->out;
	size_t		payload;
	int			header;

	if (!out->failed)
	{
		payload = out->len - w->start - w->header;
		header = ws_frame_header_size(payload);
		if (header == w->header ||
			bytes_reserve(out, WS_MAX_SERVER_HEADER))
		{
			char	   *frame = out->data + w->start;

			if (header != w->header)
				memmove(frame + header, frame + w->header, payload);
			ws_frame_header(frame, opcode, payload);
			out->len = w->start + header + payload;
			return true;
		}
	}
	out->len = w->start;
	return false;
}
