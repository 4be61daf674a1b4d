/*-------------------------------------------------------------------------
 *
 * messages_table.c
 *	  Is realtime.messages as the extension made it?
 *
 * Its owner may add columns, defaults, checks and triggers.  Then an INSERT does
 * what only a real INSERT can do, and those who would know its outcome without
 * one have to make one: realtime.send() (direct_insert.c) and the decisions on
 * private channels (exec/policy_query.c).  The former leaves the extension's own
 * trigger out, so that one must be there as well.
 *
 * For the latter only the parent is looked at: what somebody adds to a single
 * day's partition is no way to say what may be sent.
 *
 * src/api/messages_table.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "catalog/pg_attribute.h"
#include "rewrite/rewriteHandler.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

#include "api/message_row.h"
#include "api/messages_table.h"

/* Names of objects that a plain table has. */
#define PUBLISH_FUNCTION "publish_message"
#define ID_FUNCTION "uuid_v7"
#define NUMBER_FUNCTION "message_number"

/* Checks that every message of ours passes, in the order of their names. */
static const char *const our_checks[] = {
	"messages_payload_exclusive",
	"messages_sender_type_known",
	"messages_type_known",
};

/*
 * Is a function that of the extension's schema?
 */
static bool
is_our_function(Oid function, const char *name)
{
	char	   *found = get_func_name(function);

	return found != NULL && strcmp(found, name) == 0 &&
		get_func_namespace(function) == get_namespace_oid(MESSAGES_SCHEMA, true);
}

/*
 * May a column of a plain table hold no null?
 */
static bool
column_not_null(MessageColumn column)
{
	switch (column)
	{
		case MESSAGE_TOPIC:
		case MESSAGE_EXTENSION:
		case MESSAGE_UPDATED_AT:
		case MESSAGE_INSERTED_AT:
		case MESSAGE_ID:
		case MESSAGE_SKIP_BROADCAST:
		case MESSAGE_XID:
		case MESSAGE_NUMBER:
		case MESSAGE_SENDER_TYPE:
			return true;
		default:
			return false;
	}
}

/*
 * Is a column generated if the script says so, from another one that it repeats,
 * and not otherwise?
 */
static bool
generation_is_plain(Relation rel, AttrNumber attnum, MessageColumn column)
{
	Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), attnum - 1);
	MessageColumn source = message_column_source(column);
	MessageAttnums attnums;
	Node	   *expr;

	if (source == 0)
		return att->attgenerated == '\0';
	if (att->attgenerated != ATTRIBUTE_GENERATED_STORED)
		return false;
	message_attnums(RelationGetDescr(rel), &attnums);
	expr = build_column_default(rel, attnum);
	return expr != NULL && IsA(expr, Var) &&
		((Var *) expr)->varattno == attnums.of[source];
}

/*
 * Are the columns those that the script makes, in that order?
 */
static bool
columns_are_plain(Relation rel)
{
	TupleDesc	desc = RelationGetDescr(rel);

	if (desc->natts != MESSAGE_COLUMNS)
		return false;
	for (int column = 1; column <= MESSAGE_COLUMNS; column++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, column - 1);

		if (att->attisdropped || att->attidentity != '\0' ||
			att->atttypid != message_column_type(column) ||
			att->attnotnull != column_not_null(column) ||
			strcmp(NameStr(att->attname), message_column_name(column)) != 0)
			return false;
	}
	for (int column = 1; column <= MESSAGE_COLUMNS; column++)
	{
		if (!generation_is_plain(rel, (AttrNumber) column, (MessageColumn) column))
			return false;
	}
	return true;
}

/*
 * Does the default of a column call exactly this built-in function?
 */
static bool
default_calls(Relation rel, AttrNumber attnum, Oid function)
{
	Node	   *expr = build_column_default(rel, attnum);

	return expr != NULL && IsA(expr, FuncExpr) &&
		((FuncExpr *) expr)->funcid == function;
}

/*
 * Does the default of a column call this function of the extension?
 */
