/*
 * Steps 1 and 5 to 9 of storage/purge.h. Inside storage/ only.
 */
#ifndef STELE_STORAGE_PURGEWORK_H
#define STELE_STORAGE_PURGEWORK_H

#include "storage/purging.h"

/*
 * Step 1: the log's records up to index last are sealed; *sealed says whether they are now. As
 * store_seal_log.
 */
int purgework_seal(struct log *log, uint64_t last, bool *sealed, struct buf *why);

/*
 * Goes through the steps for a purge whose entry is committed; what was done already is left. A
 * crash may have taken back what step 1 sealed before that. *out is added to; out->destroyed says
 * whether anything is left, and then the purge may be ended. An error is of the step that it
 * ended, with why; the purge stays under way. st->purging is held.
 */
int purgework_do(struct log *log, struct purging *p, struct toolbox *t, struct purge_result *out,
		 struct buf *why);

#endif
