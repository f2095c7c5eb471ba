/* One JSON document; its name is a hash, so that no file name has to be escaped. */
#include "tools/put_state.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/sha256.h"
#include "proto/check.h"

/* The folder, made when it is missing. */
static bool
folder(char *out, size_t cap)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	int n;

	if (state && state[0] == '/')
		n = snprintf(out, cap, "%s/stele", state);
	else if (home && home[0] == '/')
		n = snprintf(out, cap, "%s/.local/state/stele", home);
	else
		return false;
	if (n < 0 || (size_t)n >= cap)
		return false;
	for (char *slash = strchr(out + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)mkdir(out, 0700); /* the last one tells */
		*slash = '/';
	}
	return mkdir(out, 0700) == 0 || errno == EEXIST;
}

void
put_state_init(struct put_state *s, const char *server, const char *log, const char *file,
	       const char *lock)
{
	struct sha256 *h = sha256_new();
	char dir[2048], real[PATH_MAX];
	uint8_t hash[SHA256_BYTES];
	size_t n;

	CHECK(h);
	s->path[0] = s->url[0] = s->key[0] = '\0';
	if (folder(dir, sizeof dir) && realpath(file, real)) {
		const struct slice parts[] = {
			slice_of(server, strlen(server) + 1), slice_of(log, strlen(log) + 1),
			slice_of(real, strlen(real) + 1), slice_str(lock ? lock : "")};
		sha256_hash_parts(h, hash, parts, 4);
		n = (size_t)snprintf(s->path, sizeof s->path, "%s/put-", dir);
		for (size_t i = 0; i < 16; i++)
			n += (size_t)snprintf(s->path + n, sizeof s->path - n, "%02x", hash[i]);
	}
	sha256_free(h);
}

static bool
copy(char *out, size_t cap, const json_t *doc, const char *name)
{
	const char *text = json_string_value(json_object_get(doc, name));

	if (!text || strlen(text) >= cap)
		return false;
	snprintf(out, cap, "%s", text);
	return true;
}

bool
put_state_load(struct put_state *s)
{
	json_t *doc = s->path[0] ? json_load_file(s->path, 0, NULL) : NULL;
	bool same =
		doc && json_integer_value(json_object_get(doc, "size")) == (json_int_t)s->size &&
		json_integer_value(json_object_get(doc, "inode")) == (json_int_t)s->inode &&
		json_integer_value(json_object_get(doc, "mtime_ns")) == s->mtime_ns &&
		copy(s->url, sizeof s->url, doc, "url") && copy(s->key, sizeof s->key, doc, "key");

	json_decref(doc);
	if (!same)
		s->url[0] = s->key[0] = '\0';
	return same;
}

bool
put_state_save(const struct put_state *s)
{
	char tmp[sizeof s->path + 8];
	json_t *doc;
	FILE *f;
	bool ok;

	if (!s->path[0])
		return false;
	doc = json_pack("{s:I,s:I,s:I,s:s,s:s}", "size", (json_int_t)s->size, "inode",
			(json_int_t)s->inode, "mtime_ns", (json_int_t)s->mtime_ns, "url", s->url,
			"key", s->key);
	CHECK(doc);
	snprintf(tmp, sizeof tmp, "%s.tmp", s->path);
	f = fopen(tmp, "we");
	ok = f && json_dumpf(doc, f, JSON_COMPACT) == 0;
	ok = f && fclose(f) == 0 && ok && rename(tmp, s->path) == 0;
	json_decref(doc);
	return ok;
}

void
put_state_remove(const struct put_state *s)
{
	if (s->path[0])
		(void)unlink(
			s->path); /* one that stays is of a file that was sent: asked, answered */
}
