/* Names, in the order of their bits. */
#include "server/vendor.h"

#include "proto/check.h"

static const char *const names[VENDORS] = {VENDOR_NAMES};

_Static_assert(VENDOR_ALL == (1 << VENDORS) - 1, "a name for each");

const char *
vendor_name(unsigned i)
{
	CHECK(i < VENDORS);
	return names[i];
}

unsigned
vendor_parse(struct slice name)
{
	for (unsigned i = 0; i < VENDORS; i++)
		if (slice_eq_str(name, names[i]))
			return 1u << i;
	return 0;
}
