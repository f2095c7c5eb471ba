/* Small parts; each says what it is for in the header. */
#include "server/retention.h"

#include "proto/arena.h"
#include "proto/duration.h"
#include "proto/err.h"
#include "proto/timestamp.h"
#include "server/kit.h"
#include "server/server.h"
#include "storage/clocks.h"
#include "storage/locks.h"
#include "storage/log.h"
#include "storage/read.h"

/* --- instants ----------------------------------------------------------------------------- */

/* Of the log's last entry: it never decreases, whatever happens to the wall clock. */
static int64_t
head_ns(struct log *log)
{
	struct head *head = log_head(log);
	int64_t ns = head->time_ns;

	head_unref(head);
	return ns;
}

int64_t
retention_later_ns(const struct server *s, struct log *log)
{
	int64_t later_ns, written_ns = head_ns(log);
	struct clock_reading now;

	store_clock_get(s->store, &now);
	later_ns = clock_later(&now);
	return later_ns > written_ns ? later_ns : written_ns;
}

int64_t
retention_earlier_ns(const struct server *s, struct log *log)
{
	struct clock_reading now;

	(void)log;
	store_clock_get(s->store, &now);
	return clock_earlier(&now);
}

json_t *
retention_time(int64_t ns)
{
	char text[TIMESTAMP_BYTES];

	timestamp_format(text, ns);
	return json_stringn(text, sizeof text);
}

const char *
retention_read_end(const json_t *body, int64_t now_ns, int64_t *until_ns)
{
	const json_t *until = json_object_get(body, "until"),
		     *period = json_object_get(body, "for"), *v = until ? until : period;
	struct slice s =
		slice_of(json_is_string(v) ? json_string_value(v) : "", json_string_length(v));
	struct duration d;
	int err;

	if (!until == !period)
		return "Say either until, an instant, or for, a period from now on.";
	if (until)
		return timestamp_read(until_ns, s) == 0
			       ? NULL
			       : "until is an instant in UTC before the year 2262, such as "
				 "2033-01-31T00:00:00Z.";
	err = duration_parse(&d, s);
	if (err == 0)
		err = duration_add(until_ns, now_ns, &d);
	if (err == STELE_ELIMIT)
		return "A lock must end before the year 2262.";
	return err == 0 ? NULL : "for is a period such as 7y, 18mo, 90d, 36h or P1Y6M.";
}

/* The latest end so far, after any of the policies. */
struct event_end {
	int64_t at_ns, until_ns;
	int err;
};

static void
count_policy(struct event_end *e, const struct policy *p)
{
	int64_t until_ns;
	int err;

	if (!p->retain_default[0])
		return;
	err = duration_add(&until_ns, e->at_ns, &p->default_for);
	if (err != 0)
		e->err = err;
	else if (until_ns > e->until_ns)
		e->until_ns = until_ns;
}

static void
see_control(void *ctx, const struct control *c)
{
	if (c->kind == ENTRY_POLICY)
		count_policy(ctx, &c->policy);
}

int
retention_event_end(struct log *log, int64_t at_ns, int64_t *until_ns)
{
	struct event_end e = {.at_ns = at_ns};

	count_policy(&e, log_founding(log));
	locks_each_control(log_locks(log), 0, see_control, &e);
	if (e.err == 0 && e.until_ns == 0)
		e.err = STELE_ENOTFOUND;
	if (e.err == 0)
		*until_ns = e.until_ns;
	return e.err;
}

/* --- entries ------------------------------------------------------------------------------ */

int
retention_each_entry(const struct server *s, struct log *log, uint64_t first, uint64_t last,
		     struct kit *kit, int (*fn)(void *ctx, const struct entry *e), void *ctx)
{
	struct record r;
	struct arena a;
	int err = 0;

	arena_init(&a);
	for (uint64_t i = first; err == 0 && i <= last; i++) {
		arena_reset(&a);
		err = read_record(s->store, log, i, kit->tools, &a, &r);
		if (err == 0)
			err = fn(ctx, &r.entry);
	}
	arena_fini(&a);
	return err;
}

/* --- policies ----------------------------------------------------------------------------- */

void
retention_put_quota(struct buf *b, const struct policy *p)
{
	const char *lead = "{";

	if (!p->quota_bytes && !p->quota_records) {
		buf_put_str(b, "null");
		return;
	}
	if (p->quota_bytes) {
		buf_printf(b, "{\"bytes\":%llu", (unsigned long long)p->quota_bytes);
		lead = ",";
	}
	if (p->quota_records)
		buf_printf(b, "%s\"records\":%llu", lead, (unsigned long long)p->quota_records);
	buf_put_u8(b, '}');
}

void
retention_put_used(struct buf *b, struct log *log)
{
	struct log_storage storage;
	struct head *head = log_head(log);

	log_storage_get(log, &storage);
	buf_printf(b, "{\"bytes\":%llu,\"records\":%llu}",
		   (unsigned long long)storage.payload_bytes, (unsigned long long)head->size);
	head_unref(head);
}

void
retention_put_policy(const struct server *s, struct buf *b, struct log *log)
{
	int64_t now_ns = retention_later_ns(s, log);
	struct policy p = policy_at(log_policy(log), now_ns);
	char from[TIMESTAMP_BYTES];

	buf_put_str(b, ",\"policy\":");
	policy_write(b, &p);
	if (!p.compliance_from_ns)
		return;
	timestamp_format(from, p.compliance_from_ns);
	buf_printf(b, ",\"compliance\":{\"from\":\"%.*s\",\"seconds\":%lld}", TIMESTAMP_BYTES, from,
		   (long long)((p.compliance_from_ns - now_ns + 999999999) / 1000000000));
}
