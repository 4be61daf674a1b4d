/*-------------------------------------------------------------------------
 *
 * proto.h
 *	  The one include of the pure room: PostgreSQL's C dialect on either side.
 *
 * Everything under src/proto compiles twice: into the server module with
 * postgres.h and, with -DFRONTEND, into the programs with postgres_fe.h.
 * Nothing here may call ereport, palloc, a socket or shared memory.
 *
 * src/proto/proto.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_PROTO_H
#define REALTIME_PROTO_H

#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

#include "proto/slice.h"

/* The caller must look at the verdict. */
#define RT_MUSTCHECK __attribute__((warn_unused_result))

/*
 * Phoenix topics of this product carry this prefix on the wire; the topic
 * column of realtime.messages does not (supabase.md 3.1).
 */
#define TOPIC_PREFIX "realtime:"
#define TOPIC_PREFIX_LEN 9

/*
 * A kind-4 frame counts the topic, prefix included, and the event in one byte
 * each (supabase.md 2.2), so a stored topic has 246 bytes at most.
 */
#define TOPIC_MAX_BYTES (255 - TOPIC_PREFIX_LEN)
#define EVENT_MAX_BYTES 255

#endif							/* REALTIME_PROTO_H */
