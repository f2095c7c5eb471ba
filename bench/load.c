/* stele-load: options in, one run of the client, one line of JSON out. */
#include <arpa/inet.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/client.h"
#include "bench/events.h"
#include "bench/requests.h"
#include "proto/err.h"

static const char usage[] =
	"usage: stele-load --url http[s]://127.0.0.1:PORT [OPTION]...\n"
	"Sends requests over keep-alive connections from one thread, checks every answer's\n"
	"status and prints one line of JSON. Exit status: 0 all answers as expected, 1 not,\n"
	"3 usage or unreadable input.\n"
	"\n"
	"  --ca FILE             who issued an https server's certificate: PEM\n"
	"  --fresh               a connection a request: with --get\n"
	"  --resume              and under TLS its session is resumed\n"
	"  --path PATH           request target (/api/v1/logs/bench/records)\n"
	"  --get N               GET, not POST: N requests prepared\n"
	"  --indexes FIRST:N     what {} in PATH becomes: drawn from N for a GET, in turn for POSTs (0:1)\n"
	"  --connections N       (64)\n"
	"  --rate R              open loop: R requests a second, latency from the instant due\n"
	"  --event-rate R        the same by events: as many requests as carry R events a second\n"
	"  --duration S          seconds that count (5); --count N ends after N requests instead\n"
	"  --warmup S            seconds before that do not count (0)\n"
	"  --events FILE         bodies from the lines of FILE (.zst is decompressed)\n"
	"  --generate KIND:N     or N generated events, KIND cloud, kubernetes or mixed (cloud:16384)\n"
	"  --seed N              of the generated events (1)\n"
	"  --batch-bytes N       NDJSON bodies of up to N bytes, not one event each\n"
	"  --token T             bearer token, or @FILE\n"
	"  --type MEDIA          (application/json, or application/x-ndjson for batches)\n"
	"  --minimal             Prefer: return=minimal\n"
	"  --keys PREFIX         a unique Idempotency-Key per request: PREFIX and a counter\n"
	"  --expect STATUS       the right answer (201, or 200 with --get)\n"
	"  --pid PID             sample this process's memory and CPU, every --sample S seconds (1)\n"
	"\n"
	"example: stele-load --url http://127.0.0.1:8080 --token @data/admin.token --minimal\n";

struct options {
	struct client_plan plan;
	struct request_form form;
	struct sockaddr_in addr;
	bool https, resume;
	const char *ca;
	const char *events_path;
	enum events_kind kind;
	size_t n_generated;
	uint64_t seed;
	size_t n_gets;
	double event_rate; /* 0: not asked for */
	char host[64];
	char token[256];
};

_Noreturn static void
die(const char *what, const char *arg)
{
	fprintf(stderr, "stele-load: %s%s%s\nTry 'stele-load --help'.\n", what, arg ? ": " : "",
		arg ? arg : "");
	exit(3);
}

static double
number(const char *text, double min, double max)
{
	char *end;
	double v = strtod(text, &end);

	if (end == text || *end || !(v >= min && v <= max))
		die("not a number in range", text);
	return v;
}

