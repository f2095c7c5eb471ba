/* One fact a line. */
#include "storage/manifest.h"

#include <string.h>

#include "proto/base64.h"
#include "proto/err.h"
#include "proto/lines.h"
#include "proto/timestamp.h"

static const char *const parts[SEGMENT_PARTS] = {"blocks ", "columns ", "index ", "tiles ",
						 "dict ",   "keys ",    "terms "};

/* A version: printable ASCII without spaces. */
static bool
software_valid(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] <= ' ' || s.p[i] > '~')
			return false;
	}
	return s.n && s.n <= SEGMENT_SOFTWARE_BYTES;
}

static bool
valid(const struct segment_facts *f)
{
	return entry_origin_valid(slice_str(f->origin)) && f->log_id <= LIMIT_INTEGER &&
	       f->first % SEGMENT_TILE == 0 && f->first <= LIMIT_TREE_SIZE && f->count &&
	       f->count <= LIMIT_SEGMENT_RECORDS && f->generation && f->data_key_id &&
	       f->data_key_id <= LIMIT_INTEGER && f->ctl < f->first + f->count &&
	       f->payload_bytes <= LIMIT_INTEGER && f->purged <= f->count && f->file_bytes &&
	       f->file_bytes <= LIMIT_INTEGER && f->first_time_ns >= 0 &&
	       f->first_time_ns <= f->last_time_ns && f->last_time_ns <= TIMESTAMP_MAX_NS &&
	       software_valid(slice_str(f->software));
}

/* The next name of a row of them; STELE_ESYNTAX when it is none. */
static int
next_name(struct slice *row, struct slice *name)
{
	const uint8_t *end = memchr(row->p, '\n', row->n);
	struct segment_name got;

	if (!end)
		return STELE_ESYNTAX;
	*name = slice_of(row->p, (size_t)(end - row->p));
	*row = slice_of(end + 1, row->n - name->n - 1);
	return segment_name_parse(&got, *name);
}

static int
put_replaces(struct buf *out, struct slice row)
{
	struct slice name;

	for (uint32_t n = 0; row.n; n++) {
		if (n == LIMIT_SEGMENT_REPLACES || next_name(&row, &name) != 0)
			return STELE_EINVAL;
		buf_put_str(out, "replaces ");
		buf_put_slice(out, name);
		buf_put_u8(out, '\n');
	}
	return 0;
}

static void
put_time(struct buf *out, const char *word, int64_t ns)
{
	char text[TIMESTAMP_BYTES];

	timestamp_format(text, ns);
	buf_put_str(out, word);
	buf_put(out, text, sizeof text);
	buf_put_u8(out, '\n');
}

int
manifest_put(struct buf *out, const struct segment_facts *f, struct slice replaces)
{
	size_t before = out->n;

	if (!valid(f))
		return STELE_EINVAL;
	buf_printf(out, "stele segment v1\n%s\n", f->origin);
	lines_put_integer(out, "log ", f->log_id);
	lines_put_integer(out, "first ", f->first);
	lines_put_integer(out, "count ", f->count);
	lines_put_integer(out, "generation ", f->generation);
	if (put_replaces(out, replaces) != 0) {
		out->n = before;
		return STELE_EINVAL;
	}
	lines_put_hash(out, "prev ", f->prev);
	lines_put_hash(out, "last ", f->last);
	lines_put_integer(out, "size ", f->first + f->count);
	lines_put_hash(out, "root ", f->root);
	lines_put_integer(out, "ctl ", f->ctl);
	put_time(out, "from ", f->first_time_ns);
	put_time(out, "to ", f->last_time_ns);
	lines_put_integer(out, "payload_bytes ", f->payload_bytes);
	if (f->purged)
		lines_put_integer(out, "purged ", f->purged);
	lines_put_integer(out, "data_key ", f->data_key_id);
	lines_put_integer(out, "file_bytes ", f->file_bytes);
	lines_put_hash(out, "file ", f->file_hash);
	for (int i = 0; i < SEGMENT_PARTS; i++)
		lines_put_hash(out, parts[i], f->part[i]);
	lines_put_hash(out, "terms_root ", f->terms_root);
	buf_printf(out, "software %s\n", f->software);
	return out->err;
}

