/*-------------------------------------------------------------------------
 *
 * api_routes.c
 *	  /api/realtime: channels and messages for administrators.
 *
 * insforge-oaura.md 3.  Which endpoints there are is in a table, with the SQL
 * function that carries each out; sql/56_rest.sql says what it is told.  What is
 * wrong with a request is SQL's affair, too: all that is looked at here is the
 * path, who sends it and whether the body is JSON.
 *
 * A function that has a lot to do does so in steps, each of which is a job and a
 * transaction of its own: status 100 with a body asks to be called again with
 * that body.  It is carried out to the end even if its client is gone.
 *
 * src/gateway/api_routes.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/api_publish.h"
#include "gateway/api_routes.h"
#include "program/bus_jobs.h"
#include "proto/jslice.h"

#define ANY_BODY_MAX (CALL_MAX_BODY - 64 * 1024)
#define BODY_MAX (1024 * 1024)	/* of one that publishes nothing */
#define PARAMS_MAX 6

typedef struct ApiEndpoint
{
	const char *method;
	const char *path;			/* behind the prefix; a segment ":id" is any */
	CallFunction function;
	bool		has_body;
	bool		publishes;		/* also for clients */
	const char *params[PARAMS_MAX + 1]; /* of the query, up to a NULL */
} ApiEndpoint;

static const ApiEndpoint endpoints[] = {
	{"GET", "channels", CALL_CHANNELS_LIST},
	{"POST", "channels", CALL_CHANNEL_CREATE,.has_body = true},
	{"GET", "channels/:id", CALL_CHANNEL_GET},
	{"PUT", "channels/:id", CALL_CHANNEL_UPDATE,.has_body = true},
	{"DELETE", "channels/:id", CALL_CHANNEL_DELETE},
	{"POST", "channels/:id/webhooks/test", CALL_WEBHOOKS_TEST},
	{"GET", "messages", CALL_MESSAGES_LIST,
	.params = {"channelId", "eventName", "limit", "offset", "before", "after"}},
	{"POST", "messages", CALL_PUBLISH,.has_body = true,.publishes = true},
	{"DELETE", "messages", CALL_MESSAGES_DELETE},
	{"GET", "messages/stats", CALL_MESSAGES_STATS,.params = {"channelId", "since"}},
	{"GET", "permissions", CALL_PERMISSIONS},
	{"GET", "config", CALL_CONFIG_GET},
	{"PATCH", "config", CALL_CONFIG_UPDATE,.has_body = true},
	{"POST", "publish", CALL_PUBLISH,.has_body = true,.publishes = true},
	{"POST", "broadcast", CALL_PUBLISH,.has_body = true,.publishes = true},
};

static bool admit(Conn *conn, const HttpRequest *req);
static void handle(HttpExchange *exchange, const HttpRequest *req, Slice body);

const HttpBodyRoute api_route = {
	.admit = admit,
	.handler = handle,
	.body_max = ANY_BODY_MAX,
	.write_error = api_error_write,
	.readers = HTTP_CREDENTIALED_ORIGINS
};

static const ApiError not_found = {404, "NOT_FOUND", NULL, NULL};
static const ApiError bad_method = {405, "METHOD_NOT_ALLOWED", "Method not allowed", NULL};
static const ApiError bad_encoding =
{400, "INVALID_INPUT", "The URL is not percent-encoded UTF-8", NULL};
static const ApiError bad_json = {400, "INVALID_INPUT", "The body is not valid JSON",
"Check the syntax of the JSON in the request body, then send it again"};
static const ApiError too_large = {413, "INVALID_INPUT", "Request body too large", NULL};

/*
 * A call that is under way.
 */
typedef struct ApiCall
{
	HttpExchange *exchange;
	CallFunction function;
	Bytes		request;		/* an object without its closing brace */
} ApiCall;

static bool ask(ApiCall *call, Slice continued);

/*
 * Take the first segment off a path.
 */
static Slice
take_segment(Slice *path)
{
	const char *slash = path->len > 0 ? memchr(path->data, '/', path->len) : NULL;
	size_t		len = slash != NULL ? slash - path->data : path->len;
	Slice		segment = slice_make(path->data, len);

	if (slash != NULL)
		len++;
	*path = slice_make(path->data + len, path->len - len);
	return segment;
}

/*
 * Is this the path of an endpoint?  What stands for ":id" goes to *id.
 */
