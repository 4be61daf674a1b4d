/*-------------------------------------------------------------------------
 *
 * test_channel_pattern.c
 *	  Which names of channels does a pattern stand for?
 *
 * Fixed cases, then random ones against a matcher that is written as the rules
 * read, then patterns that bring a matcher which goes back to its knees.
 *
 * test/unit/test_channel_pattern.c
 *
 *-------------------------------------------------------------------------
 */
#include "tap.h"

#include "proto/channel_pattern.h"
#include "proto/event_name.h"

static const struct
{
	Slice		pattern;
	Slice		name;
	bool		matches;
}			cases[] = {
	/* InsForge's server */
	{P("orders"), P("orders"), true},
	{P("orders"), P("Orders"), false},
	{P("orders"), P("orders2"), false},
	{P("chat:%"), P("chat:a"), true},
	{P("chat:%"), P("chat:a:b"), true},
	{P("chat:%"), P("chat:"), true},
	{P("chat:%"), P("chat"), false},
	{P("chat:%"), P("chat:%"), true},
	{P("user:%:notifications"), P("user:123:notifications"), true},
	{P("user:%:notifications"), P("user:1:2:notifications"), true},
	{P("user:%:notifications"), P("user::notifications"), true},
	{P("user:%:notifications"), P("user:notifications"), false},
	{P("chat:room-%"), P("chat:room-7"), true},
	{P("a:%%"), P("a:"), true},
	{P("a:%%"), P("a:b"), true},
	{P("%"), P("anything:at all"), true},
	{P("%%"), P("x"), true},
	/* its documentation */
	{P("chat:*"), P("chat:room1"), true},
	{P("chat:*"), P("chat:room1:sub"), true},
	{P("chat:*"), P("chat:"), false},
	{P("chat:*"), P("chat"), false},
	{P("chat:*"), P("chat:*"), true},
	{P("user:*:notifications"), P("user:123:notifications"), true},
	{P("user:*:notifications"), P("user:1:x:notifications"), false},
	{P("user:*:notifications"), P("user::notifications"), false},
	{P("user:*:notifications"), P("user:*:notifications"), true},
	{P("room-*"), P("room-1"), true},
	{P("room-*"), P("room-"), false},
	{P("room-*"), P("room-1:x"), false},
	{P("*"), P("a:b"), true},
	{P("*:b"), P("a:b"), true},
	{P("*:b"), P("x:a:b"), false},
	{P("*:*"), P("a:b:c"), true},
	{P("*:*"), P(":b"), false},
	{P("*:*:c"), P("a:b:c"), true},
	{P("*:*:c"), P("a:b:d:c"), false},
	{P("a*b*c"), P("axbxc"), true},
	{P("a*b*c"), P("axbbc"), true},
	{P("a*b*c"), P("abbc"), false},
	{P("a*b*c"), P("a:bxc"), false},
	{P("**"), P("ab"), true},
	{P("**"), P("a"), false},
	{P("%*"), P("a:"), false},
	{P("%*"), P("a:b"), true},
	{P("*%"), P("a:b"), true},
	{P("*%"), P(":b"), false},
	{P("%:*"), P("a:b:"), true},	/* b: */
	{P("%:*"), P("a:"), false},
	{P("%a*b"), P("aab:axb"), true},
	{P("doc:*:rev:%"), P("doc:1:rev:"), true},
	{P("doc:*:rev:%"), P("doc:1:2:rev:3"), false},
	/* no other metacharacters */
	{P("chat_1"), P("chatx1"), false},
	{P("chat\\%"), P("chat%"), false},
	{P("chat\\%"), P("chat\\x"), true},
	{P("a?"), P("ab"), false},
	{P("[ab]"), P("a"), false},
	/* what no name is */
	{P("%"), P(""), false},
	{P(""), P(""), false},
	{P("%"), P("a\nb"), false},
	{P("a\nb"), P("a\nb"), false},
	{P("%"), P("a\x7f"), false},
	{P("%"), P("\xc3\xa9"), true},
	{P("\xc3\xa9:*"), P("\xc3\xa9:\xc3\xa9"), true},
};

/* All fixed cases. */
static void
test_cases(void)
{
	for (size_t i = 0; i < lengthof(cases); i++)
	{
		Slice		pattern = exact(cases[i].pattern);
		Slice		name = exact(cases[i].name);

		ok(channel_pattern_matches(pattern, name) == cases[i].matches,
		   "%.*s %s %.*s", SLICE_ARG(pattern),
		   cases[i].matches ? "matches" : "does not match", SLICE_ARG(name));
		release(pattern);
		release(name);
	}
}

/* As the rules read, with all the time in the world. */
static bool
slow_match(const char *pattern, bool part_begins, const char *name)
{
	bool		last;

	if (*pattern == '\0')
		return *name == '\0';
	if (*pattern == '%')
	{
		for (;; name++)
		{
			if (slow_match(pattern + 1, false, name))
				return true;
			if (*name == '\0')
				return false;
		}
	}
	if (*pattern != '*')
		return *pattern == *name && slow_match(pattern + 1, *pattern == ':', name + 1);

	last = part_begins && pattern[1] == '\0';
	for (; *name != '\0' && (last || *name != ':'); name++)
	{
		if (slow_match(pattern + 1, false, name + 1))
			return true;
	}
	return false;
}

