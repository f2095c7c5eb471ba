#include "verify/recordline.h"

#include <stdio.h>
#include <string.h>

#include "proto/base64.h"
#include "proto/err.h"
#include "proto/jsonline.h"
#include "proto/utf8.h"

void
record_line_init(struct record_line *r)
{
	memset(r, 0, sizeof *r);
	buf_init(&r->entry_room);
	buf_init(&r->payload_room);
}

void
record_line_fini(struct record_line *r)
{
	buf_fini(&r->entry_room);
	buf_fini(&r->payload_room);
}

static int
done(struct jsonline *j, const char **what)
{
	int err = jsonline_end(j);

	*what = j->what;
	return err;
}

static void
read_entry(struct record_line *r, struct jsonline *j)
{
	int err;

	r->text = jsonline_string(j, &r->entry_room);
	if (j->err)
		return;
	err = entry_read(&r->e, r->text, r->scratch);
	if (err == STELE_EVERSION)
		jsonline_fail(j, "its entry is of a version that this program does not know");
	else if (err)
		jsonline_fail(j, "its entry does not follow the grammar of entries");
}

/* A payload that is no text: base64, decoded where it goes. */
static void
read_base64(struct record_line *r, struct jsonline *j)
{
	struct slice text = jsonline_string(j, &r->payload_room);
	uint8_t *to;
	size_t n;

	if (j->err)
		return;
	if (text.p != r->payload_room.p) {
		buf_reset(&r->payload_room);
		buf_put_slice(&r->payload_room, text);
	}
	to = r->payload_room.p;
	if (r->payload_room.err) {
		j->err = STELE_ENOMEM;
		return;
	}
	/* never longer than its text, and read before it is written */
	if (text.n == 0 || base64_decode(to, r->payload_room.cap, &n, slice_of(to, text.n)) != 0)
		jsonline_fail(j, "payload_b64 is not base64");
	else if (utf8_valid(slice_of(to, n)))
		jsonline_fail(j, "payload_b64 is a text, and has to stand as payload");
	else
		r->payload = slice_of(to, n);
}

static void
read_file(struct record_line *r, struct jsonline *j)
{
	char name[24];
	struct buf room;
	struct slice s;

	buf_init(&room);
	s = jsonline_string(j, &room);
	snprintf(name, sizeof name, "%015llu.bin", (unsigned long long)r->e.index);
	if (!j->err && !slice_eq_str(s, name))
		jsonline_fail(j, "it names the file of another record");
	if (!j->err && r->e.size <= BUNDLE_INLINE_BYTES)
		jsonline_fail(j, "its payload is a file, and small enough to stand in the line");
	buf_fini(&room);
	r->has = RECORD_FILE;
}

static void
read_withheld(struct record_line *r, struct jsonline *j)
{
	static const char *const words[] = {"\"not_requested\"", "\"not_permitted\"",
					    "\"restricted\"", "\"unreadable\""};

	r->has = RECORD_WITHHELD;
	for (int i = 0; i < 4; i++) {
		if (jsonline_have(j, words[i])) {
			r->withheld = (enum withheld)i;
			return;
		}
	}
	jsonline_fail(j, "it is withheld for no reason that there is");
}

/* Salt and payload. */
static void
read_payload(struct record_line *r, struct jsonline *j, bool in_line)
{
	r->has = RECORD_PAYLOAD;
	jsonline_expect(j, ",\"salt\":");
	jsonline_base64(j, r->salt, sizeof r->salt);
	if (!in_line && jsonline_have(j, ",\"file\":")) {
		read_file(r, j);
		return;
	}
	if (jsonline_have(j, ",\"payload_b64\":")) {
		read_base64(r, j);
	} else {
		jsonline_expect(j, ",\"payload\":");
		r->payload = jsonline_string(j, &r->payload_room);
	}
	if (!in_line && r->payload.n > BUNDLE_INLINE_BYTES)
		jsonline_fail(j, "its payload has more than 65,536 bytes, and is no file");
}

