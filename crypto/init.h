/*
 * Start of the process: everything in crypto/ may be used after crypto_init().
 */
#ifndef STELE_CRYPTO_INIT_H
#define STELE_CRYPTO_INIT_H

/*
 * Prepares libsodium (picks the CPU's implementations, opens the randomness
 * source). Once at the start of main(), before threads; again is harmless.
 * 0, or STELE_EUNSUPPORTED when the platform has no usable randomness.
 */
int crypto_init(void);

#endif
