/* In the order in which it happens. */
#include "server/export_make.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "crypto/sha256.h"
#include "proto/err.h"
#include "proto/hex.h"
#include "server/access.h"
#include "server/access_json.h"
#include "server/audit.h"
#include "server/config.h"
#include "server/deeds.h"
#include "server/erasures.h"
#include "server/export_custody.h"
#include "server/export_find.h"
#include "server/export_timestamps.h"
#include "server/exports.h"
#include "server/kit.h"
#include "server/server.h"
#include "storage/bundle.h"
#include "storage/file.h"
#include "storage/locks.h"
#include "storage/log.h"
#include "storage/spool.h"
#include "storage/store.h"

enum { ATTEMPTS = 5, TOOK_RANGES = 256, PIECE_BYTES = 1 << 20 };

/* Payloads that went into the bundle and are in no record of `_access` yet. */
struct took {
	size_t log;
	uint64_t count;
	size_t n;
	struct control_range r[TOOK_RANGES];
};

struct making {
	struct export_make *m;
	const struct export *e;
	struct token *token;
	struct export_find find;
	struct export_log *logs; /* what is said when it is finished; find.n of them */
	struct bundle_log *sources;
	struct took took;
	uint64_t before_bytes; /* entries and payloads of the logs before */
	bool too_much;
	struct bundle_result result;
	uint8_t sha256[32];
	struct buf *why;
};

/* --- who asks
 * ------------------------------------------------------------------------------------- */

/*
 * Who asked, as far as both allow: what was found out when it was asked for, and what the principal
 * may do now. The token itself may be gone.
 */
static int
stand_for(struct making *g)
{
	struct access *access = audit_access(g->m->s->audit);
	struct principal *p = access_principal(access, slice_str(g->e->by));
	char id[LIMIT_WRITER_BYTES + 1];
	const char *wrong;
	json_t *like = json_pack(
		"{s:s, s:s, s:s, s:[s, s], s:[s, s]}", "id", "aaaaaaaaaa", "principal", g->e->by,
		"hash", "AAAAAAAAAAAAAAAAAAAAAA==", "scopes", "read", "export", "logs", "*", "_*");
	bool holds = true, may = p && !p->disabled_ns;

	for (size_t i = 0; i < g->e->n_logs; i++)
		holds &= g->e->logs[i].hold;
	if (like && holds)
		json_array_append_new(json_object_get(like, "scopes"), json_string("hold"));
	g->token = like ? token_from_json(like, id, &wrong) : NULL;
	json_decref(like);
	if (!p || !g->token) {
		if (p)
			principal_unref(p);
		return p ? STELE_ENOMEM : STELE_EPERM;
	}
	/* as it is recorded; of a certificate it is no token's */
	snprintf(g->token->id, sizeof g->token->id, "%s", g->e->token);
	g->token->principal = p;
	for (size_t i = 0; i < g->e->n_logs; i++)
		may = may && token_may(g->token, SCOPE_EXPORT, slice_str(g->e->logs[i].name));
	return may ? 0 : STELE_EPERM;
}

/* --- what bundle_make asks
 * ------------------------------------------------------------------------ */

static int
next_run(void *ctx, size_t log, uint64_t from, struct bundle_run *out)
{
	const struct making *g = ctx;
	struct control_range run;

	if (!export_find_next(&g->find.parts[log], from, &run, &out->asked))
		return 1;
	out->first = run.first;
	out->last = run.last;
	return 0;
}

static bool
is_restricted(void *ctx, size_t log, uint64_t index)
{
	const struct making *g = ctx;
	const struct export_log *said = &g->e->logs[log];
	char id[CONTROL_HOLD_ID_CHARS + 1];

	return access_restricts(audit_access(g->m->s->audit), said->name, index, id) &&
	       !(said->hold &&
		 token_may(g->token, SCOPE_HOLD | SCOPE_EXPORT, slice_str(said->name)));
}

