/* Requests of erasure: what is kept of somebody is found, restricted, and goes when it may. */
#include <stdlib.h>
#include <string.h>

#include "proto/err.h"
#include "server/access.h"
#include "server/acting.h"
#include "server/audit.h"
#include "server/erasure_find.h"
#include "server/erasure_state.h"
#include "server/erasures.h"
#include "server/kit.h"
#include "server/loop.h"
#include "server/mapping.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/resources.h"
#include "server/server.h"
#include "storage/log.h"
#include "storage/store.h"

enum { DEFAULT_ROWS = 20 };

static struct access *
access_of(const struct request *r)
{
	return audit_access(r->server->audit);
}

/* --- show and list ------------------------------------------------------------------------- */

struct looking {
	struct slice state, after;
	uint64_t limit, rows;
	struct buf body, why;
	char last[CONTROL_HOLD_ID_CHARS + 1];
	bool more;
	int err;
};

/* NULL without memory: answered. */
static struct looking *
look(struct request *r)
{
	struct looking *l = request_state(r, sizeof *l);

	if (!l)
		return NULL;
	buf_init(&l->body);
	buf_init(&l->why);
	return l;
}

static void
answer(struct request *r, struct looking *l, int status)
{
	int err = l->err ? l->err : l->body.err;

	if (err == 0)
		reply_bytes(r, status, "application/json", buf_slice(&l->body));
	else if (err == STELE_ENOTFOUND)
		reply_problem(r, PROBLEM_UNKNOWN_ERASURE, "No erasure of the log has that id.");
	else if (err == STELE_EDAMAGED)
		reply_problem(r, PROBLEM_DAMAGED, "%.*s.", (int)l->why.n,
			      l->why.n ? (const char *)l->why.p : "");
	else
		reply_err(r, err);
	buf_fini(&l->body);
	buf_fini(&l->why);
}

static void
answer_looked(struct request *r)
{
	struct looking l = *(struct looking *)r->state;

	answer(r, &l, 200);
}

static void
show_work(struct request *r, struct kit *kit)
{
	struct looking *l = r->state;
	struct erasure *e;

	l->err = access_erasure(access_of(r), r->param[0], r->param[1], &e);
	if (l->err != 0)
		return;
	buf_put_u8(&l->body, '{');
	l->err = erasure_state_put(&l->body, r->server, r->log, e, kit->tools, &l->why);
	buf_put_u8(&l->body, '}');
	erasure_free(e);
}

void
res_erasures_get(struct request *r)
{
	if (!look(r))
		return;
	r->work = show_work;
	r->then = answer_looked;
	loop_work(r);
}

static bool
wanted(const struct looking *l, const struct erasure *e)
{
	return slice_eq_str(l->state, "all") ||
	       slice_eq_str(l->state, "done") == (e->ended_ns != 0);
}

/* Appends a row, or finds that the page is full. */
static void
put_row(struct request *r, struct kit *kit, const struct erasure *e)
{
	struct looking *l = r->state;

	if (!wanted(l, e))
		return;
	l->more = l->rows == l->limit;
	if (l->more)
		return;
	buf_put_str(&l->body, l->rows++ ? ",{" : "{");
	l->err = erasure_state_put(&l->body, r->server, r->log, e, kit->tools, &l->why);
	buf_put_u8(&l->body, '}');
	memcpy(l->last, e->id, sizeof l->last);
}

static void
list_work(struct request *r, struct kit *kit)
{
	struct looking *l = r->state;
	char id[CONTROL_HOLD_ID_CHARS + 1];
	struct slice after = l->after;
	struct erasure *e;
	bool here = true;

	buf_put_str(&l->body, "{\"erasures\":[");
	while (here && !l->more && l->err == 0 &&
	       (l->err = access_next_erasure(access_of(r), r->param[0], after, &e)) == 0) {
		here = slice_eq_str(r->param[0], e->log);
		if (here)
			put_row(r, kit, e);
		memcpy(id, e->id, sizeof id);
		after = slice_str(id);
		erasure_free(e);
	}
	l->err = l->err == STELE_ENOTFOUND ? 0 : l->err;
	buf_put_u8(&l->body, ']');
	if (l->more)
		buf_printf(&l->body, ",\"next\":\"%s\"", l->last);
	buf_put_u8(&l->body, '}');
}

void
res_erasures_list(struct request *r)
{
	struct looking *l = look(r);

	if (!l)
		return;
	l->limit = DEFAULT_ROWS;
	l->state = slice_str("open");
	if (!request_page(r, &l->after, &l->limit) || request_query(r, "state", &l->state) < 0)
		return;
	if (!slice_eq_str(l->state, "open") && !slice_eq_str(l->state, "done") &&
	    !slice_eq_str(l->state, "all")) {
		reply_problem(r, PROBLEM_INVALID_PARAMETER, "state must be open, done or all.");
		return;
	}
	r->work = list_work;
	r->then = answer_looked;
	loop_work(r);
}

