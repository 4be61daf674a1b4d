/*-------------------------------------------------------------------------
 *
 * cppcheck.h
 *	  PostgreSQL's macros that look like statements, for cppcheck.
 *
 * It does not read the server's headers, of which it would report more than of
 * ours.  Included before each file by `make static`.
 *
 * test/cppcheck.h
 *
 *-------------------------------------------------------------------------
 */
#define dlist_foreach(iter, head) for ((iter).cur = dlist_first(head); (iter).cur != 0; (iter).cur = dlist_after((iter).cur))
#define dlist_foreach_modify(iter, head) dlist_foreach(iter, head)
#define slist_foreach(iter, head) dlist_foreach(iter, head)
#define slist_foreach_modify(iter, head) dlist_foreach(iter, head)
#define dlist_container(type, member, node) ((type *) ((char *) (node) - offsetof(type, member)))
#define foreach(cell, list) for ((cell) = list_head(list); (cell) != 0; (cell) = lnext(list, cell))
#define forboth(a, as, b, bs) for ((a) = list_head(as), (b) = list_head(bs); (a) != 0 && (b) != 0; (a) = lnext(as, a), (b) = lnext(bs, b))
#define PG_TRY() if (1)
#define PG_CATCH() else
#define PG_FINALLY() if (1)
#define PG_END_TRY() (void) 0
#define PG_FUNCTION_INFO_V1(name) extern Datum name(void *fcinfo)
#define PG_MODULE_MAGIC extern int magic
#define StaticAssertDecl(condition, message) extern int asserted
#define StaticAssertStmt(condition, message) (void) 0
#define FLEXIBLE_ARRAY_MEMBER
#define Assert(condition) (void) 0
#define pg_attribute_printf(a, b)
#define pg_attribute_unused()
#define pg_unreachable() abort()
#define LOG 15
#define WARNING 19
#define ERROR 21
#define FATAL 22
#define ereport(level, ...) do { ereport_is_called(level, __VA_ARGS__); if ((level) >= ERROR) abort(); } while (0)
#define palloc_array(type, n) ((type *) palloc(sizeof(type) * (n)))
#define palloc0_array(type, n) ((type *) palloc0(sizeof(type) * (n)))
#define palloc_object(type) ((type *) palloc(sizeof(type)))
#define palloc0_object(type) ((type *) palloc0(sizeof(type)))
#define XL_ROUTINE(...) &(XLogReaderRoutine){__VA_ARGS__}
#define LSN_FORMAT_ARGS(lsn) ((uint32) ((lsn) >> 32)), ((uint32) (lsn))
#define lengthof(array) (sizeof(array) / sizeof((array)[0]))
#define unconstify(type, expr) ((type) (expr))
#define UINT64CONST(x) (x##UL)
#define INT64CONST(x) (x##L)
