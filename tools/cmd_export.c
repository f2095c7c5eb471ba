/* stele export; export list, show, get, remove. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "proto/checkpoint.h"
#include "proto/limits.h"
#include "proto/note.h"
#include "tools/api.h"
#include "tools/commands.h"
#include "tools/export_file.h"
#include "tools/progress.h"
#include "tools/query_args.h"
#include "tools/range_args.h"
#include "tools/when.h"

#define EXPORTS "/api/v1/exports"

enum { POLL_US = 200000, CHECKPOINT_BYTES = 65536 };

/* --- what is shown -------------------------------------------------------------------------------
 */

static void
print_logs(const json_t *doc)
{
	bool finished = json_object_get(doc, "sha256") != NULL;
	const json_t *row;
	size_t i;

	json_array_foreach(json_object_get(doc, "logs"), i, row)
	{
		if (!finished) {
			printf("log       %s, %lld entries then\n", api_text(row, "log"),
			       api_number(row, "size"));
			continue;
		}
		printf("log       %s at size %lld: %lld entries, of which %lld with payload, %lld "
		       "withheld, %lld purged; %lld bytes\n",
		       api_text(row, "log"), api_number(row, "size"), api_number(row, "entries"),
		       api_number(row, "payloads"), api_number(row, "withheld"),
		       api_number(row, "purged"), api_number(row, "bytes"));
	}
}

static void
print_export(const json_t *doc)
{
	const json_t *request = json_object_get(doc, "request");
	const char *state = api_text(doc, "state");

	printf("export    %s, a %s, %s\n", api_text(doc, "id"), api_text(request, "kind"), state);
	printf("begun     %s by %s\n", api_text(doc, "begun"), api_text(doc, "by"));
	if (json_object_get(request, "reason"))
		printf("reason    %s\n", api_text(request, "reason"));
	print_logs(doc);
	if (json_object_get(doc, "sha256"))
		printf("bundle    %lld bytes, SHA-256 %s\n", api_number(doc, "bytes"),
		       api_text(doc, "sha256"));
	if (json_object_get(doc, "expires"))
		printf("kept      until %s: stele export get %s\n", api_text(doc, "expires"),
		       api_text(doc, "id"));
	if (strcmp(state, "failed") == 0)
		printf("failed    %s: %s\n", api_text(doc, "failed"), api_text(doc, "reason"));
	if (strcmp(state, "removed") == 0)
		printf("removed   %s: %s\n", api_text(doc, "removed"), api_text(doc, "why"));
}

/* GET of one: *doc is the caller's. */
static int
look(struct cli *cli, const char *id, json_t **doc)
{
	struct http_call c;
	struct buf target;
	int rc;

	buf_init(&target);
	api_put_target(&target, EXPORTS, id, "");
	rc = api_get(cli, &c, api_cstr(&target), NULL, "look at the export");
	if (rc == CLI_GO && !(*doc = api_json(&c, "look at the export")))
		rc = CLI_REFUSED;
	http_call_fini(&c);
	buf_fini(&target);
	return rc;
}

/* --- waiting -------------------------------------------------------------------------------------
 */

static bool
is_under_way(const json_t *doc)
{
	const char *state = api_text(doc, "state");

	return strcmp(state, "waiting") == 0 || strcmp(state, "running") == 0;
}

/* Looks until it has ended; *doc is replaced. */
static int
follow(struct cli *cli, json_t **doc)
{
	char id[64];
	struct progress p;
	int rc = CLI_GO;

	snprintf(id, sizeof id, "%s", api_text(*doc, "id"));
	progress_init(&p);
	while (rc == CLI_GO && is_under_way(*doc)) {
		const json_t *so_far = json_object_get(*doc, "progress");
		char note[64];
		snprintf(note, sizeof note, so_far ? "of %lld entries" : "(waiting)",
			 api_number(so_far, "of"));
		progress_show(&p, (uint64_t)api_number(so_far, "entries"),
			      (uint64_t)api_number(so_far, "bytes"), note);
		usleep(POLL_US);
		json_decref(*doc);
		*doc = NULL;
		rc = look(cli, id, doc);
	}
	progress_clear(&p);
	return rc;
}

