/*
 * Before it serves, the server tries what must be refused, on a scratch store of its own: by the
 * same code, as the most powerful actor there is, itself. One that succeeds means that this build
 * or this machine does not keep its promises (worm.md; "start-up self-test").
 */
#ifndef STELE_SERVER_SELFTEST_H
#define STELE_SERVER_SELFTEST_H

#include "proto/buf.h"

/*
 * Tries to purge a record before its time, one under a legal hold and a control entry; to shorten a
 * lock, also by an extension; to make a policy weaker; to forge a control entry; and asks for the
 * last nanosecond of a lock.
 *
 * It runs in DIR/selftest, which is removed before and after: 0, or STELE_EVERIFY when something
 * that must be refused was done. STELE_ENOSPACE when there is no room for it, which says nothing of
 * the promises; another error when it could not find out. why says what was tried. Some tens of
 * milliseconds. No thread of the server's own is needed yet.
 */
int selftest_run(const char *dir, struct buf *why);

#endif
