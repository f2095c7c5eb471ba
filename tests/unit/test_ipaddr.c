/* Addresses and networks. */
#include "proto/ipaddr.h"
#include "tests/unit/suite.h"

static bool
within(const char *address, const char *range)
{
	struct ipaddr ip, network;

	ck_assert_msg(ipaddr_read(&ip, slice_str(address)), "%s", address);
	ck_assert_msg(ipaddr_read_prefix(&network, slice_str(range)), "%s", range);
	return ipaddr_within(&ip, &network);
}

START_TEST(addresses_lie_in_networks)
{
	static const char *const in[][2] = {
		{"10.0.0.1", "10.0.0.1"},           {"10.0.0.1", "10.0.0.0/8"},
		{"10.255.255.255", "10.9.9.9/8"},   {"10.0.0.1", "0.0.0.0/0"},
		{"10.0.0.1", "10.0.0.0/31"},        {"10.0.0.1", "::ffff:10.0.0.1"},
		{"::ffff:a00:1", "10.0.0.0/8"},     {"10.0.0.1", "::ffff:10.0.0.0/104"},
		{"10.0.0.1", "::ffff:0:0/96"},      {"fe80::1", "fe80::/10"},
		{"febf::1", "fe80::/10"},           {"FE80:0:0::1", "fe80::1"},
		{"2001:db8::ff00:42:8329", "::/0"}, {"192.168.99.1", "192.168.99.1/32"},
	};
	static const char *const out[][2] = {
		{"11.0.0.1", "10.0.0.0/8"},
		{"10.0.0.2", "10.0.0.0/31"},
		{"fec0::1", "fe80::/10"},
		{"10.0.0.1", "::/0"},
		{"::1", "0.0.0.0/0"},
		{"::a00:1", "10.0.0.1"},
		{"11.0.0.1", "::ffff:10.0.0.0/104"},
		{"10.128.0.1", "10.0.0.0/9"},
	};

	for (size_t i = 0; i < sizeof in / sizeof *in; i++)
		ck_assert_msg(within(in[i][0], in[i][1]), "%s %s", in[i][0], in[i][1]);
	for (size_t i = 0; i < sizeof out / sizeof *out; i++)
		ck_assert_msg(!within(out[i][0], out[i][1]), "%s %s", out[i][0], out[i][1]);
}
END_TEST

START_TEST(what_is_no_address_is_none)
{
	static const char *const bad[] = {
		"",
		"10.0.0",
		"10.0.0.256",
		"10.0.0.01",
		"10.0.0.1:80",
		"[::1]",
		"fe80::1%lo",
		"10.0.0.0/8",
		"1",
		"::1::",
		" ::1",
		"ec2.amazonaws.com",
		"2001:db8::ff00:42:8329:2001:db8::ff00:42:8329:1",
	};
	static const char *const no_range[] = {"10.0.0.0/33", "::/129",      "10.0.0.0/",
					       "10.0.0.0/08", "10.0.0.0/-1", "/8",
					       "10/8",        "10.0.0.0/8/8"};
	struct ipaddr ip;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_msg(!ipaddr_read(&ip, slice_str(bad[i])), "%s", bad[i]);
	for (size_t i = 0; i < sizeof no_range / sizeof *no_range; i++)
		ck_assert_msg(!ipaddr_read_prefix(&ip, slice_str(no_range[i])), "%s", no_range[i]);
	ck_assert(!ipaddr_read(&ip, slice_of("10.0.0.1\0", 9)));
}
END_TEST

START_TEST(an_address_has_one_spelling)
{
	static const char *const same[][2] = {{"::ffff:10.0.0.1", "10.0.0.1"},
					      {"FE80:0:0:0::1", "fe80::1"},
					      {"2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"}};

	for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
		struct ipaddr ip;
		struct buf out;
		buf_init(&out);
		ck_assert(ipaddr_read(&ip, slice_str(same[i][0])));
		ipaddr_write(&out, &ip);
		ck_assert_msg(slice_eq_str(buf_slice(&out), same[i][1]), "%s", same[i][0]);
		buf_fini(&out);
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {addresses_lie_in_networks, what_is_no_address_is_none,
				      an_address_has_one_spelling};

	return suite_run("ipaddr", tests, sizeof tests / sizeof *tests, 60);
}
