/*
 * Generated events are templates with fields drawn from a small world of
 * users, addresses and resources; what is unique in real events (ids, times)
 * is unique here too, so that they compress about as real ones do.
 */
#include "bench/events.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bench/draw.h"
#include "bench/lines.h"
#include "bench/mixed.h"
#include "proto/buf.h"
#include "proto/check.h"
#include "proto/dec.h"
#include "proto/err.h"

enum { WRITE_BYTES = 1 << 20, MAX_EVENTS = 1000000000 };

struct action {
	const char *service, *name, *resource, *read_only;
};

static void
put_cloud_parameters(struct buf *b, struct draw *r, const struct action *a)
{
	unsigned bucket = draw_skewed(r, 60);

	buf_printf(b, "\"requestParameters\":{\"%s\":\"", a->resource);
	if (a->resource[0] == 'b')
		buf_printf(b,
			   "ledger-archive-%02u\",\"key\":\"statements/2026/11/%02u/%08" PRIx64
			   ".parquet\"",
			   bucket, 1 + bucket % 28, draw_next(r) >> 32);
	else
		buf_printf(b, "%s-0%016" PRIx64 "\",\"maxResults\":%u",
			   a->resource[0] == 'i' ? "i" : "res", draw_next(r), 50 + bucket);
	buf_put_str(b, "},");
}

static void
put_cloud(struct buf *b, struct draw *r, size_t i)
{
	static const struct action actions[] = {
		{"objects", "GetObject", "bucketName", "true"},
		{"objects", "PutObject", "bucketName", "false"},
		{"objects", "DeleteObject", "bucketName", "false"},
		{"compute", "DescribeInstances", "instanceId", "true"},
		{"compute", "TerminateInstances", "instanceId", "false"},
		{"identity", "AssumeRole", "roleName", "true"},
		{"identity", "CreateAccessKey", "userName", "false"},
		{"secrets", "GetSecretValue", "secretId", "true"},
		{"vault", "Decrypt", "keyId", "true"},
	};
	static const char *const regions[] = {"eu-central-1", "eu-west-3", "us-east-1"};
	static const char *const agents[] = {
		"cloud-cli/2.15.30 Python/3.11.8 Linux/6.1 botocore/2.4", "console.example.net",
		"terraform/1.9.2 provider/5.61.0"};
	const struct action *a = &actions[draw_skewed(r, sizeof actions / sizeof *actions)];
	unsigned user = draw_skewed(r, 240), account = 100 + user % 7;
	struct draw_instant t = draw_instant(i, r);

	buf_printf(b, "{\"eventVersion\":\"1.08\",\"userIdentity\":{\"type\":\"IAMUser\","
		      "\"principalId\":\"AIDA");
	draw_id(b, user, 16);
	buf_printf(b,
		   "\",\"arn\":\"arn:cloud:iam::%03u045612398:user/"
		   "user-%03u\",\"accountId\":\"%03u045612398\","
		   "\"accessKeyId\":\"ASIA",
		   account, user, account);
	draw_id(b, user + 1000u * t.h + 7, 16);
	buf_printf(
		b,
		"\",\"userName\":\"user-%03u\",\"sessionContext\":{\"attributes\":{\"creationDate\":"
		"\"2026-11-23T%02u:%02u:00Z\",\"mfaAuthenticated\":\"%s\"}}},",
		user, t.h, user % 60, user % 3 ? "true" : "false");
	buf_printf(
		b,
		"\"eventTime\":\"2026-11-23T%02u:%02u:%02uZ\",\"eventSource\":\"%s.cloud.example.net\","
		"\"eventName\":\"%s\",\"awsRegion\":\"%s\",\"sourceIPAddress\":\"198.51.%u.%u\","
		"\"userAgent\":\"%s\",",
		t.h, t.m, t.s, a->service, a->name, regions[user % 3], user % 100,
		(unsigned)draw_below(r, 4) * 60 + user % 60, agents[user % 3]);
	put_cloud_parameters(b, r, a);
	if (draw_below(r, 20) == 0)
		buf_put_str(b,
			    "\"errorCode\":\"AccessDenied\",\"errorMessage\":\"not authorized\",");
	buf_printf(
		b,
		"\"responseElements\":null,\"additionalEventData\":{\"SignatureVersion\":\"SigV4\","
		"\"CipherSuite\":\"TLS_AES_128_GCM_SHA256\",\"bytesTransferredIn\":%u,"
		"\"bytesTransferredOut\":%u,\"traceId\":\"",
		(unsigned)draw_below(r, 4000), (unsigned)draw_below(r, 900000));
	draw_opaque(b, r, 44);
	buf_put_str(b, "\"},\"requestID\":\"");
	draw_uuid(b, r);
	buf_put_str(b, "\",\"eventID\":\"");
	draw_uuid(b, r);
	buf_printf(b,
		   "\",\"readOnly\":%s,\"eventType\":\"ApiCall\",\"managementEvent\":true,"
		   "\"recipientAccountId\":\"%03u045612398\",\"eventCategory\":\"Management\"}",
		   a->read_only, account);
}

