/* One function for each form; all end in items, and items in append_prepare. */
#include "server/append_read.h"

#include <string.h>

#include "proto/err.h"
#include "proto/le.h"
#include "server/cloudevents.h"
#include "server/kit.h"
#include "server/request.h"
#include "server/access.h"
#include "storage/append.h"
#include "storage/log.h"

static const char json_type[] = "application/json";

static void
refuse(struct append *a, enum problem problem, const char *detail)
{
	a->problem = problem;
	a->detail = detail;
}

static void
refuse_at(struct append *a, enum problem problem, const char *detail, uint64_t line,
	  uint64_t offset)
{
	refuse(a, problem, detail);
	a->line = line;
	a->offset = offset;
}

static void
refuse_limit(struct append *a, enum problem problem, const char *detail, uint64_t limit)
{
	refuse(a, problem, detail);
	a->limit = limit;
}

static void
no_memory(struct append *a)
{
	refuse(a, PROBLEM_OVERLOADED, "No memory for the request; nothing was stored.");
}

/* What json_validate or json_ndjson_split said of the body. */
static void
refuse_json(struct append *a, int err, const struct json_error *e)
{
	if (err == STELE_ENOMEM)
		no_memory(a);
	else
		refuse_at(a, PROBLEM_INVALID_JSON, e->message, e->line, e->offset);
}

/* n empty items with their media type; NULL when out of memory (said). */
static struct append_item *
new_items(struct request *r, struct append *a, size_t n, struct slice type)
{
	struct append_item *items = arena_alloc(&r->arena, n * sizeof *items);
	size_t i;

	if (!items) {
		no_memory(a);
		return NULL;
	}
	for (i = 0; i < n; i++) {
		items[i].media_type = type;
		items[i].has_key = items[i].object = false;
		items[i].state = APPEND_NEW;
	}
	r->job.items = items;
	r->job.n_items = n;
	return items;
}

static void
key_from_header(struct request *r, const struct append *a, struct append_item *item)
{
	item->has_key = true;
	log_key_digest(r->log, item->key, 'k', &a->key, 1);
}

/* A line of a batch has its own key: the request's, and its ordinal. */
static void
keys_from_header(struct request *r, const struct append *a)
{
	size_t i;

	for (i = 0; i < r->job.n_items; i++) {
		uint8_t ordinal[8];
		struct slice parts[] = {a->key, slice_of(ordinal, sizeof ordinal)};

		le_put64(ordinal, i);
		r->job.items[i].has_key = true;
		log_key_digest(r->log, r->job.items[i].key, 'b', parts, 2);
	}
}

static void
key_from_event(struct request *r, const struct cloudevents_identity *id, struct append_item *item)
{
	struct slice parts[] = {id->source, id->id};

	item->has_key = true;
	log_key_digest(r->log, item->key, 'c', parts, 2);
}

static bool
one_fits(struct append *a, size_t n)
{
	if (n <= LIMIT_RECORD_BYTES)
		return true;
	refuse_limit(a, PROBLEM_RECORD_TOO_LARGE,
		     "A record may have 1048576 bytes; nothing was stored.", LIMIT_RECORD_BYTES);
	return false;
}

static void
read_one(struct request *r, struct append *a, struct slice body, struct kit *kit)
{
	struct append_item *item;
	struct json_error e;
	int err;

	if (!one_fits(a, body.n))
		return;
	err = a->json ? json_validate(kit->json, body, &e) : 0;
	if (err) {
		refuse_json(a, err, &e);
		return;
	}
	item = new_items(r, a, 1, a->type);
	if (!item)
		return;
	item->payload = body;
	if (a->key.n)
		key_from_header(r, a, item);
}

static size_t
count_lines(struct slice body)
{
	const uint8_t *p = body.p, *end = body.p + body.n;
	size_t n = 1;

	while (p < end && (p = memchr(p, '\n', (size_t)(end - p)))) {
		p++;
		n++;
	}
	return n;
}

static void
take_payloads(struct request *r, const struct slice *payloads)
{
	size_t i;

	for (i = 0; i < r->job.n_items; i++)
		r->job.items[i].payload = payloads[i];
}

