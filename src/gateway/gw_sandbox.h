/*-------------------------------------------------------------------------
 *
 * gw_sandbox.h
 *	  All that a gateway may ask of the kernel while it serves clients.
 *
 * src/gateway/gw_sandbox.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_GW_SANDBOX_H
#define REALTIME_GW_SANDBOX_H

#include "program/sandbox.h"

/*
 * Have libraries read their files while they can, and know where they would
 * read one later.  To be called before memory is short; cannot fail.
 */
extern void gw_sandbox_prepare(void);

/* Go under it.  Before the first byte of a client is read. */
extern SandboxOutcome gw_sandbox_enter(void) RT_MUSTCHECK;

#endif							/* REALTIME_GW_SANDBOX_H */