static bool
path_matches(Slice path, const char *pattern, Slice *id)
{
	Slice		wanted = slice_make(pattern, strlen(pattern));

	while (path.len > 0 && wanted.len > 0)
	{
		Slice		segment = take_segment(&path);
		Slice		its = take_segment(&wanted);

		if (slice_equals_cstr(its, ":id"))
		{
			if (segment.len == 0)
				return false;
			*id = segment;
		}
		else if (!slice_equals(segment, its))
			return false;
	}
	return path.len == 0 && wanted.len == 0;
}

/*
 * Does an endpoint take this method?  Whatever can be got has a head, too.
 */
static bool
method_matches(Slice method, const char *wanted)
{
	return slice_equals_cstr(method, wanted) ||
		(slice_equals_cstr(method, "HEAD") && strcmp(wanted, "GET") == 0);
}

/*
 * Find the endpoint of a request; NULL if there is none.  The methods that its
 * path takes go to allow[], if any.
 */
static const ApiEndpoint *
find_endpoint(const HttpRequest *req, Slice *id, char *allow, size_t size)
{
	size_t		prefix = strlen(API_PREFIX);
	Slice		path = slice_make(req->path.data + prefix, req->path.len - prefix);
	size_t		len = 0;

	*allow = '\0';
	for (size_t i = 0; i < lengthof(endpoints); i++)
	{
		const char *method = endpoints[i].method;

		if (!path_matches(path, endpoints[i].path, id))
			continue;
		if (method_matches(req->method, method))
			return &endpoints[i];
		len += snprintf(allow + len, size - len, "%s%s%s", len > 0 ? ", " : "Allow: ", method,
						strcmp(method, "GET") == 0 ? ", HEAD" : "");
	}
	return NULL;
}

/*
 * There is no such path.  Its query may hold secrets and is not repeated.
 */
static void
refuse_unknown(Conn *conn, const HttpRequest *req)
{
	Bytes		message;

	bytes_init(&message);
	bytes_append_cstr(&message, "Endpoint ");
	bytes_append_slice(&message, req->path);
	if (bytes_append_cstr(&message, " not found"))
		api_error_refuse(conn, req, &not_found, bytes_slice(&message), NULL);
	else
		conn_abort(conn);
	bytes_free(&message);
}

/*
 * Refuse a request at its head.
 */
static void
refuse(Conn *conn, const HttpRequest *req, const ApiError *error, const char *headers)
{
	api_error_refuse(conn, req, error, slice_make(error->message, strlen(error->message)), headers);
}

/*
 * A head has come.  Bodies of strangers are not read.
 */
static bool
admit(Conn *conn, const HttpRequest *req)
{
	char		allow[96];
	Slice		id;
	const ApiEndpoint *endpoint;
	const ApiError *error;
	ApiCaller	caller;

	endpoint = find_endpoint(req, &id, allow, sizeof(allow) - 10);
	if (endpoint == NULL)
	{
		if (*allow == '\0')
			refuse_unknown(conn, req);
		else
			refuse(conn, req, &bad_method, strcat(allow, ", OPTIONS\r\n"));
		return false;
	}
	error = api_caller_find(req, endpoint->publishes, &caller);
	if (error != NULL)
		refuse(conn, req, error, NULL);
	identity_unref(caller.identity);
	return error == NULL;
}

/*
 * Append the parameters of the query that the endpoint has; false if one is
 * badly encoded.
 */
static bool
append_params(Bytes *out, const ApiEndpoint *endpoint, Slice query)
{
	bool		first = true;
	int			found = 0;
	Bytes		value;

	bytes_init(&value);
	for (int i = 0; endpoint->params[i] != NULL && found >= 0; i++)
	{
		value.len = 0;
		found = http_query_get(query, endpoint->params[i], &value);
		if (found <= 0)
			continue;
		bytes_printf(out, "%s\"%s\":", first ? "" : ",", endpoint->params[i]);
		jslice_append_string(out, bytes_slice(&value));
		first = false;
	}
	bytes_free(&value);
	return found >= 0;
}

/*
 * Append the id of the path; false if it is badly encoded.
 */
static bool
append_id(Bytes *out, Slice encoded)
{
	Bytes		id;
	bool		decoded;

	bytes_init(&id);
	decoded = http_percent_decode(encoded, &id);
	if (decoded)
		jslice_append_string(out, bytes_slice(&id));
	bytes_free(&id);
	return decoded;
}

