/*
 * What is left of purged payloads, for whoever has all files and every key that is left.
 *
 * A store gets records whose payloads, salts and objects hold markers that do not compress, sealed
 * ones and ones in the WAL, and dictionaries trained on them; a backup is made; then they are
 * purged. Afterwards none of the markers may turn up, anywhere (tests/crash/residue_search.h).
 *
 * That the search can find them is shown by the same search before the purge, and by one
 * afterwards with the keys from before: what keeps the markers from being found in the backup is
 * that those are gone.
 */
#include "residue_search.h"

#include "crypto/init.h"
#include "storage/backup.h"
#include "tests/unit/purge_case.h"

enum { TEXT_BYTES = 1500 };

static const char marker[] = "MARK-q7Zp0vXw3Lk9sYt2Rb6NcJ4dHf8Ga1Me5Ui",
		  object_marker[] = "OBJ-w8Kd2Vn5Qy7Tz0Xp4Lr9Bs3Hc6Jg1FmEa";

static struct markers sought = {{marker, object_marker}, 2, {{0}}, 0};

/* --- the store ----------------------------------------------------------------------------- */

/* Text that trains a dictionary; of what is purged, with the marker in it. */
static size_t
text_of(uint64_t i, bool marked, char out[TEXT_BYTES])
{
	uint64_t x = i * 0x9e3779b97f4a7c15ull + 3;
	int n = snprintf(out, TEXT_BYTES, "{\"n\":%" PRIu64 ",\"id\":\"%016" PRIx64 "\"", i, x);

	for (uint64_t k = 0; k < 16; k++)
		n += snprintf(out + n, TEXT_BYTES - (size_t)n,
			      ",\"%s-%" PRIu64 "\":\"v%" PRIu64 "\"", marked ? marker : "field", k,
			      (i * 7919 + k * 104729) % 997);
	return (size_t)(n + snprintf(out + n, TEXT_BYTES - (size_t)n, "}"));
}

static void
fill(struct scratch *s, struct log *log, uint64_t size, const struct control_range *marked)
{
	while (log->frontier.size < size) {
		uint64_t at = log->frontier.size;
		size_t n = size - at < 160 ? (size_t)(size - at) : 160;
		struct append_job job;
		append_job_init(&job);
		job.items = arena_alloc(&job.arena, n * sizeof *job.items);
		memset(job.items, 0, n * sizeof *job.items);
		for (size_t i = 0; i < n; i++) {
			char text[TEXT_BYTES];
			bool is = marked && at + i >= marked->first && at + i <= marked->last;
			size_t bytes = text_of(at + i, is, text);
			job.items[i].payload = slice_of(arena_dup(&job.arena, text, bytes), bytes);
			job.items[i].media_type = slice_str("application/json");
		}
		job.log = log;
		job.writer = slice_str("p-test");
		job.n_items = n;
		ck_assert_int_eq(append_prepare(&job, s->tools), 0);
		ck_assert_int_eq(store_append_batch(s->st, &job), 0);
		ck_assert_int_eq(job.err, 0);
		append_job_fini(&job);
	}
}

static uint64_t
put_object(struct scratch *s, struct log *log)
{
	uint8_t *payload = scratch_payload(70000, 11);
	uint64_t index;

	memcpy(payload + 100, object_marker, strlen(object_marker));
	index = scratch_object(s, log, slice_of(payload, 70000));
	free(payload);
	return index;
}

static void
remember_salts(struct scratch *s, struct log *log, uint64_t first, uint64_t last)
{
	for (uint64_t i = first; i <= last; i++) {
		struct record r;
		struct arena a;
		arena_init(&a);
		ck_assert_int_eq(read_record(s->st, log, i, s->tools, &a, &r), 0);
		ck_assert_uint_lt(sought.n_salts, MAX_SALTS);
		memcpy(sought.salt[sought.n_salts++], r.salt, 16);
		arena_fini(&a);
	}
}

/* Marked records between others, of the same commits and so of the same seeds, too: in a segment
   with what is beside them, and in the WAL. */
