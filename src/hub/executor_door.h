/*-------------------------------------------------------------------------
 *
 * executor_door.h
 *	  The socket at which executors come to the hub.
 *
 * src/hub/executor_door.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_EXECUTOR_DOOR_H
#define REALTIME_EXECUTOR_DOOR_H

#include "instant.h"

/*
 * A process has connected: false if it is none that is known.  Else the
 * descriptor belongs to whoever was asked.
 */
typedef bool (*DoorLetIn) (int fd, pid_t pid);

/* May there be processes that we shall only know in a moment? */
typedef bool (*DoorExpectsOthers) (Instant now);

/* Once per process. */
extern void executor_door_init(DoorLetIn let_in, DoorExpectsOthers expects_others);

/* Open it if it is closed, and let in who could not be known before. */
extern void executor_door_tick(Instant now);

/* Can executors come? */
extern bool executor_door_is_open(void);

/* The hub ends: nobody shall come any more. */
extern void executor_door_remove(void);

#endif							/* REALTIME_EXECUTOR_DOOR_H */
