/*
 * steled: settings, certificate, socket, store, writer, audit trail, loops, the one line that
 * says it accepts; then, after SIGTERM or SIGINT, the same backwards.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include "crypto/init.h"
#include "proto/buf.h"
#include "proto/check.h"
#include "proto/err.h"
#include "server/audit.h"
#include "server/config.h"
#include "server/cosigner.h"
#include "server/examiner.h"
#include "server/exporter.h"
#include "server/listen.h"
#include "server/loop.h"
#include "server/mapping.h"
#include "server/problem.h"
#include "server/router.h"
#include "server/purger.h"
#include "server/selftest.h"
#include "server/server.h"
#include "server/timestamps.h"
#include "server/tls.h"
#include "server/witnesses.h"
#include "storage/store.h"
#include "storage/writer.h"

enum {
	EXIT_USAGE = 3,
	SPARE_FILES = 512, /* beside connections: the store's, standard streams */
};

static void
say(void *ctx, enum store_level level, const char *line)
{
	static const char *const words[] = {"", "warning: ", "error: "};
	const struct config *config = ctx;

	if (level == STORE_INFO && config->quiet)
		return;
	fprintf(stderr, "steled: %s%s\n", words[level], line);
}

static void
record(void *ctx, struct slice json)
{
	audit_event(ctx, json);
}

static int
fail(struct buf *why, const char *what)
{
	buf_put_u8(why, 0);
	fprintf(stderr, "steled: %s%s\n", what, why->err ? "out of memory" : (char *)why->p);
	return 1;
}

/* Room for the connections allowed, the store's files and some more. */
static void
raise_file_limit(struct config *c)
{
	struct rlimit l;
	char line[160];

	if (getrlimit(RLIMIT_NOFILE, &l) != 0)
		return;
	l.rlim_cur = l.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &l);
	if (l.rlim_cur < c->max_connections + SPARE_FILES) {
		snprintf(line, sizeof line,
			 "%llu open files are allowed, too few for %llu connections: raise "
			 "ulimit -n or lower --max-connections",
			 (unsigned long long)l.rlim_cur, (unsigned long long)c->max_connections);
		say(c, STORE_WARN, line);
	}
}

/* --- running ---------------------------------------------------------------------------- */

/* The signals that are waited for, blocked in every thread that is made after this. */
static void
block_signals(struct server *s)
{
	sigemptyset(&s->signals);
	sigaddset(&s->signals, SIGTERM);
	sigaddset(&s->signals, SIGINT);
	if (s->tls)
		sigaddset(&s->signals, SIGHUP);
	CHECK(pthread_sigmask(SIG_BLOCK, &s->signals, NULL) == 0);
}

static void
put_day(struct buf *out, int64_t s)
{
	time_t t = (time_t)s;
	struct tm tm;
	char text[32];

	gmtime_r(&t, &tm);
	strftime(text, sizeof text, "%Y-%m-%d %H:%M:%SZ", &tm);
	buf_put_str(out, text);
}

/* Certificate, key, CAs and lists anew; what is wrong leaves all of them as they were. */
static void
reload(struct server *s)
{
	struct tls_status st;
	struct buf line, why;
	int err;

	buf_init(&line);
	buf_init(&why);
	err = tls_reload(s->tls, &why);
	tls_status_get(s->tls, &st);
	if (err)
		buf_printf(&line,
			   "nothing was reloaded: %.*s The certificate from before stays; it ends ",
			   (int)why.n, (char *)why.p);
	else
		buf_put_str(&line, "certificate and key were reloaded; the certificate ends ");
	put_day(&line, st.certificate_end_s);
	buf_put_u8(&line, 0);
	say((void *)(uintptr_t)s->config, err ? STORE_ERROR : STORE_INFO, (char *)line.p);
	buf_fini(&why);
	buf_fini(&line);
}

static int
wait_for_signal(struct server *s)
{
	int signum;

	for (;;) {
		CHECK(sigwait(&s->signals, &signum) == 0);
		if (signum != SIGHUP)
			return signum;
		reload(s);
	}
}

/* This thread alone takes them: the first one drains, a second one ends the process at once. */
static void *
signal_main(void *arg)
{
	struct server *s = arg;
	int signum;

	wait_for_signal(s);
	atomic_store(&s->draining, true);
	for (size_t i = 0; i < s->n_loops; i++)
		loop_wake(s->loops[i]);
	signum = wait_for_signal(s);
	if (!atomic_load(&s->drained)) {
		signal(signum, SIG_DFL);
		pthread_sigmask(SIG_UNBLOCK, &s->signals, NULL);
		raise(signum);
	}
	return NULL;
}

static void *
loop_main(void *arg)
{
	loop_run(arg);
	return NULL;
}

