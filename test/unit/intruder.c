/*-------------------------------------------------------------------------
 *
 * intruder.c
 *	  Code in a gateway that does what no gateway would.
 *
 * A library for LD_PRELOAD (test/t/145_sandbox.pl): it stands for code that
 * somebody has smuggled in.  Each of its signals makes it do one deed, in the
 * middle of whatever the gateway is doing.
 *
 * test/unit/intruder.c
 *
 *-------------------------------------------------------------------------
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * Do the deed of a signal.
 */
static void
intrude(int signo)
{
	char		name[] = "true";
	char	   *argv[] = {name, NULL};

	switch (signo)
	{
		case SIGUSR1:
			(void) open("/etc/passwd", O_RDONLY);
			break;
		case SIGUSR2:
			(void) socket(AF_INET, SOCK_STREAM, 0);
			break;
		case SIGHUP:
			(void) execve("/bin/true", argv, NULL);
			break;
	}
}

/*
 * Runs before main().
 */
static void __attribute__((constructor))
come_in(void)
{
	(void) signal(SIGUSR1, intrude);
	(void) signal(SIGUSR2, intrude);
	(void) signal(SIGHUP, intrude);
}
