/*-------------------------------------------------------------------------
 *
 * http_chunked.c
 *	  Bodies of Transfer-Encoding: chunked, piece by piece.
 *
 * The framing is read byte by byte, which the data outweighs; data is copied
 * as a whole.  All state is in HttpChunked, so input may be cut anywhere.
 *
 * src/proto/http_chunked.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/http_chunked.h"

#include "proto/hex_digit.h"

#define MAX_DIGITS 16			/* of a size, leading zeros included */

/*
 * Start a body.
 */
void
http_chunked_init(HttpChunked *state, uint64 max_body)
{
	memset(state, 0, sizeof(*state));
	state->place = CHUNKED_SIZE;
	state->max_body = max_body;
}

/* May this byte stand in an extension or a field (RFC 9110 5.5)? */
static bool
is_field_byte(char c)
{
	return c == '\t' || ((uint8) c >= 0x20 && (uint8) c != 0x7F);
}

/*
 * Take a byte of a line with a size, behind its first digit.
 */
static ChunkedVerdict
take_digit(HttpChunked *state, char c)
{
	int			digit = hex_digit(c);

	if (digit >= 0)
	{
		if (++state->digits > MAX_DIGITS)
			return CHUNKED_MALFORMED;
		state->left = state->left << 4 | (uint64) digit;
		state->place = CHUNKED_DIGITS;
		return CHUNKED_MORE;
	}
	/* RFC 9112 7.1.1 has white space before the ';', too, but only to be kind */
	if (state->digits == 0 || (c != ';' && c != '\r'))
		return CHUNKED_MALFORMED;
	state->place = c == ';' ? CHUNKED_EXTENSION : CHUNKED_SIZE_LF;
	return CHUNKED_MORE;
}

/*
 * A line with a size has ended: is there room for that much?
 */
static ChunkedVerdict
begin_chunk(HttpChunked *state)
{
	if (state->left > state->max_body - state->body)
		return CHUNKED_TOO_LARGE;
	state->body += state->left;
	state->digits = 0;
	/* the last one has size 0 */
	state->place = state->left > 0 ? CHUNKED_DATA : CHUNKED_TRAILER;
	return CHUNKED_MORE;
}

/*
 * Take a byte of a line whose content is left out, and count it.
 */
static ChunkedVerdict
skip_byte(HttpChunked *state, char c, uint32 *count, uint32 max, ChunkedPlace after_cr)
{
	if (c == '\r')
		state->place = after_cr;
	else if (!is_field_byte(c) || ++*count > max)
		return CHUNKED_MALFORMED;
	return CHUNKED_MORE;
}

/*
 * Take a byte that must be this one, and go on there.
 */
static ChunkedVerdict
expect(HttpChunked *state, char c, char wanted, ChunkedPlace next)
{
	if (c != wanted)
		return CHUNKED_MALFORMED;
	state->place = next;
	return CHUNKED_MORE;
}

/*
 * Take a byte of the framing.
 */
static ChunkedVerdict
take_byte(HttpChunked *state, char c)
{
	switch (state->place)
	{
		case CHUNKED_SIZE:
		case CHUNKED_DIGITS:
			return take_digit(state, c);
		case CHUNKED_EXTENSION:
			return skip_byte(state, c, &state->extensions, CHUNKED_MAX_EXTENSIONS,
							 CHUNKED_SIZE_LF);
		case CHUNKED_SIZE_LF:
			return c == '\n' ? begin_chunk(state) : CHUNKED_MALFORMED;
		case CHUNKED_DATA_CR:
			return expect(state, c, '\r', CHUNKED_DATA_LF);
		case CHUNKED_DATA_LF:
			return expect(state, c, '\n', CHUNKED_SIZE);
		case CHUNKED_TRAILER:
			if (c == '\r')
				return expect(state, c, '\r', CHUNKED_LAST_LF);
			/* a line that goes on with the next one (obs-fold) */
			if (c == ' ' || c == '\t')
				return CHUNKED_MALFORMED;
			state->place = CHUNKED_FIELD;
			return skip_byte(state, c, &state->trailer, CHUNKED_MAX_TRAILER, CHUNKED_FIELD_LF);
		case CHUNKED_FIELD:
			return skip_byte(state, c, &state->trailer, CHUNKED_MAX_TRAILER, CHUNKED_FIELD_LF);
		case CHUNKED_FIELD_LF:
			return expect(state, c, '\n', CHUNKED_TRAILER);
		case CHUNKED_LAST_LF:
			if (c != '\n')
				return CHUNKED_MALFORMED;
			state->place = CHUNKED_END;
			return CHUNKED_DONE;
		case CHUNKED_DATA:
		case CHUNKED_END:
			break;
	}
	Assert(false);				/* no byte of the framing is due */
	return CHUNKED_MALFORMED;
}

/*
 * Take what there is; see http_chunked.h.
 */
ChunkedVerdict
http_chunked_decode(HttpChunked *state, const char *buf, size_t len, Bytes *out,
					size_t *consumed)
{
	ChunkedVerdict verdict = CHUNKED_MORE;
	size_t		at = 0;

	while (verdict == CHUNKED_MORE && at < len)
	{
		if (state->place == CHUNKED_DATA)
		{
			size_t		n = Min(len - at, state->left);

			if (!bytes_append(out, buf + at, n))
			{
				verdict = CHUNKED_NO_MEMORY;
				break;
			}
			at += n;
			state->left -= n;
			if (state->left == 0)
				state->place = CHUNKED_DATA_CR;
		}
		else
			verdict = take_byte(state, buf[at++]);
	}
	*consumed = at;
	return verdict;
}
