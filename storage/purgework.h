/*
 * Steps 5 to 9 of storage/purge.h, for a purge whose entry is committed. Inside storage/ only.
 */
#ifndef STELE_STORAGE_PURGEWORK_H
#define STELE_STORAGE_PURGEWORK_H

#include "storage/purging.h"

/*
 * Goes through the steps; what was done already is left. *out is added to; out->destroyed says
 * whether anything is left, and then the purge may be ended. An error is of the step that it
 * ended, with why; the purge stays under way. st->purging is held.
 */
int purgework_do(struct log *log, struct purging *p, struct toolbox *t, struct purge_result *out,
		 struct buf *why);

#endif
