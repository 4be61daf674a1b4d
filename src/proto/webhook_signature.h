/*-------------------------------------------------------------------------
 *
 * webhook_signature.h
 *	  Signatures of webhook deliveries (Standard Webhooks, symmetric).
 *
 * src/proto/webhook_signature.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_WEBHOOK_SIGNATURE_H
#define REALTIME_WEBHOOK_SIGNATURE_H

#include "proto/bytes.h"

/*
 * Append the value of the header webhook-signature: "v1," and the base64 of the
 * HMAC-SHA256 over "id.timestamp.body".  A secret "whsec_..." is the base64 of
 * its key; any other is the key itself.  False if it is the former and is not
 * base64, or without memory (out->failed).
 */
extern bool webhook_sign(Slice secret, Slice id, int64 timestamp, Slice body,
						 Bytes *out) RT_MUSTCHECK;

#endif							/* REALTIME_WEBHOOK_SIGNATURE_H */
