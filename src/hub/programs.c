/*-------------------------------------------------------------------------
 *
 * programs.c
 *	  The gateways: how many run, and what they are told.
 *
 * How a program starts and ends is child.c's affair.
 *
 * src/hub/programs.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/varlena.h"

#include "guc.h"
#include "hub/audience.h"
#include "hub/bus_server.h"
#include "hub/child.h"
#include "hub/config_body.h"
#include "hub/doors.h"
#include "hub/jobs.h"
#include "hub/metrics_server.h"
#include "hub/port_lock.h"
#include "hub/presence_server.h"
#include "hub/programs.h"
#include "hub/usage_server.h"
#include "jwt_config.h"
#include "shmem.h"
#include "ssl_config.h"

#define GATEWAY_PROGRAM "realtime_gateway"

/* How often to look whether a port that another server uses is free. */
#define PORT_RETRY_MS 1000

static Child gateways[MAX_GATEWAYS];

/*
 * Note in shared memory what a slot is doing.  What its last process has
 * counted stays counted.
 */
static void
publish_slot(int slot)
{
	GatewaySlot *shared = &realtime_shared->gateways[slot];
	Child	   *program = &gateways[slot];

	LWLockAcquire(realtime_shared->lock, LW_EXCLUSIVE);
	if (program->pid != 0 && shared->pid != program->pid)
		shared->starts++;
	shared->pid = program->pid;
	shared->ready = false;
	shared->started_at = program->started_at;
	for (int stat = 0; stat < BUS_STAT_COUNT; stat++)
	{
		if (!bus_stat_is_gauge(stat))
			realtime_shared->ended_stats[stat] += shared->stats[stat];
	}
	memset(shared->stats, 0, sizeof(shared->stats));
	LWLockRelease(realtime_shared->lock);
}

/*
 * Slot of a gateway.
 */
static int
slot_of(Child *program)
{
	return (int) (program - gateways);
}

/*
 * Forget a program that has been reaped.
 */
static void
forget_gateway(Child *program)
{
	int			slot = slot_of(program);

	jobs_forget_gateway(slot);
	bus_server_remove(slot);
	doors_remove(slot);
	presence_server_remove(slot);
	usage_server_remove(slot);
	metrics_server_remove(slot);
	publish_slot(slot);
}

/*
 * The bus or the door has lost a program that may still run: it is of no use.
 */
static void
peer_lost(int slot, const char *why)
{
	jobs_forget_gateway(slot);
	child_kill(&gateways[slot], why);
}

/*
 * A program listens.
 */
static void
peer_ready(int slot, Slice addresses)
{
	LWLockAcquire(realtime_shared->lock, LW_EXCLUSIVE);
	realtime_shared->gateways[slot].ready = true;
	LWLockRelease(realtime_shared->lock);
	ereport(LOG,
			(errmsg("realtime gateway %d is listening on " SLICE_FMT, slot + 1,
					SLICE_ARG(addresses))));
}

/*
 * A program's statistics.
 */
static void
peer_stats(int slot, const uint64 *stats)
{
	LWLockAcquire(realtime_shared->lock, LW_EXCLUSIVE);
	memcpy(realtime_shared->gateways[slot].stats, stats,
		   sizeof(realtime_shared->gateways[slot].stats));
	LWLockRelease(realtime_shared->lock);
}

/*
 * Append how many clients and what of them a gateway takes.
 */
static void
add_limits(StringInfo settings)
{
	add_number(settings, "max_connections", realtime_max_connections);
	add_number(settings, "max_channels_per_client", realtime_max_channels_per_client);
	add_number(settings, "gateways", realtime_gateways);
	add_number(settings, "max_message_size", realtime_max_message_size * INT64CONST(1024));
	add_number(settings, "max_frame_size", realtime_max_frame_size * INT64CONST(1024));
	add_number(settings, "max_send_queue", realtime_max_send_queue * INT64CONST(1024));
	add_number(settings, "send_timeout", realtime_send_timeout);
	add_number(settings, "header_timeout", realtime_header_timeout);
	add_number(settings, "idle_timeout", realtime_idle_timeout);
	add_number(settings, "keepalive_interval", realtime_keepalive_interval);
	add_number(settings, "ping_interval", realtime_ping_interval);
	add_number(settings, "ping_timeout", realtime_ping_timeout);
	add_number(settings, "connect_timeout", realtime_connect_timeout);
	add_number(settings, "max_presence_calls", realtime_max_presence_calls);
	add_number(settings, "presence_window", realtime_presence_window);
	add_number(settings, "rate_window", realtime_rate_window * INT64CONST(1000));
	add_number(settings, "max_concurrent_users", realtime_max_concurrent_users);
	add_number(settings, "max_joins_per_second", realtime_max_joins_per_second);
	add_number(settings, "max_events_per_second", realtime_max_events_per_second);
	add_number(settings, "max_presence_events_per_second",
			   realtime_max_presence_events_per_second);
	add_number(settings, "max_pending_changes", realtime_max_pending_changes);
}

/*
 * Append whose tokens are good, and for what.
 */
