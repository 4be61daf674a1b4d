/*-------------------------------------------------------------------------
 *
 * programs.c
 *	  The child programs of the hub: start, watch, end.
 *
 * A gateway that ends is started again: at once if it had lived for a while,
 * else with a delay that doubles.  Whatever way the hub itself ends, its
 * programs are ended and reaped first (spawn.c tells why).
 *
 * src/hub/programs.c
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

#include "guc.h"
#include "hub/audience.h"
#include "hub/bus_server.h"
#include "hub/doors.h"
#include "hub/events.h"
#include "hub/jobs.h"
#include "hub/metrics_server.h"
#include "hub/port_lock.h"
#include "hub/presence_server.h"
#include "hub/programs.h"
#include "hub/spawn.h"
#include "hub/usage_server.h"
#include "jwt_config.h"
#include "shmem.h"

#define GATEWAY_PROGRAM "realtime_gateway"

/* Time that ending programs get to say good-bye to their clients. */
#define END_GRACE_MS 500

/* A program that lived this long is started again without delay. */
#define HEALTHY_MS 1000
#define MAX_DELAY_MS 10000
/* How often to look whether a port that another server uses is free. */
#define PORT_RETRY_MS 1000

#define FIRST_DELAY_MS 100

typedef struct Program
{
	pid_t		pid;			/* 0 = not running */
	EventSource source;			/* its pidfd */
	TimestampTz end_by;			/* was asked to end by then; 0 = was not */
	TimestampTz started_at;
	TimestampTz start_after;	/* not before */
	int			delay_ms;		/* of the next start */
} Program;

static Program gateways[MAX_GATEWAYS];

/*
 * Note in shared memory what a slot is doing.  What its last process has
 * counted stays counted.
 */
static void
publish_slot(int slot)
{
	GatewaySlot *shared = &realtime_shared->gateways[slot];
	Program    *program = &gateways[slot];

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
 * Forget a program that has been reaped.
 */
static void
clear_program(int slot)
{
	Program    *program = &gateways[slot];

	jobs_forget_gateway(slot);
	bus_server_remove(slot);
	doors_remove(slot);
	presence_server_remove(slot);
	usage_server_remove(slot);
	metrics_server_remove(slot);
	events_remove(&program->source);
	close(program->source.fd);
	program->pid = 0;
	program->end_by = 0;
	publish_slot(slot);
}

/*
 * Set when a program that has ended may be started again.
 */
static void
set_delay(Program *program, TimestampTz now)
{
	if (now - program->started_at >= HEALTHY_MS * INT64CONST(1000))
		program->delay_ms = 0;
	else
		program->delay_ms = Min(Max(program->delay_ms * 2, FIRST_DELAY_MS), MAX_DELAY_MS);
	program->start_after = now + program->delay_ms * INT64CONST(1000);
}

/*
 * Say how a program ended that was not asked to.
 */
static void
log_end(int slot, int status, int delay_ms)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		ereport(WARNING,
				(errmsg("could not execute program \"%s\"", GATEWAY_PROGRAM),
				 errhint("It belongs beside the server's own programs: run \"make install\" again.")));
	else
		ereport(LOG,
				(errmsg("realtime gateway %d has ended with %s %d, starting it again",
						slot + 1, WIFSIGNALED(status) ? "signal" : "exit code",
						WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status)),
				 delay_ms > 0 ? errdetail("Waiting %d ms first.", delay_ms) : 0));
}

/*
 * A program has ended.
 */
static void
program_ended(int slot, int status)
{
	Program    *program = &gateways[slot];
	bool		asked = program->end_by != 0;

	clear_program(slot);
	if (asked)
		return;
	set_delay(program, GetCurrentTimestamp());
	shmem_count(SHARED_GATEWAY_FAILURES, 1);
	log_end(slot, status, program->delay_ms);
}

/*
 * A pidfd is readable: the program has ended.
 */
static void
pidfd_event(EventSource *source, uint32 bits)
{
	Program    *program = source->owner;
	int			status = 0;

	if (waitpid(program->pid, &status, WNOHANG) == program->pid)
		program_ended((int) (program - gateways), status);
}

/*
 * The bus or the door has lost a program that may still run: it is of no use.
 */
