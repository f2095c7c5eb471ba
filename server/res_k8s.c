/* POST /k8s/audit[/{log}]: the audit webhook of a Kubernetes API server. */
#include <string.h>

#include "proto/err.h"
#include "proto/limits.h"
#include "server/intake.h"
#include "server/k8s_events.h"
#include "server/kit.h"
#include "server/reply.h"
#include "server/request.h"
#include "server/resources.h"
#include "server/vendor.h"
#include "storage/log.h"

static int
open_list(struct request *r, struct intake *in, struct kit *kit)
{
	enum k8s_body what;
	int err = k8s_events_open(in->state, kit->json, &r->arena, in->body, &what);

	if (err)
		return err;
	if (what == K8S_NOTHING)
		intake_refuse(in, PROBLEM_EMPTY_BATCH,
			      "The body has no event in it: there is nothing to store.");
	else if (what == K8S_OTHER)
		intake_refuse(
			in, PROBLEM_INVALID_EVENT,
			"This path takes the EventList that a Kubernetes API server sends: "
			"\"kind\":\"EventList\",\"apiVersion\":\"audit.k8s.io/v1\",\"items\":[…]. "
			"Nothing was stored.");
	in->whole = what == K8S_BROKEN;
	return 0;
}

static int
next_item(struct intake *in, struct kit *kit, struct arena *a, struct intake_event *e)
{
	int err;

	if (!k8s_events_next(in->state, &e->payload))
		return 0;
	if (e->payload.n > LIMIT_VENDOR_EVENT_BYTES)
		return 1;
	err = k8s_event_identity(kit->json, e->payload, a, e->id);
	if (err == STELE_ENOMEM)
		return err;
	e->parsed = err == 0;
	e->n_id = err == 0 ? INTAKE_ID_PARTS : 0;
	return 1;
}

/* The API server looks at the status alone. People who try it look at this. */
static void
answer(struct request *r, const struct intake *in)
{
	struct buf *b;

	reply_begin(r, 200, "application/json");
	b = reply_body(r);
	buf_printf(b, "{\"log\":\"%s\",\"count\":%llu,\"duplicates\":%llu,\"unparsed\":%llu}",
		   log_name(r->log), (unsigned long long)in->count,
		   (unsigned long long)in->duplicate, (unsigned long long)in->unparsed);
	reply_end(r);
}

void
res_k8s_post(struct request *r)
{
	struct intake *in = arena_alloc(&r->arena, sizeof *in);
	struct k8s_events *events = arena_alloc(&r->arena, sizeof *events);

	if (!in || !events) {
		reply_err(r, STELE_ENOMEM);
		return;
	}
	memset(in, 0, sizeof *in);
	memset(events, 0, sizeof *events);
	in->open = open_list;
	in->next = next_item;
	in->answer = answer;
	in->state = events;
	intake_run(r, in);
}
