/*-------------------------------------------------------------------------
 *
 * sio_session.c
 *	  The Socket.IO conversation with one client.
 *
 * insforge-oaura.md 1.2, 1.3 and 1.10.  A client connects to the namespace "/"
 * with its credentials, which makes it a socket, and then sends events.  What
 * socket.io's own server takes for malformed ends the session.
 *
 * A CONNECT_ERROR is for credentials that will never be good: who gets one does
 * not try again.  Where nobody could say whether they are, the connection is
 * closed instead, and the client comes back by itself.
 *
 * src/gateway/sio_session.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/api_key.h"
#include "gateway/engine_session.h"
#include "gateway/gw_stats.h"
#include "gateway/outbox.h"
#include "gateway/sio_channels.h"
#include "gateway/sio_reply.h"
#include "proto/base64url.h"
#include "proto/ws_frame.h"

#define ID_BYTES 15

StaticAssertDecl(BASE64URL_LENGTH(ID_BYTES) == SIO_ID_LENGTH, "ids have this length");

/* Bytes of all events whose attachments come. */
#define BINARY_MAX_BYTES (64 * 1024 * 1024)

#define ANON_PREFIX "anon_"
#define KEY_PREFIX "ik_"

/* Of the role that tokens of users have: theirs needs a user. */
#define USER_ROLE "authenticated"

/* What a refused client's err.data is. */
#define REFUSAL_DATA "{\"code\":\"AUTH_INVALID_CREDENTIALS\",\"statusCode\":401}"

/* An event whose attachments come. */
typedef struct SioBinary
{
	SocketIoType type;
	uint32		wanted;
	uint32		count;			/* of them have come */
	size_t		bytes;			/* of text and attachments */
	Slice		ack;			/* in text */
	Slice		data;			/* in text */
	Slice		attachments[SOCKET_IO_MAX_ATTACHMENTS]; /* of malloc */
	char		text[FLEXIBLE_ARRAY_MEMBER];
} SioBinary;

typedef void (*EventHandler) (Conn *conn, Slice ack, Slice argument);

static Bytes frame;				/* being encoded for one client */
static size_t binary_bytes;		/* of all events whose attachments come */

static void key_told(KeyAsker *asker, KeyVerdict verdict, Identity *identity);

/*
 * Begin.
 */
void
sio_session_init(SioSession *session, Conn *conn)
{
	session->conn = conn;
	session->key.told = key_told;
	dlist_init(&session->outboxes);
}

/*
 * Forget an event whose attachments have not all come.
 */
static void
drop_binary(SioSession *session)
{
	SioBinary  *binary = session->binary;

	if (binary == NULL)
		return;
	for (uint32 i = 0; i < binary->count; i++)
		free(unconstify(char *, binary->attachments[i].data));
	binary_bytes -= binary->bytes;
	free(binary);
	session->binary = NULL;
}

/*
 * The client is no socket any more; the connection stays.
 */
static void
disconnect(SioSession *session)
{
	waiter_leave(&session->key.wait);
	channels_free(session->conn);
	outboxes_orphan(session);
	identity_unref(session->conn->identity);
	session->conn->identity = NULL;
	session->state = SIO_DISCONNECTED;
}

/*
 * The end.
 */
void
sio_session_end(SioSession *session)
{
	waiter_leave(&session->key.wait);
	outboxes_orphan(session);
	drop_binary(session);
}

/*
 * Refuse to make the client a socket.
 */
static void
refuse(SioSession *session, const char *message)
{
	session->state = SIO_DISCONNECTED;
	STAT_INC(BUS_STAT_REFUSED);
	sio_send(session->conn, &frame,
			 socket_io_encode_connect_error(&frame, SLICE_LIT("/"), message,
											SLICE_LIT(REFUSAL_DATA)));
}

/*
 * Make an id that nobody can guess; false without random numbers.
 */
static bool
make_id(char *dst)
{
	char		bytes[ID_BYTES];

	if (!pg_strong_random(bytes, sizeof(bytes)))
		return false;
	base64url_write(slice_make(bytes, sizeof(bytes)), dst);
	return true;
}

/*
 * Make it one; takes over the reference.
 */
static void
welcome(SioSession *session, Identity *identity, bool is_user)
{
	Conn	   *conn = session->conn;

	if (!make_id(session->id))
	{
		identity_unref(identity);
		conn_close(conn, WS_CLOSE_TRY_LATER, "no random numbers");
		return;
	}
	conn->identity = identity;
	session->is_user = is_user;
	session->state = SIO_CONNECTED;
	sio_send(conn, &frame,
			 socket_io_encode_connect(&frame, sio_session_id(session)));
	if (conn->state == CONN_OPEN)
		conn_set_clock(conn, TIMER_PING);
}

