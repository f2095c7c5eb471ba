/* One line of progress on a terminal; silent when standard error is none. */
#ifndef STELE_TOOLS_PROGRESS_H
#define STELE_TOOLS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool on, drawn;
	int64_t start_ns, last_ns;
};

/* Nanoseconds of the monotonic clock. */
int64_t progress_now_ns(void);

/* Starts the clock; draws only when standard error is a terminal. */
void progress_init(struct progress *p);

/* Redraws the line at most five times a second: records and bytes done so far, where they
 * are not 0, and a note. */
void progress_show(struct progress *p, uint64_t records, uint64_t bytes, const char *note);

/* Wipes the line, so that what is printed next stands alone. */
void progress_clear(struct progress *p);

#endif
