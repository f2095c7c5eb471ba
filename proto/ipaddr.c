/* The C library reads and writes the address; prefixes and IPv4 inside IPv6 are ours. */
#include "proto/ipaddr.h"

#include <arpa/inet.h>

#include "proto/dec.h"

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

/* An address as it is written, IPv4 inside IPv6 still IPv6. */
static bool
read_address(struct ipaddr *ip, struct slice text)
{
	char copy[INET6_ADDRSTRLEN];
	bool six;

	if (text.n == 0 || text.n >= sizeof copy || memchr(text.p, 0, text.n))
		return false;
	memcpy(copy, text.p, text.n);
	copy[text.n] = '\0';
	six = strchr(copy, ':') != NULL;
	memset(ip, 0, sizeof *ip);
	ip->bits = ip->prefix = six ? 128 : 32;
	return inet_pton(six ? AF_INET6 : AF_INET, copy, ip->bytes) == 1;
}

/* IPv4 inside IPv6 becomes IPv4, if all of the mapping's prefix counts. */
static void
unmap(struct ipaddr *ip)
{
	if (ip->bits != 128 || ip->prefix < 96 || memcmp(ip->bytes, mapped, sizeof mapped) != 0)
		return;
	memmove(ip->bytes, ip->bytes + 12, 4);
	memset(ip->bytes + 4, 0, 12);
	ip->bits = 32;
	ip->prefix -= 96;
}

bool
ipaddr_read(struct ipaddr *ip, struct slice text)
{
	if (!read_address(ip, text))
		return false;
	unmap(ip);
	return true;
}

bool
ipaddr_read_prefix(struct ipaddr *ip, struct slice text)
{
	const uint8_t *slash = text.n ? memchr(text.p, '/', text.n) : NULL;
	size_t before = slash ? (size_t)(slash - text.p) : text.n;
	uint64_t prefix;

	if (!read_address(ip, slice_of(text.p, before)))
		return false;
	if (slash) {
		if (dec_parse(&prefix, slice_of(slash + 1, text.n - before - 1), ip->bits) != 0)
			return false;
		ip->prefix = (unsigned)prefix;
	}
	unmap(ip);
	for (unsigned bit = ip->prefix; bit < ip->bits; bit++)
		ip->bytes[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
	return true;
}

bool
ipaddr_within(const struct ipaddr *ip, const struct ipaddr *range)
{
	unsigned whole = range->prefix / 8, more = range->prefix % 8;
	uint8_t mask = (uint8_t)(0xff00u >> more);

	if (ip->bits != range->bits || memcmp(ip->bytes, range->bytes, whole) != 0)
		return false;
	return more == 0 || ((ip->bytes[whole] ^ range->bytes[whole]) & mask) == 0;
}

void
ipaddr_write(struct buf *out, const struct ipaddr *ip)
{
	char text[INET6_ADDRSTRLEN];

	inet_ntop(ip->bits == 32 ? AF_INET : AF_INET6, ip->bytes, text, sizeof text);
	buf_put_str(out, text);
}