/*
 * It is known whose a key is.
 */
static void
take_verdict(SioSession *session, KeyVerdict verdict, Identity *identity)
{
	switch (verdict)
	{
		case KEY_GOOD:
			welcome(session, identity, false);
			break;
		case KEY_BAD:
			refuse(session, session->key_refusal);
			break;
		case KEY_UNDECIDED:
			conn_close(session->conn, WS_CLOSE_TRY_LATER, "API keys cannot be checked now");
			break;
		case KEY_ASKED:
			session->state = SIO_CONNECTING;
			break;
	}
}

/*
 * The same later.
 */
static void
key_told(KeyAsker *asker, KeyVerdict verdict, Identity *identity)
{
	SioSession *session = (SioSession *) ((char *) asker - offsetof(SioSession, key));

	if (session->conn->state != CONN_OPEN)
	{
		identity_unref(identity);
		return;
	}
	take_verdict(session, verdict, identity);
}

/*
 * A client shows a key.
 */
static void
connect_key(SioSession *session, Slice key, const char *prefix, const char *message)
{
	Identity   *identity = NULL;

	session->key_refusal = message;
	if (!api_key_has_form(key, prefix))
		refuse(session, message);
	else
	{
		KeyVerdict	verdict = key_check(&session->key, key, &identity);

		take_verdict(session, verdict, identity);
	}
}

/*
 * A client shows a token.  One without a subject is that of nobody in
 * particular, as the public keys of Supabase are.
 */
static void
connect_token(SioSession *session, Slice token)
{
	TokenRefusal refusal = {JWT_MALFORMED, 0};
	Identity   *identity = identity_get(token, &refusal);

	if (identity == NULL && refusal.verdict == JWT_NO_MEMORY)
		conn_close(session->conn, WS_CLOSE_TRY_LATER, "out of memory");
	else if (identity == NULL)
		refuse(session, "Invalid token");
	else if (identity->claims.sub.len == 0 &&
			 slice_equals_cstr(identity->claims.role, USER_ROLE))
	{
		identity_unref(identity);
		refuse(session, "Invalid token subject");
	}
	else
		welcome(session, identity, identity->claims.sub.len > 0);
}

/*
 * A credential as plain text: 1, 0 where there is none, or -1 if it cannot be
 * one.
 */
static int
read_credential(Slice auth, const char *name, Bytes *text)
{
	Slice		value = jslice_get(auth, name);

	switch (jslice_type(value))
	{
		case JSLICE_NONE:
		case JSLICE_NULL:
			return 0;
		case JSLICE_STRING:
			if (!jslice_unescape(value, text))
				return -1;
			return text->len > 0 ? 1 : 0;
		default:
			return -1;
	}
}

/*
 * CONNECT, in the order of insforge-oaura.md 1.2.
 */
static void
handle_connect(SioSession *session, const SocketIoPacket *packet)
{
	Bytes		text;
	Slice		token;
	int			there;

	if (!slice_equals_cstr(packet->space, "/"))
	{
		sio_send(session->conn, &frame,
				 socket_io_encode_connect_error(&frame, packet->space, "Invalid namespace",
												slice_make(NULL, 0)));
		return;
	}
	if (session->state != SIO_DISCONNECTED)
	{
		engine_session_fail(session->conn);
		return;
	}
	bytes_init(&text);
	there = read_credential(packet->data, "apiKey", &text);
	if (there != 0)
		connect_key(session, bytes_slice(&text), KEY_PREFIX, "Invalid API key");
	else
	{
		there = read_credential(packet->data, "token", &text);
		token = bytes_slice(&text);
		if (there == 0)
			refuse(session, "No authentication provided");
		else if (slice_has_prefix(token, SLICE_LIT(ANON_PREFIX)))
			connect_key(session, token, ANON_PREFIX, "Invalid anon key");
		else
			connect_token(session, token);
	}
	bytes_free(&text);
}

/*
 * An event; the handlers take what they do not understand for an error of the
 * client's, and names that nobody knows are none.
 */
static void
handle_event(SioSession *session, Slice name, Slice ack, Slice argument)
{
	static const struct
	{
		const char *name;
		EventHandler handler;
	}			events[] = {
		{"realtime:subscribe", sio_subscribe},
		{"realtime:unsubscribe", sio_unsubscribe},
		{"realtime:publish", sio_publish},
		{"realtime:track", sio_track},
		{"realtime:untrack", sio_untrack},
		{"realtime:auth", sio_auth},
		{"REALTIME_SUBSCRIBE", sio_subscribe},
		{"REALTIME_UNSUBSCRIBE", sio_unsubscribe},
		{"REALTIME_PUBLISH", sio_publish},
	};

	for (int i = 0; i < (int) lengthof(events); i++)
	{
		if (jslice_string_equals(name, slice_make(events[i].name, strlen(events[i].name))))
		{
			events[i].handler(session->conn, ack, argument);
			return;
		}
	}
}

