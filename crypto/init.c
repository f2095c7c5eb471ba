/* The one call libsodium wants before all others. */
#include "crypto/init.h"

#include <sodium.h>

#include "proto/err.h"

int
crypto_init(void)
{
	return sodium_init() < 0 ? STELE_EUNSUPPORTED : 0;
}
