/*-------------------------------------------------------------------------
 *
 * life.h
 *	  How a program of the hub begins, and what tells it to end.
 *
 * src/program/life.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_LIFE_H
#define REALTIME_LIFE_H

#include "proto/proto.h"

/* First of all: no program outlives its hub, or is short of descriptors. */
extern void life_begin(void);

/* Has SIGTERM come?  To be asked after every sleep. */
extern bool life_is_over(void);

/*
 * From now on what there is to say goes over the bus.  stderr may be the pipe
 * of the logging collector, which has a protocol of its own.
 */
extern void life_silence_stderr(void);

/*
 * A descriptor to have in reserve, which is closed when another one is wanted
 * urgently.  -1 if there is none.
 */
extern int	life_spare_descriptor(void);

#endif							/* REALTIME_LIFE_H */
