/* Sixteenths of a tile give the tile's own nodes, and nothing that was not verified. */
#include "storage/tilepart.h"

#include <string.h>

#include "crypto/init.h"
#include "proto/err.h"
#include "suite.h"

/* All nodes of a tile, height 0 first. */
static uint8_t node[9][256][32];

static void
make_tile(struct sha256 *h)
{
	for (unsigned i = 0; i < 256; i++)
		sha256_hash(h, node[0][i], slice_of(&i, sizeof i));
	for (unsigned k = 1; k <= 8; k++) {
		for (unsigned i = 0; i < 256u >> k; i++)
			sha256_node(h, node[k][i], node[k - 1][2 * i], node[k - 1][2 * i + 1]);
	}
}

START_TEST(every_node_of_the_tile_is_given_as_it_is)
{
	struct sha256 *h = sha256_new();
	struct tilepart p = {.log_id = 0};
	uint8_t out[32];

	make_tile(h);
	ck_assert(!tilepart_is(&p, 7, 9, node[8][0]));
	ck_assert_int_eq(
		tilepart_take_nodes(&p, 7, 9, (const uint8_t(*)[32])node[4], node[8][0], h), 0);
	ck_assert(tilepart_is(&p, 7, 9, node[8][0]));
	ck_assert(!tilepart_is(&p, 7, 8, node[8][0]));
	ck_assert(!tilepart_is(&p, 6, 9, node[8][0]));
	ck_assert(!tilepart_is(&p, 7, 9, node[7][0]));
	for (unsigned k = 4; k <= 8; k++) {
		for (unsigned i = 0; i < 256u >> k; i++) {
			ck_assert(tilepart_node(&p, k, i, out));
			ck_assert_mem_eq(out, node[k][i], 32);
		}
	}
	ck_assert(!tilepart_node(&p, 0, 0, out));
	for (unsigned g = 0; g < 16; g++) {
		ck_assert_int_eq(
			tilepart_take_group(&p, g, (const uint8_t(*)[32])node[0] + 16 * g, h), 0);
		for (unsigned k = 0; k < 4; k++) {
			for (unsigned i = 0; i < 256u >> k; i++) {
				bool mine = i >> (4 - k) == g;
				ck_assert_int_eq(tilepart_node(&p, k, i, out), mine);
				if (mine)
					ck_assert_mem_eq(out, node[k][i], 32);
			}
		}
	}
	sha256_free(h);
}
END_TEST

START_TEST(one_wrong_bit_anywhere_is_refused)
{
	struct sha256 *h = sha256_new();
	struct tilepart p = {.log_id = 0};
	uint8_t out[32];

	make_tile(h);
	for (unsigned i = 0; i < 16; i++) {
		node[4][i][i] ^= 1;
		ck_assert_int_eq(
			tilepart_take_nodes(&p, 7, 9, (const uint8_t(*)[32])node[4], node[8][0], h),
			STELE_EVERIFY);
		ck_assert(!tilepart_is(&p, 7, 9, node[8][0]));
		node[4][i][i] ^= 1;
	}
	ck_assert_int_eq(
		tilepart_take_nodes(&p, 7, 9, (const uint8_t(*)[32])node[4], node[8][0], h), 0);
	for (unsigned i = 0; i < 256; i++) {
		node[0][i][i % 32] ^= 4;
		ck_assert_int_eq(tilepart_take_group(&p, i / 16,
						     (const uint8_t(*)[32])node[0] + i / 16 * 16,
						     h),
				 STELE_EVERIFY);
		ck_assert(!tilepart_node(&p, 0, i, out));
		node[0][i][i % 32] ^= 4;
	}
	sha256_free(h);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		every_node_of_the_tile_is_given_as_it_is,
		one_wrong_bit_anywhere_is_refused,
	};

	if (crypto_init() != 0)
		return 1;
	return suite_run("tilepart", tests, sizeof tests / sizeof *tests, 60);
}
