/*-------------------------------------------------------------------------
 *
 * upgrade.c
 *	  From an HTTP request to a WebSocket: who may connect.
 *
 * The upgrade is the last request of its connection.  It needs a token, in the
 * header x-api-key or in the query (supabase.md 1.3), which is what channels
 * are joined with that bring none of their own; an upgrade that is refused is
 * answered with {"error": text} (1.4).
 *
 * Request targets are never logged: their query holds the client's key.
 *
 * src/gateway/upgrade.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/admission.h"
#include "gateway/conn_output.h"
#include "gateway/gw_settings.h"
#include "gateway/gw_stats.h"
#include "gateway/http_answer.h"
#include "gateway/identities.h"
#include "gateway/protocol.h"
#include "gateway/refusals.h"
#include "gateway/request_headers.h"
#include "gateway/request_token.h"
#include "gateway/upgrade.h"
#include "proto/ws_handshake.h"

/*
 * The serializer that the query asks for; false if there is no such.
 */
static bool
requested_version(const HttpRequest *req, PhxVersion *version)
{
	Bytes		vsn;
	bool		ok;
	int			there;

	bytes_init(&vsn);
	there = http_query_get(req->query, "vsn", &vsn);
	if (there == 0)
		ok = phx_version_parse(NULL, version);
	else
		ok = there > 0 && bytes_append_byte(&vsn, '\0') &&
			strlen(vsn.data) == vsn.len - 1 &&
			phx_version_parse(vsn.data, version);
	bytes_free(&vsn);
	return ok;
}

/*
 * What is wrong with an upgrade request, for its error body.
 */
static const char *
handshake_error(int status)
{
	switch (status)
	{
		case 405:
			return "Method not allowed";
		case 426:
			return "This path is for WebSocket connections of version 13";
		default:
			return "Bad WebSocket handshake";
	}
}

/*
 * Headers that a refused upgrade must be answered with, RFC 6455 4.4 and RFC
 * 9110 15.5.6 and 15.5.22.
 */
static const char *
handshake_headers(int status)
{
	switch (status)
	{
		case 405:
			return "Allow: GET\r\n";
		case 426:
			return "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
		default:
			return NULL;
	}
}

/*
 * Append the token of a request to *token: 1, 0 where there is none, or -1 if
 * it cannot be one.
 */
static int
find_token(const HttpRequest *req, Bytes *token)
{
	const Slice *key = http_header(req, "x-api-key");

	if (http_header_count(req, "x-api-key") == 0)
		return http_query_get(req->query, "apikey", token);
	return key != NULL && bytes_append_slice(token, *key) ? 1 : -1;
}

/*
 * Who wants to connect?  NULL if that is nobody who may, and then the request
 * is answered.
 */
static Identity *
identify(Conn *conn, const HttpRequest *req)
{
	Identity   *identity;
	const char *error;
	int			status;
	int			there;
	Bytes		token;

	bytes_init(&token);
	there = find_token(req, &token);
	identity = connect_identity(there, bytes_slice(&token), &status, &error);
	bytes_free(&token);
	if (identity != NULL)
		return identity;
	http_refuse(conn, status, error, NULL);
	return NULL;
}

/*
 * Everything about the request is right but, perhaps, its headers.
 */
static void
accept_upgrade(Conn *conn, const HttpRequest *req, PhxVersion version, Identity *identity)
{
	RequestHeaders *headers;
	int			status = request_headers_take(req, HEADERS_X, &headers);
	Bytes		response;

	bytes_init(&response);
	if (status == 431)
		http_refuse(conn, status, "Request headers too large", NULL);
	else if (status != 0 || !ws_handshake_response(&response, req))
		http_refuse(conn, 500, "Error connecting to Realtime", NULL);
	else
	{
		conn_write(conn, response.data, response.len);
		if (conn->state == CONN_HTTP)
		{
			conn->identity = identity;
			conn->headers = headers;
			conn_begin(conn, &phoenix_protocol, (Dialect) version);
			identity = NULL;
			headers = NULL;
		}
	}
	bytes_free(&response);
	identity_unref(identity);
	request_headers_unref(headers);
}

/*
 * Judge an upgrade.
 */
void
upgrade_request(Conn *conn, const HttpRequest *req)
{
	int			status = ws_handshake_check(req);
	const char *error;
	Identity   *identity;
	PhxVersion	version;

	if (status != 101)
		http_refuse(conn, status, handshake_error(status), handshake_headers(status));
	else if (!ws_origin_allowed(req, gw_settings.allowed_origins))
		http_refuse(conn, 403, "Origin not allowed", NULL);
	else if (!requested_version(req, &version))
		http_refuse(conn, 403, NULL, NULL);
	else if ((identity = identify(conn, req)) == NULL)
		return;
	else if (conn_open_count() >= gw_settings.max_connections)
	{
		identity_unref(identity);
		STAT_INC(BUS_STAT_CONNECTIONS_LIMITED);
		http_refuse(conn, 503, "Too many connected users", "Retry-After: 5\r\n");
	}
	else if ((error = admission_connect()) != NULL)
	{
		identity_unref(identity);
		http_refuse(conn, 429, error, "Retry-After: 5\r\n");
	}
	else
		accept_upgrade(conn, req, version, identity);
}
