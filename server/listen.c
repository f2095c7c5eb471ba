/*
 * Several loops share one address by SO_REUSEPORT, which would also let a
 * second steled of the same user share it and take half of the connections:
 * so the address is first tried without.
 */
#include "server/listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/err.h"

static int
bind_one(struct config *c, bool shared)
{
	struct sockaddr *a = (struct sockaddr *)&c->address;
	int fd = socket(a->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1, err;

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
	    (!shared || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0) &&
	    bind(fd, a, c->address_len) == 0 && getsockname(fd, a, &c->address_len) == 0)
		return fd;
	err = errno;
	close(fd);
	errno = err;
	return -1;
}

/* True when nobody listens there. Port 0 cannot be taken. */
static bool
is_free(struct config *c)
{
	/* the port lies at the same place for both families */
	bool any = ((struct sockaddr_in *)&c->address)->sin_port == 0;
	int fd, rc, err;

	if (any)
		return true;
	fd = bind_one(c, false);
	if (fd < 0)
		return false;
	rc = listen(fd, 1);
	err = errno;
	close(fd);
	errno = err;
	return rc == 0;
}

int
listen_bind(struct config *c, int *fds, struct buf *why)
{
	uint64_t i = 0;

	if (is_free(c)) {
		for (; i < c->loops; i++) {
			fds[i] = bind_one(c, c->loops > 1);
			if (fds[i] < 0)
				break;
		}
	}
	if (i == c->loops)
		return 0;
	buf_printf(why, "Cannot listen on %s: %s.", c->listen, strerror(errno));
	while (i > 0)
		close(fds[--i]);
	return STELE_EIO;
}