static void
fill_all(struct scratch *s, struct log *log, struct control_range ranges[3])
{
	ranges[0] = (struct control_range){1010, 1590};
	ranges[1] = (struct control_range){1750, 1910};
	fill(s, log, 1500, &ranges[0]);
	ck_assert_int_eq(store_maintain(s->st), 0);
	fill(s, log, 1700, &ranges[0]); /* packed with what was trained on it */
	sealed_log_seal(s, log);
	fill(s, log, 2000, &ranges[1]);
	ranges[2].first = ranges[2].last = put_object(s, log);
	fill(s, log, 2100, NULL);
	ck_assert_uint_ge(log->n_dicts, 1);
	for (int i = 0; i < 3; i++)
		remember_salts(s, log, ranges[i].first, ranges[i].last);
}

static void
back_up(struct scratch *s, const char *dir)
{
	struct backup_request r = {.dir = dir};
	struct backup_state state;
	struct buf why;

	buf_init(&why);
	ck_assert_int_eq(store_backup_start(s->st, &r, &why), 0);
	ck_assert_int_eq(store_backup_run(s->st), 1);
	store_backup_get(s->st, &state);
	ck_assert_int_eq(state.err, 0);
	buf_fini(&why);
}

/* Every way of hiding is one in which the search before the purge finds. */
static void
expect_all(const struct hits *h)
{
	ck_assert_uint_eq(h->raw, 0); /* encrypted, always */
	ck_assert_uint_ge(h->wal, 160);
	ck_assert_uint_ge(h->wal_dict, 1);
	ck_assert_uint_ge(h->wal_salt, 160);
	ck_assert_uint_ge(h->segment, 500);
	ck_assert_uint_ge(h->segment_dict, 1);
	ck_assert_uint_gt(h->dict_bytes, 0);
	ck_assert_uint_ge(h->segment_salt, 500);
	ck_assert_uint_ge(h->object, 2); /* in the store and in the backup */
}

START_TEST(nothing_that_was_purged_can_be_found_under_the_keys_that_are_left)
{
	char backup[300], ring[300], old_ring[300], command[700];
	struct control_range ranges[3];
	struct purge_result out;
	struct scratch s;
	struct log *log;
	struct hits h;

	scratch_begin(&s);
	snprintf(backup, sizeof backup, "%s.backup", s.dir);
	snprintf(ring, sizeof ring, "%s/keys/keyring", s.dir);
	snprintf(old_ring, sizeof old_ring, "%s.keyring", s.dir);
	log = scratch_log(&s, "l", "{}");
	fill_all(&s, log, ranges);
	back_up(&s, backup);
	snprintf(command, sizeof command, "cp '%s' '%s'", ring, old_ring);
	ck_assert_int_eq(system(command), 0);
	h = residue_search(&sought, ring, s.dir, backup);
	residue_sum("before the purge", &h);
	expect_all(&h);
	ck_assert_int_eq(purge_of(&s, log, ranges, 3, &out), 0);
	ck_assert(out.destroyed);
	ck_assert_int_eq(store_maintain(s.st), 0); /* trains again */
	fill(&s, log, 2200, NULL);
	ck_assert_int_eq(store_maintain(s.st), 0);
	fill(&s, log, 2300, NULL);
	scratch_close(&s);
	h = residue_search(&sought, ring, s.dir, backup);
	ck_assert_uint_eq(residue_sum("under the keys that are left", &h), 0);
	ck_assert_uint_gt(h.dict_bytes, 0); /* there is one to look at */
	h = residue_search(&sought, old_ring, s.dir, backup);
	ck_assert_uint_gt(residue_sum("under the keys from before", &h), 0);
	ck_assert_uint_ge(h.object, 1); /* of the backup alone: the store's file is gone */
	snprintf(command, sizeof command, "rm -rf '%s' '%s'", backup, old_ring);
	ck_assert_int_eq(system(command), 0);
	scratch_end(&s);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		nothing_that_was_purged_can_be_found_under_the_keys_that_are_left,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("residue", tests, sizeof tests / sizeof *tests, 300);
}