static bool
default_calls_ours(Relation rel, AttrNumber attnum, const char *function)
{
	Node	   *expr = build_column_default(rel, attnum);

	return expr != NULL && IsA(expr, FuncExpr) &&
		is_our_function(((FuncExpr *) expr)->funcid, function);
}

/*
 * Is the default of a column the constant false?
 */
static bool
default_is_false(Relation rel, AttrNumber attnum)
{
	Node	   *expr = build_column_default(rel, attnum);

	return expr != NULL && IsA(expr, Const) && !((Const *) expr)->constisnull &&
		!DatumGetBool(((Const *) expr)->constvalue);
}

/*
 * Is the default of a column the constant SENDER_SYSTEM?
 */
static bool
default_is_system(Relation rel, AttrNumber attnum)
{
	Node	   *expr = build_column_default(rel, attnum);

	return expr != NULL && IsA(expr, Const) && !((Const *) expr)->constisnull &&
		((Const *) expr)->consttype == TEXTOID &&
		strcmp(TextDatumGetCString(((Const *) expr)->constvalue), SENDER_SYSTEM) == 0;
}

/*
 * Are the defaults of the columns that realtime.send() leaves out those that
 * fill_slot() puts there?
 */
bool
messages_defaults_are_plain(Relation rel)
{
	return default_calls(rel, MESSAGE_UPDATED_AT, F_NOW) &&
		default_calls(rel, MESSAGE_INSERTED_AT, F_CLOCK_TIMESTAMP) &&
		default_calls(rel, MESSAGE_XID, F_PG_CURRENT_XACT_ID) &&
		default_calls_ours(rel, MESSAGE_NUMBER, NUMBER_FUNCTION) &&
		build_column_default(rel, MESSAGE_EXPIRES_AT) == NULL &&
		build_column_default(rel, MESSAGE_CHANNEL_ID) == NULL &&
		build_column_default(rel, MESSAGE_SENDER_ID) == NULL &&
		build_column_default(rel, MESSAGE_TYPE) == NULL &&
		default_is_system(rel, MESSAGE_SENDER_TYPE) &&
		default_is_false(rel, MESSAGE_SKIP_BROADCAST);
}

/*
 * Are ours, which a message passes anyway, the only checks?  The relation cache
 * sorts them by name.
 */
static bool
checks_are_plain(TupleDesc desc)
{
	TupleConstr *constr = desc->constr;

	if (constr == NULL || constr->num_check != lengthof(our_checks))
		return false;
	for (int i = 0; i < (int) lengthof(our_checks); i++)
	{
		if (strcmp(constr->check[i].ccname, our_checks[i]) != 0)
			return false;
	}
	return true;
}

/*
 * Is publish_message() the only trigger that an INSERT fires, and would it?
 */
static bool
triggers_are_plain(Relation rel)
{
	TriggerDesc *triggers = rel->trigdesc;
	Trigger    *publish = NULL;

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		if (!TRIGGER_FOR_INSERT(triggers->triggers[i].tgtype))
			continue;
		if (publish != NULL)
			return false;
		publish = &triggers->triggers[i];
	}
	if (publish == NULL ||
		!TRIGGER_FOR_AFTER(publish->tgtype) || !TRIGGER_FOR_ROW(publish->tgtype) ||
		publish->tgqual != NULL || publish->tgdeferrable ||
		(publish->tgenabled != TRIGGER_FIRES_ON_ORIGIN &&
		 publish->tgenabled != TRIGGER_FIRES_ALWAYS))
		return false;

	return is_our_function(publish->tgfoid, PUBLISH_FUNCTION);
}

/*
 * Is the table, parent or partition, as the extension made it?
 */
bool
messages_table_is_plain(Relation rel)
{
	TupleDesc	desc = RelationGetDescr(rel);

	return rel->rd_rules == NULL &&
		columns_are_plain(rel) &&
		checks_are_plain(desc) &&
		triggers_are_plain(rel);
}

