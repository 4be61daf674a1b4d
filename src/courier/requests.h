/*-------------------------------------------------------------------------
 *
 * requests.h
 *	  A delivery as a request of HTTP, and what the answer makes of it.
 *
 * src/courier/requests.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_REQUESTS_H
#define REALTIME_REQUESTS_H

#include "courier/deliveries.h"

/* Set up; false without memory. */
extern bool requests_init(void) RT_MUSTCHECK;

/* Make the requests that may be made now. */
extern void requests_begin(int64 now);

#endif							/* REALTIME_REQUESTS_H */
