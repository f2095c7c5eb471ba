/*
 * What one thread of work needs: hashers, codecs, JSON scanner, room for the
 * lines of a batch. Loops have one each; workers share a pool of as many as are in
 * use at once. One that served large batches holds some ten megabytes, so those that
 * rest are given up.
 */
#ifndef STELE_SERVER_KIT_H
#define STELE_SERVER_KIT_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/json.h"
#include "proto/slice.h"
#include "storage/read.h"

struct kit {
	struct toolbox *tools;
	struct json_scanner *json;
	struct slice *lines; /* LIMIT_BATCH_RECORDS, once kit_lines was called */
	struct kit *next;    /* in the pool */
	uint64_t since_ms;   /* when it came back there */
};

enum { KIT_REST_MS = 10000 };

/* A kit, or NULL when memory is out. NULL may be freed. */
struct kit *kit_new(void);
void kit_free(struct kit *k);

/* Room for LIMIT_BATCH_RECORDS slices, the kit's; NULL when memory is out. */
struct slice *kit_lines(struct kit *k);

struct kit_pool {
	pthread_mutex_t lock;
	struct kit *kits;
};

/* An empty pool; fini frees what came back to it. */
void kit_pool_init(struct kit_pool *p);
void kit_pool_fini(struct kit_pool *p);

/* A kit for the calling thread, or NULL when memory is out; give it back with kit_put. */
struct kit *kit_take(struct kit_pool *p);
void kit_put(struct kit_pool *p, struct kit *k, uint64_t now_ms);

/* Takes out of the pool those that have rested for KIT_REST_MS: a list by next, or NULL. */
struct kit *kit_pool_rested(struct kit_pool *p, uint64_t now_ms);

/* Frees a list, and gives the memory that is free now back to the system. A worker's: slow. */
void kit_give_up(struct kit *list);

#endif
