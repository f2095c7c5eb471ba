/* What an append's header fields ask for. Nothing that changes its meaning is ignored. */
#include <string.h>
#include <strings.h>

#include "proto/entry.h"
#include "proto/err.h"
#include "server/append_read.h"
#include "server/cloudevents.h"
#include "server/reply.h"
#include "server/request.h"

static const char json_type[] = "application/json";
static const char octets_type[] = "application/octet-stream";

/* The type without its parameters. */
static struct slice
essence(struct slice type)
{
	const uint8_t *semi = memchr(type.p, ';', type.n);

	return semi ? slice_of(type.p, (size_t)(semi - type.p)) : type;
}

static bool
is_json(struct slice type)
{
	static const char suffix[] = "+json";
	struct slice e = essence(type);
	size_t n = sizeof suffix - 1;

	return slice_eq_str(e, json_type) || (e.n > n && memcmp(e.p + e.n - n, suffix, n) == 0);
}

static bool
read_type(struct request *r, struct append *a)
{
	struct slice value = r->http.known[HEADER_CONTENT_TYPE], e;
	size_t n;

	if (slice_eq_str(value, json_type)) { /* the usual one */
		a->type = slice_of(json_type, sizeof json_type - 1);
		a->json = true;
		return true;
	}
	if (value.p && entry_media_type_normalise(a->type_text, sizeof a->type_text, &n, value)) {
		reply_problem(r, PROBLEM_INVALID_HEADER,
			      "Content-Type is not a media type of at most 127 bytes.");
		return false;
	}
	a->type = value.p ? slice_of(a->type_text, n) : slice_of(octets_type, 0);
	a->json = is_json(a->type);
	e = essence(a->type);
	if (slice_eq_str(e, "application/x-ndjson")) {
		a->form = APPEND_LINES;
		a->batch = true;
	} else if (slice_eq_str(e, CLOUDEVENTS_BATCH_TYPE)) {
		a->form = APPEND_EVENTS;
		a->batch = true;
	} else if (slice_eq_str(e, CLOUDEVENTS_TYPE)) {
		a->form = APPEND_EVENT;
	}
	return true;
}

static bool
read_key(struct request *r, struct append *a)
{
	struct slice key = r->http.known[HEADER_IDEMPOTENCY_KEY];
	size_t i;

	if (!key.p)
		return true;
	for (i = 0; i < key.n && key.p[i] >= 0x20 && key.p[i] < 0x7f; i++)
		;
	if (i < key.n || key.n == 0 || key.n > LIMIT_IDEMPOTENCY_KEY_BYTES) {
		reply_problem(r, PROBLEM_INVALID_HEADER,
			      "Idempotency-Key must have 1 to %u printable ASCII characters.",
			      LIMIT_IDEMPOTENCY_KEY_BYTES);
		return false;
	}
	a->key = key;
	return true;
}

/* RFC 7240: preferences that are not understood are ignored, as it says. */
static bool
prefers_minimal(const struct request *r)
{
	static const char want[] = "return=minimal";
	struct slice v = r->http.known[HEADER_PREFER];
	size_t n = sizeof want - 1, i;

	for (i = 0; v.n >= n && i <= v.n - n; i++) {
		if (strncasecmp((const char *)v.p + i, want, n) == 0)
			return (i == 0 || strchr(", \t", v.p[i - 1])) &&
			       (i + n == v.n || strchr(",; \t", v.p[i + n]));
	}
	return false;
}

bool
append_read_head(struct request *r, struct append *a)
{
	struct slice proof;
	int found;

	memset(a, 0, offsetof(struct append, type_text));
	a->problem = PROBLEM_NONE;
	a->line = a->limit = 0;
	if (!wish_read(r, &a->wish) || !append_hold_read(r, &a->hold) || !read_type(r, a) ||
	    !read_key(r, a))
		return false;
	if (a->form == APPEND_ONE && cloudevents_is_binary(&r->http))
		a->form = APPEND_EVENT_BINARY;
	if (r->http.known[HEADER_CONTENT_ENCODING].p &&
	    decode_coding(&a->coding, r->http.known[HEADER_CONTENT_ENCODING]) != 0) {
		reply_problem(r, PROBLEM_UNSUPPORTED_ENCODING,
			      "The content encodings are gzip and zstd, one of them at a time.");
		return false;
	}
	found = request_query(r, "proof", &proof);
	if (found < 0)
		return false;
	if (found && !slice_eq_str(proof, "all")) {
		reply_problem(r, PROBLEM_INVALID_PARAMETER, "proof takes the value all.");
		return false;
	}
	a->proofs = found;
	a->minimal = r->http.known[HEADER_PREFER].p && prefers_minimal(r);
	if (a->type.n == 0 && a->form == APPEND_ONE)
		a->type = slice_of(octets_type, sizeof octets_type - 1);
	return true;
}