/* ELIMIT of a line is either its length or its depth: its length tells. */
static bool
line_is_long(struct slice body, uint64_t offset)
{
	size_t left = body.n - (size_t)offset;
	const uint8_t *lf = memchr(body.p + offset, '\n', left);

	return (lf ? (size_t)(lf - (body.p + offset)) : left) > LIMIT_RECORD_BYTES;
}

static void
read_lines(struct request *r, struct append *a, struct slice body, struct kit *kit)
{
	struct slice *lines = kit_lines(kit);
	struct json_error e;
	size_t n;
	int err;

	if (!lines) {
		no_memory(a);
		return;
	}
	if (count_lines(body) > LIMIT_BATCH_RECORDS + 1) {
		refuse_limit(a, PROBLEM_BATCH_TOO_LARGE,
			     "A batch may have 65536 lines; nothing was stored.",
			     LIMIT_BATCH_RECORDS);
		return;
	}
	err = json_ndjson_split(kit->json, body, lines, LIMIT_BATCH_RECORDS, &n, &e);
	if (err == STELE_ELIMIT && line_is_long(body, e.offset)) {
		one_fits(a, LIMIT_RECORD_BYTES + 1);
		a->line = e.line;
		a->offset = e.offset;
	} else if (err) {
		refuse_json(a, err, &e);
	} else if (n == 0) {
		refuse(a, PROBLEM_EMPTY_BATCH, "Every line is blank: there is nothing to store.");
	} else if (new_items(r, a, n, slice_of(json_type, sizeof json_type - 1))) {
		take_payloads(r, lines);
		if (a->key.n)
			keys_from_header(r, a);
	}
}

/* --- CloudEvents --------------------------------------------------------------------- */

static void
refuse_event(struct append *a, int err, const char *why, size_t number)
{
	if (err == STELE_ENOMEM)
		no_memory(a);
	else if (err == STELE_ELIMIT)
		refuse(a, PROBLEM_INVALID_EVENT, "The event nests too deep.");
	else
		refuse(a, PROBLEM_INVALID_EVENT, why);
	a->line = number; /* events of a batch count from 1, as lines do; 0 for a single one */
}

static void
read_event(struct request *r, struct append *a, struct slice body, struct kit *kit)
{
	struct slice type = slice_str(CLOUDEVENTS_TYPE);
	struct cloudevents_identity id;
	struct append_item *item;
	const char *why = "";
	int err;

	read_one(r, a, body, kit);
	if (a->problem)
		return;
	err = cloudevents_check(kit->json, body, &r->arena, &id, &why);
	if (err) {
		refuse_event(a, err, why, 0);
		return;
	}
	item = r->job.items;
	item->media_type = type;
	if (!a->key.n)
		key_from_event(r, &id, item);
}

static void
read_event_binary(struct request *r, struct append *a, struct slice body, struct kit *kit)
{
	struct cloudevents_identity id;
	struct append_item *item;
	const char *why = "";
	struct json_error e;
	struct buf event;
	void *copy;
	int err = a->json && body.n ? json_validate(kit->json, body, &e) : 0;

	if (err) {
		refuse_json(a, err, &e);
		return;
	}
	buf_init(&event);
	err = cloudevents_from_binary(&r->http, a->type, a->json, body, &r->arena, &event, &id,
				      &why);
	if (err) {
		refuse_event(a, err, why, 0);
	} else if (one_fits(a, event.n)) {
		copy = arena_dup(&r->arena, event.p, event.n);
		item = copy ? new_items(r, a, 1, slice_str(CLOUDEVENTS_TYPE)) : NULL;
		if (item) {
			item->payload = slice_of(copy, event.n);
			if (a->key.n)
				key_from_header(r, a, item);
			else
				key_from_event(r, &id, item);
		} else {
			no_memory(a);
		}
	}
	buf_fini(&event);
}

/* More elements than allowed, or nested too deep: what validates was too long. */
static void
refuse_array(struct append *a, int err, const struct json_error *e, struct slice body,
	     struct kit *kit)
{
	if (err == STELE_ELIMIT && json_validate(kit->json, body, NULL) == 0)
		refuse_limit(a, PROBLEM_BATCH_TOO_LARGE,
			     "A batch may have 65536 events; nothing was stored.",
			     LIMIT_BATCH_RECORDS);
	else
		refuse_json(a, err, e);
}

