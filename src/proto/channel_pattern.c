/*-------------------------------------------------------------------------
 *
 * channel_pattern.c
 *	  Which names of channels does a pattern stand for?
 *
 * Nearly all patterns have one wildcard, and what stands before and behind it is
 * compared as bytes.  What is left between two or more wildcards is matched by
 * walking the name once with the set of all places in the pattern that can have
 * been reached, so no pattern, however it is made, has one place tried twice.
 *
 * Bytes are compared, not characters: the wildcards and the colon are ASCII, and
 * no encoding of a server has ASCII bytes within other characters.
 *
 * src/proto/channel_pattern.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/channel_pattern.h"

#define ANY_RUN '%'
#define ONE_PART '*'
#define PART_END ':'

/* What one place of a pattern takes of a name. */
typedef enum StepKind
{
	STEP_BYTE,					/* this byte */
	STEP_PART,					/* a byte that is no colon, and more of them */
	STEP_REST					/* any byte, and more of them */
} StepKind;

typedef struct Step
{
	uint8		kind;			/* StepKind */
	char		byte;
	bool		after_any;		/* any run of bytes may come before it */
} Step;

/* A pattern taken apart: each step takes one byte at least. */
typedef struct Steps
{
	int			count;
	bool		any_at_end;		/* any run of bytes may come behind the last */
	Step		step[CHANNEL_NAME_MAX_BYTES];
} Steps;

/* Places between steps, 0 to CHANNEL_NAME_MAX_BYTES, as a set. */
#define PLACE_WORDS ((CHANNEL_NAME_MAX_BYTES + 1) / 64)

StaticAssertDecl(PLACE_WORDS * 64 == CHANNEL_NAME_MAX_BYTES + 1,
				 "a place is left out");

typedef struct Places
{
	uint64		words[PLACE_WORDS];
} Places;

/*
 * May this be a channel's name?
 */
bool
channel_name_valid(Slice name)
{
	if (name.len == 0 || name.len > CHANNEL_NAME_MAX_BYTES)
		return false;
	for (size_t i = 0; i < name.len; i++)
	{
		uint8		c = (uint8) name.data[i];

		if (c < 0x20 || c == 0x7F)
			return false;
	}
	return true;
}

/*
 * Is this a wildcard?
 */
static inline bool
is_wildcard(char c)
{
	return c == ANY_RUN || c == ONE_PART;
}

/*
 * Bytes before the first wildcard.
 */
static size_t
prefix_length(Slice pattern)
{
	size_t		n = 0;

	while (n < pattern.len && !is_wildcard(pattern.data[n]))
		n++;
	return n;
}

/*
 * Has a pattern any wildcard?
 */
bool
channel_pattern_is_wild(Slice pattern)
{
	return prefix_length(pattern) < pattern.len;
}

/*
 * How close a pattern is.
 */
ChannelSpecificity
channel_pattern_specificity(Slice pattern)
{
	ChannelSpecificity result = {0};

	result.prefix = (uint32) prefix_length(pattern);
	for (size_t i = 0; i < pattern.len; i++)
	{
		if (is_wildcard(pattern.data[i]))
			result.wildcards++;
	}
	result.literals = (uint32) pattern.len - result.wildcards;
	return result;
}

/*
 * Compare two of them.
 */
int
channel_pattern_compare(const ChannelSpecificity *a, const ChannelSpecificity *b)
{
	if (a->prefix != b->prefix)
		return a->prefix > b->prefix ? -1 : 1;
	if (a->wildcards != b->wildcards)
		return a->wildcards < b->wildcards ? -1 : 1;
	if (a->literals != b->literals)
		return a->literals > b->literals ? -1 : 1;
	return 0;
}

/*
 * Is the wildcard at position i of a pattern its whole last part?
 */
static bool
is_last_part(Slice pattern, size_t i)
{
	return i + 1 == pattern.len && (i == 0 || pattern.data[i - 1] == PART_END);
}