static void
add_admission(StringInfo settings)
{
	static const char *const agent_modes[] = {
		[AGENT_CHANNELS_AUTO] = "auto",
		[AGENT_CHANNELS_OFF] = "off",
		[AGENT_CHANNELS_WARN] = "warn",
		[AGENT_CHANNELS_REQUIRE] = "require",
	};
	char	   *roles = pstrdup(realtime_jwt_roles);
	List	   *names = NIL;
	ListCell   *cell;

	add_slice(settings, "jwt_secret", jwt_config_secret());
	add_slice(settings, "jwt_jwks", jwt_config_jwks());
	add_setting(settings, "jwt_audience", realtime_jwt_audience);
	add_setting(settings, "jwt_issuer", realtime_jwt_issuer);
	/* a check hook has seen that it is a list */
	(void) SplitIdentifierString(roles, ',', &names);
	foreach(cell, names)
		add_setting(settings, "jwt_role", lfirst(cell));
	list_free(names);
	pfree(roles);
	add_setting(settings, "private_only", realtime_private_only ? "on" : "off");
	add_setting(settings, "delivery_tracking", realtime_delivery_tracking ? "on" : "off");
	add_setting(settings, "agent_channels", agent_modes[realtime_agent_channels]);
}

/*
 * Append what TLS connections begin with.
 */
static void
add_tls(StringInfo settings)
{
	TlsIdentity identity;

	ssl_config_identity(&identity);
	if (identity.certificate.len > 0)
		doors_expect_relays();
	add_setting(settings, "ssl", ssl_config_mode());
	add_slice(settings, "ssl_certificate", identity.certificate);
	add_slice(settings, "ssl_key", identity.key);
	add_slice(settings, "ssl_authorities", identity.authorities);
}

/*
 * Room for all settings, so that no copy of a secret is left where a buffer was
 * before it grew.
 */
static int
settings_size(void)
{
	TlsIdentity identity;

	ssl_config_identity(&identity);
	return (int) (jwt_config_secret().len + jwt_config_jwks().len +
				  identity.certificate.len + identity.key.len + identity.authorities.len +
				  2 * strlen(realtime_jwt_roles) * sizeof("jwt_role") +
				  strlen(realtime_jwt_audience) + strlen(realtime_jwt_issuer) +
				  strlen(realtime_listen_addresses) + strlen(realtime_allowed_origins) +
				  4096);
}

/*
 * Send a gateway its settings; the first frame on every bus.
 */
static void
send_config(int slot)
{
	BusHello	hello;
	StringInfoData settings;

	config_hello(&hello, slot);
	initStringInfo(&settings);
	enlargeStringInfo(&settings, settings_size());
	add_setting(&settings, "listen_addresses", realtime_listen_addresses);
	add_number(&settings, "port", realtime_port);
	add_setting(&settings, "allowed_origins", realtime_allowed_origins);
	add_setting(&settings, "sandbox", realtime_sandbox ? "on" : "off");
	add_limits(&settings);
	add_admission(&settings);
	add_tls(&settings);
	bus_server_send(slot, BUS_CONFIG,
					slice_make((const char *) &hello, sizeof(hello)),
					slice_make(settings.data, settings.len));
	explicit_bzero(settings.data, settings.len);
	pfree(settings.data);
}

/*
 * Start the gateway of a slot.
 */
static void
start_gateway(int slot, Instant now)
{
	int			bus_fd;
	int			door_fd;

	if (!child_start(&gateways[slot], now, &bus_fd, &door_fd))
		return;
	bus_server_add(slot, bus_fd);
	doors_add(slot, door_fd);
	presence_server_add(slot);
	usage_server_add(slot);
	publish_slot(slot);
	send_config(slot);
}

/*
 * Set up; once per process.
 */
void
programs_init(void)
{
	static const BusCallbacks callbacks = {
		.lost = peer_lost,
		.ready = peer_ready,
		.stats = peer_stats,
		.job = jobs_add,
		.presence = presence_server_take,
		.usage = usage_server_take,
		.audience = audience_take,
		.metrics = metrics_server_take
	};

	bus_server_init(&callbacks);
	doors_init(peer_lost);
	presence_server_init();
	for (int i = 0; i < MAX_GATEWAYS; i++)
	{
		Child	   *program = &gateways[i];

		program->program = GATEWAY_PROGRAM;
		snprintf(program->name, sizeof(program->name), "gateway %d", i + 1);
		program->failures = SHARED_GATEWAY_FAILURES;
		program->forget = forget_gateway;
		child_add(program);
	}
}

/*
 * Have as many gateways as are wanted.
 */
long
programs_tick(Instant now)
{
	long		soonest = -1;

	for (int i = 0; i < MAX_GATEWAYS; i++)
	{
		Child	   *program = &gateways[i];
		long		left = -1;

		if (i >= realtime_gateways)
		{
			if (program->pid != 0)
				left = child_end(program, now);
		}
		else if (program->pid == 0)
		{
			if (program->start_after <= now)
			{
				if (port_lock_hold())
					start_gateway(i, now);
				else
					program->start_after = now + PORT_RETRY_MS * INT64CONST(1000);
			}
			if (program->pid == 0)
				left = Max((long) ((program->start_after - now + 999) / 1000), 1);
		}
		if (left >= 0 && (soonest < 0 || left < soonest))
			soonest = left;
	}
	return soonest;
}

/*
 * Tell all programs the settings.
 */
void
programs_reload(void)
{
	/* what is taken is said; who listens already goes on */
	(void) port_lock_hold();
	for (int i = 0; i < MAX_GATEWAYS; i++)
	{
		if (gateways[i].pid != 0 && gateways[i].end_by == 0)
			send_config(i);
	}
}

/*
 * Tell all programs that messages were lost.
 */
void
programs_tell_gap(uint64 epoch, const char *reason)
{
	bus_server_send_all(BUS_GAP, slice_make((const char *) &epoch, sizeof(epoch)),
						slice_make(reason, strlen(reason)));
}
