/*-------------------------------------------------------------------------
 *
 * history_pages.h
 *	  Pages of history, asked of the executors and shared by all who want the
 *	  same one.
 *
 * src/gateway/history_pages.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_HISTORY_PAGES_H
#define REALTIME_HISTORY_PAGES_H

#include "gateway/topics.h"
#include "gateway/waiters.h"
#include "proto/job.h"

typedef struct HistoryPage HistoryPage;
typedef struct PageAsker PageAsker;

/* The asker is told; the page is good until the handler returns. */
typedef void (*PageHandler) (PageAsker *asker, HistoryPage *page);

/*
 * Embedded in whoever asks, who sets `told` before.
 */
struct PageAsker
{
	Waiter		wait;
	PageHandler told;
};

/*
 * Ask; `until` and newest_lsn are zero.  The asker, who does not wait for
 * anything, is told in a later turn unless it leaves before.  False without
 * memory.
 */
extern bool history_page_ask(PageAsker *asker, Topic *topic, const HistoryHead *wanted) RT_MUSTCHECK;

/* Put questions on the bus. */
extern void history_pages_flush(void);

/* What came of it; the reply only counts where this is JOB_DONE. */
extern JobOutcome history_page_outcome(const HistoryPage *page);
extern const HistoryReply *history_page_reply(const HistoryPage *page);

/* Its messages as frames; the page keeps the reference.  NULL without memory. */
extern FrameBuf *history_page_frames(HistoryPage *page, Dialect dialect);

#endif							/* REALTIME_HISTORY_PAGES_H */
