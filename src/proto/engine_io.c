/*-------------------------------------------------------------------------
 *
 * engine_io.c
 *	  Engine.IO, protocol 4: the packets that carry Socket.IO.
 *
 * src/proto/engine_io.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/engine_io.h"

#include "proto/ws_frame.h"
#include "proto/ws_writer.h"

/* Type and the rest. */
bool
engine_decode(Slice text, EngineType *type, Slice *data)
{
	if (text.len == 0 || text.data[0] < ENGINE_OPEN || text.data[0] > ENGINE_NOOP)
		return false;
	*type = (EngineType) text.data[0];
	*data = slice_make(text.data + 1, text.len - 1);
	return true;
}

/* A packet that is nothing but its type. */
bool
engine_encode(Bytes *out, EngineType type)
{
	WsWriter	w;

	ws_writer_begin(&w, out, 1);
	bytes_append_byte(out, (uint8) type);
	return ws_writer_end(&w, WS_OP_TEXT);
}

/* The first packet. */
bool
engine_encode_open(Bytes *out, const EngineHandshake *handshake)
{
	WsWriter	w;

	ws_writer_begin(&w, out, 120);
	bytes_printf(out, "%c{\"sid\":\"%.*s\",\"upgrades\":[%s],\"pingInterval\":" INT64_FORMAT
				 ",\"pingTimeout\":" INT64_FORMAT ",\"maxPayload\":" INT64_FORMAT "}",
				 ENGINE_OPEN, ENGINE_SID_LENGTH, handshake->sid,
				 handshake->can_upgrade ? "\"websocket\"" : "", handshake->ping_interval,
				 handshake->ping_timeout, handshake->max_payload);
	return ws_writer_end(&w, WS_OP_TEXT);
}
