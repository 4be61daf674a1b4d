/*-------------------------------------------------------------------------
 *
 * test_base64url.c
 *	  Base64 of URLs: one spelling for each sequence of bytes.
 *
 * test/unit/test_base64url.c
 *
 *-------------------------------------------------------------------------
 */
#include "tap.h"

#include "proto/base64url.h"

/* RFC 4648 section 10 without its padding, and both digits of its section 5. */
static const struct
{
	Slice		bytes;
	Slice		spelled;
}			vectors[] = {
	{P(""), P("")},
	{P("f"), P("Zg")},
	{P("fo"), P("Zm8")},
	{P("foo"), P("Zm9v")},
	{P("foob"), P("Zm9vYg")},
	{P("fooba"), P("Zm9vYmE")},
	{P("foobar"), P("Zm9vYmFy")},
	{P("\xfb\xff\xfe"), P("-__-")},
	{P("\0\0"), P("AAA")},
};

/* Decode text that ends exactly; -1 if it is refused, else its bytes. */
static int
decoded_len(Slice spelled)
{
	Slice		copy = exact(spelled);
	Bytes		out;
	int			len = -1;

	bytes_init(&out);
	bytes_append_cstr(&out, "kept");
	if (base64url_decode(copy, &out))
		len = (int) out.len - 4;
	else if (out.len != 4)
		len = -2;				/* it must be as before */
	bytes_free(&out);
	release(copy);
	return len;
}

/* Both ways. */
static void
test_vectors(void)
{
	for (int i = 0; i < lengthof(vectors); i++)
	{
		Slice		bytes = exact(vectors[i].bytes);
		Bytes		out;

		bytes_init(&out);
		ok(base64url_encode(bytes, &out), "encode " SLICE_FMT, SLICE_ARG(vectors[i].spelled));
		is_bytes(bytes_slice(&out), vectors[i].spelled, "as it is spelled");
		out.len = 0;
		ok(base64url_decode(vectors[i].spelled, &out), "and back");
		is_bytes(bytes_slice(&out), vectors[i].bytes, "the same bytes");
		bytes_free(&out);
		release(bytes);
	}
}

/* Bytes of every length up to a hundred, there and back. */
static void
test_round_trips(void)
{
	bool		good = true;

	for (int len = 0; len < 100; len++)
	{
		Bytes		bytes;
		Bytes		spelled;
		Bytes		back;

		bytes_init(&bytes);
		bytes_init(&spelled);
		bytes_init(&back);
		for (int i = 0; i < len; i++)
			bytes_append_byte(&bytes, (uint8) tap_random());
		good = good && base64url_encode(bytes_slice(&bytes), &spelled) &&
			base64url_decode(bytes_slice(&spelled), &back) &&
			slice_equals(bytes_slice(&bytes), bytes_slice(&back)) &&
			spelled.len == (len * 4 + 2) / 3;
		bytes_free(&bytes);
		bytes_free(&spelled);
		bytes_free(&back);
	}
	ok(good, "bytes of every length");
}

/* What is no spelling of anything. */
static void
test_refused(void)
{
	static const Slice bad[] = {
		P("A"), P("AAAAA"), P("Zg=="), P("Zm8="), P("="), P("Zm9v\n"), P(" Zm9v"), P("Zm 9v"),
		P("+/+/"), P("Zm9v."), P("Zm9\0"), P("Zm9\x80"), P("Zm9\xff"), P("Zm9,"), P("Zm9`"), P("Zm9@"),
		P("Zm9["), P("Zm9{"), P("Zm9:"), P("Zh"), P("Zj"), P("Zo"), P("Zm9"), P("Zm-")
	};
	int			canonical = 0;

	for (int i = 0; i < lengthof(bad); i++)
		is_int(decoded_len(bad[i]), -1, bad[i].data);

	/* of the two-digit texts, those whose last four bits are zero */
	for (int first = 0; first < 256; first++)
	{
		for (int second = 0; second < 256; second++)
		{
			char		pair[2] = {(char) first, (char) second};

			canonical += decoded_len(slice_make(pair, 2)) == 1;
		}
	}
	is_int(canonical, 256, "two digits spell each byte once");
}

int
main(void)
{
	test_vectors();
	test_round_trips();
	test_refused();
	return done_testing();
}
