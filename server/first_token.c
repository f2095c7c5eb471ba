/* One act, and one file. */
#include "server/first_token.h"

#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "proto/err.h"
#include "server/access.h"
#include "server/access_json.h"
#include "storage/file.h"

/* {"principal":…,"token":…} of new ids and a new secret, whose text is in text. */
static json_t *
make(struct access *access, char text[TOKEN_CHARS + 1])
{
	char id[LIMIT_WRITER_BYTES + 1];
	uint8_t hash[TOKEN_HASH_BYTES];
	struct buf json;
	json_t *made;

	access_new_principal_id(access, 'p', id);
	access_new_token(access, text, hash);
	buf_init(&json);
	buf_printf(&json, "{\"principal\":{\"id\":\"%s\",\"kind\":\"person\",\"grants\":[{", id);
	grant_put(&json, &(struct grant){SCOPE_ALL, "* _*"});
	buf_printf(&json, "}]},\"token\":{\"id\":\"%.*s\",\"principal\":\"%s\",\"hash\":\"",
		   TOKEN_ID_CHARS, text + sizeof "stele_" - 1, id);
	buf_put_base64(&json, hash, sizeof hash);
	buf_put_str(&json, "\"}}");
	made = json.err ? NULL : json_loadb((const char *)json.p, json.n, 0, NULL);
	buf_fini(&json);
	return made;
}

int
first_token_fill(struct access *access, void *first)
{
	struct first_token *f = first;
	char text[TOKEN_CHARS + 1], path[LIMIT_PATH_BYTES];
	json_t *made = make(access, text);
	int err;

	if (!made)
		return STELE_ENOMEM;
	json_object_update(f->act, made);
	json_decref(made);
	text[TOKEN_CHARS] = '\n';
	if (snprintf(path, sizeof path, "%s/admin.token", f->dir) >= (int)sizeof path)
		err = STELE_ELIMIT;
	else
		err = file_replace(path, text, sizeof text, 0600);
	explicit_bzero(text, sizeof text);
	return err;
}
