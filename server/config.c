/* One table says what there is; flags and file go through the same setter. */
#include "server/config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ini.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crypto/passphrase.h"
#include "proto/entry.h"
#include "proto/err.h"
#include "proto/limits.h"

enum kind { TEXT, COUNT, SIZE, SECONDS, FLAG };

struct option {
	const char *name;
	enum kind kind;
	size_t offset;
	uint64_t min, max;
	const char *argument, *help;
};

#define AT(field) offsetof(struct config, field)
#define MIB (1ull << 20)

static const struct option options[] = {
	{"data", TEXT, AT(data), 0, 0, "DIR",
	 "the data directory; made at the first start (required)"},
	{"listen", TEXT, AT(listen), 0, 0, "ADDR:PORT",
	 "where to accept connections; port 0 takes a free one (127.0.0.1:8080)"},
	{"origin", TEXT, AT(origin), 0, 0, "NAME",
	 "the server's name, first part of every log's origin; fixed at the first start.\n"
	 "Without it the name is demo-<random> and every answer says so"},
	{"config", TEXT, AT(file), 0, 0, "FILE", "read settings from FILE; flags win over it"},
	{"tls-cert", TEXT, AT(tls_cert), 0, 0, "FILE",
	 "speak TLS, and TLS alone, with this certificate: PEM, the server's own first, then\n"
	 "whoever issued it. SIGHUP reads it and the other files of --tls-... anew"},
	{"tls-key", TEXT, AT(tls_key), 0, 0, "FILE", "the certificate's key: PEM, no passphrase"},
	{"tls-client-ca", TEXT, AT(tls_client_ca), 0, 0, "FILE",
	 "ask clients for a certificate that one of these CAs signed (PEM)"},
	{"tls-client-required", FLAG, AT(tls_client_required), 0, 0, NULL,
	 "refuse clients that show none"},
	{"tls-crl", TEXT, AT(tls_crl), 0, 0, "FILE",
	 "what those CAs revoked: PEM, a list of each. Once its time is over, no certificate counts"},
	{"passphrase-file", TEXT, AT(passphrase_file), 0, 0, "FILE",
	 "seal the key files with the passphrase in FILE's first line"},
	{"passphrase-fd", COUNT, AT(passphrase_fd), 0, INT32_MAX, "N",
	 "the same, with a line from the open file descriptor N"},
	{"passphrase-prompt", FLAG, AT(passphrase_prompt), 0, 0, NULL,
	 "the same, asked for on the terminal. Without any of the three: with the systemd\n"
	 "credential stele.passphrase, if there is one"},
	{"loops", COUNT, AT(loops), 1, LIMIT_LOOPS, "N", "event loops, each in its own thread (1)"},
	{"max-connections", COUNT, AT(max_connections), 1, 1000000, "N",
	 "more are answered 503 (4096)"},
	{"handshake-rate", COUNT, AT(handshake_rate), 0, 1000000, "N",
	 "TLS handshakes that each loop begins a second; more wait for their turn, by address\n"
	 "(500); 0: all at once"},
	{"queue-bytes", SIZE, AT(queue_bytes), MIB / 16, 1 << 30, "SIZE",
	 "records that may wait for the writer; more is answered 503 (64M)"},
	{"body-bytes", SIZE, AT(body_bytes), MIB, 1ull << 34, "SIZE",
	 "memory for large request bodies, all together (256M)"},
	{"answer-bytes", SIZE, AT(answer_bytes), MIB, 1ull << 34, "SIZE",
	 "memory for answers that peers are slow to take, all together; more are cut (256M)"},
	{"wal-file-size", SIZE, AT(wal_file_bytes), LIMIT_WAL_FILE_MIN_BYTES, 1 << 30, "SIZE",
	 "size of one write-ahead log file (64M)"},
	{"wal-files", COUNT, AT(wal_files), 1, 1000, "N",
	 "full write-ahead log files that may wait until their records are sealed (2)"},
	{"seal-after", SECONDS, AT(seal_after_ms), 1, 30 * 86400, "S",
	 "age at which a log's newest records are sealed when there are few (3600)"},
	{"scrub-rate", SIZE, AT(scrub_rate), 0, 1ull << 40, "SIZE",
	 "bytes of sealed segments a second that are read and verified again (8M); 0: never"},
	{"scrub-every", SECONDS, AT(scrub_every_ms), 1, 366 * 86400, "S",
	 "from the begin of such a pass over everything to the next one's (604800: a week)"},
	{"purge-every", SECONDS, AT(purge_every_ms), 0, 366 * 86400, "S",
	 "payloads whose retention is over go by themselves, as often; 0: only when asked (0)"},
	{"clock-warn", SECONDS, AT(clock_warn_ms), 1, 366 * 86400, "S",
	 "the clocks warn when they disagree with the wall clock by more (60)"},
	{"clock-freeze", SECONDS, AT(clock_freeze_ms), 1, 366 * 86400, "S",
	 "and by more, nothing can be purged or shortened (7200)"},
	{"clock-credit", SECONDS, AT(clock_credit_ms), 0, LIMIT_CLOCK_CREDIT_NS / 1000000000, "S",
	 "what the time between two boots adds to the lock clock at most (259200: 72 h)"},
	{"clock-credit-year", SECONDS, AT(clock_year_ms), 0, LIMIT_CLOCK_YEAR_NS / 1000000000, "S",
	 "and all of it within a year (1209600: 14 days)"},
	{"hold-after", SECONDS, AT(hold_after_ms), 1, 30 * 86400, "S",
	 "age at which records under an open-ended hold by filter are examined (300)"},
	{"export-keep", SECONDS, AT(export_keep_ms), 1, 366 * 86400, "S",
	 "an export's bundle is removed so long after it was made (604800: a week)"},
	{"export-bytes", SIZE, AT(export_bytes), MIB, 1ull << 50, "SIZE",
	 "disk space for the bundles of exports, all together (64G)"},
	{"timestamp-url", TEXT, AT(timestamp_url), 0, 0, "URL,...",
	 "have these authorities (RFC 3161) timestamp the head of _system, and so of every log"},
	{"timestamp-every", SECONDS, AT(timestamp_every_ms), LIMIT_TIMESTAMP_LEAST_S, 366 * 86400,
	 "S", "as often, when it has grown (3600)"},
	{"timestamp-ca", TEXT, AT(timestamp_ca), 0, 0, "FILE",
	 "take only what leads to one of these roots (PEM)"},
	{"min-free", SIZE, AT(min_free_bytes), 0, 1ull << 50, "SIZE",
	 "below this much free disk space appends are answered 507 (512M)"},
	{"max-object", SIZE, AT(max_object_bytes), MIB, 1ull << 50, "SIZE",
	 "a single payload of more is answered 413 (64G)"},
	{"upload-timeout", SECONDS, AT(upload_timeout_ms), 1, 604800, "S",
	 "a resumable upload that waits for its next part (3600)"},
	{"header-timeout", SECONDS, AT(header_timeout_ms), 1, 3600, "S",
	 "from a request's first byte to the end of its header (10)"},
	{"body-timeout", SECONDS, AT(body_timeout_ms), 1, 3600, "S",
	 "without a byte of a request's body (30)"},
	{"idle-timeout", SECONDS, AT(idle_timeout_ms), 1, 86400, "S",
	 "a connection without a request (75)"},
	{"write-timeout", SECONDS, AT(write_timeout_ms), 1, 3600, "S",
	 "a peer that takes nothing of its answer (30)"},
	{"tail-heartbeat", SECONDS, AT(tail_heartbeat_ms), 1, 3600, "S",
	 "of silence, before a tail says that it is there (10)"},
	{"witness-policy", TEXT, AT(witness_policy), 0, 0, "FILE",
	 "have checkpoints cosigned by the witnesses of this C2SP policy, each with its URL"},
	{"witness-logs", TEXT, AT(witness_logs), 0, 0, "PATTERNS",
	 "of these logs, a space between two patterns (\"* _*\": all, the server's own too)"},
	{"witness-require", TEXT, AT(witness_require), 0, 0, "MODE",
	 "none: publish what there is; public: publish checkpoints with a quorum alone; append:\n"
	 "and acknowledge records when such a checkpoint covers them (none)"},
	{"witness-ca", TEXT, AT(witness_ca), 0, 0, "FILE",
	 "CAs of witnesses' certificates, PEM, instead of the system's"},
	{"witness-timeout", SECONDS, AT(witness_timeout_ms), 1, 60, "S",
	 "a request to a witness may take so long, and an append wait for witnesses (5)"},
	{"witness-for", TEXT, AT(witness_for), 0, 0, "FILE",
	 "be a witness of the logs whose verifier keys FILE has, one a line: POST /add-checkpoint"},
	{"witness-name", TEXT, AT(witness_name), 0, 0, "NAME",
	 "name of the witness's key; fixed when that is made (the server's name, then /witness)"},
	{"moved", FLAG, AT(moved), 0, 0, NULL,
	 "the data directory was moved here, and its old place is gone"},
	{"unprotected", FLAG, AT(unprotected), 0, 0, NULL,
	 "do not make sealed segments immutable (chattr +i, fs-verity) where that can be"},
	{"insecure", FLAG, AT(insecure), 0, 0, NULL,
	 "listen beyond this machine even without TLS: tokens and payloads cross the network in clear"},
	{"quiet", FLAG, AT(quiet), 0, 0, NULL, "say warnings and errors only"},
	{"routes", FLAG, AT(routes), 0, 0, NULL, "print the routes and problem types as JSON"},
	{"version", FLAG, AT(version), 0, 0, NULL, "print the version"},
	{"help", FLAG, AT(help), 0, 0, NULL, "print this text"},
};

