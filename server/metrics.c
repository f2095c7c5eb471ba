/* Counting on the loop; reading, for Prometheus (text format 0.0.4), on a worker. */
#include "server/metrics.h"

#include <stdio.h>

#include "proto/buf.h"
#include "proto/check.h"
#include "server/config.h"
#include "server/cosigner.h"
#include "server/audit.h"
#include "server/exporter.h"
#include "server/exports.h"
#include "server/loop.h"
#include "server/purger.h"
#include "server/reply.h"
#include "server/resources.h"
#include "server/router.h"
#include "server/server.h"
#include "server/witnesses.h"
#include "server/tls.h"
#include "server/timestamps.h"
#include "storage/backup.h"
#include "storage/clocks.h"
#include "storage/purge.h"
#include "storage/scrub.h"
#include "storage/store.h"
#include "storage/writer.h"

enum { BUCKET_FIRST_NS = 50000 };

static const int statuses[METRICS_STATUSES] = {
	200, 201, 204, 206, 304, 400, 401, 403, 404, 405, 406, 408, 409, 410,
	413, 414, 415, 416, 417, 422, 429, 431, 500, 501, 503, 505, 507,
};

int
metrics_status(size_t place)
{
	CHECK(place < METRICS_STATUSES);
	return statuses[place];
}

double
metrics_bucket_s(size_t bucket)
{
	return (double)((uint64_t)BUCKET_FIRST_NS << bucket) / 1e9;
}

void
metrics_count(struct metrics *m, size_t route, int status, uint64_t ns)
{
	size_t place = 0, bucket = 0;

	CHECK(route < METRICS_ROUTES);
	while (statuses[place] != status) {
		place++;
		CHECK(place < METRICS_STATUSES);
	}
	while (bucket < METRICS_BUCKETS - 1 && ns > (uint64_t)BUCKET_FIRST_NS << bucket)
		bucket++;
	metrics_add(&m->requests[route][place], 1);
	metrics_add(&m->buckets[route][bucket], 1);
	metrics_add(&m->seconds_ns[route], ns);
}

/* --- the resource ------------------------------------------------------------------ */

static uint64_t
sum(const struct server *s, size_t offset)
{
	uint64_t total = 0;
	size_t i;

	for (i = 0; i < s->n_loops; i++) {
		char *at = (char *)&s->loops[i]->metrics + offset;

		total += atomic_load_explicit((atomic_ullong *)(void *)at, memory_order_relaxed);
	}
	return total;
}

#define SUM(s, field) sum((s), offsetof(struct metrics, field))

static void
head(struct buf *b, const char *name, const char *type, const char *help)
{
	buf_printf(b, "# HELP stele_%s %s\n# TYPE stele_%s %s\n", name, help, name, type);
}

static void
put(struct buf *b, const char *name, const char *type, const char *help, uint64_t v)
{
	head(b, name, type, help);
	buf_printf(b, "stele_%s %llu\n", name, (unsigned long long)v);
}

static void
put_seconds(struct buf *b, const char *name, const char *type, const char *help, uint64_t ns)
{
	head(b, name, type, help);
	buf_printf(b, "stele_%s %.9f\n", name, (double)ns / 1e9);
}

static const char *
route_name(size_t route)
{
	return route < router_routes ? router_table[route].pattern : "none";
}

static const char *
route_method(size_t route)
{
	return route < router_routes ? router_method_name(router_table[route].method) : "any";
}

static void
put_requests(struct buf *b, const struct server *s)
{
	size_t route, place;

	head(b, "http_requests_total", "counter", "Answered requests by route and status.");
	for (route = 0; route <= router_routes; route++) {
		for (place = 0; place < METRICS_STATUSES && statuses[place]; place++) {
			uint64_t n = SUM(s, requests[route][place]);

			if (n)
				buf_printf(b,
					   "stele_http_requests_total{method=\"%s\",route=\"%s\","
					   "status=\"%d\"} %llu\n",
					   route_method(route), route_name(route), statuses[place],
					   (unsigned long long)n);
		}
	}
}

