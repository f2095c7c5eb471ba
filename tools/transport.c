/* An easy handle per call, pooled; one multi handle for those in flight. */
#include "tools/transport.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <curl/curl.h>

#include "proto/check.h"
#include "proto/err.h"

enum {
	CONNECT_TIMEOUT_S = 10,
	STALL_TIMEOUT_S = 60,        /* without a single byte: the server is gone */
	ANSWER_MAX_BYTES = 1u << 28, /* receipts of the largest batch fit */
	POOL_MAX = 64,
	TRANSFER_BYTES = 1 << 19, /* read or written at once for a large body */
};

struct transport {
	char *server; /* without a trailing slash */
	char *authorization;
	struct transport_tls tls;
	CURLM *multi;
	CURL *pool[POOL_MAX]; /* idle easy handles, each with its connection */
	size_t n_pool;
	struct http_call *finished; /* those that could not even start */
};

void
http_call_init(struct http_call *c)
{
	memset(c, 0, sizeof *c);
	buf_init(&c->answer);
	c->body_fd = c->answer_fd = -1;
}

void
http_call_fini(struct http_call *c)
{
	buf_fini(&c->answer);
}

bool
http_call_good(const struct http_call *c)
{
	return c->status >= 200 && c->status < 300;
}

static bool
printable(const char *s)
{
	for (; *s; s++)
		if (*s <= ' ' || *s > '~')
			return false;
	return true;
}

/* libcurl would say so at the first call only, and of some files not at all. */
static int
check_files(const struct transport_tls *tls, struct buf *why)
{
	const char *const files[] = {tls->cacert, tls->cert, tls->key};

	if (tls->key && !tls->cert) {
		buf_put_str(why, "--key-file is the key of a certificate: give --cert FILE too");
		return STELE_EINVAL;
	}
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		if (!files[i] || access(files[i], R_OK) == 0)
			continue;
		buf_printf(why, "cannot read %s: %s", files[i], strerror(errno));
		return STELE_EINVAL;
	}
	return 0;
}

int
transport_new(struct transport **out, const char *server, const char *token,
	      const struct transport_tls *tls, struct buf *why)
{
	struct transport *t;
	size_t n = strlen(server);

	if ((strncmp(server, "http://", 7) != 0 && strncmp(server, "https://", 8) != 0) ||
	    !printable(server)) {
		buf_printf(why, "the server must be a URL such as http://127.0.0.1:8080, not '%s'",
			   server);
		return STELE_EINVAL;
	}
	if (token && (!*token || !printable(token))) {
		buf_put_str(why, "the token is empty or holds a character no token has; "
				 "--token @FILE reads it from a file's first line");
		return STELE_EINVAL;
	}
	if (check_files(tls, why) != 0)
		return STELE_EINVAL;
	CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == 0);
	t = calloc(1, sizeof *t);
	if (!t)
		return STELE_ENOMEM;
	while (n && server[n - 1] == '/')
		n--;
	t->tls = *tls;
	t->server = strndup(server, n);
	t->multi = curl_multi_init();
	if (!t->server || !t->multi ||
	    (token && asprintf(&t->authorization, "Authorization: Bearer %s", token) < 0)) {
		buf_put_str(why, "out of memory");
		transport_free(t);
		return STELE_ENOMEM;
	}
	*out = t;
	return 0;
}

void
transport_free(struct transport *t)
{
	if (!t)
		return;
	while (t->n_pool)
		curl_easy_cleanup(t->pool[--t->n_pool]);
	curl_multi_cleanup(t->multi);
	free(t->server);
	free(t->authorization);
	free(t);
	curl_global_cleanup();
}

static void
count_moved(struct http_call *c, size_t n)
{
	c->moved_bytes += n;
	if (c->moved)
		c->moved(c);
}

/* All of it to answer_fd; 0 ends the transfer. */
static size_t
write_out(struct http_call *c, const char *p, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t w = write(c->answer_fd, p + done, n - done);
		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0) {
			c->io_errno = w < 0 ? errno : EIO;
			return 0;
		}
		done += (size_t)w;
	}
	count_moved(c, n);
	return n;
}

