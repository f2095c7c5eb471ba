/* Groups name what stands before them: that there is no ring needs no look. */
#include "crypto/tlogpolicy.h"

#include <string.h>

#include "crypto/sign.h"
#include "proto/err.h"

struct reading {
	struct tlogpolicy *p;
	struct sha256 *h;
	struct slice rest; /* of the line */
	const char *what;
	bool has_quorum;
};

static bool
is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* The next word of the line; empty at its end. */
static struct slice
word(struct reading *r)
{
	size_t n = 0;
	struct slice s;

	while (r->rest.n && is_space(r->rest.p[0]))
		r->rest = slice_of(r->rest.p + 1, r->rest.n - 1);
	while (n < r->rest.n && !is_space(r->rest.p[n]))
		n++;
	s = slice_of(r->rest.p, n);
	r->rest = slice_of(r->rest.p + n, r->rest.n - n);
	return s;
}

static int
refuse(struct reading *r, const char *what)
{
	r->what = what;
	return STELE_ESYNTAX;
}

/* The line has nothing behind an address. */
static int
take_url(struct reading *r, struct slice *url)
{
	*url = word(r);
	return word(r).n ? refuse(r, "something follows") : 0;
}

/* The number of the node of that name, or p->n. */
static size_t
find(const struct tlogpolicy *p, struct slice name)
{
	size_t i = 0;

	while (i < p->n && !slice_eq(p->nodes[i].name, name))
		i++;
	return i;
}

/* A new node, which is not counted yet. */
static struct tlogpolicy_node *
name_node(struct reading *r)
{
	struct tlogpolicy *p = r->p;
	struct slice name = word(r);

	if (name.n == 0 || slice_eq_str(name, "none") || find(p, name) < p->n)
		r->what = "the name is missing, taken, or 'none'";
	else if (p->n == TLOGPOLICY_NODES)
		r->what = "there are more than 256 witnesses and groups";
	if (r->what)
		return NULL;
	p->nodes[p->n] = (struct tlogpolicy_node){.name = name};
	return &p->nodes[p->n];
}

static int
read_witness(struct reading *r)
{
	struct tlogpolicy_node *w = name_node(r);

	if (!w)
		return STELE_ESYNTAX;
	if (sign_vkey_parse(r->h, &w->key, word(r)) != 0 || w->key.type != NOTE_ED25519_COSIGNATURE)
		return refuse(r, "the key is no verifier key for cosignatures");
	for (size_t i = 0; i < r->p->n; i++)
		if (r->p->nodes[i].need == 0 &&
		    memcmp(r->p->nodes[i].key.public_key, w->key.public_key,
			   NOTE_PUBLIC_KEY_BYTES) == 0)
			return refuse(r, "another witness has this key");
	r->p->n++;
	return take_url(r, &w->url);
}

static int
read_need(struct reading *r, struct slice s, size_t *need)
{
	*need = 0;
	if (slice_eq_str(s, "all") || slice_eq_str(s, "any"))
		return 0;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9' || *need > TLOGPOLICY_NODES)
			return refuse(r, "how many is neither all, any nor a number");
		*need = *need * 10 + (size_t)(s.p[i] - '0');
	}
	return *need ? 0 : refuse(r, "how many is neither all, any nor a number from 1");
}

static int
read_group(struct reading *r)
{
	struct tlogpolicy_node *g = name_node(r);
	struct slice need, name;
	int err;

	if (!g)
		return STELE_ESYNTAX;
	need = word(r);
	err = read_need(r, need, &g->need);
	while (!err && (name = word(r)).n) {
		size_t i = find(r->p, name);
		if (i == r->p->n)
			return refuse(r, "a member is not named before");
		if (memchr(g->members, (int)i, g->n_members))
			return refuse(r, "a member is there twice");
		g->members[g->n_members++] = (uint8_t)i;
	}
	if (err)
		return err;
	if (slice_eq_str(need, "all"))
		g->need = g->n_members;
	if (slice_eq_str(need, "any"))
		g->need = 1;
	if (g->n_members == 0 || g->need > g->n_members)
		return refuse(r, "the group has fewer members than it needs");
	r->p->n++;
	return 0;
}

