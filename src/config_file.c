/*-------------------------------------------------------------------------
 *
 * config_file.c
 *	  Files that settings name: keys, certificates, secrets.
 *
 * They may be replaced while the server runs, and by somebody who makes
 * mistakes: what cannot be used is a verdict with a reason and no error, and
 * the caller decides what becomes of it.
 *
 * src/config_file.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/fd.h"

#include "config_file.h"

/*
 * The verdict "no".
 */
bool
config_refuse(ConfigProblem *problem, const char *hint, const char *fmt,...)
{
	va_list		args;

	va_start(args, fmt);
	vsnprintf(problem->reason, sizeof(problem->reason), fmt, args);
	va_end(args);
	problem->hint = hint;
	problem->passes = false;
	return false;
}

/*
 * The same for an error number.
 */
bool
config_refuse_errno(ConfigProblem *problem, int error)
{
	(void) config_refuse(problem, NULL, "%s", error == ENOMEM ? "out of memory" : strerror(error));
	problem->passes = error == ENOMEM || error == EMFILE || error == ENFILE;
	return false;
}

/*
 * May nobody but the server read this file?  0600 or less, or root's and 0640 or
 * less.
 */
static bool
is_private(const struct stat *st)
{
	if (st->st_uid == geteuid())
		return (st->st_mode & (S_IRWXG | S_IRWXO)) == 0;
	return st->st_uid == 0 && (st->st_mode & (S_IWGRP | S_IXGRP | S_IRWXO)) == 0;
}

/*
 * Append what an open file holds.  There is room for all of it before the first
 * byte is read, so that growing leaves no copy of a secret behind.
 */
static bool
read_open_file(int fd, size_t size, size_t max, Bytes *content, ConfigProblem *problem)
{
	size_t		end = content->len + max;

	if (!bytes_reserve(content, Min(size, max) + 1))
		return config_refuse_errno(problem, ENOMEM);
	for (;;)
	{
		ssize_t		n;

		if (content->len == content->cap && !bytes_reserve(content, 1))
			return config_refuse_errno(problem, ENOMEM);
		n = read(fd, content->data + content->len, content->cap - content->len);
		if (n == 0)
			return true;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return config_refuse_errno(problem, errno);
		content->len += n;
		if (content->len > end)
			return config_refuse(problem, NULL, "it has more than %zu bytes", max);
	}
}

/*
 * Append what a file holds.
 */
bool
config_file_read(const char *path, bool must_be_private, size_t max, Bytes *content,
				 ConfigProblem *problem)
{
	struct stat st;
	bool		good;

	/* nobody may make us wait, say with a pipe */
	int			fd = BasicOpenFile(path, O_RDONLY | O_NONBLOCK | PG_BINARY);

	if (fd < 0)
		return config_refuse_errno(problem, errno);
	if (fstat(fd, &st) < 0)
		good = config_refuse_errno(problem, errno);
	else if (!S_ISREG(st.st_mode))
		good = config_refuse(problem, NULL, "it is not a regular file");
	else if (must_be_private && !is_private(&st))
		good = config_refuse(problem,
							 "It must belong to the user of the server and have mode 0600 or less, or to root and have mode 0640 or less.",
							 "others than the server may read it, or replace it");
	else
		good = read_open_file(fd, (size_t) st.st_size, max, content, problem);
	close(fd);
	return good;
}

/*
 * Leave nothing of a secret in memory.
 */
void
config_wipe(Bytes *content)
{
	if (content->data != NULL)
		explicit_bzero(content->data, content->cap);
	bytes_free(content);
}
