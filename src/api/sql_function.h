/*-------------------------------------------------------------------------
 *
 * sql_function.h
 *	  How a C function becomes one that SQL can call.
 *
 * What SQL calls first sees that the extension's SQL fits the library, because
 * a function that is declared by another version may be given other arguments;
 * then it calls NAME_body(), which is what is written in a file.
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

#include "guc.h"
#include "sql_version.h"

#define SQL_FUNCTION(name) SQL_FUNCTION_OR(name, ERROR)

/* Of those that send and return nothing: what realtime.on_error says. */
#define SQL_SENDING_FUNCTION(name) \
	SQL_FUNCTION_OR(name, realtime_on_error == ON_ERROR_WARNING ? WARNING : ERROR)

#define SQL_FUNCTION_OR(name, elevel) \
extern PGDLLEXPORT Datum name(PG_FUNCTION_ARGS); \
static Datum name##_body(PG_FUNCTION_ARGS); \
Datum \
name(PG_FUNCTION_ARGS) \
{ \
	if (unlikely(!sql_version_known) && !sql_version_fits(elevel)) \
		PG_RETURN_VOID(); \
	return name##_body(fcinfo); \
} \
PG_FUNCTION_INFO_V1(name)

#endif							/* REALTIME_SQL_FUNCTION_H */