/* The next bytes of body_fd. */
static size_t
give_body(char *p, size_t size, size_t n, void *ctx)
{
	struct http_call *c = ctx;
	uint64_t left = c->body_bytes - c->moved_bytes;
	ssize_t got;

	n = size * n < left ? size * n : (size_t)left;
	do {
		got = pread(c->body_fd, p, n, (off_t)(c->body_at + c->moved_bytes));
		if (got < 0 && errno == ESPIPE)
			got = read(c->body_fd, p, n);
	} while (got < 0 && errno == EINTR);
	if (got < 0 || (got == 0 && n && c->body_bytes != UINT64_MAX)) {
		c->io_errno = got < 0 ? errno : ENODATA;
		return CURL_READFUNC_ABORT;
	}
	count_moved(c, (size_t)got);
	return (size_t)got;
}

static size_t
take_body(char *p, size_t size, size_t n, void *ctx)
{
	struct http_call *c = ctx;
	long status = 0;

	if (c->answer_fd >= 0 || c->take)
		curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
	if (c->answer_fd >= 0 && status == c->answer_status)
		return write_out(c, p, size * n);
	if (c->take && status == 200)
		return c->take(c, slice_of(p, size * n)) ? size * n : 0;
	if (c->answer.n + size * n > ANSWER_MAX_BYTES)
		return 0;
	buf_put(&c->answer, p, size * n);
	return c->answer.err ? 0 : size * n;
}

/* A header's value when line is "name: value", without white space around it. */
static struct slice
header_value(struct slice line, const char *name)
{
	size_t n = strlen(name);

	if (line.n <= n || line.p[n] != ':' || strncasecmp((const char *)line.p, name, n) != 0)
		return slice_of(NULL, 0);
	line = slice_of(line.p + n + 1, line.n - n - 1);
	while (line.n && line.p[0] <= ' ')
		line = slice_of(line.p + 1, line.n - 1);
	while (line.n && line.p[line.n - 1] <= ' ')
		line.n--;
	return line;
}

/* The field's value, when the line is that field and there is room. */
static void
keep(struct slice line, const char *name, char *out, size_t cap)
{
	struct slice value = header_value(line, name);

	if (value.n && value.n < cap) {
		memcpy(out, value.p, value.n);
		out[value.n] = '\0';
	}
}

static size_t
take_header(char *p, size_t size, size_t n, void *ctx)
{
	struct http_call *c = ctx;
	struct slice line = slice_of(p, size * n), value;

	keep(line, "content-type", c->media_type, sizeof c->media_type);
	keep(line, "location", c->location, sizeof c->location);
	keep(line, "stele-next", c->cursor, sizeof c->cursor);
	keep(line, "stele-query", c->totals, sizeof c->totals);
	value = header_value(line, "retry-after"); /* steled sends seconds, never a date */
	if (value.n && value.n < 10 && value.p[0] >= '0' && value.p[0] <= '9') {
		c->has_retry_after = true;
		c->retry_after_s = strtoull((const char *)value.p, NULL, 10);
	}
	return size * n;
}

static bool
add_header(struct curl_slist **list, const char *name, const char *value)
{
	struct curl_slist *longer;
	char line[512];

	if (!value)
		return true;
	if (snprintf(line, sizeof line, "%s: %s", name, value) >= (int)sizeof line)
		return false;
	longer = curl_slist_append(*list, line);
	if (longer)
		*list = longer;
	return longer != NULL;
}

static void
set_body(CURL *e, struct http_call *c)
{
	if (c->body_fd >= 0) {
		curl_easy_setopt(e, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(e, CURLOPT_READFUNCTION, give_body);
		curl_easy_setopt(e, CURLOPT_READDATA, (void *)c);
		curl_easy_setopt(e, CURLOPT_UPLOAD_BUFFERSIZE, (long)TRANSFER_BYTES);
		if (c->body_bytes != UINT64_MAX)
			curl_easy_setopt(e, CURLOPT_INFILESIZE_LARGE, (curl_off_t)c->body_bytes);
	} else if (c->content_type) {
		curl_easy_setopt(e, CURLOPT_POST, 1L);
		curl_easy_setopt(e, CURLOPT_POSTFIELDS, c->body.n ? (const char *)c->body.p : "");
		curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)c->body.n);
	} else {
		curl_easy_setopt(e, CURLOPT_HTTPGET, 1L);
	}
	curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, c->method);
}