static void
put_latency(struct buf *b, const struct server *s)
{
	size_t route, i;

	head(b, "http_request_seconds", "histogram", "From a complete header to the answer.");
	for (route = 0; route <= router_routes; route++) {
		uint64_t n = 0;

		for (i = 0; i < METRICS_BUCKETS; i++)
			n += SUM(s, buckets[route][i]);
		if (!n)
			continue;
		n = 0;
		for (i = 0; i < METRICS_BUCKETS; i++) {
			char le[32] = "+Inf";

			n += SUM(s, buckets[route][i]);
			if (i < METRICS_BUCKETS - 1)
				snprintf(le, sizeof le, "%g", metrics_bucket_s(i));
			buf_printf(b,
				   "stele_http_request_seconds_bucket{method=\"%s\",route=\"%s\","
				   "le=\"%s\"} %llu\n",
				   route_method(route), route_name(route), le,
				   (unsigned long long)n);
		}
		buf_printf(b,
			   "stele_http_request_seconds_sum{method=\"%s\",route=\"%s\"} %.9f\n"
			   "stele_http_request_seconds_count{method=\"%s\",route=\"%s\"} %llu\n",
			   route_method(route), route_name(route),
			   (double)SUM(s, seconds_ns[route]) / 1e9, route_method(route),
			   route_name(route), (unsigned long long)n);
	}
}

static void
put_http(struct buf *b, struct server *s)
{
	put(b, "connections", "gauge", "Open connections.", atomic_load(&s->connections));
	put(b, "connections_accepted_total", "counter", "Accepted connections.", SUM(s, accepted));
	put(b, "connections_refused_total", "counter", "Connections over the limit, answered 503.",
	    SUM(s, refused));
	put(b, "http_timeouts_total", "counter", "Requests that did not come in time.",
	    SUM(s, timeouts));
	put(b, "http_answers_cut_total", "counter",
	    "Answers given up because slow readers held too much memory.", SUM(s, cut));
	put(b, "http_malformed_total", "counter", "Requests refused by the HTTP parser's rules.",
	    SUM(s, malformed));
	put(b, "http_read_bytes_total", "counter", "Bytes read.", SUM(s, read_bytes));
	put(b, "http_written_bytes_total", "counter", "Bytes written.", SUM(s, written_bytes));
	put(b, "body_bytes", "gauge", "Memory of large request bodies.",
	    atomic_load(&s->bodies.used_bytes));
	put(b, "answer_bytes", "gauge", "Memory of answers that wait for their readers.",
	    atomic_load(&s->answers.used_bytes));
	put(b, "queue_bytes", "gauge", "Memory of records waiting for the writer.",
	    writer_queued_bytes(s->writer));
	put_requests(b, s);
	put_latency(b, s);
}

/* One row for each vendor path, whose counters begin at `offset` of struct metrics. */
static void
put_by_path(struct buf *b, const struct server *s, const char *name, const char *help,
	    size_t offset)
{
	head(b, name, "counter", help);
	for (unsigned i = 0; i < VENDORS; i++)
		buf_printf(b, "stele_%s{path=\"%s\"} %llu\n", name, vendor_name(i),
			   (unsigned long long)sum(s, offset + i * sizeof(atomic_ullong)));
}

static void
put_intake(struct buf *b, const struct server *s)
{
	put_by_path(b, s, "intake_events_total", "Events stored that came by a vendor path.",
		    offsetof(struct metrics, intake_events));
	put_by_path(b, s, "intake_duplicates_total", "Events that came again and were there.",
		    offsetof(struct metrics, intake_duplicates));
	put_by_path(b, s, "intake_unparsed_total",
		    "Events stored that could not be read. Alert when it grows.",
		    offsetof(struct metrics, intake_unparsed));
}

