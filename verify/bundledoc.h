/*
 * data/bundle.json of an evidence bundle (docs/formats.md section 10): what was asked for, and what
 * is here.
 */
#ifndef STELE_VERIFY_BUNDLEDOC_H
#define STELE_VERIFY_BUNDLEDOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "proto/buf.h"
#include "proto/control.h"
#include "proto/limits.h"
#include "proto/slice.h"

struct bundledoc_log {
	char name[LIMIT_LOG_NAME_BYTES + 1];
	uint64_t size, entries, payloads, purged, withheld, controls, bytes;
};

/* What a request asks of each log. */
struct bundledoc_request {
	bool has_first, has_last, has_from, has_to;
	uint64_t first, last;   /* indexes, both in it */
	int64_t from_ns, to_ns; /* of entries' times: inclusive, exclusive */
	bool judged;     /* a filter, a hold, times of events: what matches only payloads tell */
	bool by_records; /* records are named */
};

struct bundledoc {
	char export[13];
	struct slice server, requester, reason; /* into the text, or doc */
	bool is_range;
	struct slice request; /* its bytes */
	json_t *request_doc;
	struct bundledoc_request asked;
	int64_t begun_ns;
	struct bundledoc_log *logs; /* ascending by name */
	size_t n_logs;
	struct buf room[3]; /* behind the texts */
};

/*
 * Reads the file, which must outlive it. STELE_ESYNTAX and a phrase in *what when it is not as it
 * has to be; STELE_ENOMEM. bundledoc_fini in any case.
 */
int bundledoc_read(struct bundledoc *d, struct slice text, const char **what);
void bundledoc_fini(struct bundledoc *d);

/* Whether the request names the log. */
bool bundledoc_asks(const struct bundledoc *d, const char *log);

/* How many logs it names. */
size_t bundledoc_asked_logs(const struct bundledoc *d);

/* Whether the request's list of records has this one. */
bool bundledoc_has_record(const struct bundledoc *d, const char *log, uint64_t index);

#endif