/* Certificate and host name are checked by libcurl's defaults, which nothing here takes back. */
static void
set_tls(CURL *e, const struct transport_tls *tls)
{
	curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (tls->cacert) { /* and no other: distributions build a folder of CAs in */
		curl_easy_setopt(e, CURLOPT_CAINFO, tls->cacert);
		curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
	}
	if (tls->cert) {
		curl_easy_setopt(e, CURLOPT_SSLCERT, tls->cert);
		curl_easy_setopt(e, CURLOPT_SSLKEY, tls->key ? tls->key : tls->cert);
	}
}

/* An easy handle ready to go; NULL when memory is out. */
static CURL *
prepare(struct transport *t, struct http_call *c)
{
	CURL *e = t->n_pool ? t->pool[--t->n_pool] : curl_easy_init();
	struct curl_slist *list = NULL, *longer;
	char *url = NULL;

	c->status = 0;
	c->media_type[0] = c->trouble[0] = c->location[0] = '\0';
	c->cursor[0] = c->totals[0] = '\0';
	c->moved_bytes = 0;
	c->io_errno = 0;
	c->has_retry_after = c->untrusted = false;
	c->advice = NULL;
	buf_reset(&c->answer);
	if (!e || asprintf(&url, "%s%s", t->server, c->target) < 0 ||
	    !(list = curl_slist_append(NULL, "Expect:")) ||
	    !add_header(&list, "Content-Type", c->content_type) ||
	    !add_header(&list, "Accept", c->accept) ||
	    !add_header(&list, "Idempotency-Key", c->idempotency_key))
		goto fail;
	for (size_t i = 0; c->headers && c->headers[i]; i++) {
		longer = curl_slist_append(list, c->headers[i]);
		if (!longer)
			goto fail;
		list = longer;
	}
	if (t->authorization) {
		longer = curl_slist_append(list, t->authorization);
		if (!longer)
			goto fail;
	}
	curl_easy_reset(e);
	set_body(e, c);
	if (curl_easy_setopt(e, CURLOPT_URL, url) != CURLE_OK)
		goto fail;
	free(url);
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, list);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	set_tls(e, &t->tls);
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(e, CURLOPT_USERAGENT, "stele/" STELE_VERSION);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT_S);
	curl_easy_setopt(e, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(e, CURLOPT_LOW_SPEED_TIME, (long)STALL_TIMEOUT_S);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, c->trouble);
	if (c->answer_fd >= 0)
		curl_easy_setopt(e, CURLOPT_BUFFERSIZE, (long)TRANSFER_BYTES);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, (void *)c);
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, take_header);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, (void *)c);
	curl_easy_setopt(e, CURLOPT_PRIVATE, (void *)c);
	c->easy = e;
	c->header_list = list;
	return e;
fail:
	free(url);
	curl_slist_free_all(list);
	if (e)
		curl_easy_cleanup(e);
	snprintf(c->trouble, sizeof c->trouble, "out of memory, or the URL is malformed");
	return NULL;
}

/* What to do about a certificate that was not believed; NULL: nothing special. */
static const char *
advice_on_certificate(CURL *e)
{
	enum {
		NOT_YET = 9,
		EXPIRED = 10,
		FIRST_UNKNOWN = 18,
		LAST_UNKNOWN = 21
	}; /* X509_V_ERR_… */
	long result = 0;

	curl_easy_getinfo(e, CURLINFO_SSL_VERIFYRESULT, &result);
	if (result == NOT_YET || result == EXPIRED)
		return "Whoever runs the server has to renew its certificate; or this machine's "
		       "clock is wrong.";
	if (result >= FIRST_UNKNOWN && result <= LAST_UNKNOWN)
		return "If it is your own CA's, give that CA's certificate: --cacert FILE or "
		       "STELE_CACERT.";
	if (result <= 1) /* it never came to the certificate's chain: the name does not match */
		return "The URL must name the server as its certificate does; if it does, this is "
		       "another server.";
	return "The server's certificate cannot be believed.";
}

