/*
 * Where a hold is, or is to be: its logs, what its entries say in each (docs/formats.md section
 * 1), and what it covers there now.
 */
#ifndef STELE_SERVER_HOLD_LOGS_H
#define STELE_SERVER_HOLD_LOGS_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "proto/buf.h"
#include "proto/control.h"
#include "proto/slice.h"
#include "server/deeds.h"
#include "server/hold.h"

struct access;
struct log;
struct store;

/*
 * The logs that the hold's patterns match now, or those that a hold of this id has not been
 * released in, as [{"log":NAME},…] in order: counted for the caller. A row of a log for which a
 * schema was chosen has "mapping", its digest in base64, when the hold is by filter. NULL without
 * memory.
 */
json_t *hold_logs_matching(struct store *st, struct access *a, const struct hold *h);
json_t *hold_logs_held(struct store *st, struct slice id);

/* The mapping that a row of that has, or else the hold's own: 32 bytes. STELE_ESYNTAX. */
int hold_logs_mapping(uint8_t out[32], const json_t *row, const struct hold *h);

/* Control entries that are to be written, for deed_write. */
struct hold_entries {
	struct deed_entry *e;
	size_t n, cap;
	void **said; /* what they say, one for each */
};

/* None; and frees what they say. */
void hold_entries_init(struct hold_entries *all);
/* After they were written, or not. */
void hold_entries_fini(struct hold_entries *all);

/*
 * Adds the first entries of a hold in a log, one but for large sets. mapping, 32 bytes, is how a
 * hold by filter reads the log's records from then on. actors are members that each has, after a
 * comma. The hold must outlive them. STELE_ENOMEM.
 */
int hold_entries_first(struct hold_entries *all, struct log *log, const struct hold *h,
		       const uint8_t *mapping, struct slice actors);

/*
 * Adds the entries by which a hold, that had everything from open_from on, has n ranges instead,
 * and everything from `next` on; CONTROL_OPEN: nothing more. Ranges that do not fit one entry take
 * several. The ranges must outlive them; the mapping is the hold's here.
 */
int hold_entries_cover(struct hold_entries *all, struct log *log, const struct hold *h,
		       const struct control_range *r, size_t n, uint64_t open_from, uint64_t next,
		       struct slice actors);

/* Adds the entry by which it is released there. */
int hold_entries_release(struct hold_entries *all, struct log *log, struct slice id,
			 struct slice actors);

/*
 * Appends ,"covers":[…] with a row for each log that it is or was in, and the sums of them; of
 * those logs alone that the token may hold, unless it is NULL.
 */
struct token;
void hold_logs_put(struct buf *b, struct store *st, const struct hold *h,
		   const struct token *token);

#endif
