/*-------------------------------------------------------------------------
 *
 * unheard.c
 *	  Statements that write to followed tables that nobody listens to.
 *
 * The trigger that captures changes (capture.c) would return at once for each of
 * their rows.  But an AFTER trigger costs much more than its call: an event in a
 * queue, and the row fetched again.  So the trigger is switched off when such a
 * statement starts, in the copy of the table's triggers that the executor has
 * made for this statement alone.
 *
 * That a statement decides once, and not for each row, loses nothing that was
 * promised: when the mark is looked at here, this transaction has the lock that
 * writers take on the table, and keeps it to its end.  Who raises the mark
 * afterwards finds that lock, and waits for the transaction before a gateway is
 * told that it follows the table (hub/follows.c).  Taking the lock is a barrier
 * as raising the mark is; so either the hub sees the lock or we see the mark.
 * A plan that is kept takes its locks anew before each start.  When a
 * subtransaction gives a lock back it takes its statements with it.
 *
 * The trigger is switched off, not taken out: cascades of foreign keys run
 * statements of their own, which decide for themselves, but whose events are
 * fired with the triggers of the statement that they belong to, by their OIDs.
 *
 * Tables that the executor opens later, which are the partitions that rows are
 * routed to, keep the trigger, and so does what is no statement, as COPY or the
 * worker of a subscription.
 *
 * src/api/unheard.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "nodes/execnodes.h"

#include "api/capture.h"
#include "api/unheard.h"
#include "guc.h"

static ExecutorStart_hook_type prev_executor_start = NULL;

/*
 * Is a trigger called after each row that an event has met?
 */
static bool
is_called_after(const Trigger *trigger, int16 event)
{
	return trigger->tgenabled != TRIGGER_DISABLED &&
		TRIGGER_TYPE_MATCHES(trigger->tgtype, TRIGGER_TYPE_ROW, TRIGGER_TYPE_AFTER, event);
}

/*
 * Say anew which events have triggers after rows.
 */
static void
summarize(TriggerDesc *triggers)
{
	triggers->trig_insert_after_row = false;
	triggers->trig_update_after_row = false;
	triggers->trig_delete_after_row = false;
	for (int i = 0; i < triggers->numtriggers; i++)
	{
		const Trigger *trigger = &triggers->triggers[i];

		triggers->trig_insert_after_row |= is_called_after(trigger, TRIGGER_TYPE_INSERT);
		triggers->trig_update_after_row |= is_called_after(trigger, TRIGGER_TYPE_UPDATE);
		triggers->trig_delete_after_row |= is_called_after(trigger, TRIGGER_TYPE_DELETE);
	}
}

/*
 * Switch off the triggers, of a statement's copy, that nobody would hear of.
 */
static void
switch_off(TriggerDesc *triggers)
{
	bool		found = false;

	for (int i = 0; i < triggers->numtriggers; i++)
	{
		Trigger    *trigger = &triggers->triggers[i];

		if (capture_is_unheard(trigger))
		{
			trigger->tgenabled = TRIGGER_DISABLED;
			found = true;
		}
	}
	if (found)
		summarize(triggers);
}

/*
 * ExecutorStart hook: look at the tables that the statement writes to.
 */
static void
executor_start(QueryDesc *query, int eflags)
{
	ListCell   *cell;

	if (prev_executor_start)
		prev_executor_start(query, eflags);
	else
		standard_ExecutorStart(query, eflags);

	if (realtime_capture != CAPTURE_LISTENED)
		return;
	foreach(cell, query->estate->es_opened_result_relations)
	{
		ResultRelInfo *table = lfirst(cell);

		if (table->ri_TrigDesc)
			switch_off(table->ri_TrigDesc);
	}
}

/*
 * Put the hook in place.
 */
void
unheard_install_hook(void)
{
	prev_executor_start = ExecutorStart_hook;
	ExecutorStart_hook = executor_start;
}
