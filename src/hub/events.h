/*-------------------------------------------------------------------------
 *
 * events.h
 *	  The hub's descriptors: one epoll set beside the latch.
 *
 * src/hub/events.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_EVENTS_H
#define REALTIME_EVENTS_H

#include <sys/epoll.h>

typedef struct EventSource EventSource;

/* Called with the EPOLL... bits that are set. */
typedef void (*EventHandler) (EventSource *source, uint32 bits);

/*
 * Embedded by whoever owns the descriptor; must stay where it is until
 * events_remove().
 */
struct EventSource
{
	int			fd;
	EventHandler handler;
	void	   *owner;
};

extern void events_init(void);
extern void events_add(EventSource *source, uint32 bits);
extern void events_modify(EventSource *source, uint32 bits);
extern void events_remove(EventSource *source);

/* Call the handlers of all that is ready; does not wait. */
extern void events_dispatch(void);

/*
 * Wait for the latch, a descriptor or timeout_ms (-1 = for ever).  Ends the
 * process when the postmaster is gone.
 */
extern void events_wait(long timeout_ms);

#endif							/* REALTIME_EVENTS_H */
