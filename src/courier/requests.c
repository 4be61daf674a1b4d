/*-------------------------------------------------------------------------
 *
 * requests.c
 *	  A delivery as a request of HTTP, and what the answer makes of it.
 *
 * Whoever may write a channel's URLs could have the database server's machine
 * talk to whatever that can reach.  So:
 *
 * - Where a request may go is decided for the address that a socket is about to
 *	 be connected to, and once more for a connection that is used again: names
 *	 and spellings of addresses do not matter, nor what a name meant before.
 * - Nothing but http and https, no redirects, no proxies, no cookies, no
 *	 passwords from files, no compression.
 * - Of an answer only the status is of interest.  The rest is read, up to
 *	 ANSWER_MAX, so that the connection can be used again, and has no say: when
 *	 the head of an answer is there, the delivery has ended as it says.
 *
 * src/courier/requests.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "courier/courier_settings.h"
#include "courier/curl_loop.h"
#include "courier/requests.h"
#include "program/loop.h"
#include "proto/webhook_signature.h"
#include "proto/webhook_url.h"

#define ANSWER_MAX (64 * 1024)	/* bytes, head and body */
#define USER_AGENT "realtime/" REALTIME_VERSION

/* Requests of all endpoints; each takes a descriptor. */
#define UNDER_WAY_MAX 1024

typedef struct Request
{
	slist_node	node;			/* of spare */
	CURL	   *easy;
	Delivery   *delivery;
	struct curl_slist *headers;
	size_t		received;		/* of the answer */
	long		status;			/* of its head, once that is whole; else 0 */
	bool		refused;		/* an address was not allowed */
	bool		tried;			/* one was */
	char		address[48];	/* the one that was refused */
} Request;

static slist_head spare = SLIST_STATIC_INIT(spare);
static char *system_ca_file;	/* where libcurl looks by itself; may be NULL */
static char *system_ca_dir;

/*
 * The address in a socket address; false if it is of another kind.
 */
static bool
address_of(const struct sockaddr *sockaddr, IpAddress *address)
{
	switch (sockaddr->sa_family)
	{
		case AF_INET:
			*address = ip_from_v4(&((const struct sockaddr_in *) sockaddr)->sin_addr);
			return true;
		case AF_INET6:
			*address = ip_from_v6(&((const struct sockaddr_in6 *) sockaddr)->sin6_addr);
			return true;
		default:
			return false;
	}
}

/*
 * CURLOPT_OPENSOCKETFUNCTION: make a socket, if it may be connected to where
 * curl is about to.  Curl goes on with the next address of the name, if any.
 */
static curl_socket_t
open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *target)
{
	Request    *request = arg;
	IpAddress	address;

	if (!address_of(&target->addr, &address) || !courier_settings_allow(&address))
	{
		request->refused = true;
		return CURL_SOCKET_BAD;
	}
	request->tried = true;
	return socket(target->family, target->socktype | SOCK_CLOEXEC, target->protocol);
}

/*
 * CURLOPT_PREREQFUNCTION: may the request go out over this connection?  One that
 * is used again may have been made under other settings.
 */
static int
check_connection(void *arg, char *remote, char *local, int remote_port, int local_port)
{
	Request    *request = arg;
	IpAddress	address;

	if (ip_parse(slice_make(remote, strlen(remote)), &address) &&
		courier_settings_allow(&address))
		return CURL_PREREQFUNC_OK;
	request->refused = true;
	request->tried = false;
	return CURL_PREREQFUNC_ABORT;
}

/*
 * CURLOPT_HEADERFUNCTION: a line of the answer's head.  The empty one ends it, but
 * those of 1xx are only the beginning.
 */
static size_t
take_header(char *line, size_t size, size_t count, void *arg)
{
	Request    *request = arg;
	size_t		len = size * count;
	long		status = 0;

	request->received += len;
	if (len <= 2)
	{
		(void) curl_easy_getinfo(request->easy, CURLINFO_RESPONSE_CODE, &status);
		if (status >= 200)
			request->status = status;
	}
	return request->received <= ANSWER_MAX ? len : 0;
}

/*
 * CURLOPT_WRITEFUNCTION: a piece of the answer's body.
 */
static size_t
take_body(char *data, size_t size, size_t count, void *arg)
{
	Request    *request = arg;
	size_t		len = size * count;

	request->received += len;
	return request->received <= ANSWER_MAX ? len : 0;
}

/*
 * Set what all requests of a handle have in common; false without memory.
 */
