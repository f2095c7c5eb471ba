/* Part numbers are taken from one counter until none is left: whoever is free takes the next. */
#include "storage/helpers.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/err.h"

enum { HELPERS_MAX = 3 };

struct helpers {
	pthread_mutex_t mu;
	pthread_cond_t start, finished;
	void (*fn)(void *arg, unsigned part);
	void *arg;
	unsigned next, parts, running;
	bool closing;
	pthread_t threads[HELPERS_MAX];
	unsigned n_threads;
};

/* Takes parts until none is left; mu is held on entry and exit. */
static void
take_parts(struct helpers *s)
{
	while (s->next < s->parts) {
		unsigned part = s->next++;
		s->running++;
		pthread_mutex_unlock(&s->mu);
		s->fn(s->arg, part);
		pthread_mutex_lock(&s->mu);
		s->running--;
	}
}

static void *
helper_main(void *arg)
{
	struct helpers *s = arg;

	pthread_setname_np(pthread_self(), "stele-signer");
	pthread_mutex_lock(&s->mu);
	while (!s->closing) {
		take_parts(s);
		if (s->running == 0)
			pthread_cond_signal(&s->finished);
		if (!s->closing)
			pthread_cond_wait(&s->start, &s->mu);
	}
	pthread_mutex_unlock(&s->mu);
	return NULL;
}

void
helpers_run(void *ctx, void (*fn)(void *arg, unsigned part), void *arg, unsigned parts)
{
	struct helpers *s = ctx;

	pthread_mutex_lock(&s->mu);
	s->fn = fn;
	s->arg = arg;
	s->next = 0;
	s->parts = parts;
	pthread_cond_broadcast(&s->start);
	take_parts(s);
	while (s->running)
		pthread_cond_wait(&s->finished, &s->mu);
	s->next = s->parts = 0;
	pthread_mutex_unlock(&s->mu);
}

int
helpers_new(struct helpers **out)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned want = cpus > HELPERS_MAX ? HELPERS_MAX : cpus > 1 ? (unsigned)cpus - 1 : 0;
	struct helpers *s = calloc(1, sizeof *s);

	*out = s;
	if (!s)
		return STELE_ENOMEM;
	pthread_mutex_init(&s->mu, NULL);
	pthread_cond_init(&s->start, NULL);
	pthread_cond_init(&s->finished, NULL);
	for (; s->n_threads < want; s->n_threads++) {
		if (pthread_create(&s->threads[s->n_threads], NULL, helper_main, s) != 0)
			return STELE_ENOMEM;
	}
	return 0;
}

void
helpers_free(struct helpers *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->mu);
	s->closing = true;
	pthread_cond_broadcast(&s->start);
	pthread_mutex_unlock(&s->mu);
	for (unsigned i = 0; i < s->n_threads; i++)
		pthread_join(s->threads[i], NULL);
	pthread_cond_destroy(&s->start);
	pthread_cond_destroy(&s->finished);
	pthread_mutex_destroy(&s->mu);
	free(s);
}

unsigned
helpers_threads(const struct helpers *s)
{
	return s ? s->n_threads : 0;
}
