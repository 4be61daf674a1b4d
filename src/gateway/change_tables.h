/*-------------------------------------------------------------------------
 *
 * change_tables.h
 *	  Which tables this gateway follows, and what the hub knows of that.
 *
 * src/gateway/change_tables.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_CHANGE_TABLES_H
#define REALTIME_CHANGE_TABLES_H

#include "gateway/change_index.h"
#include "proto/bus_frame.h"

typedef enum TableState
{
	TABLE_ASKED,				/* told the hub; next: HELD, BUSY */
	TABLE_HELD,					/* nothing that commits is missed */
	TABLE_BUSY					/* a writer goes on for too long; next: ASKED */
} TableState;

/*
 * A table exists while a plan holds it.
 */
typedef struct FollowedTable
{
	ChainNode	node;			/* by relid */
	uint32		relid;
	uint32		holders;
	uint8		state;			/* TableState */
	uint64		seq;			/* of the BUS_FOLLOW that asked */
	dlist_head	waiters;		/* change_terms.c: who waits for it to be HELD */
	ChangeIndex index;
} FollowedTable;

/*
 * The table, followed from now on if it was not, and held for the caller; NULL
 * without memory.  parts are the u32 that BUS_FOLLOW wants.
 */
extern FollowedTable *change_tables_get(uint32 relid, Slice parts);

/* The table, or NULL. */
extern FollowedTable *change_tables_find(uint32 relid);

/* Let go; the last one ends the following. */
extern void change_tables_release(FollowedTable *table);

/*
 * A BUS_FOLLOW_ACK: *table is the one that it is about, in its new state; NULL
 * if that is not of interest any more.  False if it is no such frame.
 */
extern bool change_tables_acknowledged(Slice body, FollowedTable **table) RT_MUSTCHECK;

#endif							/* REALTIME_CHANGE_TABLES_H */