static const struct option *
find(const char *name, size_t n)
{
	size_t i;

	for (i = 0; i < sizeof options / sizeof *options; i++) {
		if (strlen(options[i].name) == n && memcmp(options[i].name, name, n) == 0)
			return &options[i];
	}
	return NULL;
}

static bool
read_number(const char *text, bool units, uint64_t *out)
{
	char *end;
	unsigned long long v;
	unsigned shift = 0;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	v = strtoull(text, &end, 10);
	if (units && *end) {
		const char *unit = strchr("KMGT", *end & ~32);

		if (!unit || end[1])
			return false;
		shift = (unsigned)(unit - "KMGT" + 1) * 10;
	} else if (*end) {
		return false;
	}
	if (errno || v > UINT64_MAX >> shift)
		return false;
	*out = (uint64_t)v << shift;
	return true;
}

/* Sets one option; the last one given wins. value is NULL for a bare flag. */
static int
set(struct config *c, const struct option *o, const char *value, struct buf *why)
{
	char *at = (char *)c + o->offset;
	uint64_t v;

	if (o->kind == FLAG) {
		bool on = !value || strcmp(value, "true") == 0 || strcmp(value, "yes") == 0;

		if (!on && strcmp(value, "false") != 0 && strcmp(value, "no") != 0) {
			buf_printf(why, "%s must be true or false, not \"%s\".", o->name, value);
			return STELE_EINVAL;
		}
		memcpy(at, &on, sizeof on);
		return 0;
	}
	if (o->kind == TEXT) {
		char *copy = strdup(value), *old;

		if (!copy)
			return STELE_ENOMEM;
		memcpy(&old, at, sizeof old);
		free(old);
		memcpy(at, &copy, sizeof copy);
		return 0;
	}
	if (!read_number(value, o->kind == SIZE, &v) || v < o->min || v > o->max) {
		buf_printf(why, "%s must be a number from %llu to %llu%s, not \"%s\".", o->name,
			   (unsigned long long)o->min, (unsigned long long)o->max,
			   o->kind == SIZE      ? " (K, M, G and T are understood)"
			   : o->kind == SECONDS ? " seconds"
						: "",
			   value);
		return STELE_EINVAL;
	}
	v *= o->kind == SECONDS ? 1000 : 1;
	memcpy(at, &v, sizeof v);
	return 0;
}

