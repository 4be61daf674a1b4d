/*-------------------------------------------------------------------------
 *
 * presence_member.h
 *	  A key of a presence as InsForge's clients know it: a member.
 *
 * src/gateway/presence_member.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_PRESENCE_MEMBER_H
#define REALTIME_PRESENCE_MEMBER_H

#include "gateway/presence_replica.h"

/*
 * Append the member that the metas of a key make in a version,
 *
 *	  {"type":"user","presenceId":"...","joinedAt":"...","payload":{}}
 *
 * or nothing if it has none then.  type and joinedAt are those of the oldest
 * meta, the payload is that of the newest one that has one.  Metas of clients
 * that know nothing of members are payloads of anonymous ones.  Returns whether
 * anything was appended; where there is no memory *out has failed.
 */
extern bool presence_member_append(Bytes *out, const ReplicaKey *key, ReplicaVersion version);

#endif							/* REALTIME_PRESENCE_MEMBER_H */
