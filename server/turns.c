/* Lists by address, asked one after another; and the rate. */
#include "server/turns.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "proto/check.h"

#define SECOND_NS 1000000000ull
#define AT_ONCE_NS (SECOND_NS / 10)

void
turns_init(struct turns *t, uint64_t per_s, size_t most)
{
	memset(t, 0, sizeof *t);
	t->per_s = per_s;
	t->most = most;
}

/* One at least may come at once, however low the rate. */
static bool
take(struct turns *t, uint64_t now_ns)
{
	uint64_t each_ns, at_once_ns;

	if (t->per_s == 0)
		return true;
	each_ns = SECOND_NS / t->per_s;
	at_once_ns = each_ns > AT_ONCE_NS ? each_ns : AT_ONCE_NS;
	if (t->until_ns < now_ns)
		t->until_ns = now_ns;
	if (t->until_ns - now_ns + each_ns > at_once_ns)
		return false;
	t->until_ns += each_ns;
	return true;
}

bool
turns_now(struct turns *t, uint64_t now_ns)
{
	return t->waiting == 0 && take(t, now_ns);
}

/* Who has a network has 2^64 addresses of it, at no cost: they are one. */
static unsigned
lane_of(const struct sockaddr *from)
{
	uint64_t key = 0;

	if (from->sa_family == AF_INET6) {
		const struct in6_addr *a = &((const struct sockaddr_in6 *)from)->sin6_addr;

		if (IN6_IS_ADDR_V4MAPPED(a))
			memcpy(&key, a->s6_addr + 12, 4);
		else
			memcpy(&key, a->s6_addr, sizeof key);
	} else if (from->sa_family == AF_INET) {
		memcpy(&key, &((const struct sockaddr_in *)from)->sin_addr, 4);
	}
	return (unsigned)(key * 0x9e3779b97f4a7c15u >> 56); /* Fibonacci hashing: TAOCP 6.4 */
}

bool
turns_wait(struct turns *t, struct turn *turn, const struct sockaddr *from)
{
	unsigned lane = lane_of(from);

	CHECK(lane < TURNS_LANES);
	if (t->lane[lane].n >= t->most)
		return false;
	turn->lane = lane;
	turn->next = NULL;
	turn->prev = t->lane[lane].last;
	if (turn->prev)
		turn->prev->next = turn;
	else
		t->lane[lane].first = turn;
	t->lane[lane].last = turn;
	t->lane[lane].n++;
	t->waiting++;
	return true;
}

void
turns_leave(struct turns *t, struct turn *turn)
{
	CHECK(t->waiting && t->lane[turn->lane].n);
	if (turn->prev)
		turn->prev->next = turn->next;
	else
		t->lane[turn->lane].first = turn->next;
	if (turn->next)
		turn->next->prev = turn->prev;
	else
		t->lane[turn->lane].last = turn->prev;
	t->lane[turn->lane].n--;
	t->waiting--;
}

struct turn *
turns_next(struct turns *t, uint64_t now_ns)
{
	struct turn *turn;

	if (t->waiting == 0 || !take(t, now_ns))
		return NULL;
	do
		t->at = (t->at + 1) % TURNS_LANES;
	while (t->lane[t->at].n == 0);
	turn = t->lane[t->at].first;
	turns_leave(t, turn);
	return turn;
}
