/*
 * Before it serves, the server tries what must be refused, on a scratch store of its own: by the
 * same code, as the most powerful actor there is, itself. One that succeeds means that this build
 * or this machine does not keep its promises (worm.md; "start-up self-test").
 */
#ifndef STELE_SERVER_SELFTEST_H
#define STELE_SERVER_SELFTEST_H

#include "proto/buf.h"

/*
 * Runs it in DIR/selftest, which is removed before and after: 0, or STELE_EVERIFY when something
 * that must be refused was done, with a sentence in why. STELE_ENOSPACE when there is no room for
 * it, which says nothing of the promises; STELE_EIO, STELE_ENOMEM. Some tens of milliseconds. No
 * thread of the server's own is needed yet.
 */
int selftest_run(const char *dir, struct buf *why);

#endif