static void
put_kubernetes(struct buf *b, struct draw *r, size_t i)
{
	static const char *const verbs[] = {"get", "list", "watch", "create", "update", "delete"};
	static const char *const resources[] = {"pods", "secrets", "configmaps", "deployments",
						"leases"};
	const char *resource = resources[draw_skewed(r, 5)];
	unsigned ns = draw_skewed(r, 40), verb = draw_skewed(r, 6);
	unsigned object = (unsigned)draw_below(r, 100000);
	struct draw_instant t = draw_instant(i, r);

	buf_put_str(b, "{\"kind\":\"Event\",\"level\":\"Metadata\",\"auditID\":\"");
	draw_uuid(b, r);
	buf_printf(
		b,
		"\",\"stage\":\"ResponseComplete\",\"requestURI\":\"/api/v1/namespaces/team-%02u/%s/"
		"item-%05u\",\"verb\":\"%s\",\"user\":{\"username\":\"system:serviceaccount:team-%02u:"
		"runner\"},"
		"\"sourceIPs\":[\"10.%u.%u.%u\"],",
		ns, resource, object, verbs[verb], ns, ns, object % 250, 1 + object % 200);
	buf_printf(b,
		   "\"objectRef\":{\"resource\":\"%s\",\"namespace\":\"team-%02u\",\"name\":\"item-"
		   "%05u\"},"
		   "\"responseStatus\":{\"code\":%u},\"requestReceivedTimestamp\":"
		   "\"2026-11-23T%02u:%02u:%02u.%06uZ\",",
		   resource, ns, object, verb == 3 ? 201u : 200u, t.h, t.m, t.s, t.us);
	buf_put_str(b, "\"annotations\":{\"authorization.k8s.io/decision\":\"allow\"}}");
}

static void
put_event(struct buf *b, struct draw *r, enum events_kind kind, size_t i)
{
	unsigned which = kind == EVENTS_MIXED ? (unsigned)draw_below(r, MIXED_KINDS + 2) : kind;

	if (which == EVENTS_CLOUD)
		put_cloud(b, r, i);
	else if (which == EVENTS_KUBERNETES)
		put_kubernetes(b, r, i);
	else
		mixed_put(b, r, which - 2, i);
}

/* Points items at the lines of e->bytes; blank lines are left out. */
static int
index_lines(struct events *e)
{
	const uint8_t *p = e->bytes, *end = p + e->n_bytes;
	size_t lines = 0;

	for (const uint8_t *q = p; (q = memchr(q, '\n', (size_t)(end - q))) != NULL; q++)
		lines++;
	e->items = malloc((lines ? lines : 1) * sizeof *e->items);
	if (!e->items)
		return STELE_ENOMEM;
	while (p < end) {
		const uint8_t *q = memchr(p, '\n', (size_t)(end - p));
		CHECK(q != NULL);
		if (q > p)
			e->items[e->n++] = slice_of(p, (size_t)(q - p));
		p = q + 1;
	}
	return e->n ? 0 : STELE_ESYNTAX;
}

static int
take(struct events *e, struct buf *b, int err)
{
	struct events got = {.bytes = b->p, .n_bytes = b->n};

	if (!err)
		err = b->err;
	if (!err)
		err = index_lines(&got);
	if (err) {
		free(got.items);
		buf_fini(b);
		return err;
	}
	*e = got;
	return 0;
}

int
events_generate(struct events *e, enum events_kind kind, uint64_t seed, size_t n)
{
	struct draw r = {seed};
	struct buf b;

	buf_init(&b);
	for (size_t i = 0; i < n; i++) {
		put_event(&b, &r, kind, i);
		buf_put_u8(&b, '\n');
	}
	return take(e, &b, 0);
}

int
events_write(FILE *f, enum events_kind kind, uint64_t seed, size_t n)
{
	struct draw r = {seed};
	struct buf b;
	int err;

	buf_init(&b);
	for (size_t i = 0; i < n; i++) {
		put_event(&b, &r, kind, i);
		buf_put_u8(&b, '\n');
		if (b.err || (b.n < WRITE_BYTES && i + 1 < n))
			continue;
		if (fwrite(b.p, 1, b.n, f) != b.n)
			break;
		buf_reset(&b);
	}
	err = b.err ? b.err : ferror(f) ? STELE_EIO : 0;
	buf_fini(&b);
	return err;
}

int
events_read_kind(const char *text, enum events_kind *kind, size_t *n)
{
	static const char *const kinds[] = {"cloud", "kubernetes", "mixed"};
	const char *colon = strchr(text, ':');
	uint64_t count;

	if (!colon || dec_parse(&count, slice_str(colon + 1), MAX_EVENTS) != 0 || count == 0)
		return STELE_ESYNTAX;
	for (unsigned k = 0; k < sizeof kinds / sizeof *kinds; k++)
		if (slice_eq_str(slice_of(text, (size_t)(colon - text)), kinds[k])) {
			*kind = (enum events_kind)k;
			*n = (size_t)count;
			return 0;
		}
	return STELE_ESYNTAX;
}

int
events_load(struct events *e, const char *path)
{
	struct buf b;

	buf_init(&b);
	return take(e, &b, lines_read(&b, path));
}

void
events_fini(struct events *e)
{
	free(e->bytes);
	free(e->items);
	memset(e, 0, sizeof *e);
}

size_t
events_run(const struct events *e, size_t first, size_t max_bytes, struct slice *body)
{
	const uint8_t *start = e->items[first].p, *end;
	size_t i = first;

	do {
		end = e->items[i].p + e->items[i].n + 1;
		i++;
	} while (i < e->n && (size_t)(e->items[i].p + e->items[i].n + 1 - start) <= max_bytes);
	*body = slice_of(start, (size_t)(end - start));
	return i;
}
