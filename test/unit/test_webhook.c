/*-------------------------------------------------------------------------
 *
 * test_webhook.c
 *	  Where webhooks may lead, how they are signed, and when they are tried again.
 *
 * test/unit/test_webhook.c
 *
 *-------------------------------------------------------------------------
 */
#include "proto/proto.h"

#include "courier/verdict.h"
#include "proto/ip_range.h"
#include "proto/webhook_signature.h"
#include "proto/webhook_url.h"
#include "tap.h"

/*
 * A slice of a C string.
 */
static Slice
slice_of(const char *s)
{
	return slice_make(s, strlen(s));
}

/*
 * Which addresses anybody may be sent to.
 */
static void
test_addresses(void)
{
	static const struct
	{
		const char *address;
		bool		is_public;
	}			cases[] = {
		{"0.0.0.0", false}, {"0.255.255.255", false}, {"1.0.0.0", true},
		{"9.255.255.255", true}, {"10.0.0.0", false}, {"10.255.255.255", false}, {"11.0.0.0", true},
		{"100.63.255.255", true}, {"100.64.0.0", false}, {"100.127.255.255", false}, {"100.128.0.0", true},
		{"126.255.255.255", true}, {"127.0.0.1", false}, {"127.255.255.255", false}, {"128.0.0.0", true},
		{"169.253.255.255", true}, {"169.254.169.254", false}, {"169.255.0.0", true},
		{"172.15.255.255", true}, {"172.16.0.0", false}, {"172.31.255.255", false}, {"172.32.0.0", true},
		{"192.0.0.8", false}, {"192.0.1.0", true}, {"192.0.2.1", false}, {"192.88.99.1", false},
		{"192.167.255.255", true}, {"192.168.0.0", false}, {"192.168.255.255", false}, {"192.169.0.0", true},
		{"198.17.255.255", true}, {"198.18.0.0", false}, {"198.19.255.255", false}, {"198.20.0.0", true},
		{"198.51.100.1", false}, {"203.0.113.1", false}, {"8.8.8.8", true},
		{"223.255.255.255", true}, {"224.0.0.1", false}, {"239.255.255.255", false},
		{"240.0.0.1", false}, {"255.255.255.255", false},
		{"::", false}, {"::1", false}, {"::127.0.0.1", false}, {"::8.8.8.8", false},
		{"::ffff:127.0.0.1", false}, {"::ffff:8.8.8.8", true}, {"::ffff:10.1.2.3", false},
		{"64:ff9b::7f00:1", false}, {"64:ff9b::8.8.8.8", true}, {"64:ff9b:1::8.8.8.8", false},
		{"100::1", false}, {"1fff:ffff::1", false}, {"2000::1", true},
		{"2001::1", false}, {"2001:1ff::1", false}, {"2001:200::1", true}, {"2001:4860:4860::8888", true},
		{"2001:db7::1", true}, {"2001:db8::1", false}, {"2001:db9::1", true},
		{"2002:7f00:1::", false}, {"2003::1", true}, {"2606:4700::1111", true},
		{"3ffe::1", true}, {"3fff::1", false}, {"3fff:fff::1", false}, {"3fff:1000::1", true},
		{"4000::1", false}, {"5f00::1", false}, {"fc00::1", false}, {"fd00:ec2::254", false},
		{"fe80::1", false}, {"febf::1", false}, {"fec0::1", false}, {"ff02::1", false}
	};

	for (int i = 0; i < (int) lengthof(cases); i++)
	{
		IpAddress	address;

		ok(ip_parse(slice_of(cases[i].address), &address) &&
		   ip_is_public(&address) == cases[i].is_public,
		   "%s is %spublic", cases[i].address, cases[i].is_public ? "" : "not ");
	}
}

/*
 * Spellings that are none.
 */
static void
test_spellings(void)
{
	static const char *const none[] = {
		"", " ", "1", "1.2.3", "1.2.3.4.5", "256.1.1.1", "0x7f.0.0.1", "fe80::1%eth0", "[::1]", "1.2.3.4 ",
		"aaaa:bbbb:cccc:dddd:eeee:ffff:0000:1111:2222:3333:4444:5555:6666:7777"
	};
	IpAddress	address;

	for (int i = 0; i < (int) lengthof(none); i++)
		ok(!ip_parse(slice_of(none[i]), &address), "\"%s\" is no address", none[i]);
	ok(!ip_parse(slice_make("127.0.0.1\0", 10), &address), "nor is one with a NUL");
}

/*
 * Is an address in a list?  -1 if that is none.
 */
static int
listed(const char *list, const char *spelled)
{
	Slice		rest = slice_of(list);
	IpAddress	address;
	IpRange		range;
	int			found = 0;
	int			more;

	if (!ip_parse(slice_of(spelled), &address))
		return -2;
	while ((more = ip_next_range(&rest, &range)) > 0)
		found |= ip_in_range(&address, &range);
	return more < 0 ? -1 : found;
}

