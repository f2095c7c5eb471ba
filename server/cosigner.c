/* One request, in the order in which the document asks what is wrong with it. */
#include "server/cosigner.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/merkle.h"
#include "proto/addcheckpoint.h"
#include "proto/checkpoint.h"
#include "proto/err.h"
#include "proto/timestamp.h"
#include "server/audit.h"
#include "server/cosigner_state.h"
#include "server/server.h"
#include "storage/file.h"
#include "storage/store.h"

#define SECOND_NS INT64_C(1000000000)

struct cosigner_log *
cosigner_find(struct cosigner *c, struct slice origin)
{
	size_t from = 0, to = c->n;

	while (from < to) {
		size_t mid = from + (to - from) / 2;
		struct slice at = c->logs[mid].origin;
		int d = memcmp(at.p, origin.p, at.n < origin.n ? at.n : origin.n);

		if (d == 0 && at.n == origin.n)
			return &c->logs[mid];
		if (d < 0 || (d == 0 && at.n < origin.n))
			from = mid + 1;
		else
			to = mid;
	}
	return NULL;
}

int
cosigner_path(const struct cosigner *c, struct sha256 *h, const struct cosigner_log *l,
	      char out[LIMIT_PATH_BYTES])
{
	uint8_t hash[SHA256_BYTES];
	char hex[2 * SHA256_BYTES + 1];

	sha256_hash(h, hash, l->origin);
	for (size_t i = 0; i < sizeof hash; i++)
		snprintf(hex + 2 * i, 3, "%02x", hash[i]);
	return snprintf(out, LIMIT_PATH_BYTES, "%s/witness/%s.note", store_dir(c->s->store), hex) <
			       (int)LIMIT_PATH_BYTES
		       ? 0
		       : STELE_ELIMIT;
}

/* --- a log that has signed two trees
 * -------------------------------------------------------------- */

/* Its two signatures are the proof: the checkpoint is in the record, the other in our file. */
static void
record_fork(struct cosigner *c, struct cosigner_log *l, const struct checkpoint *got,
	    struct slice signed_note)
{
	struct buf b;

	atomic_fetch_add(&c->forks, 1);
	fprintf(stderr,
		"steled: error: witness: a log whose key is known has signed two trees of %" PRIu64
		" entries: `_system` has the second checkpoint\n",
		got->size);
	buf_init(&b);
	buf_put_str(&b, "{\"type\":\"witness.fork\",\"origin\":");
	buf_put_json_str(&b, l->origin);
	buf_printf(&b, ",\"size\":%" PRIu64 ",\"seen_root\":\"", got->size);
	buf_put_base64(&b, l->root, sizeof l->root);
	buf_put_str(&b, "\",\"root\":\"");
	buf_put_base64(&b, got->root, sizeof got->root);
	buf_put_u8(&b, '"');
	if (signed_note.n <= LIMIT_WITNESS_FORK_BYTES) {
		buf_put_str(&b, ",\"checkpoint\":");
		buf_put_json_str(&b, signed_note);
	}
	buf_put_u8(&b, '}');
	if (b.err == 0)
		audit_event(c->s->audit, buf_slice(&b));
	buf_fini(&b);
}

/* --- cosigning
 * -------------------------------------------------------------------------------------- */

/* The text, the log's signatures that were verified, one of each key, so that they are as few as a
 * note may have; our line. */
static void
put_state(struct buf *out, const struct cosigner_log *l, const struct note *note, struct slice line)
{
	buf_put_slice(out, note->text);
	buf_put_u8(out, '\n');
	for (size_t k = 0; k < l->n_keys; k++) {
		for (size_t i = 0; i < note->n_signatures; i++) {
			const struct note_signature *sig = &note->signatures[i];

			if (memcmp(sig->key_id, l->keys[k].key_id, NOTE_KEY_ID_BYTES) != 0 ||
			    !slice_eq(sig->name, l->keys[k].name))
				continue;
			buf_put_str(out, "\xe2\x80\x94 ");
			buf_put_slice(out, sig->name);
			buf_put_u8(out, ' ');
			buf_put_slice(out, sig->base64);
			buf_put_u8(out, '\n');
			break;
		}
	}
	buf_put_slice(out, line);
}

/* Flushed, then in force: under the log's lock. */
static enum cosigner_answer
advance(struct cosigner *c, struct sha256 *h, struct cosigner_log *l, const struct note *note,
	const struct checkpoint *cp, struct buf *out)
{
	uint64_t time_s = (uint64_t)(server_now_ns(c->s) / SECOND_NS);
	char path[LIMIT_PATH_BYTES];
	struct buf line, state;
	int err;

	buf_init(&line);
	buf_init(&state);
	sign_cosignature(&line, note->text, c->key, time_s);
	put_state(&state, l, note, buf_slice(&line));
	err = line.err || state.err ? STELE_ENOMEM : cosigner_path(c, h, l, path);
	if (err == 0 && cp->size != l->size)
		err = file_replace(path, state.p, state.n, 0600);
	if (err == 0) {
		l->size = cp->size;
		memcpy(l->root, cp->root, sizeof l->root);
		l->time_s = time_s;
		buf_put_slice(out, buf_slice(&line));
		err = out->err ? STELE_ENOMEM : 0; /* what is asked again is answered again */
	} else if (err != STELE_ENOMEM && !atomic_exchange(&c->failed, true)) {
		fprintf(stderr,
			"steled: error: %s/witness cannot be written (%s): nothing is cosigned until "
			"a restart\n",
			store_dir(c->s->store), stele_strerror(err));
	}
	buf_fini(&line);
	buf_fini(&state);
	return err == 0              ? COSIGNER_SIGNED
	       : err == STELE_ENOMEM ? COSIGNER_NO_MEMORY
				     : COSIGNER_FAILED;
}

