/*-------------------------------------------------------------------------
 *
 * audience_counts.c
 *	  How many sockets of this gateway messages on channels have reached.
 *
 * Counted is who is a member when the message comes, as long as his queue takes
 * it; not who gets it later, from history, because he catches up.  Fan-out gives
 * several messages of a topic to its members at once, dialect by dialect, so a
 * message waits here until all of them have it.
 *
 * The hub gets the counts every REPORT_MS while there are any.  When the bus is
 * full they wait, and where there is no room for more of them, messages are not
 * counted: nobody waits for a count.
 *
 * src/gateway/audience_counts.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "gateway/audience_counts.h"
#include "gateway/gw_settings.h"
#include "gateway/gw_stats.h"
#include "program/bus_link.h"
#include "program/loop.h"
#include "proto/job.h"

#define REPORT_MS 50
#define MAX_COUNTS (2 * AUDIENCE_MAX_ENTRIES)

static AudienceEntry counts[MAX_COUNTS];	/* the first `settled` can be reported */
static uint32 settled;
static uint32 noted;
static uint8 waits[MAX_COUNTS]; /* of what is not settled: a bit per dialect */
static uint8 any_waits;			/* all these bits */
static int64 reported_at = -REPORT_MS;

StaticAssertDecl(DIALECTS <= 8, "a dialect has no bit");

/*
 * Count a message from now on.
 */
bool
audience_note(const WalMessage *message)
{
	AudienceEntry *entry = &counts[noted];

	if ((message->flags & (WAL_MESSAGE_CHANNEL | WAL_MESSAGE_UNSTORED)) != WAL_MESSAGE_CHANNEL ||
		!gw_settings.delivery_tracking)
		return false;
	if (noted == MAX_COUNTS)
	{
		STAT_INC(BUS_STAT_AUDIENCES_OVERRUN);
		return false;
	}
	memset(entry, 0, sizeof(*entry));
	memcpy(entry->id, message->id, MESSAGE_ID_BYTES);
	entry->inserted_at = message->inserted_at;
	waits[noted++] = 0;
	return true;
}

/*
 * It waits in a dialect.
 */
void
audience_wait(Dialect dialect)
{
	waits[noted - 1] |= 1 << dialect;
	any_waits |= 1 << dialect;
}

/*
 * A dialect has had its turn.
 */
void
audience_reach(Dialect dialect, uint32 sockets)
{
	uint8		bit = 1 << dialect;

	if ((any_waits & bit) == 0)
		return;
	for (uint32 i = settled; i < noted; i++)
	{
		if ((waits[i] & bit) != 0)
			counts[i].sockets += sockets;
		waits[i] &= ~bit;
	}
	any_waits &= ~bit;
}

/*
 * All have had it.  What has reached nobody is not worth a row.
 */
void
audience_settle(void)
{
	Assert(any_waits == 0);
	for (uint32 i = settled; i < noted; i++)
	{
		if (counts[i].sockets > 0)
			counts[settled++] = counts[i];
	}
	noted = settled;
}

/*
 * Report.
 */
void
audience_report(int64 now)
{
	uint32		n = Min(settled, AUDIENCE_MAX_ENTRIES);

	if (now < audience_deadline() || bus_queued() > BUS_OUT_MARK)
		return;
	bus_send(BUS_AUDIENCE, counts, n * sizeof(AudienceEntry), NULL, 0);
	memmove(counts, counts + n, (noted - n) * sizeof(AudienceEntry));
	settled -= n;
	noted -= n;
	reported_at = now;
}

/*
 * When the next report may go, if there is something to report.
 */
int64
audience_deadline(void)
{
	if (settled == 0)
		return LOOP_NEVER;
	return settled >= AUDIENCE_MAX_ENTRIES ? loop_now : reported_at + REPORT_MS;
}
