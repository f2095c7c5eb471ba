/* Five lines. */
#include "proto/succession.h"

#include <string.h>

#include "proto/entry.h"
#include "proto/err.h"
#include "proto/limits.h"
#include "proto/lines.h"
#include "proto/timestamp.h"

/* Whether one can take over from the other: note signatures tell keys apart by their IDs. */
static bool
may_follow(const struct note_vkey *from, const struct note_vkey *to)
{
	return from->type == NOTE_ED25519 && to->type == NOTE_ED25519 &&
	       entry_server_name_valid(from->name) && slice_eq(from->name, to->name) &&
	       memcmp(from->key_id, to->key_id, sizeof from->key_id) != 0;
}

int
succession_parse(struct succession *s, struct slice text)
{
	struct slice version, from, to;
	struct succession got;
	struct lines l;

	lines_init(&l, text);
	version = lines_take_after(&l, "stele identity v");
	if (!lines_err(&l) && !slice_eq_str(version, "1"))
		return STELE_EVERSION;
	from = lines_take(&l);
	to = lines_take(&l);
	got.number = lines_take_integer(&l);
	got.time_ns = lines_take_time_after(&l, "");
	if (lines_end(&l) != 0 || got.number == 0)
		return STELE_ESYNTAX;
	if (note_vkey_parse(&got.from, from) != 0 || note_vkey_parse(&got.to, to) != 0 ||
	    !may_follow(&got.from, &got.to))
		return STELE_ESYNTAX;
	*s = got;
	return 0;
}

int
succession_put(struct buf *out, const struct succession *s)
{
	char time[TIMESTAMP_BYTES];

	if (!may_follow(&s->from, &s->to) || s->number == 0 || s->number > LIMIT_INTEGER ||
	    s->time_ns < 0 || s->time_ns > TIMESTAMP_MAX_NS)
		return STELE_EINVAL;
	timestamp_format(time, s->time_ns);
	buf_put_str(out, "stele identity v1\n");
	note_put_vkey(out, &s->from);
	buf_put_u8(out, '\n');
	note_put_vkey(out, &s->to);
	buf_put_u8(out, '\n');
	buf_put_dec(out, s->number);
	buf_printf(out, "\n%.*s\n", TIMESTAMP_BYTES, time);
	return 0;
}
