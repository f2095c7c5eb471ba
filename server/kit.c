/* Kits, and a stack of them under a lock. */
#include "server/kit.h"

#include <malloc.h>
#include <stdlib.h>

#include "proto/limits.h"

struct kit *
kit_new(void)
{
	struct kit *k = calloc(1, sizeof *k);

	if (!k)
		return NULL;
	k->tools = toolbox_new();
	k->json = json_scanner_new();
	if (k->tools && k->json)
		return k;
	kit_free(k);
	return NULL;
}

void
kit_free(struct kit *k)
{
	if (!k)
		return;
	if (k->tools)
		toolbox_free(k->tools);
	json_scanner_free(k->json);
	free(k->lines);
	free(k);
}

struct slice *
kit_lines(struct kit *k)
{
	if (!k->lines)
		k->lines = calloc(LIMIT_BATCH_RECORDS, sizeof *k->lines);
	return k->lines;
}

void
kit_pool_init(struct kit_pool *p)
{
	pthread_mutex_init(&p->lock, NULL);
	p->kits = NULL;
}

void
kit_pool_fini(struct kit_pool *p)
{
	kit_give_up(p->kits);
	pthread_mutex_destroy(&p->lock);
}

struct kit *
kit_take(struct kit_pool *p)
{
	struct kit *k;

	pthread_mutex_lock(&p->lock);
	k = p->kits;
	if (k)
		p->kits = k->next;
	pthread_mutex_unlock(&p->lock);
	return k ? k : kit_new();
}

void
kit_put(struct kit_pool *p, struct kit *k, uint64_t now_ms)
{
	pthread_mutex_lock(&p->lock);
	k->since_ms = now_ms;
	k->next = p->kits;
	p->kits = k;
	pthread_mutex_unlock(&p->lock);
}

/* The one that came back last is taken first, so those that rest are at the end. */
struct kit *
kit_pool_rested(struct kit_pool *p, uint64_t now_ms)
{
	struct kit **at, *rested;

	pthread_mutex_lock(&p->lock);
	for (at = &p->kits; *at; at = &(*at)->next)
		if (now_ms - (*at)->since_ms >= KIT_REST_MS)
			break;
	rested = *at;
	*at = NULL;
	pthread_mutex_unlock(&p->lock);
	return rested;
}

void
kit_give_up(struct kit *list)
{
	struct kit *next;

	for (; list; list = next) {
		next = list->next;
		kit_free(list);
	}
	(void)malloc_trim(0); /* of all threads' arenas; whether it found any is no matter */
}
