/*
 * Generated events are templates with fields drawn from a small world of
 * users, addresses and resources; what is unique in real events (ids, times)
 * is unique here too, so that they compress about as real ones do.
 */
#include "bench/events.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bench/lines.h"
#include "proto/buf.h"
#include "proto/check.h"
#include "proto/err.h"

/* splitmix64 (Steele, Lea, Flood 2014): small, seeded, the same everywhere. */
struct rng {
	uint64_t state;
};

static uint64_t
rng_next(struct rng *r)
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static uint64_t
rng_below(struct rng *r, uint64_t n)
{
	return rng_next(r) % n;
}

/* A draw that favours small numbers, as some users and resources are busy. */
static unsigned
rng_skewed(struct rng *r, unsigned n)
{
	uint64_t a = rng_below(r, n), b = rng_below(r, n);

	return (unsigned)(a < b ? a : b);
}

static void
put_uuid(struct buf *b, struct rng *r)
{
	uint64_t hi = rng_next(r), lo = rng_next(r);

	buf_printf(b, "%08x-%04x-4%03x-%04x-%012" PRIx64, (unsigned)(hi >> 32),
		   (unsigned)(hi >> 16 & 0xffff), (unsigned)(hi & 0xfff),
		   (unsigned)(lo >> 48 & 0x3fff) | 0x8000, lo & 0xffffffffffff);
}

/* A stable upper-case id of n characters for one thing of the small world. */
static void
put_id(struct buf *b, uint64_t what, unsigned n)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	struct rng r = {what * 0x2545f4914f6cdd1du};

	for (uint64_t v = 0, i = 0; i < n; i++, v >>= 5) {
		if (i % 12 == 0)
			v = rng_next(&r);
		buf_put_u8(b, (uint8_t)alphabet[v & 31]);
	}
}

/* n characters of base64 that no other event has, as opaque request ids are. */
static void
put_opaque(struct buf *b, struct rng *r, unsigned n)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (uint64_t v = 0, i = 0; i < n; i++, v >>= 6) {
		if (i % 10 == 0)
			v = rng_next(r);
		buf_put_u8(b, (uint8_t)alphabet[v & 63]);
	}
}

/* An instant of the generated day, 23 November 2026, growing with i. */
struct instant {
	unsigned h, m, s, us;
};

static struct instant
instant_of(size_t i, struct rng *r)
{
	uint64_t us = (uint64_t)i * 700 + rng_below(r, 700);
	uint64_t s = us / 1000000 % 86400;

	return (struct instant){(unsigned)(s / 3600), (unsigned)(s / 60 % 60), (unsigned)(s % 60),
				(unsigned)(us % 1000000)};
}

struct action {
	const char *service, *name, *resource, *read_only;
};

static void
put_cloud_parameters(struct buf *b, struct rng *r, const struct action *a)
{
	unsigned bucket = rng_skewed(r, 60);

	buf_printf(b, "\"requestParameters\":{\"%s\":\"", a->resource);
	if (a->resource[0] == 'b')
		buf_printf(b,
			   "ledger-archive-%02u\",\"key\":\"statements/2026/11/%02u/%08" PRIx64
			   ".parquet\"",
			   bucket, 1 + bucket % 28, rng_next(r) >> 32);
	else
		buf_printf(b, "%s-0%016" PRIx64 "\",\"maxResults\":%u",
			   a->resource[0] == 'i' ? "i" : "res", rng_next(r), 50 + bucket);
	buf_put_str(b, "},");
}

static void
put_cloud(struct buf *b, struct rng *r, size_t i)
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
	const struct action *a = &actions[rng_skewed(r, sizeof actions / sizeof *actions)];
	unsigned user = rng_skewed(r, 240), account = 100 + user % 7;
	struct instant t = instant_of(i, r);

	buf_printf(b, "{\"eventVersion\":\"1.08\",\"userIdentity\":{\"type\":\"IAMUser\","
		      "\"principalId\":\"AIDA");
	put_id(b, user, 16);
	buf_printf(b,
		   "\",\"arn\":\"arn:cloud:iam::%03u045612398:user/"
		   "user-%03u\",\"accountId\":\"%03u045612398\","
		   "\"accessKeyId\":\"ASIA",
		   account, user, account);
	put_id(b, user + 1000u * t.h + 7, 16);
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
		(unsigned)rng_below(r, 4) * 60 + user % 60, agents[user % 3]);
	put_cloud_parameters(b, r, a);
	if (rng_below(r, 20) == 0)
		buf_put_str(b,
			    "\"errorCode\":\"AccessDenied\",\"errorMessage\":\"not authorized\",");
	buf_printf(
		b,
		"\"responseElements\":null,\"additionalEventData\":{\"SignatureVersion\":\"SigV4\","
		"\"CipherSuite\":\"TLS_AES_128_GCM_SHA256\",\"bytesTransferredIn\":%u,"
		"\"bytesTransferredOut\":%u,\"traceId\":\"",
		(unsigned)rng_below(r, 4000), (unsigned)rng_below(r, 900000));
	put_opaque(b, r, 44);
	buf_put_str(b, "\"},\"requestID\":\"");
	put_uuid(b, r);
	buf_put_str(b, "\",\"eventID\":\"");
	put_uuid(b, r);
	buf_printf(b,
		   "\",\"readOnly\":%s,\"eventType\":\"ApiCall\",\"managementEvent\":true,"
		   "\"recipientAccountId\":\"%03u045612398\",\"eventCategory\":\"Management\"}",
		   a->read_only, account);
}

static void
put_kubernetes(struct buf *b, struct rng *r, size_t i)
{
	static const char *const verbs[] = {"get", "list", "watch", "create", "update", "delete"};
	static const char *const resources[] = {"pods", "secrets", "configmaps", "deployments",
						"leases"};
	const char *resource = resources[rng_skewed(r, 5)];
	unsigned ns = rng_skewed(r, 40), verb = rng_skewed(r, 6);
	unsigned object = (unsigned)rng_below(r, 100000);
	struct instant t = instant_of(i, r);

	buf_put_str(b, "{\"kind\":\"Event\",\"level\":\"Metadata\",\"auditID\":\"");
	put_uuid(b, r);
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
	struct rng r = {seed};
	struct buf b;

	buf_init(&b);
	for (size_t i = 0; i < n; i++) {
		if (kind == EVENTS_CLOUD)
			put_cloud(&b, &r, i);
		else
			put_kubernetes(&b, &r, i);
		buf_put_u8(&b, '\n');
	}
	return take(e, &b, 0);
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
