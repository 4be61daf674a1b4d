/*-------------------------------------------------------------------------
 *
 * jwt_config.c
 *	  Where the keys come from that tokens are verified and signed with.
 *
 * The secret is realtime.jwt_secret, else the content of
 * realtime.jwt_secret_file, else that of DataDir/realtime/jwt_secret, which is
 * made at the first start and there even if it is not used: so emptying the
 * settings needs no restart.  The key set is realtime.jwt_jwks, or the file
 * that this names.
 *
 * A file may be replaced while the server runs, and by somebody who makes
 * mistakes.  So only the start of the server is refused with a bad one; later
 * it is logged, and what was good before stays in use (reliability C11, C12).
 * Logs name files and keys, never what is in them.
 *
 * src/jwt_config.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/fd.h"

#include "guc.h"
#include "instant.h"
#include "jwt_config.h"
#include "proto/base64url.h"
#include "proto/jwt.h"
#include "secret_file.h"

#define GENERATED_FILE SECRET_DIR "/jwt_secret"
#define GENERATED_RANDOM 48		/* bytes, which are 64 characters */
#define MAX_SECRET_FILE 65536	/* bytes */
#define KID_SHOWN 64			/* bytes of a kid that a log line shows */
#define RETRY_MS 1000

/* Why something cannot be used. */
typedef struct Problem
{
	char		reason[256];
	const char *hint;			/* NULL = none */
	bool		passes;			/* by itself: the server lacks something */
} Problem;

/* What jwt_config_load() found good, each followed by a NUL in its memory. */
static Bytes secret;
static Bytes key_set;

static bool to_be_retried = false;	/* it lacked something to find both */
static Instant loaded_at;

/*
 * The verdict "no", with its reason.
 */
static bool
pg_attribute_printf(3, 4)
refuse(Problem *problem, const char *hint, const char *fmt,...)
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
 * The same for an error number, which may be one of those that pass.
 */
static bool
refuse_errno(Problem *problem, int error)
{
	(void) refuse(problem, NULL, "%s", error == ENOMEM ? "out of memory" : strerror(error));
	problem->passes = error == ENOMEM || error == EMFILE || error == ENFILE;
	return false;
}

/*
 * May others than the server read this file?  The rule is that of
 * ssl_key_file: 0600 or less, or root's and 0640 or less.
 */
static bool
is_private(const struct stat *st)
{
	if (st->st_uid == geteuid())
		return (st->st_mode & (S_IRWXG | S_IRWXO)) == 0;
	return st->st_uid == 0 && (st->st_mode & (S_IWGRP | S_IXGRP | S_IRWXO)) == 0;
}

/*
 * Append what an open file holds, at most `max` bytes.
 */
static bool
read_open_file(int fd, size_t max, Bytes *content, Problem *problem)
{
	char		buf[8192];
	ssize_t		n;

	while ((n = read(fd, buf, sizeof(buf))) != 0)
	{
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return refuse_errno(problem, errno);
		if (n > max - content->len)
			return refuse(problem, NULL, "it has more than %zu bytes", max);
		if (!bytes_append(content, buf, n))
			return refuse_errno(problem, ENOMEM);
	}
	return true;
}

/*
 * Append what a file holds, at most `max` bytes.
 */
static bool
read_file(const char *path, bool must_be_private, size_t max, Bytes *content, Problem *problem)
{
	struct stat st;
	bool		good;

	/* nobody may make us wait, say with a pipe */
	int			fd = BasicOpenFile(path, O_RDONLY | O_NONBLOCK | PG_BINARY);

	if (fd < 0)
		return refuse_errno(problem, errno);
	if (fstat(fd, &st) < 0)
		good = refuse_errno(problem, errno);
	else if (!S_ISREG(st.st_mode))
		good = refuse(problem, NULL, "it is not a regular file");
	else if (must_be_private && !is_private(&st))
		good = refuse(problem,
					  "It must belong to the user of the server and have mode 0600 or less, or to root and have mode 0640 or less.",
					  "others than the server may read it, or replace it");
	else
		good = read_open_file(fd, max, content, problem);
	close(fd);
	return good;
}

/*
 * Read a file that holds a secret, and nothing else but a line end.
 */
