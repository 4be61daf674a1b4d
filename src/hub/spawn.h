/*-------------------------------------------------------------------------
 *
 * spawn.h
 *	  Fork and exec a program that holds one end of a bus, and of a door.
 *
 * src/hub/spawn.h
 *
 *-------------------------------------------------------------------------
 */
#ifndef REALTIME_SPAWN_H
#define REALTIME_SPAWN_H

/*
 * Start the program of this name, which is installed beside the server's.
 *
 * Returns its pid, with the hub's end of the bus in *bus_fd, that of the door
 * (proto/handover_message.h) in *door_fd unless door_fd is NULL, which starts one without,
 * and a pidfd in *pid_fd, all close-on-exec; or -1 with errno set.  A program that
 * cannot be executed shows as one that ends at once with exit code 127.
 */
extern pid_t spawn_program(const char *name, int *bus_fd, int *door_fd, int *pid_fd);

/*
 * End a program and reap it: SIGTERM, at most grace_ms, SIGKILL.  Returns the
 * wait status.
 */
extern int	spawn_end(pid_t pid, int pid_fd, int grace_ms);

#endif							/* REALTIME_SPAWN_H */
