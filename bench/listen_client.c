/*-------------------------------------------------------------------------
 *
 * listen_client.c
 *	  What PostgreSQL offers without us: one client that LISTENs.
 *
 * Plain libpq: wait for the socket, consume, take the notifications.  It
 * counts and times payloads exactly as load_client does, so that the two can
 * stand side by side.
 *
 * bench/listen_client.c
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

#include <poll.h>
#include <signal.h>

#include "libpq-fe.h"
#include "tally.h"

#define QUIET_MS 300			/* ends after SIGTERM and this silence */

static const char *conninfo = "";
static const char *commit_log = "";
static int64 nsenders = 1;
static int64 seconds = 60;
static PidList pids;

static const Option options[] = {
	{"db", OPTION_STRING, &conninfo, "libpq connection string"},
	{"senders", OPTION_INT, &nsenders, "connections that send; 0 = count until SIGTERM"},
	{"seconds", OPTION_INT, &seconds, "time limit"},
	{"commit-log", OPTION_STRING, &commit_log, "the sender's file of commit times"},
	{NULL}
};

static Tally tally;
static volatile sig_atomic_t stop_requested;

/*
 * SIGTERM, SIGINT: end when nothing comes any more.
 */
static void
handle_stop(int signo)
{
	stop_requested = true;
}

/*
 * Take what has arrived; true if there was anything.
 */
static bool
take_notifications(PGconn *conn)
{
	PGnotify   *notify;
	int64		now;
	bool		any = false;

	if (!PQconsumeInput(conn))
		fatal("%s", PQerrorMessage(conn));
	now = now_us();
	while ((notify = PQnotifies(conn)) != NULL)
	{
		size_t		len = strlen(notify->extra);

		tally_message(&tally, 0, notify->extra, len, len, now);
		PQfreemem(notify);
		any = true;
	}
	return any;
}

/*
 * Receive until every sender's end came, SIGTERM or the time limit.
 */
static void
receive(PGconn *conn)
{
	int64		begin = monotonic_ns();
	int64		last_data = begin;

	while ((nsenders == 0 || !tally_complete(&tally)) &&
		   !(stop_requested && monotonic_ns() - last_data > QUIET_MS * 1000000) &&
		   monotonic_ns() - begin < seconds * 1000000000)
	{
		struct pollfd polled = {PQsocket(conn), POLLIN, 0};

		if (poll(&polled, 1, 100) < 0 && errno != EINTR)
			fatal("poll: %m");
		if (polled.revents != 0 && take_notifications(conn))
			last_data = monotonic_ns();
	}
}

int
main(int argc, char **argv)
{
	struct sigaction stop = {0};
	PGconn	   *conn;
	PGresult   *result;

	parse_options(argc, argv, options);
	stop.sa_handler = handle_stop;
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGINT, &stop, NULL);

	tally_init(&tally, 1, 1, (int) nsenders, &pids, commit_log[0] != '\0');
	conn = PQconnectdb(conninfo);
	if (PQstatus(conn) != CONNECTION_OK)
		fatal("%s", PQerrorMessage(conn));
	result = PQexec(conn, "LISTEN bench");
	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		fatal("%s", PQerrorMessage(conn));
	PQclear(result);
	printf("ready=yes\n");
	fflush(stdout);

	receive(conn);
	tally_print(&tally, commit_log);
	printf("done=yes\n");
	PQfinish(conn);
	return 0;
}
