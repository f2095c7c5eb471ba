/* A row of records, from the newest back. */
#include "server/timestamp_record.h"

#include <string.h>

#include "crypto/tsp.h"
#include "proto/err.h"
#include "proto/timestamp.h"
#include "server/access_state.h"
#include "server/audit.h"
#include "server/server.h"

/* --- reading -----------------------------------------------------------------------------------
 */

static bool
take_instant(const json_t *doc, const char *name, int64_t *ns)
{
	return timestamp_parse(ns, fold_text(doc, name)) == 0;
}

/* What the record's payload says, which it then owns. */
static int
take(struct timestamp_record *r)
{
	const json_t *doc = r->doc, *size = json_object_get(doc, "size"),
		     *before = json_object_get(doc, "before");

	r->authority = json_string_value(json_object_get(doc, "authority"));
	r->name = json_string_value(json_object_get(doc, "name"));
	r->serial = json_string_value(json_object_get(doc, "serial"));
	r->trusted = json_is_true(json_object_get(doc, "trusted"));
	r->checkpoint = fold_text(doc, "checkpoint");
	r->token = fold_text(doc, "token");
	r->size = (uint64_t)json_integer_value(size);
	r->before = before ? json_integer_value(before) : -1;
	if (!slice_eq_str(fold_text(doc, "type"), "timestamp") || !r->authority || !r->name ||
	    !r->serial || !json_is_integer(size) || r->size == 0 || r->size > r->index ||
	    (before && (!json_is_integer(before) || r->before < 0)) ||
	    r->before >= (int64_t)r->index || !take_instant(doc, "time", &r->time_ns) ||
	    !take_instant(doc, "expires", &r->expires_ns))
		return STELE_ENOTFOUND;
	return 0;
}

int
timestamp_record_read(struct trail *t, uint64_t index, struct timestamp_record *out)
{
	struct timestamp_record got = {.index = index};
	struct arena arena;
	struct record r;
	int err;

	arena_init(&arena);
	err = trail_read(t, index, &arena, &r);
	if (err == 0) {
		got.doc = json_loadb((const char *)r.payload.p, r.payload.n, 0, NULL);
		err = got.doc ? take(&got) : STELE_ENOTFOUND;
	}
	if (err == 0)
		*out = got;
	else
		json_decref(got.doc);
	arena_fini(&arena);
	return err;
}

void
timestamp_record_fini(struct timestamp_record *r)
{
	json_decref(r->doc);
	*r = (struct timestamp_record){.before = -1};
}

/* Of the records of that time the last that is one. */
int
timestamp_record_newest(struct trail *t, struct timestamp_record *out)
{
	int64_t time_ns = access_newest_timestamp(audit_access(t->s->audit));
	uint64_t first = 0, end = 0;
	int err = time_ns ? trail_first_at(t, time_ns, &first) : STELE_ENOTFOUND;

	if (err == 0)
		err = trail_first_at(t, time_ns + 1, &end);
	while (err == 0 && end > first) {
		err = timestamp_record_read(t, --end, out);
		if (err != STELE_ENOTFOUND)
			return err;
		err = 0; /* another record of that time */
	}
	return err ? err : STELE_ENOTFOUND;
}

int
timestamp_record_before(struct trail *t, struct timestamp_record *r)
{
	struct timestamp_record before;
	int err = r->before < 0 ? STELE_ENOTFOUND
				: timestamp_record_read(t, (uint64_t)r->before, &before);

	if (err != 0)
		return err == STELE_ENOTFOUND && r->before >= 0 ? STELE_EDAMAGED : err;
	timestamp_record_fini(r);
	*r = before;
	return 0;
}

/* --- writing -----------------------------------------------------------------------------------
 */

json_t *
timestamp_record_act(const char *authority, uint64_t size, struct slice checkpoint,
		     const struct tsp_token *said, struct slice response, int64_t before)
{
	char time[TIMESTAMP_BYTES], expires[TIMESTAMP_BYTES];
	struct buf token;
	json_t *act;

	timestamp_format(time, said->time_ns);
	timestamp_format(expires, said->expires_ns);
	buf_init(&token);
	buf_put_base64(&token, response.p, response.n);
	act = token.err ? NULL
			: json_pack("{s:s, s:s, s:I, s:s%, s:s%, s:s, s:s, s:s%, s:b, s:s%}",
				    "type", "timestamp", "authority", authority, "size",
				    (json_int_t)size, "checkpoint", checkpoint.p, checkpoint.n,
				    "time", time, sizeof time, "name", said->name, "serial",
				    said->serial, "expires", expires, sizeof expires, "trusted",
				    said->trusted, "token", token.p, token.n);
	buf_fini(&token);
	if (act && before >= 0)
		json_object_set_new(act, "before", json_integer(before));
	return act;
}

/* --- in the state ------------------------------------------------------------------------------
 */

int
fold_timestamp(const struct fold *f, const json_t *act)
{
	(void)act;
	if (f->dry)
		return 0;
	pthread_rwlock_wrlock(&f->a->lock);
	f->a->newest_timestamp_ns = f->time_ns;
	pthread_rwlock_unlock(&f->a->lock);
	return 0;
}

int64_t
access_newest_timestamp(struct access *a)
{
	int64_t ns;

	pthread_rwlock_rdlock(&a->lock);
	ns = a->newest_timestamp_ns;
	pthread_rwlock_unlock(&a->lock);
	return ns;
}

void
access_encode_timestamps(const struct access *a, struct buf *out)
{
	buf_printf(out, ",\"newest_timestamp_ns\":%lld", (long long)a->newest_timestamp_ns);
}

/* A snapshot of before there were any has no such member. */
int
access_decode_timestamps(struct access *a, const json_t *root)
{
	const json_t *ns = json_object_get(root, "newest_timestamp_ns");

	if (ns && (!json_is_integer(ns) || json_integer_value(ns) < 0))
		return STELE_EDAMAGED;
	a->newest_timestamp_ns = json_integer_value(ns);
	return 0;
}