static void
put_tails(struct buf *b, const struct server *s)
{
	put(b, "tails", "gauge", "Tails open now.", SUM(s, tails));
	put(b, "tail_feeds", "gauge", "Different questions that they ask.", SUM(s, feeds));
	put(b, "tails_opened_total", "counter", "Tails that began.", SUM(s, tails_opened));
	put(b, "tails_dropped_total", "counter", "Tails cut because their readers were too slow.",
	    SUM(s, tails_dropped));
	put(b, "tail_rounds_total", "counter",
	    "Looks at what came in, each for all tails that ask the same.", SUM(s, tail_rounds));
	put(b, "tail_rows_total", "counter", "Records given to tails.", SUM(s, tail_rows));
}

static void
put_handshakes(struct buf *b, const struct server *s)
{
	put(b, "tls_handshakes_total", "counter", "TLS handshakes that were completed.",
	    SUM(s, handshakes));
	put(b, "tls_resumed_total", "counter", "Of them, those that resumed a session.",
	    SUM(s, resumed));
	put(b, "tls_client_certificates_total", "counter",
	    "Of them, those with a verified certificate of the client.", SUM(s, verified));
	put(b, "tls_handshakes_waited_total", "counter",
	    "TLS handshakes that had to wait for their turn (--handshake-rate).",
	    SUM(s, turns_waited));
	put(b, "tls_handshakes_waiting", "gauge", "TLS handshakes that wait for it now.",
	    SUM(s, turns_waiting));
	head(b, "tls_handshakes_failed_total", "counter", "TLS handshakes that failed, by reason.");
	for (size_t i = 0; i < TLS_FAILURES; i++)
		buf_printf(b, "stele_tls_handshakes_failed_total{reason=\"%s\"} %llu\n",
			   tls_failure_name((enum tls_failure)i),
			   (unsigned long long)SUM(s, handshakes_failed[i]));
}

static void
put_tls(struct buf *b, struct server *s)
{
	struct tls_status st;

	if (!s->tls)
		return;
	tls_status_get(s->tls, &st);
	put(b, "tls_certificate_expiry_seconds", "gauge",
	    "When the server's certificate ends, or one of those behind it.",
	    (uint64_t)st.certificate_end_s);
	put(b, "tls_crl_expiry_seconds", "gauge",
	    "When the revocation lists must be renewed; 0: there is none.", (uint64_t)st.crl_end_s);
	put(b, "tls_reloads_total", "counter", "Reloads of certificate, key and lists.",
	    st.reloads);
	put(b, "tls_reloads_failed_total", "counter",
	    "Reloads that were refused: the old ones stay. Alert when it grows.",
	    st.reload_failures);
	put_handshakes(b, s);
}

static void
put_scrub(struct buf *b, struct store *store)
{
	struct scrub_state s;

	store_scrub_get(store, &s);
	put(b, "scrub_passes_total", "counter", "Passes over all segments and objects that ended.",
	    s.passes);
	put(b, "scrub_running", "gauge", "1 while a pass is under way.", s.running);
	put(b, "scrub_bytes", "gauge", "Bytes of segments that the pass under way has read.",
	    s.now.bytes);
	put(b, "scrub_last_end_seconds", "gauge",
	    "When the last pass since the start ended; 0: none did.",
	    (uint64_t)s.last.ended_ns / 1000000000);
	put(b, "scrub_last_bytes", "gauge", "Bytes of segments that it read.", s.last.bytes);
	put(b, "scrub_last_segments", "gauge", "Segments that it looked at.", s.last.segments);
	put(b, "scrub_last_objects", "gauge", "Objects that it looked at.", s.last.objects);
	put(b, "scrub_last_object_bytes", "gauge", "Bytes of their payloads.", s.last.object_bytes);
	put(b, "scrub_last_damaged", "gauge", "Of both, damaged. Alert above 0.", s.last.damaged);
	put(b, "scrub_last_unread", "gauge", "Of both, not to be checked. Alert above 0.",
	    s.last.unread);
}

