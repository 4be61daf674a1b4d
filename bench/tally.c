/*-------------------------------------------------------------------------
 *
 * tally.c
 *	  What receivers got: the rare parts, and the report.
 *
 * Every (receiver, sender) pair has its own sequence, so that a message that
 * is lost, repeated or overtaken on any one connection shows.  A number left
 * out counts as missing at once; if it comes later it counts as disorder too.
 *
 * bench/tally.c
 *
 *-------------------------------------------------------------------------
 */
#include "tally.h"

/*
 * Start counting; see tally.h.
 */
void
tally_init(Tally *t, int receivers, int active, int senders,
		   const PidList *pids, bool keep_arrivals)
{
	memset(t, 0, sizeof(*t));
	t->receivers = receivers;
	t->active = active;
	t->senders = senders;
	t->pids = pids;
	t->next = allocate(sizeof(uint64) * (size_t) receivers * (size_t) Max(senders, 1));
	t->keep_arrivals = keep_arrivals;
}

/*
 * The first measured message is here: the stretch begins.
 */
void
tally_begin(Tally *t, int64 now)
{
	t->first_us = now;
	t->first_cpu = cpu_seconds(t->pids);
}

/*
 * Remember when message `seq` came; for one receiver and one sender.
 */
void
tally_keep_arrival(Tally *t, uint64 seq, int64 now)
{
	if (seq >= t->arrivals_cap)
	{
		size_t		cap = Max((size_t) seq + 1, t->arrivals_cap * 2 + 1024);

		t->arrivals = reallocate(t->arrivals, cap * sizeof(int64));
		memset(t->arrivals + t->arrivals_cap, 0,
			   (cap - t->arrivals_cap) * sizeof(int64));
		t->arrivals_cap = cap;
	}
	if (t->arrivals[seq] == 0)
		t->arrivals[seq] = now;
}

/*
 * Compare arrivals with the times at which the sender saw its commits return.
 * A message that was quicker than the sender's own answer counts as 0.
 */
static void
print_after_commit(const Tally *t, const char *commit_log)
{
	Histogram  *after = allocate(sizeof(Histogram));
	FILE	   *file = fopen(commit_log, "rb");
	int64		committed;
	uint64		early = 0;

	if (file == NULL)
		fatal("cannot open \"%s\": %m", commit_log);
	for (size_t seq = 0; fread(&committed, sizeof(committed), 1, file) == 1; seq++)
	{
		if (committed == 0 || seq >= t->arrivals_cap || t->arrivals[seq] == 0)
			continue;
		if (t->arrivals[seq] < committed)
			early++;
		histogram_add(after, t->arrivals[seq] - committed, 1);
	}
	fclose(file);
	histogram_print(after, "after_commit");
	printf("before_commit_returned=%llu\n", (unsigned long long) early);
	free(after);
}

/*
 * Print everything as key=value lines.
 */
void
tally_print(const Tally *t, const char *commit_log)
{
	double		seconds = (double) (t->last_us - t->first_us) / 1e6;

	printf("complete=%s\n", tally_complete(t) ? "yes" : "no");
	printf("messages=%llu\n", (unsigned long long) t->messages);
	printf("warmups=%llu\n", (unsigned long long) t->warmups);
	printf("ends=%llu\n", (unsigned long long) t->ends);
	printf("unmarked=%llu\n", (unsigned long long) t->unmarked);
	printf("missing=%llu\n", (unsigned long long) t->missing);
	printf("disorder=%llu\n", (unsigned long long) t->disorder);
	printf("duplicates=%llu\n", (unsigned long long) t->duplicates);
	printf("strangers=%llu\n", (unsigned long long) t->strangers);
	if (t->messages > 0)
	{
		printf("seconds=%.3f\n", seconds);
		printf("frame_bytes=%.1f\n", (double) t->bytes / (double) t->messages);
		if (seconds > 0)
			printf("per_second=%.0f\n", (double) t->messages / seconds);
		histogram_print(&t->latency, "latency");
	}
	if (t->messages > 0 && t->pids->npids > 0)
	{
		double		cpu = cpu_seconds(t->pids) - t->first_cpu;

		printf("cpu_seconds=%.4f\n", cpu);
		if (cpu > 0)
			printf("per_cpu_second=%.0f\n", (double) t->messages / cpu);
	}
	if (commit_log != NULL && commit_log[0] != '\0')
		print_after_commit(t, commit_log);
}
