/*-------------------------------------------------------------------------
 *
 * test_base64.c
 *	  Base64 with padding: what it is and what it is not.
 *
 * test/unit/test_base64.c
 *
 *-------------------------------------------------------------------------
 */
#include "tap.h"

#include "proto/base64.h"

/* The vectors of RFC 4648 10, the last two digits, and spare bits that are set. */
static const struct
{
	Slice		spelled;
	Slice		bytes;
}			good[] = {
	{P(""), P("")},
	{P("Zg=="), P("f")},
	{P("Zm8="), P("fo")},
	{P("Zm9v"), P("foo")},
	{P("Zm9vYg=="), P("foob")},
	{P("Zm9vYmE="), P("fooba")},
	{P("Zm9vYmFy"), P("foobar")},
	{P("+/+/"), P("\xfb\xff\xbf")},
	{P("Zh=="), P("f")},
	{P("Zm9="), P("fo")}
};

/* OpenSSL's decoder takes most of these. */
static const Slice bad[] = {
	P("Z"), P("Zg"), P("Zg="), P("=Zm9"), P("Z=m9"), P("Zg=v"), P("Z==="), P("===="),
	P("Zg==Zg=="), P("    "), P("    Zm9v"), P("Zm9v\n\n\n\n"), P("Zm 9"), P("Zm9\0"),
	P("-_-_"), P("Zm9\xc3")
};

int
main(void)
{
	for (int i = 0; i < lengthof(good); i++)
	{
		Slice		chars = exact(good[i].spelled);
		Bytes		out = {0};

		bytes_append_cstr(&out, "x");
		ok(base64_decode(chars, &out), "\"%s\" is base64", good[i].spelled.data);
		is_bytes(slice_make(out.data + 1, out.len - 1), good[i].bytes, "its bytes");
		bytes_free(&out);
		release(chars);
	}
	for (int i = 0; i < lengthof(bad); i++)
	{
		Slice		chars = exact(bad[i]);
		Bytes		out = {0};

		bytes_append_cstr(&out, "x");
		ok(!base64_decode(chars, &out) && out.len == 1 && !out.failed, "\"%s\" is not", bad[i].data);
		bytes_free(&out);
		release(chars);
	}
	return done_testing();
}
