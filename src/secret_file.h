/*-------------------------------------------------------------------------
 *
 * secret_file.h
 *	  Secrets that the server makes for itself, in its data directory.
 *
 * For the postmaster while it starts; whatever fails ends it.
 *
 * src/secret_file.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_SECRET_FILE_H
#define REALTIME_SECRET_FILE_H

/* Relative to the data directory, which is every server process's own. */
#define SECRET_DIR "realtime"

/*
 * Open a secret for reading; -1 if there is none yet.  One that others could
 * read is closed to them, with a warning.
 */
extern int	secret_file_open(const char *path);

/*
 * Write a new secret, durably; it appears whole or not at all.  A standby
 * should have its primary's: standby_detail is what else will happen.
 */
extern void secret_file_create(const char *path, const void *secret, size_t len,
							   const char *standby_detail);

#endif							/* REALTIME_SECRET_FILE_H */
