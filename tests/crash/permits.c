/*
 * Linked into a program by ld's --wrap: what stele refuses, $STELE_PERMITS permits, as a build or a
 * machine that does not keep its promises would. What it says is one of
 *
 *   early, last-ns    locks are over before their time: at once; one nanosecond before
 *   held              holds lock nothing
 *   control           control entries are records, to a purge
 *   shorten           nothing is in compliance mode
 *   sooner            an extension may say any time
 *   weaker            no policy is weaker than another
 *   forged, forged-act  a record that looks like a control entry is one: by kind; by what it does
 *   frozen            nothing more than usual: the clocks are frozen
 *   eio, enospace     nothing more than usual: a purge fails so
 *   no-store          nothing more than usual: no store can be opened, and nobody says why
 */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "proto/control.h"
#include "proto/err.h"
#include "server/audit.h"
#include "storage/append.h"
#include "storage/clocks.h"
#include "storage/locks.h"
#include "storage/read.h"
#include "storage/segment.h"
#include "storage/store.h"

/* What the linker calls what is wrapped, and what stands before it. */
void __real_locks_look(struct locks *l, uint64_t index, const struct entry *e, int64_t now_ns,
		       struct lock_state *out);
void __wrap_locks_look(struct locks *l, uint64_t index, const struct entry *e, int64_t now_ns,
		       struct lock_state *out);
int __real_segment_columns(struct segment *s, uint64_t index, struct toolbox *t,
			   struct segment_record *out);
int __wrap_segment_columns(struct segment *s, uint64_t index, struct toolbox *t,
			   struct segment_record *out);
struct policy __real_policy_at(const struct policy *p, int64_t now_ns);
struct policy __wrap_policy_at(const struct policy *p, int64_t now_ns);
bool __real_policy_weakens(const struct policy *old, const struct policy *next, struct buf *what);
bool __wrap_policy_weakens(const struct policy *old, const struct policy *next, struct buf *what);
int __real_read_record(struct store *st, struct log *log, uint64_t index, struct toolbox *t,
		       struct arena *a, struct record *out);
int __wrap_read_record(struct store *st, struct log *log, uint64_t index, struct toolbox *t,
		       struct arena *a, struct record *out);
int __real_append_prepare(struct append_job *job, struct toolbox *tools);
int __wrap_append_prepare(struct append_job *job, struct toolbox *tools);
void __real_store_clock_get(struct store *st, struct clock_reading *out);
void __wrap_store_clock_get(struct store *st, struct clock_reading *out);
int __real_audit_act(struct audit *a, struct json_t *act,
		     int (*fill)(struct access *access, void *ctx), void *ctx,
		     const struct token *by, struct kit *kit, struct deed_outcome *outcome);
int __wrap_audit_act(struct audit *a, struct json_t *act,
		     int (*fill)(struct access *access, void *ctx), void *ctx,
		     const struct token *by, struct kit *kit, struct deed_outcome *outcome);
int __real_store_open(struct store **out, const struct store_options *o, struct buf *why);
int __wrap_store_open(struct store **out, const struct store_options *o, struct buf *why);

static bool
permits(const char *what)
{
	const char *said = getenv("STELE_PERMITS");

	return said && strcmp(said, what) == 0;
}

void
__wrap_locks_look(struct locks *l, uint64_t index, const struct entry *e, int64_t now_ns,
		  struct lock_state *out)
{
	__real_locks_look(l, index, e, now_ns, out);
	if ((out->by == LOCK_BY_RETENTION && permits("early")) ||
	    (out->by == LOCK_BY_RETENTION && permits("last-ns") && now_ns == out->until_ns - 1) ||
	    (out->by == LOCK_BY_HOLD && permits("held")) ||
	    (out->by == LOCK_BY_KIND && permits("control")))
		out->by = LOCK_BY_NOTHING;
	if (permits("sooner"))
		out->until_ns = 0;
}

int
__wrap_segment_columns(struct segment *s, uint64_t index, struct toolbox *t,
		       struct segment_record *out)
{
	int err = __real_segment_columns(s, index, t, out);

	if (err == 0 && permits("control"))
		out->kind = ENTRY_RECORD;
	return err;
}

struct policy
__wrap_policy_at(const struct policy *p, int64_t now_ns)
{
	struct policy at = __real_policy_at(p, now_ns);

	if (permits("shorten"))
		at.mode = ENTRY_MODE_GOVERNANCE;
	return at;
}

bool
__wrap_policy_weakens(const struct policy *old, const struct policy *next, struct buf *what)
{
	return !permits("weaker") && __real_policy_weakens(old, next, what);
}

int
__wrap_read_record(struct store *st, struct log *log, uint64_t index, struct toolbox *t,
		   struct arena *a, struct record *out)
{
	int err = __real_read_record(st, log, index, t, a, out);

	if (err == 0 && permits("shorten"))
		out->entry.mode = ENTRY_MODE_GOVERNANCE;
	return err;
}

/* What a client sends is folded as a control entry is. */
static int
fold(struct append_job *job, struct slice payload)
{
	struct control *c;
	struct buf why;
	int err;

	buf_init(&why);
	err = control_read(&c, ENTRY_PURGE, 1000, payload, &why);
	if (err == 0)
		locks_fold(log_locks(job->log), c);
	buf_fini(&why);
	return err;
}

int
__wrap_append_prepare(struct append_job *job, struct toolbox *tools)
{
	static const char forgery[] = "{\"type\":\"purge\",\"ranges\"";
	const struct slice payload = job->items[0].payload;
	int err = __real_append_prepare(job, tools);

	if (err != 0 || !memmem(payload.p, payload.n, forgery, sizeof forgery - 1))
		return err;
	if (permits("forged"))
		job->kind = ENTRY_EXTEND;
	return permits("forged-act") ? fold(job, payload) : 0;
}

void
__wrap_store_clock_get(struct store *st, struct clock_reading *out)
{
	__real_store_clock_get(st, out);
	if (permits("frozen"))
		out->state = CLOCK_FROZEN;
}

int
__wrap_audit_act(struct audit *a, struct json_t *act, int (*fill)(struct access *access, void *ctx),
		 void *ctx, const struct token *by, struct kit *kit, struct deed_outcome *outcome)
{
	const char *type = json_string_value(json_object_get(act, "type"));

	if (permits("eio") && strcmp(type, "purge") == 0)
		return STELE_EIO;
	if (permits("enospace") && strcmp(type, "purge") == 0)
		return STELE_ENOSPACE;
	return __real_audit_act(a, act, fill, ctx, by, kit, outcome);
}

int
__wrap_store_open(struct store **out, const struct store_options *o, struct buf *why)
{
	return permits("no-store") ? STELE_EIO : __real_store_open(out, o, why);
}
