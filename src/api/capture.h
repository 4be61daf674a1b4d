/*-------------------------------------------------------------------------
 *
 * capture.h
 *	  The trigger of followed tables, for who wants to know whether it is one.
 *
 * src/api/capture.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_CAPTURE_H
#define REALTIME_CAPTURE_H

#include "utils/reltrigger.h"

/*
 * Does this trigger capture changes, and would there be nobody to tell of them
 * if there were any now?
 */
extern bool capture_is_unheard(const Trigger *trigger);

#endif							/* REALTIME_CAPTURE_H */
