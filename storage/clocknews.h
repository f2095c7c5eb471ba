/* What happened to the clocks, for people (store_say) and for `_system` (store_record). */
#ifndef STELE_STORAGE_CLOCKNEWS_H
#define STELE_STORAGE_CLOCKNEWS_H

#include "storage/clock.h"

struct store;

/* Says and records the events of c. Any thread. */
void clocknews_tell(struct store *st, const struct clock *c);

#endif
