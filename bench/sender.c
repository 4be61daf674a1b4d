/*-------------------------------------------------------------------------
 *
 * sender.c
 *	  SQL clients that send measured messages at a pace.
 *
 * Drives --connections sessions from one thread, each with one statement in
 * one transaction at a time, as an application does.  A message's timestamp is
 * taken right before its statement is sent.  After --warmup and --seconds every
 * connection sends one last message to every topic, by which receivers know
 * that they have everything.
 *
 * The statement is the only difference between the things compared:
 *	send	SELECT realtime.send(...)
 *	notify	INSERT into the same table, and pg_notify() of the row's payload
 *	insert	the INSERT alone
 *	publish	SELECT realtime.publish(...)
 *	rival	what socketio_rival.mjs stores and notifies of
 *
 * bench/sender.c
 *
 *-------------------------------------------------------------------------
 */
#include "support.h"

#include <poll.h>

#include "histogram.h"
#include "libpq-fe.h"
#include "marker.h"

#define MAX_CONNECTIONS 256

/* Messages on a channel; it need not be there for them to be counted. */
#define BENCH_CHANNEL "00000000-0000-0000-0000-000000000001"

typedef struct Sender
{
	PGconn	   *conn;
	bool		busy;			/* a statement is on its way */
	char		kind;			/* of the message in it */
	uint64		seq;
	int64		sent_us;
	int64		ends;			/* topics whose end was sent */
	uint64	   *next;			/* [topic]: seq of the next message */
} Sender;

typedef struct Statement
{
	const char *name;
	const char *sql;			/* $1 = payload, $2 = topic */
	size_t		added;			/* bytes that the server adds to the payload */
} Statement;

#define INSERT_SQL \
	"INSERT INTO realtime.messages (topic, extension, event, payload, private) " \
	"VALUES ($2::text, 'broadcast', 'bench', $1::jsonb, false)"

static const Statement statements[] = {
	{"send", "SELECT realtime.send($1::jsonb, 'bench'::text, $2::text, false)",
	MARKER_ID_BYTES},
	{"notify", "WITH stored AS (" INSERT_SQL " RETURNING payload) "
	"SELECT pg_notify('bench', payload::text) FROM stored", 0},
	{"insert", INSERT_SQL, 0},
	{"channel", "INSERT INTO realtime.messages (topic, extension, event, payload, private, channel_id) "
		"VALUES ($2::text, 'broadcast', 'bench', $1::jsonb, false, '" BENCH_CHANNEL "')", 0},
	{"row", "INSERT INTO bench_rows (a, topic) VALUES ($1::jsonb ->> 'a', $2::text)", 0},
	{"publish", "SELECT realtime.publish($2::text, 'bench', $1::jsonb)", 0},
	{"rival", "WITH stored AS (INSERT INTO rival_messages (channel, event, payload) "
	"VALUES ($2::text, 'bench', $1::jsonb) RETURNING id) "
	"SELECT pg_notify('rival', id::text) FROM stored", 0},
	{"secure", "INSERT INTO bench_secure (a, topic) VALUES ($1::jsonb ->> 'a', $2::text)", 0},
};

static const char *conninfo = "";
static const char *statement_name = "send";
static const char *synchronous_commit = "on";
static const char *prefix = "bench-";
static const char *commit_log = "";
static int64 nsenders = 1;
static int64 rate = 200;
static int64 seconds = 5;
static int64 warmup = 1;
static int64 ntopics = 1;
static int64 payload_bytes = 200;

static const Option options[] = {
	{"db", OPTION_STRING, &conninfo, "libpq connection string"},
	{"statement", OPTION_STRING, &statement_name, "send, notify, insert, channel, publish, rival, row or secure"},
	{"sync", OPTION_STRING, &synchronous_commit, "synchronous_commit"},
	{"connections", OPTION_INT, &nsenders, "sessions that send"},
	{"rate", OPTION_INT, &rate, "messages per second, 0 = as fast as possible"},
	{"seconds", OPTION_INT, &seconds, "how long to send"},
	{"warmup", OPTION_INT, &warmup, "seconds before that, not measured"},
	{"topics", OPTION_INT, &ntopics, "topics, in turn"},
	{"prefix", OPTION_STRING, &prefix, "topic name without its number"},
	{"payload", OPTION_INT, &payload_bytes, "bytes of a payload as delivered"},
	{"commit-log", OPTION_STRING, &commit_log, "file for the times of commits"},
	{NULL}
};