/* One record of `_access`, of what was gathered. */
static void
say_took(struct making *g)
{
	struct took *t = &g->took;
	struct buf b;

	if (t->n == 0)
		return;
	buf_init(&b);
	buf_printf(&b, ",\"export\":\"%s\",\"log\":", g->e->id);
	buf_put_json_str(&b, slice_str(g->e->logs[t->log].name));
	buf_printf(&b, ",\"count\":%llu,\"records\":", (unsigned long long)t->count);
	control_put_ranges(&b, t->r, t->n);
	audit_access_event(g->m->s->audit, "export", g->token,
			   b.err ? slice_of(NULL, 0) : buf_slice(&b));
	buf_fini(&b);
	t->n = t->count = 0;
}

static void
take(void *ctx, size_t log, uint64_t index)
{
	struct making *g = ctx;
	struct took *t = &g->took;
	bool goes_on = t->n && t->log == log && t->r[t->n - 1].last + 1 == index;

	if (t->log != log || (t->n == TOOK_RANGES && !goes_on)) {
		say_took(g);
		goes_on = false;
	}
	t->log = log;
	t->count++;
	if (goes_on)
		t->r[t->n - 1].last = index;
	else
		t->r[t->n++] = (struct control_range){index, index};
}

static bool
step(void *ctx, const struct bundle_counts *so_far)
{
	struct making *g = ctx;

	atomic_store(&g->m->entries, so_far->entries);
	atomic_store(&g->m->bytes, so_far->bytes);
	g->too_much = g->before_bytes + so_far->spool_bytes > g->m->s->config->export_bytes;
	return g->too_much || atomic_load(&g->m->stop);
}

/* --- the bundle
 * ------------------------------------------------------------------------------------ */

static uint64_t
entries_of(const struct export_part *p)
{
	return p->is_run ? p->last - p->first + 1 : ranges_count(&p->wanted);
}

/* What is said of each log, and what the bundle is made of. */
static int
prepare(struct making *g)
{
	uint64_t entries = 0;
	int err = 0;

	g->logs = calloc(g->find.n, sizeof *g->logs);
	g->sources = calloc(g->find.n, sizeof *g->sources);
	if (!g->logs || !g->sources)
		return STELE_ENOMEM;
	for (size_t i = 0; err == 0 && i < g->find.n; i++) {
		const struct export_part *p = &g->find.parts[i];
		struct slice name = slice_str(p->said->name);
		g->logs[i].name = p->said->name;
		g->logs[i].size = p->head->size;
		g->sources[i] = (struct bundle_log){
			.log = p->log,
			.head = p->head,
			.mapping = p->mapping,
			.permitted = p->said->read && token_may(g->token, SCOPE_READ, name),
			.since = p->since,
			.n_since = p->n_since,
		};
		entries += entries_of(p);
		err = export_find_cover(&g->logs[i].set, &p->wanted, LIMIT_EXPORT_RANGES);
	}
	atomic_store(&g->m->entries, 0);
	atomic_store(&g->m->bytes, 0);
	atomic_store(&g->m->of_entries, entries);
	(void)access_live_exports(audit_access(g->m->s->audit), &g->before_bytes);
	return err;
}

static void
take_counts(struct export_log *l, const struct bundle_counts *c)
{
	l->entries = c->entries;
	l->payloads = c->payloads;
	l->purged = c->purged;
	l->withheld = c->withheld;
	l->controls = c->controls;
	l->bytes = c->bytes;
}