static int
read_flags(struct config *c, int argc, char **argv, struct buf *why)
{
	int i, err;

	for (i = 1; i < argc; i++) {
		const char *arg = argv[i], *value = NULL;
		const struct option *o = NULL;
		size_t n;

		if (strncmp(arg, "--", 2) == 0) {
			arg += 2;
			n = strcspn(arg, "=");
			o = find(arg, n);
			value = arg[n] ? arg + n + 1 : NULL;
		} else if (strcmp(arg, "-h") == 0) {
			o = find("help", 4);
		}
		if (!o) {
			buf_printf(why, "steled has no flag \"%s\"; steled --help lists them.",
				   argv[i]);
			return STELE_EINVAL;
		}
		if (o->kind != FLAG && !value) {
			if (i + 1 == argc) {
				buf_printf(why, "--%s needs a value: --%s %s.", o->name, o->name,
					   o->argument);
				return STELE_EINVAL;
			}
			value = argv[++i];
		}
		err = set(c, o, value, why);
		if (err)
			return err;
	}
	return 0;
}

struct file_reader {
	struct config *c;
	struct buf *why;
	int err;
};

/* inih's callback: 0 stops it. */
static int
on_key(void *user, const char *section, const char *name, const char *value)
{
	struct file_reader *f = user;
	const struct option *o = find(name, strlen(name));

	if (f->err)
		return 0;
	if ((*section && strcmp(section, "steled") != 0) || !o || strcmp(name, "config") == 0 ||
	    strcmp(name, "help") == 0 || strcmp(name, "version") == 0 ||
	    strcmp(name, "routes") == 0) {
		buf_printf(f->why, "there is no setting \"%s%s%s\".", section, *section ? "." : "",
			   name);
		f->err = STELE_EINVAL;
		return 0;
	}
	f->err = set(f->c, o, value, f->why);
	return f->err == 0;
}

