/*
 * Writer, rules, reader, in this order. The rules (entry_check) hold on both
 * sides: what the writer refuses to write the reader refuses to read.
 */
#include "proto/entry.h"

#include <string.h>

#include "proto/base64.h"
#include "proto/dec.h"
#include "proto/err.h"
#include "proto/timestamp.h"

/* --- words --------------------------------------------------------------- */

static const char *const kind_names[] = {
	[ENTRY_RECORD] = "record",   [ENTRY_POLICY] = "policy", [ENTRY_HOLD] = "hold",
	[ENTRY_RELEASE] = "release", [ENTRY_EXTEND] = "extend", [ENTRY_EVENT] = "event",
	[ENTRY_PURGE] = "purge",     [ENTRY_KEY] = "key",       [ENTRY_RESTORE] = "restore",
};
static const char *const mode_names[] = {
	[ENTRY_MODE_NONE] = "none",
	[ENTRY_MODE_GOVERNANCE] = "governance",
	[ENTRY_MODE_COMPLIANCE] = "compliance",
};

enum {
	N_KINDS = sizeof kind_names / sizeof *kind_names,
	N_MODES = sizeof mode_names / sizeof *mode_names,
};

const char *
entry_kind_name(enum entry_kind kind)
{
	return (unsigned)kind < N_KINDS ? kind_names[kind] : "?";
}

const char *
entry_mode_name(enum entry_mode mode)
{
	return (unsigned)mode < N_MODES ? mode_names[mode] : "?";
}

/* Index of s among n names, or -1. */
static int
find_name(const char *const *names, unsigned n, struct slice s)
{
	for (unsigned i = 0; i < n; i++)
		if (slice_eq_str(s, names[i]))
			return (int)i;
	return -1;
}

int
entry_kind_parse(enum entry_kind *kind, struct slice s)
{
	int i = find_name(kind_names, N_KINDS, s);

	if (i < 0)
		return STELE_ESYNTAX;
	*kind = (enum entry_kind)i;
	return 0;
}

int
entry_mode_parse(enum entry_mode *mode, struct slice s)
{
	int i = find_name(mode_names, N_MODES, s);

	if (i < 0)
		return STELE_ESYNTAX;
	*mode = (enum entry_mode)i;
	return 0;
}

/* --- rules ---------------------------------------------------------------- */

/* The loops below have no branch, so that the compiler makes them vectors. */

static bool
is_printable(struct slice s)
{
	unsigned bad = 0;

	for (size_t i = 0; i < s.n; i++)
		bad |= (uint8_t)(s.p[i] - 0x20) > 0x7e - 0x20;
	return !bad;
}

static bool
needs_escape(struct slice s)
{
	unsigned found = 0;

	for (size_t i = 0; i < s.n; i++)
		found |= (s.p[i] == '"') | (s.p[i] == '\\');
	return found;
}

bool
entry_server_name_valid(struct slice s)
{
	unsigned bad = s.n < 1 || s.n > LIMIT_SERVER_NAME_BYTES;

	for (size_t i = 0; i < s.n; i++)
		bad |= ((uint8_t)(s.p[i] - 0x21) > 0x7e - 0x21) | (s.p[i] == '+') | (s.p[i] == '/');
	return !bad;
}

bool
entry_log_name_valid(struct slice s)
{
	unsigned bad = s.n < 1 || s.n > LIMIT_LOG_NAME_BYTES;

	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];
		unsigned word = ((uint8_t)(c - 'a') < 26) | ((uint8_t)(c - '0') < 10) | (c == '_');
		bad |= !(word | ((i > 0) & ((c == '.') | (c == '-'))));
	}
	return !bad;
}

bool
entry_log_name_reserved(struct slice s)
{
	return s.n && s.p[0] == '_';
}

bool
entry_origin_valid(struct slice s)
{
	const uint8_t *slash = s.n ? memchr(s.p, '/', s.n) : NULL;
	size_t server = slash ? (size_t)(slash - s.p) : 0;

	return slash && entry_server_name_valid(slice_of(s.p, server)) &&
	       entry_log_name_valid(slice_of(slash + 1, s.n - server - 1));
}

static int
check_string(struct slice s, size_t max)
{
	if (s.n > max)
		return STELE_ELIMIT;
	return s.n && is_printable(s) ? 0 : STELE_EINVAL;
}

static bool
time_valid(int64_t ns)
{
	return ns >= 0 && ns <= TIMESTAMP_MAX_NS;
}

