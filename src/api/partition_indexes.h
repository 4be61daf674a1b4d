/*-------------------------------------------------------------------------
 *
 * partition_indexes.h
 *	  Indexes of one partition of realtime.messages, known from one insert to
 *	  the next.
 *
 * src/api/partition_indexes.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_PARTITION_INDEXES_H
#define REALTIME_PARTITION_INDEXES_H

#include "nodes/execnodes.h"

/*
 * Have the indexes of an open partition known, instead of another's, until it
 * changes.
 */
extern void partition_indexes_learn(Relation partition);

/*
 * What ExecOpenIndices() does, for the partition that is known: those indexes
 * that get an entry for a row.  ExecCloseIndices() closes them.
 */
extern void partition_indexes_open(ResultRelInfo *result_rel, bool has_channel);

#endif							/* REALTIME_PARTITION_INDEXES_H */