static void
read_events(struct request *r, struct append *a, struct slice body, struct kit *kit)
{
	struct slice *events = kit_lines(kit);
	struct json_error e;
	size_t n = 0, i;
	int err;

	if (!events) {
		no_memory(a);
		return;
	}
	err = json_array_split(kit->json, body, events, LIMIT_BATCH_RECORDS, &n, &e);
	if (err) {
		refuse_array(a, err, &e, body, kit);
		return;
	}
	if (n == 0) {
		refuse(a, PROBLEM_EMPTY_BATCH, "The array is empty: there is nothing to store.");
		return;
	}
	if (!new_items(r, a, n, slice_str(CLOUDEVENTS_TYPE)))
		return;
	take_payloads(r, events);
	for (i = 0; i < n; i++) {
		struct cloudevents_identity id;
		const char *why = "";

		if (!one_fits(a, events[i].n)) {
			a->line = i + 1;
			return;
		}
		err = cloudevents_check(kit->json, events[i], &r->arena, &id, &why);
		if (err) {
			refuse_event(a, err, why, i + 1);
			return;
		}
		key_from_event(r, &id, &r->job.items[i]);
	}
	if (a->key.n)
		keys_from_header(r, a);
}

/* --- all forms ------------------------------------------------------------------------ */

static bool
decode(struct request *r, struct append *a, struct slice *body)
{
	int err;

	*body = r->http.body;
	if (a->coding == CODING_NONE)
		return true;
	err = decode_body(a->coding, r->http.body, LIMIT_BODY_BYTES, &r->decoded);
	*body = buf_slice(&r->decoded);
	if (err == 0)
		return true;
	if (err == STELE_ELIMIT)
		refuse_limit(a, PROBLEM_BODY_TOO_LARGE,
			     "Decoded, the body exceeds 16777216 bytes or 200 times its size as "
			     "sent; nothing was stored.",
			     LIMIT_BODY_BYTES);
	else if (err == STELE_ENOMEM)
		no_memory(a);
	else
		refuse(a, PROBLEM_INVALID_ENCODING,
		       "The body is not what Content-Encoding says, or ends early; nothing was "
		       "stored.");
	return false;
}

static void
prepare(struct request *r, struct append *a, struct kit *kit)
{
	int err;

	if (a->proofs && r->job.n_items > LIMIT_PROOF_ALL_RECORDS) {
		refuse_limit(a, PROBLEM_BATCH_TOO_LARGE,
			     "With proof=all a batch may have 4096 records; nothing was stored.",
			     LIMIT_PROOF_ALL_RECORDS);
		return;
	}
	r->job.log = r->log;
	r->job.writer = slice_str(r->token->principal->id);
	r->job.wish = wish_of(&a->wish);
	r->job.want_receipts = a->batch ? a->proofs : !a->minimal;
	err = append_prepare(&r->job, kit->tools);
	if (err == STELE_ECONFLICT)
		refuse(a, PROBLEM_IDEMPOTENCY_CONFLICT,
		       "Two records of the batch have one identity and different payloads; "
		       "nothing was stored.");
	else if (err == STELE_ELIMIT)
		refuse_limit(a, PROBLEM_BODY_TOO_LARGE,
			     "The records exceed 16777216 bytes together; nothing was stored.",
			     LIMIT_COMMIT_BYTES);
	else if (err == STELE_ENOMEM)
		no_memory(a);
	else if (err)
		refuse(a, PROBLEM_STORAGE_FAILED, stele_strerror(err));
}

void
append_read_body(struct request *r, struct append *a, struct kit *kit)
{
	struct slice body;

	append_job_init(&r->job);
	r->has_job = true;
	if (!decode(r, a, &body))
		return;
	switch (a->form) {
	case APPEND_ONE:
		read_one(r, a, body, kit);
		break;
	case APPEND_LINES:
		read_lines(r, a, body, kit);
		break;
	case APPEND_EVENT:
		read_event(r, a, body, kit);
		break;
	case APPEND_EVENT_BINARY:
		read_event_binary(r, a, body, kit);
		break;
	case APPEND_EVENTS:
		read_events(r, a, body, kit);
		break;
	}
	if (!a->problem)
		prepare(r, a, kit);
}
