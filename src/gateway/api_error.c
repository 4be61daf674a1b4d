/*-------------------------------------------------------------------------
 *
 * api_error.c
 *	  Errors of /api/realtime.
 *
 *	  {"error": code, "message": text, "statusCode": number[, "nextActions": text]}
 *
 * insforge-oaura.md 3 and 6: codes and texts are those of InsForge's server where
 * it has them.
 *
 * src/gateway/api_error.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/api_error.h"
#include "gateway/gw_stats.h"
#include "proto/jslice.h"

#define RETRY_HEADER "Retry-After: 1\r\n"

/*
 * A constant text as a slice.
 */
static Slice
text_slice(const char *text)
{
	return slice_make(text, strlen(text));
}

/*
 * Append the body of an error.
 */
static void
append_error(Bytes *out, const ApiError *error, Slice message)
{
	bytes_printf(out, "{\"error\":\"%s\",\"message\":", error->code);
	jslice_append_string(out, message);
	bytes_printf(out, ",\"statusCode\":%d", error->status);
	if (error->next_actions != NULL)
	{
		bytes_append_cstr(out, ",\"nextActions\":");
		jslice_append_string(out, text_slice(error->next_actions));
	}
	bytes_append_byte(out, '}');
}

/*
 * The code of an error that only has a status.
 */
static const char *
code_of(int status)
{
	switch (status)
	{
		case 404:
			return "NOT_FOUND";
		case 405:
			return "METHOD_NOT_ALLOWED";
		case 429:
			return "TOO_MANY_REQUESTS";
		case 500:
			return "INTERNAL_ERROR";
		case 503:
			return "SERVICE_UNAVAILABLE";
		default:
			return "INVALID_INPUT";
	}
}

/*
 * Write an error that is not ours.
 */
void
api_error_write(Bytes *out, int status, const char *text)
{
	ApiError	error = {0};

	error.status = status;
	error.code = code_of(status);
	append_error(out, &error, text_slice(text));
}

/*
 * Answer with an error.
 */
void
api_error_answer(HttpExchange *exchange, const ApiError *error)
{
	api_error_answer_with(exchange, error, text_slice(error->message));
}

/*
 * Answer with another message.
 */
void
api_error_answer_with(HttpExchange *exchange, const ApiError *error, Slice message)
{
	Bytes		body;

	bytes_init(&body);
	append_error(&body, error, message);
	http_exchange_answer(exchange, error->status, bytes_slice(&body), NULL);
	bytes_free(&body);
}

/*
 * Refuse a request at its head.
 */
void
api_error_refuse(Conn *conn, const HttpRequest *req, const ApiError *error,
				 Slice message, const char *headers)
{
	Bytes		body;

	STAT_INC(BUS_STAT_REFUSED);
	bytes_init(&body);
	append_error(&body, error, message);
	http_answer(conn, req, HTTP_CREDENTIALED_ORIGINS, error->status, bytes_slice(&body), headers);
	bytes_free(&body);
}

/*
 * Tell the client to try again, or that it is of no use.
 */
void
api_error_of_job(HttpExchange *exchange, JobOutcome outcome)
{
	switch (outcome)
	{
		case JOB_BUSY:
		case JOB_UNAVAILABLE:
		case JOB_TIMED_OUT:
			http_exchange_error(exchange, 503, "Busy, please try again", RETRY_HEADER);
			break;
		default:
			http_exchange_error(exchange, 500, "Internal error", NULL);
			break;
	}
}
