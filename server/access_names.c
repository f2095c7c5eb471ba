/* Certificates: names against principals. A connection remembers what it found (server/conn.h). */
#include <string.h>
#include <strings.h>

#include "server/access.h"
#include "server/access_json.h"
#include "server/access_state.h"

static bool
has_one(const struct principal *p, const char *const *names, size_t n)
{
	for (size_t i = 0; i < p->n_names; i++)
		for (size_t k = 0; k < n; k++)
			if (strcasecmp(p->names[i], names[k]) == 0)
				return true;
	return false;
}

enum access_answer
access_check_names(struct access *a, const char *const *names, size_t n, int64_t now_ns,
		   struct token **out)
{
	enum access_answer answer = ACCESS_UNKNOWN;
	struct principal *found = NULL;
	struct token *t = NULL;
	size_t many = 0;

	pthread_rwlock_rdlock(&a->lock);
	for (size_t i = 0; i < a->n_principals; i++) {
		struct principal *p = a->principals[i];
		if (p->disabled_ns || !p->n_names || !has_one(p, names, n))
			continue;
		found = p;
		many++;
	}
	if (many == 1)
		t = token_of_certificate(found);
	pthread_rwlock_unlock(&a->lock);
	if (t)
		answer = token_opens(t, now_ns);
	if (answer == ACCESS_OPENS)
		*out = t;
	else
		token_unref(t);
	return answer;
}

uint64_t
access_generation(struct access *a)
{
	return atomic_load(&a->generation);
}
