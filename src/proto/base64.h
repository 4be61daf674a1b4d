/*-------------------------------------------------------------------------
 *
 * base64.h
 *	  Base64 with padding (RFC 4648 4), as others send it.
 *
 * Its alphabet for tokens is in base64url.h.
 *
 * src/proto/base64.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_BASE64_H
#define REALTIME_BASE64_H

#include "proto/bytes.h"

/*
 * Append the bytes that text stands for; an empty one stands for none.  False if
 * it is not base64, or there is no memory (out->failed); *out is as before then.
 * White space is refused, and so is '=' but for one or two at the end; spare
 * bits of the last digit may be anything.
 */
extern bool base64_decode(Slice text, Bytes *out) RT_MUSTCHECK;

#endif							/* REALTIME_BASE64_H */