/* Under the log's lock. */
static enum cosigner_answer
judge(struct cosigner *c, struct sha256 *h, struct cosigner_log *l, const struct addcheckpoint *a,
      const struct checkpoint *cp, uint64_t *size)
{
	*size = l->size;
	if (cp->size == l->size && memcmp(cp->root, l->root, sizeof l->root) != 0) {
		if (!l->forked)
			record_fork(c, l, cp, a->checkpoint);
		l->forked = true;
		return COSIGNER_OTHER_SIZE;
	}
	if (a->old != l->size)
		return COSIGNER_OTHER_SIZE;
	if (a->old == 0)
		return a->n_hashes ? COSIGNER_NO_PROOF : COSIGNER_SIGNED;
	return merkle_verify_consistency(h, a->old, l->root, cp->size, cp->root,
					 (const uint8_t(*)[32])a->hashes, a->n_hashes) == 0
		       ? COSIGNER_SIGNED
		       : COSIGNER_NO_PROOF;
}

static enum cosigner_answer
add(struct cosigner *c, struct sha256 *h, const struct addcheckpoint *a, struct buf *out,
    uint64_t *size)
{
	enum cosigner_answer answer;
	struct cosigner_log *l;
	struct checkpoint cp;
	struct note note;

	if (note_parse(&note, a->checkpoint) != 0 || checkpoint_parse(&cp, note.text) != 0)
		return COSIGNER_SYNTAX;
	l = cosigner_find(c, cp.origin);
	if (!l)
		return COSIGNER_UNKNOWN;
	if (sign_verify_note(l->keys, l->n_keys, a->checkpoint, &note, NULL) != 0)
		return COSIGNER_UNTRUSTED;
	if (a->old > cp.size)
		return COSIGNER_SYNTAX;
	if (atomic_load(&c->failed))
		return COSIGNER_FAILED;
	pthread_mutex_lock(&l->mu);
	answer = judge(c, h, l, a, &cp, size);
	if (answer == COSIGNER_SIGNED)
		answer = advance(c, h, l, &note, &cp, out);
	pthread_mutex_unlock(&l->mu);
	return answer;
}

enum cosigner_answer
cosigner_add(struct cosigner *c, struct sha256 *h, struct slice text, struct buf *out,
	     uint64_t *size)
{
	enum cosigner_answer answer = COSIGNER_NO_MEMORY;
	struct addcheckpoint *a = malloc(sizeof *a);

	if (a)
		answer = addcheckpoint_parse(a, text) == 0 ? add(c, h, a, out, size)
							   : COSIGNER_SYNTAX;
	free(a);
	atomic_fetch_add(answer == COSIGNER_SIGNED ? &c->cosigned : &c->refused, 1);
	return answer;
}

/* --- how often
 * ---------------------------------------------------------------------------------------- */

/* The generic cell rate algorithm; addresses that share a slot share its rate. */
bool
cosigner_admit(struct cosigner *c, struct slice address)
{
	uint32_t slot = 2166136261u ^ c->slots_key;
	int64_t now_ns = server_monotonic_ns(), old, next;

	for (size_t i = 0; i < address.n; i++)
		slot = (slot ^ address.p[i]) * 16777619u;
	slot = (slot ^ slot >> 16) % COSIGNER_SLOTS;
	old = atomic_load(&c->until_ns[slot]);
	do {
		int64_t from = old > now_ns ? old : now_ns;

		if (from > now_ns + SECOND_NS)
			return false;
		next = from + SECOND_NS / LIMIT_WITNESS_RATE;
	} while (!atomic_compare_exchange_weak(&c->until_ns[slot], &old, next));
	return true;
}

/* --- what it has done
 * --------------------------------------------------------------------------------- */

void
cosigner_figures(struct cosigner *c, struct cosigner_figures *out)
{
	memset(out, 0, sizeof *out);
	if (!c)
		return;
	out->logs = c->n;
	out->cosigned = atomic_load(&c->cosigned);
	out->refused = atomic_load(&c->refused);
	out->forks = atomic_load(&c->forks);
}

static void
put_seen(struct buf *out, struct cosigner_log *l)
{
	char time[TIMESTAMP_BYTES];

	buf_put_str(out, "{\"origin\":");
	buf_put_json_str(out, l->origin);
	pthread_mutex_lock(&l->mu);
	buf_printf(out, ",\"size\":%" PRIu64, l->size);
	if (l->size) {
		timestamp_format(time, (int64_t)l->time_s * SECOND_NS);
		buf_put_str(out, ",\"root\":\"");
		buf_put_base64(out, l->root, sizeof l->root);
		buf_printf(out, "\",\"time\":\"%.*s\"", TIMESTAMP_BYTES, time);
	}
	pthread_mutex_unlock(&l->mu);
	buf_put_u8(out, '}');
}

void
cosigner_put_json(struct cosigner *c, struct buf *out)
{
	if (c) {
		buf_put_str(out, "\"vkey\":");
		buf_put_json_str(out, buf_slice(&c->vkey));
		buf_put_u8(out, ',');
	}
	buf_put_str(out, "\"seen\":[");
	for (size_t i = 0; c && i < c->n; i++) {
		buf_put_str(out, i ? "," : "");
		put_seen(out, &c->logs[i]);
	}
	buf_put_u8(out, ']');
}