static bool
set_lasting_options(Request *request)
{
	CURL	   *easy = request->easy;
	CURLcode	rc = CURLE_OK;

#define SET(option, value) \
	(rc = rc == CURLE_OK ? curl_easy_setopt(easy, (option), (value)) : rc)
	SET(CURLOPT_PRIVATE, request);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_NETRC, (long) CURL_NETRC_IGNORED);
	SET(CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_USERAGENT, USER_AGENT);
	SET(CURLOPT_POST, 1L);
	SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
	SET(CURLOPT_OPENSOCKETDATA, request);
	SET(CURLOPT_PREREQFUNCTION, check_connection);
	SET(CURLOPT_PREREQDATA, request);
	SET(CURLOPT_HEADERFUNCTION, take_header);
	SET(CURLOPT_HEADERDATA, request);
	SET(CURLOPT_WRITEFUNCTION, take_body);
	SET(CURLOPT_WRITEDATA, request);
	return rc == CURLE_OK;
}

/*
 * A request without a delivery; NULL without memory.
 */
static Request *
request_get(void)
{
	Request    *request;

	if (!slist_is_empty(&spare))
		return slist_container(Request, node, slist_pop_head_node(&spare));
	request = calloc(1, sizeof(Request));
	if (request == NULL)
		return NULL;
	request->easy = curl_easy_init();
	if (request->easy != NULL && set_lasting_options(request))
		return request;
	if (request->easy != NULL)
		curl_easy_cleanup(request->easy);
	free(request);
	return NULL;
}

/*
 * Add a header; false without memory.  A value is what others have chosen: what
 * is not printable ASCII is escaped as in a URL.
 */
static bool
add_header(Request *request, const char *name, const char *value)
{
	struct curl_slist *longer;
	Bytes		line;

	bytes_init(&line);
	bytes_printf(&line, "%s: ", name);
	for (const char *p = value; *p != '\0'; p++)
	{
		if (*p >= ' ' && *p <= '~')
			bytes_append_byte(&line, (uint8) *p);
		else
			bytes_printf(&line, "%%%02X", (unsigned char) *p);
	}
	bytes_append_byte(&line, '\0');
	longer = line.failed ? NULL : curl_slist_append(request->headers, line.data);
	bytes_free(&line);
	if (longer == NULL)
		return false;
	request->headers = longer;
	return true;
}

/*
 * Add the headers of Standard Webhooks; false without memory, or where the
 * secret is none.
 */
static bool
add_signature(Request *request)
{
	const Delivery *delivery = request->delivery;
	int64		timestamp = loop_wall / 1000;
	char		digits[24];
	Bytes		signature;
	bool		added;

	snprintf(digits, sizeof(digits), INT64_FORMAT, timestamp);
	if (!add_header(request, "webhook-id", delivery->message_id) ||
		!add_header(request, "webhook-timestamp", digits))
		return false;
	if (delivery->secret.len == 0)
		return true;
	bytes_init(&signature);
	added = webhook_sign(delivery->secret,
						 slice_make(delivery->message_id, strlen(delivery->message_id)),
						 timestamp, delivery->body, &signature) &&
		bytes_append_byte(&signature, '\0') &&
		add_header(request, "webhook-signature", signature.data);
	bytes_free(&signature);
	return added;
}

/*
 * Set what is this delivery's own; false without memory.
 */
static bool
set_delivery_options(Request *request)
{
	const Delivery *delivery = request->delivery;
	bool		own_ca = courier_settings.ca_file != NULL && courier_settings.ca_file[0] != '\0';
	CURL	   *easy = request->easy;
	CURLcode	rc = CURLE_OK;

	/* a large body would otherwise be announced and waited for */
	if (!add_header(request, "Content-Type", "application/json") ||
		!add_header(request, "X-InsForge-Event", delivery->event) ||
		!add_header(request, "X-InsForge-Channel", delivery->channel) ||
		!add_header(request, "X-InsForge-Message-Id", delivery->message_id) ||
		!add_header(request, "Expect", ""))
		return false;
	SET(CURLOPT_URL, delivery->url);
	SET(CURLOPT_HTTPHEADER, request->headers);
	SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) delivery->body.len);
	SET(CURLOPT_POSTFIELDS, delivery->body.data);
	SET(CURLOPT_TIMEOUT_MS, (long) courier_settings.timeout);
	SET(CURLOPT_CAINFO, own_ca ? courier_settings.ca_file : system_ca_file);
	SET(CURLOPT_CAPATH, own_ca ? NULL : system_ca_dir);
