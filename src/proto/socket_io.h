/*-------------------------------------------------------------------------
 *
 * socket_io.h
 *	  Socket.IO, protocol 5: packets on an Engine.IO session.
 *
 * insforge-oaura.md 1.10.  A packet is the text of an Engine.IO message,
 *
 *	  type [attachments "-"] [namespace ","] [ack id] [JSON]
 *
 * where the JSON of an event is an array that begins with its name.  Bytes in it
 * are attachments: binary messages that follow the packet, while in the JSON
 * objects {"_placeholder":true,"num":n} stand for them.
 *
 * Decoding never copies.  Encoders append whole WebSocket frames with the type
 * of an Engine.IO message in front; false only for want of memory, and then
 * *out is as before.
 *
 * src/proto/socket_io.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_SOCKET_IO_H
#define REALTIME_SOCKET_IO_H

#include "proto/jslice.h"

#define SOCKET_IO_MAX_ATTACHMENTS 16
#define SOCKET_IO_MAX_ACK 15	/* digits of an ack id: a whole number in JavaScript */

typedef enum SocketIoType
{
	SOCKET_IO_CONNECT = '0',
	SOCKET_IO_DISCONNECT = '1',
	SOCKET_IO_EVENT = '2',
	SOCKET_IO_ACK = '3',
	SOCKET_IO_CONNECT_ERROR = '4',
	SOCKET_IO_BINARY_EVENT = '5',
	SOCKET_IO_BINARY_ACK = '6'
} SocketIoType;

typedef struct SocketIoPacket
{
	SocketIoType type;
	uint32		attachments;	/* binary messages that follow */
	Slice		space;			/* the namespace, "/" where none is given */
	Slice		ack;			/* digits; empty = no answer is wanted */
	Slice		data;			/* JSON, or empty */
	Slice		name;			/* of an event: a raw JSON string or number */
	Slice		argument;		/* the item behind the name, or empty */
} SocketIoPacket;

/*
 * Decode a packet.  False if it is malformed, and then *error names why: a
 * type, number of attachments or ack id that there is not, JSON that is not
 * valid (jslice.h) or not of the shape of its type, an event of a reserved name.
 */
extern bool socket_io_decode(Slice text, SocketIoPacket *packet, const char **error) RT_MUSTCHECK;

/*
 * A second time for an event with attachments, once they have come: put bytes in
 * the place of each placeholder, as {"type":"Buffer","data":[1,2,3]}, which is
 * what JSON makes of them in Node.js.  False without memory, or if a placeholder
 * is for none of them.
 */
extern bool socket_io_fill(Slice data, const Slice *attachments, uint32 n, Bytes *out) RT_MUSTCHECK;

/*
 * Is this an event that clients take for one of their own connection?  In a
 * packet it makes them give up the connection.
 */
extern bool socket_io_is_reserved(Slice name);

/* The client is connected to a namespace. */
extern bool socket_io_encode_connect(Bytes *out, Slice sid);

/* Or not; data is JSON, or empty. */
extern bool socket_io_encode_connect_error(Bytes *out, Slice space, const char *message,
										   Slice data);

/* An event with one argument, JSON. */
extern bool socket_io_encode_event(Bytes *out, const char *name, Slice argument);

/* The answer to one that wants it; argument is JSON. */
extern bool socket_io_encode_ack(Bytes *out, Slice ack, Slice argument);

/*
 * The beginning of an answer that begins with `head`, of which `rest` bytes
 * follow: the end of the array is among them.
 */
extern bool socket_io_encode_ack_head(Bytes *out, Slice ack, Slice head, size_t rest);

/* What is published on a channel. */
typedef struct SocketIoMessage
{
	Slice		event;			/* plain UTF-8, not reserved */
	Slice		payload;		/* JSON, or bytes */
	bool		is_binary;		/* it is bytes */
	Slice		meta;			/* a JSON object */
} SocketIoMessage;

/*
 * An event whose argument is the payload, an object, with the member "meta"
 * added, in place of one that it has; any other payload becomes the member
 * "payload" of such an object, whose meta then says "wrapped": true.
 */
extern bool socket_io_encode_message(Bytes *out, const SocketIoMessage *message);

#endif							/* REALTIME_SOCKET_IO_H */