/* The lock: mode, and exactly one of event and retain_until with it; of records alone. */
static int
check_lock(const struct entry *e)
{
	if ((unsigned)e->mode >= N_MODES)
		return STELE_EINVAL;
	if (e->mode == ENTRY_MODE_NONE)
		return e->event.n == 0 ? 0 : STELE_EINVAL;
	if (e->kind != ENTRY_RECORD)
		return STELE_EINVAL;
	if (e->event.n)
		return check_string(e->event, LIMIT_EVENT_BYTES);
	return time_valid(e->retain_until_ns) ? 0 : STELE_EINVAL;
}

static int
entry_check(const struct entry *e)
{
	int rc;

	if (e->index > LIMIT_INTEGER || e->size > LIMIT_INTEGER)
		return STELE_ELIMIT;
	if ((unsigned)e->kind >= N_KINDS || !time_valid(e->time_ns))
		return STELE_EINVAL;
	if (e->index == 0 ? e->kind != ENTRY_POLICY || e->ctl != 0 : e->ctl >= e->index)
		return STELE_EINVAL;
	if (!entry_origin_valid(e->origin))
		return e->origin.n > LIMIT_ORIGIN_BYTES ? STELE_ELIMIT : STELE_EINVAL;
	rc = check_string(e->media_type, LIMIT_MEDIA_TYPE_BYTES);
	if (rc == 0)
		rc = check_string(e->writer, LIMIT_WRITER_BYTES);
	return rc ? rc : check_lock(e);
}

/* --- writer --------------------------------------------------------------- */

/*
 * Room for the longest entry the rules allow, every string escaped throughout:
 * 512 is ample for member names, three integers, two instants and two hashes.
 */
enum {
	ROOM_BYTES = 512 + 2 * (LIMIT_ORIGIN_BYTES + LIMIT_MEDIA_TYPE_BYTES + LIMIT_WRITER_BYTES +
				LIMIT_EVENT_BYTES),
};

static inline char *
put(char *p, const char *lit)
{
	size_t n = strlen(lit); /* a constant once inlined */

	memcpy(p, lit, n);
	return p + n;
}

static char *
put_escaped(char *p, struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			*p++ = '\\';
		*p++ = (char)s.p[i];
	}
	return p;
}

static inline char *
put_string(char *p, struct slice s)
{
	if (needs_escape(s))
		return put_escaped(p, s);
	memcpy(p, s.p, s.n);
	return p + s.n;
}

static inline char *
put_time(char *p, int64_t ns)
{
	timestamp_format(p, ns);
	return p + TIMESTAMP_BYTES;
}

static char *
put_lock(char *p, const struct entry *e)
{
	if (e->event.n) {
		p = put(p, "\",\"event\":\"");
		p = put_string(p, e->event);
	} else {
		p = put(p, "\",\"retain_until\":\"");
		p = put_time(p, e->retain_until_ns);
	}
	p = put(p, "\",\"mode\":\"");
	return put(p, mode_names[e->mode]);
}

int
entry_write(char *out, size_t cap, const struct entry *e)
{
	char room[ROOM_BYTES], *p = room;
	size_t n;
	int rc = entry_check(e);

	if (rc)
		return rc;
	p = put(p, "{\"v\":1,\"origin\":\"");
	p = put_string(p, e->origin);
	p = put(p, "\",\"index\":");
	p += dec_format(p, e->index);
	p = put(p, ",\"kind\":\"");
	p = put(p, kind_names[e->kind]);
	p = put(p, "\",\"ctl\":");
	p += dec_format(p, e->ctl);
	p = put(p, ",\"time\":\"");
	p = put_time(p, e->time_ns);
	p = put(p, "\",\"prev\":\"");
	p += base64_encode(p, e->prev, sizeof e->prev);
	p = put(p, "\",\"commitment\":\"");
	p += base64_encode(p, e->commitment, sizeof e->commitment);
	p = put(p, "\",\"size\":");
	p += dec_format(p, e->size);
	p = put(p, ",\"media_type\":\"");
	p = put_string(p, e->media_type);
	p = put(p, "\",\"writer\":\"");
	p = put_string(p, e->writer);
	if (e->mode != ENTRY_MODE_NONE)
		p = put_lock(p, e);
	p = put(p, "\"}");
	n = (size_t)(p - room);
	if (n > LIMIT_ENTRY_BYTES || n > cap)
		return STELE_ELIMIT;
	memcpy(out, room, n);
	return (int)n;
}

/* --- reader --------------------------------------------------------------- */

/* What is left to read; once bad, nothing more matches. */
struct cursor {
	const uint8_t *p, *end;
	char *scratch; /* where the next unescaped string goes */
	bool bad;
};

static inline bool
starts_with(const struct cursor *c, const char *lit)
{
	size_t n = strlen(lit); /* a constant once inlined */

	return !c->bad && (size_t)(c->end - c->p) >= n && memcmp(c->p, lit, n) == 0;
}

