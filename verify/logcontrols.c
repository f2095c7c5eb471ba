/* Control entries: each is proven by itself, judged, and kept as far as the order needs it. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "crypto/merkle.h"
#include "proto/err.h"
#include "verify/logwork.h"

static bool
keep_control(struct logcheck *c, const uint8_t leaf[32])
{
	const struct entry *e = &c->line.e;
	struct control_seen *x;

	if ((c->n_controls & (c->n_controls - 1)) == 0) {
		size_t more = c->n_controls ? 2 * c->n_controls : 1;
		x = realloc(c->controls, more * sizeof *x);
		if (!x) {
			logwork_stop(c, STELE_ENOMEM);
			return false;
		}
		c->controls = x;
	}
	x = &c->controls[c->n_controls++];
	*x = (struct control_seen){e->index, e->ctl, e->time_ns, {0}, {0}};
	memcpy(x->leaf, leaf, sizeof x->leaf);
	memcpy(x->prev, e->prev, sizeof x->prev);
	return true;
}

/* A key statement that the log itself has counts like those of keys.txt. */
static void
check_statement(struct logcheck *c, const struct place *where)
{
	const struct slice text = c->line.payload;
	const json_t *said;
	json_t *o;
	int err;

	if (c->line.e.kind != ENTRY_KEY && c->line.e.kind != ENTRY_RESTORE && c->line.e.index != 0)
		return;
	o = json_loadb((const char *)text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
	said = json_object_get(o, "key_statement");
	err = bundle_add_statement(c->log,
				   slice_of(json_string_value(said), json_string_length(said)),
				   c->line.e.index + 1);
	json_decref(o);
	if (err == STELE_ENOMEM)
		logwork_stop(c, err);
	else if (err)
		findings_fail(c->f, CHECK_RULES, where,
			      "its key statement is none of this log, from the next entry on");
}

static void
check_control(struct logcheck *c, struct slice text, uint64_t number)
{
	struct record_line *l = &c->line;
	uint8_t leaf[SHA256_BYTES], commitment[SHA256_BYTES];
	struct place where;
	struct buf why;
	const char *what;
	int err = record_line_control(l, text, &what);

	if (err) {
		logwork_bad_line(c, PART_CONTROLS, number, err, what);
		return;
	}
	if (!logwork_check_place(c, PART_CONTROLS, number))
		return;
	where = logwork_at(c, PART_CONTROLS, number, l->e.index);
	if (c->n_controls && c->controls[c->n_controls - 1].index >= l->e.index) {
		findings_fail(c->f, CHECK_ENTRIES, &where, "indexes do not ascend");
		c->stopped = true;
		return;
	}
	if (c->n_controls == 0 && l->e.index != 0)
		findings_fail(
			c->f, CHECK_CONTROLS, &where,
			"the first control entry, the policy that founded the log, is missing");
	sha256_leaf(c->h, leaf, l->text);
	sha256_commitment(c->h, commitment, l->salt, l->payload);
	logwork_check_commitment(c, &where, commitment, l->payload.n);
	if (merkle_verify_inclusion(c->h, c->log->root, l->e.index, c->log->size, leaf,
				    (const uint8_t(*)[32])l->proof, l->n_proof))
		findings_fail(c->f, CHECK_INCLUSION, &where,
			      "its proof does not lead to the checkpoint's root");
	buf_init(&why);
	err = rules_control(c->rules, &l->e, l->payload, &why);
	logwork_check_rules(c, &where, err, &why);
	buf_fini(&why);
	check_statement(c, &where);
	keep_control(c, leaf);
}

void
logcontrols_read(struct logcheck *c)
{
	size_t file = c->files->part[PART_CONTROLS];
	struct stream *s = archive_stream(&c->w->archive, file, true, c->f);
	char key_why[RECEIPT_WHY_BYTES];
	struct place where;
	struct slice line;
	struct buf why;
	int err;

	if (!s)
		return;
	while (!c->stopped && logwork_next_line(c, PART_CONTROLS, s, &line))
		check_control(c, line, stream_line_number(s));
	archive_done(&c->w->archive, file, s, c->f);
	where = logwork_at(c, PART_CONTROLS, 0, FINDING_NOWHERE);
	if (!c->stopped && c->n_controls != c->doc->controls)
		findings_fail(c->f, CHECK_ENTRIES, &where,
			      "it has %zu lines, and bundle.json says %" PRIu64, c->n_controls,
			      c->doc->controls);
	if (!c->stopped && c->n_controls == 0)
		findings_fail(
			c->f, CHECK_CONTROLS, &where,
			"there is no control entry, not even the policy that founded the log");
	if (!c->stopped && !bundle_key_holds(c->w, c->log, c->h, key_why))
		findings_fail(c->f, CHECK_RULES, &where, "%s", key_why);
	buf_init(&why);
	err = c->stopped ? 0 : rules_settle(c->rules, &why);
	logwork_check_rules(c, &where, err, &why);
	buf_fini(&why);
}
