/*
 * The same bytes a start would believe, believed by nobody: each frame's hash,
 * each record's commitment and entry hash, each log's chain, tree and keys. A
 * damaged frame is still taken apart, so that the finding names the records.
 */
#include "storage/fsckwork.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "proto/bytes.h"
#include "proto/err.h"
#include "proto/le.h"
#include "storage/catalog.h"
#include "storage/fsck_objects.h"
#include "storage/internal.h"
#include "storage/read.h"
#include "storage/walfile.h"

void
fsck_find(struct fsck *f, const char *what, const char *fmt, ...)
{
	char where[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(where, sizeof where, fmt, ap);
	va_end(ap);
	pthread_mutex_lock(&f->mu);
	f->result->problems++;
	f->opts->finding(f->opts->ctx, where, what);
	pthread_mutex_unlock(&f->mu);
}

/* Of an object: a purge may explain it. */
static void
find_object(void *ctx, struct log *log, uint64_t index, const char *where, const char *what)
{
	if (log)
		fsck_purges_object(ctx, log, index, where, what);
	else
		fsck_find(ctx, what, "%s", where);
}

/* One record of an opened block: commitment, entry, entry hash; *prev advances. */
static void
check_record(struct fsck *f, struct log *log, const struct frame_section *s, uint32_t ordinal,
	     const struct frame_group *g, uint64_t ctl, const uint8_t *salt, struct slice payload,
	     const uint8_t prev[32])
{
	struct frame_object object;
	struct entry e = {
		.origin = slice_str(log->origin),
		.index = s->first + ordinal,
		.kind = g->kind,
		.ctl = g->ctl,
		.time_ns = s->time_ns,
		.size = payload.n,
		.media_type = g->media_type,
		.writer = g->writer,
		.mode = g->mode,
		.event = g->event,
		.retain_until_ns = g->retain_until_ns,
	};
	bool is_object = frame_object_find(s, ordinal, &object);
	unsigned long long index = e.index;
	char text[LIMIT_ENTRY_BYTES];
	uint8_t leaf[32];
	int n;

	if (g->ctl != ctl)
		fsck_find(f, "its entry does not point to the control entry before it",
			  "log %s, record %llu", log->name, index);
	memcpy(e.prev, prev, 32);
	sha256_commitment(f->t->sha, e.commitment, salt, payload);
	if (is_object) {
		e.size = object.size;
		memcpy(e.commitment, object.commitment, 32);
	}
	n = entry_write(text, sizeof text, &e);
	if (n > 0)
		sha256_leaf(f->t->sha, leaf, slice_of(text, (size_t)n));
	if (n < 0 || memcmp(leaf, s->leaves.p + (size_t)ordinal * 32, 32) != 0)
		fsck_find(f, "payload, salt or columns are not what the entry hash commits to",
			  "log %s, record %llu", log->name, index);
	else if ((e.kind == ENTRY_KEY || e.kind == ENTRY_RESTORE) &&
		 !log_statement_holds(log, index + 1, payload, f->t->sha))
		fsck_find(f, log_statement_wrong, "log %s, record %llu", log->name, index);
	else if (e.kind == ENTRY_PURGE && f->err == 0)
		f->err = fsck_purges_entry(f, log, index, payload);
	else if (is_object && f->err == 0)
		f->err = fsck_objects_check(&f->objects, f->st, log, index, payload, salt,
					    e.commitment, f->looker);
	f->result->records++;
	f->result->payload_bytes += e.size;
}

/* A walk over a section's groups beside its records. */
struct group_walk {
	struct bytes b;
	struct frame_group g;
	uint32_t left;
	uint64_t ctl;
	uint32_t from; /* records before it are sealed, and were checked there */
};

static void
group_step(struct group_walk *w)
{
	if (w->left == 0) {
		if (frame_group_read(&w->g, &w->b) != 0)
			return; /* the section's counts were checked: cannot be */
		w->left = w->g.count;
	}
	w->left--;
}

static void
check_block(struct fsck *f, struct log *log, const struct frame_section *s, uint32_t block,
	    uint32_t ordinal, struct group_walk *w, uint8_t prev[32])
{
	struct frame_block blk = frame_block_at(s, block);
	struct opened_block b;
	bool opened = block_open(log, s, block, s->first + ordinal, frame_box_at(s, block, NULL),
				 f->t, &b) == 0;
	const uint8_t *payload = opened ? b.payloads.p : NULL;

	f->blind |= !opened;
	if (!opened)
		fsck_find(f, "their payloads cannot be decrypted or decompressed",
			  "log %s, records %llu to %llu", log->name,
			  (unsigned long long)(s->first + ordinal),
			  (unsigned long long)(s->first + ordinal + blk.count - 1));
	for (uint32_t i = 0; i < blk.count; i++) {
		uint32_t size = frame_size_at(s, ordinal + i);
		uint64_t index = s->first + ordinal + i;
		group_step(w);
		if (opened && ordinal + i >= w->from)
			check_record(f, log, s, ordinal + i, &w->g, w->ctl, b.salts.p + i * 16,
				     slice_of(payload, size), prev);
		payload += opened ? size : 0;
		if (w->g.kind != ENTRY_RECORD)
			w->ctl = index;
		memcpy(prev, s->leaves.p + (size_t)(ordinal + i) * 32, 32);
	}
}

static void
check_section(struct fsck *f, struct log *log, const struct frame_section *s, uint32_t from)
{
	struct group_walk w = {.ctl = log->ctl, .from = from};
	uint32_t ordinal = 0;
	uint8_t prev[32];

	bytes_init(&w.b, s->groups);
	if (s->first && from == 0)
		memcpy(prev, log->last_leaf, 32);
	else
		sha256_hash(f->t->sha, prev, slice_of(NULL, 0)); /* root of the empty tree */
	for (uint32_t i = 0; i < s->n_blocks; i++) {
		uint32_t count = frame_block_at(s, i).count;
		if (count)
			check_block(f, log, s, i, ordinal, &w, prev);
		ordinal += count;
	}
}

static void
report_gap(struct fsck *f, const struct log *log, const struct frame_section *s)
{
	for (size_t i = 0; i + 8 <= f->broken.n; i += 8) {
		if (le_get64(f->broken.p + i) == s->log_id)
			return;
	}
	buf_put(&f->broken, &s->log_id, 8);
	fsck_find(f, "commits before it are missing: from here on nothing can be tied to the tree",
		  "log %s, record %llu", log->name, (unsigned long long)s->first);
}

/*
 * A section: taken into the bare store first when it founds its log (its keys
 * are needed to open it), after its records were checked otherwise.
 */
static void
take_section(struct fsck *f, const struct frame_section *s, struct wal_pos at)
{
	struct log *log = log_by_id(f->st, s->log_id);
	struct log before;
	int err;

	if (log) {
		uint64_t size = log->frontier.size;
		if (s->first > size || (s->first < size && size > sealed_end(&log->sealed))) {
			report_gap(f, log, s);
			return;
		}
		if (s->first + s->count > size)
			check_section(f, log, s, (uint32_t)(size - s->first));
	}
	buf_reset(&f->why);
	err = apply_section(f->st, s, at, f->t, &f->batch, &f->why);
	if (err != 0) {
		fsck_find(f,
			  f->why.n ? "its log cannot be opened" : "tree, time or order do not hold",
			  "log %s, records %llu and on", log ? log->name : "that begins here",
			  (unsigned long long)s->first);
		return;
	}
	if (log)
		return;
	log = log_by_id(f->st, s->log_id);
	before = (struct log){.id = log->id, .store = log->store};
	memcpy(before.name, log->name, sizeof before.name);
	memcpy(before.origin, log->origin, sizeof before.origin);
	before.tail_key = log->tail_key;
	check_section(f, &before, s, 0);
}

static void
take_frame(struct fsck *f, const struct frame_header *head, struct slice body, struct wal_pos at)
{
	uint64_t offset = at.offset + FRAME_HEADER_BYTES;

	for (uint32_t i = 0; i < head->n_sections; i++) {
		struct frame_section s;
		if (frame_section_read(&s, body) != 0) {
			fsck_find(f, "a section of this commit cannot be read",
				  "wal/%08u.wal, byte %llu", at.file, (unsigned long long)offset);
			return;
		}
		take_section(f, &s, (struct wal_pos){at.file, offset});
		body = slice_of(body.p + s.bytes, body.n - s.bytes);
		offset += s.bytes;
	}
	f->result->commits++;
}

/* A frame whose hash is wrong: named, taken apart as far as it goes, passed over. */
static int
take_damaged(struct fsck *f, struct wal_scan *s)
{
	struct frame_header head;
	struct slice body;
	struct wal_pos at = s->at;

	f->blind = true;
	fsck_find(f, "the commit here is damaged", "wal/%08u.wal, byte %llu, commit %llu", at.file,
		  (unsigned long long)at.offset, (unsigned long long)s->sequence);
	if (wal_scan_damaged(s, &head, &body, &at) == 0) {
		take_frame(f, &head, body, at);
		return 0;
	}
	return wal_scan_skip(s, f->t->sha);
}

static void
report_progress(struct fsck *f, struct wal_pos at)
{
	uint32_t first = wal_row(f->st->wal).first;

	fsck_progress(f, f->segment_bytes + (at.file - first) * f->st->opts.wal_file_bytes +
				 at.offset);
}

static bool
all_zero(const uint8_t *p, size_t n)
{
	while (n && *p == 0) {
		p++;
		n--;
	}
	return n == 0;
}

/* What no frame covers: the rest of each file's header block. */
static int
check_headers(struct fsck *f)
{
	struct wal_row row = wal_row(f->st->wal);
	uint8_t block[FRAME_ALIGN];
	int err = 0;

	f->total_bytes = f->segment_bytes + row.disk_bytes;
	for (uint32_t i = row.first; err == 0 && i <= row.last; i++) {
		err = wal_read(f->st->wal, (struct wal_pos){i, 0}, block, sizeof block);
		if (err == 0 && !all_zero(block + WALFILE_USED, sizeof block - WALFILE_USED))
			fsck_find(f, "bytes that were written as zeros are not; nothing reads them",
				  "wal/%08u.wal, its first block", i);
	}
	return err;
}

/* And the bytes from a frame's end to the next block, which lie behind the body in memory. */
static void
check_padding(struct fsck *f, struct slice body, struct wal_pos at)
{
	size_t pad = (FRAME_ALIGN - (FRAME_HEADER_BYTES + body.n) % FRAME_ALIGN) % FRAME_ALIGN;

	if (!all_zero(body.p + body.n, pad))
		fsck_find(f, "bytes that were written as zeros are not; nothing reads them",
			  "wal/%08u.wal, byte %llu and on", at.file,
			  (unsigned long long)(at.offset + FRAME_HEADER_BYTES + body.n));
}

static int
check_wal(struct fsck *f, struct position *end)
{
	struct wal_pos at = {wal_row(f->st->wal).first, WAL_FIRST_OFFSET};
	struct wal_scan s;
	int err = wal_scan_oldest(&s, f->st->wal, f->t->sha);

	if (err == STELE_EDAMAGED) {
		fsck_find(f, "the first commit of the oldest file is damaged",
			  "wal/%08u.wal, byte %llu", at.file, (unsigned long long)at.offset);
		err = wal_scan_init(&s, f->st->wal, at, 1, (const uint8_t[32]){0});
		if (err == 0)
			err = wal_scan_skip(&s, f->t->sha);
		err = err == 1 ? 0 : err;
	}
	if (err == 0)
		err = check_headers(f);
	while (err == 0) {
		struct frame_header head;
		struct slice body;
		err = wal_scan_next(&s, f->t->sha, &head, &body, &at);
		if (err == 0) {
			check_padding(f, body, at);
			take_frame(f, &head, body, at);
		} else if (err == STELE_EDAMAGED) {
			err = take_damaged(f, &s);
		}
		report_progress(f, s.at);
	}
	end->sequence = s.sequence - 1;
	memcpy(end->hash, s.prev, 32);
	end->end = s.at;
	f->result->wal_bytes = wal_row(f->st->wal).disk_bytes;
	wal_scan_fini(&s);
	if (err == 1)
		err = f->err;
	if (err == 0 && !f->blind)
		err = fsck_objects_strays(&f->objects, f->st);
	return err;
}

/* What was acknowledged must be there: the mark behind the last flush. */
static int
check_released(struct fsck *f, const struct position *end)
{
	uint8_t hash[32];
	uint64_t sequence;
	unsigned damaged;
	int err = wal_check_released(f->st->wal, f->t->sha, &damaged);

	if (err == 0 && damaged)
		fsck_find(f, "one of its two marks is damaged; the next start makes it anew",
			  "wal/released");
	if (err == 0)
		err = wal_read_released(f->st->wal, &sequence, hash, f->t->sha);
	if (err == 0 && sequence == 0 && end->sequence)
		fsck_find(f, "missing or damaged; the next start makes it anew", "wal/released");
	if (err == 0 && (sequence > end->sequence || (sequence == end->sequence && sequence &&
						      memcmp(hash, end->hash, 32) != 0)))
		fsck_find(f, "a commit that was acknowledged is missing or damaged",
			  "wal/%08u.wal, byte %llu, commit %llu", end->end.file,
			  (unsigned long long)end->end.offset,
			  (unsigned long long)end->sequence + 1);
	return err;
}

static void
check_catalog(struct fsck *f, const struct position *end)
{
	struct catalog_state state;
	struct catalog *c;
	int err = catalog_open(&c, f->st->dir, &state);

	if (err == STELE_ENOTFOUND) {
		if (f->result->commits)
			fsck_find(f, "missing; the next start makes it anew", "catalog.mdb");
		return;
	}
	if (err != 0) {
		fsck_find(f, "damaged; the next start makes it anew", "catalog.mdb");
		return;
	}
	if (catalog_each(c, CATALOG_SEGMENT, fsck_listed, f) != 0)
		fsck_find(f, "a list of segments in it cannot be read", "catalog.mdb");
	if (state.sequence > end->sequence)
		fsck_find(f, "knows of commits that the WAL does not hold", "catalog.mdb");
	for (uint32_t first = state.first_run, last; first <= state.last_run; first = last + 1) {
		const char *dir = wal_dir(f->st->wal);
		struct keyrun run;
		last = keyrun_covering(dir, first, NULL);
		err = last ? keyrun_open(&run, dir, first, last, f->st->place.incarnation,
					 f->t->sha)
			   : STELE_ENOTFOUND;
		if (err == 0 && !run.verified)
			err = keyrun_verify(&run, f->t->sha);
		if (err == 0)
			keyrun_close(&run);
		else
			fsck_find(
				f,
				"missing or damaged: repeated idempotency keys of its commits may not "
				"be recognised once these have left the WAL",
				"wal/keys-%08u-%08u.run", first, last);
		last = last ? last : first;
	}
	catalog_close(c);
}

/* The server's tokens: no evidence, but steled does not start on a damaged file. */
static int
check_tokens(struct fsck *f)
{
	char path[4096];
	struct buf body;
	int err;

	snprintf(path, sizeof path, "%s/keys/tokens", f->st->dir);
	buf_init(&body);
	err = keyfile_read(path, &body, f->st->seal);
	keyfile_wipe(&body);
	if (err == STELE_ENOMEM)
		return err;
	if (err != 0 && err != STELE_ENOTFOUND)
		fsck_find(
			f,
			"steled cannot read its tokens and will not start: restore the file from a "
			"copy, or remove it and take the new admin.token",
			"keys/tokens");
	return 0;
}

static void
ignore_line(void *ctx, enum store_level level, const char *line)
{
	(void)ctx;
	(void)level;
	(void)line; /* fsck reports findings itself */
}

/* Whether the key is one of this server's identities: its file's notes lead to each other. */
static bool
is_own(const struct store *st, struct slice vkey)
{
	const struct identity *next = st->next_identity.identity;
	const struct identities *row = identity_row(next ? next : st->identity);
	struct note_vkey key;

	if (sign_vkey_parse(st->upkeep->sha, &key, vkey) != 0)
		return false;
	for (size_t i = 0; i < row->n; i++)
		if (slice_eq(key.name, row->of[i].key.name) &&
		    memcmp(key.public_key, row->of[i].key.public_key, sizeof key.public_key) == 0)
			return true;
	return false;
}

static int
rebuild(const struct fsck_options *opts, struct store_options *so, struct buf *why)
{
	so->moved = false;
	return opts->rebuild ? store_rebuild(so, why) : 0;
}

int
fsck_run(const struct fsck_options *opts, struct fsck_result *result, struct buf *why)
{
	struct store_options so = {
		.dir = opts->dir, .passphrase = opts->passphrase, .say = ignore_line};
	struct fsck f = {.opts = opts, .result = result};
	struct position end = {0};
	int err = store_open_bare(&f.st, &so, why);

	memset(result, 0, sizeof *result);
	if (err != 0)
		return err;
	f.t = f.st->upkeep;
	merkle_batch_init(&f.batch);
	buf_init(&f.why);
	buf_init(&f.broken);
	pthread_mutex_init(&f.mu, NULL);
	pthread_mutex_init(&f.looking, NULL);
	f.objects = (struct fsck_objects){.finding = find_object, .ctx = &f};
	if (opts->identity_vkey && !is_own(f.st, slice_str(opts->identity_vkey)))
		fsck_find(&f, "is not the identity this directory belongs to, nor one before it",
			  "the key given");
	f.looker = toolbox_new();
	err = f.looker ? fsck_segments(&f) : STELE_ENOMEM;
	if (err == 0)
		err = check_wal(&f, &end);
	if (err == 0)
		err = fsck_purges_end(&f);
	if (err == 0)
		err = check_released(&f, &end);
	if (err == 0)
		err = check_tokens(&f);
	if (err == 0)
		check_catalog(&f, &end);
	result->logs = f.st->n_logs;
	toolbox_free(f.looker);
	buf_fini(&f.why);
	buf_fini(&f.broken);
	pthread_mutex_destroy(&f.mu);
	pthread_mutex_destroy(&f.looking);
	buf_fini(&f.objects.named);
	fsck_purges_fini(&f.purges);
	merkle_batch_fini(&f.batch);
	store_close(f.st);
	if (err != 0) {
		buf_printf(why, "%s: %s", opts->dir, stele_strerror(err));
		return err;
	}
	return rebuild(opts, &so, why);
}
