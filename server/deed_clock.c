/*
 * Credit for the lock clock beyond what a start gives, and the end of a freeze: `clock.credit`
 * {"until","reason"}. It always takes two principals: what it can do is end every lock.
 */
#include "proto/err.h"
#include "proto/timestamp.h"
#include "server/deeds.h"
#include "server/server.h"
#include "storage/clocks.h"
#include "storage/writer.h"

static bool
second(const struct deed_turn *turn, const json_t *act)
{
	(void)turn;
	(void)act;
	return true;
}

static int
until_of(const json_t *act, int64_t *until_ns)
{
	const json_t *until = json_object_get(act, "until");

	return timestamp_parse(until_ns,
			       slice_of(json_is_string(until) ? json_string_value(until) : "",
					json_string_length(until)));
}

static int
look(const struct deed_turn *turn, const json_t *act)
{
	int64_t until_ns;

	return until_of(act, &until_ns) == 0
		       ? 0
		       : deed_refuse(turn, STELE_ESYNTAX, PROBLEM_INVALID_CLOCK_REQUEST,
				     "until must be an instant.");
}

/* The record first: a credit that is lost in a crash is asked for again. */
static int
perform(const struct deed_turn *turn, const json_t *act, struct append_job *record)
{
	int64_t until_ns, moved_ns;
	int err = until_of(act, &until_ns);

	if (err == 0)
		err = writer_append(turn->s->writer, record);
	return err ? err : store_clock_credit(turn->s->store, until_ns, &moved_ns);
}

const struct deed deed_clock_credit = {"clock.credit", second, look, perform};