static int
say_end(const json_t *doc)
{
	const char *state = api_text(doc, "state");

	if (strcmp(state, "finished") == 0)
		return CLI_GO;
	if (strcmp(state, "failed") == 0)
		cli_say("export %s failed: %s", api_text(doc, "id"), api_text(doc, "reason"));
	else
		cli_say("export %s was removed: %s", api_text(doc, "id"), api_text(doc, "why"));
	return CLI_REFUSED;
}

/* The bundle of one that is there, or will be, into files. */
static int
fetch(struct export_file *f, json_t *doc)
{
	json_t *names = NULL, *v;
	size_t i;
	int rc = follow(f->cli, &doc);

	if (rc == CLI_GO)
		rc = say_end(doc);
	if (rc == CLI_GO)
		rc = export_file_get(f, doc, &names);
	if (rc == CLI_GO) {
		if (f->cli->json)
			json_object_set(doc, "files", names);
		rc = api_print(f->cli, doc, print_export);
	}
	json_array_foreach(names, i, v)
	{
		if (rc == CLI_DONE && !f->cli->json)
			printf("file      %s\n", json_string_value(v));
	}
	json_decref(names);
	json_decref(doc);
	return rc;
}

/* --- export --------------------------------------------------------------------------------------
 */

struct asked {
	struct export_file file;
	struct query_args terms;
	struct cli_texts since;
	const char *kind, *received_from, *received_to, *from, *to, *filter, *records, *hold,
		*matter, *reason;
	uint64_t first_index, last_index;
	bool certify, detach;
};

static int
put_time(const struct cli_command *self, json_t *doc, const char *name, const char *option,
	 const char *text)
{
	struct buf when;
	int rc;

	if (!text)
		return CLI_GO;
	buf_init(&when);
	rc = query_args_time(self, &when, option, text);
	if (rc == CLI_GO)
		api_set_text(doc, name, api_cstr(&when));
	buf_fini(&when);
	return rc;
}

static void
put_terms(const struct query_args *a, json_t *doc)
{
	struct cli_option names[QUERY_ARGS_TERMS];

	query_args_options((struct query_args *)(uintptr_t)a, names);
	for (size_t i = 0; i < QUERY_ARGS_TERMS; i++) {
		const struct cli_texts *t = &a->value[i];
		char name[32];
		json_t *list;
		if (t->n == 0)
			continue;
		snprintf(name, sizeof name, "%s", names[i].name);
		for (char *at = strchr(name, '-'); at; at = strchr(at, '-'))
			*at = '_';
		list = json_array();
		for (size_t k = 0; k < t->n; k++)
			json_array_append_new(list, json_string(t->text[k]));
		json_object_set_new(doc, name, list);
	}
}

/* A checkpoint that somebody kept: its log and size, whoever signed it; the bundle's proof is held
 * against it by who has it. */
static int
put_since(json_t *since, const char *file)
{
	struct buf text, log;
	struct checkpoint c;
	struct note note;
	const char *slash;
	json_t *list;
	int rc;

	buf_init(&text);
	buf_init(&log);
	rc = cli_read_file(&text, file, CHECKPOINT_BYTES);
	if (rc == CLI_GO &&
	    (note_parse(&note, buf_slice(&text)) != 0 || checkpoint_parse(&c, note.text) != 0)) {
		cli_say("%s is no signed checkpoint", file);
		rc = CLI_USAGE;
	}
	if (rc == CLI_GO) {
		buf_put_slice(&log, c.origin);
		slash = strrchr(api_cstr(&log), '/');
		list = slash ? json_object_get(since, slash + 1) : NULL;
		if (slash && !list) {
			list = json_array();
			json_object_set_new(since, slash + 1, list);
		}
		json_array_append_new(list, json_integer((json_int_t)c.size));
	}
	buf_fini(&text);
	buf_fini(&log);
	return rc;
}

static int
by_size(const void *left, const void *right)
{
	json_int_t a = *(const json_int_t *)left, b = *(const json_int_t *)right;

	return (a > b) - (a < b);
}

