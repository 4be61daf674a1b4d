/*-------------------------------------------------------------------------
 *
 * child.h
 *	  A child program of the hub: start, watch, end.
 *
 * src/hub/child.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_CHILD_H
#define REALTIME_CHILD_H

#include "lib/ilist.h"

#include "hub/events.h"
#include "instant.h"
#include "proto/bus_frame.h"
#include "shmem.h"

typedef struct Child Child;

struct Child
{
	/* set by whoever owns it, before child_add() */
	const char *program;		/* name of the file */
	char		name[32];		/* what the log calls it */
	SharedCounter failures;		/* counts ends that nobody asked for */
	void		(*forget) (Child *child);	/* it has ended and is reaped */

	/* for reading */
	pid_t		pid;			/* 0 = not running */
	Instant started_at;
	Instant start_after;	/* not before */
	Instant end_by;			/* was asked to end by then; 0 = was not */

	/* child.c's own */
	dlist_node	node;			/* of all that were added */
	EventSource source;			/* its pidfd */
	int			delay_ms;		/* of the next start */
};

/* Set up; once per process.  Takes all children along when the hub ends. */
extern void child_init(void);

/* Make a child known, which lives as long as the process. */
extern void child_add(Child *child);

/*
 * Start it, and get our end of its bus and, unless door_fd is NULL, of its door.
 * False, logged and with start_after set, if that did not work.
 */
extern bool child_start(Child *child, Instant now, int *bus_fd, int *door_fd) RT_MUSTCHECK;

/*
 * End one that is no longer wanted: politely, then not.  Returns the
 * milliseconds until it should be called again if it is still there.
 */
extern long child_end(Child *child, Instant now);

/* End one that is of no use any more, at once. */
extern void child_kill(Child *child, const char *why);

/*
 * A program's text for the log, which is in the server's encoding: what is not
 * ASCII becomes a question mark, in place.
 */
extern Slice child_printable(Slice text);

/* Log the body of a BUS_LOG of the program called so; false if it is none. */
extern bool child_log(const char *name, Slice body) RT_MUSTCHECK;

#endif							/* REALTIME_CHILD_H */
