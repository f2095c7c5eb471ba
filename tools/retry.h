/* What is worth another try, and after how long: for everything that sends records. */
#ifndef STELE_TOOLS_RETRY_H
#define STELE_TOOLS_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "tools/transport.h"

/* Failures that may pass by themselves: nobody home (0), overload, no space yet. */
bool retry_may_pass(long status);

/*
 * Nanoseconds to wait before try number tries + 2, tries counting from 0: longer each
 * time, not in step with other connections, or what the server said (Retry-After).
 */
int64_t retry_wait_ns(unsigned tries, const struct http_call *c, int64_t now_ns);

#endif
