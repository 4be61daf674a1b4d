/*-------------------------------------------------------------------------
 *
 * endpoints.h
 *	  Servers that webhooks lead to: how they do, and how much they get.
 *
 * src/courier/endpoints.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_ENDPOINTS_H
#define REALTIME_ENDPOINTS_H

#include "lib/ilist.h"

#include "proto/chain_table.h"

/* There while it has deliveries, and longer if it fails. */
typedef struct Endpoint
{
	ChainNode	node;			/* by name */
	dlist_node	all;			/* of endpoints_all */
	dlist_head	waiting;		/* deliveries that may be sent: deliveries.c */
	char	   *name;			/* as webhook_endpoint() writes it */
	int			held;			/* deliveries in hand */
	int			under_way;		/* requests */
	int			failures;		/* in a row, of the server, not of deliveries */
	int64		paused_until;	/* no request before */
	int			room_asked;		/* these are fetches.c's: what it can take */
	int			got;			/* and what came */
	bool		wants_more;		/* there is more */
	int64		since;			/* turns before this have been looked at; 0 = none */
} Endpoint;

extern dlist_head endpoints_all;

/* The endpoint of that name, made if need be; NULL without memory. */
extern Endpoint *endpoint_get(Slice name);

/* May a request to it begin? */
extern bool endpoint_is_ready(const Endpoint *endpoint, int64 now);

/* It has answered. */
extern void endpoint_succeeded(Endpoint *endpoint);

/*
 * It has not, or only to say that it cannot.  True if no more than one request
 * at a time is made from now on.  retry_after is what it asked for, in seconds.
 */
extern bool endpoint_failed(Endpoint *endpoint, int64 retry_after, int64 now);

/* How many more deliveries of it may be taken in hand. */
extern int	endpoint_room(const Endpoint *endpoint);

/* The same of one that is not there. */
extern int	endpoint_usual_room(void);

/* Forget those without deliveries that have not failed lately. */
extern void endpoints_sweep(int64 now);

/* When the first pause ends that deliveries wait for; LOOP_NEVER for none. */
extern int64 endpoints_deadline(int64 now);

#endif							/* REALTIME_ENDPOINTS_H */