static int
read_quorum(struct reading *r)
{
	struct slice name = word(r);

	if (r->has_quorum)
		return refuse(r, "there is a quorum already");
	r->has_quorum = true;
	r->p->none = slice_eq_str(name, "none");
	r->p->quorum = find(r->p, name);
	if (!r->p->none && r->p->quorum == r->p->n)
		return refuse(r, "the quorum is no witness or group named before");
	return word(r).n ? refuse(r, "something follows") : 0;
}

static int
read_log(struct reading *r)
{
	struct tlogpolicy *p = r->p;
	struct slice url;

	if (p->n_logs == TLOGPOLICY_LOGS)
		return refuse(r, "there are more than 64 logs");
	if (sign_vkey_parse(r->h, &p->logs[p->n_logs], word(r)) != 0)
		return refuse(r, "the key is no verifier key");
	p->n_logs++;
	return take_url(r, &url);
}

static int
read_line(struct reading *r, struct slice line)
{
	struct slice first;

	r->rest = line;
	first = word(r);
	if (first.n == 0 || first.p[0] == '#')
		return 0;
	if (slice_eq_str(first, "log"))
		return read_log(r);
	if (slice_eq_str(first, "witness"))
		return read_witness(r);
	if (slice_eq_str(first, "group"))
		return read_group(r);
	return slice_eq_str(first, "quorum")
		       ? read_quorum(r)
		       : refuse(r, "it begins with none of log, witness, group, quorum and #");
}

int
tlogpolicy_read(struct tlogpolicy *p, struct sha256 *h, struct slice text, size_t *line,
		const char **what)
{
	struct reading r = {.p = p, .h = h};
	int err = 0;

	memset(p, 0, sizeof *p);
	if (text.n > TLOGPOLICY_BYTES) {
		*what = "it has more than 64 KiB";
		return STELE_ELIMIT;
	}
	for (*line = 1; !err && text.n; ++*line) {
		const uint8_t *lf = memchr(text.p, '\n', text.n);
		size_t n = lf ? (size_t)(lf - text.p) : text.n;
		err = read_line(&r, slice_of(text.p, n));
		n += lf ? 1 : 0;
		text = slice_of(text.p + n, text.n - n);
	}
	--*line;
	if (!err && !r.has_quorum)
		err = refuse(&r, "there is no quorum");
	*what = r.what;
	return err;
}

int
tlogpolicy_check(const struct tlogpolicy *p, const struct note *note, size_t *n)
{
	bool has[TLOGPOLICY_NODES];
	uint64_t time_s;

	*n = 0;
	for (size_t i = 0; i < p->n; i++) {
		const struct tlogpolicy_node *x = &p->nodes[i];
		size_t got = 0;
		int err;

		for (size_t k = 0; k < x->n_members; k++)
			got += has[x->members[k]];
		has[i] = x->need && got >= x->need;
		if (x->need)
			continue;
		err = sign_verify_cosignature(&x->key, note, &time_s);
		if (err == STELE_EVERIFY)
			return err;
		has[i] = err == 0;
		*n += has[i];
	}
	return p->none || has[p->quorum] ? 0 : STELE_ENOTFOUND;
}

bool
tlogpolicy_knows(const struct tlogpolicy *p, const struct note_vkey *key)
{
	bool named = false;

	for (size_t i = 0; i < p->n_logs; i++) {
		if (!slice_eq(p->logs[i].name, key->name))
			continue;
		named = true;
		if (memcmp(p->logs[i].public_key, key->public_key, NOTE_PUBLIC_KEY_BYTES) == 0)
			return true;
	}
	return !named;
}
