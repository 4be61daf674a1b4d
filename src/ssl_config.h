/*-------------------------------------------------------------------------
 *
 * ssl_config.h
 *	  Whether clients speak TLS, and with which certificate.
 *
 * src/ssl_config.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_SSL_CONFIG_H
#define REALTIME_SSL_CONFIG_H

#include "proto/tls_context.h"

/*
 * For the hub, at its start and when the configuration was read again: read what
 * the settings name.  What is not good is logged, and what was before kept.
 */
extern void ssl_config_load(void);

/*
 * What gateways are told: "off", "on", or "absent", which is on without a
 * certificate that is good.  Then nobody may connect.
 */
extern const char *ssl_config_mode(void);

/* The certificate and its key in use, empty unless that is "on". */
extern void ssl_config_identity(TlsIdentity *identity);

#endif							/* REALTIME_SSL_CONFIG_H */
