/* Segments that stay open: found again, forgotten when replaced, no more of them than may be, and
 * those that are not used give up what they can have again. */
#include "sealed_log.h"

#include <sys/resource.h>

#include "storage/segcache.h"
#include "suite.h"

enum { LOGS = 40, RECORDS = 3000 };

struct many {
	struct scratch s;
	struct log *log[LOGS];
};

/* The payload of the record at index i of the first log: what a dictionary is good for. */
static struct slice
long_payload(uint64_t i)
{
	static char text[400];

	snprintf(
		text, sizeof text,
		"{\"kind\":\"Event\",\"apiVersion\":\"audit.k8s.io/v1\",\"level\":\"Metadata\","
		"\"stage\":\"ResponseComplete\",\"verb\":\"%s\",\"user\":{\"username\":\"system:node:%llu\"},"
		"\"objectRef\":{\"resource\":\"pods\",\"namespace\":\"kube-system\"},\"code\":%llu}",
		i % 3 ? "get" : "list", (unsigned long long)(i * 7919 % 97),
		(unsigned long long)(200 + i % 5));
	return slice_str(text);
}

/* Logs of one segment each; the first has records enough for a dictionary. */
static void
many_begin(struct many *m, unsigned logs)
{
	char name[16];

	scratch_begin(&m->s);
	for (unsigned i = 0; i < logs; i++) {
		snprintf(name, sizeof name, "l%u", i);
		m->log[i] = scratch_log(&m->s, name, "{}");
		scratch_fill(&m->s, m->log[i], i ? 2 : RECORDS, 64, long_payload);
		sealed_log_seal(&m->s, m->log[i]);
		ck_assert_uint_eq(m->log[i]->sealed.n, 1);
	}
}

/* The open segment of log i in the cache, whose reference is given back. */
static struct segment *
get(struct many *m, struct segcache *c, unsigned i)
{
	struct segment *segment;
	struct buf why;

	buf_init(&why);
	ck_assert_int_eq(
		segcache_get(c, m->log[i], &m->log[i]->sealed.s[0], m->s.tools, &segment, &why), 0);
	ck_assert_uint_eq(segment_facts(segment)->log_id, m->log[i]->id);
	buf_fini(&why);
	segment_unref(segment);
	return segment;
}

static unsigned
open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	ck_assert_ptr_nonnull(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

START_TEST(what_is_open_is_found_again)
{
	struct segment *first[LOGS];
	struct segcache *c;
	struct many m;

	many_begin(&m, LOGS);
	c = segcache_new();
	ck_assert_ptr_nonnull(c);
	for (unsigned i = 0; i < LOGS; i++)
		first[i] = get(&m, c, i);
	for (unsigned round = 0; round < 3; round++)
		for (unsigned i = 0; i < LOGS; i++)
			ck_assert_ptr_eq(get(&m, c, i), first[i]);
	segcache_free(c);
	scratch_end(&m.s);
}
END_TEST

START_TEST(what_was_replaced_is_forgotten_and_nothing_else)
{
	struct segment *kept[LOGS];
	struct segcache *c;
	unsigned files;
	struct many m;

	many_begin(&m, LOGS);
	c = segcache_new();
	for (unsigned i = 0; i < LOGS; i++)
		kept[i] = get(&m, c, i);
	files = open_files();
	for (unsigned i = 0; i < LOGS; i += 3) {
		segcache_forget(c, m.log[i]->id, 1, UINT64_MAX); /* begins before */
		ck_assert_uint_eq(open_files(), files);
		segcache_forget(c, m.log[i]->id, 0, 1);
		ck_assert_uint_eq(open_files(), --files);
	}
	for (unsigned i = 0; i < LOGS; i++)
		if (i % 3)
			ck_assert_ptr_eq(get(&m, c, i), kept[i]);
	ck_assert_uint_eq(open_files(), files);
	segcache_free(c);
	scratch_end(&m.s);
}
END_TEST

START_TEST(a_quarter_of_the_descriptors_is_not_exceeded)
{
	struct rlimit all, few;
	struct segment *kept;
	struct segcache *c;
	unsigned files;
	struct many m;

	many_begin(&m, LOGS);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &all), 0);
	few = all;
	few.rlim_cur = 80;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	c = segcache_new();
	files = open_files();
	kept = get(&m, c, 0);
	for (unsigned i = 0; i < 3 * LOGS; i++) {
		get(&m, c, i * 7 % LOGS);
		ck_assert_ptr_eq(get(&m, c, 0), kept); /* never the one used longest ago */
		ck_assert_uint_le(open_files(), files + 20);
	}
	ck_assert_uint_eq(open_files(), files + 20);
	segcache_free(c);
	ck_assert_uint_eq(open_files(), files);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &all), 0);
	scratch_end(&m.s);
}
END_TEST

static uint64_t
dictionaries(struct segcache *c)
{
	uint64_t indexes, bytes;

	segcache_memory(c, &indexes, &bytes);
	return bytes;
}

START_TEST(what_is_not_used_gives_its_dictionary_up_until_it_is)
{
	struct segment *segment;
	struct segment_record r;
	struct segcache *c;
	struct arena a;
	struct many m;

	many_begin(&m, 2);
	arena_init(&a);
	c = segcache_new();
	segment = segment_ref(get(&m, c, 0));
	ck_assert_uint_gt(dictionaries(c), 1000);
	for (unsigned i = 0; i < 10 * SEGCACHE_LATELY; i++) {
		get(&m, c, i % 50 == 0 ? 0 : 1);
		ck_assert_uint_gt(dictionaries(c), 1000);
	}
	for (unsigned i = 0; i < 2 * SEGCACHE_LATELY; i++)
		get(&m, c, 1);
	ck_assert_uint_eq(dictionaries(c), 0);
	for (uint64_t i = 1; i < RECORDS; i += 97) {
		ck_assert_int_eq(segment_read(segment, i, m.s.tools, &a, &r), 0);
		ck_assert(slice_eq(r.payload, long_payload(i)));
	}
	ck_assert_uint_gt(dictionaries(c), 1000);
	arena_fini(&a);
	segment_unref(segment);
	segcache_free(c);
	scratch_end(&m.s);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		what_is_open_is_found_again,
		what_was_replaced_is_forgotten_and_nothing_else,
		a_quarter_of_the_descriptors_is_not_exceeded,
		what_is_not_used_gives_its_dictionary_up_until_it_is,
	};

	return suite_run("segcache", tests, sizeof tests / sizeof *tests, 120);
}
