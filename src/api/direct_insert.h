/*-------------------------------------------------------------------------
 *
 * direct_insert.h
 *	  Insert into realtime.messages without SPI, where nothing can tell.
 *
 * src/api/direct_insert.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_DIRECT_INSERT_H
#define REALTIME_DIRECT_INSERT_H

#include "api/message_row.h"

/*
 * Insert a row as the current user, firing no trigger.  False, with nothing
 * done, if only a real INSERT can do that; see direct_insert.c.
 */
extern bool direct_insert(const MessageRow *row) RT_MUSTCHECK;

/*
 * The same where the caller has found out that the current user may insert this
 * row, as by rights and policies (exec/policy_query.c), and holds a lock on the
 * table since.
 */
extern bool direct_insert_allowed(const MessageRow *row) RT_MUSTCHECK;

#endif							/* REALTIME_DIRECT_INSERT_H */
