/*-------------------------------------------------------------------------
 *
 * kept_plan.c
 *	  Plans that stay for the life of the process.
 *
 * For statements of our own only, in which no client has a say
 * (docs/architecture.md, "Who may listen").
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
	SPIPlanPtr	plan = SPI_prepare(command, nargs, types);

	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
	if (SPI_keepplan(plan) != 0)
		elog(ERROR, "SPI_keepplan failed");
	return plan;
}
