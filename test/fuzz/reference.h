/*-------------------------------------------------------------------------
 *
 * reference.h
 *	  Second opinions: the same rules again, written to be read and not to be
 *	  fast, in another way than in src/proto.
 *
 * test/fuzz/reference.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_REFERENCE_H
#define REALTIME_REFERENCE_H

#include "proto/proto.h"

typedef enum RefUtf8
{
	REF_UTF8_WHOLE,				/* valid */
	REF_UTF8_PREFIX,			/* valid so far, the last character is not
								 * whole */
	REF_UTF8_BAD
} RefUtf8;

/* RFC 3629, by decoding every character to its number. */
extern RefUtf8 ref_utf8(Slice chars);

/*
 * Is it one JSON value (RFC 8259), as jslice.h has it?  By recursive descent.
 */
extern bool ref_json(Slice chars);

/* Is it one, and an object? */
extern bool ref_json_object(Slice chars);

/* Does a channel pattern stand for a name?  By trying everything. */
extern bool ref_pattern(Slice pattern, Slice name);

/* LIKE, by trying everything; the pattern does not end with a lone backslash. */
extern bool ref_like(Slice chars, Slice pattern, bool folds);

/*
 * The frame of a server that a buffer begins with: its payload, and what is
 * behind it in *rest.  False if it is not one whole, final, unmasked frame.
 */
extern bool ref_server_frame(Slice *rest, uint8 *opcode, Slice *payload);

/* The only one in it. */
extern bool ref_only_frame(Slice frame, uint8 opcode, Slice *payload);

#endif							/* REALTIME_REFERENCE_H */
