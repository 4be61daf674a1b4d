/*-------------------------------------------------------------------------
 *
 * message_number.h
 *	  The place of a message within its transaction.
 *
 * src/api/message_number.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_MESSAGE_NUMBER_H
#define REALTIME_MESSAGE_NUMBER_H

#include "postgres.h"

/*
 * The next number of the current transaction, from 1 on; gives the transaction
 * an id.  Those of a rolled back savepoint are not used again.
 */
extern int32 message_number_next(void);

/* Has the current transaction drawn this number? */
extern bool message_number_is_drawn(int32 number);

#endif							/* REALTIME_MESSAGE_NUMBER_H */
