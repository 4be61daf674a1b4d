/*-------------------------------------------------------------------------
 *
 * config_file.h
 *	  Files that settings name: keys, certificates, secrets.
 *
 * src/config_file.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_CONFIG_FILE_H
#define REALTIME_CONFIG_FILE_H

#include "proto/bytes.h"

/* Why something cannot be used. */
typedef struct ConfigProblem
{
	char		reason[256];
	const char *hint;			/* NULL = none */
	bool		passes;			/* by itself: the server lacks something */
} ConfigProblem;

/* The verdict "no", with its reason: always false. */
extern bool config_refuse(ConfigProblem *problem, const char *hint, const char *fmt,...)
			pg_attribute_printf(3, 4);

/* The same for an error number, which may be one of those that pass. */
extern bool config_refuse_errno(ConfigProblem *problem, int error);

/*
 * Append what a file holds, at most `max` bytes.  One that must be private is
 * refused if others than the server may read it, by the rule of ssl_key_file.
 * Neither waits nor raises an error.
 */
extern bool config_file_read(const char *path, bool must_be_private, size_t max,
							 Bytes *content, ConfigProblem *problem) RT_MUSTCHECK;

/* Give the memory back after wiping it. */
extern void config_wipe(Bytes *content);

#endif							/* REALTIME_CONFIG_FILE_H */
