/* Members are fetched one by one; a missing one is left empty, and checking then says so. */
#include "verify/receipt_json.h"

#include <string.h>

#include "proto/base64.h"
#include "proto/err.h"

static int
bad(struct buf *why, const char *member, const char *must)
{
	buf_printf(why, "its member \"%s\" is not %s", member, must);
	return STELE_ESYNTAX;
}

/* A string member; empty when it is not there. */
static int
text_member(struct slice *out, const json_t *doc, const char *name, struct buf *why)
{
	const json_t *v = json_object_get(doc, name);

	*out = slice_of("", 0);
	if (!v)
		return 0;
	if (!json_is_string(v))
		return bad(why, name, "a string");
	*out = slice_of(json_string_value(v), json_string_length(v));
	return 0;
}

static int
integer_member(uint64_t *out, bool *has, const json_t *doc, const char *name, struct buf *why)
{
	const json_t *v = json_object_get(doc, name);

	*has = v != NULL;
	if (!v)
		return 0;
	if (!json_is_integer(v) || json_integer_value(v) < 0)
		return bad(why, name, "a whole number from 0");
	*out = (uint64_t)json_integer_value(v);
	return 0;
}

static int
hashes_member(uint8_t (*out)[SHA256_BYTES], size_t *n, const json_t *doc, const char *name,
	      struct buf *why)
{
	const json_t *v = json_object_get(doc, name);

	*n = 0;
	if (!v)
		return 0;
	if (!json_is_array(v) || json_array_size(v) > LIMIT_PROOF_HASHES)
		return bad(why, name, "a list of at most 64 hashes");
	for (size_t i = 0; i < json_array_size(v); i++) {
		const json_t *hash = json_array_get(v, i);

		if (!json_is_string(hash) ||
		    base64_decode_exact(
			    out[i], SHA256_BYTES,
			    slice_of(json_string_value(hash), json_string_length(hash))))
			return bad(why, name, "a list of SHA-256 hashes in base64");
	}
	*n = json_array_size(v);
	return 0;
}

static int
entry_member(struct receipt_json *d, struct buf *why)
{
	struct slice entry;
	int err = text_member(&entry, d->doc, "entry", why);

	if (err)
		return err;
	if (entry.n > LIMIT_ENTRY_BYTES)
		return bad(why, "entry", "an entry: those are below 1 KiB");
	memcpy(d->receipt.proof.entry, entry.p, entry.n);
	d->receipt.proof.entry_n = entry.n;
	return 0;
}

static int
salt_member(struct receipt_json *d, struct buf *why)
{
	struct slice salt;
	int err = text_member(&salt, d->doc, "salt", why);

	if (err || salt.n == 0)
		return err;
	if (base64_decode_exact(d->receipt.proof.salt, PROOF_SALT_BYTES, salt))
		return bad(why, "salt", "16 bytes in base64");
	d->receipt.has_salt = true;
	return 0;
}

static int
payload_member(struct receipt_json *d, struct buf *why)
{
	const json_t *plain = json_object_get(d->doc, "payload");
	const json_t *coded = json_object_get(d->doc, "payload_b64");
	struct slice text;
	size_t n;
	int err;

	if (plain && coded)
		return bad(why, "payload", "alone: there is \"payload_b64\" too");
	d->receipt.has_payload = plain || coded;
	err = text_member(&text, d->doc, plain ? "payload" : "payload_b64", why);
	if (err || !coded) {
		d->receipt.payload = text;
		return err;
	}
	if (buf_reserve(&d->payload, text.n + 1))
		return STELE_ENOMEM;
	if (base64_decode(d->payload.p, d->payload.cap, &n, text))
		return bad(why, "payload_b64", "base64");
	d->receipt.payload = slice_of(d->payload.p, n);
	return 0;
}

/* A list of signed notes, as many as out takes. */
static int
notes_member(struct slice *out, size_t *n, size_t most, const json_t *doc, const char *name,
	     struct buf *why)
{
	const json_t *list = json_object_get(doc, name), *note;
	size_t i;