static inline void
expect(struct cursor *c, const char *lit)
{
	if (starts_with(c, lit))
		c->p += strlen(lit);
	else
		c->bad = true;
}

static struct slice
take(struct cursor *c, size_t n)
{
	struct slice s = slice_of(c->p, n);

	if (c->bad || (size_t)(c->end - c->p) < n) {
		c->bad = true;
		return slice_of(NULL, 0);
	}
	c->p += n;
	return s;
}

/* Up to the closing quote, which stays. Characters are judged by entry_check. */
static struct slice
take_string(struct cursor *c)
{
	const uint8_t *start = c->p;
	char *plain = c->scratch;
	size_t n = 0;

	while (!c->bad && c->p < c->end && *c->p != '"' && *c->p != '\\')
		c->p++;
	n = (size_t)(c->p - start);
	if (c->bad || c->p == c->end || *c->p == '"')
		return slice_of(start, n);
	memcpy(plain, start, n);
	while (c->p < c->end && *c->p != '"') {
		if (*c->p == '\\' && (++c->p == c->end || (*c->p != '"' && *c->p != '\\'))) {
			c->bad = true;
			return slice_of(NULL, 0);
		}
		plain[n++] = (char)*c->p++;
	}
	c->scratch += n;
	return slice_of(plain, n);
}

static uint64_t
take_integer(struct cursor *c)
{
	size_t n = dec_span(slice_of(c->p, (size_t)(c->end - c->p)));
	uint64_t v = 0;

	if (dec_parse(&v, take(c, n), LIMIT_INTEGER) != 0)
		c->bad = true;
	return v;
}

static int64_t
take_time(struct cursor *c)
{
	int64_t ns = 0;

	if (timestamp_parse(&ns, take(c, TIMESTAMP_BYTES)) != 0)
		c->bad = true;
	return ns;
}

static void
take_hash(struct cursor *c, uint8_t hash[32])
{
	if (base64_decode_exact(hash, 32, take(c, base64_encoded_len(32))) != 0)
		c->bad = true;
}

static void
take_lock(struct cursor *c, struct entry *e)
{
	if (starts_with(c, "\",\"event\":\"")) {
		expect(c, "\",\"event\":\"");
		e->event = take_string(c);
		c->bad |= e->event.n == 0;
	} else {
		expect(c, "\",\"retain_until\":\"");
		e->retain_until_ns = take_time(c);
	}
	expect(c, "\",\"mode\":\"");
	if (entry_mode_parse(&e->mode, take_string(c)) != 0 || e->mode == ENTRY_MODE_NONE)
		c->bad = true;
}

/* Another version is told apart from no version, so that an old verifier can say which. */
static int
take_version(struct cursor *c)
{
	uint64_t v;

	expect(c, "{\"v\":");
	v = take_integer(c);
	expect(c, ",");
	if (c->bad)
		return STELE_ESYNTAX;
	return v == 1 ? 0 : STELE_EVERSION;
}

int
entry_read(struct entry *e, struct slice text, char scratch[LIMIT_ENTRY_BYTES])
{
	struct cursor c = {text.p, text.p, scratch, false};
	struct entry got = {0};
	int rc;

	if (text.n == 0 || text.n > LIMIT_ENTRY_BYTES)
		return STELE_ESYNTAX;
	c.end += text.n;
	rc = take_version(&c);
	if (rc)
		return rc;
	expect(&c, "\"origin\":\"");
	got.origin = take_string(&c);
	expect(&c, "\",\"index\":");
	got.index = take_integer(&c);
	expect(&c, ",\"kind\":\"");
	if (entry_kind_parse(&got.kind, take_string(&c)) != 0)
		c.bad = true;
	expect(&c, "\",\"ctl\":");
	got.ctl = take_integer(&c);
	expect(&c, ",\"time\":\"");
	got.time_ns = take_time(&c);
	expect(&c, "\",\"prev\":\"");
	take_hash(&c, got.prev);
	expect(&c, "\",\"commitment\":\"");
	take_hash(&c, got.commitment);
	expect(&c, "\",\"size\":");
	got.size = take_integer(&c);
	expect(&c, ",\"media_type\":\"");
	got.media_type = take_string(&c);
	expect(&c, "\",\"writer\":\"");
	got.writer = take_string(&c);
	if (!starts_with(&c, "\"}"))
		take_lock(&c, &got);
	expect(&c, "\"}");
	if (c.bad || c.p != c.end || entry_check(&got) != 0)
		return STELE_ESYNTAX;
	*e = got;
	return 0;
}
