/* The current one comes apart from those before it. */
#include "tools/statements.h"

#include "tools/api.h"

int
statements_get(struct cli *cli, const char *log, json_t **keys, json_t **successions)
{
	struct buf target;
	json_t *doc = NULL;
	int rc;

	*keys = *successions = NULL;
	buf_init(&target);
	api_log_target(&target, log, "%s", "");
	rc = api_ask(cli, "GET", api_cstr(&target), NULL, &doc, "get the log's key statement");
	if (rc == CLI_GO && !json_is_string(json_object_get(doc, "key_statement"))) {
		cli_say("cannot get the log's key statement: the server's answer has none");
		rc = CLI_REFUSED;
	}
	if (rc == CLI_GO) {
		*keys = json_array();
		json_array_extend(*keys, json_object_get(doc, "earlier_key_statements"));
		json_array_append(*keys, json_object_get(doc, "key_statement"));
		*successions = json_array();
		json_array_extend(*successions, json_object_get(doc, "successions"));
	}
	json_decref(doc);
	buf_fini(&target);
	return rc;
}

int
statements_add(struct cli *cli, const char *log, json_t *doc)
{
	json_t *keys, *successions;
	int rc = statements_get(cli, log, &keys, &successions);

	if (rc != CLI_GO)
		return rc;
	json_object_set_new(doc, "keys", keys);
	if (json_array_size(successions))
		json_object_set(doc, "identities", successions);
	json_decref(successions);
	return rc;
}
