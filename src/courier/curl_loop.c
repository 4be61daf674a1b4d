/*-------------------------------------------------------------------------
 *
 * curl_loop.c
 *	  libcurl as a guest of the loop.
 *
 * libcurl says which sockets it wants watched and when it wants to be called;
 * the rest of the program does not know that it has sockets.  A socket's Watch is
 * freed at the end of the turn in which curl gives the socket up, because an
 * event of it may still be waiting to be handed out.
 *
 * src/courier/curl_loop.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "lib/ilist.h"

#include "courier/curl_loop.h"
#include "program/loop.h"

/* Connections that are kept open for the next request, to whomever. */
#define IDLE_CONNECTIONS 256L

typedef struct CurlSocket
{
	Watch		watch;
	slist_node	node;			/* of given_up */
} CurlSocket;

static CURLM *multi;
static TransferEnded transfer_ended;
static slist_head given_up = SLIST_STATIC_INIT(given_up);
static int64 deadline = LOOP_NEVER;
static bool broken;

/*
 * Have curl act upon a socket, or on its clock.
 */
static void
act(curl_socket_t fd, int bits)
{
	int			running;

	if (curl_multi_socket_action(multi, fd, bits, &running) != CURLM_OK)
		broken = true;
}

/*
 * A socket of curl's is ready.
 */
static void
socket_ready(Watch *watch, uint32 events)
{
	int			bits = 0;

	if (events & EPOLLIN)
		bits |= CURL_CSELECT_IN;
	if (events & EPOLLOUT)
		bits |= CURL_CSELECT_OUT;
	if (events & (EPOLLERR | EPOLLHUP))
		bits |= CURL_CSELECT_ERR;
	/* one that was given up in this turn may still get its event */
	if (watch->events != 0)
		act(watch->fd, bits);
}

/*
 * Watch for what curl wants of a socket; false if that cannot be done.
 */
static bool
watch_socket(curl_socket_t fd, uint32 events, CurlSocket *known)
{
	CurlSocket *made;

	if (known != NULL)
	{
		loop_change(&known->watch, events);
		return true;
	}
	made = calloc(1, sizeof(CurlSocket));
	if (made == NULL)
		return false;
	made->watch.fd = fd;
	made->watch.ready = socket_ready;
	if (!loop_add(&made->watch, events) ||
		curl_multi_assign(multi, fd, made) != CURLM_OK)
	{
		loop_remove(&made->watch);
		free(made);
		return false;
	}
	return true;
}

/*
 * CURLMOPT_SOCKETFUNCTION: curl wants something else of a socket.
 */
static int
socket_changed(CURL *easy, curl_socket_t fd, int what, void *unused, void *known)
{
	CurlSocket *socket = known;

	if (what != CURL_POLL_REMOVE)
	{
		uint32		events = (what & CURL_POLL_IN ? EPOLLIN : 0) |
		(what & CURL_POLL_OUT ? EPOLLOUT : 0);

		if (!watch_socket(fd, events, socket))
			broken = true;
	}
	else if (socket != NULL)
	{
		loop_remove(&socket->watch);
		(void) curl_multi_assign(multi, fd, NULL);
		slist_push_head(&given_up, &socket->node);
	}
	return 0;
}

/*
 * CURLMOPT_TIMERFUNCTION: curl wants to be called at another time.
 */
static int
timer_changed(CURLM *unused, long timeout_ms, void *unused_too)
{
	deadline = timeout_ms < 0 ? LOOP_NEVER : loop_now + timeout_ms;
	return 0;
}

/*
 * Set up.
 */
bool
curl_loop_init(TransferEnded ended)
{
	transfer_ended = ended;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
		(multi = curl_multi_init()) == NULL)
		return false;
	return curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, socket_changed) == CURLM_OK &&
		curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, timer_changed) == CURLM_OK &&
		curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, IDLE_CONNECTIONS) == CURLM_OK;
}

/*
 * Begin a transfer.
 */
bool
curl_loop_begin(CURL *easy)
{
	return curl_multi_add_handle(multi, easy) == CURLM_OK;
}

/*
 * Tell what has ended.
 */
static void
tell_ended(void)
{
	CURLMsg    *msg;
	int			left;

	while ((msg = curl_multi_info_read(multi, &left)) != NULL)
	{
		CURL	   *easy = msg->easy_handle;
		CURLcode	code = msg->data.result;

		if (msg->msg != CURLMSG_DONE)
			continue;
		/* this frees msg */
		(void) curl_multi_remove_handle(multi, easy);
		transfer_ended(easy, code);
	}
}

/*
 * Do what is due.
 */
void
curl_loop_run(int64 now)
{
	if (deadline <= now)
	{
		deadline = LOOP_NEVER;
		act(CURL_SOCKET_TIMEOUT, 0);
	}
	tell_ended();
	while (!slist_is_empty(&given_up))
		free(slist_container(CurlSocket, node, slist_pop_head_node(&given_up)));
}

/*
 * When is something due?
 */
int64
curl_loop_deadline(void)
{
	return deadline;
}

/*
 * Is libcurl out of order?
 */
bool
curl_loop_is_broken(void)
{
	return broken;
}
