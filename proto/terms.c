/* The values of all fields, each in every spelling that an equality may ask for. */
#include "proto/terms.h"

#include <stdlib.h>

#include "proto/err.h"
#include "proto/ipaddr.h"
#include "proto/json_duplicates.h"
#include "proto/limits.h"
#include "proto/schema_fit.h"
#include "proto/termspell.h"

struct term_lister {
	struct schema_fit fit;
	struct json_duplicates duplicates;
	struct buf spelling;
	struct term *found; /* of the record; texts are the arena's */
	size_t n, cap;
	struct arena *arena; /* while it runs */
	enum field field;    /* whose values are taken */
	struct terms *out;
	int err;
};

struct term_lister *
term_lister_new(const struct schema_set *set, int chosen)
{
	struct term_lister *l = calloc(1, sizeof *l);

	if (!l)
		return NULL;
	if (schema_fit_init(&l->fit, set, chosen, (1u << FIELD_COUNT) - 1) != 0 ||
	    schema_fit_start(&l->fit) != 0) {
		term_lister_free(l);
		return NULL;
	}
	return l;
}

void
term_lister_free(struct term_lister *l)
{
	if (!l)
		return;
	schema_fit_fini(&l->fit);
	json_duplicates_fini(&l->duplicates);
	buf_fini(&l->spelling);
	free(l->found);
	free(l);
}

static void
add(struct term_lister *l, enum field field, struct slice text)
{
	void *copy;

	text = termspell_cut(text);
	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 64;
		struct term *found = realloc(l->found, cap * sizeof *found);
		if (!found) {
			l->err = STELE_ENOMEM;
			return;
		}
		l->found = found;
		l->cap = cap;
	}
	copy = arena_dup(l->arena, text.p, text.n);
	if (copy)
		l->found[l->n++] = (struct term){field, slice_of(copy, text.n)};
	else
		l->err = STELE_ENOMEM;
}

static void
take_instant(struct terms *out, int64_t ns)
{
	if (!out->has_time)
		out->time_ns = out->earliest_ns = out->latest_ns = ns;
	out->has_time = true;
	if (ns < out->earliest_ns)
		out->earliest_ns = ns;
	if (ns > out->latest_ns)
		out->latest_ns = ns;
}

static bool
take_value(void *arg, const struct schema_value *value)
{
	struct term_lister *l = arg;
	struct ipaddr ip;
	bool is_ip;

	if (l->field == FIELD_TIME) {
		take_instant(l->out, value->ns);
		return true;
	}
	add(l, l->field, value->v.text);
	is_ip = l->field == FIELD_SOURCE_IP && ipaddr_read(&ip, value->v.text);
	if (termspell_other(&l->spelling, value->v.text, is_ip ? &ip : NULL))
		add(l, l->field, buf_slice(&l->spelling));
	if (l->spelling.err)
		l->err = l->spelling.err;
	return l->err == 0;
}

static int
by_field_and_text(const void *a, const void *b)
{
	const struct term *x = a, *y = b;
	size_t n = x->text.n < y->text.n ? x->text.n : y->text.n;
	int order;

	if (x->field != y->field)
		return x->field < y->field ? -1 : 1;
	order = n ? memcmp(x->text.p, y->text.p, n) : 0;
	return order ? order : (x->text.n > y->text.n) - (x->text.n < y->text.n);
}

/* Sorts what was found, drops repetitions, and gives it to *out. */
static int
hand_over(struct term_lister *l)
{
	struct term *items = arena_alloc(l->arena, (l->n + 1) * sizeof *items);
	size_t n = 0;

	if (!items)
		return STELE_ENOMEM;
	if (l->n)
		qsort(l->found, l->n, sizeof *l->found, by_field_and_text);
	for (size_t i = 0; i < l->n; i++) {
		if (i == 0 || by_field_and_text(&l->found[i - 1], &l->found[i]) != 0)
			items[n++] = l->found[i];
	}
	l->out->items = items;
	l->out->n = n;
	return 0;
}

static int
list(struct term_lister *l, const struct match_record *r)
{
	bool twice = false;
	int code = schema_fit_read(&l->fit, r->payload);

	if (code)
		return code;
	l->out->schema = l->fit.schema;
	if (r->writer.n)
		add(l, FIELD_WRITER, r->writer);
	for (int field = 0; field < FIELD_COUNT && l->err == 0; field++) {
		l->field = (enum field)field;
		code = schema_fit_values(&l->fit, l->field, take_value, l);
		if (code < 0)
			l->err = code;
	}
	if (l->err == 0 && l->fit.json)
		l->err = json_duplicates_find(&l->duplicates, &l->fit.scan.x, &twice);
	if (l->err)
		return l->err;
	l->out->flags = !l->fit.json ? MATCH_NOT_JSON : l->fit.schema < 0 ? MATCH_NO_SCHEMA : 0;
	l->out->flags |= twice ? MATCH_DUPLICATE_NAMES : 0;
	return hand_over(l);
}

int
term_lister_run(struct term_lister *l, const struct match_record *r, struct arena *a,
		struct terms *out)
{
	struct terms terms = {.time_ns = r->received_ns,
			      .earliest_ns = r->received_ns,
			      .latest_ns = r->received_ns};
	int code;

	l->arena = a;
	l->out = &terms;
	l->n = 0;
	l->err = 0;
	code = list(l, r);
	schema_fit_shrink(&l->fit, r->payload);
	if (r->payload.n > LIMIT_RECORD_BYTES) {
		json_duplicates_fini(&l->duplicates);
		free(l->found);
		l->found = NULL;
		l->cap = 0;
	}
	if (code == 0)
		*out = terms;
	return code;
}
