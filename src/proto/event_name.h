/*-------------------------------------------------------------------------
 *
 * event_name.h
 *	  Names of events that nobody may publish on a channel.
 *
 * src/proto/event_name.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_EVENT_NAME_H
#define REALTIME_EVENT_NAME_H

#include "proto/proto.h"

/*
 * Would a client library take an event of that name for one of its own?  Those
 * of Socket.IO make it drop the connection (insforge-oaura.md 1.6); those with
 * the prefixes of this protocol and of Phoenix come from servers only.
 */
extern bool event_name_is_reserved(Slice event) RT_MUSTCHECK;

#endif							/* REALTIME_EVENT_NAME_H */