/* Trouble with TLS, told apart from a server that is away. */
static void
explain_tls(const struct transport *t, struct http_call *c, CURLcode code)
{
	bool alert = strstr(c->trouble, "alert") != NULL;

	c->untrusted = true;
	switch (code) {
	case CURLE_PEER_FAILED_VERIFICATION:
		c->advice = advice_on_certificate(c->easy);
		return;
	case CURLE_SSL_CACERT_BADFILE:
		c->advice =
			"--cacert or STELE_CACERT must name a file with CAs' certificates in PEM.";
		return;
	case CURLE_SSL_CERTPROBLEM:
		c->advice = "--cert and --key-file (STELE_CERT, STELE_KEY_FILE) must name a "
			    "certificate in PEM and its key, without a passphrase.";
		return;
	case CURLE_SSL_CONNECT_ERROR:
		if (strstr(c->trouble, "wrong version number")) {
			c->advice = "The server does not speak TLS there: is its URL http://?";
			return;
		}
		break;
	default:
		break;
	}
	if (alert)
		c->advice = t->tls.cert
				    ? "The server does not accept the certificate of --cert: is "
				      "it signed by its --tls-client-ca, valid and not revoked?"
				    : "The server asks for a certificate: --cert FILE and "
				      "--key-file FILE, or STELE_CERT and STELE_KEY_FILE.";
	else
		c->untrusted = false;
}

/* Notes the outcome and gives the handle back. */
static void
finish(struct transport *t, struct http_call *c, CURLcode code)
{
	if (code == CURLE_OK)
		curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &c->status);
	else if (!c->trouble[0])
		snprintf(c->trouble, sizeof c->trouble, "%s", curl_easy_strerror(code));
	if (code != CURLE_OK)
		c->status = 0;
	if (code != CURLE_OK)
		explain_tls(t, c, code);
	c->unsent =
		code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST || c->untrusted;
	curl_easy_setopt(c->easy, CURLOPT_ERRORBUFFER, NULL);
	curl_slist_free_all(c->header_list);
	if (t->n_pool < POOL_MAX)
		t->pool[t->n_pool++] = c->easy;
	else
		curl_easy_cleanup(c->easy);
	c->easy = c->header_list = NULL;
}

void
transport_call(struct transport *t, struct http_call *c)
{
	CURL *e = prepare(t, c);

	if (e)
		finish(t, c, curl_easy_perform(e));
}

void
transport_start(struct transport *t, struct http_call *c)
{
	CURL *e = prepare(t, c);

	if (e) {
		CHECK(curl_multi_add_handle(t->multi, e) == CURLM_OK);
		return;
	}
	c->next = t->finished;
	t->finished = c;
}

void
transport_cancel(struct transport *t, struct http_call *c)
{
	if (!c->easy)
		return;
	CHECK(curl_multi_remove_handle(t->multi, c->easy) == CURLM_OK);
	finish(t, c, CURLE_ABORTED_BY_CALLBACK);
}

struct http_call *
transport_done(struct transport *t)
{
	struct http_call *c = t->finished;
	CURLMsg *m;
	int left;

	if (c) {
		t->finished = c->next;
		return c;
	}
	while ((m = curl_multi_info_read(t->multi, &left))) {
		CURLcode code = m->data.result;
		CURL *e = m->easy_handle;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(e, CURLINFO_PRIVATE, (char **)&c);
		CHECK(curl_multi_remove_handle(t->multi, e) == CURLM_OK);
		finish(t, c, code);
		return c;
	}
	return NULL;
}

void
transport_wait(struct transport *t, int fd, int timeout_ms)
{
	struct curl_waitfd input = {.fd = fd, .events = CURL_WAIT_POLLIN};
	int running;

	CHECK(curl_multi_perform(t->multi, &running) == CURLM_OK);
	if (t->finished ||
	    curl_multi_poll(t->multi, &input, fd >= 0 ? 1 : 0, timeout_ms, NULL) != 0)
		return;
	CHECK(curl_multi_perform(t->multi, &running) == CURLM_OK);
}
