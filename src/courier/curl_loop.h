/*-------------------------------------------------------------------------
 *
 * curl_loop.h
 *	  libcurl as a guest of the loop.
 *
 * src/courier/curl_loop.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_CURL_LOOP_H
#define REALTIME_CURL_LOOP_H

#include <curl/curl.h>

#include "proto/proto.h"

/* Called for every transfer that has ended; it is not curl's any more. */
typedef void (*TransferEnded) (CURL *easy, CURLcode code);

/* Set up; false without memory. */
extern bool curl_loop_init(TransferEnded ended) RT_MUSTCHECK;

/* Begin a transfer; false without memory. */
extern bool curl_loop_begin(CURL *easy) RT_MUSTCHECK;

/* Do what is due, and tell what has ended. */
extern void curl_loop_run(int64 now);

/* When it is due next; LOOP_NEVER while only sockets matter. */
extern int64 curl_loop_deadline(void);

/* libcurl cannot go on: the program has to end. */
extern bool curl_loop_is_broken(void);

#endif							/* REALTIME_CURL_LOOP_H */
