/* A dictionary where it pays, none where it does not. */
#include <stdio.h>
#include <string.h>

#include "crypto/init.h"
#include "crypto/random.h"
#include "proto/limits.h"
#include "storage/read.h"
#include "storage/segdict.h"
#include "storage/toolbox.h"
#include "suite.h"

static struct toolbox *t;

/* Event n of a kind: alike as audit events are. */
static size_t
event(char out[1000], unsigned n)
{
	return (size_t)snprintf(
		out, 1000,
		"{\"kind\":\"Event\",\"apiVersion\":\"audit.k8s.io/v1\",\"level\":\"Metadata\","
		"\"auditID\":\"%08x-%04x\",\"stage\":\"ResponseComplete\",\"requestURI\":"
		"\"/api/v1/namespaces/team%u/pods/web-%u\",\"verb\":\"%s\",\"user\":{\"username\":"
		"\"user%u\",\"groups\":[\"system:authenticated\"]},\"sourceIPs\":[\"10.0.%u.%u\"]}",
		n * 2654435761u, n % 65536, n % 9, n % 301, n % 2 ? "get" : "list", n % 23, n % 250,
		n % 199);
}

static void
sample(struct segdict_sample *s, unsigned n)
{
	char text[1000];

	segdict_sample_init(s);
	for (unsigned i = 0; i < n; i++)
		ck_assert_int_eq(segdict_sample_add(s, slice_of(text, event(text, i))), 0);
}

/* Bytes that n events pack into, in frames of 8 events. */
static size_t
packed(const struct compress_dict *dict, unsigned n)
{
	static char text[9000];
	static uint8_t out[20000];
	size_t sum = 0, got, used = 0;

	for (unsigned i = 0; i < n; i++) {
		used += event(text + used, i);
		if (i % 8 != 7)
			continue;
		ck_assert_int_eq(
			compress_seal(t->zip, dict, slice_of(text, used), out, sizeof out, &got),
			0);
		sum += got;
		used = 0;
	}
	return sum;
}

START_TEST(many_events_get_a_dictionary_that_saves_more_than_it_takes)
{
	struct segdict_sample s;
	struct compress_dict *dict;
	uint64_t raw, small;

	sample(&s, 8000);
	ck_assert_int_eq(segdict_choose(&s, t->zip, &dict, &raw, &small), 0);
	ck_assert_ptr_nonnull(dict);
	ck_assert_uint_gt(raw, 4 * small);
	ck_assert_uint_lt(packed(dict, 8000) + compress_dict_bytes(dict).n, packed(NULL, 8000));
	compress_dict_unref(dict);
	segdict_sample_fini(&s);
}
END_TEST

START_TEST(a_few_events_or_noise_or_nothing_get_none)
{
	struct segdict_sample s;
	struct compress_dict *dict;
	uint64_t raw, small;
	uint8_t noise[4000];

	for (int k = 0; k < 4; k++) {
		if (k < 2) {
			sample(&s, k ? 5 : 0);
		} else {
			segdict_sample_init(&s);
			for (int i = 0; i < 300; i++) {
				random_bytes(noise, sizeof noise);
				ck_assert_int_eq(
					segdict_sample_add(&s, slice_of(noise, k == 2 ? 4000 : 0)),
					0);
			}
		}
		dict = (struct compress_dict *)&s;
		ck_assert_int_eq(segdict_choose(&s, t->zip, &dict, &raw, &small), 0);
		ck_assert_ptr_null(dict);
		ck_assert_uint_ge(segdict_frame_bytes(raw, small), 4096);
		ck_assert_uint_le(segdict_block_bytes(raw, small), LIMIT_BLOCK_BYTES);
		segdict_sample_fini(&s);
	}
}
END_TEST

START_TEST(a_sample_is_spread_over_all_and_bounded)
{
	struct segdict_sample s;
	char text[1000];
	unsigned low = 0;
	size_t at = 0;

	sample(&s, 60000);
	ck_assert_uint_le(s.joined.n, 4 << 20);
	ck_assert_uint_ge(s.joined.n, 1 << 20);
	ck_assert_uint_eq(s.seen, 60000);
	for (size_t i = 0; i < s.n; i++) { /* sample i is event i * stride */
		size_t n = event(text, (unsigned)(i * s.stride));
		ck_assert_uint_eq(s.sizes[i], n);
		ck_assert_mem_eq(s.joined.p + at, text, n);
		at += n;
		low += i * s.stride < 30000;
	}
	ck_assert_uint_gt(low, s.n / 3);
	ck_assert_uint_lt(low, s.n * 2 / 3);
	segdict_sample_fini(&s);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		many_events_get_a_dictionary_that_saves_more_than_it_takes,
		a_few_events_or_noise_or_nothing_get_none,
		a_sample_is_spread_over_all_and_bounded,
	};

	if (crypto_init() != 0)
		return 1;
	t = toolbox_new();
	return suite_run("segdict", tests, sizeof tests / sizeof *tests, 60);
}
