/*-------------------------------------------------------------------------
 *
 * wal_record.h
 *	  One realtime message as it stands in the WAL and travels on the bus.
 *
 * The body is written once, by the sending backend, and is handed unchanged
 * from the WAL to the gateways.  In the WAL a seal follows it: HMAC-SHA256
 * over database, top transaction id and body (DESIGN.md section 1).
 *
 *	  body   version u8 | kind u8 | flags u8 | event_len u8
 *			 | topic_len u16 | origin u16 | payload_len u32
 *			 | inserted_at i64 | id 16 bytes | top_xid u64 | number u32
 *			 | sender 16 bytes, if it has one | topic | event | payload
 *	  seal   32 bytes
 *
 * Integers are in host byte order: WAL only ever travels between machines of
 * one architecture.
 *
 * src/proto/wal_record.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_WAL_RECORD_H
#define REALTIME_WAL_RECORD_H

#include "proto/proto.h"

#define WAL_RECORD_PREFIX "realtime"	/* of the logical message */
#define WAL_RECORD_VERSION 3
#define WAL_RECORD_HEAD_BYTES 48
#define WAL_RECORD_SEAL_BYTES 32
#define MESSAGE_ID_BYTES 16
#define MESSAGE_SENDER_BYTES 16

typedef enum WalMessageKind
{
	WAL_MESSAGE_BROADCAST = 1,	/* a row of realtime.messages */
	WAL_MESSAGE_AGENTS_CHANGED = 2, /* names of agent channels are to be checked
									 * again; no topic, event or payload */
	WAL_MESSAGE_CAST = 3,		/* what a client says to others: never in the
								 * WAL, and all zero that the WAL gives */
	WAL_MESSAGE_CHANGE = 4,		/* a row of a followed table has changed: the
								 * payload is proto/change_record.h */
	WAL_MESSAGE_TABLES_CHANGED = 5, /* which tables may be followed, or what they
									 * look like, has changed; all empty */
	WAL_MESSAGE_WEBHOOKS = 6	/* deliveries to webhooks are due; all empty */
} WalMessageKind;

#define WAL_MESSAGE_PRIVATE 0x01	/* for the private room of the topic */
#define WAL_MESSAGE_BINARY 0x02 /* payload is bytes, not JSON text */
#define WAL_MESSAGE_WHOLE 0x04	/* of a cast: payload is the whole payload of
								 * the Phoenix message, a JSON object */
/* these of a broadcast only */
#define WAL_MESSAGE_CHANNEL 0x08	/* published on a channel of realtime.channels:
									 * its audience is counted */
#define WAL_MESSAGE_USER 0x10	/* by a user, and not by the system */
#define WAL_MESSAGE_SENDER 0x20 /* it is known which one */
#define WAL_MESSAGE_UNSTORED 0x40	/* there is no row */
#define WAL_MESSAGE_TYPE_BROADCAST 0x80 /* its type is "broadcast", and not
										 * "message" */

/*
 * A decoded message; the slices point into the encoded body.
 */
typedef struct WalMessage
{
	WalMessageKind kind;
	uint8		flags;			/* WAL_MESSAGE_... */
	uint16		origin;			/* node that wrote it; 0 = this cluster */
	uint64		top_xid;		/* full id of the top-level transaction */
	int64		inserted_at;	/* microseconds since 2000-01-01 UTC */
	uint8		id[MESSAGE_ID_BYTES];	/* realtime.messages.id; of a broadcast */
	uint8		sender[MESSAGE_SENDER_BYTES];	/* realtime.messages.sender_id; zero
											 * without WAL_MESSAGE_SENDER */
	uint32		number;			/* among the broadcasts of its transaction, from
								 * 1; 0 of any other kind */
	/* of a broadcast or a cast; of a change the payload only; else empty */
	Slice		topic;			/* without TOPIC_PREFIX, 1..TOPIC_MAX_BYTES */
	Slice		event;			/* up to EVENT_MAX_BYTES; may be empty in a cast */
	Slice		payload;		/* JSON text or bytes; of a change a record */
} WalMessage;

/* Bytes that wal_record_encode() will write for msg, without a seal. */
extern size_t wal_record_size(const WalMessage *msg);

/* Write the body to dst, which has wal_record_size(msg) bytes. */
extern void wal_record_encode(const WalMessage *msg, char *dst);

/*
 * Take a body apart.  False if any length or value in it is not as above;
 * then *msg is undefined.  The JSON of the payload is not looked at.
 */
extern bool wal_record_decode(const char *data, size_t len, WalMessage *msg) RT_MUSTCHECK;

#endif							/* REALTIME_WAL_RECORD_H */