/* Loop 0 runs in this thread. */
static void
run_loops(struct server *s)
{
	pthread_t signals;
	size_t i;

	CHECK(pthread_create(&signals, NULL, signal_main, s) == 0);
	for (i = 1; i < s->n_loops; i++)
		CHECK(pthread_create(&s->loops[i]->thread, NULL, loop_main, s->loops[i]) == 0);
	loop_run(s->loops[0]);
	for (i = 1; i < s->n_loops; i++)
		pthread_join(s->loops[i]->thread, NULL);
	atomic_store(&s->drained, true);
	pthread_kill(signals, SIGTERM);
	pthread_join(signals, NULL);
	for (i = 0; i < s->n_loops; i++)
		loop_free(s->loops[i]);
}

static int
start_loops(struct server *s, const struct config *c, const int *fds, struct buf *why)
{
	uint64_t i;

	for (i = 0; i < c->loops; i++) {
		if (loop_new(&s->loops[i], s, fds[i]) != 0) {
			buf_printf(why, "Cannot listen on %s: the address is taken.", c->listen);
			return STELE_EIO;
		}
		s->n_loops++;
	}
	return 0;
}

static void
announce(const struct config *c)
{
	struct buf url;

	buf_init(&url);
	config_url(&url, c);
	printf("steled: listening on %.*s\n", (int)url.n, (char *)url.p);
	fflush(stdout);
	buf_fini(&url);
}

/* What a start takes, because a server that is there can be mended while one that is not cannot. */
static void
warn_of_tls(struct server *s, struct config *c)
{
	int64_t now_s = s->started_ns / 1000000000;
	struct tls_status st;
	struct stat key;
	char line[512];

	tls_status_get(s->tls, &st);
	if (st.certificate_end_s <= now_s || st.certificate_begin_s > now_s) {
		snprintf(line, sizeof line,
			 "%.400s: its time %s, so that no client will believe it; replace it and "
			 "send SIGHUP",
			 c->tls_cert, st.certificate_end_s <= now_s ? "is over" : "has not come");
		say(c, STORE_ERROR, line);
	}
	if (st.crl_end_s && st.crl_end_s <= now_s) {
		snprintf(line, sizeof line,
			 "%.400s: the time for its next update is over, so that no client's "
			 "certificate counts; replace it and send SIGHUP",
			 c->tls_crl);
		say(c, STORE_ERROR, line);
	}
	if (stat(c->tls_key, &key) == 0 && (key.st_mode & 07)) {
		snprintf(line, sizeof line,
			 "%.400s may be read by every user of this machine: chmod 600", c->tls_key);
		say(c, STORE_WARN, line);
	}
}

static void
warn(struct server *s, struct config *c)
{
	char line[256];
	struct stat st;

	if (s->demo) {
		snprintf(line, sizeof line,
			 "the server's name is %s, made up at the first start: use --origin NAME "
			 "with a new data directory for evidence that counts",
			 store_server_name(s->store));
		say(c, STORE_WARN, line);
	}
	if (stat(c->data, &st) == 0 && (st.st_mode & 077)) {
		snprintf(line, sizeof line,
			 "%.160s may be entered by other users of this machine: chmod 700 it",
			 c->data);
		say(c, STORE_WARN, line);
	}
	if (s->tls)
		warn_of_tls(s, c);
	else if (c->insecure)
		say(c, STORE_WARN, "--insecure: tokens and payloads may cross a network in clear");
}

/* Without room for it reads and holds must go on; a metric says so until the next start. */
static int
self_test(struct server *s, struct config *c, struct buf *why)
{
	int err = selftest_run(c->data, why);

	s->self_tested = err == 0;
	if (err != STELE_ENOSPACE)
		return err;
	buf_reset(why);
	say(c, STORE_WARN,
	    "the disk is full, with no room for the self-test: make room, then restart");
	return 0;
}

