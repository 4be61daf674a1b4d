/*-------------------------------------------------------------------------
 *
 * ws_message.h
 *	  From a client's byte stream to whole messages, in place.
 *
 * The caller owns one receive buffer per connection, appends what it reads
 * and calls ws_message_next() until it says WS_NEED_MORE.  Payload is unmasked
 * and moved together inside that buffer; nothing is allocated here.  All state
 * is in WsMessageState, so input may be cut at any byte.
 *
 * Enforced: RFC 6455 5.4 fragmentation with interleaved control frames, 5.5
 * control frames, 5.6 and 8.1 UTF-8 of text failing fast (mid-frame, too),
 * 7.4 close codes, max_message over all fragments from the headers alone, and
 * at most WS_MAX_FRAGMENTS fragments in one message (reliability.md A5).
 *
 * src/proto/ws_message.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_WS_MESSAGE_H
#define REALTIME_WS_MESSAGE_H

#include "proto/utf8.h"
#include "proto/ws_frame.h"

#define WS_MAX_FRAGMENTS 16384

typedef enum WsEvent
{
	WS_NEED_MORE,				/* read more bytes */
	WS_TEXT,					/* a whole text message, valid UTF-8 */
	WS_BINARY,					/* a whole binary message */
	WS_PING,					/* answer with a pong of this payload */
	WS_PONG,
	WS_CLOSE,					/* close frame; close_code is what to echo */
	WS_FAIL						/* broken: close with close_code */
} WsEvent;

typedef struct WsMessageState
{
	uint64		max_message;	/* bytes over all fragments of one message */
	uint8		opcode;			/* of the message in progress, 0 = none */
	bool		in_frame;		/* header taken, payload not complete */
	WsFrameHeader frame;		/* the frame in progress */
	uint64		frame_done;		/* its payload bytes already taken */
	size_t		message_len;	/* payload bytes gathered at buf[0..) */
	size_t		taken;			/* bytes of buf that are dealt with; what was
								 * not looked at yet starts here */
	uint32		fragments;		/* data frames of this message so far */
	Utf8State	utf8;
} WsMessageState;

extern void ws_message_init(WsMessageState *state, uint64 max_message);

/*
 * Take the next event out of buf[0..*len).
 *
 * Gathered payload stays at the front of buf across calls; *payload points
 * into buf (behind the status code for WS_CLOSE) and is good until the next
 * call with this buffer, which drops it (the state remembers that).  *len
 * shrinks only with WS_NEED_MORE, when all that was dealt with is dropped at
 * once: so append at buf + *len, never move the bytes, and read from the
 * socket again after WS_NEED_MORE only.  The buffer may be freed when *len is
 * 0 then.
 *
 * *close_code is set for WS_CLOSE (1000 where the client gave none, else its
 * own) and WS_FAIL.  *want is a hint for WS_NEED_MORE: bytes the buffer should
 * be able to hold for the frame in progress (0 = no opinion, nothing is in
 * progress).  It may be max_message and a header long before such bytes come:
 * who grows a buffer step by step gives a client nothing for a mere promise.
 *
 * After WS_CLOSE or WS_FAIL the state must not be used again.
 */
extern WsEvent ws_message_next(WsMessageState *state, char *buf, size_t *len,
							   Slice *payload, int *close_code, size_t *want) RT_MUSTCHECK;

#endif							/* REALTIME_WS_MESSAGE_H */
