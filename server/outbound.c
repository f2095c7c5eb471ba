/*
 * libcurl says which sockets and which time it waits for; libuv waits and tells it. An easy handle
 * per request: what is kept alive is the connection, which belongs to the multi handle.
 */
#include "server/outbound.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <curl/curl.h>

#include "proto/check.h"
#include "proto/err.h"
#include "proto/limits.h"

enum { TYPE_BYTES = 255, WHY_BYTES = CURL_ERROR_SIZE };

struct call {
	struct call *next, **at; /* of those under way: at is what points here */
	CURL *easy;
	struct curl_slist *headers;
	struct buf body, reply;
	size_t max_reply, head_bytes;
	char type[TYPE_BYTES + 1];
	char why[WHY_BYTES];
	bool too_long;
	outbound_done *done;
	void *ctx;
};

/* A socket that libcurl waits for. */
struct watch {
	uv_poll_t poll;
	struct outbound *o;
	curl_socket_t fd;
};

struct outbound {
	uv_loop_t *loop;
	uv_timer_t timer;
	CURLM *multi;
	char *ca_file; /* or NULL */
	struct call *calls;
	size_t n_calls;
	size_t n_handles; /* libuv's, that are not closed yet */
	bool closing;
};

/* --- what is kept of a reply --------------------------------------------------------------- */

static size_t
take_body(char *p, size_t size, size_t n, void *ctx)
{
	struct call *c = ctx;

	n *= size;
	if (n > c->max_reply - c->reply.n) {
		c->too_long = true;
		return 0;
	}
	buf_put(&c->reply, p, n);
	return c->reply.err ? 0 : n;
}

/* One line of the head, with its end: of an interim answer, too, whose fields do not count. */
static size_t
take_head(char *p, size_t size, size_t n, void *ctx)
{
	static const char name[] = "content-type:";
	struct call *c = ctx;
	size_t from = sizeof name - 1, to = n *= size;

	c->head_bytes += n;
	if (c->head_bytes > LIMIT_OUTBOUND_HEAD_BYTES) {
		c->too_long = true;
		return 0;
	}
	if (n > 5 && memcmp(p, "HTTP/", 5) == 0)
		c->type[0] = 0;
	if (n < from || strncasecmp(p, name, from) != 0)
		return n;
	while (from < to && isspace((unsigned char)p[from]))
		from++;
	while (to > from && isspace((unsigned char)p[to - 1]))
		to--;
	if (to - from > TYPE_BYTES || memchr(p + from, 0, to - from))
		from = to;
	memcpy(c->type, p + from, to - from);
	c->type[to - from] = 0;
	return n;
}

/* --- a call's life -------------------------------------------------------------------------- */

static void
free_call(struct call *c)
{
	curl_easy_cleanup(c->easy);
	curl_slist_free_all(c->headers);
	buf_fini(&c->body);
	buf_fini(&c->reply);
	free(c);
}

static int
err_of(const struct call *c, CURLcode code)
{
	if (code == CURLE_OK)
		return 0;
	if (c->too_long)
		return STELE_ELIMIT;
	switch (code) {
	case CURLE_OPERATION_TIMEDOUT:
		return STELE_EBUSY;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
		return STELE_EVERIFY;
	case CURLE_OUT_OF_MEMORY:
		return STELE_ENOMEM;
	default:
		return c->reply.err ? STELE_ENOMEM : STELE_EIO;
	}
}

/* Takes it out, tells, frees: what it tells may begin another. */
static void
end_call(struct outbound *o, struct call *c, int err, const char *why)
{
	struct outbound_reply r = {.err = err, .why = why};
	long status = 0;

	curl_multi_remove_handle(o->multi, c->easy);
	*c->at = c->next;
	if (c->next)
		c->next->at = c->at;
	o->n_calls--;
	if (err == 0) {
		curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
		r.status = (int)status;
		r.type = slice_str(c->type);
		r.body = buf_slice(&c->reply);
	}
	c->done(c->ctx, &r);
	free_call(c);
}

static void
end_finished(struct outbound *o)
{
	struct call *c;
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(o->multi, &left))) {
		CURLcode code = m->data.result;
		const char *why = "";

		if (m->msg != CURLMSG_DONE)
			continue;
		CHECK(curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &c) == CURLE_OK);
		if (code != CURLE_OK)
			why = c->too_long ? "the reply is too long"
			      : c->why[0] ? c->why
					  : curl_easy_strerror(code);
		end_call(o, c, err_of(c, code), why);
	}
}

