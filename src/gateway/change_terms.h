/*-------------------------------------------------------------------------
 *
 * change_terms.h
 *	  What clients of one role that ask for the same tables get of them.
 *
 * src/gateway/change_terms.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_CHANGE_TERMS_H
#define REALTIME_CHANGE_TERMS_H

#include "gateway/change_plan.h"
#include "proto/job.h"

/* Entries that show the same columns, as far as they may be seen. */
typedef struct SelectGroup
{
	uint64		entries;
	const Slice *wanted;		/* names of columns */
	uint32		nwanted;		/* 0 = all */
} SelectGroup;

/*
 * A question and its answer, which serves those who have it until
 * BUS_TABLES_CHANGED.
 */
typedef struct Terms
{
	ChainNode	node;			/* by question, unless `dead` */
	uint32		refs;
	bool		dead;			/* nobody else may have it */
	bool		asking;			/* a job is with the executors */
	bool		listed;			/* one has to be */
	dlist_node	ask_node;
	uint32		asked;			/* number of the last job, from 1 */
	uint32		answered;		/* of the last one that was answered */
	uint32		needed;			/* of the one whose answer holds for what
								 * commits now */
	Plan	   *plan;			/* in force; NULL before the first answer */
	dlist_head	waiters;		/* of TermsWaiter */
	dlist_head	audiences;		/* change_audience.c */
	uint32		nentries;
	uint8		events[CHANGE_MAX_ENTRIES]; /* CHANGE_ON() */
	SelectGroup groups[CHANGE_MAX_ENTRIES];
	uint32		ngroups;
	Slice	   *names;			/* of all groups */
	size_t		weight;

	/* change_delivery.c: what the change at hand means to them */
	uint64		serial;			/* of the change that the rest is about */
	uint64		wanted;			/* entries that want it */
	uint64		unsure;			/* those of which SQL has to say so */
	uint32		relation;		/* its table, in the plan */
	struct Terms *next_hit;

	size_t		len;
	char		question[FLEXIBLE_ARRAY_MEMBER];	/* body of JOB_SUBSCRIBE */
} Terms;

/* Embedded in whoever waits for an answer. */
typedef struct TermsWaiter
{
	dlist_node	node;
	bool		waits;
	uint32		job;			/* number of the job whose answer is good enough */
} TermsWaiter;

/*
 * Who waits is told one of the first three, and waits no longer then.  Where
 * those who have an answer already cannot go on with it, failed_all or
 * unanswered_all is called, and they give it up.
 */
typedef struct TermsHandlers
{
	void		(*ready) (TermsWaiter *waiter);
	void		(*failed) (TermsWaiter *waiter, Slice error);
	void		(*unanswered) (TermsWaiter *waiter, JobOutcome outcome);
	void		(*failed_all) (Terms *terms, Slice error);
	void		(*unanswered_all) (Terms *terms);
} TermsHandlers;

extern void change_terms_init(const TermsHandlers *handlers);

/*
 * The terms of a role for these entries, or for those of other terms; with a
 * reference for the caller.  NULL without memory or when all of them are too
 * large.
 */
extern Terms *change_terms_get(Slice role, const ChangeEntries *entries);
extern Terms *change_terms_of_role(const Terms *terms, Slice role);

/* Give a reference back. */
extern void change_terms_release(Terms *terms);

/* Does an answer hold, and is nothing that commits from now on missed? */
extern bool change_terms_ready(const Terms *terms);

/* Ask, and wait for an answer to a question that was asked after this call. */
extern void change_terms_wait(Terms *terms, TermsWaiter *waiter);

/* Ask, but do not wait. */
extern void change_terms_check(Terms *terms);

/* Wait no longer; harmless for one that does not. */
extern void change_terms_leave(TermsWaiter *waiter);

/* BUS_TABLES_CHANGED: all have to be asked again. */
extern void change_terms_tables_changed(void);

/* Do all answers that are in use hold for what commits now? */
extern bool change_terms_current(void);

/* BUS_FOLLOW_ACK; false if it is none. */
extern bool change_terms_acknowledged(Slice body) RT_MUSTCHECK;

/* Put the questions of this turn on the bus. */
extern void change_terms_flush(void);

#endif							/* REALTIME_CHANGE_TERMS_H */
