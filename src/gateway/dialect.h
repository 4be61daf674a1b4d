/*-------------------------------------------------------------------------
 *
 * dialect.h
 *	  The forms in which a message is told; each is encoded once for all who
 *	  hear it.
 *
 * src/gateway/dialect.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_DIALECT_H
#define REALTIME_DIALECT_H

#include "proto/phoenix.h"

typedef enum Dialect
{
	DIALECT_V1 = PHX_V1,
	DIALECT_V2 = PHX_V2,
	DIALECT_EVENTS,				/* server-sent events */
	DIALECT_EVENTS_BARE,		/* the same without ids */
	DIALECT_SOCKET_IO
} Dialect;

#define DIALECTS 5

StaticAssertDecl(DIALECT_EVENTS == PHX_VERSIONS, "a serializer has no dialect");

#endif							/* REALTIME_DIALECT_H */
