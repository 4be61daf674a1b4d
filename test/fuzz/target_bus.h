/*-------------------------------------------------------------------------
 *
 * target_bus.h
 *	  Between the files of target bus.
 *
 * test/fuzz/target_bus.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_TARGET_BUS_H
#define REALTIME_TARGET_BUS_H

#include "fuzz.h"

#include "proto/wal_record.h"

/* Jobs and their answers; kind is 0..7. */
extern void fuzz_bus_jobs(uint8 kind, Slice input);

/* Text of the input, UTF-8 without NUL, or another one of `least` bytes. */
extern Slice input_text(Slice *input, size_t least, size_t most);

/* JSON of the input, or another one. */
extern Slice input_json(Slice *input, bool object);

/* A message of that kind. */
extern WalMessage input_message(Slice *input, WalMessageKind kind);

/* An exact copy of a body, in which some bytes may be others, or cut off. */
extern Slice with_flips(const Bytes *body, Slice *input);

/* A head and what follows it are that body. */
extern void same_bytes(const void *head, size_t head_len, Slice rest, Slice body);

#endif							/* REALTIME_TARGET_BUS_H */
