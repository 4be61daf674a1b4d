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

#include <unistd.h>

#include "miscadmin.h"

#include "config_file.h"
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

/* What jwt_config_load() found good, each followed by a NUL in its memory. */
static Bytes secret;
static Bytes key_set;

static bool to_be_retried = false;	/* it lacked something to find both */
static Instant loaded_at;

/*
 * Read a file that holds a secret, and nothing else but a line end.
 */
static bool
read_secret_file(const char *path, Bytes *content, ConfigProblem *problem)
{
	if (!config_file_read(path, true, MAX_SECRET_FILE, content, problem))
		return false;
	while (content->len > 0 &&
		   (content->data[content->len - 1] == '\n' || content->data[content->len - 1] == '\r'))
		content->len--;
	if (content->len > 0 && memchr(content->data, '\0', content->len))
		return config_refuse(problem, "The secret is text, like that of openssl rand -base64 48.",
					  "it has a zero byte");
	if (content->len < JWT_MIN_SECRET)
		return config_refuse(problem, "A good secret is what openssl rand -base64 48 prints.",
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
find_secret(Bytes *content, ConfigProblem *problem)
{
	if (*realtime_jwt_secret == '\0')
		return read_secret_file(secret_path(), content, problem);
	return bytes_append_cstr(content, realtime_jwt_secret) ||
		config_refuse_errno(problem, ENOMEM);
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
report_no_secret(int elevel, const ConfigProblem *problem)
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
	ConfigProblem problem;
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
			 const ConfigProblem *problem)
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
check_key_set(Slice json, ConfigProblem *problem)
{
	JwtKeys    *keys = jwt_keys_create();
	const char *error;
	int			skipped = 0;
	int			added;

	if (keys == NULL)
		return config_refuse_errno(problem, ENOMEM);
	added = jwt_keys_add_jwks(keys, json, log_skipped, &skipped, &error);
	jwt_keys_free(keys);
	if (added < 0)
		return config_refuse(problem, "A JSON Web Key Set looks like {\"keys\":[{\"kty\":\"EC\", ...}]}.",
					  "it is no key set: %s", error);
	if (added == 0 && skipped > 0)
		return config_refuse(problem, "Each key needs a kid and one of the types RSA, EC, OKP and oct.",
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
	ConfigProblem problem;
	bool		good;

	if (*realtime_jwt_jwks == '\0')
	{
		bytes_free(&key_set);
		return;
	}
	bytes_init(&content);
	if (path)
		good = config_file_read(path, false, JWT_MAX_JWKS, &content, &problem);
	else
		good = bytes_append_cstr(&content, realtime_jwt_jwks) ||
			config_refuse_errno(&problem, ENOMEM);
	good = good && check_key_set(bytes_slice(&content), &problem);
	if (good && !replace_value(&key_set, bytes_slice(&content)))
		good = config_refuse_errno(&problem, ENOMEM);
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
	ConfigProblem problem;
	bool		good;

	bytes_init(&content);
	good = find_secret(&content, &problem);
	if (good && !replace_value(&secret, bytes_slice(&content)))
		good = config_refuse_errno(&problem, ENOMEM);
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
	ConfigProblem problem;
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
