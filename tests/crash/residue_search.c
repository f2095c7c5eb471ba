/*
 * residue_search KEYRING DATA BACKUP MARKER…: where any of the markers is in a stopped store and a
 * backup of it, under the keys of that keyring, which no passphrase seals. Prints the counts; exit
 * status 0: nowhere, 1: somewhere.
 */
#include "residue_search.h"

#include "crypto/init.h"

int
main(int argc, char **argv)
{
	static struct markers m;
	struct hits h;

	CHECK(argc > 4 && argc - 4 <= MAX_MARKERS);
	CHECK(crypto_init() == 0);
	for (int i = 4; i < argc; i++)
		m.text[m.n_text++] = argv[i];
	h = residue_search(&m, argv[1], argv[2], argv[3]);
	return residue_sum("found", &h) == 0 ? 0 : 1;
}
