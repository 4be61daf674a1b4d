/*-------------------------------------------------------------------------
 *
 * judge.h
 *	  PostgreSQL's own verdicts on JSON and UTF-8.
 *
 * test/fuzz/judge.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_JUDGE_H
#define REALTIME_JUDGE_H

#include "proto/bytes.h"

/* Is it UTF-8, without NUL, as a database wants it? */
extern bool judge_utf8(Slice chars);

/*
 * Does PostgreSQL's parser take it for JSON, with all strings unescaped?  What
 * it saw is appended to *log: a byte for the kind of each thing, of a string or
 * name its bytes, and of a number its text.  Not to be called for text that may
 * be nested more than a few thousand deep.
 */
extern bool judge_json(Slice chars, Bytes *log);

/* What the log has of a string, a name, or a number or literal. */
extern void judge_log_text(Bytes *log, char kind, Slice chars);

#endif							/* REALTIME_JUDGE_H */
