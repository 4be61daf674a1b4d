/*-------------------------------------------------------------------------
 *
 * channels_table.h
 *	  realtime.channels: which rows stand for a name?
 *
 * All names are in the server's encoding.  Nobody's rights are asked for.
 *
 * src/api/channels_table.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_CHANNELS_TABLE_H
#define REALTIME_CHANNELS_TABLE_H

#include "access/htup.h"
#include "nodes/pg_list.h"
#include "utils/rel.h"
#include "utils/uuid.h"

#include "proto/proto.h"

#define CHANNELS_TABLE "channels"

/* What publishing on a channel takes of its row. */
typedef struct ChannelInfo
{
	pg_uuid_t	id;
	bool		persist;		/* messages are stored */
	bool		has_webhooks;	/* and posted */
} ChannelInfo;

/*
 * Open realtime.channels and lock it for reading; errors out if there is none.
 * Close it with NoLock.
 */
extern Relation channels_open(void);

/*
 * The enabled channel that goes before all others that stand for a name.  False
 * if there is none.
 */
extern bool channel_find(Relation channels, Slice name, ChannelInfo *info) RT_MUSTCHECK;

/* All enabled ones that stand for it, as copies of their rows (HeapTuple). */
extern List *channel_rows(Relation channels, Slice name);

/* The id of one of them; points into it. */
extern pg_uuid_t *channel_row_id(Relation channels, HeapTuple row);

#endif							/* REALTIME_CHANNELS_TABLE_H */
