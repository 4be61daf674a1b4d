/*-------------------------------------------------------------------------
 *
 * change_verdicts.h
 *	  Who may see a change: questions to the executors.
 *
 * src/gateway/change_verdicts.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_CHANGE_VERDICTS_H
#define REALTIME_CHANGE_VERDICTS_H

#include "gateway/change_plan.h"
#include "gateway/identities.h"
#include "gateway/request_headers.h"
#include "proto/job.h"

struct Ask;

/*
 * A change that outlives the piece of the bus it came in.
 */
typedef struct KeptChange
{
	uint32		refs;
	uint64		serial;
	int64		committed_at;
	ChangeRecord record;		/* points into bytes */
	ChainTable	asks;			/* of Ask */
	dlist_head	unasked;		/* those that no job has been made of */
	uint32		nunasked;
	bool		listed;			/* in the list of those that have any */
	dlist_node	node;			/* in it */
	size_t		len;
	char		bytes[FLEXIBLE_ARRAY_MEMBER];
} KeptChange;

/*
 * Of whoever waits for a verdict; embedded.
 */
typedef struct VerdictLink
{
	dlist_node	node;
	bool		waits;
	void	   *owner;
	uint64		entries;		/* that it is about; the owner's */
} VerdictLink;

/* What is asked. */
typedef struct VerdictQuestion
{
	Identity   *identity;
	RequestHeaders *headers;
	bool		policies;		/* else the conditions alone */
	Target	   *target;			/* whose conditions have to hold, or NULL */
} VerdictQuestion;

/* Who waits is told one of these, and waits no longer then. */
typedef struct VerdictHandlers
{
	void		(*decided) (VerdictLink *link, VisibleVerdict verdict);
	void		(*unanswered) (VerdictLink *link, JobOutcome outcome);
} VerdictHandlers;

extern void change_verdicts_init(const VerdictHandlers *handlers);

/*
 * Keep a change, with a reference for the caller; NULL without memory or when
 * too much is kept.
 */
extern KeptChange *change_keep(Slice bytes, int64 committed_at, uint64 serial);
extern KeptChange *change_kept_ref(KeptChange *kept);
extern void change_kept_unref(KeptChange *kept);

/* Is there little enough to do that more changes may be kept? */
extern bool change_verdicts_room(void);

/* Ask; the same question about a change is asked once.  False without memory. */
extern bool change_verdict_ask(KeptChange *kept, const VerdictQuestion *question,
							   VerdictLink *link) RT_MUSTCHECK;

/* Wait no longer; harmless for one that does not. */
extern void change_verdict_leave(VerdictLink *link);

/* Put the questions of this turn on the bus. */
extern void change_verdicts_flush(void);

#endif							/* REALTIME_CHANGE_VERDICTS_H */
