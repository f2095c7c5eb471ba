/* Lines are counted only here, when somebody will read the number. */
#include "proto/json_error.h"

#include "proto/json_grammar.h"

int
json_error_set(struct json_error *err, int code, struct slice body, size_t offset,
	       const char *message)
{
	if (!err)
		return code;
	err->line = 1;
	for (size_t i = 0; i < offset; i++)
		err->line += body.p[i] == '\n';
	err->offset = offset;
	err->message = message;
	return code;
}

int
json_error_explain(struct json_error *err, struct slice doc)
{
	const char *message;
	size_t offset;
	int code = json_grammar_check(doc, &offset, &message);

	return code ? json_error_set(err, code, doc, offset, message) : 0;
}
