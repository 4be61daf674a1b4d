/*-------------------------------------------------------------------------
 *
 * ws_frame.h
 *	  WebSocket frames: RFC 6455 section 5.2.
 *
 * src/proto/ws_frame.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_WS_FRAME_H
#define REALTIME_WS_FRAME_H

#include "proto/proto.h"

#define WS_MAX_HEADER 14		/* 2 + 8 length + 4 mask */
#define WS_MAX_SERVER_HEADER 10 /* 2 + 8 length: servers do not mask */
#define WS_MAX_CONTROL 125

#define WS_OP_CONTINUATION 0x0
#define WS_OP_TEXT 0x1
#define WS_OP_BINARY 0x2
#define WS_OP_CLOSE 0x8
#define WS_OP_PING 0x9
#define WS_OP_PONG 0xA

/* Close codes, RFC 6455 section 7.4.1 and the IANA registry. */
#define WS_CLOSE_NORMAL 1000
#define WS_CLOSE_GOING_AWAY 1001
#define WS_CLOSE_PROTOCOL_ERROR 1002
#define WS_CLOSE_UNSUPPORTED 1003
#define WS_CLOSE_NO_STATUS 1005 /* never on the wire */
#define WS_CLOSE_INVALID_DATA 1007
#define WS_CLOSE_POLICY 1008
#define WS_CLOSE_TOO_BIG 1009
#define WS_CLOSE_INTERNAL 1011
#define WS_CLOSE_RESTART 1012
#define WS_CLOSE_TRY_LATER 1013

typedef struct WsFrameHeader
{
	bool		fin;
	uint8		opcode;
	uint8		mask[4];
	uint64		payload_len;
} WsFrameHeader;

/*
 * Decode the header of a frame from a client.
 *
 * Returns the bytes of the header, 0 if it is incomplete, or minus the close
 * code that the frame deserves: 1002 for RSV bits, unknown opcodes, a missing
 * mask, a non-minimal length, the top bit of a 64-bit length, a fragmented or
 * oversize control frame; 1009 when a data frame declares more than max_payload
 * bytes.  Nothing is allocated and no payload is needed for the verdict.
 */
extern int	ws_frame_decode(const char *buf, size_t len, uint64 max_payload,
							WsFrameHeader *header) RT_MUSTCHECK;

/*
 * Unmask len bytes in place; offset is how many bytes of this frame's payload
 * came before them.
 */
extern void ws_frame_unmask(char *data, size_t len, const uint8 mask[4], uint64 offset);

/* Write the header of a final, unmasked frame; returns its bytes (2, 4 or 10). */
extern int	ws_frame_header(char *dst, uint8 opcode, uint64 payload_len);

/* Bytes that ws_frame_header() takes. */
extern int	ws_frame_header_size(uint64 payload_len);

/* May this close code come from a client?  RFC 6455 section 7.4.2. */
extern bool ws_close_code_valid(int code);

#endif							/* REALTIME_WS_FRAME_H */