static bool
read_secret_file(const char *path, Bytes *content, Problem *problem)
{
	if (!read_file(path, true, MAX_SECRET_FILE, content, problem))
		return false;
	while (content->len > 0 &&
		   (content->data[content->len - 1] == '\n' || content->data[content->len - 1] == '\r'))
		content->len--;
	if (content->len > 0 && memchr(content->data, '\0', content->len))
		return refuse(problem, "The secret is text, like that of openssl rand -base64 48.",
					  "it has a zero byte");
	if (content->len < JWT_MIN_SECRET)
		return refuse(problem, "A good secret is what openssl rand -base64 48 prints.",
					  "it has fewer than %d bytes", JWT_MIN_SECRET);
	return true;
}

/*
 * The file that holds the secret, where realtime.jwt_secret does not.
 */
static const char *
secret_path(void)
{
	return *realtime_jwt_secret_file != '\0' ? realtime_jwt_secret_file : GENERATED_FILE;
}

/*
 * Find the secret.
 */
static bool
find_secret(Bytes *content, Problem *problem)
{
	if (*realtime_jwt_secret == '\0')
		return read_secret_file(secret_path(), content, problem);
	return bytes_append_cstr(content, realtime_jwt_secret) ||
		refuse_errno(problem, ENOMEM);
}

/*
 * Make the secret of this cluster.
 */
static void
create_secret(void)
{
	char		random[GENERATED_RANDOM];
	Bytes		encoded;

	bytes_init(&encoded);
	if (!pg_strong_random(random, sizeof(random)) ||
		!base64url_encode(slice_make(random, sizeof(random)), &encoded))
		ereport(FATAL,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate a secret for tokens")));
	secret_file_create(GENERATED_FILE, encoded.data, encoded.len,
					   "Where neither realtime.jwt_secret nor realtime.jwt_secret_file is set, it will not accept tokens signed with the primary's.");
	bytes_free(&encoded);
}

/*
 * Tell that there is no secret, as a server that does not start, or an SQL
 * function.
 */
static void
report_no_secret(int elevel, const Problem *problem)
{
	ereport(elevel,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 errmsg("could not read the secret of tokens from file \"%s\": %s",
					secret_path(), problem->reason),
			 problem->hint ? errhint("%s", problem->hint) : 0));
}

/*
 * The postmaster starts, or starts anew after a crash: then a file that has
 * gone bad meanwhile must not end it.  Nor must it keep somebody from a server
 * that serves nobody.
 */
void
jwt_config_start(void)
{
	static bool started = false;
	int			fd = secret_file_open(GENERATED_FILE);
	Problem		problem;
	Bytes		content;

	if (fd < 0)
		create_secret();
	else
		close(fd);
	if (started || !IsPostmasterEnvironment || IsBinaryUpgrade)
		return;
	started = true;

	bytes_init(&content);
	if (!find_secret(&content, &problem))
		report_no_secret(FATAL, &problem);
	bytes_free(&content);
}

/*
 * Let *value hold a copy of content with a NUL behind it.  False for want of
 * memory: then it stays as it was.
 */
static bool
replace_value(Bytes *value, Slice content)
{
	Bytes		copy;

	bytes_init(&copy);
	if (!bytes_reserve(&copy, content.len + 1))
		return false;
	bytes_append_slice(&copy, content);
	copy.data[copy.len] = '\0';
	bytes_free(value);
	*value = copy;
	return true;
}

/*
 * Log why a secret or a key set is not taken, and see whether to try again.
 */
static void
take_problem(const char *what, const char *setting, const char *path, bool has_former,
			 const Problem *problem)
{
	to_be_retried = to_be_retried || problem->passes;
	ereport(LOG,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 path ? errmsg("could not read the %s of tokens from file \"%s\": %s", what, path, problem->reason)
			 : errmsg("could not use the %s of tokens in %s: %s", what, setting, problem->reason),
			 has_former ? errdetail("The former one stays in use.") : errdetail("Until that is mended there is none."),
			 problem->hint ? errhint("%s", problem->hint) : 0));
}

/*
 * Log a key that is left out.  Its kid comes out of a file that others may
 * write: what could forge a log line becomes a question mark.
 */