static const Statement *statement;
static Sender senders[MAX_CONNECTIONS];
static int	nbusy;
static uint64 nsent;			/* messages of all kinds, picks the topic */
static uint64 nfinished;		/* answered, of kind MARKER_MESSAGE */
static Histogram took;			/* statement sent -> answered */
static int64 *committed;		/* [seq]: when sender 0's statement returned */
static size_t committed_cap;

/*
 * Open one session and prepare its statement.
 */
static void
open_sender(Sender *sender)
{
	char		set[100];
	PGresult   *result;

	sender->conn = PQconnectdb(conninfo);
	if (PQstatus(sender->conn) != CONNECTION_OK)
		fatal("%s", PQerrorMessage(sender->conn));
	snprintf(set, sizeof(set), "SET synchronous_commit = %s", synchronous_commit);
	result = PQexec(sender->conn, set);
	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		fatal("%s", PQerrorMessage(sender->conn));
	PQclear(result);
	result = PQprepare(sender->conn, "m", statement->sql, 0, NULL);
	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		fatal("%s", PQerrorMessage(sender->conn));
	PQclear(result);
	sender->next = allocate(sizeof(uint64) * (size_t) ntopics);
}

/*
 * Send one message to a topic; the sender must be idle.
 */
static void
send_message(Sender *sender, char kind, int64 topic)
{
	char		payload[MARKER_MAX_PAYLOAD + 1];
	char		name[300];
	const char *values[2] = {payload, name};
	Marker		marker;

	marker.kind = kind;
	marker.sender = (uint32) (sender - senders);
	marker.seq = sender->next[topic]++;
	marker.time_us = now_us();
	snprintf(name, sizeof(name), "%s%lld", prefix, (long long) topic);
	marker_write(payload, (size_t) payload_bytes - statement->added, true, &marker);
	if (!PQsendQueryPrepared(sender->conn, "m", 2, values, NULL, NULL, 0))
		fatal("%s", PQerrorMessage(sender->conn));
	sender->busy = true;
	sender->kind = kind;
	sender->seq = marker.seq;
	sender->sent_us = marker.time_us;
	nbusy++;
	nsent++;
}

/*
 * Remember when a commit returned, for a receiver to compare with.
 */
static void
log_commit(uint64 seq, int64 now)
{
	if (seq >= committed_cap)
	{
		size_t		cap = (size_t) seq * 2 + 4096;

		committed = reallocate(committed, cap * sizeof(int64));
		memset(committed + committed_cap, 0, (cap - committed_cap) * sizeof(int64));
		committed_cap = cap;
	}
	committed[seq] = now;
}

/*
 * A session's socket is readable: take the answer if it is there.
 */
static void
take_answer(Sender *sender)
{
	PGresult   *result;
	int64		now = now_us();

	if (!PQconsumeInput(sender->conn))
		fatal("%s", PQerrorMessage(sender->conn));
	while (!PQisBusy(sender->conn))
	{
		result = PQgetResult(sender->conn);
		if (result == NULL)
		{
			sender->busy = false;
			nbusy--;
			if (sender->kind == MARKER_MESSAGE)
			{
				nfinished++;
				histogram_add(&took, now - sender->sent_us, 1);
				if (commit_log[0] != '\0')
					log_commit(sender->seq, now);
			}
			return;
		}
		if (PQresultStatus(result) != PGRES_TUPLES_OK &&
			PQresultStatus(result) != PGRES_COMMAND_OK)
			fatal("%s", PQresultErrorMessage(result));
		PQclear(result);
	}
}

/*
 * Wait for answers, at most until monotonic_ns() reaches `until`.
 */
static void
wait_for_answers(int64 until)
{
	struct pollfd polled[MAX_CONNECTIONS];
	int64		left = until - monotonic_ns();
	struct timespec timeout = {0, 0};

	if (left > 0)
	{
		timeout.tv_sec = left / 1000000000;
		timeout.tv_nsec = left % 1000000000;
	}
	for (int i = 0; i < nsenders; i++)
	{
		polled[i].fd = senders[i].busy ? PQsocket(senders[i].conn) : -1;
		polled[i].events = POLLIN;
		polled[i].revents = 0;
	}
	if (ppoll(polled, (nfds_t) nsenders, &timeout, NULL) < 0 && errno != EINTR)
		fatal("ppoll: %m");
	for (int i = 0; i < nsenders; i++)
	{
		if (polled[i].revents != 0)
			take_answer(&senders[i]);
	}
}