/* --- request: what it is about ------------------------------------------------------------- */

struct erasing {
	struct erasure_find find;
	struct looking l; /* the answer */
	json_t *act;      /* its members so far */
	struct buf why;
	bool sealed;
	int err;
};

/* 7, or [3, 9]. */
static bool
read_range(const json_t *v, struct control_range *out)
{
	if (!deed_index(v, &out->first))
		return deed_range(v, out);
	out->last = out->first;
	return true;
}

static int
compare(const void *left, const void *right)
{
	const struct control_range *a = left, *b = right;

	return (a->first > b->first) - (a->first < b->first);
}

/* [3, 7, [9, 12]] in any order. */
static int
read_records(struct ranges *out, const json_t *list)
{
	size_t n = json_array_size(list);
	struct control_range *r = n && n <= LIMIT_HOLD_RANGES ? calloc(n, sizeof *r) : NULL;
	int err = 0;

	if (!r)
		return n && n <= LIMIT_HOLD_RANGES ? STELE_ENOMEM : STELE_ESYNTAX;
	for (size_t i = 0; err == 0 && i < n; i++)
		err = read_range(json_array_get(list, i), &r[i]) ? 0 : STELE_ESYNTAX;
	if (err == 0)
		qsort(r, n, sizeof *r, compare);
	for (size_t i = 0; err == 0 && i < n; i++)
		err = ranges_add(out, r[i].first, r[i].last);
	free(r);
	return err;
}

/* Where it looks, and by what. */
static int
read_where(struct request *r, struct erasing *s, const json_t *body)
{
	const json_t *records = json_object_get(body, "records"),
		     *range = json_object_get(body, "range"),
		     *filter = json_object_get(body, "filter");
	struct control_range all = {0, LIMIT_INTEGER};

	if ((!records && !range && !filter) || (records && (range || filter)) ||
	    (range && !read_range(range, &all)) || (filter && !json_is_string(filter)) ||
	    (filter && json_string_length(filter) > LIMIT_HOLD_FILTER_BYTES))
		return STELE_ESYNTAX;
	if (records)
		return read_records(&s->find.named, records);
	if (filter) {
		int err = erasure_find_filter(
			&s->find, mapping_of_log(audit_access(r->server->audit), r->param[0]),
			json_string_value(filter), &s->why);
		if (err != 0)
			return err;
	}
	return ranges_add(&s->find.named, all.first, all.last);
}

static int
read_body(struct request *r, struct erasing *s, json_t *body)
{
	const char *name;
	json_t *v;

	if (json_object_set_new(s->act, "log",
				json_stringn((const char *)r->param[0].p, r->param[0].n)) != 0)
		return STELE_ENOMEM;
	json_object_foreach(body, name, v)
	{
		if (strcmp(name, "case") == 0 || strcmp(name, "reason") == 0) {
			if (json_object_set(s->act, name, v) != 0)
				return STELE_ENOMEM;
		} else if (strcmp(name, "records") != 0 && strcmp(name, "range") != 0 &&
			   strcmp(name, "filter") != 0) {
			return STELE_ESYNTAX;
		}
	}
	return read_where(r, s, body);
}

static void
drop(struct erasing *s)
{
	erasure_find_fini(&s->find);
	json_decref(s->act);
	s->act = NULL;
	buf_fini(&s->why);
}

/* What of the request it is that cannot be. */
static const char *
sentence(struct erasing *s)
{
	if (s->why.n) {
		buf_put_u8(&s->why, 0);
		return s->why.err ? "" : (const char *)s->why.p;
	}
	if (s->err == STELE_ENOTFOUND)
		return "The log has not all these records.";
	if (s->err == STELE_ELIMIT)
		return "It is about more than 4096 ranges of records: ask for a part of the log at a "
		       "time, with range beside the filter.";
	return "Say the case, and what: records such as [3, [7, 9]]; or a range [FIRST, LAST], a "
	       "filter, or both. reason may be said, and nothing else.";
}

/* The answer to one that cannot be, or that found nothing. */
static void
refuse(struct request *r, struct erasing *s)
{
	const struct erasure_find *f = &s->find;

	if (s->err == 0)
		reply_problem(
			r, PROBLEM_INVALID_ERASURE,
			"There is nothing to erase: of %llu records none is meant, %llu could "
			"not be read, and %llu are gone already.",
			(unsigned long long)f->looked, (unsigned long long)f->unread,
			(unsigned long long)f->gone);
	else if (s->err == STELE_EDAMAGED)
		reply_problem(r, PROBLEM_DAMAGED,
			      "Record %llu cannot be read; the server's log says why.",
			      (unsigned long long)f->at);
	else if (s->err == STELE_ESYNTAX || s->err == STELE_ELIMIT || s->err == STELE_ENOTFOUND)
		reply_problem(r, PROBLEM_INVALID_ERASURE, "%s", sentence(s));
	else
		reply_err(r, s->err);
	drop(s);
}