static void
log_skipped(Slice kid, const char *why, void *arg)
{
	char		shown[KID_SHOWN + 1];
	size_t		len = Min(kid.len, KID_SHOWN);

	for (size_t i = 0; i < len; i++)
		shown[i] = kid.data[i] >= 0x20 && kid.data[i] < 0x7F ? kid.data[i] : '?';
	shown[len] = '\0';
	ereport(LOG,
			(errmsg("realtime leaves out key \"%s\" of realtime.jwt_jwks: %s", shown, why)));
	++*(int *) arg;
}

/*
 * Is this a key set with a key that can be used, or with none at all?
 */
static bool
check_key_set(Slice json, Problem *problem)
{
	JwtKeys    *keys = jwt_keys_create();
	const char *error;
	int			skipped = 0;
	int			added;

	if (keys == NULL)
		return refuse_errno(problem, ENOMEM);
	added = jwt_keys_add_jwks(keys, json, log_skipped, &skipped, &error);
	jwt_keys_free(keys);
	if (added < 0)
		return refuse(problem, "A JSON Web Key Set looks like {\"keys\":[{\"kty\":\"EC\", ...}]}.",
					  "it is no key set: %s", error);
	if (added == 0 && skipped > 0)
		return refuse(problem, "Each key needs a kid and one of the types RSA, EC, OKP and oct.",
					  "none of its keys can be used");
	return true;
}

/*
 * Read the key set again.
 */
static void
load_key_set(void)
{
	const char *path = *realtime_jwt_jwks == '{' ? NULL : realtime_jwt_jwks;
	Bytes		content;
	Problem		problem;
	bool		good;

	if (*realtime_jwt_jwks == '\0')
	{
		bytes_free(&key_set);
		return;
	}
	bytes_init(&content);
	if (path)
		good = read_file(path, false, JWT_MAX_JWKS, &content, &problem);
	else
		good = bytes_append_cstr(&content, realtime_jwt_jwks) ||
			refuse_errno(&problem, ENOMEM);
	good = good && check_key_set(bytes_slice(&content), &problem);
	if (good && !replace_value(&key_set, bytes_slice(&content)))
		good = refuse_errno(&problem, ENOMEM);
	if (!good)
		take_problem("key set", "realtime.jwt_jwks", path, key_set.len > 0, &problem);
	bytes_free(&content);
}

/*
 * Read the secret again.
 */
static void
load_secret(void)
{
	const char *path = *realtime_jwt_secret != '\0' ? NULL : secret_path();
	Bytes		content;
	Problem		problem;
	bool		good;

	bytes_init(&content);
	good = find_secret(&content, &problem);
	if (good && !replace_value(&secret, bytes_slice(&content)))
		good = refuse_errno(&problem, ENOMEM);
	if (!good)
		take_problem("secret", "realtime.jwt_secret", path, secret.len > 0, &problem);
	bytes_free(&content);
}

/*
 * Read both again.
 */
void
jwt_config_load(void)
{
	loaded_at = instant_now();
	to_be_retried = false;
	load_secret();
	load_key_set();
}

/*
 * Read both again if that failed for a reason that may have passed.
 */
bool
jwt_config_retry(Instant now)
{
	if (!to_be_retried || ms_since(loaded_at, now) < RETRY_MS)
		return false;
	jwt_config_load();
	return true;
}

/*
 * The secret in use.
 */
Slice
jwt_config_secret(void)
{
	return secret.len > 0 ? bytes_slice(&secret) : slice_make("", 0);
}

/*
 * The key set in use.
 */
Slice
jwt_config_jwks(void)
{
	return key_set.len > 0 ? bytes_slice(&key_set) : slice_make("", 0);
}

/*
 * The secret to sign with.
 */
Slice
jwt_config_signing_secret(void)
{
	Bytes		content;
	Problem		problem;
	Slice		result;
	bool		good;

	bytes_init(&content);
	good = find_secret(&content, &problem);
	/* what malloc gave must be gone before anything is raised */
	result = slice_make(good ? palloc_extended(content.len, MCXT_ALLOC_NO_OOM) : NULL, content.len);
	if (result.data)
		memcpy(unconstify(char *, result.data), content.data, content.len);
	bytes_free(&content);
	if (!good)
		report_no_secret(ERROR, &problem);
	if (result.data == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	return result;
}
