/*
 * IP addresses and CIDR prefixes. An IPv4 address inside IPv6 (::ffff:10.0.0.1)
 * is the IPv4 address: producers write both.
 */
#ifndef STELE_PROTO_IPADDR_H
#define STELE_PROTO_IPADDR_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/buf.h"
#include "proto/slice.h"

struct ipaddr {
	uint8_t bytes[16]; /* 4 or 16 of them, network order; the rest 0 */
	unsigned bits;     /* of the address: 32 or 128 */
	unsigned prefix;   /* leading bits that count: bits for a single address */
};

/*
 * Reads an address: dotted decimal without leading zeros, or RFC 4291 section
 * 2.2 (no zone, no port, no brackets). False when text is none.
 */
bool ipaddr_read(struct ipaddr *ip, struct slice text);

/* Reads an address, or address/bits (RFC 4632); bits behind the prefix are cleared. */
bool ipaddr_read_prefix(struct ipaddr *ip, struct slice text);

/* True when the single address ip lies in range. */
bool ipaddr_within(const struct ipaddr *ip, const struct ipaddr *range);

/* Appends the one spelling of a single address: RFC 5952, dotted decimal for IPv4. */
void ipaddr_write(struct buf *out, const struct ipaddr *ip);

#endif
