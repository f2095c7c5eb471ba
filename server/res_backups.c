/* Backups: begin one, and how far it is. */
#include "storage/backup.h"

#include <jansson.h>
#include <string.h>

#include "proto/err.h"
#include "proto/timestamp.h"
#include "server/acting.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/resources.h"
#include "server/server.h"

static void
put_time(struct buf *b, const char *name, int64_t ns)
{
	char text[TIMESTAMP_BYTES];

	if (!ns)
		return;
	timestamp_format(text, ns);
	buf_printf(b, ",\"%s\":\"%.*s\"", name, TIMESTAMP_BYTES, text);
}

static void
put_state(struct request *r)
{
	struct backup_state s;
	struct buf *b;

	store_backup_get(r->server->store, &s);
	reply_begin(r, 200, "application/json");
	b = reply_body(r);
	buf_printf(b, "{\"running\":%s", s.running ? "true" : "false");
	if (s.begun_ns) {
		buf_put_str(b, ",\"dir\":");
		buf_put_json_str(b, slice_str(s.dir));
		put_time(b, "begun", s.begun_ns);
		put_time(b, "ended", s.ended_ns);
		buf_printf(b, ",\"bytes\":%llu,\"total_bytes\":%llu", (unsigned long long)s.bytes,
			   (unsigned long long)s.total_bytes);
	}
	if (s.ended_ns) {
		buf_printf(b, ",\"files\":%llu,\"kept\":%llu,\"commit\":%llu",
			   (unsigned long long)s.files, (unsigned long long)s.kept,
			   (unsigned long long)s.sequence);
		buf_put_str(b, ",\"error\":");
		if (s.err)
			buf_put_json_str(b, slice_str(s.why));
		else
			buf_put_str(b, "null");
	}
	buf_put_u8(b, '}');
	reply_end(r);
}

void
res_backups_get(struct request *r)
{
	put_state(r);
}

/* {"dir":"/path"[,"keyring":{"file":"/path","passphrase":"…"}]}, and nothing else. */
static bool
read_body(json_t *root, struct backup_request *out)
{
	json_t *ring = json_object_get(root, "keyring");

	*out = (struct backup_request){
		.dir = json_string_value(json_object_get(root, "dir")),
		.keyring = json_string_value(json_object_get(ring, "file")),
		.passphrase = json_string_value(json_object_get(ring, "passphrase")),
	};
	return json_object_size(root) == (ring ? 2 : 1) && out->dir &&
	       (!ring || (json_object_size(ring) == 2 && out->keyring && out->passphrase));
}

/* The passphrase lies in the body and in what was made of it. */
static void
wipe(struct request *r, const struct backup_request *b)
{
	if (!b->passphrase)
		return;
	explicit_bzero((void *)(uintptr_t)b->passphrase, strlen(b->passphrase));
	explicit_bzero((void *)(uintptr_t)r->http.body.p, r->http.body.n);
}

/* The request outlives the loop's turn: so does its text. */
struct wanted {
	struct backup_request b;
	json_t *root;
};

static int
start(struct request *r, struct kit *kit)
{
	struct acting *a = r->state;
	struct wanted *w = a->state;

	(void)kit;
	return store_backup_start(r->server->store, &w->b, &a->why);
}

static void
started(struct request *r)
{
	struct acting *a = r->state;
	struct wanted *w = a->state;

	wipe(r, &w->b);
	json_decref(w->root);
	if (a->err == STELE_EINVAL)
		reply_problem(r, PROBLEM_BACKUP_REFUSED, "%.*s.", (int)a->why.n,
			      (const char *)a->why.p);
	else if (a->err == STELE_EBUSY)
		reply_problem(r, PROBLEM_BACKUP_RUNNING, "Wait until it has ended.");
	else if (a->err)
		reply_err(r, a->err);
	else
		put_state(r);
}

void
res_backups_post(struct request *r)
{
	json_t *root = json_loadb((const char *)r->http.body.p, r->http.body.n,
				  JSON_REJECT_DUPLICATES, NULL);
	struct wanted *w = arena_alloc(&r->arena, sizeof *w);
	struct acting *a = NULL;

	if (!w) {
		reply_err(r, STELE_ENOMEM);
	} else if (!read_body(root, &w->b)) {
		wipe(r, &w->b);
		reply_problem(r, PROBLEM_BACKUP_REFUSED,
			      "Say {\"dir\": PATH}, and \"keyring\": {\"file\": PATH, "
			      "\"passphrase\": TEXT} if it is wanted.");
	} else {
		a = acting_begin(r, "backup.start", PROBLEM_BACKUP_REFUSED);
	}
	if (!a) {
		json_decref(root);
		return;
	}
	json_object_set_new(a->act, "dir", json_string(w->b.dir));
	json_object_set_new(a->act, "keyring", json_boolean(w->b.keyring != NULL));
	w->root = root;
	a->state = w;
	a->perform = start;
	a->answer = started;
	acting_run(r);
}
