/*-------------------------------------------------------------------------
 *
 * probe.h
 *	  Ask policies with rows that are there: insert, select, roll back.
 *
 * src/exec/probe.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_PROBE_H
#define REALTIME_PROBE_H

#include "utils/rel.h"

#include "exec/client.h"

/*
 * Find out which of the wanted rights the client has that we have become.  In a
 * transaction on a primary, which the caller rolls back.
 */
extern void probe_ask(Relation messages, const Client *client, uint8 wanted,
					  uint8 *granted);

#endif							/* REALTIME_PROBE_H */
