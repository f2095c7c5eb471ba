/* Purge entries: ranges in order, which the search finds, and which write back as they were. */
#include <stdint.h>
#include <string.h>

#include "proto/check.h"
#include "proto/limits.h"
#include "storage/purgeentry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
check_ranges(const struct purge_set *s)
{
	uint64_t records = 0, next = 0;

	CHECK(s->n > 0 && s->n <= LIMIT_PURGE_RANGES);
	for (size_t i = 0; i < s->n; i++) {
		const struct control_range *r = &s->ranges[i];
		CHECK(next <= r->first && r->first <= r->last && r->last <= LIMIT_TREE_SIZE);
		CHECK(r->first == next || purge_set_find(s, r->first - 1) == NULL);
		CHECK(purge_set_find(s, r->first) == r && purge_set_find(s, r->last) == r);
		records += r->last - r->first + 1;
		next = r->last + 1;
	}
	CHECK(purge_set_find(s, next) == NULL && s->records == records);
}

static void
check_written(const struct purge_set *s)
{
	struct purge_set again;
	struct buf b;

	buf_init(&b);
	CHECK(purge_entry_put(&b, s, slice_str("{\"policy\":0}")) == 0);
	CHECK(purge_entry_read(&again, buf_slice(&b)) == 0);
	CHECK(again.n == s->n && again.records == s->records);
	CHECK(memcmp(again.ranges, s->ranges, s->n * sizeof *s->ranges) == 0);
	CHECK(memcmp(again.root, s->root, sizeof s->root) == 0);
	purge_set_fini(&again);
	buf_fini(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct purge_set s;

	if (purge_entry_read(&s, slice_of(data, n)) == 0) {
		check_ranges(&s);
		check_written(&s);
		purge_set_fini(&s);
	}
	return 0;
}
