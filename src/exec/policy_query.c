/*-------------------------------------------------------------------------
 *
 * policy_query.c
 *	  The policies of a table as a query over rows that are not there.
 *
 * The question is whether PostgreSQL would let a role select or insert a row,
 * and it shall be answered without writing one.  So PostgreSQL itself is asked
 * which policies there are: the statement that the question is about is parsed
 * and rewritten, which attaches the expressions of the policies that apply, in
 * the form and order in which they would be evaluated, or raises the same error.
 * These expressions are then moved, as trees, to a query that has an array of
 * rows where the statement has the table:
 *
 *		SELECT <expressions> FROM unnest($1) AS messages
 *
 * A variable keeps its attribute number and a whole-row reference its type,
 * because the elements of the array have the table's row type, and no name is
 * looked up a second time, so that no search path can give it another meaning.
 *
 * What a virtual row cannot have are system columns (tableoid, ctid, ...).  A
 * policy that looks at one has to be asked with a real row (probe.c), and so has
 * a table with rules, which are no business of ours, or one that others have
 * given defaults, triggers or checks that would have a say in a real INSERT.
 * Whether a row may be read does not depend on checks, and of triggers only on
 * those that change it.
 *
 * The rows of a followed table are those that were committed, so there it makes
 * no difference how they came to be what they are (POLICY_SEE).
 *
 * src/exec/policy_query.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/analyze.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteHandler.h"
#include "tcop/tcopprot.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "api/channels_table.h"
#include "api/message_row.h"
#include "api/messages_table.h"
#include "api/send.h"
#include "exec/extension_object.h"
#include "exec/policy_query.h"
#include "pg_compat.h"

/* The table, or the array in its place, in the statements below. */
#define TABLE_INDEX 1

static const char read_command[] = "SELECT m.id FROM realtime.messages m";
static const char write_command[] =
	"INSERT INTO realtime.messages (topic, extension) VALUES ($1, $2)";
/* No column of it; one that may be read is enough. */
#define SEE_COMMAND "SELECT FROM %s"

static const char virtual_command[] =
	"SELECT NULL::pg_catalog.bool FROM pg_catalog.unnest($1) AS messages";

/*
 * Open and lock one of our tables.
 */
static Relation
open_table(const char *name)
{
	Oid			relid = extension_table(name);

	return OidIsValid(relid) ? try_relation_open(relid, AccessShareLock) : NULL;
}

/*
 * Open and lock realtime.messages.
 */
Relation
policy_open_messages(void)
{
	return open_table(MESSAGES_TABLE);
}

/*
 * Open and lock realtime.channels.
 */
Relation
policy_open_channels(void)
{
	return open_table(CHANNELS_TABLE);
}

/*
 * Parse one of the statements above.
 */
static Query *
analyze(const char *command, const Oid *types, int ntypes)
{
	List	   *statements = pg_parse_query(command);

	return parse_analyze_fixedparams(linitial_node(RawStmt, statements), command,
									 types, ntypes, NULL);
}

/*
 * Does a command insert a row?
 */
static bool
command_inserts(PolicyCommand command)
{
	return command == POLICY_WRITE || command == POLICY_PUBLISH;
}

/*
 * The statement whose fate is asked for.
 */
static Query *
statement_for(Relation table, PolicyCommand command)
{
	static const Oid types[] = {TEXTOID, TEXTOID};

	switch (command)
	{
		case POLICY_READ:
			return analyze(read_command, NULL, 0);
		case POLICY_WRITE:
			return analyze(write_command, types, lengthof(types));
		case POLICY_PUBLISH:
			return analyze(send_publish_command, send_publish_types,
						   SEND_PUBLISH_COLUMNS);
		case POLICY_SEE:
			break;
	}
	return analyze(psprintf(SEE_COMMAND,
							quote_qualified_identifier(get_namespace_name(RelationGetNamespace(table)),
													   RelationGetRelationName(table))),
				   NULL, 0);
}

/*
 * The same, rewritten.  NULL if rules made something else of it.
 */
