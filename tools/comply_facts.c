/* One request after the other; an answer that says no is a fact that is not seen. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/check.h"
#include "proto/timestamp.h"
#include "tools/api.h"
#include "tools/comply.h"
#include "tools/transport.h"

/* --- not seen ---------------------------------------------------------------------------- */

static void
miss(struct comply_part *part, const char *scope)
{
	if (part->status == 403)
		snprintf(part->why, sizeof part->why, "the token has not the scope %s", scope);
	else if (part->status == 404)
		snprintf(part->why, sizeof part->why, "the server does not have this");
	else
		snprintf(part->why, sizeof part->why, "the server answered with HTTP %ld",
			 part->status);
}

/* --- one answer --------------------------------------------------------------------------- */

/* GETs target: CLI_GO whatever the server says of it, but not when it knows nobody by that token.
 */
static int
get(struct cli *cli, struct http_call *c, const char *target, const char *accept)
{
	int rc = cli_transport(cli);

	http_call_init(c);
	if (rc != CLI_GO)
		return rc;
	c->method = "GET";
	c->target = target;
	c->accept = accept;
	transport_call(cli->transport, c);
	return c->status == 0 || c->status == 401 ? api_refused(cli, c, "look at the server")
						  : CLI_GO;
}

static int
fetch(struct cli *cli, struct comply_part *part, const char *target, const char *scope)
{
	struct http_call c;
	int rc = get(cli, &c, target, "application/json");

	part->status = c.status;
	if (rc == CLI_GO && http_call_good(&c) && !(part->doc = api_json(&c, "look at the server")))
		rc = CLI_REFUSED;
	if (rc == CLI_GO && !part->doc)
		miss(part, scope);
	http_call_fini(&c);
	return rc;
}

/* A listing, all its pages as one array. */
static int
fetch_list(struct cli *cli, struct comply_part *part, const char *path, const char *member,
	   const char *scope)
{
	json_t *all = json_array();
	struct buf target;
	int rc;

	buf_init(&target);
	buf_put_str(&target, path);
	do {
		rc = fetch(cli, part, api_cstr(&target), scope);
		if (rc != CLI_GO || !part->doc)
			break;
		json_array_extend(all, json_object_get(part->doc, member));
		buf_reset(&target);
		if (json_object_get(part->doc, "next")) {
			buf_printf(&target, "%s?after=", path);
			cli_put_path(&target, api_text(part->doc, "next"));
		}
		json_decref(part->doc);
		part->doc = NULL;
	} while (target.n);
	if (rc == CLI_GO && target.n == 0)
		part->doc = json_incref(all);
	json_decref(all);
	buf_fini(&target);
	return rc;
}

/* --- metrics ------------------------------------------------------------------------------ */

void
comply_read_metrics(json_t *out, struct slice text)
{
	static const char prefix[] = "stele_";
	const char *p = (const char *)text.p, *end = p + text.n;
	char line[256];

	for (const char *next; p < end; p = next) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));
		size_t n = (size_t)((newline ? newline : end) - p);
		char *space;

		next = newline ? newline + 1 : end;
		if (n >= sizeof line || n < sizeof prefix || memcmp(p, prefix, sizeof prefix - 1))
			continue;
		memcpy(line, p, n);
		line[n] = '\0';
		space = strchr(line, ' ');
		if (!space || strchr(line, '{'))
			continue;
		*space = '\0';
		json_object_set_new(out, line + sizeof prefix - 1, json_real(atof(space + 1)));
	}
}

static int
fetch_metrics(struct cli *cli, struct comply_part *part)
{
	struct http_call c;
	int rc = get(cli, &c, "/metrics", NULL);

	part->status = c.status;
	if (rc == CLI_GO && http_call_good(&c)) {
		part->doc = json_object();
		comply_read_metrics(part->doc, buf_slice(&c.answer));
	} else if (rc == CLI_GO) {
		miss(part, "operate");
	}
	http_call_fini(&c);
	return rc;
}

/* --- all of it ----------------------------------------------------------------------------- */

/* Ages are told by the server's clock alone: the client's may be anywhere. */
static void
take_now(struct comply_facts *f)
{
	const char *wall = json_string_value(json_object_get(f->clock.doc, "wall"));

	if (wall && timestamp_parse(&f->now_ns, slice_str(wall)) != 0)
		f->now_ns = 0;
}

int
comply_facts_fetch(struct comply_facts *f, struct cli *cli)
{
	int rc;

	memset(f, 0, sizeof *f);
	f->server = cli->server;
	rc = fetch_list(cli, &f->logs, "/api/v1/logs", "logs", "read or verify");
	if (rc == CLI_GO)
		rc = fetch_list(cli, &f->principals, "/api/v1/principals", "principals", "access");
	if (rc == CLI_GO)
		rc = fetch(cli, &f->dual, "/api/v1/dual-control", "access");
	if (rc == CLI_GO)
		rc = fetch(cli, &f->clock, "/api/v1/clock", "operate");
	if (rc == CLI_GO)
		rc = fetch(cli, &f->scrub, "/api/v1/scrub", "operate");
	if (rc == CLI_GO)
		rc = fetch(cli, &f->backup, "/api/v1/backups", "operate");
	if (rc == CLI_GO)
		rc = fetch(cli, &f->holds, "/api/v1/holds?limit=1", "hold");
	if (rc == CLI_GO)
		rc = fetch_metrics(cli, &f->metrics);
	take_now(f);
	return rc;
}

void
comply_facts_fini(struct comply_facts *f)
{
	struct comply_part *const parts[] = {&f->logs,  &f->principals, &f->dual,  &f->clock,
					     &f->scrub, &f->backup,     &f->holds, &f->metrics};

	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		json_decref(parts[i]->doc);
}
