/*
 * Where the passphrase of the key files comes from: a file, an open descriptor, a
 * systemd credential, or a person at the terminal; of these exactly one.
 */
#ifndef STELE_CRYPTO_PASSPHRASE_H
#define STELE_CRYPTO_PASSPHRASE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/buf.h"

#define PASSPHRASE_NO_FD UINT64_MAX

struct passphrase_source {
	const char *file; /* its first line; NULL: no */
	uint64_t fd;      /* what can be read from it, up to a newline; PASSPHRASE_NO_FD: no */
	bool prompt;      /* asked for on the controlling terminal */
	bool twice;       /* the prompt asks again: something new will be sealed with it */
};

/*
 * Appends the passphrase to the empty out, with a NUL that n does not count; the caller calls
 * passphrase_wipe, whatever happens. When none of the three is given, the systemd credential
 * "stele.passphrase" is taken if the service was given it ($CREDENTIALS_DIRECTORY); without that
 * there is none: 0, and out stays empty.
 *
 * The text is what stands before the first newline or the end, 1..LIMIT_PASSPHRASE_BYTES bytes
 * without NUL. A descriptor above 2 is closed. STELE_EINVAL with a sentence in why: more than one
 * source, one that cannot be read, or a text that is none; STELE_ENOMEM.
 */
int passphrase_read(struct buf *out, const struct passphrase_source *s, struct buf *why);

/* Wipes and frees what passphrase_read read. */
void passphrase_wipe(struct buf *text);

#endif
