/* What a command writes, to a file or to be typed again; and the passphrase that it asks for. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/cli.h"

static bool
write_all(int fd, struct slice bytes)
{
	while (bytes.n) {
		ssize_t done = write(fd, bytes.p, bytes.n);

		if (done < 0 && errno != EINTR)
			return false;
		if (done > 0)
			bytes = slice_of(bytes.p + done, bytes.n - (size_t)done);
	}
	return true;
}

int
cli_read_passphrase(struct buf *out, const struct passphrase_source *source)
{
	struct buf why;
	int err;

	buf_init(&why);
	err = passphrase_read(out, source, &why);
	if (err != 0)
		cli_say("%.*s", why.n ? (int)why.n : 13,
			why.n ? (const char *)why.p : "out of memory");
	buf_fini(&why);
	return err ? CLI_USAGE : CLI_GO;
}

int
cli_write_file(const char *path, struct slice bytes)
{
	bool is_stdout = !path || strcmp(path, "-") == 0;
	int fd = STDOUT_FILENO;
	bool good;

	if (!is_stdout)
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	fflush(stdout);
	good = fd >= 0 && write_all(fd, bytes);
	if (!is_stdout && fd >= 0 && close(fd) != 0)
		good = false;
	if (good)
		return CLI_GO;
	cli_say("cannot write %s: %s", is_stdout ? "to standard output" : path, strerror(errno));
	return CLI_USAGE;
}

int
cli_write_json(struct slice doc)
{
	int rc = cli_write_file(NULL, doc);

	if (rc == CLI_GO && (doc.n == 0 || doc.p[doc.n - 1] != '\n'))
		rc = cli_write_file(NULL, slice_str("\n"));
	return rc;
}

void
cli_put_word(struct buf *out, const char *s)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789@%+=:,./_-";

	if (*s && strspn(s, safe) == strlen(s)) {
		buf_put_str(out, s);
		return;
	}
	buf_put_u8(out, '\'');
	for (; *s; s++) {
		if (*s == '\'')
			buf_put_str(out, "'\\''");
		else
			buf_put_u8(out, (uint8_t)*s);
	}
	buf_put_u8(out, '\'');
}

void
cli_put_path(struct buf *out, const char *s)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    strchr("-._~", c))
			buf_put_u8(out, c);
		else
			buf_printf(out, "%%%02X", c);
	}
}
