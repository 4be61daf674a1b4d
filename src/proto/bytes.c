/*-------------------------------------------------------------------------
 *
 * bytes.c
 *	  A growing byte buffer whose growth can fail.
 *
 * Plain malloc on either side of the fence: in the programs because palloc
 * would end the process, in the server because such a buffer may outlive every
 * memory context at hand.  Whoever fills a Bytes frees it.
 *
 * The first allocation is exact, because most buffers are filled by a writer
 * that reserved what it needs; from then on the capacity doubles.
 *
 * src/proto/bytes.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/bytes.h"

#define BYTES_FIRST_CAP 64		/* smallest allocation */

/* Start empty; allocates nothing. */
void
bytes_init(Bytes *b)
{
	b->data = NULL;
	b->len = 0;
	b->cap = 0;
	b->failed = false;
}

/* Give the memory back and start over, a failure forgotten. */
void
bytes_free(Bytes *b)
{
	free(b->data);
	bytes_init(b);
}

/*
 * Make room for `extra` more bytes, so that appending them can not fail.
 * False, and failed set, if there is no memory or an append failed before.
 */
bool
bytes_reserve(Bytes *b, size_t extra)
{
	size_t		cap;
	char	   *data;

	if (b->failed)
		return false;
	if (extra <= b->cap - b->len)
		return true;

	if (extra > SIZE_MAX / 2 - b->len)
	{
		b->failed = true;
		return false;
	}
	cap = Max(b->len + extra, BYTES_FIRST_CAP);
	cap = Max(cap, b->cap * 2);
	data = realloc(b->data, cap);
	if (data == NULL)
	{
		b->failed = true;
		return false;
	}
	b->data = data;
	b->cap = cap;
	return true;
}

/* Append bytes, which must not lie in b itself. */
bool
bytes_append(Bytes *b, const void *data, size_t len)
{
	if (!bytes_reserve(b, len))
		return false;
	if (len > 0)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	return true;
}

/* Append one byte. */
bool
bytes_append_byte(Bytes *b, uint8 byte)
{
	if (!bytes_reserve(b, 1))
		return false;
	b->data[b->len++] = (char) byte;
	return true;
}

/* Append a string without its NUL. */
bool
bytes_append_cstr(Bytes *b, const char *s)
{
	return bytes_append(b, s, strlen(s));
}

/* Append a slice. */
bool
bytes_append_slice(Bytes *b, Slice s)
{
	return bytes_append(b, s.data, s.len);
}

/* Append a number in decimal digits. */
bool
bytes_append_u64(Bytes *b, uint64 value)
{
	char		digits[20];		/* 2^64-1 has 20 */
	int			at = sizeof(digits);

	do
	{
		digits[--at] = (char) ('0' + value % 10);
		value /= 10;
	} while (value > 0);
	return bytes_append(b, digits + at, sizeof(digits) - at);
}

/*
 * Append what printf would print.  A failure of the format itself counts as
 * one of memory.
 */
bool
bytes_printf(Bytes *b, const char *fmt,...)
{
	va_list		args;
	int			need;

	if (!bytes_reserve(b, 1))
		return false;

	va_start(args, fmt);
	need = vsnprintf(b->data + b->len, b->cap - b->len, fmt, args);
	va_end(args);
	if (need >= 0 && (size_t) need >= b->cap - b->len)
	{
		/* Too long for the room at hand: now its length is known. */
		if (!bytes_reserve(b, (size_t) need + 1))
			return false;
		va_start(args, fmt);
		need = vsnprintf(b->data + b->len, b->cap - b->len, fmt, args);
		va_end(args);
	}
	if (need < 0)
	{
		b->failed = true;
		return false;
	}
	b->len += need;
	return true;
}

/* Drop the first n bytes and move the rest to the front. */
void
bytes_consume(Bytes *b, size_t n)
{
	Assert(n <= b->len);
	if (n == 0)
		return;
	b->len -= n;
	if (b->len > 0)
		memmove(b->data, b->data + n, b->len);
}
