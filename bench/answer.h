/*
 * The least of an HTTP/1.1 answer that a load generator must understand:
 * its status and where it ends. Only answers with a Content-Length.
 */
#ifndef STELE_BENCH_ANSWER_H
#define STELE_BENCH_ANSWER_H

#include <stddef.h>
#include <stdint.h>

enum { ANSWER_HEAD_BYTES = 4096 };

struct answer {
	unsigned status;    /* 0 until the head is complete */
	uint32_t kept_n;    /* of an incomplete head */
	size_t left;        /* body bytes still to come */
	size_t total_bytes; /* head and body */
	char excerpt[160];  /* the first printable bytes of a body that is not 2xx, or "" */
	char *kept;         /* the incomplete head, on the heap only while there is one */
};

/* Ready for the next answer; a zeroed struct is ready too. */
void answer_reset(struct answer *r);

/* Copies the incomplete head, if any, to the front of buf and returns its length. */
size_t answer_kept(struct answer *r, uint8_t *buf);

/*
 * Takes n bytes at p (what answer_kept put there, then what was received).
 * 1: the answer is complete. 0: more is to come. Negative: not such an
 * answer (STELE_ESYNTAX), more than one answer (the same), a head above
 * ANSWER_HEAD_BYTES (STELE_ELIMIT), STELE_ENOMEM.
 */
int answer_take(struct answer *r, const uint8_t *p, size_t n);

#endif