/*
 * Lists of ranges.
 */
static void
test_ranges(void)
{
	is_int(listed("", "127.0.0.1"), 0, "an empty list has nothing");
	is_int(listed("  ", "127.0.0.1"), 0, "nor has a blank one");
	is_int(listed("127.0.0.1", "127.0.0.1"), 1, "an address alone is a range");
	is_int(listed("127.0.0.1", "127.0.0.2"), 0, "of one");
	is_int(listed(" 10.0.0.0/8 ,\t127.0.0.0/8 ", "127.9.9.9"), 1, "white space does no harm");
	is_int(listed("10.0.0.0/8, 127.0.0.0/8", "11.0.0.0"), 0, "a bit that differs");
	is_int(listed("10.128.0.0/9", "10.127.255.255"), 0, "a range need not end at a byte");
	is_int(listed("10.128.0.0/9", "10.200.0.1"), 1, "but can be in its midst");
	is_int(listed("10.1.2.3/8", "10.200.0.1"), 1, "bits behind those that count do not");
	is_int(listed("0.0.0.0/0", "1.2.3.4"), 1, "all of IPv4");
	is_int(listed("0.0.0.0/0", "::1"), 0, "is not of IPv6");
	is_int(listed("::/0", "1.2.3.4"), 1, "all of IPv6 has IPv4 mapped");
	is_int(listed("::ffff:10.0.0.0/104", "10.9.9.9"), 1, "which can be spelled so");
	is_int(listed("fd00::/8", "fdff::1"), 1, "a range of IPv6");
	is_int(listed("fd00::/8", "fc00::1"), 0, "has an end, too");
	is_int(listed("10.0.0.0/33", "::1"), -1, "too many bits of IPv4");
	is_int(listed("::/129", "::1"), -1, "too many of IPv6");
	is_int(listed("10.0.0.0/", "::1"), -1, "none at all");
	is_int(listed("10.0.0.0/-1", "::1"), -1, "fewer than none");
	is_int(listed("10.0.0.0/8,", "::1"), -1, "nothing behind a comma");
	is_int(listed(",10.0.0.0/8", "::1"), -1, "or before it");
	is_int(listed("localhost", "::1"), -1, "a name");
}

/*
 * Endpoints of URLs.
 */
static void
test_urls(void)
{
	static const struct
	{
		const char *url;
		const char *endpoint;	/* NULL = none */
	}			cases[] = {
		{"http://example.com", "http://example.com:80"},
		{"https://example.com/", "https://example.com:443"},
		{"HTTPS://Example.COM:8443/Path?Query#Fragment", "https://example.com:8443"},
		{"http://example.com?x=/@y", "http://example.com:80"},
		{"http://example.com#@y", "http://example.com:80"},
		{"http://user:pass@example.com/", "http://example.com:80"},
		{"http://a@b@example.com/", "http://example.com:80"},
		{"http://[::1]:8080/", "http://[::1]:8080"},
		{"http://[2001:DB8::1]/x", "http://[2001:db8::1]:80"},
		{"http://127.1", "http://127.1:80"},
		{"http://example.com:65535/", "http://example.com:65535"},
		{"", NULL}, {"http://", NULL}, {"http:///x", NULL}, {"http://:80/", NULL}, {"http://@/", NULL},
		{"http://example.com:/", NULL}, {"http://example.com:0/", NULL}, {"http://example.com:65536/", NULL},
		{"http://example.com:000080/", NULL}, {"http://example.com:8a/", NULL}, {"http://::1/", NULL},
		{"http://[::1/", NULL}, {"http://[]/", NULL}, {"http://[::1]x/", NULL}, {"http://[::1]]/", NULL},
		{"http://example.com\\@evil/", NULL}, {"http://exa mple.com/", NULL}, {"http://example.com/\n", NULL},
		{"ftp://example.com/", NULL}, {"javascript:alert(1)", NULL}, {"//example.com/", NULL},
		{"example.com", NULL}, {" http://example.com", NULL}
	};
	static char long_url[WEBHOOK_URL_MAX + 2];

	for (int i = 0; i < (int) lengthof(cases); i++)
	{
		char		endpoint[128];
		size_t		len = webhook_endpoint(slice_of(cases[i].url), endpoint);

		ok(cases[i].endpoint == NULL ? len == 0 :
		   slice_equals_cstr(slice_make(endpoint, len), cases[i].endpoint),
		   "%s leads to %s", cases[i].url, cases[i].endpoint ? cases[i].endpoint : "nowhere");
	}
	memset(long_url, 'x', sizeof(long_url) - 1);
	memcpy(long_url, "http://", 7);
	{
		static char endpoint[sizeof(long_url) + WEBHOOK_ENDPOINT_EXTRA];

		ok(webhook_endpoint(slice_of(long_url), endpoint) == 0, "a URL that is too long leads nowhere");
		long_url[WEBHOOK_URL_MAX] = '\0';
		is_int((int) webhook_endpoint(slice_of(long_url), endpoint), WEBHOOK_URL_MAX + 3,
			   "one that is just not is all endpoint");
	}
}

