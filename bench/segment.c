/*
 * bench-segment: events sealed into one segment, and read back. Bytes a record of each part,
 * and the speed of building, verifying, walking and reading at random, on one thread. The
 * entries are those of a log that got the events in batches under a lock of seven years.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench/events.h"
#include "crypto/init.h"
#include "crypto/salt.h"
#include "proto/check.h"
#include "proto/err.h"
#include "storage/read.h"
#include "storage/segbuild.h"
#include "storage/segfile.h"
#include "storage/segseal.h"
#include "storage/segterms.h"
#include "storage/toolbox.h"

static const char usage[] =
	"usage: bench-segment --dir DIRECTORY [OPTION]...\n"
	"Events sealed into one segment in DIRECTORY, verified, walked, read at random; removed.\n"
	"  --events FILE       events from the lines of FILE (.zst is decompressed)\n"
	"  --generate N        or N generated ones (50000)\n"
	"  --kubernetes        of an API server, not of a cloud's calls\n"
	"  --batch N           records a batch had (400); 1: every record came alone\n"
	"  --reads N           random reads (200000)\n"
	"  --keys              every record came with an idempotency key\n"
	"  --no-index          without an index of its fields\n";

#define ORIGIN "bench.example.com/events"

/* The log that the events are, and the source that gives its records. */
struct log {
	struct events events;
	size_t n, batch, at;
	bool keys;
	const struct mapping *mapping; /* NULL: no index */
	struct toolbox *t;
	uint8_t (*leaves)[32];
	uint8_t (*seeds)[32]; /* of each batch */
	uint8_t empty_root[32], root[32];
};

static double
now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
fill(struct log *log, size_t i, struct segment_record *r)
{
	size_t batch = i / log->batch;

	*r = (struct segment_record){
		.kind = i ? ENTRY_RECORD : ENTRY_POLICY,
		.mode = i ? ENTRY_MODE_GOVERNANCE : ENTRY_MODE_NONE,
		.size = log->events.items[i].n,
		.time_ns = 1795448880000000000 + (int64_t)batch * 7654321,
		.media_type = slice_str("application/json"),
		.writer = slice_str("s-7k2m9q"),
		.payload = log->events.items[i],
		.has_key = log->keys,
	};
	if (i)
		r->retain_until_ns = r->time_ns + INT64_C(86400000000000) * (7 * 365 + 2);
	if (log->batch > 1) {
		r->seed = log->seeds[batch];
		r->seed_ordinal = (uint32_t)(i % log->batch);
	}
	salt_expand(log->seeds[batch], (uint32_t)(i % log->batch), 1, &r->salt);
	memcpy(r->key, r->salt, 16);
	memcpy(r->leaf, log->leaves[i], 32);
}

static int
rewind_log(void *ctx)
{
	((struct log *)ctx)->at = 0;
	return 0;
}

static int
next(void *ctx, struct segment_record *r)
{
	struct log *log = ctx;

	if (log->at == log->n)
		return 1;
	fill(log, log->at, r);
	if (r->size > LIMIT_DERIVED_BYTES)
		sha256_commitment(log->t->sha, r->commitment, r->salt, r->payload);
	log->at++;
	return 0;
}

/* Entries, chain and root, as the writer would have made them. */
static void
make_log(struct log *log)
{
	struct merkle_frontier tree;
	uint8_t prev[32];

	log->n = log->events.n;
	log->leaves = calloc(log->n, 32);
	log->seeds = calloc(log->n / log->batch + 1, 32);
	CHECK(log->leaves && log->seeds);
	for (size_t i = 0; i <= log->n / log->batch; i++)
		random_bytes(log->seeds[i], 32);
	sha256_hash(log->t->sha, log->empty_root, slice_of("", 0));
	memcpy(prev, log->empty_root, 32);
	merkle_frontier_init(&tree);
	for (size_t i = 0; i < log->n; i++) {
		char text[LIMIT_ENTRY_BYTES];
		struct segment_record r;
		struct entry e;
		int n;
		fill(log, i, &r);
		sha256_commitment(log->t->sha, r.commitment, r.salt, r.payload);
		segment_entry(&e, slice_str(ORIGIN), i, prev, &r);
		n = entry_write(text, sizeof text, &e);
		CHECK(n > 0);
		sha256_leaf(log->t->sha, prev, slice_of(text, (size_t)n));
		memcpy(log->leaves[i], prev, 32);
		merkle_frontier_append(log->t->sha, &tree, prev);
	}
	merkle_frontier_root(log->t->sha, &tree, log->root);
}

static int
count_bytes(void *ctx, uint64_t index, const struct segment_record *r)
{
	(void)index;
	*(uint64_t *)ctx += r->payload.n;
	return 0;
}

