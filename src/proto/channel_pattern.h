/*-------------------------------------------------------------------------
 *
 * channel_pattern.h
 *	  Which names of channels does a pattern stand for?
 *
 * A pattern is a name with wildcards in it; what it says:
 *
 *	  %		any run of characters, colons and none at all included
 *	  *		one part of a name: one or more characters, none a colon; where it is
 *			the whole last part of the pattern, one or more characters of any kind
 *
 * All else stands for itself, as does every pattern for the name that is written
 * like it.  These are the wildcards of InsForge's server and of its documentation
 * (insforge-oaura.md section 5).
 *
 * src/proto/channel_pattern.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_CHANNEL_PATTERN_H
#define REALTIME_CHANNEL_PATTERN_H

#include "proto/proto.h"

/* Bytes of a name that a pattern can match. */
#define CHANNEL_NAME_MAX_BYTES 255

/*
 * How closely a pattern says which names it stands for; see
 * channel_pattern_compare().
 */
typedef struct ChannelSpecificity
{
	uint32		prefix;			/* bytes before the first wildcard */
	uint32		wildcards;
	uint32		literals;		/* bytes that stand for themselves */
} ChannelSpecificity;

/* May this be a channel's name: 1..255 bytes without control characters? */
extern bool channel_name_valid(Slice name) RT_MUSTCHECK;

/*
 * Does a pattern stand for a name?  Never for one that is not valid.  Takes at
 * most as many steps as the lengths of both multiplied.
 */
extern bool channel_pattern_matches(Slice pattern, Slice name) RT_MUSTCHECK;

/* Has a pattern any wildcard? */
extern bool channel_pattern_is_wild(Slice pattern) RT_MUSTCHECK;

/* How close a pattern is. */
extern ChannelSpecificity channel_pattern_specificity(Slice pattern);

/*
 * Which of two patterns that stand for one name goes before the other: the one
 * with the longer prefix, the fewer wildcards, the more literal bytes.  Below
 * zero if it is a, above if it is b, zero if neither.
 */
extern int	channel_pattern_compare(const ChannelSpecificity *a,
									const ChannelSpecificity *b);

#endif							/* REALTIME_CHANNEL_PATTERN_H */
