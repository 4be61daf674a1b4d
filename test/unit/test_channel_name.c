/*-------------------------------------------------------------------------
 *
 * test_channel_name.c
 *	  Channel names that carry their own proof.
 *
 * The vectors were computed by another implementation of HMAC-SHA256.
 *
 * test/unit/test_channel_name.c
 *
 *-------------------------------------------------------------------------
 */
#include "tap.h"

#include "proto/channel_name.h"

#define SECRET "test_signing_secret"

static const struct
{
	const char *name;
	const char *hmac;
}			vectors[] = {
	{"agent-7b0c0a52-6f0e-4a8e-9a64-3a7a2f1d9d01-user-user_42",
	"db977d6ffbe5374ae19347b19c525b20a99d45c612fee93bab35932826bf6ea5"},
	{"conv-550e8400-e29b-41d4-a716-446655440000",
	"a92e82e219b70f54e73b62bd3e28edacc53c8d55b68638d673689a47971bfdaa"},
};

/* One vector: made, accepted, and refused with any byte changed. */
static void
test_vector(const char *name, const char *hmac)
{
	char	   *hex = malloc(CHANNEL_HMAC_HEX);
	Slice		secret = exact(B(SECRET));
	Slice		base = exact(slice_make(name, strlen(name)));
	Bytes		text;
	Slice		channel;
	bool		good = true;

	ok(channel_hmac(base, secret, hex), "%s", name);
	is_text(slice_make(hex, CHANNEL_HMAC_HEX), hmac, "its hmac");

	bytes_init(&text);
	bytes_printf(&text, "%s-%s", name, hmac);
	channel = exact(bytes_slice(&text));
	ok(channel_verify(channel, secret), "verified");
	ok(!channel_verify(channel, B(SECRET "x")), "not with another secret");
	ok(!channel_verify(channel, slice_make(NULL, 0)), "nor with none");
	for (size_t i = 0; i < channel.len; i++)
	{
		char	   *p = unconstify(char *, channel.data) + i;

		*p ^= 1;
		good = good && !channel_verify(channel, secret);
		*p ^= 1;
	}
	ok(good, "not with any byte changed");
	for (size_t len = 0; len < channel.len; len++)
	{
		Slice		part = exact(slice_make(channel.data, len));

		good = good && !channel_verify(part, secret);
		release(part);
		part = exact(slice_make(channel.data + channel.len - len, len));
		good = good && !channel_verify(part, secret);
		release(part);
	}
	ok(good, "not with any byte missing at either end");

	text.len = 0;
	bytes_printf(&text, "%s-%s", name, hmac);
	for (size_t i = strlen(name); i < text.len; i++)
		text.data[i] = pg_toupper((unsigned char) text.data[i]);
	ok(!channel_verify(bytes_slice(&text), secret), "not in upper case");

	bytes_free(&text);
	release(channel);
	release(base);
	release(secret);
	free(hex);
}

/* A verifier says of each channel and secret what channel_verify() says. */
static void
test_verifier(void)
{
	static const char *const secrets[] = {SECRET, "another", "", SECRET};
	ChannelVerifier *verifier = channel_verifier_new();
	bool		same = verifier != NULL;
	int			good = 0;

	for (int s = 0; same && s < lengthof(secrets); s++)
	{
		Slice		secret = slice_make(secrets[s], strlen(secrets[s]));

		same = channel_verifier_use(verifier, secret);
		for (int i = 0; same && i < lengthof(vectors); i++)
		{
			Bytes		text;

			bytes_init(&text);
			bytes_printf(&text, "%s-%s", vectors[i].name, vectors[i].hmac);
			for (size_t at = 0; same && at <= text.len; at++)
			{
				Slice		channel;
				ChannelParts parts;
				bool		verified;

				if (at < text.len)
					text.data[at] ^= 1;
				channel = exact(bytes_slice(&text));
				verified = channel_split(channel, &parts) && channel_verifier_check(verifier, &parts);
				same = verified == channel_verify(channel, secret);
				good += verified;
				release(channel);
				if (at < text.len)
					text.data[at] ^= 1;
			}
			bytes_free(&text);
		}
	}
	ok(same, "a verifier says the same, with any byte changed");
	ok(good == 2 * lengthof(vectors), "and yes where the secret is right");
	channel_verifier_free(verifier);
}

int
main(void)
{
	char		hex[CHANNEL_HMAC_HEX];
	Bytes		text;

	for (int i = 0; i < lengthof(vectors); i++)
		test_vector(vectors[i].name, vectors[i].hmac);

	/* RFC 4231, test case 2 */
	ok(channel_hmac(B("what do ya want for nothing?"), B("Jefe"), hex), "RFC 4231");
	is_text(slice_make(hex, sizeof(hex)),
			"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843", "test case 2");

	test_verifier();

	ok(channel_hmac(slice_make(NULL, 0), B(SECRET), hex), "an empty name has an hmac");
	bytes_init(&text);
	bytes_printf(&text, "-%.*s", CHANNEL_HMAC_HEX, hex);
	ok(!channel_verify(bytes_slice(&text), B(SECRET)), "but makes no channel");
	ok(!channel_verify(slice_make(NULL, 0), B(SECRET)), "nor does nothing");
	bytes_free(&text);
	return done_testing();
}
