/* Exponential, to some seconds at most. */
#include "tools/retry.h"

enum {
	BACKOFF_FIRST_MS = 50,
	BACKOFF_LAST_MS = 5000,
	RETRY_AFTER_MAX_S = 60,
};

bool
retry_may_pass(long status)
{
	return status == 0 || status == 408 || status == 429 || (status >= 502 && status <= 504) ||
	       status == 507;
}

int64_t
retry_wait_ns(unsigned tries, const struct http_call *c, int64_t now_ns)
{
	uint64_t wait_ms = (uint64_t)BACKOFF_FIRST_MS << (tries < 7 ? tries : 7);

	if (wait_ms > BACKOFF_LAST_MS)
		wait_ms = BACKOFF_LAST_MS;
	wait_ms -= (uint64_t)(now_ns / 1000) % (wait_ms / 2);
	if (c->has_retry_after)
		wait_ms = 1000 * (c->retry_after_s < RETRY_AFTER_MAX_S ? c->retry_after_s
								       : RETRY_AFTER_MAX_S);
	return (int64_t)wait_ms * 1000000;
}
