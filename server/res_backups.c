/* Backups: begin one, and how far it is. */
#include "storage/backup.h"

#include <jansson.h>
#include <string.h>

#include "proto/err.h"
#include "proto/timestamp.h"
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

void
res_backups_post(struct request *r)
{
	json_t *root = json_loadb((const char *)r->http.body.p, r->http.body.n,
				  JSON_REJECT_DUPLICATES, NULL);
	struct backup_request b;
	struct buf why;
	int err;

	buf_init(&why);
	if (read_body(root, &b)) {
		err = store_backup_start(r->server->store, &b, &why);
	} else {
		buf_put_str(&why, "say {\"dir\": PATH}, and \"keyring\": {\"file\": PATH, "
				  "\"passphrase\": TEXT} if it is wanted");
		err = STELE_EINVAL;
	}
	wipe(r, &b);
	json_decref(root);
	buf_put_u8(&why, 0);
	if (err == STELE_EINVAL)
		reply_problem(r, PROBLEM_BACKUP_REFUSED, "%s.", (const char *)why.p);
	else if (err == STELE_EBUSY)
		reply_problem(r, PROBLEM_BACKUP_RUNNING, "Wait until it has ended.");
	else if (err)
		reply_err(r, err);
	else
		put_state(r);
	buf_fini(&why);
}
