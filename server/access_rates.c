/* How much a token may ask for: the generic cell rate algorithm, for requests and for bytes. */
#include "server/access.h"

#define SECOND_NS INT64_C(1000000000)

/* Moves the end of what is used up on by n at this rate; n may be enough for ages. */
static void
use(_Atomic int64_t *until_ns, uint64_t n, uint64_t per_s, int64_t now_ns)
{
	int64_t old = atomic_load(until_ns), next;
	double ns = (double)n * (double)SECOND_NS / (double)per_s;
	int64_t cost = ns < (double)(INT64_MAX / 4) ? (int64_t)ns : INT64_MAX / 4;

	do {
		int64_t from = old > now_ns ? old : now_ns;
		next = from > INT64_MAX / 2 ? from : from + cost;
	} while (!atomic_compare_exchange_weak(until_ns, &old, next));
}

bool
token_admit(struct token *token, uint64_t body_bytes, int64_t now_ns, uint64_t *wait_s)
{
	int64_t requests = token->requests_per_s ? atomic_load(&token->requests_until_ns) : 0,
		bytes = token->bytes_per_s ? atomic_load(&token->bytes_until_ns) : 0,
		until = requests > bytes ? requests : bytes;

	if (until > now_ns + SECOND_NS) { /* a second's worth may come at once */
		*wait_s = (uint64_t)((until - now_ns - 1) / SECOND_NS);
		return false;
	}
	if (token->requests_per_s)
		use(&token->requests_until_ns, 1, token->requests_per_s, now_ns);
	token_charge(token, body_bytes, now_ns);
	return true;
}

void
token_charge(struct token *token, uint64_t body_bytes, int64_t now_ns)
{
	if (token->bytes_per_s && body_bytes)
		use(&token->bytes_until_ns, body_bytes, token->bytes_per_s, now_ns);
}
