/*
 * Purges records of a stopped store: purge_store DIR LOG FIRST LAST…
 *
 * One purge of all ranges given, as steled does it, with no server around it. Prints what came of
 * it as JSON. Exit 0 when the payloads are destroyed; 1, and a line that says why not; 3 on misuse.
 */
#include <stdio.h>
#include <stdlib.h>

#include "crypto/init.h"
#include "proto/err.h"
#include "storage/purge.h"
#include "storage/store.h"

enum { MAX_RANGES = 64 };

static int
purge(struct store *st, const char *name, const struct purge_range *ranges, size_t n,
      struct buf *why)
{
	const struct purge_request rq = {.ranges = ranges,
					 .n_ranges = n,
					 .members =
						 slice_str("{\"policy\":0,\"plan\":\"by hand\"}"),
					 .writer = slice_str("p-purger")};
	struct purge_result out;
	struct log *log;
	int err = store_log_find(st, slice_str(name), &log);

	if (err == 0)
		err = purge_run(st, NULL, log, &rq, &out, why);
	if (err != 0)
		return err;
	printf("{\"entry\":%llu,\"records\":%llu,\"bytes\":%llu,\"objects\":%llu,\"destroyed\":%s}\n",
	       (unsigned long long)out.entry, (unsigned long long)out.records,
	       (unsigned long long)out.returned_bytes, (unsigned long long)out.objects,
	       out.destroyed ? "true" : "false");
	return out.destroyed ? 0 : STELE_EBUSY;
}

int
main(int argc, char **argv)
{
	struct purge_range ranges[MAX_RANGES];
	size_t n = argc > 2 ? (size_t)(argc - 3) / 2 : 0;
	struct store_options opts = {.dir = argc > 1 ? argv[1] : NULL};
	struct store *st;
	struct buf why;
	int err;

	if (argc < 5 || argc % 2 == 0 || n > MAX_RANGES || crypto_init() != 0) {
		fprintf(stderr, "usage: purge_store DIR LOG FIRST LAST...\n");
		return 3;
	}
	for (size_t i = 0; i < n; i++) {
		ranges[i].first = strtoull(argv[3 + 2 * i], NULL, 10);
		ranges[i].last = strtoull(argv[4 + 2 * i], NULL, 10);
	}
	buf_init(&why);
	err = store_open(&st, &opts, &why);
	if (err == 0) {
		err = purge(st, argv[2], ranges, n, &why);
		store_close(st);
	}
	if (err != 0)
		printf("%s: %.*s\n", stele_strerror(err), (int)why.n,
		       why.n ? (const char *)why.p : "");
	buf_fini(&why);
	return err == 0 ? 0 : 1;
}
