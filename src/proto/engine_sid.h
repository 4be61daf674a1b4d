/*-------------------------------------------------------------------------
 *
 * engine_sid.h
 *	  Ids of Engine.IO sessions: whose they are, and nothing to guess.
 *
 * A session lives in one gateway.  Its id begins with that gateway's slot, so
 * that any gateway can tell where a request belongs; the rest is random.
 *
 * src/proto/engine_sid.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_ENGINE_SID_H
#define REALTIME_ENGINE_SID_H

#include "proto/proto.h"

#define ENGINE_SID_LENGTH 20	/* characters, of base64url */

/* Make one: ENGINE_SID_LENGTH characters at dst.  False without random numbers. */
extern bool engine_sid_make(char *dst, uint32 slot) RT_MUSTCHECK;

/* Slot of the gateway that has made one; -1 if it can be none. */
extern int	engine_sid_slot(Slice sid);

#endif							/* REALTIME_ENGINE_SID_H */
