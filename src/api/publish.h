/*-------------------------------------------------------------------------
 *
 * publish.h
 *	  Triggers of realtime.messages: an inserted row becomes a message.
 *
 * src/api/publish.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_PUBLISH_H
#define REALTIME_PUBLISH_H

/*
 * Rows that this process inserts are not published while this is set; for rows
 * that only ask what policies say and are rolled back.  Who sets it unsets it.
 */
extern bool publish_muted;

#endif							/* REALTIME_PUBLISH_H */