int
record_line_read(struct record_line *r, struct slice line, const char **what)
{
	struct jsonline j;

	jsonline_init(&j, line);
	jsonline_expect(&j, "{\"entry\":");
	read_entry(r, &j);
	if (jsonline_have(&j, ",\"purged\":")) {
		r->has = RECORD_PURGED;
		r->purged = jsonline_integer(&j);
	} else if (jsonline_have(&j, ",\"withheld\":")) {
		read_withheld(r, &j);
	} else {
		read_payload(r, &j, false);
	}
	jsonline_expect(&j, "}");
	if (!j.err && r->e.kind != ENTRY_RECORD &&
	    (r->has == RECORD_PURGED || r->has == RECORD_WITHHELD))
		jsonline_fail(&j, "a control entry is without its payload");
	return done(&j, what);
}

int
record_line_control(struct record_line *r, struct slice line, const char **what)
{
	struct jsonline j;

	jsonline_init(&j, line);
	jsonline_expect(&j, "{\"entry\":");
	read_entry(r, &j);
	read_payload(r, &j, true);
	jsonline_expect(&j, ",\"proof\":");
	r->n_proof = jsonline_hashes(&j, r->proof, 64);
	jsonline_expect(&j, "}");
	if (!j.err && r->e.kind == ENTRY_RECORD)
		jsonline_fail(&j, "its entry is of a record, and no control entry");
	return done(&j, what);
}

int
record_line_tip(struct record_line *r, struct slice line, const char **what)
{
	struct jsonline j;

	jsonline_init(&j, line);
	jsonline_expect(&j, "{\"tip\":");
	read_entry(r, &j);
	jsonline_expect(&j, ",\"proof\":");
	r->n_proof = jsonline_hashes(&j, r->proof, 64);
	jsonline_expect(&j, "}");
	return done(&j, what);
}

int
run_line_read(struct run_line *r, struct slice line, const char **what)
{
	struct jsonline j;

	jsonline_init(&j, line);
	jsonline_expect(&j, "{\"first\":");
	r->first = jsonline_integer(&j);
	jsonline_expect(&j, ",\"last\":");
	r->last = jsonline_integer(&j);
	jsonline_expect(&j, ",\"left\":");
	r->n_left = jsonline_hashes(&j, r->left, 64);
	jsonline_expect(&j, ",\"right\":");
	r->n_right = jsonline_hashes(&j, r->right, 64);
	jsonline_expect(&j, "}");
	if (!j.err && r->first > r->last)
		jsonline_fail(&j, "a run ends before it begins");
	return done(&j, what);
}

int
growth_line_read(struct growth_line *g, struct slice line, const char **what)
{
	struct jsonline j;

	jsonline_init(&j, line);
	jsonline_expect(&j, "{\"from\":");
	g->from = jsonline_integer(&j);
	jsonline_expect(&j, ",\"proof\":");
	g->n = jsonline_hashes(&j, g->proof, 64);
	jsonline_expect(&j, "}");
	return done(&j, what);
}

int
head_line_read(struct head_line *h, struct slice line, const char **what)
{
	struct jsonline j;

	jsonline_init(&j, line);
	jsonline_expect(&j, "{\"log\":");
	h->log = jsonline_string(&j, &h->room);
	h->covered = jsonline_have(&j, ",\"size\":");
	h->has_record = false;
	h->size = h->n = 0;
	if (h->covered) {
		h->size = jsonline_integer(&j);
		h->has_record = jsonline_have(&j, ",\"record\":");
		h->record = h->has_record ? jsonline_integer(&j) : 0;
		jsonline_expect(&j, ",\"proof\":");
		h->n = jsonline_hashes(&j, h->proof, 64);
	}
	jsonline_expect(&j, "}");
	return done(&j, what);
}