static Query *
rewritten_statement(Relation table, PolicyCommand command)
{
	Query	   *query = statement_for(table, command);
	List	   *rewritten;

	/* the name may have gone to another table since ours was opened */
	if (rt_fetch(TABLE_INDEX, query->rtable)->relid != RelationGetRelid(table))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table \"%s\" was replaced meanwhile", RelationGetRelationName(table))));

	rewritten = QueryRewrite(query);
	if (list_length(rewritten) != 1 ||
		linitial_node(Query, rewritten)->commandType !=
		(command_inserts(command) ? CMD_INSERT : CMD_SELECT) ||
		rt_fetch(TABLE_INDEX, linitial_node(Query, rewritten)->rtable)->rtekind != RTE_RELATION)
		return NULL;
	return linitial_node(Query, rewritten);
}

/*
 * What has to be true of a row, in the order in which PostgreSQL would ask.
 */
static List *
conditions(Query *query, PolicyCommand command)
{
	List	   *result = NIL;
	ListCell   *cell;

	if (!command_inserts(command))
		return rt_fetch(TABLE_INDEX, query->rtable)->securityQuals;
	foreach(cell, query->withCheckOptions)
		result = lappend(result, lfirst_node(WithCheckOption, cell)->qual);
	return result;
}

/*
 * Does an expression look at a system column of the row?  *depth counts the
 * queries that we are in.
 */
static bool
has_system_column(Node *node, void *depth)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
	{
		Var		   *var = (Var *) node;

		return var->varno == TABLE_INDEX && var->varattno < 0 &&
			(int) var->varlevelsup == *(int *) depth;
	}
	if (IsA(node, Query))
	{
		bool		found;

		(*(int *) depth)++;
		found = query_tree_walker((Query *) node, has_system_column, depth, 0);
		(*(int *) depth)--;
		return found;
	}
	return expression_tree_walker(node, has_system_column, depth);
}

/*
 * Does a row that is not there tell what one that is there would?
 */
static bool
virtual_row_tells(Relation table, PolicyCommand command)
{
	switch (command)
	{
		case POLICY_READ:
			return messages_row_is_plain(table);
		case POLICY_WRITE:
		case POLICY_PUBLISH:
			return messages_insert_is_plain(table);
		case POLICY_SEE:
			break;
	}
	return true;
}

/*
 * A query that evaluates an expression for each row of an array.
 */
static Query *
virtual_query(Relation table, Expr *expression, bool has_sublinks)
{
	Oid			type = get_array_type(table->rd_rel->reltype);
	Query	   *query = analyze(virtual_command, &type, 1);

	linitial_node(TargetEntry, query->targetList)->expr = expression;
	query->hasSubLinks = has_sublinks;
	/* nothing that watches statements should take it for the one we wrote */
	query->queryId = 0;
	return query;
}

/*
 * Plan it; the planner may scribble on what it is given.
 */
PlannedStmt *
policy_query_plan(Query *query)
{
	return pg_plan_query(copyObject(query), virtual_command, 0, NULL);
}

/*
 * Find out what the current user may do.
 */
PolicyQuery *
policy_query_make(Relation table, PolicyCommand command)
{
	PolicyQuery *result = palloc0_object(PolicyQuery);
	Query	   *statement;
	List	   *required;
	Expr	   *expression;
	int			depth = 0;

	result->barrier = BARRIER_SCHEMA;
	if (!MayUseSchema(RelationGetNamespace(table), GetUserId()))
		return result;
	result->barrier = BARRIER_REAL_ROW;
	statement = rewritten_statement(table, command);
	if (statement == NULL)
		return result;
	result->barrier = BARRIER_TABLE;
	if (!MayRunQuery(statement))
		return result;
	required = conditions(statement, command);
	result->barrier = BARRIER_NONE;
	if (required == NIL && !command_inserts(command))
		return result;
	result->barrier = BARRIER_REAL_ROW;
	if (!virtual_row_tells(table, command))
		return result;
	result->barrier = BARRIER_NONE;
	if (required == NIL)
		return result;

	expression = list_length(required) == 1 ? (Expr *) linitial(required) :
		makeBoolExpr(AND_EXPR, required, -1);
	result->barrier = BARRIER_REAL_ROW;
	if (has_system_column((Node *) expression, &depth))
		return result;
	result->barrier = BARRIER_POLICIES;
	result->query = virtual_query(table, expression, statement->hasSubLinks);
	return result;
}

/* Whose columns are collected. */
typedef struct ColumnSearch
{
	int			depth;			/* of the queries that we are in */
	int			natts;
	Bitmapset  *columns;
} ColumnSearch;

