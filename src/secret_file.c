/*-------------------------------------------------------------------------
 *
 * secret_file.c
 *	  Secrets that the server makes for itself, in its data directory.
 *
 * Each is a file of mode 0600 in DataDir/realtime (0700), made at the first
 * start of a cluster.  Base backups carry them along, so a standby and a
 * promoted server know what the primary knew.
 *
 * src/secret_file.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/fd.h"

#include "secret_file.h"

/*
 * Open a secret.
 */
int
secret_file_open(const char *path)
{
	struct stat st;
	int			fd = BasicOpenFile(path, O_RDONLY | PG_BINARY);

	if (fd < 0 && errno == ENOENT)
		return -1;
	if (fd < 0 || fstat(fd, &st) < 0)
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not open file \"%s\": %m", path)));

	/*
	 * pg_rewind, for one, gives files the mode that others of the cluster
	 * have
	 */
	if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
	{
		bool		closed = fchmod(fd, 0600) == 0;

		ereport(WARNING,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("file \"%s\" could be read by others than its owner", path),
				 closed ? errdetail("Its mode is 0600 again.") :
				 errdetail("Its mode could not be changed: %m")));
	}
	return fd;
}

/*
 * A standby whose base backup is older than its realtime has no secret that
 * the primary knows; a new one does not help it.
 */
static void
warn_standby(const char *path, const char *detail)
{
	struct stat st;

	if (stat("standby.signal", &st) == 0)
		ereport(WARNING,
				(errmsg("this standby has made a realtime secret of its own"),
				 errdetail("%s", detail),
				 errhint("Copy the primary's file \"%s\" into this data directory and restart.", path)));
}

/*
 * Write a new secret.
 */
void
secret_file_create(const char *path, const void *secret, size_t len,
				   const char *standby_detail)
{
	char		temp[MAXPGPATH];
	int			fd;

	if (mkdir(SECRET_DIR, 0700) < 0 && errno != EEXIST)
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not create directory \"%s\": %m", SECRET_DIR)));

	snprintf(temp, sizeof(temp), "%s.new", path);
	(void) unlink(temp);
	errno = 0;
	fd = BasicOpenFilePerm(temp, O_WRONLY | O_CREAT | O_EXCL | PG_BINARY, 0600);
	if (fd < 0 || write(fd, secret, len) != (ssize_t) len || pg_fsync(fd) < 0)
	{
		/* a short write sets none: there is no more room */
		if (errno == 0)
			errno = ENOSPC;
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not write file \"%s\": %m", temp)));
	}
	close(fd);
	if (durable_rename(temp, path, LOG) < 0)
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not create file \"%s\"", path)));
	warn_standby(path, standby_detail);
}
