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

#endif							/* REALTIME_DIRECT_INSERT_H */
