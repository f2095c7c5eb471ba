/*
 * A request that is an administrative act: what it asks for becomes an act of server/audit.h, on
 * a worker; then it is answered, on its loop. What several resources read of such requests is
 * here, too.
 */
#ifndef STELE_SERVER_ACTING_H
#define STELE_SERVER_ACTING_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "proto/buf.h"
#include "server/access.h"
#include "server/deeds.h"
#include "server/problem.h"

struct kit;
struct request;

struct acting {
	json_t *act; /* {"type":…}: the caller adds members; freed when it was answered */
	bool makes_principal; /* its id becomes act.principal.id, unless there is one, and
				 act.token's */
	bool makes_token;     /* its id and hash become act.token's, its text `text` */
	char kind;            /* of a principal whose id is made */
	char text[TOKEN_CHARS + 1];
	enum problem syntax; /* what a request is that is not understood */
	/*
	 * On the worker, in the turn of the act: puts in what only the server can choose. An error
	 * may have a problem in the outcome. NULL: nothing.
	 */
	int (*fill)(struct request *r, struct access *access);
	/* On the worker, once it is recorded: what else it does; an error of its own. NULL: nothing
	 */
	int (*perform)(struct request *r, struct kit *kit);
	/* On the loop; of errors only those of perform come here, in err. NULL: 204. */
	void (*answer)(struct request *r);
	void *state; /* the caller's */
	int err;
	struct buf why;              /* of perform's error */
	struct deed_outcome outcome; /* of the act, or of its error */
	bool recorded;
};

/* Begins one of this type: r->state. NULL without memory: answered. */
struct acting *acting_begin(struct request *r, const char *type, enum problem syntax);

/* Records it, performs it, answers r. */
void acting_run(struct request *r);

/* Appends what the deed told as members, each after a comma. */
void acting_put_told(struct buf *b, const struct acting *a);

/* Gives it up, before the caller answers r. */
void acting_drop(struct request *r);

/* r's body as a JSON object, an empty one when there is no body and that may be; the caller's.
 * NULL: answered with the problem. */
json_t *acting_body(struct request *r, enum problem syntax, bool may_be_empty);

/*
 * An instant later than now_ns: as a period ("90d") from then, or spelled
 * "2027-01-31T00:00:00.000000000Z", set in `to` under that name as an instant. null is left
 * out. False: it is neither.
 */
bool acting_instant(json_t *to, const char *name, const json_t *v, int64_t now_ns);

#endif
