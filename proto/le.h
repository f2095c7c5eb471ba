/*
 * Little-endian loads and stores at any alignment: the byte order of every
 * binary format of ours (frames, tokens). C2SP formats are big-endian where
 * they say so and use the be_ functions.
 */
#ifndef STELE_PROTO_LE_H
#define STELE_PROTO_LE_H

#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "stele runs on little-endian machines; add byte swaps here for others"
#endif

/* Stores v in 2, 4 or 8 bytes at p, least significant first. */
static inline void
le_put16(void *p, uint16_t v)
{
	memcpy(p, &v, sizeof v);
}

static inline void
le_put32(void *p, uint32_t v)
{
	memcpy(p, &v, sizeof v);
}

static inline void
le_put64(void *p, uint64_t v)
{
	memcpy(p, &v, sizeof v);
}

/* Loads 2, 4 or 8 bytes from p, least significant first. */
static inline uint16_t
le_get16(const void *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof v);
	return v;
}

static inline uint32_t
le_get32(const void *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof v);
	return v;
}

static inline uint64_t
le_get64(const void *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof v);
	return v;
}

/* The same most significant byte first: database keys, entry bundles, cosignature times. */
static inline void
be_put16(void *p, uint16_t v)
{
	le_put16(p, __builtin_bswap16(v));
}

static inline void
be_put32(void *p, uint32_t v)
{
	le_put32(p, __builtin_bswap32(v));
}

static inline void
be_put64(void *p, uint64_t v)
{
	le_put64(p, __builtin_bswap64(v));
}

/* The same, most significant first. */
static inline uint16_t
be_get16(const void *p)
{
	return __builtin_bswap16(le_get16(p));
}

static inline uint32_t
be_get32(const void *p)
{
	return __builtin_bswap32(le_get32(p));
}

static inline uint64_t
be_get64(const void *p)
{
	return __builtin_bswap64(le_get64(p));
}

#endif
