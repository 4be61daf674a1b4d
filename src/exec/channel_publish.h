/*-------------------------------------------------------------------------
 *
 * channel_publish.h
 *	  What clients publish on channels.
 *
 * src/exec/channel_publish.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_CHANNEL_PUBLISH_H
#define REALTIME_CHANNEL_PUBLISH_H

#include "proto/job.h"

/* JOB_PUBLISH. */
extern JobOutcome channel_publish(Slice body, Bytes *answer) RT_MUSTCHECK;

/*
 * Does an error of it mean that the client may not publish?  If so, it is logged,
 * and the answer says that.
 */
extern bool channel_publish_denied(const ErrorData *error, Bytes *answer) RT_MUSTCHECK;

#endif							/* REALTIME_CHANNEL_PUBLISH_H */
