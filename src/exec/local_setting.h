/*-------------------------------------------------------------------------
 *
 * local_setting.h
 *	  SET LOCAL, by value.
 *
 * src/exec/local_setting.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_LOCAL_SETTING_H
#define REALTIME_LOCAL_SETTING_H

#include "postgres.h"

#include "utils/guc.h"

/* Set a parameter until the transaction ends.  Raises an error if it cannot be. */
static inline void
set_local(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_LOCAL, true, 0, false);
}

#endif							/* REALTIME_LOCAL_SETTING_H */
