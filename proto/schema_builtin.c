/*
 * The schemas that come with stele. The build makes schema_documents.h out of
 * proto/schemas/, in the order of the list in proto/meson.build.
 */
#include "proto/schema.h"

#include "proto/check.h"
#include "proto/err.h"
#include "proto/schema_documents.h"

enum { DOCUMENTS = sizeof schema_documents / sizeof *schema_documents };

int
schema_builtin(struct schema_set *set, struct arena *a)
{
	struct schema *items = arena_alloc(a, DOCUMENTS * sizeof *items);
	struct buf why;
	int code = 0;

	if (!items)
		return STELE_ENOMEM;
	buf_init(&why);
	for (size_t i = 0; code == 0 && i < DOCUMENTS; i++)
		code = schema_read(&items[i], a, slice_str(schema_documents[i]), &why);
	buf_fini(&why);
	CHECK(code == 0 || code == STELE_ENOMEM);
	if (code == 0)
		*set = (struct schema_set){items, DOCUMENTS};
	return code;
}
