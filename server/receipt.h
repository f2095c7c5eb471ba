/*
 * The JSON form of a receipt (design.md section 6, formats.md section 4):
 *   {"log","index","time","entry","salt","proof":[...],"checkpoint"}, without "salt" where there is
 * none
 */
#ifndef STELE_SERVER_RECEIPT_H
#define STELE_SERVER_RECEIPT_H

#include <stddef.h>
#include <stdint.h>

#include "proto/buf.h"
#include "proto/slice.h"
#include "storage/log.h"

struct receipt {
	const struct log *log;
	uint64_t index;
	int64_t time_ns;
	struct slice entry;  /* exact bytes */
	const uint8_t *salt; /* 16 bytes; NULL when the payload is gone */
	const uint8_t (*proof)[32];
	size_t n_proof;
	const struct head *head; /* the proof leads to its root */
};

/* Appends it without the closing brace, so that members can follow. */
void receipt_put(struct buf *out, const struct receipt *r);

/* Appends ,"payload": and its text, or ,"payload_b64": where it is no UTF-8. */
void receipt_put_payload(struct buf *out, struct slice payload);

/* Appends "time":"...". */
void receipt_put_time(struct buf *out, int64_t time_ns);

#endif