#undef SET
	return rc == CURLE_OK;
}

/*
 * A delivery has ended without an answer.
 */
static void
end_unanswered(Delivery *delivery, Verdict verdict, const char *error, bool is_trouble)
{
	delivery->verdict = verdict;
	delivery->status = 0;
	strlcpy(delivery->error, error, sizeof(delivery->error));
	delivery_ended(delivery, is_trouble, 0, loop_now);
}

/*
 * Give a request's belongings back, and keep its handle for the next delivery.
 */
static void
request_release(Request *request)
{
	curl_slist_free_all(request->headers);
	request->headers = NULL;
	request->delivery = NULL;
	slist_push_head(&spare, &request->node);
}

/*
 * There is an answer, whatever has become of its body.
 */
static void
end_answered(Request *request)
{
	Delivery   *delivery = request->delivery;
	curl_off_t	retry_after = 0;

	(void) curl_easy_getinfo(request->easy, CURLINFO_RETRY_AFTER, &retry_after);
	delivery->status = request->status;
	delivery->verdict = verdict_of_status(request->status);
	snprintf(delivery->error, sizeof(delivery->error),
			 request->status >= 300 && request->status <= 399 ?
			 "answered with status %ld, and redirects are not followed" :
			 "answered with status %ld", request->status);
	delivery_ended(delivery, status_is_trouble(request->status), retry_after, loop_now);
}

/*
 * Would another attempt end with the same error?  An answer that is none comes as
 * an unsupported protocol as well.
 */
static bool
is_final(const Request *request, CURLcode code)
{
	return !request->tried &&
		(code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL);
}

/*
 * A transfer has ended: TransferEnded.
 */
static void
request_ended(CURL *easy, CURLcode code)
{
	Request    *request;

	if (curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **) &request) != CURLE_OK)
		return;
	if (request->status != 0)
		end_answered(request);
	else if (request->refused && !request->tried)
		end_unanswered(request->delivery, VERDICT_DEAD,
					   "its address is not one of the public internet", false);
	else
	{
		bool		final = is_final(request, code);

		end_unanswered(request->delivery, final ? VERDICT_DEAD : VERDICT_RETRY,
					   curl_easy_strerror(code), !final);
	}
	request_release(request);
}

/*
 * Make a request.
 */
static void
begin(Delivery *delivery)
{
	Request    *request = request_get();

	if (request == NULL)
	{
		end_unanswered(delivery, VERDICT_RETRY, "out of memory", false);
		return;
	}
	request->delivery = delivery;
	request->received = 0;
	request->status = 0;
	request->refused = request->tried = false;
	if (!add_signature(request))
		end_unanswered(delivery, VERDICT_DEAD,
					   "the channel's webhook_secret begins with whsec_ and is no base64", false);
	else if (!set_delivery_options(request) || !curl_loop_begin(request->easy))
		end_unanswered(delivery, VERDICT_RETRY, "out of memory", false);
	else
		return;
	request_release(request);
}

/*
 * Make those of an endpoint that may be made.
 */
static void
begin_endpoint(Endpoint *endpoint, int64 now)
{
	bool		is_none = strcmp(endpoint->name, WEBHOOK_NO_ENDPOINT) == 0;
	Delivery   *delivery;

	while (deliveries_under_way < UNDER_WAY_MAX &&
		   (delivery = delivery_next(endpoint, now)) != NULL)
	{
		if (is_none)
			end_unanswered(delivery, VERDICT_DEAD, "it is no http or https URL", false);
		else
			begin(delivery);
	}
}

/*
 * Make all requests that may be made.
 */
void
requests_begin(int64 now)
{
	dlist_iter	iter;

	dlist_foreach(iter, &endpoints_all)
		begin_endpoint(dlist_container(Endpoint, all, iter.cur), now);
}

/*
 * A copy of what a handle was made with; NULL for nothing.
 */
static char *
get_text(CURL *easy, CURLINFO info)
{
	char	   *text = NULL;

	(void) curl_easy_getinfo(easy, info, &text);
	return text != NULL ? strdup(text) : NULL;
}

/*
 * Set up.
 */
bool
requests_init(void)
{
	Request    *request;

	if (!curl_loop_init(request_ended) || (request = request_get()) == NULL)
		return false;
	system_ca_file = get_text(request->easy, CURLINFO_CAINFO);
	system_ca_dir = get_text(request->easy, CURLINFO_CAPATH);
	request_release(request);
	return true;
}
