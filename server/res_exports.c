/* Exports: ask for one, how far each is, and away with one. */
#include <stdio.h>
#include <string.h>

#include "proto/err.h"
#include "server/access_json.h"
#include "server/acting.h"
#include "server/audit.h"
#include "server/config.h"
#include "server/export_request.h"
#include "server/exporter.h"
#include "server/exports.h"
#include "server/loop.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/resources.h"
#include "server/server.h"
#include "storage/spool.h"
#include "storage/store.h"

enum { DEFAULT_ROWS = 100 };

static struct access *
access_of(const struct request *r)
{
	return audit_access(r->server->audit);
}

/* --- as JSON -------------------------------------------------------------------------------------
 */

static void
put_state(struct buf *b, struct server *s, const struct export *e)
{
	static const char *const names[] = {
		[EXPORT_BEGUN] = "waiting",
		[EXPORT_FINISHED] = "finished",
		[EXPORT_FAILED] = "failed",
		[EXPORT_REMOVED] = "removed",
	};
	struct exporter_progress p;
	bool runs =
		e->state == EXPORT_BEGUN && exporter_progress_of(s->exporter, slice_str(e->id), &p);

	buf_printf(b, ",\"state\":\"%s\"", runs ? "running" : names[e->state]);
	if (runs)
		buf_printf(b, ",\"progress\":{\"entries\":%llu,\"of\":%llu,\"bytes\":%llu}",
			   (unsigned long long)p.entries, (unsigned long long)p.of_entries,
			   (unsigned long long)p.bytes);
	if (e->state == EXPORT_FINISHED)
		access_put_time(b, "expires",
				e->ended_ns + (int64_t)s->config->export_keep_ms * 1000000);
}

static void
put(struct buf *b, struct server *s, const struct export *e)
{
	buf_put_u8(b, '{');
	export_put(b, e);
	put_state(b, s, e);
	buf_put_u8(b, '}');
}

/* --- show ----------------------------------------------------------------------------------------
 */

static void
not_there(struct request *r)
{
	reply_problem(r, PROBLEM_UNKNOWN_EXPORT,
		      "No export has that id, or it is not yours to see.");
}

void
res_exports_get(struct request *r)
{
	struct export *e = NULL;
	struct buf body;

	if (access_export(access_of(r), r->param[0], &e) != 0 || !export_visible(e, r->token)) {
		export_unref(e);
		not_there(r);
		return;
	}
	buf_init(&body);
	put(&body, r->server, e);
	export_unref(e);
	if (body.err)
		reply_err(r, body.err);
	else
		reply_bytes(r, 200, "application/json", buf_slice(&body));
	buf_fini(&body);
}

/* --- list ----------------------------------------------------------------------------------------
 */

static const char *const states[] = {"live", "finished", "failed", "removed", "all"};
enum { STATES = sizeof states / sizeof *states };

struct looking {
	struct slice after;
	uint64_t limit, rows;
	size_t state; /* of states */
	struct buf body;
	char last[EXPORT_ID_CHARS + 1];
	bool more;
};

static bool
wanted(const struct looking *l, const struct export *e)
{
	switch (l->state) {
	case 0:
		return e->state == EXPORT_BEGUN || e->state == EXPORT_FINISHED;
	case 1:
		return e->state == EXPORT_FINISHED;
	case 2:
		return e->state == EXPORT_FAILED;
	case 3:
		return e->state == EXPORT_REMOVED;
	default:
		return true;
	}
}

/* Appends a row, or finds that the page is full. */
static void
put_row(struct request *r, struct looking *l, const struct export *e)
{
	if (!wanted(l, e) || !export_visible(e, r->token))
		return;
	l->more = l->rows == l->limit;
	if (l->more)
		return;
	buf_put_str(&l->body, l->rows++ ? "," : "");
	put(&l->body, r->server, e);
	memcpy(l->last, e->id, sizeof l->last);
}

static void
list_work(struct request *r, struct kit *kit)
{
	struct looking *l = r->state;
	struct export *e = NULL, *next;

	(void)kit;
	buf_put_str(&l->body, "{\"exports\":[");
	while (!l->more &&
	       access_next_export(access_of(r), e ? slice_str(e->id) : l->after, &next) == 0) {
		export_unref(e);
		e = next;
		put_row(r, l, e);
	}
	export_unref(e);
	buf_put_u8(&l->body, ']');
	if (l->more)
		buf_printf(&l->body, ",\"next\":\"%s\"", l->last);
	buf_put_u8(&l->body, '}');
}

static void
list_then(struct request *r)
{
	struct looking l = *(struct looking *)r->state;

	if (l.body.err)
		reply_err(r, l.body.err);
	else
		reply_bytes(r, 200, "application/json", buf_slice(&l.body));
	buf_fini(&l.body);
}

void
res_exports_list(struct request *r)
{
	struct looking *l = request_state(r, sizeof *l);
	struct slice state = slice_str("live");

	if (!l)
		return;
	buf_init(&l->body);
	l->limit = DEFAULT_ROWS;
	if (!request_page(r, &l->after, &l->limit) || request_query(r, "state", &state) < 0)
		return;
	while (l->state < STATES && !slice_eq_str(state, states[l->state]))
		l->state++;
	if (l->state == STATES) {
		reply_problem(r, PROBLEM_INVALID_PARAMETER,
			      "state must be live, finished, failed, removed or all.");
		return;
	}
	r->work = list_work;
	r->then = list_then;
	loop_work(r);
}

