/*-------------------------------------------------------------------------
 *
 * engine_upgrade.h
 *	  From polling to a WebSocket.
 *
 * src/gateway/engine_upgrade.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_ENGINE_UPGRADE_H
#define REALTIME_ENGINE_UPGRADE_H

#include "gateway/polling.h"

/*
 * An upgrade that is all right wants to carry a session: the connection is OPEN.
 * False if the session does not allow that, and then nothing is done.
 */
extern bool engine_upgrade_begin(Conn *conn, const HttpRequest *req, Polling *polling) RT_MUSTCHECK;

#endif							/* REALTIME_ENGINE_UPGRADE_H */