	if (!list)
		return 0;
	if (!json_is_array(list) || json_array_size(list) > most) {
		buf_printf(why, "its member \"%s\" is not a list of at most %zu notes", name, most);
		return STELE_ESYNTAX;
	}
	json_array_foreach(list, i, note)
	{
		if (!json_is_string(note))
			return bad(why, name, "a list of signed notes");
		out[(*n)++] = slice_of(json_string_value(note), json_string_length(note));
	}
	return 0;
}

static int
consistency_member(struct receipt_json *d, struct buf *why)
{
	const json_t *c = json_object_get(d->doc, "consistency");
	bool from, to;
	int err;

	if (!c)
		return 0;
	if (!json_is_object(c))
		return bad(why, "consistency", "an object");
	err = integer_member(&d->from, &from, c, "from", why);
	if (!err)
		err = integer_member(&d->to, &to, c, "to", why);
	if (!err)
		err = hashes_member(d->consistency, &d->n_consistency, c, "proof", why);
	if (!err && !(from && to))
		return bad(why, "consistency", "complete: it needs from, to and proof");
	d->has_consistency = !err;
	return err;
}

static bool
is_record(const json_t *doc)
{
	static const char *const members[] = {"entry",       "salt",  "payload",
					      "payload_b64", "index", "proof"};

	for (size_t i = 0; i < sizeof members / sizeof *members; i++)
		if (json_object_get(doc, members[i]))
			return true;
	return false;
}

static int
read_members(struct receipt_json *d, struct buf *why)
{
	struct receipt *r = &d->receipt;
	int err = entry_member(d, why);

	if (!err)
		err = salt_member(d, why);
	if (!err)
		err = payload_member(d, why);
	if (!err)
		err = text_member(&r->proof.checkpoint, d->doc, "checkpoint", why);
	if (!err)
		err = hashes_member(r->proof.hashes, &r->proof.n_hashes, d->doc, "proof", why);
	if (!err)
		err = integer_member(&r->proof.index, &r->has_index, d->doc, "index", why);
	if (!err)
		err = text_member(&r->log, d->doc, "log", why);
	if (!err)
		err = text_member(&r->origin, d->doc, "origin", why);
	if (!err)
		err = text_member(&r->time, d->doc, "time", why);
	if (!err)
		err = text_member(&r->media_type, d->doc, "media_type", why);
	if (!err)
		err = integer_member(&d->line, &d->has_line, d->doc, "line", why);
	if (!err)
		err = notes_member(d->keys, &d->n_keys, LIMIT_STATEMENTS, d->doc, "keys", why);
	if (!err)
		err = notes_member(d->identities, &d->n_identities, LIMIT_SUCCESSIONS, d->doc,
				   "identities", why);
	return err ? err : consistency_member(d, why);
}

int
receipt_json_read(struct receipt_json *d, struct slice text, struct buf *why)
{
	json_error_t where;
	int err;

	memset(d, 0, sizeof *d);
	buf_init(&d->payload);
	d->doc = json_loadb((const char *)text.p, text.n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL,
			    &where);
	if (!d->doc) {
		buf_printf(why, "it is not JSON: %s at byte %d", where.text, where.position);
		return STELE_ESYNTAX;
	}
	if (!json_is_object(d->doc)) {
		buf_put_str(why, "it is JSON, but not an object as receipts are");
		err = STELE_ESYNTAX;
	} else {
		d->is_record = is_record(d->doc);
		err = read_members(d, why);
	}
	if (err)
		receipt_json_fini(d);
	return err;
}

void
receipt_json_fini(struct receipt_json *d)
{
	json_decref(d->doc);
	d->doc = NULL;
	buf_fini(&d->payload);
}

int
receipt_json_trust(const struct receipt_json *d, bool successions, struct receipt_trust *trust,
		   struct buf *why)
{
	int err = 0;

	for (size_t i = 0; err == 0 && i < d->n_keys; i++)
		err = receipt_trust_statement(trust, d->keys[i]);
	for (size_t i = 0; err == 0 && successions && i < d->n_identities; i++)
		err = receipt_trust_succession(trust, d->identities[i]);
	if (err)
		buf_printf(
			why,
			"it and --keys bring more than %u key statements or %u succession notes; "
			"give --keys only those of its log",
			LIMIT_STATEMENTS, LIMIT_SUCCESSIONS);
	return err;
}