/* --- begin ---------------------------------------------------------------------------------------
 */

/* What is answered; lasts as long as the request. */
struct asking {
	struct buf answer;
};

/* NULL without memory: answered. */
static struct asking *
request_asking(struct request *r)
{
	struct asking *asking = arena_alloc(&r->arena, sizeof *asking);

	if (asking)
		buf_init(&asking->answer);
	else
		reply_err(r, STELE_ENOMEM);
	return asking;
}

/* Why it is not done, before it is an act. */
static int
refuse(struct acting *a, int err, enum problem p, const char *why)
{
	a->outcome.problem = p;
	buf_reset(&a->outcome.why);
	buf_put_str(&a->outcome.why, why);
	return err;
}

/* Whether there is room for one more. */
static int
check_room(struct request *r)
{
	struct store_stats stats;
	uint64_t bytes;

	store_stats_get(r->server->store, &stats);
	(void)access_live_exports(access_of(r), &bytes);
	if (stats.low_space)
		return refuse(
			r->state, STELE_ENOSPACE, PROBLEM_LOW_SPACE,
			"The disk has less free space than --min-free: make room, then export.");
	if (bytes >= r->server->config->export_bytes)
		return refuse(
			r->state, STELE_ENOSPACE, PROBLEM_LOW_SPACE,
			"The bundles that are kept take all of --export-bytes: remove some, or "
			"wait until they expire.");
	return 0;
}

/* In the turn of the act: what is asked for is of the logs as they are now. */
static int
fill(struct request *r, struct access *access)
{
	struct acting *a = r->state;
	struct slice text = r->http.body;
	char id[EXPORT_ID_CHARS + 1];
	struct export_asked asked;
	json_t *body;
	int err = check_room(r);

	if (err != 0)
		return err;
	body = json_loadb((const char *)text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
	if (!body)
		return STELE_ENOMEM; /* it was valid before */
	access_new_export_id(access, id);
	err = export_request_read(&asked, r->server, r->token, body);
	if (err != 0 && asked.problem != PROBLEM_NONE) {
		a->outcome.problem = asked.problem;
		buf_put_slice(&a->outcome.why, buf_slice(&asked.why));
	}
	if (err == 0 && (json_object_set_new(a->act, "export", json_string(id)) != 0 ||
			 json_object_set(a->act, "request", asked.request) != 0 ||
			 json_object_set(a->act, "logs", asked.logs) != 0))
		err = STELE_ENOMEM;
	export_asked_fini(&asked);
	json_decref(body);
	return err;
}

/* It is in the state: its turn comes. */
static int
begun(struct request *r, struct kit *kit)
{
	struct acting *a = r->state;
	struct asking *asking = a->state;
	const char *id = json_string_value(json_object_get(a->act, "export"));
	struct export *e;
	int err = access_export(access_of(r), slice_str(id), &e);

	(void)kit;
	if (err != 0)
		return err;
	put(&asking->answer, r->server, e);
	export_unref(e);
	exporter_wake(r->server->exporter);
	return asking->answer.err;
}

static void
answer_begun(struct request *r)
{
	struct acting *a = r->state;
	struct asking *asking = a->state;

	if (a->err)
		reply_err(r, a->err);
	else
		reply_bytes(r, 201, "application/json", buf_slice(&asking->answer));
	buf_fini(&asking->answer);
}

void
res_exports_post(struct request *r)
{
	json_t *body = acting_body(r, PROBLEM_INVALID_EXPORT, false);
	struct asking *asking = body ? request_asking(r) : NULL;
	struct acting *a = asking ? acting_begin(r, "export.begin", PROBLEM_INVALID_EXPORT) : NULL;

	json_decref(body); /* fill reads it again, in its turn */
	if (!a)
		return;
	a->state = asking;
	a->fill = fill;
	a->perform = begun;
	a->answer = answer_begun;
	acting_run(r);
}

/* --- away with it
 * ---------------------------------------------------------------------------------- */

/* It is in the state no more: what is made of it ends, what there is of it goes. */
static int
destroy(struct request *r, struct kit *kit)
{
	(void)kit;
	exporter_cancel(r->server->exporter, r->param[0]);
	exporter_wake(r->server->exporter);
	return exporter_sweep(r->server);
}

static void
answer_removed(struct request *r)
{
	const struct acting *a = r->state;

	if (a->err) {
		reply_err(r, a->err);
		return;
	}
	reply_begin(r, 204, NULL);
	reply_body(r);
	reply_end(r);
}

void
res_exports_delete(struct request *r)
{
	struct export *e = NULL;
	struct acting *a;
	bool there =
		access_export(access_of(r), r->param[0], &e) == 0 && export_visible(e, r->token);

	export_unref(e);
	if (!there) {
		not_there(r);
		return;
	}
	a = acting_begin(r, "export.remove", PROBLEM_INVALID_EXPORT);
	if (!a)
		return;
	json_object_set_new(a->act, "export",
			    json_stringn((const char *)r->param[0].p, r->param[0].n));
	json_object_set_new(a->act, "why", json_string("deleted"));
	a->perform = destroy;
	a->answer = answer_removed;
	acting_run(r);
}