static int
write_bundle(struct making *g, struct slice custody, const struct export_timestamps *t)
{
	struct bundle_job job = {
		.st = g->m->s->store,
		.id = slice_str(g->e->id),
		.request = slice_str(g->e->request),
		.requester = slice_str(g->e->by),
		.reason = slice_str(g->e->reason),
		.begun_ns = g->e->begun_ns,
		.selection = !g->find.parts[0].is_run,
		.version = slice_str(STELE_VERSION),
		.logs = g->sources,
		.n_logs = g->find.n,
		.custody = custody,
		.certificate = buf_slice(&g->find.certificate),
		.timestamps = t->files,
		.n_timestamps = t->n,
		.next = next_run,
		.restricted = is_restricted,
		.took = take,
		.step = step,
		.ctx = g,
	};
	int err;

	memcpy(job.sha256, g->m->program, sizeof job.sha256);
	err = bundle_make(&job, &g->result, g->why);
	say_took(g);
	for (size_t i = 0; err == 0 && i < g->find.n; i++)
		take_counts(&g->logs[i], &g->sources[i].counts);
	if (err == STELE_ECLOSED && g->too_much) {
		buf_reset(g->why);
		buf_put_str(g->why,
			    "The bundles that are kept would take more than --export-bytes: remove "
			    "some (stele export remove), ask for less, or give them more room.");
		return STELE_ELIMIT;
	}
	return err;
}

/* All of it is read once more: what is handed out is what was hashed. */
static int
hash_bundle(struct making *g)
{
	struct spool_reader *r = NULL;
	struct sha256 *h = sha256_new();
	uint8_t *piece = malloc(PIECE_BYTES);
	int err = h && piece ? spool_open(&r, g->m->s->store, slice_str(g->e->id)) : STELE_ENOMEM;

	if (err == 0)
		sha256_begin(h);
	for (uint64_t at = 0; err == 0 && at < g->result.bytes;) {
		uint64_t left = g->result.bytes - at;
		size_t n = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
		err = atomic_load(&g->m->stop) ? STELE_ECLOSED : spool_read(r, at, piece, n);
		if (err == 0)
			sha256_update(h, slice_of(piece, n));
		at += n;
	}
	if (err == 0)
		sha256_end(h, g->sha256);
	spool_close(r);
	free(piece);
	sha256_free(h);
	return err == STELE_ENOTFOUND ? STELE_EGONE : err; /* a purge took it */
}

/* --- finished
 * ---------------------------------------------------------------------------------------- */

struct purges {
	const struct export *e;
	const struct export_part *part;
	const struct export_log *said;
	bool met;
};

static void
see_control(void *ctx, const struct control *c)
{
	struct purges *p = ctx;
	const struct ranges gone = {c->ranges, c->n_ranges, c->n_ranges};

	if (c->kind == ENTRY_PURGE && c->index >= p->part->head->size)
		p->met |= p->e->certify || ranges_meet(&p->said->set, &gone);
}

/* In the turn of the act: nothing was purged since the heads were pinned. */
static int
still_whole(struct access *access, void *ctx)
{
	const struct making *g = ctx;

	(void)access;
	for (size_t i = 0; i < g->find.n; i++) {
		struct purges p = {g->e, &g->find.parts[i], &g->logs[i], false};
		(void)locks_each_control(log_locks(p.part->log), 0, see_control, &p);
		if (p.met)
			return STELE_EGONE;
	}
	return 0;
}

static json_t *
act_of(const struct making *g)
{
	char hex[65], manifest[65];
	json_t *logs = json_array();

	hex_format(hex, g->sha256, 32);
	hex_format(manifest, g->result.digest, 32);
	for (size_t i = 0; i < g->find.n; i++) {
		const struct export_log *l = &g->logs[i];
		json_array_append_new(
			logs,
			json_pack("{s:s, s:I, s:o, s:I, s:I, s:I, s:I, s:I, s:I}", "log", l->name,
				  "size", (json_int_t)l->size, "ranges", deed_ranges(&l->set),
				  "entries", (json_int_t)l->entries, "payloads",
				  (json_int_t)l->payloads, "purged", (json_int_t)l->purged,
				  "withheld", (json_int_t)l->withheld, "controls",
				  (json_int_t)l->controls, "bytes", (json_int_t)l->bytes));
	}
	return json_pack("{s:s, s:s, s:s, s:s, s:I, s:o}", "type", "export.finish", "export",
			 g->e->id, "sha256", hex, "manifest", manifest, "bytes",
			 (json_int_t)g->result.bytes, "logs", logs);
}

