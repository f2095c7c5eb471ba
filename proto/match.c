/* The filter's terms over fields are decided here; the rest is filter_eval's and schema_fit's. */
#include "proto/match.h"

#include <stdlib.h>

#include "proto/err.h"
#include "proto/filter_eval.h"
#include "proto/filter_fits.h"
#include "proto/json_duplicates.h"
#include "proto/limits.h"
#include "proto/match_skip.h"
#include "proto/schema_fit.h"

struct matcher {
	struct schema_fit fit;
	struct filter_step *filter;
	struct match_skip skip;
	struct json_duplicates duplicates;
	const struct match_record *record; /* while it runs */
	int err;                           /* STELE_ENOMEM while it runs */
};

/* Bits of the fields that a filter names. */
static unsigned
fields_of(const struct filter_node *node)
{
	unsigned fields = 0;

	for (size_t i = 0; i < node->n; i++)
		fields |= fields_of(node->children[i]);
	if (node->kind == FILTER_TERM && node->term.field >= 0)
		fields |= node->term.field == FIELD_ANY ? FIELD_ANY_MASK : 1u << node->term.field;
	return fields;
}

static int
matcher_init(struct matcher *m, const struct filter *f, const struct schema_set *set, int chosen)
{
	int code = schema_fit_init(&m->fit, set, chosen, fields_of(f->root));

	if (code == 0)
		code = filter_ready(&m->filter, &m->fit.arena, &m->fit.trie, f);
	if (code == 0)
		code = schema_fit_start(&m->fit);
	if (code == 0)
		match_skip_init(&m->skip, f, set);
	return code;
}

struct matcher *
matcher_new(const struct filter *f, const struct schema_set *set, int chosen)
{
	struct matcher *m = calloc(1, sizeof *m);

	if (m && matcher_init(m, f, set, chosen) != 0) {
		matcher_free(m);
		m = NULL;
	}
	return m;
}

void
matcher_free(struct matcher *m)
{
	if (!m)
		return;
	schema_fit_fini(&m->fit);
	json_duplicates_fini(&m->duplicates);
	free(m);
}

/* A term against the values of one field. */
struct asking {
	const struct filter_term *term;
	enum field field;
	bool found;
};

static bool
ask_value(void *arg, const struct schema_value *value)
{
	struct asking *a = arg;

	if (a->field == FIELD_TIME)
		a->found = filter_fits_instant(a->term, value->ns);
	else
		a->found = filter_fits_value(a->term, &value->v, a->field == FIELD_SOURCE_IP);
	return !a->found;
}

/* The number of values that were looked at; *found when one fits. */
static int
ask_field(struct matcher *m, const struct filter_term *term, enum field field, bool *found)
{
	struct asking a = {.term = term, .field = field};
	int n = schema_fit_values(&m->fit, field, ask_value, &a);

	if (n < 0)
		m->err = n;
	*found = a.found;
	return n;
}

static bool
ask_any(struct matcher *m, const struct filter_term *term)
{
	bool found = false;

	for (int field = 0; field < FIELD_COUNT && !found; field++) {
		if (FIELD_ANY_MASK & 1u << field)
			ask_field(m, term, (enum field)field, &found);
	}
	return found;
}

static bool
ask_writer(const struct matcher *m, const struct filter_term *term)
{
	struct jsonvalue writer = {JSONVALUE_TEXT, m->record->writer};

	return writer.text.n && filter_fits_value(term, &writer, false);
}

static enum truth
truth_of(bool is)
{
	return is ? TRUTH_YES : TRUTH_NO;
}

/* What filter_eval asks for a term over a field. */
static enum truth
decide_field(void *arg, const struct filter_term *term)
{
	struct matcher *m = arg;
	bool found;

	switch (term->field) {
	case FIELD_WRITER:
		return truth_of(ask_writer(m, term));
	case FIELD_TIME:
		if (ask_field(m, term, FIELD_TIME, &found) > 0)
			return truth_of(found);
		return truth_of(filter_fits_instant(term, m->record->received_ns));
	case FIELD_RECEIVE_TIME:
		return truth_of(filter_fits_instant(term, m->record->received_ns));
	default:
		if (m->fit.schema < 0)
			return TRUTH_UNKNOWN;
		if (term->field == FIELD_ANY)
			return truth_of(ask_any(m, term));
		ask_field(m, term, (enum field)term->field, &found);
		return truth_of(found);
	}
}

/* Flags of a record that was looked into. */
static int
set_flags(struct matcher *m, struct match_result *out)
{
	bool twice = false;
	int code = 0;

	if (!m->fit.json)
		out->flags |= MATCH_NOT_JSON;
	else if (m->fit.schema < 0)
		out->flags |= MATCH_NO_SCHEMA;
	if (out->verdict == MATCH_YES && m->fit.json)
		code = json_duplicates_find(&m->duplicates, &m->fit.scan.x, &twice);
	if (twice)
		out->flags |= MATCH_DUPLICATE_NAMES;
	return code;
}

/* Looks into the record. */
static int
decide(struct matcher *m, const struct match_record *r, struct match_result *out)
{
	static const enum match_verdict verdicts[] = {MATCH_NO, MATCH_UNPARSED, MATCH_YES};
	struct filter_subject subject = {.scan = &m->fit.scan,
					 .unescaped = &m->fit.unescaped,
					 .field = decide_field,
					 .arg = m};
	int code;

	m->record = r;
	m->err = 0;
	code = schema_fit_read(&m->fit, r->payload);
	if (code)
		return code;
	subject.json = m->fit.json;
	out->schema = m->fit.schema;
	out->verdict = verdicts[filter_eval(m->filter, &subject)];
	code = subject.err ? subject.err : m->err;
	if (code == 0)
		code = set_flags(m, out);
	return code;
}

int
matcher_run(struct matcher *m, const struct match_record *r, struct match_result *out)
{
	struct match_result result = {MATCH_NO, 0, -1};
	int code = 0;

	if (r->parsed && match_skip_sure(&m->skip, r->payload)) {
		result.flags = MATCH_SKIPPED;
	} else {
		code = decide(m, r, &result);
		schema_fit_shrink(&m->fit, r->payload);
		if (r->payload.n > LIMIT_RECORD_BYTES)
			json_duplicates_fini(&m->duplicates);
	}
	if (code == 0)
		*out = result;
	return code;
}