/* A line's text into a field of cap bytes with its NUL. */
static void
take_text(struct lines *l, struct slice s, char *field, size_t cap)
{
	if (lines_err(l) || s.n >= cap || memchr(s.p, 0, s.n)) {
		lines_fail(l);
		return;
	}
	memcpy(field, s.p, s.n);
	field[s.n] = '\0';
}

/* Whether a line begins with these words. */
static bool
next_is(const struct lines *l, const char *words)
{
	size_t n = strlen(words);

	return lines_err(l) == 0 && l->rest.n >= n && memcmp(l->rest.p, words, n) == 0;
}

/* Lines that begin with "replaces ", as long as there are any. */
static struct slice
take_replaces(struct lines *l)
{
	const uint8_t *start = l->rest.p;

	while (next_is(l, "replaces "))
		(void)lines_take(l);
	return slice_of(start, lines_err(l) ? 0 : (size_t)(l->rest.p - start));
}

static void
take_rest(struct segment_facts *f, struct lines *l)
{
	uint64_t size;

	lines_take_hash_after(l, "prev ", f->prev);
	lines_take_hash_after(l, "last ", f->last);
	size = lines_take_integer_after(l, "size ");
	lines_take_hash_after(l, "root ", f->root);
	f->ctl = lines_take_integer_after(l, "ctl ");
	f->first_time_ns = lines_take_time_after(l, "from ");
	f->last_time_ns = lines_take_time_after(l, "to ");
	f->payload_bytes = lines_take_integer_after(l, "payload_bytes ");
	if (next_is(l, "purged "))
		f->purged = lines_take_integer_after(l, "purged ");
	f->data_key_id = lines_take_integer_after(l, "data_key ");
	f->file_bytes = lines_take_integer_after(l, "file_bytes ");
	lines_take_hash_after(l, "file ", f->file_hash);
	for (int i = 0; i < SEGMENT_PARTS; i++)
		lines_take_hash_after(l, parts[i], f->part[i]);
	lines_take_hash_after(l, "terms_root ", f->terms_root);
	take_text(l, lines_take_after(l, "software "), f->software, sizeof f->software);
	if (size != f->first + f->count)
		lines_fail(l);
}

void
manifest_names(struct buf *out, struct slice section)
{
	struct lines l;

	lines_init(&l, section);
	while (l.rest.n && lines_err(&l) == 0) {
		buf_put_slice(out, lines_take_after(&l, "replaces "));
		buf_put_u8(out, '\n');
	}
}

int
manifest_parse(struct segment_facts *facts, struct slice *replaces, struct slice text)
{
	struct segment_facts f = {0};
	struct slice version, section;
	struct buf names, again;
	uint64_t generation;
	struct lines l;
	int err;

	lines_init(&l, text);
	version = lines_take_after(&l, "stele segment v");
	if (!lines_err(&l) && !slice_eq_str(version, "1"))
		return STELE_EVERSION;
	take_text(&l, lines_take(&l), f.origin, sizeof f.origin);
	f.log_id = lines_take_integer_after(&l, "log ");
	f.first = lines_take_integer_after(&l, "first ");
	f.count = lines_take_integer_after(&l, "count ");
	generation = lines_take_integer_after(&l, "generation ");
	f.generation = generation <= UINT32_MAX ? (uint32_t)generation : 0;
	section = take_replaces(&l);
	take_rest(&f, &l);
	if (lines_end(&l) != 0)
		return STELE_ESYNTAX;
	/* One spelling, and one place that knows what is in range: what writes it. */
	buf_init(&names);
	buf_init(&again);
	manifest_names(&names, section);
	err = manifest_put(&again, &f, buf_slice(&names));
	if (err == 0 && !slice_eq(buf_slice(&again), text))
		err = STELE_ESYNTAX;
	err = names.err || again.err ? STELE_ENOMEM : err;
	buf_fini(&names);
	buf_fini(&again);
	if (err != 0)
		return err == STELE_EINVAL ? STELE_ESYNTAX : err;
	*facts = f;
	if (replaces)
		*replaces = section;
	return 0;
}
