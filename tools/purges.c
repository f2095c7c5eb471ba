/* Each receipt is a whole file; crypto/receipt.h decides. */
#include "tools/purges.h"

#include <string.h>

#include "crypto/receipt.h"
#include "crypto/sha256.h"
#include "proto/err.h"

static int
read_one(struct purges *p, const char *file)
{
	struct buf text, why;
	int rc;

	buf_init(&text);
	buf_init(&why);
	rc = cli_read_file(&text, file, LIMIT_RECEIPT_FILE_BYTES);
	if (rc == CLI_GO && receipt_json_read(&p->receipts[p->n], buf_slice(&text), &why) != 0) {
		cli_say("%s: %.*s", file, (int)why.n, why.n ? (const char *)why.p : "");
		rc = CLI_USAGE;
	} else if (rc == CLI_GO) {
		p->file[p->n++] = file;
	}
	buf_fini(&text);
	buf_fini(&why);
	return rc;
}

int
purges_read(struct purges *p, const struct cli_texts *files)
{
	int rc = CLI_GO;

	p->n = 0;
	for (size_t i = 0; rc == CLI_GO && i < files->n; i++)
		rc = read_one(p, files->text[i]);
	return rc;
}

void
purges_fini(struct purges *p)
{
	for (size_t i = 0; i < p->n; i++)
		receipt_json_fini(&p->receipts[i]);
}

/* The name of the entry's log is what follows the server's in its origin. */
static void
take(struct restore_purge *out, const struct receipt_json *d, const struct receipt_verdict *v)
{
	const struct entry *e = &v->entry;
	size_t n = 0;

	while (n < e->origin.n && n < LIMIT_LOG_NAME_BYTES &&
	       e->origin.p[e->origin.n - n - 1] != '/')
		n++;
	memcpy(out->log, e->origin.p + e->origin.n - n, n);
	out->log[n] = '\0';
	out->entry = e->index;
	out->payload = d->receipt.payload;
	memcpy(out->key, v->key.public_key, sizeof out->key);
	out->epoch = v->epoch;
	out->first_size = v->first_size;
}

static int
check_one(struct purges *p, size_t i, const char *identity, struct sha256 *h, struct buf *why)
{
	struct receipt_json *d = &p->receipts[i];
	struct receipt_trust trust;
	struct receipt_verdict v;
	int err = receipt_trust_init(&trust, h, slice_str(identity));

	if (err) {
		buf_printf(why, "the identity of the backup cannot be read: %s",
			   stele_strerror(err));
		return err;
	}
	buf_printf(why, "%s is not to be believed: ", p->file[i]);
	err = receipt_json_trust(d, true, &trust, why);
	if (err)
		return err;
	if (receipt_check(h, &d->receipt, &trust, &v) != 0) {
		buf_put_str(why, v.why);
		return STELE_EVERIFY;
	}
	if (v.entry.kind != ENTRY_PURGE || !v.payload_checked) {
		buf_put_str(why, "it is not the receipt of a purge entry, with its payload");
		return STELE_EVERIFY;
	}
	buf_reset(why);
	take(&p->purge[i], d, &v);
	return 0;
}

int
purges_check(struct purges *p, const char *identity_vkey, struct buf *why)
{
	struct sha256 *h = sha256_new();
	int err = h ? 0 : STELE_ENOMEM;

	for (size_t i = 0; err == 0 && i < p->n; i++)
		err = check_one(p, i, identity_vkey, h, why);
	sha256_free(h);
	return err;
}
