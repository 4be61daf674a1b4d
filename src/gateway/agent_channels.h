/*-------------------------------------------------------------------------
 *
 * agent_channels.h
 *	  Public channels whose names carry a proof: agent-... and conv-...
 *
 * src/gateway/agent_channels.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_AGENT_CHANNELS_H
#define REALTIME_AGENT_CHANNELS_H

#include "gateway/channels.h"
#include "proto/job.h"

typedef struct AgentName AgentName;

/* What is done with the channels of a name. */
typedef struct AgentHandlers
{
	/* one that waits may be joined */
	void		(*good) (Channel *channel);

	/* it may not, or (not JOB_DONE) that could not be found out */
	void		(*bad) (Channel *channel, JobOutcome outcome);

	/* the name of a member is no longer good; must end the channel */
	void		(*expired) (Channel *channel);
} AgentHandlers;

extern void agent_channels_init(const AgentHandlers *callbacks);

typedef enum AgentCheck
{
	AGENT_NAME_GOOD,			/* or none that is looked at */
	AGENT_NAME_ASKED,			/* good() or bad() follow, unless it ends */
	AGENT_NAME_NO_MEMORY
} AgentCheck;

/* May this channel, AUTHORISING on a public topic, be joined? */
extern AgentCheck agent_channel_check(Channel *channel) RT_MUSTCHECK;

/* Does the topic have such a name?  Then clients only receive on it. */
extern bool agent_channel_receive_only(const Topic *topic);

/* Agents, their keys or the mode have changed: look at all names again. */
extern void agent_channels_changed(void);

/* Steps of a turn: do what is due; put questions on the bus. */
extern void agent_channels_run_timers(int64 now);
extern void agent_channels_flush(void);

/* When agent_channels_run_timers() wants to be called; LOOP_NEVER if never. */
extern int64 agent_channels_deadline(void);

/* The topic of a name ends; NULL is allowed. */
extern void agent_name_free(AgentName *name);

#endif							/* REALTIME_AGENT_CHANNELS_H */
