/* Reads gathered: exact ranges, a record for each token and log, nothing dropped when it is full.
 */
#include "scratch_store.h"

#include <stdlib.h>

#include "crypto/init.h"
#include "server/audit_queue.h"
#include "server/audit_reads.h"
#include "suite.h"

static struct token *
token(struct principal *p, int i)
{
	struct token *t = calloc(1, sizeof *t);

	atomic_init(&t->refs, 1);
	snprintf(t->id, sizeof t->id, "token%05u", (unsigned)i % 100000);
	atomic_fetch_add(&p->refs, 1);
	t->principal = p;
	return t;
}

/* The records that wait are these, in this order. */
static void
expect(struct audit_queue *q, const char *const *want, size_t n)
{
	struct audit_event *list = audit_queue_take(q, SIZE_MAX), *e = list;

	for (size_t i = 0; i < n; i++, e = e->next) {
		ck_assert_ptr_nonnull(e);
		ck_assert_msg(slice_eq_str(slice_of(e->json, e->n), want[i]), "%.*s", (int)e->n,
			      e->json);
	}
	ck_assert_ptr_null(e);
	audit_event_free(list);
}

#define READ(token, log, rest)                                                                     \
	"{\"type\":\"read\",\"by\":{\"principal\":\"p-1\",\"token\":\"" token                      \
	"\"},\"matter\":\"Case 7\",\"log\":\"" log "\"," rest "}"

START_TEST(each_token_and_log_is_one_record_with_exact_ranges)
{
	static const uint64_t indexes[] = {4, 5, 6, 6, 9, 3, 4};
	struct principal *p = calloc(1, sizeof *p);
	struct audit_reads reads;
	struct audit_queue q;
	struct scratch s;
	struct log *a, *b;
	struct token *t, *u;

	scratch_begin(&s);
	a = scratch_log(&s, "a", "{}");
	b = scratch_log(&s, "b", "{}");
	atomic_init(&p->refs, 1);
	strcpy(p->id, "p-1");
	strcpy(p->matter, "Case 7");
	t = token(p, 1);
	u = token(p, 2);
	audit_queue_init(&q);
	audit_reads_init(&reads, &q);
	audit_reads_settle(&reads);
	expect(&q, NULL, 0);
	for (size_t i = 0; i < sizeof indexes / sizeof *indexes; i++)
		audit_reads_add(&reads, t, a, indexes[i]);
	audit_reads_add(&reads, t, b, 1);
	audit_reads_add(&reads, u, a, 7);
	audit_reads_add(&reads, t, a, 5);
	token_unref(u); /* it lives until its record is made */
	audit_reads_settle(&reads);
	expect(&q,
	       (const char *const[]){
		       READ("token00001", "b", "\"count\":1,\"records\":[[1,1]]"),
		       READ("token00002", "a", "\"count\":1,\"records\":[[7,7]]"),
		       READ("token00001", "a", "\"count\":8,\"records\":[[4,6],[9,9],[3,5]]"),
	       },
	       3);
	audit_reads_add(&reads, t, a, 0); /* what was settled is forgotten */
	audit_reads_settle(&reads);
	expect(&q,
	       (const char *const[]){READ("token00001", "a", "\"count\":1,\"records\":[[0,0]]")},
	       1);
	audit_reads_fini(&reads);
	audit_queue_fini(&q);
	token_unref(t);
	principal_unref(p);
	scratch_end(&s);
}
END_TEST

/* Sums the reads in all records that wait. */
static uint64_t
counted(struct audit_queue *q, size_t *records)
{
	struct audit_event *list = audit_queue_take(q, SIZE_MAX);
	uint64_t sum = 0;

	*records = 0;
	for (struct audit_event *e = list; e; e = e->next, ++*records) {
		const char *at = memmem(e->json, e->n, "\"count\":", 8);
		sum += strtoull(at + 8, NULL, 10);
	}
	audit_event_free(list);
	return sum;
}

START_TEST(when_it_is_full_records_come_early_and_none_is_lost)
{
	struct principal *p = calloc(1, sizeof *p);
	struct audit_reads reads;
	struct audit_queue q;
	struct scratch s;
	struct log *log;
	struct token *t;
	size_t records;

	scratch_begin(&s);
	log = scratch_log(&s, "a", "{}");
	atomic_init(&p->refs, 1);
	strcpy(p->id, "p-1");
	audit_queue_init(&q);
	audit_reads_init(&reads, &q);
	t = token(p, 1);
	for (uint64_t i = 0; i < 5 * AUDIT_RANGES; i++)
		audit_reads_add(&reads, t, log, 2 * i);
	audit_reads_settle(&reads);
	ck_assert_uint_eq(counted(&q, &records), 5 * AUDIT_RANGES);
	ck_assert_uint_eq(records, 5);
	token_unref(t);
	for (int i = 0; i < 3 * AUDIT_READERS; i++) {
		t = token(p, i);
		audit_reads_add(&reads, t, log, 1);
		token_unref(t);
	}
	audit_reads_settle(&reads);
	ck_assert_uint_eq(counted(&q, &records), 3 * AUDIT_READERS);
	ck_assert_uint_eq(records, 3 * AUDIT_READERS);
	ck_assert_uint_eq(q.lost, 0);
	audit_reads_fini(&reads);
	audit_queue_fini(&q);
	ck_assert_uint_eq(atomic_load(&p->refs), 1);
	principal_unref(p);
	scratch_end(&s);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		each_token_and_log_is_one_record_with_exact_ranges,
		when_it_is_full_records_come_early_and_none_is_lost,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("audit_reads", tests, sizeof tests / sizeof *tests, 60);
}