/*
 * Collect the columns of the row that an expression looks at.
 */
static bool
collect_columns(Node *node, void *context)
{
	ColumnSearch *search = context;

	if (node == NULL)
		return false;
	if (IsA(node, Var))
	{
		Var		   *var = (Var *) node;

		if (var->varno != TABLE_INDEX || (int) var->varlevelsup != search->depth)
			return false;
		if (var->varattno == 0)
			search->columns = bms_add_range(search->columns, 1, search->natts);
		else if (var->varattno > 0)
			search->columns = bms_add_member(search->columns, var->varattno);
		return false;
	}
	if (IsA(node, Query))
	{
		search->depth++;
		(void) query_tree_walker((Query *) node, collect_columns, search, 0);
		search->depth--;
		return false;
	}
	return expression_tree_walker(node, collect_columns, search);
}

/*
 * The columns that a query of ours looks at.
 */
Bitmapset *
policy_query_columns(const Query *query, int natts)
{
	ColumnSearch search = {0, natts, NULL};

	(void) collect_columns((Node *) query->targetList, &search);
	return search.columns;
}

/*
 * Is a policy for a command?
 */
static bool
policy_is_for(const RowSecurityPolicy *policy, PolicyCommand command)
{
	return policy->polcmd == '*' ||
		policy->polcmd == (command == POLICY_READ ? ACL_SELECT_CHR : ACL_INSERT_CHR);
}

/*
 * Is a policy for the current user?
 */
static bool
policy_is_for_user(const RowSecurityPolicy *policy)
{
	Oid		   *roles = (Oid *) ARR_DATA_PTR(policy->roles);
	int			nroles = ARR_DIMS(policy->roles)[0];

	for (int i = 0; i < nroles; i++)
	{
		if (roles[i] == ACL_ID_PUBLIC || has_privs_of_role(GetUserId(), roles[i]))
			return true;
	}
	return false;
}

/*
 * list_sort() comparator: policies by name.
 */
static int
compare_names(const ListCell *a, const ListCell *b)
{
	return strcmp(((RowSecurityPolicy *) lfirst(a))->policy_name,
				  ((RowSecurityPolicy *) lfirst(b))->policy_name);
}

/*
 * A copy that stays when the relation cache forgets the original.
 */
static RowSecurityPolicy *
copy_policy(const RowSecurityPolicy *policy)
{
	RowSecurityPolicy *copy = palloc0_object(RowSecurityPolicy);

	copy->policy_name = pstrdup(policy->policy_name);
	copy->polcmd = policy->polcmd;
	copy->permissive = policy->permissive;
	copy->qual = copyObject(policy->qual);
	copy->with_check_qual = copyObject(policy->with_check_qual);
	copy->hassublinks = policy->hassublinks;
	return copy;
}

/*
 * The policies that apply to the current user.
 */
List *
policy_query_applicable(Relation messages, PolicyCommand command)
{
	List	   *result = NIL;
	ListCell   *cell;

	if (messages->rd_rsdesc == NULL)
		return NIL;
	foreach(cell, messages->rd_rsdesc->policies)
	{
		RowSecurityPolicy *policy = lfirst(cell);

		if (policy_is_for(policy, command) && policy_is_for_user(policy))
			result = lappend(result, copy_policy(policy));
	}
	list_sort(result, compare_names);
	return result;
}

/*
 * The expression of a policy: for an INSERT the one WITH CHECK, or without that
 * the other.
 */
Expr *
policy_query_expression(const RowSecurityPolicy *policy, PolicyCommand command)
{
	if (command_inserts(command) && policy->with_check_qual != NULL)
		return policy->with_check_qual;
	return policy->qual;
}

/*
 * A plan for one policy by itself; its expression is not rewritten yet.
 */
PlannedStmt *
policy_query_single(Relation messages, PolicyCommand command,
					const RowSecurityPolicy *policy)
{
	Expr	   *expression = copyObject(policy_query_expression(policy, command));
	Query	   *query = virtual_query(messages, expression, policy->hassublinks);
	int			depth = 0;

	if (!messages_row_is_plain(messages) ||
		has_system_column((Node *) expression, &depth))
		return NULL;
	AcquireRewriteLocks(query, true, false);
	return policy_query_plan(linitial_node(Query, QueryRewrite(query)));
}