static void
set_url(struct options *o, const char *url)
{
	char scheme[6] = "", address[32] = "";
	unsigned port = 0;

	if (sscanf(url, "%5[a-z]://%31[0-9.]:%5u", scheme, address, &port) != 3 || port == 0 ||
	    port > 65535 || (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
		die("want http[s]://ADDRESS:PORT with an IPv4 address", url);
	o->https = strcmp(scheme, "https") == 0;
	o->addr.sin_family = AF_INET;
	o->addr.sin_port = htons((uint16_t)port);
	if (inet_pton(AF_INET, address, &o->addr.sin_addr) != 1)
		die("not an IPv4 address", address);
	snprintf(o->host, sizeof o->host, "%s:%u", address, port);
	o->form.host = o->host;
}

static void
set_token(struct options *o, const char *arg)
{
	snprintf(o->token, sizeof o->token, "%s", arg);
	if (arg[0] == '@') {
		FILE *f = fopen(arg + 1, "r");
		if (!f || !fgets(o->token, sizeof o->token, f))
			die("cannot read the token", arg + 1);
		fclose(f);
		o->token[strcspn(o->token, "\r\n")] = '\0';
	}
	o->form.token = o->token;
}

static void
set_generate(struct options *o, const char *arg)
{
	if (events_read_kind(arg, &o->kind, &o->n_generated) != 0)
		die("want cloud:N, kubernetes:N or mixed:N", arg);
}

static void
set_indexes(struct options *o, const char *arg)
{
	if (sscanf(arg, "%" SCNu64 ":%" SCNu64, &o->form.first_index, &o->form.n_indexes) != 2)
		die("want FIRST:N", arg);
}

static const struct option longopts[] = {
	{"url", required_argument, NULL, 'u'},
	{"ca", required_argument, NULL, 'C'},
	{"fresh", no_argument, NULL, 'f'},
	{"resume", no_argument, NULL, 'R'},
	{"path", required_argument, NULL, 'p'},
	{"get", required_argument, NULL, 'g'},
	{"indexes", required_argument, NULL, 'i'},
	{"connections", required_argument, NULL, 'c'},
	{"rate", required_argument, NULL, 'r'},
	{"event-rate", required_argument, NULL, 'E'},
	{"duration", required_argument, NULL, 'd'},
	{"count", required_argument, NULL, 'n'},
	{"warmup", required_argument, NULL, 'w'},
	{"events", required_argument, NULL, 'e'},
	{"generate", required_argument, NULL, 'G'},
	{"seed", required_argument, NULL, 's'},
	{"batch-bytes", required_argument, NULL, 'b'},
	{"token", required_argument, NULL, 't'},
	{"type", required_argument, NULL, 'T'},
	{"minimal", no_argument, NULL, 'm'},
	{"keys", required_argument, NULL, 'k'},
	{"expect", required_argument, NULL, 'x'},
	{"pid", required_argument, NULL, 'P'},
	{"sample", required_argument, NULL, 'S'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

/* Options of how the load runs. False when opt is not one of them. */
static bool
set_plan(struct client_plan *plan, int opt, const char *arg)
{
	switch (opt) {
	case 'c':
		plan->connections = (unsigned)number(arg, 1, 65000);
		return true;
	case 'r':
		plan->rate = number(arg, 0.01, 1e7);
		return true;
	case 'd':
		plan->duration_ns = (uint64_t)(number(arg, 0.001, 1e6) * 1e9);
		return true;
	case 'n':
		plan->count = (uint64_t)number(arg, 1, 1e15);
		plan->duration_ns = 0;
		return true;
	case 'w':
		plan->warmup_ns = (uint64_t)(number(arg, 0, 1e6) * 1e9);
		return true;
	case 'x':
		plan->expect = (unsigned)number(arg, 100, 599);
		return true;
	case 'f':
		plan->fresh = true;
		return true;
	case 'P':
		plan->pid = (pid_t)number(arg, 1, 1 << 30);
		return true;
	case 'S':
		plan->sample_ns = (uint64_t)(number(arg, 0.01, 1e6) * 1e9);
		return true;
	default:
		return false;
	}
}

/* Options of what is sent. */
static void
set_form(struct options *o, int opt, char *arg)
{
	switch (opt) {
	case 'u':
		set_url(o, arg);
		break;
	case 'C':
		o->ca = arg;
		break;
	case 'R':
		o->resume = true;
		break;
	case 'p':
		o->form.path = arg;
		break;
	case 'E':
		o->event_rate = number(arg, 0.01, 1e9);
		break;
	case 'g':
		o->form.method = "GET";
		o->n_gets = (size_t)number(arg, 1, 1e7);
		break;
	case 'i':
		set_indexes(o, arg);
		break;
	case 'e':
		o->events_path = arg;
		break;
	case 'G':
		set_generate(o, arg);
		break;
	case 's':
		o->seed = (uint64_t)number(arg, 0, 1e15);
		break;
	case 'b':
		o->form.batch_bytes = (size_t)number(arg, 1, 1e9);
		break;
	case 't':
		set_token(o, arg);
		break;
	case 'T':
		o->form.media_type = arg;
		break;
	case 'm':
		o->form.minimal = 1;
		break;
	case 'k':
		o->form.key_prefix = arg;
		break;
	case 'h':
		fputs(usage, stdout);
		exit(0);
	default:
		die("unknown option, or one without its value", NULL);
	}
}

static void
parse_options(struct options *o, int argc, char **argv)
{
	int opt;

	memset(o, 0, sizeof *o);
	o->plan.connections = 64;
	o->plan.duration_ns = 5000000000u;
	o->plan.sample_ns = 1000000000u;
	o->form.method = "POST";
	o->form.path = "/api/v1/logs/bench/records";
	o->form.n_indexes = 1;
	o->n_generated = 16384;
	o->seed = 1;
	while ((opt = getopt_long(argc, argv, "", longopts, NULL)) != -1)
		if (!set_plan(&o->plan, opt, optarg))
			set_form(o, opt, optarg);
	if (optind < argc)
		die("unexpected argument", argv[optind]);
	if (!o->form.host)
		die("--url is missing", NULL);
	if (o->https != (o->ca != NULL))
		die("--ca FILE belongs to an https URL, and an https URL needs it", NULL);
	if ((o->plan.fresh && !o->n_gets) || (o->resume && !(o->plan.fresh && o->https)))
		die("--fresh needs --get, and --resume both and https", NULL);
	if (!o->form.media_type)
		o->form.media_type =
			o->form.batch_bytes ? "application/x-ndjson" : "application/json";
	if (!o->plan.expect)
		o->plan.expect = o->n_gets ? 200 : 201;
}

static int
prepare(struct request_set *set, const struct options *o)
{
	struct events events = {0};
	int err;

	if (o->n_gets)
		return requests_gets(set, &o->form, o->n_gets);
	if (o->events_path)
		err = events_load(&events, o->events_path);
	else
		err = events_generate(&events, o->kind, o->seed, o->n_generated);
	if (err) {
		fprintf(stderr, "stele-load: cannot prepare events from %s: %s\n",
			o->events_path ? o->events_path : "the generator", stele_strerror(err));
		return err;
	}
	err = requests_posts(set, &o->form, &events);
	events_fini(&events);
	return err;
}

/* Requests a second that carry so many events, all bodies being sent equally often. */
static double
requests_of(double event_rate, const struct request_set *set)
{
	double events = 0;

	for (size_t i = 0; i < set->n; i++)
		events += set->items[i].events;
	return event_rate * (double)set->n / events;
}

static void
print_histogram(const char *name, const struct histogram *h)
{
	static const struct {
		const char *name;
		double q;
	} points[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}, {"max", 1}};

	printf(",\"%s\":{", name);
	for (size_t i = 0; i < sizeof points / sizeof *points; i++)
		printf("%s\"%s\":%.1f", i ? "," : "", points[i].name,
		       (double)histogram_quantile(h, points[i].q) / 1e3);
	putchar('}');
}

static void
print_result(const struct options *o, const struct client_result *r)
{
	double s = r->seconds > 0 ? r->seconds : 1;

	printf("{\"requests\":%" PRIu64 ",\"events\":%" PRIu64 ",\"body_bytes\":%" PRIu64
	       ",\"sent_bytes\":%" PRIu64 ",\"received_bytes\":%" PRIu64 ",\"seconds\":%.4f",
	       r->requests, r->events, r->bytes_body, r->bytes_sent, r->bytes_received, r->seconds);
	printf(",\"requests_per_s\":%.1f,\"events_per_s\":%.1f,\"mb_per_s\":%.2f",
	       (double)r->requests / s, (double)r->events / s, (double)r->bytes_body / s / 1e6);
	printf(",\"connections\":%u,\"target_rate\":%.1f,\"acknowledged\":%" PRIu64
	       ",\"wrong\":%" PRIu64 ",\"unanswered\":%" PRIu64 ",\"resumed\":%" PRIu64
	       ",\"load_cpu_s\":%.3f",
	       o->plan.connections, o->plan.rate, r->acknowledged, r->wrong, r->unanswered,
	       r->resumed, r->cpu_s);
	print_histogram("latency_us", &r->latency);
	if (o->plan.rate > 0)
		print_histogram("lateness_us", &r->lateness);
	if (o->plan.pid) {
		printf(",\"samples\":[");
		for (size_t i = 0; i < r->n_samples; i++)
			printf("%s{\"at_s\":%.2f,\"requests\":%" PRIu64 ",\"rss_kib\":%" PRIu64
			       ",\"rss_anon_kib\":%" PRIu64 ",\"cpu_s\":%.2f}",
			       i ? "," : "", r->samples[i].at_s, r->samples[i].requests,
			       r->samples[i].stat.rss_kib, r->samples[i].stat.rss_anon_kib,
			       r->samples[i].stat.cpu_s);
		putchar(']');
	}
	puts("}");
}

int
main(int argc, char **argv)
{
	static struct client_result result;
	struct request_set set = {0};
	struct links links;
	struct options o;
	int err;

	parse_options(&o, argc, argv);
	if (links_init(&links, &o.addr, o.ca, o.resume) != 0)
		die("cannot read the certificates", o.ca);
	o.plan.links = &links;
	if (prepare(&set, &o) != 0)
		return 3;
	if (o.event_rate > 0)
		o.plan.rate = requests_of(o.event_rate, &set);
	err = client_run(&result, &o.plan, &set);
	print_result(&o, &result);
	if (result.failure[0])
		fprintf(stderr, "stele-load: %s\n", result.failure);
	client_result_fini(&result);
	requests_fini(&set);
	links_fini(&links);
	return err ? 1 : 0;
}
