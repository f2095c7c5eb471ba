/* One name and one seed. */
#include "crypto/identity.h"

#include <string.h>
#include <unistd.h>

#include "crypto/random.h"
#include "proto/err.h"
#include "proto/limits.h"

int
identity_create(struct signer **out, const char *path, struct slice server_name,
		struct keyfile_seal *seal, struct sha256 *h)
{
	uint8_t seed[SIGN_SEED_BYTES];
	struct signer *s;
	struct buf body;
	int r;

	if (server_name.n > LIMIT_SERVER_NAME_BYTES)
		return STELE_EINVAL;
	if (access(path, F_OK) == 0)
		return STELE_EEXIST;
	random_bytes(seed, sizeof seed);
	r = signer_new(&s, h, server_name, seed);
	if (r != 0)
		goto out;
	buf_init(&body);
	buf_reserve(&body, 1 + LIMIT_SERVER_NAME_BYTES + sizeof seed);
	buf_put_u8(&body, (uint8_t)server_name.n);
	buf_put_slice(&body, server_name);
	buf_put(&body, seed, sizeof seed);
	r = body.err;
	if (r == 0)
		r = keyfile_write(path, buf_slice(&body), seal);
	keyfile_wipe(&body);
	if (r == 0)
		*out = s;
	else
		signer_free(s);
out:
	explicit_bzero(seed, sizeof seed);
	return r;
}

int
identity_open(struct signer **out, const char *path, struct keyfile_seal *seal, struct sha256 *h)
{
	struct buf body;
	size_t n;
	int r;

	buf_init(&body);
	r = keyfile_read(path, &body, seal);
	n = body.n ? body.p[0] : 0;
	if (r == 0 && (n == 0 || n > LIMIT_SERVER_NAME_BYTES || body.n != 1 + n + SIGN_SEED_BYTES))
		r = STELE_EDAMAGED;
	if (r == 0)
		r = signer_new(out, h, slice_of(body.p + 1, n), body.p + 1 + n);
	if (r == STELE_EINVAL)
		r = STELE_EDAMAGED; /* a name no key can have */
	keyfile_wipe(&body);
	return r;
}