static int
read_file(struct config *c, const char *path, struct buf *why)
{
	struct file_reader f = {.c = c, .why = why};
	int line;

	buf_printf(why, "%s: ", path);
	line = ini_parse(path, on_key, &f);
	if (line == 0) {
		buf_reset(why);
		return 0;
	}
	if (line == -1)
		buf_printf(why, "it cannot be read: %s.", strerror(errno));
	else if (!f.err)
		buf_printf(why, "line %d is not \"name = value\".", line);
	else
		buf_printf(why, " (line %d)", line);
	return STELE_EINVAL;
}

static bool
is_loopback(const struct sockaddr_storage *a)
{
	if (a->ss_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)a)->sin_addr.s_addr) >> 24 == 127;
	return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)a)->sin6_addr);
}

bool
config_is_exposed(const struct config *c)
{
	return !is_loopback(&c->address) && !c->tls_cert;
}

static int
read_listen(struct config *c, struct buf *why)
{
	struct addrinfo want = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
				.ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	const char *colon = strrchr(c->listen, ':');
	char host[64];
	size_t n = colon ? (size_t)(colon - c->listen) : 0;
	uint64_t port;
	const char *from = c->listen;

	if (n > 2 && from[0] == '[' && from[n - 1] == ']')
		from++, n -= 2;
	if (colon && n > 0 && n < sizeof host && read_number(colon + 1, false, &port) &&
	    port <= UINT16_MAX) { /* getaddrinfo takes larger ones, modulo 65536 */
		memcpy(host, from, n);
		host[n] = '\0';
		if (getaddrinfo(host, colon + 1, &want, &found) != 0)
			found = NULL;
	}
	if (!found) {
		buf_printf(why,
			   "listen must be ADDRESS:PORT in numbers, such as 127.0.0.1:8080 or "
			   "[::1]:0, not \"%s\".",
			   c->listen);
		return STELE_EINVAL;
	}
	memcpy(&c->address, found->ai_addr, found->ai_addrlen);
	c->address_len = found->ai_addrlen;
	freeaddrinfo(found);
	if (!config_is_exposed(c) || c->insecure)
		return 0;
	buf_printf(why,
		   "%s can be reached from other machines: tokens and payloads would cross the "
		   "network in clear. Give --tls-cert FILE and --tls-key FILE; or, if that is what "
		   "you want, --insecure.",
		   c->listen);
	return STELE_EINVAL;
}