/* --- request: found, recorded, answered ---------------------------------------------------- */

static int
fill(struct request *r, struct access *access)
{
	struct acting *a = r->state;
	char id[CONTROL_HOLD_ID_CHARS + 1];

	access_new_erasure_id(access, id);
	return json_object_set_new(a->act, "id", json_string(id)) == 0 ? 0 : STELE_ENOMEM;
}

/* It is in force. */
static int
gather(struct request *r, struct kit *kit)
{
	const struct acting *a = r->state;
	struct erasing *s = a->state;
	const char *id = json_string_value(json_object_get(a->act, "id"));
	struct erasure *e;
	int err = access_erasure(access_of(r), r->param[0], slice_str(id), &e);

	if (err != 0)
		return err;
	buf_put_u8(&s->l.body, '{');
	err = erasure_state_put(&s->l.body, r->server, r->log, e, kit->tools, &s->l.why);
	buf_printf(&s->l.body, ",\"looked\":%llu,\"unread\":%llu,\"gone\":%llu}",
		   (unsigned long long)s->find.looked, (unsigned long long)s->find.unread,
		   (unsigned long long)s->find.gone);
	erasure_free(e);
	return err;
}

static void
answer_requested(struct request *r)
{
	const struct acting *a = r->state;
	struct erasing *s = a->state;

	s->l.err = a->err;
	answer(r, &s->l, 201);
}

/* What was found becomes an act. */
static void
request_it(struct request *r, struct erasing *s)
{
	struct acting *a = acting_begin(r, "erasure.request", PROBLEM_INVALID_ERASURE);
	struct erasure_find counts = {
		.looked = s->find.looked, .unread = s->find.unread, .gone = s->find.gone};
	bool whole = a && json_object_update(a->act, s->act) == 0 &&
		     json_object_set_new(a->act, "ranges", deed_ranges(&s->find.found)) == 0;

	drop(s);
	if (a && !whole) {
		acting_drop(r);
		reply_err(r, STELE_ENOMEM);
	}
	if (!whole)
		return;
	s->find = counts;
	buf_init(&s->l.body);
	buf_init(&s->l.why);
	a->state = s;
	a->fill = fill;
	a->perform = gather;
	a->answer = answer_requested;
	acting_run(r);
}

static void
find_work(struct request *r, struct kit *kit)
{
	struct erasing *s = r->state;

	/* only what is sealed can be purged */
	s->err = s->sealed ? 0 : store_seal_log(r->server->store, r->log, &s->why);
	s->sealed = true;
	if (s->err == 0)
		s->err = erasure_find_step(&s->find, r->server->store, r->log, kit->tools);
}

static void
find_then(struct request *r)
{
	struct erasing *s = r->state;

	if (s->err == 1 && atomic_load(&r->server->draining))
		s->err = STELE_ECLOSED;
	if (s->err == 1)
		loop_work(r);
	else if (s->err == 0 && s->find.found.n)
		request_it(r, s);
	else
		refuse(r, s);
}

/* What only the act's own reader would refuse, after all was read. */
static int
check_words(struct request *r, struct erasing *s)
{
	json_t *like = json_pack("{s:s, s:[]}", "id", "e-0000000000", "ranges");
	struct erasure *e = NULL;
	int err = like && json_object_update(like, s->act) == 0 ? 0 : STELE_ENOMEM;

	if (err == 0)
		err = erasure_read(&e, like, slice_str(r->token->principal->id), &s->why);
	erasure_free(e);
	json_decref(like);
	return err;
}

void
res_erasures_post(struct request *r)
{
	json_t *body = acting_body(r, PROBLEM_INVALID_ERASURE, false);
	struct erasing *s = body ? request_state(r, sizeof *s) : NULL;

	if (!s) {
		json_decref(body);
		return;
	}
	buf_init(&s->why);
	s->act = json_object();
	s->err = s->act ? read_body(r, s, body) : STELE_ENOMEM;
	json_decref(body);
	if (s->err == 0)
		s->err = check_words(r, s);
	if (s->err != 0) {
		refuse(r, s);
		return;
	}
	if (log_name(r->log)[0] == '_') {
		drop(s);
		reply_problem(r, PROBLEM_RESERVED_LOG,
			      "What the server records of itself is no subject's to erase.");
		return;
	}
	r->work = find_work;
	r->then = find_then;
	loop_work(r);
}
