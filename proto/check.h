/*
 * CHECK(): an invariant that must hold, in every build. It prints where and
 * aborts; a crash is recovered from, a wrong answer is not.
 */
#ifndef STELE_PROTO_CHECK_H
#define STELE_PROTO_CHECK_H

/* Prints "file:line: CHECK failed: what" to stderr and aborts. */
_Noreturn void check_failed(const char *file, int line, const char *what);

#define CHECK(cond) ((cond) ? (void)0 : check_failed(__FILE__, __LINE__, #cond))

#endif