/* Which of the files need which. */
static int
check_files(const struct config *c, struct buf *why)
{
	if (!c->tls_cert != !c->tls_key)
		buf_printf(why, "--tls-cert and --tls-key belong together: give --tls-%s FILE too.",
			   c->tls_cert ? "key" : "cert");
	else if (c->tls_client_ca && !c->tls_cert)
		buf_put_str(why, "--tls-client-ca asks clients for certificates under TLS: give "
				 "--tls-cert FILE and --tls-key FILE too.");
	else if ((c->tls_crl || c->tls_client_required) && !c->tls_client_ca)
		buf_printf(why,
			   "--tls-%s is about certificates of clients: give --tls-client-ca FILE "
			   "too, with the CAs that sign them.",
			   c->tls_crl ? "crl" : "client-required");
	else if (c->timestamp_ca && !c->timestamp_url)
		buf_put_str(why, "--timestamp-ca is about authorities: give --timestamp-url too.");
	else
		return 0;
	return STELE_EINVAL;
}

/* At a first start it is typed twice: a slip would seal the keys for ever. */
static int
read_passphrase(struct config *c, struct buf *why)
{
	struct passphrase_source source = {
		.file = c->passphrase_file, .fd = c->passphrase_fd, .prompt = c->passphrase_prompt};
	char id[LIMIT_PATH_BYTES];
	struct buf text;
	int err;

	if (snprintf(id, sizeof id, "%s/stele.id", c->data) < (int)sizeof id)
		source.twice = access(id, F_OK) != 0;
	buf_init(&text);
	err = passphrase_read(&text, &source, why);
	if (err == 0 && text.n) {
		c->passphrase = (char *)text.p; /* wiped to its length: nothing lies behind it */
		return 0;
	}
	if (err == STELE_EINVAL)
		buf_put_u8(why, '.');
	passphrase_wipe(&text);
	return err;
}

static int
finish(struct config *c, struct buf *why)
{
	int err;

	if (c->help || c->version || c->routes)
		return 0;
	if (!c->data || !*c->data) {
		buf_put_str(why, "Say where the data is: steled --data DIR.");
		return STELE_EINVAL;
	}
	if (c->origin && !entry_server_name_valid(slice_str(c->origin))) {
		buf_printf(why,
			   "origin must be 1 to 127 printable ASCII characters without space, + "
			   "and /, such as ledger.example.com, not \"%s\".",
			   c->origin);
		return STELE_EINVAL;
	}
	err = check_files(c, why);
	if (!err)
		err = read_listen(c, why);
	return err ? err : read_passphrase(c, why);
}

int
config_read(struct config *c, int argc, char **argv, struct buf *why)
{
	struct config defaults = {
		.passphrase_fd = PASSPHRASE_NO_FD,
		.loops = 1,
		.max_connections = LIMIT_CONNECTIONS,
		.handshake_rate = LIMIT_TLS_HANDSHAKES_PER_S,
		.queue_bytes = LIMIT_QUEUE_BYTES,
		.body_bytes = LIMIT_BODIES_BYTES,
		.answer_bytes = LIMIT_ANSWERS_BYTES,
		.scrub_rate = LIMIT_SCRUB_RATE,
		.clock_warn_ms = LIMIT_CLOCK_WARN_S * 1000,
		.clock_freeze_ms = LIMIT_CLOCK_FREEZE_S * 1000,
		.clock_credit_ms = LIMIT_CLOCK_CREDIT_NS / 1000000,
		.clock_year_ms = LIMIT_CLOCK_YEAR_NS / 1000000,
		.export_keep_ms = LIMIT_EXPORT_KEEP_S * 1000ull,
		.export_bytes = LIMIT_EXPORT_BYTES,
		.timestamp_every_ms = LIMIT_TIMESTAMP_EVERY_S * 1000ull,
		.min_free_bytes = LIMIT_FREE_BYTES,
		.max_object_bytes = LIMIT_OBJECT_BYTES,
		.hold_after_ms = LIMIT_HOLD_AFTER_S * 1000,
		.upload_timeout_ms = LIMIT_UPLOAD_TIMEOUT_MS,
		.header_timeout_ms = LIMIT_HEADER_TIMEOUT_MS,
		.body_timeout_ms = LIMIT_BODY_TIMEOUT_MS,
		.idle_timeout_ms = LIMIT_IDLE_TIMEOUT_MS,
		.write_timeout_ms = LIMIT_WRITE_TIMEOUT_MS,
		.witness_timeout_ms = LIMIT_WITNESS_TIMEOUT_MS,
		.tail_heartbeat_ms = LIMIT_TAIL_HEARTBEAT_MS,
	};
	int err;

	*c = defaults;
	err = read_flags(c, argc, argv, why);
	if (!err && c->file && !c->help && !c->version) {
		char *file = strdup(c->file);

		err = file ? read_file(c, file, why) : STELE_ENOMEM;
		free(file);
		if (!err)
			err = read_flags(c, argc, argv, why);
	}
	if (!err && !c->listen)
		err = (c->listen = strdup("127.0.0.1:8080")) ? 0 : STELE_ENOMEM;
	return err ? err : finish(c, why);
}