/*
 * Write down what SQL is told, but for the closing brace; false if the URL is
 * badly encoded.
 */
static bool
write_request(Bytes *out, const ApiEndpoint *endpoint, const ApiCaller *caller, Slice id,
			  Slice query, Slice body)
{
	bool		is_good = true;

	bytes_append_byte(out, '{');
	api_caller_append(out, caller);
	if (id.len > 0)
	{
		bytes_append_cstr(out, ",\"id\":");
		is_good = append_id(out, id);
	}
	if (endpoint->params[0] != NULL)
	{
		bytes_append_cstr(out, ",\"query\":{");
		is_good = append_params(out, endpoint, query);
		bytes_append_byte(out, '}');
	}
	if (endpoint->has_body)
	{
		bytes_append_cstr(out, ",\"body\":");
		bytes_append_slice(out, body);
	}
	return is_good;
}

/*
 * Forget a call, whose request has been answered.
 */
static void
free_call(ApiCall *call)
{
	bytes_free(&call->request);
	free(call);
}

/*
 * SQL has answered, or could not.
 */
static void
answered(JobOutcome outcome, Slice result, void *arg)
{
	ApiCall    *call = arg;
	CallReply	reply;

	if (outcome != JOB_DONE || !job_decode_call_reply(result, &reply))
	{
		api_error_of_job(call->exchange, outcome == JOB_DONE ? JOB_FAILED : outcome);
		free_call(call);
	}
	else if (reply.status >= 200)
	{
		http_exchange_answer(call->exchange, reply.status, reply.body, NULL);
		free_call(call);
	}
	else if (!ask(call, reply.body))
	{
		api_error_of_job(call->exchange, JOB_BUSY);
		free_call(call);
	}
}

/*
 * Call the function, for the first time or again with what it has returned;
 * false if that cannot be done.
 */
static bool
ask(ApiCall *call, Slice continued)
{
	CallJob		call_job = {0};
	size_t		len = call->request.len;
	Bytes		job;
	bool		asked;

	if (continued.len > 0)
	{
		bytes_append_cstr(&call->request, ",\"continued\":");
		bytes_append_slice(&call->request, continued);
	}
	bytes_append_byte(&call->request, '}');
	call_job.function = (uint8) call->function;
	call_job.request = bytes_slice(&call->request);
	bytes_init(&job);
	asked = !call->request.failed && job_encode_call(&job, &call_job) &&
		bus_jobs_ask(JOB_CALL, bytes_slice(&job), answered, call);
	bytes_free(&job);
	call->request.len = len;
	return asked;
}

/*
 * Have the function of an endpoint called.
 */
static void
call_endpoint(HttpExchange *exchange, const ApiEndpoint *endpoint, const ApiCaller *caller,
			  Slice id, Slice query, Slice body)
{
	ApiCall    *call = calloc(1, sizeof(ApiCall));

	if (call == NULL)
	{
		api_error_of_job(exchange, JOB_BUSY);
		return;
	}
	call->exchange = exchange;
	call->function = endpoint->function;
	if (!write_request(&call->request, endpoint, caller, id, query, body))
		api_error_answer(exchange, &bad_encoding);
	else if (!ask(call, slice_make(NULL, 0)))
		api_error_of_job(exchange, JOB_BUSY);
	else
	{
		http_exchange_defer(exchange, false);
		return;
	}
	free_call(call);
}

/*
 * A whole request.  The time of its token may have come while the body was read.
 */
static void
handle(HttpExchange *exchange, const HttpRequest *req, Slice body)
{
	char		allow[96];
	Slice		id = slice_make(NULL, 0);
	const ApiEndpoint *endpoint = find_endpoint(req, &id, allow, sizeof(allow));
	ApiCaller	caller;
	const ApiError *error = api_caller_find(req, endpoint->publishes, &caller);

	if (body.len == 0)
		body = SLICE_LIT("{}");
	if (error != NULL)
		api_error_answer(exchange, error);
	else if (!endpoint->publishes && body.len > BODY_MAX)
		api_error_answer(exchange, &too_large);
	else if (endpoint->has_body && !jslice_validate(body.data, body.len, NULL))
		api_error_answer(exchange, &bad_json);
	else if (endpoint->publishes)
		api_publish(exchange, req, body, &caller);
	else
		call_endpoint(exchange, endpoint, &caller, id, req->query, body);
	identity_unref(caller.identity);
}