struct report {
	double build_s, open_s, verify_s, each_s, read_s, checked_s, lookup_s;
	size_t reads, lookups;
	uint64_t in_vain; /* records that these found */
};

/* Random records; with the work that makes one servable: its entry rebuilt and held to its leaf. */
static double
read_at_random(struct log *log, struct segment *s, size_t reads, bool check)
{
	uint64_t x = 88172645463325252u;
	double start = now_s();
	struct arena a;

	arena_init(&a);
	for (size_t i = 0; i < reads; i++) {
		struct segment_record r;
		char text[LIMIT_ENTRY_BYTES];
		uint8_t prev[32], leaf[32];
		struct entry e;
		uint64_t index;
		int n;
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		index = x % log->n;
		arena_reset(&a);
		CHECK(segment_read(s, index, log->t, &a, &r) == 0);
		if (!check)
			continue;
		if (index)
			CHECK(segment_leaves(s, index - 1, 1, &prev) == 0);
		else
			memcpy(prev, log->empty_root, 32);
		segment_entry(&e, slice_str(ORIGIN), index, prev, &r);
		n = entry_write(text, sizeof text, &e);
		CHECK(n > 0);
		sha256_leaf(log->t->sha, leaf, slice_of(text, (size_t)n));
		CHECK(memcmp(leaf, r.leaf, 32) == 0);
	}
	arena_fini(&a);
	return now_s() - start;
}

/* Ids that no event has. */
static int
look_up(struct log *log, struct segment *s, struct report *out)
{
	const struct segterms *terms = segment_terms(s);
	struct ordset set;
	char text[40];
	double start = now_s();
	int err = 0;

	if (!terms)
		return 0;
	if (!ordset_init(&set, terms->count))
		return STELE_ENOMEM;
	for (out->lookups = 0; err == 0 && out->lookups < 10000; out->lookups++) {
		snprintf(text, sizeof text, "nowhere-%zu", out->lookups);
		ordset_clear(&set);
		err = segterms_find(terms, s, FIELD_EVENT_ID, slice_str(text), &set, log->t);
		out->in_vain += ordset_count(&set, 0, terms->count);
	}
	out->lookup_s = now_s() - start;
	ordset_fini(&set);
	return err;
}

static int
measure(struct log *log, const char *dir, size_t reads, struct segment_facts *facts,
	struct report *out, uint64_t part[SEGMENT_PARTS], struct buf *why)
{
	static const uint8_t seed[32] = {2}, data_key[32] = {3};
	struct segment_plan plan = {
		.dir = dir,
		.facts = {.log_id = 1, .count = log->n, .generation = 1, .data_key_id = 1},
		.replaces = "",
		.data_key = data_key,
		.mapping = log->mapping};
	struct segment_source source = {log, rewind_log, next};
	struct merkle_frontier before;
	struct signer *signer;
	struct segment *s;
	uint64_t bytes = 0;
	double start;
	int err = signer_new(&signer, log->t->sha, slice_str(ORIGIN), seed);

	if (err != 0)
		return err;
	merkle_frontier_init(&before);
	plan.before = &before;
	plan.signer = signer;
	snprintf(plan.facts.origin, sizeof plan.facts.origin, "%s", ORIGIN);
	memcpy(plan.facts.prev, log->empty_root, 32);
	memcpy(plan.facts.root, log->root, 32);
	start = now_s();
	err = segment_build(&plan, &source, log->t, facts, why);
	out->build_s = now_s() - start;
	signer_free(signer);
	if (err != 0)
		return err;
	start = now_s();
	err = segment_open(&s, dir, facts, data_key, log->t, why);
	out->open_s = now_s() - start;
	if (err != 0)
		return err;
	for (int i = 0; i < SEGMENT_PARTS; i++)
		part[i] = segfile_bytes(segment_file(s), (enum segment_part)i);
	start = now_s();
	err = segment_verify(s, &before, log->t, why);
	out->verify_s = now_s() - start;
	start = now_s();
	if (err == 0)
		err = segment_each(s, 0, log->n, false, log->t, count_bytes, &bytes);
	out->each_s = now_s() - start;
	if (err == 0) {
		out->reads = reads;
		out->read_s = read_at_random(log, s, reads, false);
		out->checked_s = read_at_random(log, s, reads, true);
		err = look_up(log, s, out);
	}
	segment_unref(s);
	return err;
}

