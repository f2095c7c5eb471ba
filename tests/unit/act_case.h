/*
 * Acts folded into the state of access: asked for first, then done, with one answer.
 */
#ifndef STELE_TESTS_UNIT_ACT_CASE_H
#define STELE_TESTS_UNIT_ACT_CASE_H

#include <check.h>

#include <jansson.h>

#include "server/access.h"

/* Folds an act in at a time, and lets go of it; its error, which has its sentence. */
static inline int
act_fold(struct access *a, int64_t time_ns, json_t *act)
{
	struct buf why;
	int err, dry;

	ck_assert_ptr_nonnull(act);
	buf_init(&why);
	dry = access_apply(a, act, time_ns, true, &why);
	ck_assert_int_eq(dry != 0, why.n > 0);
	err = access_apply(a, act, time_ns, false, &why);
	ck_assert_int_eq(dry, err);
	buf_fini(&why);
	json_decref(act);
	return err;
}

/* The same of an act's text. */
static inline int
act_at(struct access *a, int64_t time_ns, const char *json)
{
	return act_fold(a, time_ns, json_loads(json, 0, NULL));
}

#endif
