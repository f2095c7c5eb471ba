/*
 * Judges a data directory that a power loss left: check_store DIR MARKS.
 *
 * Opens the store as steled would, and holds it to every line of MARKS:
 *
 *   ack LOG INDEX LEAF PAYLOAD   this record was acknowledged (hex, hex); of an object
 *                                PAYLOAD is what its payload repeats
 *   head LOG SIZE ROOT           this checkpoint was released (hex)
 *   key LOG EPOCH HASH           this key statement was released: its SHA-256 (hex)
 *   identity LOG NUMBER HASH     this succession note was released, in that log: its SHA-256
 *   going LOG FIRST LAST         a purge of these was asked for: all of them are gone or none
 *   gone LOG FIRST LAST          and was acknowledged: gone
 *
 * Other marks are other judges' business. What is gone was asked to go, and a purge entry has
 * it; entry, proof and tree are what they were. Every record that names an object has it, and
 * nothing else is in objects/, once purges that were under way have ended.
 *
 * It ends these and checks again. Then it appends a record to each log it met, closes, opens
 * again and checks everything once more: what was recovered must also go on. Exit 0 when all
 * holds; 1, and one line that says what does not; 3 on misuse.
 */
#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crypto/identity.h"
#include "crypto/init.h"
#include "crypto/merkle.h"
#include "crypto/sha256.h"
#include "proto/err.h"
#include "storage/append.h"
#include "storage/clocks.h"
#include "storage/object.h"
#include "storage/purgeentry.h"
#include "storage/read.h"
#include "storage/store.h"

enum { MAX_MARKS = 100000, MAX_LOGS = 16, MAX_STEPS = 100 };

enum kind { ACK, HEAD, KEY, IDENTITY, GOING, GONE, KINDS };

static const char *const words[KINDS] = {"ack", "head", "key", "identity", "going", "gone"};

struct mark {
	enum kind kind;
	char log[LIMIT_LOG_NAME_BYTES + 1];
	uint64_t number; /* ack: index; head: size; key: epoch; identity: from 1; else first */
	uint64_t last;   /* going, gone */
	uint8_t hash[SHA256_BYTES];
	uint8_t *payload; /* of an ack; owned */
	size_t payload_len;
};

struct judge {
	const char *dir;
	struct store *st;
	struct toolbox *tools;
	struct sha256 *h;
	struct arena arena;
	struct mark *marks;
	size_t n_marks;
};

static void __attribute__((format(printf, 1, 2), noreturn)) violated(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	exit(1);
}

