/*-------------------------------------------------------------------------
 *
 * kept_plan.h
 *	  Plans that stay for the life of the process.
 *
 * src/exec/kept_plan.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_KEPT_PLAN_H
#define REALTIME_KEPT_PLAN_H

#include "executor/spi.h"

/*
 * Make a plan that stays, the same for all values; SPI is connected.  Raises an
 * error if that fails.
 */
extern SPIPlanPtr kept_plan(const char *command, int nargs, Oid *types);

#endif							/* REALTIME_KEPT_PLAN_H */
