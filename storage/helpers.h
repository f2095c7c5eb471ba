/*
 * Threads that share one piece of work with the thread that has it, such as signing
 * many heads. They sleep when there is none.
 */
#ifndef STELE_STORAGE_HELPERS_H
#define STELE_STORAGE_HELPERS_H

struct helpers;

/*
 * One thread for each core but one, three at most. STELE_ENOMEM: *out is then to be freed
 * all the same.
 */
int helpers_new(struct helpers **out);

/* Ends the threads. NULL may be freed. */
void helpers_free(struct helpers *h);

/* How many threads there are; 0 for NULL. */
unsigned helpers_threads(const struct helpers *h);

/*
 * Runs fn(arg, 0 .. parts - 1) side by side, on the calling thread too, and waits for all.
 * One caller at a time. ctx is the struct helpers.
 */
void helpers_run(void *ctx, void (*fn)(void *arg, unsigned part), void *arg, unsigned parts);

#endif
