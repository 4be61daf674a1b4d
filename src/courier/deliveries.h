/*-------------------------------------------------------------------------
 *
 * deliveries.h
 *	  The deliveries that the courier has in hand, and whose turn it is.
 *
 * src/courier/deliveries.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_DELIVERIES_H
#define REALTIME_DELIVERIES_H

#include "courier/endpoints.h"
#include "courier/verdict.h"

#define MESSAGE_ID_TEXT 36
#define OUTCOME_TEXT_MAX 120

/* In hand at a time, at most. */
#define DELIVERIES_MAX 4096
#define DELIVERIES_MAX_BYTES (32 * 1024 * 1024)

/*
 *		WAITING ──► SENT ──► ENDED ──► (freed)
 *		   └──► (freed)
 */
typedef enum DeliveryState
{
	DELIVERY_WAITING,			/* for its turn; next: SENT, or given back */
	DELIVERY_SENT,				/* the request is under way; next: ENDED */
	DELIVERY_ENDED				/* to be reported, or being so */
} DeliveryState;

/* Deliveries that are made one after the other; there while it has some. */
typedef struct Lane
{
	ChainNode	node;			/* by endpoint and number */
	dlist_node	all;			/* of lanes_all */
	dlist_head	behind;			/* those behind the first one */
	Endpoint   *endpoint;
	int64		number;
	int			held;
	bool		busy;			/* its first one waits or is SENT */
} Lane;

typedef struct Delivery
{
	dlist_node	all;			/* of deliveries_all */
	dlist_node	node;			/* while WAITING of its endpoint or lane, once
								 * ENDED of reports.c */
	DeliveryState state;
	Endpoint   *endpoint;
	Lane	   *lane;			/* NULL = it has none */
	int64		id;
	int			attempts;		/* before this one */
	char		message_id[MESSAGE_ID_TEXT + 1];
	char	   *url;			/* these are in one piece behind the struct */
	char	   *event;
	char	   *channel;
	Slice		secret;			/* empty = there is none */
	Slice		body;

	/* once ENDED */
	Verdict		verdict;
	long		status;			/* 0 = there was no answer */
	int64		retry_ms;		/* of VERDICT_RETRY */
	char		error[OUTCOME_TEXT_MAX];	/* unless VERDICT_DELIVERED */
} Delivery;

/* What a delivery is made of; all is copied. */
typedef struct DeliveryParts
{
	int64		id;
	int			attempts;
	bool		has_lane;
	int64		lane;
	int64		turn;			/* as in the table */
	Slice		endpoint;
	Slice		message_id;
	Slice		url;
	Slice		event;
	Slice		channel;
	Slice		secret;
	Slice		body;
} DeliveryParts;

extern dlist_head deliveries_all;
extern dlist_head lanes_all;
extern int	deliveries_held;
extern int	deliveries_under_way;

/* Is there room for more, whosoever? */
extern bool deliveries_have_room(void);

/* Take one in hand; false without memory. */
extern bool delivery_add(const DeliveryParts *parts) RT_MUSTCHECK;

/* The next one of an endpoint to be SENT; NULL if none may be. */
extern Delivery *delivery_next(Endpoint *endpoint, int64 now);

/*
 * Its request has ended as verdict, status and error say; the rest is decided
 * here.  is_trouble says whether its server is to blame.
 */
extern void delivery_ended(Delivery *delivery, bool is_trouble, int64 retry_after, int64 now);

/* It is reported. */
extern void delivery_free(Delivery *delivery);

#endif							/* REALTIME_DELIVERIES_H */