void
config_forget_passphrase(struct config *c)
{
	if (c->passphrase)
		explicit_bzero(c->passphrase, strlen(c->passphrase));
	free(c->passphrase);
	c->passphrase = NULL;
}

void
config_fini(struct config *c)
{
	config_forget_passphrase(c);
	free(c->data);
	free(c->listen);
	free(c->origin);
	free(c->file);
	free(c->passphrase_file);
	free(c->witness_policy);
	free(c->witness_logs);
	free(c->witness_require);
	free(c->witness_ca);
	free(c->witness_for);
	free(c->witness_name);
	free(c->tls_cert);
	free(c->tls_key);
	free(c->tls_client_ca);
	free(c->tls_crl);
	free(c->timestamp_url);
	free(c->timestamp_ca);
	memset(c, 0, sizeof *c);
}

void
config_help(struct buf *out)
{
	size_t i;

	buf_put_str(
		out,
		"steled - keeps audit events so that nobody can quietly change them\n\n"
		"  steled --data DIR [--listen ADDR:PORT] [--origin NAME] [flags]\n\n"
		"Try it: steled --data /tmp/demo, then in another terminal\n"
		"  export STELE_SERVER=http://127.0.0.1:8080 STELE_TOKEN=@/tmp/demo/admin.token\n"
		"  stele log create payments\n"
		"  echo '{\"amount\":12}' | stele append payments\n\n"
		"The first line on stdout says where it listens. SIGTERM answers what is in\n"
		"flight and exits 0.\n\nFlags:\n");
	for (i = 0; i < sizeof options / sizeof *options; i++) {
		const struct option *o = &options[i];
		const char *line = o->help, *nl;
		char left[40];

		snprintf(left, sizeof left, "--%s%s%s", o->name, o->argument ? " " : "",
			 o->argument ? o->argument : "");
		for (; (nl = strchr(line, '\n')); line = nl + 1, left[0] = '\0')
			buf_printf(out, "  %-24s %.*s\n", left, (int)(nl - line), line);
		buf_printf(out, "  %-24s %s\n", left, line);
	}
	buf_put_str(out, "\nThe same names, without dashes before them, may stand in the file of "
			 "--config, one\n\"name = value\" a line. Sizes take K, M, G and T.\n");
}

void
config_url(struct buf *out, const struct config *c)
{
	const char *scheme = c->tls_cert ? "https" : "http";
	char text[INET6_ADDRSTRLEN] = "";

	if (c->address.ss_family == AF_INET) {
		const struct sockaddr_in *a = (const void *)&c->address;

		inet_ntop(AF_INET, &a->sin_addr, text, sizeof text);
		buf_printf(out, "%s://%s:%u", scheme, text, ntohs(a->sin_port));
	} else {
		const struct sockaddr_in6 *a = (const void *)&c->address;

		inet_ntop(AF_INET6, &a->sin6_addr, text, sizeof text);
		buf_printf(out, "%s://[%s]:%u", scheme, text, ntohs(a->sin6_port));
	}
}
