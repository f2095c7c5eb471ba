/*
 * What a rule book asks of a running server's configuration, held against what the API says of it.
 * A profile is a table (comply_profiles.c): each row names the paragraph, a check and what mends a
 * gap. What the caller's token may not see is said to be not seen, and never passes.
 */
#ifndef STELE_TOOLS_COMPLY_H
#define STELE_TOOLS_COMPLY_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/buf.h"
#include "tools/cli.h"

/* --- what the server says: comply_facts.c ------------------------------------------------ */

/* One answer of the API. */
struct comply_part {
	json_t *doc;   /* NULL: not seen */
	long status;   /* of the answer */
	char why[160]; /* why it is not seen, without a full stop */
};

struct comply_facts {
	const char *server;            /* its URL, the caller's */
	struct comply_part logs;       /* an array, as GET /api/v1/logs has them */
	struct comply_part principals; /* an array */
	struct comply_part dual;       /* {"acts":[…]} */
	struct comply_part clock;      /* as GET /api/v1/clock */
	struct comply_part scrub;      /* as GET /api/v1/scrub */
	struct comply_part backup;     /* as GET /api/v1/backups */
	struct comply_part holds;      /* as GET /api/v1/holds */
	struct comply_part metrics;    /* {"read_only":0,…}, without the prefix stele_ */
	int64_t now_ns;                /* the server's wall clock; 0: not seen */
};

/*
 * Asks for all of it: CLI_GO; CLI_UNREACHABLE, CLI_USAGE or CLI_REFUSED (no answer, no server
 * given, a token that opens nothing) after saying so. comply_facts_fini in any case.
 */
int comply_facts_fetch(struct comply_facts *f, struct cli *cli);
void comply_facts_fini(struct comply_facts *f);

/* Appends the samples without labels of a Prometheus text to an object, by name. */
void comply_read_metrics(json_t *out, struct slice text);

/* --- checks: comply_log.c, comply_server.c ------------------------------------------------ */

enum comply_state { COMPLY_OK, COMPLY_GAP, COMPLY_UNSEEN };

/* What a check looks at. */
struct comply_case {
	const struct comply_facts *facts;
	const json_t *logs; /* those that the caller asked for */
	const json_t *log;  /* the one of them that a check of logs is about; else NULL */
	const char *arg;    /* of the row; where it has none, how long records are to be kept */
};

/* What it finds. */
struct comply_finding {
	enum comply_state state;
	char says[320];
	char arg[320]; /* for the fix, in place of the case's; "" when there is none */
};

typedef void comply_check(const struct comply_case *c, struct comply_finding *out);

/* Of one log. */
comply_check comply_mode_compliance; /* it is in compliance mode */
comply_check comply_mode_locks;      /* it is in governance or compliance mode */
comply_check comply_default;         /* records are kept for arg, unless something else is said */
comply_check comply_shortest;        /* nobody may ask for less than arg */
comply_check comply_bounds;          /* there is a longest period and a quota */
comply_check comply_private;         /* entries need a token */

/* Of the server. */
comply_check comply_origin;    /* its name was not made up */
comply_check comply_transport; /* nothing crosses a network in clear */
comply_check comply_sealed;    /* key files are sealed with a passphrase */
comply_check comply_dual;      /* the acts of arg, "a,b", need a second principal */
comply_check comply_approvers; /* as many as arg may approve now */
comply_check comply_clock;     /* the clocks are ok, and credit is as bounded as arg: "S,S" */
comply_check comply_scrub;     /* the last pass ended no more than arg days ago and was clean */
comply_check comply_backup;    /* the last backup ended well, no more than arg days ago */
comply_check comply_storage;   /* nothing is quarantined or damaged, and records are taken */
comply_check comply_trail;     /* _system and _access are kept for arg */
comply_check comply_holds;     /* legal holds can be placed, and somebody may */

/* For the checks: how a finding ends. */
void comply_ok(struct comply_finding *out, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void comply_gap(struct comply_finding *out, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void comply_unseen(struct comply_finding *out, const struct comply_part *part);

/*
 * Whether a period is never shorter than another one, from whatever day they are counted: "365d" is
 * shorter than "1y". False when one of them is no period, or missing (NULL).
 */
bool comply_lasts(const char *period, const char *needed);

/* How long a log locks a record that asks for nothing: the default, or else the shortest; or NULL.
 */
const char *comply_default_of(const json_t *log);

/* --- profiles: comply_profiles.c ---------------------------------------------------------- */

struct comply_row {
	const char *paragraph; /* of the rule book */
	const char *asks;      /* in a few words */
	comply_check *check;
	const char *arg; /* NULL: the period */
	const char *fix; /* a command, or what to do; LOG and ARG stand for the case's */
};

struct comply_profile {
	const char *name, *title;
	const char *period;           /* how long records are to be kept, unless told otherwise */
	const struct comply_row *log; /* asked of every log; paragraph NULL ends it */
	const struct comply_row *server; /* asked once */
};

/* The profile of that name, or NULL. */
const struct comply_profile *comply_find(const char *name);

/* All of them; a NULL ends the list. */
extern const struct comply_profile *const comply_profiles[];

#endif
