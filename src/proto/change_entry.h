/*-------------------------------------------------------------------------
 *
 * change_entry.h
 *	  What a join asks for of tables: the entries of postgres_changes.
 *
 * supabase.md 6.1 and 6.4.  Whether there are such tables and columns, and
 * whether the client may see them, is for an executor to say; here only what
 * can be said of the entry alone.
 *
 * src/proto/change_entry.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_CHANGE_ENTRY_H
#define REALTIME_CHANGE_ENTRY_H

#include "proto/change_record.h"
#include "proto/jslice.h"

/* Entries of a channel; a set of them is a uint64. */
#define CHANGE_MAX_ENTRIES 64

/* Which changes an entry is about: bits by ChangeOp.  TRUNCATE is never told. */
#define CHANGE_ON(op) (1 << ((op) - 1))
#define CHANGE_ON_ALL 0x07

/* "*" stands for every schema or table. */
typedef struct ChangeEntry
{
	uint8		events;			/* CHANGE_ON() */
	Slice		schema;
	Slice		table;
	Slice		filter;			/* as it came; empty = none */
	const Slice *names;			/* columns of `select`; none = all */
	uint32		nnames;
} ChangeEntry;

/* All entries of a join; the slices point into `text`. */
typedef struct ChangeEntries
{
	uint32		count;
	ChangeEntry entries[CHANGE_MAX_ENTRIES];
	Slice	   *names;
	uint32		nnames;
	uint32		max_names;
	Bytes		text;
} ChangeEntries;

typedef enum EntryParse
{
	ENTRIES_PARSED,				/* *entries is to be freed */
	ENTRIES_BAD,				/* *error is what upstream says of the first bad
								 * one */
	ENTRIES_NO_MEMORY
} EntryParse;

/*
 * Read a JSON array of entries that passed jslice_validate(); null ones are
 * left out.  The error is appended to *error.
 */
extern EntryParse change_entries_parse(Slice array, ChangeEntries *entries,
									   Bytes *error) RT_MUSTCHECK;

/*
 * Read the name of a topic as joins without a configuration mean it:
 * schema[:table[:filter]].
 */
extern EntryParse change_entries_of_name(Slice name, ChangeEntries *entries,
										 Bytes *error) RT_MUSTCHECK;

/* Free what was made. */
extern void change_entries_free(ChangeEntries *entries);

/* The name of the event of an entry, as messages show it. */
extern const char *change_event_name(uint8 events);

#endif							/* REALTIME_CHANGE_ENTRY_H */