/* Ascending, none twice. */
static void
sort_sizes(json_t *since)
{
	const char *log;
	json_t *list;

	json_object_foreach(since, log, list)
	{
		size_t n = json_array_size(list);
		json_int_t *sizes = calloc(n + 1, sizeof *sizes);
		for (size_t i = 0; sizes && i < n; i++)
			sizes[i] = json_integer_value(json_array_get(list, i));
		if (sizes)
			qsort(sizes, n, sizeof *sizes, by_size);
		json_array_clear(list);
		for (size_t i = 0; sizes && i < n; i++)
			if (i == 0 || sizes[i] != sizes[i - 1])
				json_array_append_new(list, json_integer(sizes[i]));
		free(sizes);
	}
}

static int
put_all_since(const struct asked *a, json_t *doc)
{
	json_t *since;
	int rc = CLI_GO;

	if (a->since.n == 0)
		return CLI_GO;
	since = json_object();
	for (size_t i = 0; rc == CLI_GO && i < a->since.n; i++)
		rc = put_since(since, a->since.text[i]);
	sort_sizes(since);
	json_object_set_new(doc, "since", since);
	return rc;
}

/* Records of one log, by their indexes. */
static int
put_records(const struct cli_command *self, const struct asked *a, json_t *doc, int n, char **logs)
{
	json_t *list, *records;

	if (!a->records)
		return CLI_GO;
	list = range_args_list(a->records);
	if (!list || n != 1 || strchr(logs[0], '*')) {
		json_decref(list);
		return cli_usage(self, "--records is INDEX[-INDEX],… of one LOG");
	}
	records = json_object();
	json_object_set_new(records, logs[0], list);
	json_object_set_new(doc, "records", records);
	return CLI_GO;
}

static int
make_body(const struct cli_command *self, const struct asked *a, int n, char **logs, json_t *doc)
{
	json_t *list = json_array();
	int rc;

	for (int i = 0; i < n; i++)
		json_array_append_new(list, json_string(logs[i]));
	if (n)
		json_object_set(doc, "logs", list);
	json_decref(list);
	api_set_text(doc, "kind", a->kind);
	if (a->first_index != UINT64_MAX)
		json_object_set_new(doc, "first", json_integer((json_int_t)a->first_index));
	if (a->last_index != UINT64_MAX)
		json_object_set_new(doc, "last", json_integer((json_int_t)a->last_index));
	rc = put_time(self, doc, "received_from", "received-from", a->received_from);
	if (rc == CLI_GO)
		rc = put_time(self, doc, "received_to", "received-to", a->received_to);
	if (rc == CLI_GO)
		rc = put_time(self, doc, "from", "from", a->from);
	if (rc == CLI_GO)
		rc = put_time(self, doc, "to", "to", a->to);
	put_terms(&a->terms, doc);
	api_set_text(doc, "filter", a->filter);
	api_set_text(doc, "hold", a->hold);
	api_set_text(doc, "matter", a->matter);
	api_set_text(doc, "reason", a->reason);
	if (a->certify)
		json_object_set_new(doc, "certify", json_true());
	if (rc == CLI_GO)
		rc = put_records(self, a, doc, n, logs);
	return rc == CLI_GO ? put_all_since(a, doc) : rc;
}