/*
 * Take a pattern apart.  False if it has more steps than max, hence matches no
 * name of that many bytes.
 */
static bool
take_apart(Slice pattern, size_t max, Steps *steps)
{
	bool		after_any = false;

	steps->count = 0;
	for (size_t i = 0; i < pattern.len; i++)
	{
		Step	   *step;

		if (pattern.data[i] == ANY_RUN)
		{
			after_any = true;
			continue;
		}
		if (steps->count == (int) max)
			return false;
		step = &steps->step[steps->count++];
		step->kind = pattern.data[i] != ONE_PART ? STEP_BYTE :
			is_last_part(pattern, i) ? STEP_REST : STEP_PART;
		step->byte = pattern.data[i];
		step->after_any = after_any;
		after_any = false;
	}
	steps->any_at_end = after_any;
	return true;
}

/*
 * Does a step take this byte?
 */
static inline bool
step_takes(const Step *step, char c)
{
	switch (step->kind)
	{
		case STEP_BYTE:
			return step->byte == c;
		case STEP_PART:
			return c != PART_END;
		default:
			return true;
	}
}

/*
 * Can a place be kept while this byte goes by?
 */
static inline bool
place_keeps(const Steps *steps, int place, char c)
{
	if (place == steps->count ? steps->any_at_end : steps->step[place].after_any)
		return true;
	return place > 0 && steps->step[place - 1].kind != STEP_BYTE &&
		step_takes(&steps->step[place - 1], c);
}

static inline void
add_place(Places *places, int place)
{
	places->words[place / 64] |= UINT64CONST(1) << (place % 64);
}

/*
 * The places reached from some others by one more byte.
 */
static Places
advance(const Steps *steps, const Places *from, char c)
{
	Places		to = {{0}};

	for (int word = 0; word < PLACE_WORDS; word++)
	{
		for (uint64 left = from->words[word]; left != 0; left &= left - 1)
		{
			int			place = word * 64 + __builtin_ctzll(left);

			if (place_keeps(steps, place, c))
				add_place(&to, place);
			if (place < steps->count && step_takes(&steps->step[place], c))
				add_place(&to, place + 1);
		}
	}
	return to;
}

/*
 * Does a pattern that has been taken apart stand for a name?
 */
static bool
walk(const Steps *steps, Slice name)
{
	Places		places = {{1}};

	for (size_t i = 0; i < name.len; i++)
		places = advance(steps, &places, name.data[i]);
	return (places.words[steps->count / 64] >> (steps->count % 64) & 1) != 0;
}

/*
 * Does the one wildcard of a pattern, at position i, stand for this run?
 */
static bool
wildcard_matches(Slice pattern, size_t i, Slice run)
{
	if (pattern.data[i] == ANY_RUN)
		return true;
	return run.len > 0 &&
		(is_last_part(pattern, i) || memchr(run.data, PART_END, run.len) == NULL);
}

/*
 * Does a pattern stand for a name?
 */
bool
channel_pattern_matches(Slice pattern, Slice name)
{
	size_t		prefix = prefix_length(pattern);
	size_t		suffix = 0;
	Steps		steps;

	if (!channel_name_valid(name) ||
		!slice_has_prefix(name, slice_make(pattern.data, prefix)))
		return false;
	if (prefix == pattern.len)
		return name.len == prefix;
	if (slice_equals(pattern, name))
		return true;

	while (!is_wildcard(pattern.data[pattern.len - suffix - 1]))
		suffix++;
	if (name.len < prefix + suffix ||
		memcmp(pattern.data + pattern.len - suffix, name.data + name.len - suffix, suffix) != 0)
		return false;
	if (prefix + 1 + suffix == pattern.len)
		return wildcard_matches(pattern, prefix,
								slice_make(name.data + prefix, name.len - prefix - suffix));

	return take_apart(pattern, name.len, &steps) && walk(&steps, name);
}
