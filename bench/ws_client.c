/*-------------------------------------------------------------------------
 *
 * ws_client.c
 *	  A client's end of a WebSocket connection, as simple as it can be.
 *
 * For programs that measure the server and want to cost little themselves.
 *
 * bench/ws_client.c
 *
 *-------------------------------------------------------------------------
 */
#include "ws_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "support.h"

#define HEAD_BYTES 8

/*
 * Connect and ask.
 */
int
ws_connect(int64 port, const char *target)
{
	struct sockaddr_in address = {0};
	const int	on = 1;
	char		request[8192];
	int			len;
	int			fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_family = AF_INET;
	address.sin_port = htons((uint16) port);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || connect(fd, (struct sockaddr *) &address, sizeof(address)) != 0)
		fatal("cannot connect: %m");
	(void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	len = snprintf(request, sizeof(request),
				   "GET %s HTTP/1.1\r\nHost: localhost\r\n"
				   "Upgrade: websocket\r\nConnection: Upgrade\r\n"
				   "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
				   target);
	if (len >= (int) sizeof(request) || send(fd, request, len, MSG_NOSIGNAL) != len)
		fatal("could not ask for the upgrade");
	return fd;
}

/*
 * Send a frame.  The mask is zero, which RFC 6455 has no word against.
 */
void
ws_send_text(int fd, const char *text)
{
	size_t		len = strlen(text);
	char		frame[1024];
	size_t		pos = 0;

	if (len > sizeof(frame) - HEAD_BYTES)
		fatal("a frame is too long");
	frame[pos++] = (char) 0x81;
	if (len < 126)
		frame[pos++] = (char) (0x80 | len);
	else
	{
		frame[pos++] = (char) (0x80 | 126);
		frame[pos++] = (char) (len >> 8);
		frame[pos++] = (char) (len & 0xff);
	}
	memset(frame + pos, 0, 4);
	memcpy(frame + pos + 4, text, len);
	if (send(fd, frame, pos + 4 + len, MSG_NOSIGNAL) != (ssize_t) (pos + 4 + len))
		fatal("send: %m");
}
