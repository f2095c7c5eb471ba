/* Spellings, without a look at payloads: a verifier asks by them, too. */
#include "proto/termspell.h"

#include "proto/decimal.h"
#include "proto/err.h"
#include "proto/limits.h"
#include "proto/terms.h"

struct slice
termspell_cut(struct slice text)
{
	return slice_of(text.p, text.n < LIMIT_TERM_BYTES ? text.n : LIMIT_TERM_BYTES);
}

bool
termspell_other(struct buf *out, struct slice text, const struct ipaddr *ip)
{
	struct decimal number;

	buf_reset(out);
	if (decimal_read(&number, text))
		decimal_write(out, &number);
	else if (ip)
		ipaddr_write(out, ip);
	else
		return false;
	return !slice_eq(text, buf_slice(out));
}

int
terms_of_literal(struct slice texts[2], struct arena *a, const struct filter_literal *literal)
{
	const struct filter_literal *l = literal;
	struct buf spelling;
	const void *copy = NULL;
	int n = 1;

	if (l->prefix || l->is_instant || l->word == FILTER_NULL || l->text.n == 0 ||
	    (l->is_ip && l->ip.prefix < l->ip.bits))
		return 0;
	texts[0] = termspell_cut(l->text);
	buf_init(&spelling);
	if (termspell_other(&spelling, l->text,
			    l->is_ip ? &l->ip : NULL)) { /* 10.0.0.1/32 is 10.0.0.1 */
		copy = spelling.err ? NULL : arena_dup(a, spelling.p, spelling.n);
		n = copy ? 2 : STELE_ENOMEM;
		texts[1] = termspell_cut(slice_of(copy, spelling.n));
	}
	buf_fini(&spelling);
	return n;
}
