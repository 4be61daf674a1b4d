/*-------------------------------------------------------------------------
 *
 * utf8.c
 *	  UTF-8 validation that can stop and go on at any byte.
 *
 * The state between two bytes is how many continuation bytes are missing and
 * which range the next one must be in.  Only the first continuation byte has a
 * range of its own (it rules out overlong forms, surrogates and values beyond
 * U+10FFFF), so the state says "no" at the earliest byte that decides it.
 *
 * src/proto/utf8.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/utf8.h"

#define HIGH_BITS UINT64CONST(0x8080808080808080)

/* Start between two characters. */
void
utf8_init(Utf8State *state)
{
	state->need = 0;
	state->lower = 0x80;
	state->upper = 0xBF;
}

/*
 * Number of ASCII bytes at the front of data[0..len), rounded down to whole
 * words.
 */
static inline size_t
ascii_words(const char *data, size_t len)
{
	size_t		done = 0;
	uint64		a,
				b;

	while (len - done >= 16)
	{
		memcpy(&a, data + done, 8);
		memcpy(&b, data + done + 8, 8);
		if ((a | b) & HIGH_BITS)
			break;
		done += 16;
	}
	if (len - done >= 8)
	{
		memcpy(&a, data + done, 8);
		if ((a & HIGH_BITS) == 0)
			done += 8;
	}
	return done;
}

/*
 * Take the first byte, not ASCII, of a character.  False if none starts so.
 *
 * The table is RFC 3629, section 4.
 */
static inline bool
lead_byte(Utf8State *state, uint8 c)
{
	state->lower = 0x80;
	state->upper = 0xBF;
	if (c < 0xC2)
		return false;			/* continuation byte, or overlong 2-byte form */
	if (c < 0xE0)
	{
		state->need = 1;
		return true;
	}
	if (c < 0xF0)
	{
		state->need = 2;
		if (c == 0xE0)
			state->lower = 0xA0;	/* below: overlong */
		else if (c == 0xED)
			state->upper = 0x9F;	/* above: surrogates */
		return true;
	}
	if (c < 0xF5)
	{
		state->need = 3;
		if (c == 0xF0)
			state->lower = 0x90;	/* below: overlong */
		else if (c == 0xF4)
			state->upper = 0x8F;	/* above: beyond U+10FFFF */
		return true;
	}
	return false;
}

/*
 * Take a byte that must continue a character.  False if it does not.
 */
static inline bool
continuation_byte(Utf8State *state, uint8 c)
{
	if (c < state->lower || c > state->upper)
		return false;
	state->lower = 0x80;
	state->upper = 0xBF;
	state->need--;
	return true;
}

/*
 * Go on with data[0..len).  False as soon as the bytes so far can be no prefix
 * of valid UTF-8; the state is then of no further use.
 */
bool
utf8_feed(Utf8State *state, const char *data, size_t len)
{
	Utf8State	now = *state;	/* a local one can live in registers */
	size_t		i = 0;

	while (i < len)
	{
		uint8		c = (uint8) data[i];

		if (now.need > 0)
		{
			if (!continuation_byte(&now, c))
				return false;
			i++;
		}
		else if (c < 0x80)
		{
			size_t		words = ascii_words(data + i, len - i);

			i += words > 0 ? words : 1;
		}
		else
		{
			if (!lead_byte(&now, c))
				return false;
			i++;
		}
	}
	*state = now;
	return true;
}

/* True if no character is left open. */
bool
utf8_complete(const Utf8State *state)
{
	return state->need == 0;
}

/* True if data[0..len) is valid UTF-8 from end to end. */
bool
utf8_valid(const char *data, size_t len)
{
	Utf8State	state;

	utf8_init(&state);
	return utf8_feed(&state, data, len) && utf8_complete(&state);
}