static void
peer_lost(int slot, const char *why)
{
	/* its pidfd tells the rest */
	if (gateways[slot].end_by == 0)
		ereport(LOG, (errmsg("realtime gateway %d %s", slot + 1, why)));
	jobs_forget_gateway(slot);
	(void) kill(gateways[slot].pid, SIGKILL);
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
 * Append a setting as key NUL value NUL.
 */
static void
add_setting(StringInfo settings, const char *key, const char *value)
{
	appendBinaryStringInfo(settings, key, (int) strlen(key) + 1);
	appendBinaryStringInfo(settings, value, (int) strlen(value) + 1);
}

/*
 * Append a number as a setting.
 */
static void
add_number(StringInfo settings, const char *key, int64 value)
{
	char		digits[32];

	snprintf(digits, sizeof(digits), INT64_FORMAT, value);
	add_setting(settings, key, digits);
}

/*
 * Append a setting that is a slice.
 */
static void
add_slice(StringInfo settings, const char *key, Slice value)
{
	appendBinaryStringInfo(settings, key, (int) strlen(key) + 1);
	if (value.len > 0)
		appendBinaryStringInfo(settings, value.data, (int) value.len);
	appendStringInfoChar(settings, '\0');
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
 * Room for all settings, so that no copy of a secret is left where a buffer was
 * before it grew.
 */
static int
settings_size(void)
{
	return (int) (jwt_config_secret().len + jwt_config_jwks().len +
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
	BusHello	hello = {0};
	StringInfoData settings;

	hello.version = BUS_VERSION;
	hello.slot = (uint32) slot;
	LWLockAcquire(realtime_shared->lock, LW_SHARED);
	hello.generation = realtime_shared->generation;
	hello.epoch = realtime_shared->epoch;
	hello.position = realtime_shared->released_lsn;
	LWLockRelease(realtime_shared->lock);

	initStringInfo(&settings);
	enlargeStringInfo(&settings, settings_size());
	add_setting(&settings, "listen_addresses", realtime_listen_addresses);
	add_number(&settings, "port", realtime_port);
	add_setting(&settings, "allowed_origins", realtime_allowed_origins);
	add_limits(&settings);
	add_admission(&settings);
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
start_gateway(int slot, TimestampTz now)
{
	Program    *program = &gateways[slot];
	int			bus_fd;
	int			door_fd;
	int			pid_fd;
	pid_t		pid = spawn_program(GATEWAY_PROGRAM, &bus_fd, &door_fd, &pid_fd);

	program->started_at = now;
	if (pid < 0)
	{
		set_delay(program, now);
		ereport(WARNING,
				(errmsg("could not start realtime gateway %d: %m", slot + 1)));
		return;
	}
	program->pid = pid;
	program->source.fd = pid_fd;
	program->source.handler = pidfd_event;
	program->source.owner = program;
	events_add(&program->source, EPOLLIN);
	bus_server_add(slot, bus_fd);
	doors_add(slot, door_fd);
	presence_server_add(slot);
	usage_server_add(slot);
	publish_slot(slot);
	send_config(slot);
}

/*
 * End a gateway that is no longer wanted: politely, then not.  Its pidfd tells
 * when it is gone.  Returns the milliseconds until it should be looked at again.
 */
static long
end_gateway(Program *program, TimestampTz now)
{
	if (program->end_by == 0)
	{
		program->end_by = now + END_GRACE_MS * INT64CONST(1000);
		(void) kill(program->pid, SIGTERM);
	}
	else if (program->end_by <= now)
		(void) kill(program->pid, SIGKILL);
	return END_GRACE_MS;
}

/*
 * The hub is ending, in whatever way: take the programs along.
 */
static void
end_all(int code, Datum arg)
{
	TimestampTz deadline = GetCurrentTimestamp() + END_GRACE_MS * INT64CONST(1000);

	for (int i = 0; i < MAX_GATEWAYS; i++)
	{
		if (gateways[i].pid != 0)
			(void) kill(gateways[i].pid, SIGTERM);
	}
	for (int i = 0; i < MAX_GATEWAYS; i++)
	{
		long		left = (long) ((deadline - GetCurrentTimestamp()) / 1000);

		if (gateways[i].pid == 0)
			continue;
		(void) spawn_end(gateways[i].pid, gateways[i].source.fd, (int) Max(left, 0));
		gateways[i].pid = 0;
	}
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
	on_proc_exit(end_all, (Datum) 0);
}

/*
 * Have as many gateways as are wanted.
 */
long
programs_tick(TimestampTz now)
{
	long		soonest = -1;

	for (int i = 0; i < MAX_GATEWAYS; i++)
	{
		Program    *program = &gateways[i];
		long		left = -1;

		if (i >= realtime_gateways)
		{
			if (program->pid != 0)
				left = end_gateway(program, now);
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
