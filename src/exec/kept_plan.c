/*-------------------------------------------------------------------------
 *
 * kept_plan.c
 *	  Plans that stay for the life of the process.
 *
 * For statements of our own only, in which no client has a say
 * (docs/architecture.md, "Who may listen").  They are planned once: for statements
 * of a millisecond, planning for each set of values would cost more than it could
 * gain.
 *
 * src/exec/kept_plan.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "exec/kept_plan.h"

/*
 * Make a plan.
 */
SPIPlanPtr
kept_plan(const char *command, int nargs, Oid *types)
{
	SPIPlanPtr	plan = SPI_prepare_cursor(command, nargs, types, CURSOR_OPT_GENERIC_PLAN);

	if (plan == NULL)
		elog(ERROR, "SPI_prepare_cursor failed: %s", SPI_result_code_string(SPI_result));
	if (SPI_keepplan(plan) != 0)
		elog(ERROR, "SPI_keepplan failed");
	return plan;
}
