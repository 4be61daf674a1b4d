/*-------------------------------------------------------------------------
 *
 * extension_object.h
 *	  Tables and functions of the extension, found by name.
 *
 * src/exec/extension_object.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_EXTENSION_OBJECT_H
#define REALTIME_EXTENSION_OBJECT_H

/*
 * OID of a table, or of a function with one argument or, if that is InvalidOid,
 * none, in schema realtime;
 * InvalidOid if the extension has no such thing.
 */
extern Oid	extension_table(const char *name);
extern Oid	extension_function(const char *name, Oid argument);

/* Is a function one of the extension's? */
extern bool extension_has_function(Oid function);

#endif							/* REALTIME_EXTENSION_OBJECT_H */
