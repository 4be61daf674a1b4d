/*-------------------------------------------------------------------------
 *
 * lookup.h
 *	  The process that looks up names and opens listen sockets for a gateway.
 *
 * src/gateway/lookup.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_LOOKUP_H
#define REALTIME_LOOKUP_H

#include "proto/proto.h"

/*
 * The answer to lookup_ask(): so many sockets, which are the receiver's.  -1 =
 * there is none, because descriptors or memory are short.
 */
typedef void (*LookupAnswer) (const int *fds, int count);

/*
 * Start it.  title[0..) is argv[0], where the new process writes its name.
 * False with errno set on failure.
 */
extern bool lookup_start(char *title, LookupAnswer answer) RT_MUSTCHECK;

/*
 * Ask for sockets to listen on.  One answer comes for each question, in order,
 * never before this has returned.  False if there will be none.
 */
extern bool lookup_ask(const char *addresses, int port, bool sandboxed) RT_MUSTCHECK;

/* The process has ended; nothing more can be asked. */
extern bool lookup_is_lost(void);

#endif							/* REALTIME_LOOKUP_H */