/* From an open store to the last answer. */
static int
serve(struct server *s, struct config *c, const int *fds, struct buf *why)
{
	int err;

	block_signals(s);
	err = self_test(s, c, why);
	if (err)
		return err;
	upload_table_init(&s->uploads, c->upload_timeout_ms);
	plans_init(&s->plans);
	query_kept_init(&s->kept);
	err = audit_load(s->audit, s, why);
	if (!err)
		err = writer_new(&s->writer, s->store, c->queue_bytes);
	if (!err)
		err = audit_open(s->audit, why);
	if (!err)
		err = cosigner_new(&s->cosigner, s, why);
	config_forget_passphrase(c);
	if (!err) /* before whoever purges, and after him */
		err = exporter_new(&s->exporter, s);
	if (!err) {
		s->purger = purger_start(s, c->purge_every_ms);
		err = s->purger ? 0 : STELE_ENOMEM;
	}
	if (!err)
		err = examiner_new(&s->examiner, s, c->hold_after_ms / 1000);
	if (!err)
		err = timestamps_start(&s->timestamps, s, why);
	if (!err)
		err = witnesses_new(&s->witnesses, s, why);
	if (!err)
		err = start_loops(s, c, fds, why);
	if (!err) {
		warn(s, c);
		announce(c);
		run_loops(s);
	}
	timestamps_stop(s->timestamps);
	witnesses_free(s->witnesses);
	cosigner_free(s->cosigner);
	examiner_free(s->examiner);
	purger_stop(s->purger);
	exporter_free(s->exporter);
	upload_table_fini(&s->uploads);
	plans_fini(&s->plans);
	query_kept_fini(&s->kept);
	audit_close(s->audit);
	if (s->writer)
		writer_free(s->writer);
	return err;
}

/* From the sealer. Before the first record of schemas nothing is known: its own then. */
static const struct mapping *
mapping(void *audit, struct slice log)
{
	const struct mapping *m = mapping_of_log(audit_access(audit), log);

	return m->set.n ? m : NULL;
}

static int
open_and_serve(struct config *c, struct buf *why)
{
	struct store_options options = {
		.dir = c->data,
		.server_name = c->origin,
		.passphrase = c->passphrase,
		.wal_file_bytes = c->wal_file_bytes,
		.wal_files = (uint32_t)c->wal_files,
		.seal_after_ns = (int64_t)c->seal_after_ms * 1000000,
		.scrub_rate = c->scrub_rate,
		.scrub_every_ns = (int64_t)c->scrub_every_ms * 1000000,
		.clock_warn_ns = (int64_t)c->clock_warn_ms * 1000000,
		.clock_freeze_ns = (int64_t)c->clock_freeze_ms * 1000000,
		.clock_credit_ns = (int64_t)c->clock_credit_ms * 1000000,
		.clock_year_ns = (int64_t)c->clock_year_ms * 1000000,
		.free_bytes = c->min_free_bytes,
		.protect = !c->unprotected,
		.create = true,
		.moved = c->moved,
		.say = say,
		.say_ctx = c,
		.record = record,
		.mapping = mapping,
		.released = bell_ring,
	};
	struct server *s = calloc(1, sizeof *s);
	int fds[LIMIT_LOOPS];
	int err;

	CHECK(s);
	bell_init(&s->bell);
	options.released_ctx = &s->bell;
	s->audit = options.record_ctx = options.mapping_ctx = audit_new();
	err = s->audit ? 0 : STELE_ENOMEM;
	if (!err && c->tls_cert)
		err = tls_new(&s->tls, c, why);
	if (!err)
		err = listen_bind(c, fds, why);
	if (!err)
		err = store_open(&s->store, &options, why);
	if (!err) {
		s->config = c;
		s->keys_sealed = c->passphrase != NULL; /* or the store had not opened them */
		s->bodies.max_bytes = c->body_bytes;
		s->answers.max_bytes = c->answer_bytes;
		s->demo = store_is_demo(s->store);
		s->started_ns = server_now_ns(s);
		kit_pool_init(&s->kits);
		err = serve(s, c, fds, why);
		kit_pool_fini(&s->kits);
		store_close(s->store);
	}
	audit_free(s->audit);
	tls_free(s->tls);
	bell_fini(&s->bell);
	free(s);
	return err;
}

/* What --help, --version and --routes print. */
static void
print(const struct config *c, struct buf *out)
{
	if (c->help) {
		config_help(out);
	} else if (c->version) {
		buf_put_str(out, "steled " STELE_VERSION "\n");
	} else {
		buf_put_str(out, "{\"routes\":");
		router_dump(out);
		buf_put_str(out, ",\"problems\":");
		problem_dump(out);
		buf_put_str(out, "}\n");
	}
	fwrite(out->p, 1, out->n, stdout);
}

int
main(int argc, char **argv)
{
	struct config config;
	struct buf text;
	int status = 0, err;

	buf_init(&text);
	signal(SIGPIPE, SIG_IGN);
	if (config_read(&config, argc, argv, &text) != 0) {
		fail(&text, "");
		status = EXIT_USAGE;
	} else if (config.help || config.version || config.routes) {
		print(&config, &text);
	} else if (crypto_init() != 0) {
		status = fail(&text, "this platform has no usable randomness");
	} else {
		raise_file_limit(&config);
		err = open_and_serve(&config, &text);
		if (err != 0)
			status = fail(&text, text.n ? "" : stele_strerror(err));
	}
	config_fini(&config);
	buf_fini(&text);
	return status;
}
