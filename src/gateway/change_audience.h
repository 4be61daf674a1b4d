/*-------------------------------------------------------------------------
 *
 * change_audience.h
 *	  Channels that are told the same of a change.
 *
 * src/gateway/change_audience.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_CHANGE_AUDIENCE_H
#define REALTIME_CHANGE_AUDIENCE_H

#include "gateway/change_terms.h"
#include "gateway/conn_output.h"
#include "gateway/topics.h"

struct Changes;

/* Of the frames that were encoded last, one of a group of entries each. */
#define AUDIENCE_FRAMES 4

typedef struct AudienceFrame
{
	uint64		serial;			/* of the change; 0 = none */
	uint64		entries;
	ChangeFault fault;
	FrameBuf   *buf;			/* holds a reference */
	uint32		start;
	uint32		end;
	FrameBuf   *body;			/* what follows, shared with other audiences: a
								 * reference; or NULL */
	uint32		body_start;
	uint32		body_end;
} AudienceFrame;

/*
 * The channels of a topic that have the same terms and speak the same version.
 */
typedef struct Audience
{
	ChainNode	node;
	uint32		refs;
	Terms	   *terms;			/* a reference */
	Topic	   *topic;			/* held */
	uint8		version;		/* PhxVersion */
	bool		legacy;			/* joined without a configuration (6.6) */
	bool		is_open;		/* in the list of those with frames */
	dlist_node	of_terms;		/* in terms->audiences */
	struct Audience *next_open;
	FrameBuf   *open;			/* frames of this turn */
	AudienceFrame frames[AUDIENCE_FRAMES];
	uint32		count;			/* of members */
	uint32		cap;
	struct Changes **members;
} Audience;

/* A change, as somebody is to be told of it. */
typedef struct Telling
{
	const ChangeRecord *record;
	int64		committed_at;
	uint64		serial;			/* no other change has it; not 0 */
	const Plan *plan;			/* whose columns count */
	uint32		relation;
} Telling;

/* The audience, with a reference for the caller; NULL without memory. */
extern Audience *change_audience_get(Terms *terms, Topic *topic, PhxVersion version,
									 bool legacy);

/* Another reference; give one back. */
extern Audience *change_audience_ref(Audience *audience);
extern void change_audience_unref(Audience *audience);

/* Be a member, at *place; false without memory. */
extern bool change_audience_add(Audience *audience, struct Changes *member,
								uint32 *place) RT_MUSTCHECK;

/* Be none; returns the member that has moved to its place, or NULL. */
extern struct Changes *change_audience_remove(Audience *audience, uint32 place);

/*
 * The frame that tells of entries of one group; NULL without memory.  It is
 * good until the next one is asked for.
 */
extern const AudienceFrame *change_audience_frame(Audience *audience, const Telling *telling,
												  int group, uint64 entries, ChangeFault fault);

/* Queue it; true if the connection took it. */
static inline bool
change_frame_deliver(Conn *conn, const AudienceFrame *frame)
{
	/* a connection that takes the first but not the second is closed */
	return conn_deliver(conn, frame->buf, frame->start, frame->end) &&
		(frame->body == NULL ||
		 conn_deliver(conn, frame->body, frame->body_start, frame->body_end));
}

/* Let go of the frames of this turn. */
extern void change_audiences_end(void);

#endif							/* REALTIME_CHANGE_AUDIENCE_H */