static void
put_backup(struct buf *b, struct store *store)
{
	struct backup_state s;

	store_backup_get(store, &s);
	put(b, "backup_running", "gauge", "1 while a backup is made.", s.running);
	put(b, "backup_bytes", "gauge", "Bytes that it, or the last one, has copied or found.",
	    s.bytes);
	put(b, "backup_end_seconds", "gauge", "When the last one since the start ended; 0: none.",
	    (uint64_t)s.ended_ns / 1000000000);
	put(b, "backup_failed", "gauge", "1 when it failed. Alert above 0.", s.err != 0);
}

static void
put_purge(struct buf *b, struct server *s)
{
	uint64_t passes, records;

	purger_figures(s->purger, &passes, &records);
	put(b, "purge_pending", "gauge",
	    "Purges whose entry is in the log and whose payloads are not all destroyed yet.",
	    purge_pending(s->store));
	put(b, "purge_passes_total", "counter", "Passes of --purge-every over all logs.", passes);
	put(b, "purge_pass_records_total", "counter", "Records whose payloads went by them.",
	    records);
}

static void
put_timestamps(struct buf *b, const struct server *s)
{
	struct timestamps_figures f;

	timestamps_figures(s->timestamps, &f);
	put(b, "timestamps_total", "counter", "Timestamps that authorities gave.", f.granted);
	put(b, "timestamp_failures_total", "counter",
	    "Times that an authority could not be reached, or gave none that holds.", f.failed);
	if (f.age_s >= 0)
		put(b, "timestamp_age_seconds", "gauge", "Age of the newest timestamp.",
		    (uint64_t)f.age_s);
	if (f.age_s >= 0)
		put(b, "timestamp_expires_seconds", "gauge",
		    "Until the certificates of the newest timestamps have ended; 0: they have.",
		    f.expires_s > 0 ? (uint64_t)f.expires_s : 0);
	put(b, "timestamps_late", "gauge",
	    "1: an authority has given none for three times --timestamp-every, or the certificates "
	    "of the newest timestamps end within 30 days.",
	    f.late);
}

static void
put_exports(struct buf *b, const struct server *s)
{
	uint64_t made, failed, bytes;
	size_t live = access_live_exports(audit_access(s->audit), &bytes);

	exporter_figures(s->exporter, &made, &failed);
	put(b, "exports", "gauge", "Exports that wait, are made or are kept.", live);
	put(b, "export_bytes", "gauge", "Bytes of bundles that are kept.", bytes);
	put(b, "exports_made_total", "counter", "Bundles that were made.", made);
	put(b, "exports_failed_total", "counter", "Exports that came to no bundle.", failed);
}

static void
put_clock(struct buf *b, struct store *store)
{
	struct clock_info c;

	store_clock_info(store, &c);
	put(b, "clock_state", "gauge",
	    "0 ok, 1 warning, 2 frozen: nothing can be purged or shortened. Alert above 0.",
	    (uint64_t)c.now.state);
	put_seconds(b, "clock_disagreement_seconds", "gauge",
		    "How far the clock that is further off is from the wall clock.",
		    (uint64_t)c.disagreement_ns);
	put_seconds(b, "clock_evidence_time_seconds", "gauge", "Evidence time, since 1970.",
		    (uint64_t)c.now.evidence_ns);
	put_seconds(b, "clock_lock_time_seconds", "gauge", "The lock clock, since 1970.",
		    (uint64_t)c.now.lock_ns);
	put(b, "clock_step_pending", "gauge",
	    "1 while the wall clock has stepped and nobody has confirmed it.", c.stepped);
	put_seconds(b, "clock_credit_seconds_total", "counter",
		    "What the lock clock was credited since the start.", (uint64_t)c.credited_ns);
	put_seconds(b, "clock_credit_left_seconds", "gauge",
		    "What gaps between boots may still add to it within this year.",
		    (uint64_t)c.credit_left_ns);
}