static uint8_t
nibble(char c)
{
	return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* Decodes lower-case hex into out, cap bytes at most; returns how many it holds. */
static size_t
unhex(uint8_t *out, size_t cap, const char *hex)
{
	size_t n = strlen(hex) / 2;

	for (size_t i = 0; i < n && i < cap; i++)
		out[i] = (uint8_t)(nibble(hex[2 * i]) << 4 | nibble(hex[2 * i + 1]));
	return n;
}

/* False: another judge's. */
static bool
read_mark(struct mark *m, char *line)
{
	char *save, *kind = strtok_r(line, " \n", &save), *log = strtok_r(NULL, " \n", &save);
	char *number = strtok_r(NULL, " \n", &save), *hash = strtok_r(NULL, " \n", &save);
	char *payload = strtok_r(NULL, " \n", &save);

	m->kind = ACK;
	while (m->kind < KINDS && strcmp(kind, words[m->kind]) != 0)
		m->kind++;
	if (m->kind == KINDS)
		return false;
	if (!hash || strlen(log) > LIMIT_LOG_NAME_BYTES)
		exit(3);
	strcpy(m->log, log);
	m->number = strtoull(number, NULL, 10);
	m->last = strtoull(hash, NULL, 10);
	if (m->kind < GOING && unhex(m->hash, sizeof m->hash, hash) != sizeof m->hash)
		exit(3);
	if (payload) {
		m->payload = malloc(strlen(payload) + 1);
		m->payload_len = unhex(m->payload, strlen(payload), payload);
	}
	return true;
}

static void
read_marks(struct judge *j, const char *path)
{
	FILE *f = fopen(path, "r");
	char *line = NULL;
	size_t cap = 0;

	j->marks = calloc(MAX_MARKS, sizeof *j->marks);
	if (!f || !j->marks)
		exit(3);
	while (getline(&line, &cap, f) > 0 && j->n_marks < MAX_MARKS)
		j->n_marks += read_mark(&j->marks[j->n_marks], line);
	free(line);
	fclose(f);
}

static void
open_store(struct judge *j)
{
	struct store_options opts = {.dir = j->dir,
				     .create = true,
				     .moved = true,
				     .wal_file_bytes = LIMIT_WAL_FILE_MIN_BYTES};
	struct buf why;
	int err;

	buf_init(&why);
	err = store_open(&j->st, &opts, &why);
	if (err)
		violated("the store does not open: %s: %.*s", stele_strerror(err), (int)why.n,
			 why.p ? (const char *)why.p : "");
	buf_fini(&why);
}

/* Nothing that a power loss leaves contradicts itself; a backup has no clocks. */
static void
check_clocks(struct judge *j)
{
	struct clock_reading now;
	char path[4096];

	snprintf(path, sizeof path, "%s/BACKUP", j->dir);
	store_clock_get(j->st, &now);
	if (now.state == CLOCK_FROZEN && access(path, F_OK) != 0)
		violated("the clocks are frozen");
}

static void
check_head(struct judge *j, const struct mark *m, struct log *log, const struct head *now)
{
	struct proof p;
	int err;

	if (now->size < m->number)
		violated("%s: size %llu was released, now it is %llu", m->log,
			 (unsigned long long)m->number, (unsigned long long)now->size);
	err = read_consistency(j->st, log, m->number, now->size, j->tools, &p);
	if (!err)
		err = merkle_verify_consistency(j->h, m->number, m->hash, now->size, now->root,
						(const uint8_t(*)[SHA256_BYTES])p.hash, p.n);
	if (err)
		violated("%s: the released tree of %llu is not a prefix: %s", m->log,
			 (unsigned long long)m->number, stele_strerror(err));
}

/* What was said of a key stays so: no epoch ever has two. */
static void
check_key(struct judge *j, const struct mark *m, struct log *log)
{
	struct logkeys *keys = log_keys(log);
	uint8_t hash[SHA256_BYTES];
	struct buf statement;

	buf_init(&statement);
	if (m->number > logkeys_epoch(keys))
		violated("%s: the key of epoch %llu was released, and is gone", m->log,
			 (unsigned long long)m->number);
	if (logkeys_put_statement(keys, (uint32_t)m->number, &statement) != 0)
		exit(3);
	sha256_hash(j->h, hash, buf_slice(&statement));
	if (memcmp(hash, m->hash, sizeof hash) != 0)
		violated("%s: there is another key of epoch %llu", m->log,
			 (unsigned long long)m->number);
	buf_fini(&statement);
	logkeys_unref(keys);
}

/* So it is with identities. */
static void
check_identity(struct judge *j, const struct mark *m)
{
	struct identity *id = store_identity(j->st);
	uint8_t hash[SHA256_BYTES];

	if (m->number >= identity_row(id)->n)
		violated("identity %llu was released, and is gone", (unsigned long long)m->number);
	sha256_hash(j->h, hash, identity_succession(id, m->number - 1));
	if (memcmp(hash, m->hash, sizeof hash) != 0)
		violated("there is another identity %llu", (unsigned long long)m->number);
	identity_unref(id);
}

/* The payload of an object: m->payload over and over. */
static void
check_object(struct judge *j, const struct mark *m, struct log *log, const struct record *r)
{
	unsigned long long index = m->number;
	uint8_t *payload = malloc(r->entry.size);
	struct object *o;
	int err = object_open(&o, j->st, log, m->number, r->payload);

	if (!err)
		err = object_read(o, 0, payload, r->entry.size, j->tools);
	if (err)
		violated("%s: the object of record %llu: %s", m->log, index, stele_strerror(err));
	for (size_t i = 0; i < r->entry.size; i++)
		if (payload[i] != m->payload[i % m->payload_len])
			violated("%s: the object of record %llu is another", m->log, index);
	object_close(o);
	free(payload);
}

/* Files in a folder below DIR. */
static unsigned
files_in(struct judge *j, const char *folder)
{
	char path[4096];
	struct dirent *e;
	unsigned n = 0;
	DIR *d;

	snprintf(path, sizeof path, "%s/objects/%s", j->dir, folder);
	d = opendir(path);
	while (d && (e = readdir(d)))
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

/* An object for each record that names one, acknowledged or not, and no other file. */
static void
check_strays(struct judge *j, struct log *log)
{
	unsigned named = 0;
	struct record r;
	int err = 0;

	for (uint64_t from = 0; err == 0; from = r.entry.index + 1) {
		arena_reset(&j->arena);
		err = read_next_object(j->st, log, from, j->tools, &j->arena, &r);
		named += err == 0;
	}
	if (err != STELE_ENOTFOUND)
		violated("%s: an object's record: %s", log_name(log), stele_strerror(err));
	if (files_in(j, log_name(log)) != named || files_in(j, "pending"))
		violated("%s: %u objects for %u records, %u pending", log_name(log),
			 files_in(j, log_name(log)), named, files_in(j, "pending"));
}

/* Whether a mark of that kind, going or gone, is about the record. */
static bool
is_marked(const struct judge *j, enum kind kind, const char *log, uint64_t index)
{
	for (size_t i = 0; i < j->n_marks; i++) {
		const struct mark *m = &j->marks[i];
		if (m->kind == kind && strcmp(m->log, log) == 0 && m->number <= index &&
		    index <= m->last)
			return true;
	}
	return false;
}

/* It was asked to go, and the log says that it went. */
static void
check_gone(struct judge *j, const struct mark *m, struct log *log, uint64_t entry)
{
	unsigned long long index = m->number;
	struct purge_set set;
	struct record r;
	int err;

	if (!is_marked(j, GOING, m->log, m->number))
		violated("%s: record %llu is gone, and nobody asked for it", m->log, index);
	err = read_record(j->st, log, entry, j->tools, &j->arena, &r);
	if (!err && r.entry.kind != ENTRY_PURGE)
		err = STELE_ESYNTAX;
	if (!err)
		err = purge_entry_read(&set, r.payload);
	if (err)
		violated("%s: record %llu is gone by entry %llu: %s", m->log, index,
			 (unsigned long long)entry, stele_strerror(err));
	if (!purge_set_find(&set, m->number))
		violated("%s: record %llu is gone, not by entry %llu", m->log, index,
			 (unsigned long long)entry);
	purge_set_fini(&set);
}

/* All of them, or none. */
static void
check_going(struct judge *j, const struct mark *m, struct log *log)
{
	uint64_t gone = 0, records = 0;

	for (uint64_t i = m->number; i <= m->last; i++) {
		struct record r;
		int err;
		arena_reset(&j->arena);
		err = read_entry(j->st, log, i, j->tools, &j->arena, &r);
		if (err)
			violated("%s: record %llu: %s", m->log, (unsigned long long)i,
				 stele_strerror(err));
		records += r.entry.kind == ENTRY_RECORD;
		gone += r.gone;
	}
	if (gone && gone != records)
		violated("%s: of records %llu to %llu are %llu gone", m->log,
			 (unsigned long long)m->number, (unsigned long long)m->last,
			 (unsigned long long)gone);
}

static void
check_record(struct judge *j, const struct mark *m, struct log *log, const struct head *now)
{
	unsigned long long index = m->number;
	struct record r;
	struct proof p;
	int err;

	arena_reset(&j->arena);
	err = read_entry(j->st, log, m->number, j->tools, &j->arena, &r);
	if (err)
		violated("%s: record %llu: %s", m->log, index, stele_strerror(err));
	if (memcmp(r.leaf, m->hash, sizeof r.leaf) != 0)
		violated("%s: record %llu is another record", m->log, index);
	if (!r.gone && is_marked(j, GONE, m->log, m->number))
		violated("%s: record %llu was purged, and is there", m->log, index);
	if (r.gone)
		check_gone(j, m, log, r.purge);
	else if (r.object)
		check_object(j, m, log, &r);
	else if (!slice_eq(r.payload, slice_of(m->payload, m->payload_len)))
		violated("%s: record %llu has another payload", m->log, index);
	err = read_inclusion(j->st, log, m->number, now->size, j->tools, &p);
	if (!err)
		err = merkle_verify_inclusion(j->h, now->root, m->number, now->size, r.leaf,
					      (const uint8_t(*)[SHA256_BYTES])p.hash, p.n);
	if (err)
		violated("%s: record %llu is not in the tree: %s", m->log, index,
			 stele_strerror(err));
}

static void
check_marks(struct judge *j)
{
	for (size_t i = 0; i < j->n_marks; i++) {
		const struct mark *m = &j->marks[i];
		struct log *log;
		struct head *now;

		if (store_log_find(j->st, slice_str(m->log), &log) != 0)
			violated("log %s is gone", m->log);
		now = log_head(log);
		if (m->kind == HEAD)
			check_head(j, m, log, now);
		else if (m->kind == KEY)
			check_key(j, m, log);
		else if (m->kind == IDENTITY)
			check_identity(j, m);
		else if (m->kind == GOING)
			check_going(j, m, log);
		else if (m->kind == ACK)
			check_record(j, m, log, now);
		head_unref(now);
	}
}

/* What was under way goes to its end, and nothing else has changed by it. */
static void
end_purges(struct judge *j)
{
	int did = 1;

	if (purge_pending(j->st) == 0)
		return;
	for (int i = 0; i < MAX_STEPS && did == 1; i++)
		did = purge_resume(j->st);
	if (did != 0 || purge_pending(j->st) != 0)
		violated("%llu purges do not end: %s", (unsigned long long)purge_pending(j->st),
			 did < 0 ? stele_strerror(did) : "nothing is said");
	check_marks(j);
}

/* Appends one record to a log, and remembers it among the marks. */
static void
append_one(struct judge *j, struct log *log)
{
	static const char text[] = "{\"after\":\"power loss\"}";
	struct append_item item = {.payload = slice_str(text),
				   .media_type = slice_str("application/json")};
	struct append_job job;
	struct mark *m = &j->marks[j->n_marks++];
	struct record r;
	int err;

	append_job_init(&job);
	job.log = log;
	job.writer = slice_str("s-check");
	job.items = &item;
	job.n_items = 1;
	err = append_prepare(&job, j->tools);
	if (!err)
		err = store_append_batch(j->st, &job);
	if (err || job.err)
		violated("%s: cannot go on: %s", log_name(log),
			 stele_strerror(err ? err : job.err));
	append_job_fini(&job);
	arena_reset(&j->arena);
	err = read_record(j->st, log, item.index, j->tools, &j->arena, &r);
	if (err)
		violated("%s: cannot read what was just appended: %s", log_name(log),
			 stele_strerror(err));
	m->kind = ACK;
	strcpy(m->log, log_name(log));
	m->number = item.index;
	memcpy(m->hash, r.leaf, sizeof m->hash);
	m->payload = (uint8_t *)strdup(text);
	m->payload_len = strlen(text);
}

int
main(int argc, char **argv)
{
	struct judge j = {.dir = argc > 1 ? argv[1] : NULL};
	struct log *logs[MAX_LOGS];
	size_t n;

	if (argc != 3 || crypto_init() != 0)
		return 3;
	read_marks(&j, argv[2]);
	j.tools = toolbox_new();
	j.h = sha256_new();
	arena_init(&j.arena);
	open_store(&j);
	check_clocks(&j);
	check_marks(&j);
	end_purges(&j);
	n = store_log_list(j.st, slice_str(""), logs, MAX_LOGS);
	for (size_t i = 0; i < n && j.n_marks < MAX_MARKS; i++) {
		check_strays(&j, logs[i]);
		append_one(&j, logs[i]);
	}
	store_close(j.st);
	open_store(&j);
	check_clocks(&j);
	check_marks(&j);
	store_close(j.st);
	for (size_t i = 0; i < j.n_marks; i++)
		free(j.marks[i].payload);
	free(j.marks);
	arena_fini(&j.arena);
	sha256_free(j.h);
	toolbox_free(j.tools);
	return 0;
}
