/*-------------------------------------------------------------------------
 *
 * guc.h
 *	  The settings of realtime.*, as the rest of the module reads them.
 *
 * src/guc.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_GUC_H
#define REALTIME_GUC_H

/* What realtime.send() and its kin do when something is wrong. */
typedef enum OnErrorMode
{
	ON_ERROR_ERROR,				/* raise it */
	ON_ERROR_WARNING			/* WARNING, nothing sent: upstream's way */
} OnErrorMode;

/* where and whom to serve */
extern char *realtime_database;
extern char *realtime_listen_addresses;
extern int	realtime_port;
extern int	realtime_gateways;
extern char *realtime_allowed_origins;

/* messages and history */
extern int	realtime_flush_interval;	/* ms */
extern int	realtime_max_message_size;	/* kB, of one payload */
extern int	realtime_spill_size;	/* kB of messages kept per transaction */
extern int	realtime_retention_minutes; /* 0 = keep for ever */
extern int	realtime_on_error;	/* OnErrorMode */

/* limits of a gateway */
extern int	realtime_max_connections;
extern int	realtime_max_channels_per_client;
extern int	realtime_max_frame_size;	/* kB, of one message from a client */
extern int	realtime_max_send_queue;	/* kB waiting for one client */
extern int	realtime_send_timeout;	/* ms */
extern int	realtime_header_timeout;	/* ms */
extern int	realtime_idle_timeout;	/* ms */

/* Define all of them; called once, from _PG_init. */
extern void guc_define(void);

#endif							/* REALTIME_GUC_H */
