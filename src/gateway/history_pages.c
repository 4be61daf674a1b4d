/*-------------------------------------------------------------------------
 *
 * history_pages.c
 *	  Pages of history, asked of the executors and shared by all who want the
 *	  same one.
 *
 * Clients that a gateway has lost come back together, and most of them with the
 * cursor of the same message.  So a question is asked once at a time; who asks
 * it meanwhile shares the next answer (waiters.h), because an answer ends where
 * the hub was when it got the question, and what a channel is entitled to begins
 * when it asks.
 *
 * A page may be large: IN_FLIGHT_MAX of them are asked for at a time.
 *
 * src/gateway/history_pages.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "common/hashfn.h"

#include "gateway/gw_stats.h"
#include "gateway/history_pages.h"
#include "gateway/message_frame.h"
#include "program/bus_jobs.h"
#include "proto/chain_table.h"

#define IN_FLIGHT_MAX 8

struct HistoryPage
{
	ChainNode	node;			/* in the table of all */
	bool		listed;			/* in the list of those to be asked for */
	dlist_node	ask_node;		/* in it */
	Topic	   *topic;			/* held */
	HistoryHead wanted;
	Waiters		waiters;
	/* while its askers are told */
	JobOutcome	outcome;
	HistoryReply reply;
	Slice		entries;
	FrameBuf   *frames[DIALECTS];
};

static ChainTable table;
static dlist_head to_ask = DLIST_STATIC_INIT(to_ask);
static int	in_flight;
static Bytes scratch;

/*
 * Find a page, or make it; NULL without memory.
 */
static HistoryPage *
get_page(Topic *topic, const HistoryHead *wanted)
{
	uint32		hash = hash_combine(topic->hash,
									hash_bytes((const unsigned char *) wanted, sizeof(*wanted)));
	HistoryPage *page;

	for (ChainNode *node = chain_first(&table, hash); node != NULL; node = chain_next(node))
	{
		page = chain_container(HistoryPage, node, node);
		if (page->topic == topic && memcmp(&page->wanted, wanted, sizeof(*wanted)) == 0)
			return page;
	}
	page = calloc(1, sizeof(HistoryPage));
	if (page == NULL)
		return NULL;
	page->topic = topic;
	page->wanted = *wanted;
	topics_hold(topic);
	waiters_init(&page->waiters);
	chain_insert(&table, &page->node, hash);
	return page;
}

/*
 * Forget a page that nobody wants.
 */
static void
free_page(HistoryPage *page)
{
	chain_remove(&table, &page->node);
	topics_release(page->topic);
	free(page);
}

/*
 * Have history_pages_flush() look at a page, unless it is being read: then it
 * is looked at afterwards.
 */
static void
ask_later(HistoryPage *page)
{
	if (page->listed || page->waiters.asking)
		return;
	dlist_push_tail(&to_ask, &page->ask_node);
	page->listed = true;
}

/*
 * Ask.
 */
bool
history_page_ask(PageAsker *asker, Topic *topic, const HistoryHead *wanted)
{
	HistoryPage *page = get_page(topic, wanted);

	if (page == NULL)
		return false;
	waiters_add(&page->waiters, &asker->wait);
	ask_later(page);
	return true;
}

/*
 * Tell all who wait for this page; who has come meanwhile is next.
 */
static void
tell(HistoryPage *page)
{
	Waiter	   *waiter;

	while ((waiter = waiters_take(&page->waiters)) != NULL)
	{
		PageAsker  *asker = (PageAsker *) ((char *) waiter - offsetof(PageAsker, wait));

		asker->told(asker, page);
	}
	waiters_end(&page->waiters);
	for (int v = 0; v < DIALECTS; v++)
	{
		if (page->frames[v] != NULL)
			frame_buf_unref(page->frames[v]);
		page->frames[v] = NULL;
	}
	if (waiters_waiting(&page->waiters))
		ask_later(page);
	else
		free_page(page);
}

/*
 * The answer to a job.
 */
static void
answered(JobOutcome outcome, Slice body, void *arg)
{
	HistoryPage *page = arg;

	in_flight--;
	if (outcome == JOB_DONE && !job_decode_history_reply(body, &page->reply, &page->entries))
		outcome = JOB_FAILED;
	page->outcome = outcome;
	tell(page);
}

/*
 * Put one question on the bus.
 */
static void
ask_now(HistoryPage *page)
{
	HistoryJob	job = {page->wanted, topic_name(page->topic)};

	waiters_begin(&page->waiters);
	scratch.len = 0;
	if (job_encode_history(&scratch, &job) &&
		bus_jobs_ask(JOB_HISTORY, bytes_slice(&scratch), answered, page))
	{
		in_flight++;
		STAT_INC(BUS_STAT_HISTORY_PAGES);
		return;
	}
	page->outcome = JOB_UNAVAILABLE;
	tell(page);
}

/*
 * Put questions on the bus, those of them that still have somebody who wants to
 * know.
 */
void
history_pages_flush(void)
{
	while (!dlist_is_empty(&to_ask) && in_flight < IN_FLIGHT_MAX && bus_jobs_room())
	{
		HistoryPage *page = dlist_container(HistoryPage, ask_node,
											dlist_pop_head_node(&to_ask));

		page->listed = false;
		if (waiters_waiting(&page->waiters))
			ask_now(page);
		else
			free_page(page);
	}
}

/*
 * How it went.
 */
JobOutcome
history_page_outcome(const HistoryPage *page)
{
	return page->outcome;
}

/*
 * What the executor says.
 */
const HistoryReply *
history_page_reply(const HistoryPage *page)
{
	return &page->reply;
}

/*
 * Encode the messages into `scratch`; false without memory, or if they are not
 * as many as there should be.
 */
static bool
encode(const HistoryPage *page, Dialect dialect)
{
	Slice		entries = page->entries;
	BusMessageHead head;
	WalMessage	message;
	MessageMeta meta;
	uint32		n = 0;

	scratch.len = 0;
	while (job_next_history_entry(&entries, &head, &message))
	{
		message_meta_stored(&meta, &message, &head.place,
							page->wanted.kind == HISTORY_REPLAY);
		meta.from_history = true;
		if (!message_frame_append(&scratch, dialect, page->topic, &message, &meta))
			return false;
		n++;
	}
	return n == page->reply.count && entries.len == 0;
}

/*
 * The frames of a dialect, made for the first who asks.
 */
FrameBuf *
history_page_frames(HistoryPage *page, Dialect dialect)
{
	FrameBuf   *buf = page->frames[dialect];

	if (buf != NULL)
		return buf;
	if (encode(page, dialect))
		buf = frame_buf_new(scratch.len);
	if (buf != NULL && scratch.len > 0)
		frame_buf_append(buf, scratch.data, scratch.len);
	if (scratch.failed || scratch.cap > 1024 * 1024)
		bytes_free(&scratch);
	page->frames[dialect] = buf;
	return buf;
}