/*
 * Wait until no statement is on its way.
 */
static void
drain(void)
{
	while (nbusy > 0)
		wait_for_answers(monotonic_ns() + 1000000000);
}

/*
 * Next idle sender, in turn; there is one.
 */
static Sender *
idle_sender(void)
{
	static int	last = 0;

	do
	{
		last = (last + 1) % (int) nsenders;
	} while (senders[last].busy);
	return &senders[last];
}

/*
 * Send messages of one kind for a time.  When all senders are busy a message
 * that is due goes out late, but the schedule stands: the rate is kept as soon
 * as the server allows it.
 */
static void
send_for(char kind, int64 duration)
{
	int64		begin = monotonic_ns();
	int64		end = begin + duration * 1000000000;
	uint64		count = 0;

	for (;;)
	{
		int64		now = monotonic_ns();
		int64		due = rate > 0 ? begin + (int64) ((double) count * 1e9 / (double) rate) : now;

		if (now >= end || due >= end)
			break;
		if (nbusy < nsenders && due <= now)
		{
			send_message(idle_sender(), kind, (int64) (nsent % (uint64) ntopics));
			count++;
		}
		else
			wait_for_answers(nbusy < nsenders ? due : end);
	}
	drain();
}

/*
 * Every sender's last message on every topic.
 */
static void
send_ends(void)
{
	for (;;)
	{
		for (int i = 0; i < nsenders; i++)
		{
			Sender	   *sender = &senders[i];

			if (!sender->busy && sender->ends < ntopics)
				send_message(sender, MARKER_END, sender->ends++);
		}
		if (nbusy == 0)
			break;
		wait_for_answers(monotonic_ns() + 1000000000);
	}
}

/*
 * Write the times of commits to the file that the receiver will read.
 */
static void
write_commit_log(void)
{
	FILE	   *file;

	if (commit_log[0] == '\0')
		return;
	file = fopen(commit_log, "wb");
	if (file == NULL ||
		fwrite(committed, sizeof(int64), committed_cap, file) != committed_cap ||
		fclose(file) != 0)
		fatal("cannot write \"%s\": %m", commit_log);
}

/*
 * Find the statement asked for, and see that the options fit it.
 */
static void
check_options(void)
{
	for (size_t i = 0; i < lengthof(statements); i++)
	{
		if (strcmp(statements[i].name, statement_name) == 0)
			statement = &statements[i];
	}
	if (statement == NULL)
		fatal("there is no statement \"%s\"", statement_name);
	if (nsenders < 1 || nsenders > MAX_CONNECTIONS)
		fatal("--connections must be between 1 and %d", MAX_CONNECTIONS);
	if (ntopics < 1)
		fatal("--topics must be at least 1");
	if (payload_bytes < 100 || payload_bytes > MARKER_MAX_PAYLOAD)
		fatal("--payload must be between 100 and %d", MARKER_MAX_PAYLOAD);
	if (commit_log[0] != '\0' && (nsenders != 1 || ntopics != 1))
		fatal("--commit-log needs one connection and one topic");
}

int
main(int argc, char **argv)
{
	int64		begin;
	double		elapsed;

	parse_options(argc, argv, options);
	check_options();
	precise_sleep();
	for (int i = 0; i < nsenders; i++)
		open_sender(&senders[i]);

	send_for(MARKER_WARMUP, warmup);
	begin = monotonic_ns();
	send_for(MARKER_MESSAGE, seconds);
	elapsed = (double) (monotonic_ns() - begin) / 1e9;
	write_commit_log();
	send_ends();

	printf("sent=%llu\n", (unsigned long long) nfinished);
	printf("seconds=%.3f\n", elapsed);
	printf("tps=%.0f\n", (double) nfinished / elapsed);
	histogram_print(&took, "statement");
	printf("done=yes\n");
	for (int i = 0; i < nsenders; i++)
		PQfinish(senders[i].conn);
	return 0;
}
