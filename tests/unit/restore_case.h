/*
 * A store with a backup of it and the keys, and restores from that: for tests of storage/restore.c
 * and storage/restorelogs.c.
 */
#ifndef STELE_TESTS_UNIT_RESTORE_CASE_H
#define STELE_TESTS_UNIT_RESTORE_CASE_H

#include "sealed_log.h"

#include "crypto/init.h"
#include "folder.h"
#include "storage/backup.h"
#include "storage/fsck.h"
#include "storage/restore.h"
#include "suite.h"

static const char secret[] = "tell nobody";

/* A store with a backup of it and its keys, and what is restored from that. */
struct case_ {
	struct folder f;
	struct scratch s;
	char backup[256], ring[256], data[256];
	const char *passphrase; /* of the ring, and of what is restored */
	struct buf why;
	struct restore_log seen[4]; /* names: only the first letter */
	char names[4];
	unsigned n_seen;
};

/* out = DIR/NAME, or DIR alone. */
static inline void
place(char out[256], const char *dir, const char *name)
{
	ck_assert_int_lt(snprintf(out, 256, "%s%s%s", dir, name ? "/" : "", name ? name : ""), 256);
}

static inline void
back_up(struct case_ *c)
{
	struct backup_request r = {c->backup, c->ring, secret};
	struct backup_state state;

	ck_assert_int_eq(store_backup_start(c->s.st, &r, &c->why), 0);
	ck_assert_int_eq(store_backup_run(c->s.st), 1);
	store_backup_get(c->s.st, &state);
	ck_assert_msg(state.err == 0, "%s", state.why);
}

/* Log "l": 600 records, 500 of them sealed; log "m": its policy alone. */
static inline void
begin(struct case_ *c)
{
	struct log *log;

	memset(c, 0, sizeof *c);
	c->passphrase = secret;
	folder_init(&c->f);
	buf_init(&c->why);
	place(c->backup, c->f.dir, "b");
	place(c->ring, c->f.dir, "ring");
	place(c->data, c->f.dir, "d");
	scratch_begin(&c->s);
	log = scratch_log(&c->s, "l", "{}");
	scratch_log(&c->s, "m", "{}");
	sealed_log_fill(&c->s, log, 500);
	sealed_log_seal(&c->s, log);
	sealed_log_fill(&c->s, log, 600);
	back_up(c);
}

/* The same with the store's own key files, which no passphrase seals: deriving takes time. */
static inline void
begin_plain(struct case_ *c)
{
	char command[2000];

	begin(c);
	c->passphrase = NULL;
	snprintf(command, sizeof command,
		 "cp -p '%s/keys/keyring' '%s' && cp -p '%s/keys/identity' '%s.identity'", c->s.dir,
		 c->ring, c->s.dir, c->ring);
	ck_assert_int_eq(system(command), 0);
}

static inline void
finish(struct case_ *c)
{
	scratch_end(&c->s);
	buf_fini(&c->why);
	folder_fini(&c->f);
}

static inline void
restored(void *ctx, const struct restore_log *log)
{
	struct case_ *c = ctx;

	ck_assert_uint_lt(c->n_seen, 4);
	c->names[c->n_seen] = log->name[0];
	c->seen[c->n_seen++] = *log;
}

static inline void
say(void *ctx, enum store_level level, const char *line)
{
	(void)ctx;
	(void)level;
	if (getenv("STELE_TEST_VERBOSE"))
		fprintf(stderr, "%s\n", line);
}

static inline int
restore(struct case_ *c, const struct slice *checkpoints, size_t n)
{
	struct restore_options o = {.backup = c->backup,
				    .dir = c->data,
				    .keyring = c->ring,
				    .passphrase = c->passphrase,
				    .checkpoints = checkpoints,
				    .n_checkpoints = n,
				    .restored = restored,
				    .say = say,
				    .ctx = c};
	struct restore_result result;
	int err;

	c->n_seen = 0;
	buf_reset(&c->why);
	err = store_restore(&o, &result, &c->why);
	ck_assert((err == 0) == (c->why.n == 0));
	if (getenv("STELE_TEST_VERBOSE") && err)
		fprintf(stderr, "restore: %.*s\n", (int)c->why.n, (const char *)c->why.p);
	return err;
}

/* It is refused with err, and says a word about it. */
static inline void
refused(struct case_ *c, int err, const char *word)
{
	ck_assert_int_eq(restore(c, NULL, 0), err);
	buf_put_u8(&c->why, 0);
	ck_assert_msg(strstr((const char *)c->why.p, word) != NULL, "%s", c->why.p);
}

/* What was restored, opened: a scratch that scratch_close closes. */
static inline int
open_data(struct case_ *c, struct scratch *d)
{
	*d = c->s;
	place(d->dir, c->data, NULL);
	d->opts.dir = d->dir;
	d->opts.passphrase = c->passphrase;
	d->opts.create = false;
	d->opts.clock = d->opts.say_ctx = d;
	return scratch_open(d);
}

static inline struct log *
log_named(struct scratch *d, const char *name)
{
	struct log *log;

	ck_assert_int_eq(store_log_find(d->st, slice_str(name), &log), 0);
	return log;
}

static inline void
count_finding(void *ctx, const char *where, const char *what)
{
	(void)ctx;
	if (getenv("STELE_TEST_VERBOSE"))
		fprintf(stderr, "%s: %s\n", where, what);
}

/* What fsck finds wrong in a closed store; passphrase and identity's key may be NULL. */
static inline uint64_t
problems_in(const char *dir, const char *passphrase, const char *vkey)
{
	struct fsck_options o = {.dir = dir,
				 .passphrase = passphrase,
				 .threads = 1,
				 .finding = count_finding,
				 .identity_vkey = vkey};
	struct fsck_result r;
	struct buf why;

	buf_init(&why);
	ck_assert_int_eq(fsck_run(&o, &r, &why), 0);
	buf_fini(&why);
	return r.problems;
}

/* What fsck finds wrong in what was restored. */
static inline uint64_t
problems(struct case_ *c)
{
	return problems_in(c->data, c->passphrase, NULL);
}

/* The restore entry at index of the log. */
static inline void
entry_of(struct scratch *d, struct log *log, uint64_t index, struct arena *a, struct record *r)
{
	ck_assert_int_eq(read_record(d->st, log, index, d->tools, a, r), 0);
	ck_assert_int_eq(r->entry.kind, ENTRY_RESTORE);
	ck_assert(slice_eq_str(r->entry.writer, "restore"));
}

#endif