static int
parse(struct cli *cli, const struct cli_command *self, int argc, char **argv, struct asked *a,
      int *n)
{
	const struct cli_option rest[] = {
		{"kind", 0, CLI_TEXT, &a->kind, "KIND",
		 "range, or selection; else as it is asked for"},
		{"first", 0, CLI_NUMBER, &a->first_index, "INDEX", "a range from there (0)"},
		{"last", 0, CLI_NUMBER, &a->last_index, "INDEX", "to there (the log's end)"},
		{"received-from", 0, CLI_TEXT, &a->received_from, "TIME",
		 "a range of what was received from then on"},
		{"received-to", 0, CLI_TEXT, &a->received_to, "TIME", "and before then"},
		{"from", 0, CLI_TEXT, &a->from, "TIME", "events not before (event time)"},
		{"to", 0, CLI_TEXT, &a->to, "TIME", "events before"},
		{"filter", 0, CLI_TEXT, &a->filter, "FILTER",
		 "a filter over fields and JSON paths"},
		{"records", 0, CLI_TEXT, &a->records, "LIST", "these records of one LOG: 3,7-9"},
		{"hold", 0, CLI_TEXT, &a->hold, "ID", "what this legal hold covers"},
		{"matter", 0, CLI_TEXT, &a->matter, "CASE", "what the holds of this matter cover"},
		{"certify", 0, CLI_FLAG, &a->certify, NULL,
		 "with a search certificate of the filter"},
		{"since", 0, CLI_TEXTS, &a->since, "FILE",
		 "prove growth from this checkpoint, which was kept"},
		{"reason", 0, CLI_TEXT, &a->reason, "TEXT",
		 "why; kept for ever, and in the bundle"},
		{"output", 'o', CLI_TEXT, &a->file.output, "FILE", "where it goes (stele-ID.zip)"},
		{"split", 0, CLI_NUMBER, &a->file.split_bytes, "SIZE",
		 "in pieces: FILE.001, FILE.002, … (joined by cat)"},
		{"encrypt-to", 0, CLI_TEXTS, &a->file.recipients, "age1…",
		 "encrypted for whoever has that key (age -d)"},
		{"no-wait", 0, CLI_FLAG, &a->detach, NULL,
		 "only begin it: stele export get ID later"},
		{NULL},
	};
	struct cli_option options[QUERY_ARGS_TERMS + sizeof rest / sizeof *rest];
	int rc;

	query_args_options(&a->terms, options);
	memcpy(options + QUERY_ARGS_TERMS, rest, sizeof rest);
	rc = cli_parse(cli, self, options, argc, argv, 0, LIMIT_EXPORT_LOGS, n);
	if (rc != CLI_GO)
		return rc;
	if (*n == 0 && !a->hold && !a->matter)
		return cli_usage(self, "say which LOG, or --hold or --matter");
	return export_file_check(&a->file, self);
}

static int
run_export(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	struct asked a = {.first_index = UINT64_MAX, .last_index = UINT64_MAX};
	json_t *body = NULL, *doc = NULL;
	int n, rc = parse(cli, self, argc, argv, &a, &n);

	if (rc != CLI_GO)
		return rc;
	a.file.cli = cli;
	body = json_object();
	rc = make_body(self, &a, n, argv, body);
	if (rc == CLI_GO)
		rc = api_ask(cli, "POST", EXPORTS, body, &doc, "export");
	else
		json_decref(body);
	if (rc != CLI_GO)
		return rc;
	if (!a.detach)
		return fetch(&a.file, doc);
	rc = api_print(cli, doc, print_export);
	json_decref(doc);
	return rc;
}

const struct cli_command cmd_export = {
	.name = "export",
	.operands = "LOG... [what] [-o FILE]",
	.summary = "make an evidence bundle that anyone can check, and download it",
	.about =
		"Has the server make a bundle: a ZIP with records of the LOGs, their proofs, the log's\n"
		"control entries, and what a stranger needs to check all of it without a network\n"
		"('stele verify FILE --key KEY', or the verify.html in it). docs/exports.md explains it.\n"
		"\n"
		"A range (the default) has every entry from one to another: nothing in between can be\n"
		"left out unseen. A selection has what was asked for: by terms as 'stele query' takes\n"
		"them, by --records, or what holds cover; with --certify it also has the server's signed\n"
		"word, with proof, that these are all of them. What you may not read, or what waits for\n"
		"its erasure, is in it without its payload, and counted as withheld.\n"
		"\n"
		"  stele export payments --received-from 2026-11-01 --received-to 2026-12-01\n"
		"  stele export 'k8s-*' --actor alice --certify --reason 'Case 7' -o case7.zip\n"
		"  stele export --matter 'Case 7' --encrypt-to age1… --split 4G -o case7.zip.age\n"
		"\n"
		"The export stays on the server for a week: a download that broke off goes on with\n"
		"'stele export get ID'. --split makes plain pieces: cat case7.zip.age.* > case7.zip.age\n"
		"Needs the scope export on each LOG, and read for what is found by its contents.",
	.run = run_export,
};

/* --- get -----------------------------------------------------------------------------------------
 */

static int
run_get(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	struct export_file f = {.cli = cli};
	const struct cli_option options[] = {
		{"output", 'o', CLI_TEXT, &f.output, "FILE", "where it goes (stele-ID.zip)"},
		{"split", 0, CLI_NUMBER, &f.split_bytes, "SIZE",
		 "in pieces: FILE.001, FILE.002, …"},
		{"encrypt-to", 0, CLI_TEXTS, &f.recipients, "age1…",
		 "encrypted for whoever has that key (age -d)"},
		{NULL},
	};
	json_t *doc = NULL;
	int n, rc = cli_parse(cli, self, options, argc, argv, 1, 1, &n);

	if (rc == CLI_GO)
		rc = export_file_check(&f, self);
	if (rc == CLI_GO)
		rc = look(cli, argv[0], &doc);
	return rc == CLI_GO ? fetch(&f, doc) : rc;
}

