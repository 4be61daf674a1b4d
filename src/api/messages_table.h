/*-------------------------------------------------------------------------
 *
 * messages_table.h
 *	  Is realtime.messages as the extension made it?
 *
 * What the answers are based on cannot change while a lock on the table is held,
 * and changes are told by the relation cache.
 *
 * src/api/messages_table.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_MESSAGES_TABLE_H
#define REALTIME_MESSAGES_TABLE_H

#include "utils/rel.h"

/*
 * Are columns, checks, insert triggers and rules of a table, parent or
 * partition, those that the script makes, in that order?
 */
extern bool messages_table_is_plain(Relation rel);

/* Are the defaults of columns that realtime.send() leaves out? */
extern bool messages_defaults_are_plain(Relation rel);

/*
 * Would a row with nothing but topic and extension get what the script says?
 * There may be more columns, if they are null then.
 */
extern bool messages_row_is_plain(Relation rel);

/* And would nothing but rights and policies be asked about its INSERT? */
extern bool messages_insert_is_plain(Relation rel);

#endif							/* REALTIME_MESSAGES_TABLE_H */
