/*
 * Timestamps that authorities gave (RFC 3161), as records of `_system`: docs/formats.md section 8,
 * type `timestamp`. Each says where the one before it is; the state of server/access.h says when
 * the newest was recorded. So none is looked for.
 */
#ifndef STELE_SERVER_TIMESTAMP_RECORD_H
#define STELE_SERVER_TIMESTAMP_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "proto/buf.h"
#include "server/access.h"
#include "server/trail.h"

struct tsp_token;

struct timestamp_record {
	json_t *doc;                 /* owns the texts */
	uint64_t index;              /* of the record */
	int64_t before;              /* index of the one before; -1: there is none */
	uint64_t size;               /* of the checkpoint */
	int64_t time_ns, expires_ns; /* genTime; the end of the signer's certificate */
	const char *authority, *name, *serial;
	bool trusted;
	struct slice checkpoint, token; /* token: base64 */
};

/*
 * Reads the one at that index. STELE_ENOTFOUND: that record is none; errors of read_record. After
 * success timestamp_record_fini is due.
 */
int timestamp_record_read(struct trail *t, uint64_t index, struct timestamp_record *out);
void timestamp_record_fini(struct timestamp_record *r);

/* The newest; STELE_ENOTFOUND: there is none below the trail's head. */
int timestamp_record_newest(struct trail *t, struct timestamp_record *out);

/*
 * The one before r takes its place. STELE_ENOTFOUND: there is none; STELE_EDAMAGED: it is not where
 * r says. Then r stays.
 */
int timestamp_record_before(struct trail *t, struct timestamp_record *r);

/*
 * The act that records a token: of the checkpoint, a signed note, of that size; before as above.
 * NULL without memory.
 */
json_t *timestamp_record_act(const char *authority, uint64_t size, struct slice checkpoint,
			     const struct tsp_token *said, struct slice response, int64_t before);

/* --- in the state: for the access_*.c -----------------------------------------------------------
 */

struct fold;

/* The act: it becomes the newest. */
int fold_timestamp(const struct fold *f, const json_t *act);

/* Time of the record of the newest; 0: there is none. Any thread. */
int64_t access_newest_timestamp(struct access *a);

/* Appends it as a member of the snapshot; reads it. */
void access_encode_timestamps(const struct access *a, struct buf *out);
int access_decode_timestamps(struct access *a, const json_t *root);

#endif
