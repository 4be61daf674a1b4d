/*-------------------------------------------------------------------------
 *
 * realtime.c
 *	  Entry of the server module: settings, shared memory, hooks, workers.
 *
 * Nothing else happens here; DESIGN: docs/architecture.md.
 *
 * src/realtime.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xlog.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/guc.h"

#include "api/emit.h"
#include "api/make_way.h"
#include "api/unheard.h"
#include "guc.h"
#include "hub/hub.h"
#include "shmem.h"
#include "sql_version.h"

PG_MODULE_MAGIC;

/* What a busy server writes in a second or two, between two saved positions. */
#define KEEP_WAL_MB 256

extern PGDLLEXPORT void _PG_init(void);

/*
 * Have the server keep WAL for the hub, unless postgresql.conf says how much.
 *
 * After a crash the hub reads what was committed and not told yet, from the
 * oldest transaction that was open.  But recovery ends with a checkpoint, which
 * removes all WAL before the segment in hand if nothing is to be kept, and that
 * happens before the hub is there.
 */
static void
keep_wal(void)
{
	int			segment_mb = wal_segment_size / (1024 * 1024);
	int			keep_mb = Max(Min(max_wal_size_mb / 2, KEEP_WAL_MB), segment_mb);
	char		value[32];

	snprintf(value, sizeof(value), "%dMB", keep_mb);
	SetConfigOption("wal_keep_size", value, PGC_SIGHUP, PGC_S_DYNAMIC_DEFAULT);
}

/*
 * Called once, when the server loads the library.
 */
void
_PG_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("realtime must be loaded when the server starts"),
				 errhint("Add \"realtime\" to shared_preload_libraries in postgresql.conf and restart the server.")));

	guc_define();
	keep_wal();
	shmem_install();
	emit_install_hooks();
	make_way_install_hook();
	unheard_install_hook();
	sql_version_install_hook();

	/* pg_upgrade runs servers that nobody may connect to (reliability E18) */
	if (!IsBinaryUpgrade)
		hub_register();
}