static void
print(const struct segment_facts *f, const struct report *r, const uint64_t part[SEGMENT_PARTS])
{
	static const char *const names[SEGMENT_PARTS] = {"blocks", "columns", "index", "tiles",
							 "dict",   "keys",    "terms"};
	double n = (double)f->count, mb = (double)f->payload_bytes / 1e6;
	uint64_t sum = 0;

	printf("{\"records\":%" PRIu64 ",\"payload_bytes\":%" PRIu64 ",\"file_bytes\":%" PRIu64
	       ",\"ratio\":%.2f,\"bytes_per_record\":{",
	       f->count, f->payload_bytes, f->file_bytes,
	       (double)f->payload_bytes / (double)f->file_bytes);
	for (int i = 0; i < SEGMENT_PARTS; i++) {
		printf("\"%s\":%.2f,", names[i], (double)part[i] / n);
		sum += part[i];
	}
	printf("\"container\":%.2f,\"all\":%.2f}", (double)(f->file_bytes - sum) / n,
	       (double)f->file_bytes / n);
	printf(",\"build_mb_per_s\":%.1f,\"open_ms\":%.2f,\"verify_mb_per_s\":%.0f"
	       ",\"each_mb_per_s\":%.0f,\"reads_per_s\":%.0f,\"us_per_read\":%.2f"
	       ",\"us_per_checked_read\":%.2f",
	       mb / r->build_s, r->open_s * 1e3, mb / r->verify_s, mb / r->each_s,
	       (double)r->reads / r->read_s, r->read_s * 1e6 / (double)r->reads,
	       r->checked_s * 1e6 / (double)r->reads);
	if (r->lookups)
		printf(",\"us_per_lookup\":%.2f,\"records_in_vain_per_lookup\":%.2f",
		       r->lookup_s * 1e6 / (double)r->lookups,
		       (double)r->in_vain / (double)r->lookups);
	puts("}");
}

struct options {
	const char *dir, *path;
	size_t n_generated, batch, reads;
	bool keys, no_index;
	enum events_kind kind;
};

static bool
parse_options(struct options *o, int argc, char **argv)
{
	static const struct option longopts[] = {
		{"dir", required_argument, NULL, 'd'},
		{"events", required_argument, NULL, 'e'},
		{"generate", required_argument, NULL, 'g'},
		{"batch", required_argument, NULL, 'b'},
		{"reads", required_argument, NULL, 'r'},
		{"keys", no_argument, NULL, 'k'},
		{"no-index", no_argument, NULL, 'n'},
		{"kubernetes", no_argument, NULL, 'K'},
		{NULL, 0, NULL, 0},
	};
	int opt;

	*o = (struct options){.n_generated = 50000, .batch = 400, .reads = 200000};
	while ((opt = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		if (opt == 'd')
			o->dir = optarg;
		else if (opt == 'e')
			o->path = optarg;
		else if (opt == 'g')
			o->n_generated = strtoull(optarg, NULL, 10);
		else if (opt == 'b')
			o->batch = strtoull(optarg, NULL, 10);
		else if (opt == 'r')
			o->reads = strtoull(optarg, NULL, 10);
		else if (opt == 'k')
			o->keys = true;
		else if (opt == 'n')
			o->no_index = true;
		else if (opt == 'K')
			o->kind = EVENTS_KUBERNETES;
		else
			return false;
	}
	return optind == argc && o->dir && o->n_generated && o->batch && o->reads;
}

static void
remove_files(const char *dir, size_t n)
{
	struct segment_facts f = {.count = n, .generation = 1};
	char path[4096];

	if (segment_path(path, dir, &f, ".seg") == 0)
		unlink(path);
	if (segment_path(path, dir, &f, ".manifest") == 0)
		unlink(path);
}

int
main(int argc, char **argv)
{
	struct log log = {0};
	uint64_t part[SEGMENT_PARTS];
	struct segment_facts facts;
	struct report report = {0};
	struct arena arena;
	struct options o;
	struct buf why;
	int err;

	if (!parse_options(&o, argc, argv)) {
		fputs(usage, stderr);
		return 3;
	}
	buf_init(&why);
	arena_init(&arena);
	log.batch = o.batch;
	log.keys = o.keys;
	log.t = crypto_init() == 0 ? toolbox_new() : NULL;
	if (log.t && !o.no_index)
		log.mapping = mapping_builtin(&arena, log.t->sha);
	err = log.t ? 0 : STELE_ENOMEM;
	if (err == 0)
		err = o.path ? events_load(&log.events, o.path)
			     : events_generate(&log.events, o.kind, 1, o.n_generated);
	if (err == 0) {
		make_log(&log);
		err = measure(&log, o.dir, o.reads, &facts, &report, part, &why);
		remove_files(o.dir, log.n);
	}
	if (err != 0)
		fprintf(stderr, "bench-segment: %s: %.*s\n", stele_strerror(err), (int)why.n,
			(const char *)why.p);
	else
		print(&facts, &report, part);
	buf_fini(&why);
	toolbox_free(log.t);
	free(log.leaves);
	free(log.seeds);
	events_fini(&log.events);
	arena_fini(&arena);
	return err ? 1 : 0;
}
