/* Nothing is verified here: 'stele verify --since' does, with a key that is trusted. */
#include "tools/consistency.h"

#include "proto/checkpoint.h"
#include "proto/limits.h"
#include "proto/note.h"
#include "tools/api.h"

static int
read_size(const char *file, uint64_t *size)
{
	struct buf text;
	struct note note;
	struct checkpoint c;
	int rc;

	buf_init(&text);
	rc = cli_read_file(&text, file, LIMIT_NOTE_BYTES);
	if (rc == CLI_GO &&
	    (note_parse(&note, buf_slice(&text)) || checkpoint_parse(&c, note.text))) {
		cli_say("%s is not a signed checkpoint; 'stele checkpoint LOG' prints one", file);
		rc = CLI_USAGE;
	}
	if (rc == CLI_GO)
		*size = c.size;
	buf_fini(&text);
	return rc;
}

static int
fetch(struct cli *cli, const char *log, uint64_t from, uint64_t to, json_t *doc)
{
	struct http_call c;
	struct buf target;
	json_t *answer = NULL;
	int rc;

	buf_init(&target);
	api_log_target(&target, log, "/proof/consistency?from=%llu&to=%llu",
		       (unsigned long long)from, (unsigned long long)to);
	rc = api_get(cli, &c, api_cstr(&target), "application/json",
		     "prove that the log grew from that checkpoint");
	if (rc == CLI_GO && !(answer = api_json(&c, "prove consistency")))
		rc = CLI_REFUSED;
	if (rc == CLI_GO)
		json_object_set(doc, "consistency", answer);
	json_decref(answer);
	buf_fini(&target);
	http_call_fini(&c);
	return rc;
}

int
consistency_add(struct cli *cli, const char *log, const char *file, uint64_t to, json_t *doc)
{
	uint64_t from;
	int rc = read_size(file, &from);

	if (rc != CLI_GO)
		return rc;
	if (from <= to)
		return fetch(cli, log, from, to, doc);
	cli_say("%s signs %llu entries, but the log has only %llu now: it is of another log, or "
		"this one was rolled back. Keep that file.",
		file, (unsigned long long)from, (unsigned long long)to);
	return CLI_REFUSED;
}