/* What makes queries fast, and what it costs. */
static void
put_index(struct buf *b, struct server *s, const struct store_stats *st)
{
	put(b, "sealed_file_bytes_total", "counter", "Bytes of their files.",
	    st->sealed_file_bytes);
	put(b, "sealed_index_bytes_total", "counter", "Bytes of these that are their indexes.",
	    st->sealed_index_bytes);
	put(b, "index_memory_bytes", "gauge", "Memory of the indexes of open segments.",
	    st->index_memory_bytes);
	put(b, "dictionary_memory_bytes", "gauge",
	    "Memory of the dictionaries of open segments that were read lately.",
	    st->dictionary_memory_bytes);
	put(b, "query_records_looked_at_total", "counter", "Records that queries looked at.",
	    atomic_load(&s->queries.looked_at));
	put(b, "query_records_passed_total", "counter",
	    "Records that an index ruled out: queries did not look at them.",
	    atomic_load(&s->queries.passed));
	put(b, "query_bad_indexes_total", "counter",
	    "Indexes that could not be read, by segments and queries: run stele fsck.",
	    atomic_load(&s->queries.bad_indexes));
}

static void
put_store(struct buf *b, struct server *s)
{
	struct store_stats st;

	store_stats_get(s->store, &st);
	put(b, "commits_total", "counter", "Commits written and flushed.", st.commits);
	put(b, "records_total", "counter", "Records appended.", st.records);
	put(b, "duplicates_total", "counter", "Appends answered with an earlier record.",
	    st.duplicates);
	put(b, "payload_bytes_total", "counter", "Payload bytes appended.", st.payload_bytes);
	put(b, "wal_bytes_total", "counter", "Bytes written to the write-ahead log.", st.wal_bytes);
	put(b, "wal_files", "gauge", "Files of the write-ahead log.", st.wal_files);
	put(b, "wal_disk_bytes", "gauge", "Their size on disk.", st.wal_disk_bytes);
	put_seconds(b, "flush_seconds_total", "counter", "Time in flushes.", st.flush_ns_total);
	put_seconds(b, "flush_seconds_max", "gauge", "The longest flush.", st.flush_ns_max);
	put_seconds(b, "sign_seconds_total", "counter", "Time in signatures.", st.sign_ns_total);
	put(b, "damaged_reads_total", "counter", "Reads that failed verification. Alert above 0.",
	    st.damaged_reads);
	put(b, "free_disk_bytes", "gauge", "Free space of the data directory's file system.",
	    st.free_disk_bytes);
	put(b, "catalog_commits_total", "counter", "Commits of the catalogue.", st.catalog_commits);
	put(b, "catalog_lag_commits", "gauge", "Commits that the catalogue lags behind.",
	    st.catalog_lag_commits);
	put(b, "key_digests", "gauge", "Idempotency keys remembered.", st.key_digests);
	put(b, "logs", "gauge", "Logs.", st.logs);
	put(b, "segments", "gauge", "Sealed segments.", st.segments);
	put(b, "segment_bytes", "gauge", "Their size on disk.", st.segment_bytes);
	put(b, "segments_quarantined", "gauge",
	    "Segments found damaged, not read until they are restored. Alert above 0.",
	    st.segments_quarantined);
	put(b, "segments_immutable", "gauge", "Segments whose files have the immutable attribute.",
	    st.segments_immutable);
	put(b, "segments_verity", "gauge", "Segments whose files have fs-verity.",
	    st.segments_verity);
	put(b, "segments_sealed_total", "counter", "Segments built.", st.segments_sealed);
	put(b, "sealed_payload_bytes_total", "counter", "Payload bytes in them.",
	    st.sealed_payload_bytes);
	put_index(b, s, &st);
	put(b, "uploads", "gauge", "Uploads under way or waiting for their next part.",
	    st.deposits_open);
	put(b, "upload_bytes_total", "counter", "Payload bytes that came by uploads.",
	    st.deposited_bytes);
	put(b, "uploads_dropped_total", "counter",
	    "Uploads removed: refused, cancelled, too old, or small enough for the record itself.",
	    st.deposits_dropped);
	put(b, "objects_stored_total", "counter", "Uploads committed as objects.",
	    st.objects_stored);
	put_exports(b, s);
	put_timestamps(b, s);
	put_clock(b, s->store);
	put_scrub(b, s->store);
	put_backup(b, s->store);
	put(b, "read_only", "gauge", "1 after a failed write or flush. Alert above 0.",
	    st.read_only);
	put(b, "low_space", "gauge", "1 while free space is below the limit. Alert above 0.",
	    st.low_space);
}

