/*-------------------------------------------------------------------------
 *
 * sql_function.h
 *	  How a C function becomes one that SQL can call.
 *
 * The module is compiled with hidden symbols, and PG_FUNCTION_INFO_V1 makes
 * the function itself visible from PostgreSQL 16 on only.
 *
 * src/api/sql_function.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_SQL_FUNCTION_H
#define REALTIME_SQL_FUNCTION_H

#include "postgres.h"

#include "fmgr.h"

#define SQL_FUNCTION(name) \
extern PGDLLEXPORT Datum name(PG_FUNCTION_ARGS); \
PG_FUNCTION_INFO_V1(name)

#endif							/* REALTIME_SQL_FUNCTION_H */
