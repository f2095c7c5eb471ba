/*
 * A payload on its way into objects/: streamed, hashed, sealed and flushed
 * before the record that names it is committed.
 *
 *   deposit_new -> deposit_put ... -> deposit_seal -> deposit_item -> the commit
 *   then one of deposit_keep (it is committed), deposit_drop (it is not),
 *   deposit_leave (nobody knows: a flush failed; the next start finds out)
 *
 * deposit_drop also ends one that was never sealed. One thread at a time, of
 * any kind but a loop's: every call but deposit_size writes files.
 */
#ifndef STELE_STORAGE_DEPOSIT_H
#define STELE_STORAGE_DEPOSIT_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/slice.h"
#include "storage/append.h"
#include "storage/object.h"

enum { DEPOSIT_MARKER_BYTES = 16 }; /* u64 log id, u64 size of the log before the commit */

struct deposit;

/*
 * Begins a payload for a log, in chunks of chunk_bytes
 * (LIMIT_OBJECT_CHUNK_MIN_BYTES to LIMIT_OBJECT_CHUNK_MAX_BYTES). STELE_EREADONLY;
 * STELE_ENOSPACE below the soft limit, or when expect_bytes more (0: not known) would be;
 * STELE_EIO, after which the store is read-only; STELE_ENOMEM; STELE_ELIMIT.
 */
int deposit_new(struct deposit **out, struct store *st, struct log *log, uint64_t expect_bytes,
		uint32_t chunk_bytes);

/* The next bytes of the payload. Errors as deposit_new; after one only deposit_drop may follow. */
int deposit_put(struct deposit *d, struct slice piece, struct toolbox *t);

/* Bytes of payload so far; the id, OBJECT_ID_BYTES, the deposit's. Any thread. */
uint64_t deposit_size(const struct deposit *d);
const uint8_t *deposit_id(const struct deposit *d);

/* True when no byte was written yet: all of the payload, the deposit's until it ends. */
bool deposit_in_memory(const struct deposit *d, struct slice *payload);

/*
 * The payload is complete: when this returns 0 the object and its name are
 * durable. STELE_EINVAL for an empty payload, which needs no object; else as
 * deposit_put.
 */
int deposit_seal(struct deposit *d, struct toolbox *t);

/* After deposit_seal: payload, size, salt and commitment for the item, whose payload is the
 * deposit's until it ends. */
void deposit_item(const struct deposit *d, struct append_item *item);

/* The record is committed: its object stays. Frees the deposit. */
void deposit_keep(struct deposit *d);

/* No record will name it: removes every trace and frees the deposit. NULL may be dropped. */
void deposit_drop(struct deposit *d);

/* Frees the deposit and leaves its files for the next start to judge. */
void deposit_leave(struct deposit *d);

/*
 * At start, after recovery: removes what was never committed, and says so.
 * What cannot be judged (its log's records are damaged) stays, said too.
 * STELE_ENOMEM; STELE_EIO when objects/ cannot be read.
 */
int deposit_sweep(struct store *st);

#endif
