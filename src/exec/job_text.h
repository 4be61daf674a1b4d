/*-------------------------------------------------------------------------
 *
 * job_text.h
 *	  Texts of jobs, as the server knows texts.
 *
 * src/exec/job_text.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_JOB_TEXT_H
#define REALTIME_JOB_TEXT_H

#include "mb/pg_wchar.h"

#include "proto/proto.h"

/*
 * A text from the bus in the server's encoding, palloc'd.  Raises an error if it
 * has no form there.
 */
static inline char *
job_text(Slice text)
{
	char	   *copy = text.len > 0 ? pnstrdup(text.data, text.len) : pstrdup("");

	return pg_any_to_server(copy, (int) text.len, PG_UTF8);
}

#endif							/* REALTIME_JOB_TEXT_H */
