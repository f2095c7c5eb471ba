/* Sources are read without stdio, whose buffers would keep the text. */
#include "crypto/passphrase.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "proto/err.h"
#include "proto/limits.h"

static const char credential[] = "stele.passphrase";

enum { CONTROL_C = 3, CONTROL_D = 4, BACKSPACE = 8, CONTROL_U = 21, DELETE = 127 };

void
passphrase_wipe(struct buf *text)
{
	if (text->p)
		explicit_bzero(text->p, text->cap);
	buf_fini(text);
}

/* The next byte: 1, 0 at the end, or -1 with errno. */
static int
next_byte(int fd, char *c)
{
	ssize_t n;

	do
		n = read(fd, c, 1);
	while (n < 0 && errno == EINTR);
	return (int)n;
}

/* What was read from the source named so is a passphrase. */
static int
check(const struct buf *out, const char *name, struct buf *why)
{
	if (out->n == 0)
		buf_printf(why, "%s: its first line is empty", name);
	else if (out->n > LIMIT_PASSPHRASE_BYTES)
		buf_printf(why, "%s: a passphrase has at most %u bytes", name,
			   LIMIT_PASSPHRASE_BYTES);
	else if (memchr(out->p, 0, out->n))
		buf_printf(why, "%s: a passphrase has no NUL bytes", name);
	else
		return 0;
	return STELE_EINVAL;
}

/* There is room for one byte more than check lets pass. */
static void
take(struct buf *out, char c)
{
	if (out->n <= LIMIT_PASSPHRASE_BYTES)
		out->p[out->n++] = (uint8_t)c;
}

/* --- files and descriptors -------------------------------------------------------------- */

static int
read_line(struct buf *out, int fd, const char *name, struct buf *why)
{
	char c = 0;
	int n;

	while ((n = next_byte(fd, &c)) == 1 && c != '\n')
		take(out, c);
	explicit_bzero(&c, sizeof c);
	if (n >= 0)
		return check(out, name, why);
	buf_printf(why, "%s: cannot read a passphrase from it: %s", name, strerror(errno));
	return STELE_EINVAL;
}

static int
read_file(struct buf *out, const char *path, struct buf *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err;

	if (fd < 0) {
		buf_printf(why, "%s: cannot read a passphrase from it: %s", path, strerror(errno));
		return STELE_EINVAL;
	}
	err = read_line(out, fd, path, why);
	close(fd);
	return err;
}

static int
read_fd(struct buf *out, uint64_t fd, struct buf *why)
{
	char name[48];
	int err;

	snprintf(name, sizeof name, "file descriptor %llu", (unsigned long long)fd);
	if (fd > INT_MAX || fcntl((int)fd, F_GETFD) < 0) {
		buf_printf(why, "%s: it is not open", name);
		return STELE_EINVAL;
	}
	err = read_line(out, (int)fd, name, why);
	if (fd > STDERR_FILENO)
		close((int)fd);
	return err;
}

/* --- the terminal ----------------------------------------------------------------------- */

/*
 * What ends a process waits while nothing is shown on the terminal, which is put back first.
 */
struct terminal {
	int fd;
	int ends; /* a descriptor: readable when such a signal waits */
	sigset_t mask_before;
	struct termios before;
};

static void
tell(int tty, const char *text)
{
	size_t n = strlen(text);

	while (n) {
		ssize_t done = write(tty, text, n);
		if (done < 0 && errno != EINTR)
			return; /* a terminal that shows nothing can still be typed at */
		if (done > 0) {
			text += done;
			n -= (size_t)done;
		}
	}
}

/* The next key: 1; or it is over, by a signal too, which still waits. */
static int
next_key(const struct terminal *t, char *c)
{
	struct pollfd on[] = {{.fd = t->fd, .events = POLLIN}, {.fd = t->ends, .events = POLLIN}};
	int n;

	do
		n = poll(on, 2, -1);
	while (n < 0 && errno == EINTR);
	return n > 0 && !on[1].revents ? next_byte(t->fd, c) : 0;
}

/* Keys up to Enter, none of which is shown: 0, or STELE_EINVAL when it is given up. */
static int
read_keys(struct buf *out, const struct terminal *t)
{
	char c;

	while (next_key(t, &c) == 1) {
		if (c == '\n' || c == '\r')
			return 0;
		if (c == CONTROL_C || (c == CONTROL_D && out->n == 0))
			return STELE_EINVAL;
		if (c == CONTROL_U)
			out->n = 0;
		else if (c != BACKSPACE && c != DELETE)
			take(out, c);
		else if (out->n)
			out->n--;
	}
	return STELE_EINVAL;
}

