/* A short array, from the oldest to the newest. */
#include "server/plans.h"

#include <string.h>

#include <jansson.h>

#include "crypto/random.h"
#include "proto/timestamp.h"

void
plans_init(struct plans *p)
{
	memset(p, 0, sizeof *p);
	pthread_mutex_init(&p->mu, NULL);
}

void
plans_fini(struct plans *p)
{
	for (size_t i = 0; i < p->n; i++)
		json_decref(p->plan[i].doc);
	pthread_mutex_destroy(&p->mu);
}

void
plans_new_id(char id[PLAN_ID_CHARS + 1])
{
	memcpy(id, "g-", 2);
	random_base32(id + 2, PLAN_ID_CHARS - 2);
	id[PLAN_ID_CHARS] = '\0';
}

/* Lets go of the n oldest. */
static void
drop(struct plans *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		json_decref(p->plan[i].doc);
	memmove(p->plan, p->plan + n, (p->n - n) * sizeof p->plan[0]);
	p->n -= n;
}

/* Those that are too old. */
static void
expire(struct plans *p, int64_t now_ns)
{
	size_t n = 0;

	while (n < p->n && now_ns - p->plan[n].made_ns >= LIMIT_PLAN_LIFE_NS)
		n++;
	drop(p, n);
}

void
plans_keep(struct plans *p, json_t *doc, int64_t now_ns)
{
	const char *id = json_string_value(json_object_get(doc, "id"));

	pthread_mutex_lock(&p->mu);
	expire(p, now_ns);
	if (p->n == LIMIT_PLANS)
		drop(p, 1);
	memcpy(p->plan[p->n].id, id, PLAN_ID_CHARS + 1);
	p->plan[p->n].made_ns = now_ns;
	p->plan[p->n++].doc = json_incref(doc);
	pthread_mutex_unlock(&p->mu);
}

json_t *
plans_find(struct plans *p, struct slice id, int64_t now_ns)
{
	json_t *doc = NULL;

	pthread_mutex_lock(&p->mu);
	expire(p, now_ns);
	for (size_t i = 0; i < p->n; i++)
		if (slice_eq_str(id, p->plan[i].id))
			doc = json_incref(p->plan[i].doc);
	pthread_mutex_unlock(&p->mu);
	return doc;
}