/*
 * Does a column get by default what the script says?
 */
static bool
column_is_plain(Relation rel, AttrNumber attnum, MessageColumn column)
{
	switch (column)
	{
		case MESSAGE_TOPIC:
		case MESSAGE_EXTENSION:
			return true;
		case MESSAGE_PRIVATE:
		case MESSAGE_SKIP_BROADCAST:
			return default_is_false(rel, attnum);
		case MESSAGE_UPDATED_AT:
			return default_calls(rel, attnum, F_NOW);
		case MESSAGE_INSERTED_AT:
			return default_calls(rel, attnum, F_CLOCK_TIMESTAMP);
		case MESSAGE_XID:
			return default_calls(rel, attnum, F_PG_CURRENT_XACT_ID);
		case MESSAGE_ID:
			return default_calls_ours(rel, attnum, ID_FUNCTION);
		case MESSAGE_NUMBER:
			return default_calls_ours(rel, attnum, NUMBER_FUNCTION);
		case MESSAGE_SENDER_TYPE:
			return default_is_system(rel, attnum);
		case MESSAGE_CHANNEL_NAME:
		case MESSAGE_EVENT_NAME:
		case MESSAGE_CREATED_AT:
			return true;		/* generated */
		default:
			return build_column_default(rel, attnum) == NULL &&
				!TupleDescAttr(RelationGetDescr(rel), attnum - 1)->attnotnull;
	}
}

/*
 * Would a column that somebody has added be null?  A domain may have a default
 * or refuse a null.
 */
static bool
added_column_is_null(Relation rel, Form_pg_attribute att)
{
	return !att->attnotnull && att->attgenerated == '\0' && get_typtype(att->atttypid) != TYPTYPE_DOMAIN &&
		build_column_default(rel, att->attnum) == NULL;
}

/*
 * Which of the script's columns is this?  None: 0.
 */
static int
which_column(Form_pg_attribute att)
{
	for (int column = 1; column <= MESSAGE_COLUMNS; column++)
	{
		if (att->atttypid == message_column_type((MessageColumn) column) &&
			strcmp(NameStr(att->attname), message_column_name((MessageColumn) column)) == 0)
			return column;
	}
	return 0;
}

/*
 * Is there another insert trigger than ours that would be fired, or one that
 * could change the row?
 */
static bool
has_other_trigger(Relation rel, bool changes_row)
{
	TriggerDesc *triggers = rel->trigdesc;

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		Trigger    *trigger = &triggers->triggers[i];

		if (!TRIGGER_FOR_INSERT(trigger->tgtype) ||
			trigger->tgenabled == TRIGGER_DISABLED ||
			trigger->tgenabled == TRIGGER_FIRES_ON_REPLICA ||
			is_our_function(trigger->tgfoid, PUBLISH_FUNCTION))
			continue;
		if (!changes_row ||
			(TRIGGER_FOR_BEFORE(trigger->tgtype) && TRIGGER_FOR_ROW(trigger->tgtype)))
			return true;
	}
	return false;
}

/*
 * Would a row with nothing but topic and extension get what the script says?
 */
bool
messages_row_is_plain(Relation rel)
{
	TupleDesc	desc = RelationGetDescr(rel);
	int			found = 0;

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		int			column = which_column(att);

		if (att->attisdropped)
			continue;
		if (att->attidentity != '\0' ||
			!(column == 0 ? added_column_is_null(rel, att) :
			  generation_is_plain(rel, att->attnum, (MessageColumn) column) &&
			  column_is_plain(rel, att->attnum, (MessageColumn) column)))
			return false;
		found += column != 0;
	}
	return found == MESSAGE_COLUMNS && !has_other_trigger(rel, true);
}

/*
 * Would nothing but rights and policies be asked about its INSERT?
 */
bool
messages_insert_is_plain(Relation rel)
{
	return messages_row_is_plain(rel) && !has_other_trigger(rel, false) &&
		checks_are_plain(RelationGetDescr(rel));
}