/*
 * An event with attachments: keep it until they have come.
 */
static void
begin_binary(SioSession *session, const SocketIoPacket *packet)
{
	size_t		len = packet->ack.len + packet->data.len;
	SioBinary  *binary = NULL;

	if (binary_bytes + len <= BINARY_MAX_BYTES)
		binary = calloc(1, offsetof(SioBinary, text) + len);
	if (binary == NULL)
	{
		conn_close(session->conn, WS_CLOSE_TRY_LATER, "out of memory");
		return;
	}
	binary->type = packet->type;
	binary->wanted = packet->attachments;
	binary->bytes = len;
	binary_bytes += len;
	if (packet->ack.len > 0)
		memcpy(binary->text, packet->ack.data, packet->ack.len);
	memcpy(binary->text + packet->ack.len, packet->data.data, packet->data.len);
	binary->ack = slice_make(binary->text, packet->ack.len);
	binary->data = slice_make(binary->text + packet->ack.len, packet->data.len);
	session->binary = binary;
}

/*
 * All attachments are there.
 */
static void
end_binary(SioSession *session)
{
	SioBinary  *binary = session->binary;
	const char *error;
	Bytes		data;

	bytes_init(&data);
	if (!socket_io_fill(binary->data, binary->attachments, binary->count, &data) ||
		!jslice_validate(data.data, data.len, &error))
		engine_session_fail(session->conn);
	else if (binary->type == SOCKET_IO_BINARY_EVENT)
		handle_event(session, jslice_at(bytes_slice(&data), 0), binary->ack,
					 jslice_at(bytes_slice(&data), 1));
	bytes_free(&data);
	drop_binary(session);
}

/*
 * A packet of a socket's, or of one that would be.
 */
static void
handle_packet(SioSession *session, const SocketIoPacket *packet)
{
	if (packet->type == SOCKET_IO_CONNECT)
	{
		handle_connect(session, packet);
		return;
	}
	if (session->state != SIO_CONNECTED || !slice_equals_cstr(packet->space, "/"))
	{
		engine_session_fail(session->conn);
		return;
	}
	switch (packet->type)
	{
		case SOCKET_IO_EVENT:
			handle_event(session, packet->name, packet->ack, packet->argument);
			break;
		case SOCKET_IO_BINARY_EVENT:
		case SOCKET_IO_BINARY_ACK:
			begin_binary(session, packet);
			if (session->binary != NULL && packet->attachments == 0)
				end_binary(session);
			break;
		case SOCKET_IO_DISCONNECT:
			disconnect(session);
			conn_set_clock(session->conn, TIMER_CONNECT);
			break;
		default:
			/* we ask for no answers, and what goes wrong there is not our affair */
			break;
	}
}

/*
 * The text of a packet.
 */
void
sio_session_text(SioSession *session, Slice text)
{
	SocketIoPacket packet;
	const char *error;

	if (session->binary != NULL || !socket_io_decode(text, &packet, &error))
		engine_session_fail(session->conn);
	else
		handle_packet(session, &packet);
}

/*
 * An attachment.  All of an event together are as large as a packet may be.
 */
void
sio_session_binary(SioSession *session, Slice bytes)
{
	SioBinary  *binary = session->binary;
	char	   *copy = NULL;

	if (binary == NULL)
	{
		engine_session_fail(session->conn);
		return;
	}
	if (binary->bytes + bytes.len > (size_t) engine_session_max_packet())
	{
		conn_close(session->conn, WS_CLOSE_TOO_BIG, "message too big");
		return;
	}
	if (binary_bytes + bytes.len <= BINARY_MAX_BYTES)
		copy = malloc(bytes.len + 1);
	if (copy == NULL)
	{
		conn_close(session->conn, WS_CLOSE_TRY_LATER, "out of memory");
		return;
	}
	if (bytes.len > 0)
		memcpy(copy, bytes.data, bytes.len);
	binary->bytes += bytes.len;
	binary_bytes += bytes.len;
	binary->attachments[binary->count++] = slice_make(copy, bytes.len);
	if (binary->count == binary->wanted)
		end_binary(session);
}

/*
 * Does it publish more than can be dealt with?  Then it is resumed by outbox.c.
 */
bool
sio_session_is_full(SioSession *session)
{
	session->waits = outboxes_full(session);
	return session->waits;
}