/* A random string of up to max of the given characters. */
static Slice
random_string(const char *from, size_t min, size_t max)
{
	size_t		len = min + tap_below(max - min + 1);
	char	   *text = malloc(len + 1);

	for (size_t i = 0; i < len; i++)
		text[i] = from[tap_below(strlen(from))];
	text[len] = '\0';
	return slice_make(text, len);
}

/* Random patterns and names. */
static void
test_random(void)
{
	int			wrong = 0;
	int			matched = 0;

	for (int i = 0; i < 200000; i++)
	{
		Slice		pattern = random_string("ab:%*", 0, 8);
		Slice		name = random_string("ab:", 1, 10);
		bool		want = slow_match(pattern.data, true, name.data);

		if (channel_pattern_matches(pattern, name) != want && wrong++ < 5)
			diag("%s and %s: wanted %d", pattern.data, name.data, want);
		matched += want;
		release(pattern);
		release(name);
	}
	is_int(wrong, 0, "random patterns match what they should");
	ok(matched > 1000, "of which many do");
}

/* Fill a string with a repeated piece. */
static Slice
repeated(const char *piece, size_t len, const char *end)
{
	char	   *text = malloc(len + strlen(end));

	for (size_t i = 0; i < len; i++)
		text[i] = piece[i % strlen(piece)];
	memcpy(text + len, end, strlen(end));
	return slice_make(text, len + strlen(end));
}

/* Patterns that make a matcher go back and forth. */
static void
test_adversarial(void)
{
	static const struct
	{
		const char *piece;
		size_t		len;
		const char *end;
	}			patterns[] = {
		{"%a", 250, "b"}, {"*a", 250, "b"}, {"%*", 250, "b"}, {"a%%*", 200, "b"},
		{"%", 100000, "b"}, {"*", 100000, "b"}, {"%a", 100000, "b"}, {"%a*", 99, "a%b"},
		{"*%a:", 200, "b"}
	};
	Slice		name = repeated("a", CHANNEL_NAME_MAX_BYTES, "");

	for (size_t i = 0; i < lengthof(patterns); i++)
	{
		Slice		pattern = repeated(patterns[i].piece, patterns[i].len, patterns[i].end);
		bool		matched = false;

		for (int n = 0; n < 20; n++)
			matched = matched || channel_pattern_matches(pattern, name);
		ok(!matched, "%s..., %zu bytes", patterns[i].piece, pattern.len);
		release(pattern);
	}
	release(name);

	name = repeated("a", CHANNEL_NAME_MAX_BYTES, "");
	ok(channel_pattern_matches(B("%a*%"), name), "a name of 255 bytes");
	release(name);
	name = repeated("*", CHANNEL_NAME_MAX_BYTES, "");
	ok(channel_pattern_matches(name, name), "255 wildcards and as many bytes");
	release(name);
	name = repeated("a", CHANNEL_NAME_MAX_BYTES + 1, "");
	ok(!channel_pattern_matches(B("%"), name), "but none of 256");
	release(name);
}

/* Which of two patterns goes first. */
static void
test_specificity(void)
{
	/* each goes before those below */
	static const Slice order[] = {
		P("chat:room:1"), P("chat:room:*"), P("chat:room%"), P("chat:*:x"), P("chat:*"),
		P("chat:%:*"), P("chat*"), P("%longer"), P("*x"), P("%"), P("%%ab"), P("%*a")
	};

	for (size_t i = 0; i < lengthof(order); i++)
	{
		ChannelSpecificity a = channel_pattern_specificity(order[i]);

		is_int(channel_pattern_compare(&a, &a), 0, "a pattern is as close as itself");
		for (size_t j = i + 1; j < lengthof(order); j++)
		{
			ChannelSpecificity b = channel_pattern_specificity(order[j]);

			ok(channel_pattern_compare(&a, &b) < 0 && channel_pattern_compare(&b, &a) > 0,
			   "%.*s before %.*s", SLICE_ARG(order[i]), SLICE_ARG(order[j]));
		}
	}
	ok(!channel_pattern_is_wild(B("chat:1")) && !channel_pattern_is_wild(B("")) &&
	   channel_pattern_is_wild(B("%")) && channel_pattern_is_wild(B("chat:*:x")),
	   "wild or not");
}

/* Names of events. */
static void
test_events(void)
{
	static const Slice reserved[] = {
		P("connect"), P("connect_error"), P("disconnect"), P("disconnecting"),
		P("newListener"), P("removeListener"), P("realtime:error"), P("realtime:"),
		P("presence:join"), P("phx_reply"), P("phx_")
	};
	static const Slice good[] = {
		P("message.new"), P("Connect"), P("connected"), P("presence"), P("realtime"),
		P("phx"), P("INSERT"), P("newlistener"), P(" connect")
	};

	for (size_t i = 0; i < lengthof(reserved); i++)
		ok(event_name_is_reserved(reserved[i]), "%.*s is reserved", SLICE_ARG(reserved[i]));
	for (size_t i = 0; i < lengthof(good); i++)
		ok(!event_name_is_reserved(good[i]), "%.*s is not", SLICE_ARG(good[i]));
	ok(!event_name_is_reserved(B("")), "nor is none");
}

int
main(void)
{
	test_cases();
	test_random();
	test_adversarial();
	test_specificity();
	test_events();
	return done_testing();
}
