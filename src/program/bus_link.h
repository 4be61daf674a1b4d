/*-------------------------------------------------------------------------
 *
 * bus_link.h
 *	  A program's end of the bus to the hub.
 *
 * src/program/bus_link.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_BUS_LINK_H
#define REALTIME_BUS_LINK_H

#include "proto/bus_frame.h"

/*
 * Frames waiting for the hub: past the mark whoever can wait does, past the
 * second one what may be lost is, and past the maximum the program ends,
 * because a hub that far behind is not coming back.
 */
#define BUS_OUT_MARK (1024 * 1024)
#define BUS_OUT_DROP (16 * 1024 * 1024)
#define BUS_OUT_MAX (32 * 1024 * 1024)

/*
 * Called for each frame.  False if it is no valid frame of a hub.
 */
typedef bool (*BusFrameHandler) (BusFrameType type, Slice body);

/* Called when a piece of input is handed out, as far as it is whole. */
typedef void (*BusPieceHandler) (void);

/* Called once when the hub is gone or has sent garbage. */
typedef void (*BusLostHandler) (const char *why);

typedef struct BusHandlers
{
	BusFrameHandler frame;
	BusPieceHandler piece_end;
	BusLostHandler lost;
} BusHandlers;

/* Take over BUS_FD; false with errno set if it is no socket of a hub. */
extern bool bus_link_open(const BusHandlers *callbacks) RT_MUSTCHECK;

/* Stop or resume reading: a stopped reader is how the hub learns to wait. */
extern void bus_link_pause(bool wait);

/* Queue a frame whose body is two pieces; rest may be empty. */
extern void bus_send(BusFrameType type, const void *head, size_t head_len,
					 const void *rest, size_t rest_len);

/* Queue a line for the server's log.  Never give it payloads or queries. */
extern void bus_log(BusLogLevel level, const char *fmt,...) pg_attribute_printf(2, 3);

/* Bytes queued. */
extern size_t bus_queued(void);

/* Write what is queued; once per turn. */
extern void bus_link_flush(void);

#endif							/* REALTIME_BUS_LINK_H */