/*
 * Sign, and compare; NULL is a secret that is none.
 */
static void
signs(const char *secret, const char *body, const char *signature, const char *name)
{
	Bytes		out;
	bool		done;

	bytes_init(&out);
	done = webhook_sign(slice_of(secret), slice_of("msg_p5jXN8AQM9LWM0D4loKWxJek"), 1614265330,
						slice_of(body), &out);
	ok(signature == NULL ? !done && out.len == 0 :
	   done && slice_equals_cstr(bytes_slice(&out), signature), "%s", name);
	bytes_free(&out);
}

/*
 * Signatures: the first one is the example of Standard Webhooks, the others were
 * made with another implementation of HMAC.
 */
static void
test_signatures(void)
{
	const char *body = "{\"test\": 2432232314}";

	signs("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", body,
		  "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", "the published example");
	signs("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", body,
		  "v1,ELhqG0Ku1gwOc1f4jyKdp3SFGFLAOdJ9bvpWLciCakI=", "a secret without the prefix is the key");
	signs("whsec_YQ==", body, "v1,4ATY6QeOpFQ0Z2owamlwKn7NWXQfDKpPt/9/IazpuUw=", "a key of one byte, padded");
	signs("a", body, "v1,4ATY6QeOpFQ0Z2owamlwKn7NWXQfDKpPt/9/IazpuUw=", "is that byte");
	signs("whsec_", body, NULL, "a key of none");
	signs("whsec_%%%%", body, NULL, "no base64");
	signs("whsec_YQ", body, NULL, "base64 without its padding");
	signs("whsec_====", body, NULL, "padding of nothing");
	signs("whsec_YQ==\n\n\n\n", body, NULL, "base64 with white space behind it");
	signs("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "", "v1,v48jdbgvh29KJz2Qc+ghw8G6vG3nAKnujWBg8oM/62A=", "an empty body");
}

/*
 * What statuses mean.
 */
static void
test_verdicts(void)
{
	static const struct
	{
		int			from;
		int			to;
		Verdict		verdict;
		bool		trouble;
	}			cases[] = {
		{200, 299, VERDICT_DELIVERED, false},
		{300, 407, VERDICT_DEAD, false},
		{408, 408, VERDICT_RETRY, true},
		{409, 424, VERDICT_DEAD, false},
		{425, 425, VERDICT_RETRY, false},
		{426, 428, VERDICT_DEAD, false},
		{429, 429, VERDICT_RETRY, true},
		{430, 499, VERDICT_DEAD, false},
		{500, 599, VERDICT_RETRY, true},
		{600, 999, VERDICT_DEAD, false}
	};

	for (int i = 0; i < (int) lengthof(cases); i++)
	{
		bool		right = true;

		for (int status = cases[i].from; status <= cases[i].to; status++)
			right = right && verdict_of_status(status) == cases[i].verdict &&
				status_is_trouble(status) == cases[i].trouble;
		ok(right, "%d to %d", cases[i].from, cases[i].to);
	}
}

/*
 * Pauses before attempts.
 */
static void
test_pauses(void)
{
	int64		hours6 = 6 * 60 * 60 * INT64CONST(1000);
	bool		grows = true;

	is_int((int) retry_pause(1, 1000, 0.5, 0), 500, "after the first attempt");
	is_int((int) retry_pause(2, 1000, 0.5, 0), 1500, "three times as long after the second");
	is_int((int) retry_pause(5, 1000, 0.999999, 0), 80999, "and so on");
	is_int((int) retry_pause(7, 1000, 0.0, 0), 0, "it may be none");
	ok(retry_pause(100, 1000, 0.5, 0) == hours6 / 2, "it has an end");
	ok(retry_pause(PG_INT32_MAX, PG_INT32_MAX, 0.5, 0) == hours6 / 2, "however long it begins");
	for (int i = 1; i < 40; i++)
		grows = grows && retry_pause(i + 1, 1, 0.9, 0) >= retry_pause(i, 1, 0.9, 0);
	ok(grows, "it never gets shorter");
	is_int((int) retry_pause(1, 1000, 0.5, 7), 7000, "who asks for time is given it");
	is_int((int) retry_pause(5, 1000, 0.5, 1), 40500, "which is no reason for less");
	is_int((int) retry_pause(1, 1000, 0.5, 1000000), 3600000, "but not for ever");
	is_int((int) retry_pause(1, 1000, 0.5, -5), 500, "time in the past is none");
}

int
main(void)
{
	test_addresses();
	test_spellings();
	test_ranges();
	test_urls();
	test_signatures();
	test_verdicts();
	test_pauses();
	return done_testing();
}
