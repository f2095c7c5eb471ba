/* How it goes: for whoever asks, from any thread. */
#include "proto/timestamp.h"
#include "server/server.h"
#include "server/timestamps.h"
#include "server/timestamps_state.h"

enum { LATE_TIMES = 3 }; /* of --timestamp-every */

static void
put_instant(struct buf *out, const char *name, int64_t ns)
{
	char text[TIMESTAMP_BYTES];

	timestamp_format(text, ns);
	buf_printf(out, ",\"%s\":\"%.*s\"", name, TIMESTAMP_BYTES, text);
}

void
timestamps_put(struct timestamps *t, struct buf *out)
{
	buf_put_u8(out, '[');
	for (size_t i = 0; t && i < t->n; i++) {
		const struct authority *a = &t->of[i];

		buf_put_str(out, i ? ",{\"url\":" : "{\"url\":");
		buf_put_json_str(out, slice_str(a->url));
		pthread_mutex_lock(&t->mu);
		buf_printf(out, ",\"asked\":%llu,\"granted\":%llu,\"failed\":%llu",
			   (unsigned long long)a->asked, (unsigned long long)a->granted,
			   (unsigned long long)a->failed);
		if (a->why[0]) {
			put_instant(out, "failed_at", a->failed_ns);
			buf_put_str(out, ",\"error\":");
			buf_put_json_str(out, slice_str(a->why));
		}
		if (a->has) {
			buf_printf(out, ",\"newest\":%llu", (unsigned long long)a->index);
			put_instant(out, "time", a->time_ns);
			put_instant(out, "expires", a->expires_ns);
		}
		pthread_mutex_unlock(&t->mu);
		buf_put_u8(out, '}');
	}
	buf_put_u8(out, ']');
}

void
timestamps_figures(struct timestamps *t, struct timestamps_figures *f)
{
	int64_t now_ns = t ? server_now_ns(t->s) : 0, newest_ns = -1, expires_ns = -1;

	*f = (struct timestamps_figures){.age_s = -1, .expires_s = -1};
	if (!t)
		return;
	pthread_mutex_lock(&t->mu);
	for (size_t i = 0; i < t->n; i++) {
		const struct authority *a = &t->of[i];
		int64_t since_ns = a->has ? a->recorded_ns : t->s->started_ns;

		f->granted += a->granted;
		f->failed += a->failed;
		f->late |= a->failures &&
			   (now_ns - since_ns) / 1000000 / LATE_TIMES > (int64_t)t->every_ms;
		if (a->has && a->recorded_ns > newest_ns)
			newest_ns = a->recorded_ns;
		if (a->has && a->expires_ns > expires_ns)
			expires_ns = a->expires_ns;
	}
	pthread_mutex_unlock(&t->mu);
	if (newest_ns >= 0)
		f->age_s = now_ns > newest_ns ? (now_ns - newest_ns) / 1000000000 : 0;
	if (expires_ns > now_ns)
		f->expires_s = (expires_ns - now_ns) / 1000000000;
	f->late |= newest_ns >= 0 && f->expires_s < (int64_t)LIMIT_TIMESTAMP_DAYS * 86400;
}

bool
timestamps_evidence(struct timestamps *t, int64_t *index, int64_t *time_ns)
{
	*index = *time_ns = -1;
	if (!t || !t->roots)
		return false;
	pthread_mutex_lock(&t->mu);
	for (size_t i = 0; i < t->n; i++) {
		const struct authority *a = &t->of[i];

		if (!a->has || !a->trusted || a->time_ns <= *time_ns)
			continue;
		*index = (int64_t)a->index;
		*time_ns = a->time_ns;
	}
	pthread_mutex_unlock(&t->mu);
	return true;
}