const struct cli_command cmd_export_get = {
	.name = "export get",
	.operands = "ID [-o FILE]",
	.summary = "download the bundle of an export",
	.about =
		"Waits until it is made, downloads it, and checks its SHA-256. What an earlier run\n"
		"left beside FILE, in a name that ends in .part, is where this one goes on.",
	.run = run_get,
};

/* --- list, show, remove
 * ---------------------------------------------------------------------------- */

static void
print_row(const json_t *doc)
{
	const json_t *request = json_object_get(doc, "request");
	struct buf logs;

	buf_init(&logs);
	api_put_joined(&logs, json_object_get(request, "logs"));
	printf("%-13s %.16s %-9s %-9s %14lld  %s\n", api_text(doc, "id"), api_text(doc, "begun"),
	       api_text(doc, "state"), api_text(request, "kind"), api_number(doc, "bytes"),
	       api_cstr(&logs));
	buf_fini(&logs);
}

static int
run_list(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	const char *state = NULL;
	const struct cli_option options[] = {
		{"state", 0, CLI_TEXT, &state, "STATE",
		 "live (the default), finished, failed, removed, or all"},
		{NULL},
	};
	struct buf target;
	char header[96];
	int n, rc = cli_parse(cli, self, options, argc, argv, 0, 0, &n);

	if (rc != CLI_GO)
		return rc;
	buf_init(&target);
	buf_put_str(&target, EXPORTS "?state=");
	cli_put_path(&target, state ? state : "live");
	snprintf(header, sizeof header, "%-13s %-16s %-9s %-9s %14s  %s", "ID", "BEGUN", "STATE",
		 "KIND", "BYTES", "LOGS");
	rc = api_list(cli, api_cstr(&target), "exports", header, print_row, "list the exports");
	buf_fini(&target);
	return rc;
}

const struct cli_command cmd_export_list = {
	.name = "export list",
	.operands = "[--state live|finished|failed|removed|all]",
	.summary = "list exports, and how far each is",
	.about = "Lists those that you made, and those of logs of which you may export all.",
	.run = run_list,
};

static int
run_show(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	const struct cli_option options[] = {{NULL}};
	json_t *doc = NULL;
	int n, rc = cli_parse(cli, self, options, argc, argv, 1, 1, &n);

	if (rc == CLI_GO)
		rc = look(cli, argv[0], &doc);
	if (rc == CLI_GO)
		rc = api_print(cli, doc, print_export);
	json_decref(doc);
	return rc;
}

const struct cli_command cmd_export_show = {
	.name = "export show",
	.operands = "ID",
	.summary = "show an export: what was asked for, what is in it, how long it is kept",
	.about =
		"Counts of each log say how much of it has no payload, and why the bundle says in\n"
		"its records: withheld from you, waiting for erasure, damaged, or purged.",
	.run = run_show,
};

static int
run_remove(struct cli *cli, const struct cli_command *self, int argc, char **argv)
{
	const struct cli_option options[] = {{NULL}};
	struct http_call c;
	struct buf target;
	int n, rc = cli_parse(cli, self, options, argc, argv, 1, 1, &n);

	if (rc != CLI_GO)
		return rc;
	buf_init(&target);
	api_put_target(&target, EXPORTS, argv[0], "");
	http_call_init(&c);
	c.method = "DELETE";
	c.target = api_cstr(&target);
	rc = api_call(cli, &c, "remove the export");
	http_call_fini(&c);
	buf_fini(&target);
	return rc == CLI_GO ? CLI_DONE : rc;
}

const struct cli_command cmd_export_remove = {
	.name = "export remove",
	.operands = "ID",
	.summary = "cancel an export, or remove its bundle",
	.about =
		"Destroys the bundle's key on the server, then its files. That it was made, and what\n"
		"was in it, stays in _system. Copies that were downloaded are beyond its reach.",
	.run = run_remove,
};