/* --- sockets and time ------------------------------------------------------------------------ */

static void
act(struct outbound *o, curl_socket_t fd, int events)
{
	int running;
	CURLMcode code = curl_multi_socket_action(o->multi, fd, events, &running);

	/* a socket that could not be watched, or no memory: its requests fail, others go on */
	CHECK(code == CURLM_OK || code == CURLM_ABORTED_BY_CALLBACK || code == CURLM_OUT_OF_MEMORY);
	end_finished(o);
}

static void
on_socket_ready(uv_poll_t *h, int status, int events)
{
	struct watch *w = h->data;
	int flags = 0;

	if (status < 0)
		flags = CURL_CSELECT_ERR;
	if (events & UV_READABLE)
		flags |= CURL_CSELECT_IN;
	if (events & UV_WRITABLE)
		flags |= CURL_CSELECT_OUT;
	act(w->o, w->fd, flags);
}

static void
on_timer(uv_timer_t *h)
{
	act(h->data, CURL_SOCKET_TIMEOUT, 0);
}

static void
release(struct outbound *o)
{
	if (--o->n_handles)
		return;
	free(o->ca_file);
	free(o);
	curl_global_cleanup();
}

static void
on_watch_closed(uv_handle_t *h)
{
	struct watch *w = h->data;
	struct outbound *o = w->o;

	free(w);
	release(o);
}

static void
on_timer_closed(uv_handle_t *h)
{
	release(h->data);
}

/* libcurl: a socket is to be watched for this from now on. */
static int
watch_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket)
{
	struct outbound *o = ctx;
	struct watch *w = socket;
	int events = 0;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (w) {
			uv_poll_stop(&w->poll);
			uv_close((uv_handle_t *)&w->poll, on_watch_closed);
			curl_multi_assign(o->multi, fd, NULL);
		}
		return 0;
	}
	if (!w) {
		w = calloc(1, sizeof *w);
		if (!w || uv_poll_init_socket(o->loop, &w->poll, fd) != 0) {
			free(w);
			return -1;
		}
		w->poll.data = w;
		w->o = o;
		w->fd = fd;
		o->n_handles++;
		curl_multi_assign(o->multi, fd, w);
	}
	if (what != CURL_POLL_OUT)
		events |= UV_READABLE;
	if (what != CURL_POLL_IN)
		events |= UV_WRITABLE;
	return uv_poll_start(&w->poll, events, on_socket_ready);
}

static int
watch_time(CURLM *multi, long ms, void *ctx)
{
	struct outbound *o = ctx;

	(void)multi;
	if (ms < 0)
		uv_timer_stop(&o->timer);
	else if (!o->closing)
		uv_timer_start(&o->timer, on_timer, (uint64_t)ms, 0);
	return 0;
}

/* --- asking ---------------------------------------------------------------------------------- */

int
outbound_url(const char *url, struct buf *why)
{
	bool secure = strncmp(url, "https://", 8) == 0;
	const char *p = url + (secure ? 8 : 7), *host = p;

	if (!secure && strncmp(url, "http://", 7) != 0) {
		buf_printf(why, "\"%.200s\" is no URL that begins with http:// or https://", url);
		return STELE_EINVAL;
	}
	while (*p > ' ' && *p <= '~' && !strchr("?#\\\"<>^`{|}", *p))
		p++;
	if (*p || (size_t)(p - url) > LIMIT_OUTBOUND_URL_BYTES || !*host || *host == '/' ||
	    memchr(host, '@', strcspn(host, "/"))) {
		buf_printf(why,
			   "\"%.200s\" must be a URL of a host and a path: printable, no user, "
			   "query or fragment, at most %u bytes",
			   url, LIMIT_OUTBOUND_URL_BYTES);
		return STELE_EINVAL;
	}
	return 0;
}

static bool
add_header(struct call *c, const char *name, const char *value)
{
	char line[512];
	struct curl_slist *more;
	int n = snprintf(line, sizeof line, "%s: %s", name, value);

	if (n < 0 || (size_t)n >= sizeof line)
		return false;
	more = curl_slist_append(c->headers, line);
	if (!more)
		return false;
	c->headers = more;
	return true;
}

