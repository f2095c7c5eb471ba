/* A manifest as a file; manifest.c has its text, which needs no file to be judged. */
#include <limits.h>
#include <string.h>

#include "proto/err.h"
#include "storage/file.h"
#include "storage/manifest.h"
#include "storage/segseal.h"

int
manifest_write(const char *dir, const struct segment_facts *facts, struct slice replaces,
	       const struct signer *signer)
{
	char path[PATH_MAX];
	struct buf text, note;
	int err;

	buf_init(&text);
	buf_init(&note);
	err = manifest_put(&text, facts, replaces);
	if (err == 0) {
		sign_note(&note, buf_slice(&text), &signer, 1);
		err = note.err;
	}
	if (err == 0)
		err = segment_path(path, dir, facts, ".manifest");
	if (err == 0)
		err = file_replace(path, note.p, note.n, 0444);
	buf_fini(&text);
	buf_fini(&note);
	return err;
}

/* What a note says, when it is signed and says it of this segment; *wrong is what is not so. */
static int
check(struct segment_facts *facts, struct buf *replaces, const struct segment_facts *want,
      struct slice bytes, const struct note_vkey *keys, size_t n, const char **wrong)
{
	struct segment_facts f;
	struct slice section;
	struct note note;
	int err = sign_verify_note(keys, n, bytes, &note, NULL);

	*wrong = "it is not signed with the log's key";
	if (err != 0)
		return STELE_EDAMAGED;
	*wrong = "it is no segment manifest";
	err = manifest_parse(&f, &section, note.text);
	if (err != 0)
		return err == STELE_ESYNTAX ? STELE_EDAMAGED : err;
	*wrong = "it is another segment's";
	if (f.log_id != want->log_id || strcmp(f.origin, want->origin) != 0 ||
	    f.first != want->first || f.count != want->count || f.generation != want->generation)
		return STELE_EDAMAGED;
	if (replaces)
		manifest_names(replaces, section);
	*facts = f;
	return replaces ? replaces->err : 0;
}

int
manifest_read(struct segment_facts *facts, struct buf *replaces, const char *dir,
	      const struct segment_name *name, struct slice origin, uint64_t log_id,
	      const struct note_vkey *keys, size_t n, struct buf *why)
{
	struct segment_facts want = {.log_id = log_id,
				     .first = name->first,
				     .count = name->count,
				     .generation = name->generation};
	const char *wrong = "it cannot be read";
	char path[PATH_MAX];
	struct buf bytes;
	int err;

	if (origin.n > LIMIT_ORIGIN_BYTES)
		return STELE_EINVAL;
	memcpy(want.origin, origin.p, origin.n);
	buf_init(&bytes);
	err = segment_path(path, dir, &want, ".manifest");
	if (err != 0)
		return err;
	err = file_read_all(path, &bytes, LIMIT_NOTE_BYTES);
	if (err == STELE_ELIMIT)
		err = STELE_EDAMAGED;
	if (err == 0)
		err = check(facts, replaces, &want, buf_slice(&bytes), keys, n, &wrong);
	if (err != 0)
		buf_printf(why, "%s: %s (%s)", path, wrong, stele_strerror(err));
	buf_fini(&bytes);
	return err;
}
