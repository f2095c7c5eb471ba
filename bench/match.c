/*
 * bench-match: filters over events in memory, on one thread, beside two floors over the
 * same bytes: memmem for a text that is not there, which is what grep cannot beat, and
 * validation as JSON. "known" are records that an index says are parsed, which may be
 * skipped; all others are looked into. Time is the CPU's, so that other work disturbs little.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/events.h"
#include "proto/err.h"
#include "proto/json.h"
#include "proto/match.h"
#include "proto/terms.h"

static const char usage[] =
	"usage: bench-match [OPTION]... [FILTER]...\n"
	"Filters (or a few that select little) over events in memory; GB of JSON a second.\n"
	"  --events FILE       events from the lines of FILE (.zst is decompressed)\n"
	"  --generate N        or N generated ones, in the manner of CloudTrail (50000)\n"
	"  --seconds S         how long each figure is measured (1)\n";

#define NOWHERE "n0 such t3xt"

static const char *const standard[] = {
	"actor = \"" NOWHERE "\"",
	"source_ip = \"192.0.2.1\"",
	"time >= \"2038-01-01\" AND actor = \"alice\"",
	"user.username = \"" NOWHERE "\" AND responseStatus.code >= 400",
	"EventID = 4625",
	"any = \"" NOWHERE "\"",
	"eventName = \"PutBucketPolicy\" OR Image = \"C:\\\\nowhere.exe\"",
};

struct bench {
	struct events events;
	struct json_scanner *js;
	struct schema_set set;
	double seconds;
	/* Of what is measured now. */
	struct matcher *matcher;
	struct term_lister *lister;
	bool parsed;
};

static double
now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static size_t
find_text(struct bench *b)
{
	size_t found = 0;

	for (size_t i = 0; i < b->events.n; i++)
		found += memmem(b->events.items[i].p, b->events.items[i].n, NOWHERE,
				sizeof NOWHERE - 1) != NULL;
	return found;
}

static size_t
validate(struct bench *b)
{
	size_t valid = 0;

	for (size_t i = 0; i < b->events.n; i++)
		valid += json_validate(b->js, b->events.items[i], NULL) == 0;
	return valid;
}

static size_t
match(struct bench *b)
{
	struct match_record r = {.received_ns = 1795448880000000000,
				 .writer = slice_str("s-7k2m9q"),
				 .parsed = b->parsed};
	struct match_result result;
	size_t matched = 0;

	for (size_t i = 0; i < b->events.n; i++) {
		r.payload = b->events.items[i];
		if (matcher_run(b->matcher, &r, &result) != 0)
			exit(1);
		matched += result.verdict == MATCH_YES;
	}
	return matched;
}

static size_t
list_terms(struct bench *b)
{
	struct match_record r = {.received_ns = 1795448880000000000,
				 .writer = slice_str("s-7k2m9q")};
	struct arena a;
	struct terms terms;
	size_t n = 0;

	arena_init(&a);
	for (size_t i = 0; i < b->events.n; i++) {
		r.payload = b->events.items[i];
		if (term_lister_run(b->lister, &r, &a, &terms) != 0)
			exit(1);
		n += terms.n;
		arena_reset(&a);
	}
	arena_fini(&a);
	return n;
}

/* The best of the passes that fit in the time, and what one found. */
static double
measure(struct bench *b, size_t (*pass)(struct bench *), size_t *found)
{
	double end = now_s() + b->seconds, best = 0;

	do {
		double start = now_s(), speed;
		*found = pass(b);
		speed = (double)b->events.n_bytes / (now_s() - start) / 1e9;
		best = speed > best ? speed : best;
	} while (now_s() < end);
	return best;
}

static void
print(const char *what, double speed, double floor, size_t found)
{
	printf("%6.2f GB/s  %4.2f x memmem  %8zu  %s\n", speed, speed / floor, found, what);
}

static int
measure_filter(struct bench *b, const char *text, double floor)
{
	struct text_error err;
	struct filter f;
	struct arena a;
	size_t found;
	int code;

	arena_init(&a);
	code = filter_parse(&f, &a, slice_str(text), &err);
	if (code) {
		fprintf(stderr, "bench-match: column %zu: %s: %s\n", err.column, err.message, text);
		arena_fini(&a);
		return code;
	}
	b->matcher = matcher_new(&f, &b->set, -1);
	for (int known = 0; b->matcher && known < 2; known++) {
		char label[320];
		double speed;
		b->parsed = known != 0;
		speed = measure(b, match, &found);
		snprintf(label, sizeof label, "%s%s", known ? "known  " : "       ", text);
		print(label, speed, floor, found);
	}
	code = b->matcher ? 0 : STELE_ENOMEM;
	matcher_free(b->matcher);
	arena_fini(&a);
	return code;
}

static int
run(struct bench *b, const char *const *filters, size_t n)
{
	size_t found;
	double floor = measure(b, find_text, &found), speed;
	int code = 0;

	printf("%zu events, %zu bytes\n", b->events.n, b->events.n_bytes);
	print("memmem", floor, floor, found);
	speed = measure(b, validate, &found);
	print("json_validate", speed, floor, found);
	for (size_t i = 0; i < n && code == 0; i++)
		code = measure_filter(b, filters[i], floor);
	if (code == 0) {
		speed = measure(b, list_terms, &found);
		print("terms for an index", speed, floor, found);
	}
	return code;
}

int
main(int argc, char **argv)
{
	static const struct option longopts[] = {
		{"events", required_argument, NULL, 'e'},
		{"generate", required_argument, NULL, 'g'},
		{"seconds", required_argument, NULL, 's'},
		{NULL, 0, NULL, 0},
	};
	size_t n_generated = 50000, n = sizeof standard / sizeof *standard;
	const char *const *filters = standard;
	struct bench b = {.seconds = 1};
	const char *path = NULL;
	struct arena schemas;
	int opt, code;

	while ((opt = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		if (opt == 'e')
			path = optarg;
		else if (opt == 'g')
			n_generated = strtoull(optarg, NULL, 10);
		else if (opt == 's')
			b.seconds = strtod(optarg, NULL);
		else
			return fputs(usage, stderr), 3;
	}
	if (optind < argc) {
		filters = (const char *const *)argv + optind;
		n = (size_t)(argc - optind);
	}
	arena_init(&schemas);
	code = path ? events_load(&b.events, path)
		    : events_generate(&b.events, EVENTS_CLOUD, 1, n_generated);
	if (code == 0)
		code = schema_builtin(&b.set, &schemas);
	b.js = json_scanner_new();
	b.lister = code == 0 ? term_lister_new(&b.set, -1) : NULL;
	if (code == 0)
		code = b.js && b.lister ? run(&b, filters, n) : STELE_ENOMEM;
	if (code)
		fprintf(stderr, "bench-match: %s\n", stele_strerror(code));
	json_scanner_free(b.js);
	term_lister_free(b.lister);
	events_fini(&b.events);
	arena_fini(&schemas);
	return code ? 1 : 0;
}
