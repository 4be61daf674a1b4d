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

#include "fmgr.h"
#include "miscadmin.h"

#include "api/emit.h"
#include "api/make_way.h"
#include "api/unheard.h"
#include "guc.h"
#include "hub/hub.h"
#include "shmem.h"
#include "sql_version.h"

PG_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);

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
	shmem_install();
	emit_install_hooks();
	make_way_install_hook();
	unheard_install_hook();
	sql_version_install_hook();

	/* pg_upgrade runs servers that nobody may connect to (reliability E18) */
	if (!IsBinaryUpgrade)
		hub_register();
}
