/* Members and their order are those of the producers; names, ids and addresses are invented. */
#include "bench/mixed.h"

#include <inttypes.h>
#include <stdio.h>

#include "proto/check.h"

enum { PEOPLE = 20000, SERVICES = 12 };

/* Who did it, and from where: who is text of at most 15 characters. */
struct doer {
	char who[16];
	unsigned id;
	unsigned address[4];
};

static struct doer
draw_doer(struct draw *r)
{
	struct doer d = {.address = {10, 0, 0, 0}};

	if (draw_below(r, 2)) {
		d.id = draw_skewed(r, SERVICES);
		snprintf(d.who, sizeof d.who, "svc-%02u", d.id);
		d.address[1] = 200 + d.id;
	} else {
		d.id = draw_skewed(r, PEOPLE);
		snprintf(d.who, sizeof d.who, "p-%05u", d.id % PEOPLE);
		d.address[1] = d.id / 250;
	}
	d.address[2] = d.id % 250;
	d.address[3] = 1 + (unsigned)draw_below(r, 4);
	return d;
}

static void
put_address(struct buf *b, const struct doer *d)
{
	buf_printf(b, "%u.%u.%u.%u", d->address[0], d->address[1], d->address[2], d->address[3]);
}

static void
put_time(struct buf *b, const struct draw_instant *t)
{
	buf_printf(b, "2026-11-23T%02u:%02u:%02u.%03uZ", t->h, t->m, t->s, t->us / 1000);
}

static void
put_ocsf(struct buf *b, struct draw *r, size_t i)
{
	static const char *const operations[] = {"ListKeys",  "ReadTable",  "WriteTable",
						 "GrantRole", "RevokeRole", "DropTable",
						 "RotateKey", "ExportTable"};
	struct doer d = draw_doer(r);
	struct draw_instant t = draw_instant(i, r);
	unsigned op = draw_skewed(r, 8), table = draw_skewed(r, 300);
	uint64_t ms =
		1795392000000u + (t.h * 3600u + t.m * 60u + t.s) * (uint64_t)1000 + t.us / 1000;

	buf_printf(b,
		   "{\"class_uid\":6003,\"class_name\":\"API Activity\",\"category_uid\":6,"
		   "\"activity_id\":%u,\"type_uid\":60030%u,\"severity_id\":%u,\"severity\":\"%s\","
		   "\"status_id\":%u,\"time\":%" PRIu64
		   ",\"metadata\":{\"version\":\"1.3.0\",\"uid\":\"",
		   1 + op % 4, 1 + op % 4, op > 5 ? 3u : 1u, op > 5 ? "Medium" : "Informational",
		   draw_below(r, 25) ? 1u : 2u, ms);
	draw_uuid(b, r);
	buf_printf(b, "\",\"product\":{\"name\":\"tables\",\"vendor_name\":\"Example\"},"
		      "\"correlation_uid\":\"");
	draw_opaque(b, r, 22);
	buf_printf(
		b,
		"\"},\"api\":{\"operation\":\"%s\",\"service\":{\"name\":\"tables.example.net\"},"
		"\"request\":{\"uid\":\"",
		operations[op]);
	draw_uuid(b, r);
	buf_printf(b,
		   "\"}},\"actor\":{\"user\":{\"name\":\"%s\",\"uid\":\"u%06u\",\"type_id\":%u}},"
		   "\"src_endpoint\":{\"ip\":\"",
		   d.who, d.id, d.who[0] == 's' ? 3u : 1u);
	put_address(b, &d);
	buf_printf(
		b,
		"\",\"port\":%u},\"resources\":[{\"uid\":\"table-%03u\",\"name\":\"ledger.t%03u\"}],"
		"\"duration\":%u}",
		1024 + (unsigned)draw_below(r, 60000), table, table, (unsigned)draw_below(r, 4000));
}

static void
put_gitlab(struct buf *b, struct draw *r, size_t i)
{
	static const char *const actions[] = {"repository_git_operation", "project_access_changed",
					      "protected_branch_updated", "merge_request_approved",
					      "deploy_key_added",         "user_impersonation"};
	struct doer d = draw_doer(r);
	struct draw_instant t = draw_instant(i, r);
	unsigned action = draw_skewed(r, 6), project = draw_skewed(r, 400);

	buf_put_str(b, "{\"id\":\"");
	draw_uuid(b, r);
	buf_printf(
		b,
		"\",\"author_id\":%u,\"author_name\":\"%s\",\"entity_id\":%u,\"entity_type\":"
		"\"Project\",\"details\":{\"event_name\":\"%s\",\"author_class\":\"User\","
		"\"target_type\":\"Project\",\"target_details\":\"team/repo-%03u\",\"custom_message\":"
		"{\"protocol\":\"ssh\",\"action\":\"%s\",\"bytes\":%u}},\"ip_address\":\"",
		100 + d.id, d.who, 5000 + project, actions[action], project, actions[action],
		(unsigned)draw_below(r, 9000000));
	put_address(b, &d);
	buf_printf(b, "\",\"entity_path\":\"team/repo-%03u\",\"target_id\":%u,\"created_at\":\"",
		   project, 9000 + project);
	put_time(b, &t);
	buf_printf(b, "\",\"event_type\":\"%s\",\"correlation_id\":\"", actions[action]);
	draw_id(b, draw_next(r), 26);
	buf_put_str(b, "\"}");
}