static int
ask(struct buf *out, const struct terminal *t, const char *question)
{
	int err;

	tell(t->fd, question);
	err = read_keys(out, t);
	tell(t->fd, "\n");
	return err;
}

/* What was asked for, asked for again. */
static int
ask_again(const struct buf *first, const struct terminal *t, struct buf *why)
{
	struct buf again;
	int err;

	buf_init(&again);
	err = buf_reserve(&again, LIMIT_PASSPHRASE_BYTES + 2) ? STELE_ENOMEM
							      : ask(&again, t, "Again: ");
	if (err == 0 && !slice_eq(buf_slice(first), buf_slice(&again))) {
		buf_printf(why, "the passphrase was not the same twice");
		err = STELE_EINVAL;
	}
	passphrase_wipe(&again);
	return err;
}

static void
close_terminal(struct terminal *t)
{
	if (t->ends >= 0) {
		(void)tcsetattr(t->fd, TCSAFLUSH, &t->before);
		(void)sigprocmask(SIG_SETMASK, &t->mask_before, NULL); /* now it ends, if it must */
		close(t->ends);
	}
	if (t->fd >= 0)
		close(t->fd);
}

/* The controlling terminal, on which nothing is shown: false when there is none. */
static bool
open_terminal(struct terminal *t)
{
	struct termios quiet;
	sigset_t ends;

	t->ends = -1;
	t->fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (t->fd < 0 || tcgetattr(t->fd, &t->before) != 0)
		return false;
	sigemptyset(&ends);
	sigaddset(&ends, SIGHUP);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGQUIT);
	sigaddset(&ends, SIGTERM);
	t->ends = signalfd(-1, &ends, SFD_CLOEXEC);
	if (t->ends < 0)
		return false;
	(void)sigprocmask(SIG_BLOCK, &ends, &t->mask_before);
	quiet = t->before;
	quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL | ICANON | ISIG);
	quiet.c_cc[VMIN] = 1;
	quiet.c_cc[VTIME] = 0;
	return tcsetattr(t->fd, TCSAFLUSH, &quiet) == 0;
}

static int
prompt(struct buf *out, bool twice, struct buf *why)
{
	struct terminal t;
	int err = STELE_EINVAL;

	if (open_terminal(&t)) {
		err = ask(out, &t,
			  twice ? "New passphrase of the key files: "
				: "Passphrase of the key files: ");
		if (err == 0)
			err = check(out, "the passphrase", why);
		if (err == 0 && twice)
			err = ask_again(out, &t, why);
		if (err == STELE_EINVAL && why->n == 0)
			buf_printf(why, "no passphrase was given");
	} else {
		buf_printf(why, "there is no terminal to ask for the passphrase on: give it with a "
				"file or a descriptor");
	}
	if (err != 0) /* closing may be the end */
		explicit_bzero(out->p, out->cap);
	close_terminal(&t);
	return err;
}

/* --- all of it ---------------------------------------------------------------------------- */

/* The credential's path when the service has it, else "". */
static int
find_credential(char path[PATH_MAX])
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");

	path[0] = '\0';
	if (!dir || !*dir)
		return 0;
	if (snprintf(path, PATH_MAX, "%s/%s", dir, credential) >= PATH_MAX)
		return STELE_ELIMIT;
	if (access(path, F_OK) != 0 && errno == ENOENT)
		path[0] = '\0';
	return 0;
}

int
passphrase_read(struct buf *out, const struct passphrase_source *s, struct buf *why)
{
	bool has_fd = s->fd != PASSPHRASE_NO_FD;
	char path[PATH_MAX];
	int n, err = find_credential(path);

	if (err != 0)
		return err;
	n = (s->file != NULL) + has_fd + s->prompt + (path[0] != '\0');
	if (n > 1) {
		buf_printf(why, "the passphrase has %d sources,%s%s%s%s: give it exactly one", n,
			   s->file ? " a file" : "", has_fd ? " a descriptor" : "",
			   s->prompt ? " a prompt" : "", path[0] ? " the credential" : "");
		return STELE_EINVAL;
	}
	if (n == 0)
		return 0;
	if (buf_reserve(out, LIMIT_PASSPHRASE_BYTES + 2) != 0) /* it never moves */
		return STELE_ENOMEM;
	if (s->prompt)
		err = prompt(out, s->twice, why);
	else
		err = has_fd ? read_fd(out, s->fd, why)
			     : read_file(out, s->file ? s->file : path, why);
	if (err == 0) /* what was typed and taken back leaves, too */
		explicit_bzero(out->p + out->n, out->cap - out->n);
	return err;
}
