/* Whom to ask, about what. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/err.h"
#include "server/config.h"
#include "server/outbound.h"
#include "server/scope.h"
#include "server/witness_state.h"
#include "storage/file.h"

static int
read_policy(struct witnesses *ws, const char *path, struct buf *why)
{
	const char *what = NULL;
	size_t line = 0;
	int err = file_read_all(path, &ws->policy_text, TLOGPOLICY_BYTES);

	if (err == 0)
		err = tlogpolicy_read(ws->policy, ws->sha, buf_slice(&ws->policy_text), &line,
				      &what);
	if (err == 0)
		return 0;
	if (what)
		buf_printf(why, "witness-policy: %s, line %zu: %s.", path, line, what);
	else
		buf_printf(why, "witness-policy: %s cannot be read: %s.", path,
			   stele_strerror(err));
	return STELE_EINVAL;
}

/* PREFIX/add-checkpoint, whether or not the prefix ends with a slash. */
static int
make_url(struct witness *w, struct slice url, struct buf *why)
{
	size_t n = url.n;

	while (n && url.p[n - 1] == '/')
		n--;
	if (asprintf(&w->url, "%.*s/add-checkpoint", (int)n, (const char *)url.p) < 0) {
		w->url = NULL;
		return STELE_ENOMEM;
	}
	return outbound_url(w->url, why);
}

static int
take_witness(struct witnesses *ws, const struct tlogpolicy_node *node, struct buf *why)
{
	struct witness *w = &ws->w[ws->n];
	int err;

	if (ws->n == LIMIT_WITNESSES) {
		buf_printf(why, "witness-policy: there are more than %u witnesses.",
			   LIMIT_WITNESSES);
		return STELE_EINVAL;
	}
	if (node->url.n == 0) {
		buf_printf(why,
			   "witness-policy: witness %.*s has no URL to be asked at: put it behind "
			   "its key.",
			   (int)node->name.n, (const char *)node->name.p);
		return STELE_EINVAL;
	}
	w->name = node->name;
	w->key = node->key;
	w->first = w->last = WITNESS_NOBODY;
	buf_printf(why, "witness-policy: witness %.*s: ", (int)node->name.n,
		   (const char *)node->name.p);
	err = make_url(w, node->url, why);
	ws->n++; /* it has its url */
	if (err == 0)
		buf_reset(why);
	else
		buf_put_u8(why, '.');
	return err;
}

static int
read_patterns(struct witnesses *ws, const char *list, struct buf *why)
{
	for (const char *p = list; *p;) {
		size_t n = strcspn(p, " ");

		if (n && !scope_pattern_valid(slice_of(p, n))) {
			buf_printf(why, "witness-logs: \"%.*s\" is no pattern of log names.",
				   (int)n, p);
			return STELE_EINVAL;
		}
		p += n + strspn(p + n, " ");
	}
	buf_put_str(&ws->patterns, list);
	return *buf_cstr(&ws->patterns) || *list == 0 ? 0 : STELE_ENOMEM;
}

static int
read_require(struct witnesses *ws, const char *word, struct buf *why)
{
	static const char *const words[] = {"none", "public", "append"};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if (strcmp(word, words[i]) != 0)
			continue;
		ws->require = (enum witness_require)i;
		if (ws->require == WITNESS_NONE || !ws->policy->none)
			return 0;
		buf_printf(why,
			   "witness-require %s asks for a quorum, and the policy says quorum none.",
			   word);
		return STELE_EINVAL;
	}
	buf_printf(why, "witness-require is none, public or append, not \"%.40s\".", word);
	return STELE_EINVAL;
}

int
witness_configure(struct witnesses *ws, const struct config *c, struct buf *why)
{
	int err = read_policy(ws, c->witness_policy, why);

	for (size_t i = 0; err == 0 && i < ws->policy->n; i++)
		if (ws->policy->nodes[i].need == 0)
			err = take_witness(ws, &ws->policy->nodes[i], why);
	if (err == 0 && ws->n == 0) {
		buf_printf(why, "witness-policy: %s names no witness.", c->witness_policy);
		err = STELE_EINVAL;
	}
	if (err == 0)
		err = read_patterns(ws, c->witness_logs ? c->witness_logs : "* _*", why);
	if (err == 0)
		err = read_require(ws, c->witness_require ? c->witness_require : "none", why);
	ws->timeout_ms = c->witness_timeout_ms;
	ws->at_once = ws->n ? LIMIT_OUTBOUND / ws->n : 0;
	return err;
}