/* What is the same for all. */
static void
set_up(CURL *e, const struct outbound *o)
{
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(e, CURLOPT_HTTP09_ALLOWED, 0L);
	curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(e, CURLOPT_USERAGENT, "steled/" STELE_VERSION);
	curl_easy_setopt(e, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L); /* a name that is being looked up may go on */
	if (o->ca_file) {
		curl_easy_setopt(e, CURLOPT_CAINFO, o->ca_file);
		curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
	}
}

static void
fill(struct call *c, const struct outbound_ask *ask)
{
	CURL *e = c->easy;

	curl_easy_setopt(e, CURLOPT_URL, ask->url);
	curl_easy_setopt(e, CURLOPT_POST, 1L);
	curl_easy_setopt(e, CURLOPT_POSTFIELDS, (char *)c->body.p);
	curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)ask->body.n);
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, c->headers);
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)ask->timeout_ms);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)ask->timeout_ms);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, c);
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, take_head);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, c);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, c->why);
	curl_easy_setopt(e, CURLOPT_PRIVATE, c);
	c->max_reply = ask->max_reply;
	c->done = ask->done;
	c->ctx = ask->ctx;
}

int
outbound_post(struct outbound *o, const struct outbound_ask *ask)
{
	struct call *c;
	struct buf why;
	int err;

	CHECK(!o->closing && ask->timeout_ms > 0);
	buf_init(&why);
	err = outbound_url(ask->url, &why);
	buf_fini(&why);
	if (err)
		return err;
	if (o->n_calls == LIMIT_OUTBOUND)
		return STELE_EBUSY;
	c = calloc(1, sizeof *c);
	if (!c)
		return STELE_ENOMEM;
	buf_init(&c->body);
	buf_init(&c->reply);
	buf_put_slice(&c->body, ask->body);
	buf_put_u8(&c->body, 0); /* so that there is memory, however short the body */
	c->easy = curl_easy_init();
	if (!c->easy || c->body.err || !add_header(c, "Content-Type", ask->type) ||
	    (ask->accept && !add_header(c, "Accept", ask->accept)) ||
	    (!ask->accept && !add_header(c, "Accept", "")) || !add_header(c, "Expect", "")) {
		free_call(c);
		return STELE_ENOMEM;
	}
	set_up(c->easy, o);
	fill(c, ask);
	if (curl_multi_add_handle(o->multi, c->easy) != CURLM_OK) {
		free_call(c);
		return STELE_ENOMEM;
	}
	c->next = o->calls;
	c->at = &o->calls;
	if (c->next)
		c->next->at = &c->next;
	o->calls = c;
	o->n_calls++;
	return 0;
}

size_t
outbound_waiting(const struct outbound *o)
{
	return o->n_calls;
}

/* --- begin and end ---------------------------------------------------------------------------- */

int
outbound_new(struct outbound **out, uv_loop_t *loop, const char *ca_file, struct buf *why)
{
	struct outbound *o;

	if (ca_file && access(ca_file, R_OK) != 0) {
		buf_printf(why, "Cannot read the authorities in %s: %s.", ca_file, strerror(errno));
		return STELE_EINVAL;
	}
	CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
	o = calloc(1, sizeof *o);
	if (o) {
		o->multi = curl_multi_init();
		o->ca_file = ca_file ? strdup(ca_file) : NULL;
	}
	if (!o || !o->multi || (ca_file && !o->ca_file)) {
		if (o)
			curl_multi_cleanup(o->multi);
		free(o);
		curl_global_cleanup();
		return STELE_ENOMEM;
	}
	o->loop = loop;
	CHECK(uv_timer_init(loop, &o->timer) == 0);
	o->timer.data = o;
	o->n_handles = 1;
	curl_multi_setopt(o->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
	curl_multi_setopt(o->multi, CURLMOPT_SOCKETDATA, o);
	curl_multi_setopt(o->multi, CURLMOPT_TIMERFUNCTION, watch_time);
	curl_multi_setopt(o->multi, CURLMOPT_TIMERDATA, o);
	curl_multi_setopt(o->multi, CURLMOPT_MAXCONNECTS, (long)LIMIT_OUTBOUND);
	*out = o;
	return 0;
}

void
outbound_close(struct outbound *o)
{
	if (!o)
		return;
	o->closing = true;
	while (o->calls)
		end_call(o, o->calls, STELE_ECLOSED, "the server is shutting down");
	curl_multi_cleanup(o->multi);
	uv_close((uv_handle_t *)&o->timer, on_timer_closed);
}
