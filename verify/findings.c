#include "verify/findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const names[CHECKS] = {
	"archive",   "manifest",    "signature", "keys",  "entries", "chain",      "commitments",
	"inclusion", "consistency", "controls",  "rules", "custody", "timestamps", "completeness",
};

void
findings_init(struct findings *f)
{
	memset(f, 0, sizeof *f);
	pthread_mutex_init(&f->mu, NULL);
}

void
findings_fini(struct findings *f)
{
	pthread_mutex_destroy(&f->mu);
}

void
findings_fail(struct findings *f, enum check check, const struct place *where, const char *fmt, ...)
{
	struct finding *x = &f->of[check];
	va_list args;

	pthread_mutex_lock(&f->mu);
	if (!x->failed || where->order < x->order) {
		x->failed = true;
		x->order = where->order;
		x->line = where->line;
		x->index = where->index;
		snprintf(x->path, sizeof x->path, "%s", where->path);
		va_start(args, fmt);
		vsnprintf(x->why, sizeof x->why, fmt, args);
		va_end(args);
	}
	pthread_mutex_unlock(&f->mu);
}

int
findings_stop(struct findings *f, int err, const char *what)
{
	pthread_mutex_lock(&f->mu);
	if (!f->err) {
		f->err = err;
		snprintf(f->io, sizeof f->io, "%s", what);
	}
	pthread_mutex_unlock(&f->mu);
	return err;
}

bool
findings_failed(struct findings *f, enum check check)
{
	bool failed;

	pthread_mutex_lock(&f->mu);
	failed = f->of[check].failed;
	pthread_mutex_unlock(&f->mu);
	return failed;
}

enum check
findings_first(const struct findings *f)
{
	enum check c = 0;

	while (c < CHECKS && !f->of[c].failed)
		c++;
	return c;
}

const char *
check_name(enum check check)
{
	return names[check];
}
