/*-------------------------------------------------------------------------
 *
 * change_tables.c
 *	  Which tables this gateway follows, and what the hub knows of that.
 *
 * The hub acknowledges when nothing that commits from then on can be missed,
 * which may take as long as somebody's transaction.  A table that was given up
 * and is wanted again has another number, so that a late acknowledgement is
 * not taken for the new one.
 *
 * src/gateway/change_tables.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/change_tables.h"
#include "program/bus_link.h"

static ChainTable tables;		/* of FollowedTable; the hash is the relid */
static uint64 last_seq;

/*
 * Tell the hub; returns the number of the frame.
 */
static uint64
send_follow(uint32 relid, bool add, Slice parts)
{
	BusFollow	follow = {0};

	follow.seq = ++last_seq;
	follow.relid = relid;
	follow.add = add;
	bus_send(BUS_FOLLOW, &follow, sizeof(follow), parts.data, parts.len);
	return follow.seq;
}

/*
 * Look a table up.
 */
FollowedTable *
change_tables_find(uint32 relid)
{
	for (ChainNode *node = chain_first(&tables, relid); node != NULL; node = chain_next(node))
	{
		FollowedTable *table = chain_container(FollowedTable, node, node);

		if (table->relid == relid)
			return table;
	}
	return NULL;
}

/*
 * Make a table that nobody follows yet.
 */
static FollowedTable *
make_table(uint32 relid)
{
	FollowedTable *table = calloc(1, sizeof(FollowedTable));

	if (table == NULL)
		return NULL;
	table->relid = relid;
	table->state = TABLE_BUSY;
	dlist_init(&table->waiters);
	change_index_init(&table->index);
	chain_insert(&tables, &table->node, relid);
	return table;
}

/*
 * Follow a table.
 */
FollowedTable *
change_tables_get(uint32 relid, Slice parts)
{
	FollowedTable *table = change_tables_find(relid);

	if (table == NULL)
		table = make_table(relid);
	if (table == NULL)
		return NULL;
	if (table->state == TABLE_BUSY)
	{
		table->seq = send_follow(relid, true, parts);
		table->state = TABLE_ASKED;
	}
	table->holders++;
	return table;
}

/*
 * Let go of a table.
 */
void
change_tables_release(FollowedTable *table)
{
	Assert(table->holders > 0);
	if (--table->holders > 0)
		return;
	Assert(dlist_is_empty(&table->waiters));
	if (table->state != TABLE_BUSY)
		send_follow(table->relid, false, slice_make(NULL, 0));
	chain_remove(&tables, &table->node);
	free(table);
}

/*
 * The hub has an answer.
 */
bool
change_tables_acknowledged(Slice body, FollowedTable **table)
{
	BusFollowAck ack;

	*table = NULL;
	if (!bus_decode_follow_ack(body, &ack))
		return false;
	*table = change_tables_find(ack.relid);
	if (*table == NULL || (*table)->seq != ack.seq || (*table)->state != TABLE_ASKED)
		*table = NULL;
	else
		(*table)->state = ack.outcome == BUS_FOLLOW_HELD ? TABLE_HELD : TABLE_BUSY;
	return true;
}
