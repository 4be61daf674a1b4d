/*-------------------------------------------------------------------------
 *
 * api_error.h
 *	  Errors of /api/realtime.
 *
 * src/gateway/api_error.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_API_ERROR_H
#define REALTIME_API_ERROR_H

#include "gateway/http_exchange.h"
#include "proto/job.h"

typedef struct ApiError
{
	int			status;
	const char *code;
	const char *message;
	const char *next_actions;	/* what to do about it; NULL = nothing is said */
} ApiError;

/* How the routes of /api/realtime write an error that is not theirs. */
extern void api_error_write(Bytes *out, int status, const char *text);

/* Answer with an error. */
extern void api_error_answer(HttpExchange *exchange, const ApiError *error);

/* The same with a message of any UTF-8 instead of the error's own. */
extern void api_error_answer_with(HttpExchange *exchange, const ApiError *error, Slice message);

/* The same at the head of a request; headers may be NULL. */
extern void api_error_refuse(Conn *conn, const HttpRequest *req, const ApiError *error,
							 Slice message, const char *headers);

/* A job has ended with another outcome than JOB_DONE, or could not be asked for. */
extern void api_error_of_job(HttpExchange *exchange, JobOutcome outcome);

#endif							/* REALTIME_API_ERROR_H */
