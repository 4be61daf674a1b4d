/*-------------------------------------------------------------------------
 *
 * maintenance.c
 *	  The worker that keeps the partitions of messages and commits.
 *
 * What is to be done stands in the SQL function realtime.maintain(), which an
 * operator may call as well.  The worker is only there to call it: the hub
 * starts one now and then, it connects to the served database, runs the
 * function in one transaction and ends.  It does so as the owner of
 * realtime.messages under SECURITY_RESTRICTED_OPERATION, because triggers and
 * index expressions that somebody put on that table run here.
 *
 * src/exec/maintenance.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "exec/maintenance.h"
#include "guc.h"
#include "served_database.h"
#include "sql_version.h"

#define EXTENSION_NAME "realtime"
#define WORKER_NAME "realtime maintenance"

static const char maintain_command[] =
	"SELECT action, partition FROM realtime.maintain()";

/*
 * Start the worker, if it can have something to do; does not wait for it.
 *
 * Where no slot for a worker is free the next hour will do as well: partitions
 * are made days ahead.
 */
void
maintenance_launch(void)
{
	BackgroundWorker worker;
	bool		connectable = false;

	/* on a standby the worker would wait for its promotion, once an hour */
	if (RecoveryInProgress() ||
		!OidIsValid(served_database_lookup(&connectable)) || !connectable)
		return;

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(worker.bgw_name, WORKER_NAME, BGW_MAXLEN);
	strlcpy(worker.bgw_type, WORKER_NAME, BGW_MAXLEN);
	strlcpy(worker.bgw_library_name, "realtime", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "realtime_maintenance_main", BGW_MAXLEN);
	if (!RegisterDynamicBackgroundWorker(&worker, NULL))
		ereport(LOG,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("could not start the worker \"%s\"", WORKER_NAME),
				 errhint("Consider increasing max_worker_processes.")));
}

/*
 * Owner of realtime.messages; InvalidOid if the extension is not there.
 */
static Oid
messages_owner(void)
{
	Oid			schema;
	Oid			relid;
	HeapTuple	tuple;
	Oid			owner = InvalidOid;

	if (!OidIsValid(get_extension_oid(EXTENSION_NAME, true)))
		return InvalidOid;
	schema = get_namespace_oid("realtime", true);
	relid = OidIsValid(schema) ? get_relname_relid("messages", schema) : InvalidOid;
	if (!OidIsValid(relid))
		return InvalidOid;

	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	if (HeapTupleIsValid(tuple))
	{
		owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
		ReleaseSysCache(tuple);
	}
	return owner;
}

/*
 * Call realtime.maintain() as the given role, and log what it did.
 */
static void
maintain_as(Oid role)
{
	Oid			save_role;
	int			save_context;
	int			rc;

	GetUserIdAndSecContext(&save_role, &save_context);
	SetUserIdAndSecContext(role, save_context |
						   SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	rc = SPI_execute(maintain_command, false, 0);
	if (rc != SPI_OK_SELECT)
		elog(ERROR, "SPI_execute failed: %s", SPI_result_code_string(rc));
	for (uint64 i = 0; i < SPI_processed; i++)
		ereport(LOG,
				(errmsg("realtime maintenance: %s %s",
						SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1),
						SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2))));
	SPI_finish();
	SetUserIdAndSecContext(save_role, save_context);
}

/*
 * Main function of the worker.
 */
void
realtime_maintenance_main(Datum arg)
{
	Oid			owner;

	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(realtime_database, NULL, 0);

	/* never wait for a standby: nobody waits for us */
	SetConfigOption("synchronous_commit", "local", PGC_SUSET, PGC_S_OVERRIDE);

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	pgstat_report_activity(STATE_RUNNING, maintain_command);
	owner = sql_version_serves() ? messages_owner() : InvalidOid;
	if (OidIsValid(owner))
		maintain_as(owner);
	PopActiveSnapshot();
	CommitTransactionCommand();
	pgstat_report_activity(STATE_IDLE, NULL);
	proc_exit(0);
}
