/*
 * An entry: the one line of ASCII JSON that is chained, hashed into the tree
 * and kept for ever (formats.md section 1).
 *
 *   {"v":1,"origin":"SERVER/LOG","index":N,"kind":"KIND","ctl":N,"time":"TIME",
 *    "prev":"BASE64","commitment":"BASE64","size":N,"media_type":"TYPE","writer":"ID"
 *    [,"retain_until":"TIME","mode":"MODE" | ,"event":"NAME","mode":"MODE"]}
 *
 * without the line breaks. One grammar, matched byte for byte: this order, no
 * spaces, integers 0|[1-9][0-9]* below 2^53, strings of 1 to their limit of
 * printable ASCII characters of which only " and \ are escaped, with \.
 * Nothing else in the tree writes or reads an entry.
 */
#ifndef STELE_PROTO_ENTRY_H
#define STELE_PROTO_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/limits.h"
#include "proto/slice.h"

enum entry_kind {
	ENTRY_RECORD,
	ENTRY_POLICY,
	ENTRY_HOLD,
	ENTRY_RELEASE,
	ENTRY_EXTEND,
	ENTRY_EVENT,
	ENTRY_PURGE,
	ENTRY_KEY,
	ENTRY_RESTORE,
};

enum entry_mode { ENTRY_MODE_NONE, ENTRY_MODE_GOVERNANCE, ENTRY_MODE_COMPLIANCE };

/* Slices point into the caller's memory (write), or into the text or the scratch (read). */
struct entry {
	struct slice origin;     /* SERVER/LOG */
	uint64_t index;          /* zero-based; below 2^53, as ctl and size */
	enum entry_kind kind;    /* entry 0 is ENTRY_POLICY */
	uint64_t ctl;            /* index of the latest control entry before; 0 for entry 0 */
	int64_t time_ns;         /* 0..TIMESTAMP_MAX_NS, as retain_until_ns */
	uint8_t prev[32];        /* entry hash of index - 1 */
	uint8_t commitment[32];  /* of salt and payload */
	uint64_t size;           /* payload bytes */
	struct slice media_type; /* 1..LIMIT_MEDIA_TYPE_BYTES */
	struct slice writer;     /* 1..LIMIT_WRITER_BYTES */
	enum entry_mode mode;    /* ENTRY_MODE_NONE: no lock members at all */
	struct slice event;      /* not empty: stands in place of retain_until */
	int64_t retain_until_ns; /* when mode is not NONE and event is empty; else 0 */
};

/*
 * Writes the entry into out and returns its length (> 0), or STELE_EINVAL when
 * a member is not what its grammar allows, STELE_ELIMIT when one is too long or
 * the entry exceeds LIMIT_ENTRY_BYTES or cap. A valid entry always fits
 * LIMIT_ENTRY_BYTES when its media type has no quote or backslash, which
 * entry_media_type_normalise sees to. out is untouched on failure.
 */
int entry_write(char *out, size_t cap, const struct entry *e);

/*
 * Reads text, which must be one entry and nothing else: writing *e again gives
 * the same bytes. Strings with escapes are unescaped into scratch; text and
 * scratch must outlive *e. STELE_EVERSION when "v" is another integer than 1,
 * STELE_ESYNTAX for anything else that is not an entry.
 */
int entry_read(struct entry *e, struct slice text, char scratch[LIMIT_ENTRY_BYTES]);

/* The word in the entry: "record", ...; "governance", ...; "none" for ENTRY_MODE_NONE. */
const char *entry_kind_name(enum entry_kind kind);
const char *entry_mode_name(enum entry_mode mode);

/* The reverse: 0, or STELE_ESYNTAX for another word. */
int entry_kind_parse(enum entry_kind *kind, struct slice s);
int entry_mode_parse(enum entry_mode *mode, struct slice s);

/*
 * A log's name: [a-z0-9_][a-z0-9._-]{0,62}. Those beginning with '_' belong to
 * the server: entry_log_name_reserved tells, and users' requests must not
 * create or append to them.
 */
bool entry_log_name_valid(struct slice s);
bool entry_log_name_reserved(struct slice s);

/* A server's name: 1..LIMIT_SERVER_NAME_BYTES of printable ASCII but space, '+' and '/'. */
bool entry_server_name_valid(struct slice s);

/* SERVER/LOG, both valid. */
bool entry_origin_valid(struct slice s);

/*
 * What an entry keeps of a Content-Type field's value (RFC 9110 section 8.3):
 * the essence in lower case and, where there is one, "; charset=" and its value
 * without quotes. Writes it to out, without NUL, and sets *n_out. STELE_ESYNTAX
 * when it is not a media type (an empty value too), STELE_ELIMIT when the
 * result exceeds LIMIT_MEDIA_TYPE_BYTES or cap.
 */
int entry_media_type_normalise(char *out, size_t cap, size_t *n_out, struct slice header_value);

#endif