static void
put_windows(struct buf *b, struct draw *r, size_t i)
{
	static const struct {
		unsigned id, task;
		const char *name;
	} events[] = {{4624, 12544, "An account was successfully logged on."},
		      {4688, 13312, "A new process has been created."},
		      {4663, 12800, "An attempt was made to access an object."},
		      {4672, 12548, "Special privileges assigned to new logon."},
		      {4625, 12544, "An account failed to log on."},
		      {4720, 13824, "A user account was created."}};
	struct doer d = draw_doer(r);
	struct draw_instant t = draw_instant(i, r);
	unsigned e = draw_skewed(r, 6), host = draw_skewed(r, 150);

	buf_put_str(b, "{\"UtcTime\":\"");
	put_time(b, &t);
	buf_printf(
		b,
		"\",\"EventID\":%u,\"Channel\":\"Security\",\"SourceName\":"
		"\"Microsoft-Windows-Security-Auditing\",\"ProviderGuid\":"
		"\"{54849625-5478-4994-A5BA-3E3B0328C30D}\",\"Version\":2,\"Task\":%u,\"Opcode\":0,"
		"\"EventType\":\"%s\",\"Severity\":\"INFO\",\"Hostname\":\"ws-%03u.corp.example.net\","
		"\"RecordNumber\":%zu,\"ActivityID\":\"{",
		events[e].id, events[e].task,
		events[e].id == 4625 ? "AUDIT_FAILURE" : "AUDIT_SUCCESS", host, 100000 + i);
	draw_uuid(b, r);
	buf_printf(
		b,
		"}\",\"Message\":\"%s\\r\\n\\r\\nSubject:\\r\\n\\tSecurity ID:\\t\\t"
		"S-1-5-21-3965-%u\\r\\n\\tAccount Name:\\t\\t%s\\r\\n\\tLogon ID:\\t\\t0x%" PRIX64
		"\\r\\n\",\"SubjectUserSid\":\"S-1-5-21-3965-%u\",\"SubjectUserName\":\"%s\","
		"\"SubjectDomainName\":\"CORP\",\"ObjectName\":\"C:\\\\Shares\\\\ledger\\\\%03u\\\\%08" PRIx64
		".xlsx\",\"ProcessName\":\"C:\\\\Windows\\\\System32\\\\svchost.exe\","
		"\"ProcessID\":%u,\"IpAddress\":\"",
		events[e].name, 1000 + d.id, d.who, draw_next(r) >> 36, 1000 + d.id, d.who,
		draw_skewed(r, 300), draw_next(r) >> 32, 4 * (unsigned)draw_below(r, 4000));
	put_address(b, &d);
	buf_put_str(b, "\"}");
}

static void
put_ecs(struct buf *b, struct draw *r, size_t i)
{
	static const char *const actions[] = {"page-view", "session-start", "payment-approve",
					      "limit-change", "user-lock"};
	struct doer d = draw_doer(r);
	struct draw_instant t = draw_instant(i, r);
	unsigned action = draw_skewed(r, 5);

	buf_put_str(b, "{\"@timestamp\":\"");
	put_time(b, &t);
	buf_printf(
		b,
		"\",\"ecs\":{\"version\":\"8.11.0\"},\"event\":{\"kind\":\"event\",\"category\":[\"web\"],"
		"\"type\":[\"%s\"],\"action\":\"%s\",\"outcome\":\"%s\",\"id\":\"",
		action > 1 ? "change" : "access", actions[action],
		draw_below(r, 15) ? "success" : "failure");
	draw_opaque(b, r, 20);
	buf_printf(
		b,
		"\",\"duration\":%u},\"user\":{\"name\":\"%s\",\"id\":\"%u\"},\"source\":{\"ip\":\"",
		(unsigned)draw_below(r, 90000000), d.who, d.id);
	put_address(b, &d);
	buf_printf(
		b,
		"\"},\"http\":{\"request\":{\"method\":\"POST\",\"id\":\"%016" PRIx64
		"\"},\"response\":{\"status_code\":%u}},\"url\":{\"path\":\"/accounts/%06u/orders\"},"
		"\"service\":{\"name\":\"portal\",\"node\":{\"name\":\"portal-%u\"}},\"trace\":{\"id\":\"%016" PRIx64
		"%016" PRIx64 "\"},\"log\":{\"level\":\"info\"}}",
		draw_next(r), draw_below(r, 15) ? 200u : 403u, (unsigned)draw_below(r, 100000),
		(unsigned)draw_below(r, 6), draw_next(r), draw_next(r));
}

void
mixed_put(struct buf *b, struct draw *r, unsigned which, size_t i)
{
	static void (*const put[])(struct buf *, struct draw *, size_t) = {put_ocsf, put_gitlab,
									   put_windows, put_ecs};

	CHECK(which < MIXED_KINDS);
	put[which](b, r, i);
}