static void
put_witness(struct buf *b, struct server *s)
{
	struct witnesses_figures w;
	struct cosigner_figures c;

	witnesses_figures(s->witnesses, &w);
	cosigner_figures(s->cosigner, &c);
	put(b, "witnesses", "gauge", "Witnesses that are asked to cosign checkpoints.",
	    w.witnesses);
	put(b, "witness_requests_total", "counter", "Requests to them.", w.asked);
	put(b, "witness_cosignatures_total", "counter", "Cosignatures that came and verified.",
	    w.cosignatures);
	put(b, "witness_failures_total", "counter", "Requests that brought none.", w.failures);
	put(b, "witness_logs_behind", "gauge",
	    "Logs whose newest head that was sent has no quorum. Alert when it stays.", w.behind);
	put(b, "witness_conflicts", "gauge",
	    "Pairs of a log and a witness that has seen more, or another tree. Alert above 0.",
	    w.conflicts);
	put(b, "witness_logs_disputed", "gauge",
	    "Logs whose checkpoint is not served because of that. Alert above 0.", w.disputed);
	put(b, "cosigner_logs", "gauge", "Others' logs that this server is a witness of.", c.logs);
	put(b, "cosigner_cosigned_total", "counter", "Checkpoints that it cosigned.", c.cosigned);
	put(b, "cosigner_refused_total", "counter", "Requests that it did not.", c.refused);
	put(b, "cosigner_forks", "gauge", "Logs that signed two trees of one size. Alert above 0.",
	    c.forks);
}

static void
work(struct request *r, struct kit *kit)
{
	struct buf *b = &r->decoded;

	(void)kit;
	head(b, "info", "gauge", "The software.");
	buf_printf(b, "stele_info{version=\"%s\",demo=\"%s\"} 1\n", STELE_VERSION,
		   r->server->demo ? "true" : "false");
	put(b, "start_time_seconds", "gauge", "When the server started.",
	    (uint64_t)(r->server->started_ns / 1000000000));
	put(b, "keys_sealed", "gauge", "1 when the key files are sealed with a passphrase.",
	    r->server->keys_sealed);
	put(b, "selftest_passed", "gauge",
	    "1 when this start tried what must be refused, and it was; 0: the disk had no room for it. "
	    "Alert when 0.",
	    r->server->self_tested);
	put(b, "insecure", "gauge",
	    "1 while it listens beyond this machine in clear. Alert above 0.",
	    config_is_exposed(r->server->config));
	put_http(b, r->server);
	put_intake(b, r->server);
	put_tails(b, r->server);
	put_tls(b, r->server);
	put_store(b, r->server);
	put_purge(b, r->server);
	put_witness(b, r->server);
}

static void
then(struct request *r)
{
	if (r->decoded.err)
		reply_err(r, r->decoded.err);
	else
		reply_bytes(r, 200, "text/plain; version=0.0.4; charset=utf-8",
			    buf_slice(&r->decoded));
}

void
metrics_get(struct request *r)
{
	r->work = work;
	r->then = then;
	loop_work(r);
}
