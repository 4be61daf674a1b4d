/*-------------------------------------------------------------------------
 *
 * ssl_config.c
 *	  Whether clients speak TLS, and with which certificate.
 *
 * The gateways have no business with files: the hub reads certificate, key and
 * authorities at its start and at each reload, looks whether they belong
 * together, and hands them on.  Where realtime.ssl_cert_file and
 * realtime.ssl_key_file are empty, it takes the server's own.
 *
 * What is no good is logged, and all stays as it was: the former certificate, or
 * none.  At the start there is nothing before, and to serve without TLS where it
 * is wanted would put tokens on the wire: then nobody can connect until there is
 * a certificate (reliability E20).
 *
 * The server's ssl_ca_file is not ours: it asks for the certificates of clients,
 * and PostgreSQL asks only those that pg_hba.conf names.
 *
 * src/ssl_config.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/guc.h"

#include "config_file.h"
#include "guc.h"
#include "ssl_config.h"

#define MAX_FILE (1024 * 1024)	/* bytes */

typedef enum SslState
{
	SSL_UNKNOWN,				/* never loaded */
	SSL_OFF,
	SSL_ON,
	SSL_ABSENT					/* on, and there is no certificate */
} SslState;

/* What the files hold. */
typedef struct SslFiles
{
	Bytes		certificate;
	Bytes		key;
	Bytes		authorities;
} SslFiles;

static SslState state = SSL_UNKNOWN;
static SslFiles current;		/* while the state is SSL_ON */

/*
 * The setting that names the file of a part.
 */
static const char *
setting_of(TlsPart part)
{
	switch (part)
	{
		case TLS_PART_CERTIFICATE:
			return *realtime_ssl_cert_file != '\0' ? "realtime.ssl_cert_file" : "ssl_cert_file";
		case TLS_PART_KEY:
			return *realtime_ssl_key_file != '\0' ? "realtime.ssl_key_file" : "ssl_key_file";
		case TLS_PART_AUTHORITIES:
			return "realtime.ssl_ca_file";
		case TLS_PART_NONE:
			break;
	}
	return "realtime.ssl";
}

/*
 * The file.
 */
static const char *
path_of(TlsPart part)
{
	return GetConfigOption(setting_of(part), false, false);
}

/*
 * Log what is no good, and what is done instead.
 */
static void
log_problem(TlsPart part, const ConfigProblem *problem)
{
	ereport(LOG,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 errmsg("realtime cannot use \"%s\" of %s for TLS: %s", path_of(part), setting_of(part), problem->reason),
			 state == SSL_ON ? errdetail("The former certificate stays in use.") :
			 state == SSL_OFF ? errdetail("Connections stay without TLS.") :
			 errdetail("Until that is mended, nobody can connect."),
			 problem->hint ? errhint("%s", problem->hint) : 0));
}

/*
 * Read the file of a part.
 */
static bool
read_part(TlsPart part, Bytes *content)
{
	ConfigProblem problem;

	if (config_file_read(path_of(part), part == TLS_PART_KEY, MAX_FILE, content, &problem) &&
		(memchr(content->data, '\0', content->len) == NULL ||
		 config_refuse(&problem, NULL, "it is not in PEM format")))
		return true;
	log_problem(part, &problem);
	return false;
}

/*
 * What a context is made of.
 */
static void
describe(const SslFiles *files, TlsIdentity *identity)
{
	identity->certificate = bytes_slice(&files->certificate);
	identity->key = bytes_slice(&files->key);
	identity->authorities = bytes_slice(&files->authorities);
}

/*
 * Can connections begin with this?
 */
static bool
check_files(const SslFiles *files)
{
	TlsIdentity identity;
	TlsProblem	found;
	ConfigProblem problem;
	SSL_CTX    *context;

	describe(files, &identity);
	context = tls_context_new(&identity, &found);
	if (context != NULL)
	{
		SSL_CTX_free(context);
		return true;
	}
	(void) config_refuse(&problem, !found.is_encrypted ? NULL :
						 "ssl_passphrase_command is not asked. Set realtime.ssl_key_file to a file with the key as openssl pkey -in encrypted.key prints it, which only the server may read.",
						 "%s", found.reason);
	log_problem(found.part, &problem);
	return false;
}

/*
 * Leave no key behind.
 */
static void
wipe(SslFiles *files)
{
	bytes_free(&files->certificate);
	config_wipe(&files->key);
	bytes_free(&files->authorities);
}

/*
 * Are these the ones in use?
 */
static bool
is_current(const SslFiles *files)
{
	return state == SSL_ON &&
		slice_equals(bytes_slice(&files->certificate), bytes_slice(&current.certificate)) &&
		slice_equals(bytes_slice(&files->key), bytes_slice(&current.key)) &&
		slice_equals(bytes_slice(&files->authorities), bytes_slice(&current.authorities));
}

/*
 * Use TLS with what the files hold, if that is good.
 */
static void
turn_on(void)
{
	SslFiles	files = {0};

	if (!read_part(TLS_PART_CERTIFICATE, &files.certificate) ||
		!read_part(TLS_PART_KEY, &files.key) ||
		(*realtime_ssl_ca_file != '\0' && !read_part(TLS_PART_AUTHORITIES, &files.authorities)) ||
		!check_files(&files))
	{
		wipe(&files);
		if (state == SSL_UNKNOWN)
			state = SSL_ABSENT;
		return;
	}
	if (!is_current(&files))
		ereport(LOG,
				(errmsg("realtime uses TLS with the certificate of \"%s\"",
						path_of(TLS_PART_CERTIFICATE))));
	wipe(&current);
	current = files;
	state = SSL_ON;
}

/*
 * Read all again.
 */
void
ssl_config_load(void)
{
	if (realtime_ssl)
	{
		turn_on();
		return;
	}
	wipe(&current);
	state = SSL_OFF;
}

/*
 * The word for it.
 */
const char *
ssl_config_mode(void)
{
	static const char *const words[] = {
		[SSL_UNKNOWN] = "absent",
		[SSL_OFF] = "off",
		[SSL_ON] = "on",
		[SSL_ABSENT] = "absent"
	};

	return words[state];
}

/*
 * What is in use.
 */
void
ssl_config_identity(TlsIdentity *identity)
{
	describe(&current, identity);
}