static int
record_finish(struct making *g)
{
	json_t *act = act_of(g);
	struct deed_outcome outcome;
	int err;

	deed_outcome_init(&outcome);
	err = act ? audit_act(g->m->s->audit, act, still_whole, g, NULL, g->m->kit, &outcome)
		  : STELE_ENOMEM;
	deed_outcome_fini(&outcome);
	json_decref(act);
	return err == STELE_ECONFLICT ? STELE_ECLOSED : err; /* it was removed meanwhile */
}

/* --- all
 * ------------------------------------------------------------------------------------------- */

static int
make_once(struct making *g)
{
	struct export_make *m = g->m;
	struct export_timestamps timestamps = {.n = 0};
	struct buf custody;
	int err;

	buf_init(&custody);
	g->find = (struct export_find){
		.s = m->s, .kit = m->kit, .token = g->token, .e = g->e, .stop = &m->stop};
	err = export_find(&g->find);
	buf_put_slice(g->why, buf_slice(&g->find.why));
	err = err ? err : prepare(g);
	err = err ? err
		  : export_custody(&custody, m->s, g->e, g->logs, g->find.n, m->kit, &m->stop);
	err = err ? err
		  : export_timestamps(&timestamps, m->s, g->find.parts, g->find.n, m->kit,
				      &m->stop);
	err = err ? err : spool_destroy(m->s->store, slice_str(g->e->id)); /* of a crash */
	err = err ? err : write_bundle(g, buf_slice(&custody), &timestamps);
	err = err ? err : hash_bundle(g);
	err = err ? err : record_finish(g);
	if (err != 0)
		(void)spool_destroy(m->s->store,
				    slice_str(g->e->id)); /* else the next sweep does */
	for (size_t i = 0; g->logs && i < g->find.n; i++)
		ranges_fini(&g->logs[i].set);
	free(g->logs);
	free(g->sources);
	g->logs = NULL;
	g->sources = NULL;
	export_find_fini(&g->find);
	export_timestamps_fini(&timestamps);
	buf_fini(&custody);
	return err;
}

int
export_make(struct export_make *m, const struct export *e, struct buf *why)
{
	struct making *g = calloc(1, sizeof *g);
	int err = STELE_EGONE;

	if (!g)
		return STELE_ENOMEM;
	g->m = m;
	g->e = e;
	g->why = why;
	err = stand_for(g);
	if (err == STELE_EPERM)
		buf_put_str(why, "Who asked for it may not export all of these logs any more.");
	if (err == 0)
		err = STELE_EGONE;
	for (unsigned i = 0; i < ATTEMPTS && (err == STELE_EGONE || err == STELE_ECONFLICT); i++) {
		buf_reset(why);
		err = atomic_load(&m->stop) ? STELE_ECLOSED : make_once(g);
	}
	token_unref(g->token);
	free(g);
	return err;
}

/* --- start and end
 * ----------------------------------------------------------------------------------
 */

int
export_make_init(struct export_make *m, struct server *s, struct kit *kit)
{
	struct sha256 *h = sha256_new();
	struct buf file;
	int err;

	m->s = s;
	m->kit = kit;
	buf_init(&file);
	err = h ? file_read_all("/proc/self/exe", &file, LIMIT_PROGRAM_BYTES) : STELE_ENOMEM;
	if (err == 0)
		sha256_hash(h, m->program, buf_slice(&file));
	buf_fini(&file);
	sha256_free(h);
	return err;
}

void
export_make_fini(struct export_make *m)
{
	atomic_store(&m->stop, true);
}
