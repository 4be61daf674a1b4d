# Tokens over the wire (reliability.md c): every forged, broken or odd token is
# shown to the server in the three places where it takes one.  Connecting is
# answered with 401 and a reason, a join with an error, and a channel that is
# given such a token is closed; always with the same verdict, and never with a
# crash.  Then keys that change under the server's feet, and roles that no
# token may have.

use strict;
use warnings;

use JSON::PP;
use JwtKey qw(base64url compose);
use MIME::Base64 qw(encode_base64);
use PostgreSQL::Test::Utils;
use RealtimeServer;
use Test::More;
use Time::HiRes qw(time);

my $secret = $RealtimeServer::jwt_secret;
my $exp = 4_000_000_000;
my %claims = (role => 'anon', exp => $exp);

my $hs = JwtKey->secret($secret);
my $oct = JwtKey->secret('another secret, which stands in the key set', kid => 'oct');
my %pair = map { $_ => JwtKey->generate($_) } qw(RS256 ES256 ES384 ES512 EdDSA Ed448);
my $no_kid = JwtKey->generate('ES256', kid => undef);
my $stranger = JwtKey->secret('a secret that the server has never heard of');
my %strange = map { $_ => JwtKey->generate($_) } qw(RS256 ES256 EdDSA);

my $server = RealtimeServer->start_new('jwt', conf => <<"CONF");
realtime.jwt_jwks = '${\ JwtKey::jwks($oct, values %pair) }'
log_min_messages = debug1
CONF
my $node = $server->node;
my $gateway = $server->gateway_pid;
my $client = $server->client;
my @seen;           # every token that was used, for the log at the end

#
# What is said of a token, by verdict: the prefix that a join adds, and text.
#
my $bad_signer = 'Failed to generate JWT signer, check your JWT secret or JWKS configuration';
my %said = (
	malformed => [ 'MalformedJWT', 'The token provided is not a valid JWT' ],
	signature => [ 'JwtSignatureError', 'Failed to validate JWT signature' ],
	signer    => [ 'JwtSignerError', $bad_signer ],
	claims    => [ 'InvalidJWTToken', 'Fields `role` and `exp` are required in JWT' ],
	expired   => [ 'InvalidJWTToken', 'Token has expired' ],
	early     => [ 'InvalidJWTToken', 'Token is not valid yet' ],
	audience  => [ 'InvalidJWTToken', 'Token is meant for another audience' ],
	issuer    => [ 'InvalidJWTToken', 'Token is from another issuer' ],
);

# Prefix and text of a verdict.
sub said { return @{ $said{$_[0]} // die "no verdict $_[0]" }; }

# Try to connect with a token: [status, body].
sub connect_with
{
	my ($token, %headers) = @_;
	my $peer = $server->client(upgrade => 0);
	my $answer = $peer->http(
		WebSocketClient::upgrade_request(
			WebSocketClient::target(apikey => $token, vsn => '2.0.0'), { map { $_ => [ $headers{$_} ] } keys %headers }),
		10);

	$peer->abandon;
	return $answer ? [ @$answer[ 0, 2 ] ] : [ 'closed', '' ];
}

# A token is refused in each of the three places, with its verdict.
sub refused
{
	my ($name, $verdict, $token, %params) = @_;
	my ($prefix, $text) = said($verdict);
	my ($status, $body) = @{ connect_with($token) };

	push @seen, $token if length $token > 40;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	if (length $token > 8000)
	{
		# the server may close while we still send, and the reset eat its answer
		ok($status =~ /^(?:414|431|closed)$/, "$name: too long for a request");
	}
	else
	{
		is($status, 401, "$name: 401");
		is(eval { decode_json($body)->{error} } // $body, $text, "$name: the body says so");
	}

	# while a token has expired for a join and a channel, they say for how long
	$text .= ' [0-9]+ seconds ago' if $verdict eq 'expired';
	my $literal = $verdict eq 'expired' ? qr/^$prefix: $text$/ : qr/^\Q$prefix: $text\E$/;
	like($client->join_result('room', access_token => $token), $literal, "$name: no join");
	is($client->join_result('room'), 'ok', "$name: the connection is alive");
	$client->access_token('room', $token);
	$literal = $verdict eq 'expired' ? qr/^$text$/ : qr/^\Q$text\E$/;
	like($client->channel_end('room') // 'nothing', $literal, "$name: a channel that gets it is closed");
	return;
}

# A token is taken in each of the three places.
sub accepted
{
	my ($name, $token) = @_;

	push @seen, $token if length $token > 40;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(connect_with($token)->[0], 101, "$name: connects");
	is($client->join_result('room', access_token => $token), 'ok', "$name: joins");
	is($client->join_result('room'), 'ok', "$name: joins with the key");
	$client->access_token('room', $token);
	ok($client->heartbeat, "$name: is no reason to answer");
	$server->publish('room', 1);
	ok($client->broadcast, "$name: nor to close the channel");
	return;
}

# A token with one claim changed; undef leaves it out.
sub with_claims
{
	my (%change) = @_;
	my %all = (%claims, %change);

	delete @all{ grep { !defined $all{$_} } keys %all };
	return $hs->token(\%all);
}

# A token of these claims as text.
sub with_text { return $hs->sign_parts('{"alg":"HS256","typ":"JWT"}', $_[0]); }

# The parts of a token.
sub parts { return split /\./, $_[0]; }

# A token with another signature, in bytes.
sub with_signature
{
	my ($token, $signature) = @_;
	my ($header, $body) = parts($token);
	return "$header.$body." . base64url($signature);
}

my $good = $hs->token(\%claims);
my ($good_header, $good_claims, $good_signature) = parts($good);
my $signature = $hs->signature("$good_header.$good_claims");
my $flip = sub { my ($bytes, $at) = @_; substr($bytes, $at, 1) ^= "\x01"; return $bytes; };
my %pair_token = map { $_ => $pair{$_}->token(\%claims) } keys %pair;
my %pair_signature = map { $_ => $pair{$_}->signature(join '.', (parts($pair_token{$_}))[ 0, 1 ]) } keys %pair;

#
# Good ones: everything else here is measured against these
#
for (
	[ 'HS256', $good ],
	[ 'HS384', $hs->token(\%claims, alg => 'HS384') ],
	[ 'HS512', $hs->token(\%claims, alg => 'HS512') ],
	[ 'HS256 with a key of the set', $oct->token(\%claims) ],
	[ 'RS256', $pair_token{RS256} ],
	(map { my $alg = $_; [ $alg, $pair{RS256}->token(\%claims, alg => $alg) ] } qw(RS384 RS512)),
	(map { [ $_, $pair_token{$_} ] } qw(ES256 ES384 ES512 EdDSA)),
	[ 'EdDSA on Ed448', $pair{Ed448}->token(\%claims, alg => 'EdDSA') ],
	[ 'no typ', $hs->token(\%claims, typ => undef) ],
	[ 'more claims', with_claims(sub => 'u', aud => [ 'a', 'b' ], iat => 1, nbf => 1, app => { deep => [ [ [ {} ] ] ] }) ],
	[ 'exp with decimals', with_text('{"role":"anon","exp":4000000000.75}') ],
	[ 'exp in scientific notation', with_text('{"role":"anon","exp":4e9}') ],
	[ 'white space in the JSON', with_text("\n{ \"role\" : \"anon\" ,\t\"exp\" : 4000000000 }\n") ],
	[ 'escapes in the JSON', with_text('{"r\u006fle":"\u0061non","exp":4000000000}') ],
	[ 'white space in the token', join "\n", $good =~ /(.{1,40})/g ],
	[ 'a percent-encoded token', $good =~ s/\./%2E/gr ])
{
	accepted(@$_);
}

#
# Forged ones
#
my $header = '{"alg":"HS256","typ":"JWT"}';
my $text = '{"role":"anon","exp":4000000000}';
my $unsigned = sub { my ($alg) = @_; return compose(qq({"alg":$alg,"typ":"JWT"}), $text, ''); };
my $signed_with = sub { my ($key) = @_; return JwtKey->secret($key)->token(\%claims); };

for (
	# C1: the algorithm "none", and others that there are not
	[ 'alg none',               'signer', $unsigned->('"none"') ],
	[ 'alg None',               'signer', $unsigned->('"None"') ],
	[ 'alg nOnE',               'signer', $unsigned->('"nOnE"') ],
	[ 'alg none, signed',       'signer', $hs->sign_parts('{"alg":"none"}', $text) ],
	[ 'no alg',                 'malformed', $hs->sign_parts('{"typ":"JWT"}', $text) ],
	[ 'alg null',               'malformed', $hs->sign_parts('{"alg":null}', $text) ],
	[ 'alg is a number',        'malformed', $hs->sign_parts('{"alg":256}', $text) ],
	[ 'alg is an array',        'malformed', $hs->sign_parts('{"alg":["HS256"]}', $text) ],
	[ 'empty alg',              'signer', $hs->sign_parts('{"alg":""}', $text) ],
	[ 'alg in small letters',   'signer', $hs->sign_parts('{"alg":"hs256"}', $text) ],
	[ 'alg HS1',                'signer', $hs->sign_parts('{"alg":"HS1"}', $text) ],
	[ 'alg PS256',              'signer', $pair{RS256}->sign_parts('{"alg":"PS256","kid":"PS"}', $text) ],
	[ 'alg PS256 with an RSA key', 'signer', $pair{RS256}->sign_parts('{"alg":"PS256","kid":"RS256"}', $text) ],
	[ 'empty signature',        'signature', compose($header, $text, '') ],

	# C2: a public key as the secret
	[ 'HS256 with the public key as the secret', 'signature', $signed_with->($pair{RS256}->public_pem) ],
	[ 'the same, naming the key', 'signature',
		JwtKey->secret($pair{RS256}->public_pem, kid => 'RS256')->token(\%claims) ],
	[ 'the same with the modulus', 'signature',
		JwtKey->secret($pair{RS256}->jwk->{n}, kid => 'RS256')->token(\%claims) ],
	[ 'RS256 signed with the secret', 'signer', $hs->token(\%claims, alg => 'HS256') =~ s/^[^.]+/base64url('{"alg":"RS256"}')/er ],
	[ 'RS256 by a key id, signed with the secret', 'signature',
		$hs->sign_parts('{"alg":"RS256","kid":"RS256"}', $text) ],
	[ 'a secret of the set by the wrong algorithm', 'signer', $pair{RS256}->token(\%claims, kid => 'oct') ],

	# C3: key ids, and headers that say where a key is
	[ 'unknown kid',            'signer', $pair{RS256}->token(\%claims, kid => 'unknown') ],
	[ 'no kid',                 'signer', $pair{RS256}->token(\%claims, kid => undef) ],
	[ 'empty kid',              'signer', $pair{RS256}->token(\%claims, kid => '') ],
	[ 'kid of another key',     'signer', $pair{RS256}->token(\%claims, kid => 'ES256') ],
	[ 'kid ../../dev/null, signed with nothing', 'signature',
		JwtKey->secret('', kid => '../../../../../dev/null')->token(\%claims) ],
	[ 'kid with SQL',           'signer', $pair{RS256}->token(\%claims, kid => q{' UNION SELECT 'x' --}) ],
	[ 'kid with quotes and a line feed', 'signer', $pair{RS256}->token(\%claims, kid => qq{a"b\\c\nd}) ],
	[ 'kid with a NUL',         'malformed', $pair{RS256}->sign_parts('{"alg":"RS256","kid":"RS256\u0000"}', $text) ],
	[ 'kid is a number',        'malformed', $pair{RS256}->sign_parts('{"alg":"RS256","kid":1}', $text) ],
	[ 'kid is an object',       'malformed', $pair{RS256}->sign_parts('{"alg":"RS256","kid":{"a":1}}', $text) ],
	[ 'kid of 64 KiB',          'malformed', $pair{RS256}->token(\%claims, kid => 'k' x 65536) ],
	[ 'jku',                    'signature',
		$strange{RS256}->token(\%claims, kid => 'RS256', jku => 'http://127.0.0.1:9/jwks.json') ],
	[ 'x5u',                    'signature',
		$strange{RS256}->token(\%claims, kid => 'RS256', x5u => 'http://127.0.0.1:9/cert.pem') ],
	[ 'jwk in the header',      'signature',
		$strange{RS256}->token(\%claims, kid => 'RS256', jwk => $strange{RS256}->jwk) ],
	[ 'jwk in the header, and no kid', 'signer',
		$strange{RS256}->token(\%claims, kid => undef, jwk => $strange{RS256}->jwk) ],
	[ 'an extension that must be understood', 'malformed', $hs->token(\%claims, crit => ['exp']) ],

	# C4: times
	[ 'expired an hour ago',    'expired', with_claims(exp => int(time()) - 3600) ],
	[ 'expired just now',       'expired', with_claims(exp => int(time())) ],
	[ 'exp 0',                  'expired', with_claims(exp => 0) ],
	[ 'exp negative',           'malformed', with_claims(exp => -1) ],
	[ 'no exp',                 'claims', with_claims(exp => undef) ],
	[ 'exp is a string',        'malformed', with_claims(exp => "$exp") ],
	[ 'exp null',               'malformed', with_text('{"role":"anon","exp":null}') ],
	[ 'exp true',               'malformed', with_text('{"role":"anon","exp":true}') ],
	[ 'exp is an array',        'malformed', with_text('{"role":"anon","exp":[4000000000]}') ],
	[ 'exp 1e308',              'malformed', with_text('{"role":"anon","exp":1e308}') ],
	[ 'exp 1e400',              'malformed', with_text('{"role":"anon","exp":1e400}') ],
	[ 'exp of 40 digits',       'malformed', with_text('{"role":"anon","exp":' . '9' x 40 . '}') ],
	[ 'exp NaN',                'malformed', with_text('{"role":"anon","exp":NaN}') ],
	[ 'exp in hexadecimal',     'malformed', with_text('{"role":"anon","exp":0xFFFFFFFF}') ],
	[ 'nbf in the future',      'early', with_claims(nbf => int(time()) + 3600) ],
	[ 'nbf is a string',        'malformed', with_claims(nbf => 'now') ],
	[ 'iat in the future',      'early', with_claims(iat => int(time()) + 3600) ],
	[ 'iat is an object',       'malformed', with_claims(iat => {}) ],

	# C6: roles that are none
	[ 'no role',                'claims', with_claims(role => undef) ],
	[ 'role null',              'malformed', with_text('{"role":null,"exp":4000000000}') ],
	[ 'empty role',             'claims', with_claims(role => '') ],
	[ 'role is a number',       'malformed', with_claims(role => 10) ],
	[ 'role is an array',       'malformed', with_claims(role => ['anon']) ],
	[ 'role of 64 bytes',       'malformed', with_claims(role => 'r' x 64) ],
	[ 'role with a NUL',        'malformed', with_text('{"role":"authenticated\u0000x","exp":4000000000}') ],
	[ 'neither role nor exp',   'claims', with_text('{}') ],

	# C8: signatures
	[ 'the first bit of the signature', 'signature', with_signature($good, $flip->($signature, 0)) ],
	[ 'the last bit of the signature', 'signature', with_signature($good, $flip->($signature, 31)) ],
	[ 'a signature that is a byte short', 'signature', with_signature($good, substr($signature, 0, 31)) ],
	[ 'a signature that is a byte long', 'signature', with_signature($good, "$signature\0") ],
	[ 'half a signature',       'signature', with_signature($good, substr($signature, 0, 16)) ],
	[ 'the signature twice',    'signature', with_signature($good, $signature x 2) ],
	[ 'claims of another token', 'signature', join('.', $good_header, base64url('{"role":"service_role","exp":4000000000}'), $good_signature) ],
	[ 'header of another token', 'signature', join('.', base64url('{"alg":"HS256"}'), $good_claims, $good_signature) ],
	[ 'HS512 with the signature of HS256', 'signature', join('.', base64url('{"alg":"HS512","typ":"JWT"}'), $good_claims, $good_signature) ],
	[ 'a strange secret',       'signature', $stranger->token(\%claims) ],
	[ 'the secret and a line feed', 'signature', $signed_with->("$secret\n") ],
	[ 'no secret',              'signature', $signed_with->('') ],
	[ 'a secret of the set, not named', 'signature', JwtKey->secret($oct->{secret})->token(\%claims) ],
	[ 'the secret instead of one of the set', 'signature', JwtKey->secret($secret, kid => 'oct')->token(\%claims) ],
	[ 'RS256, a strange key',   'signature', $strange{RS256}->token(\%claims) ],
	[ 'RS256, a byte short',    'signature', with_signature($pair_token{RS256}, substr($pair_signature{RS256}, 1)) ],
	[ 'RS256, zeros',           'signature', with_signature($pair_token{RS256}, "\0" x 256) ],
	[ 'RS256, signed as RS512', 'signature', with_signature($pair_token{RS256},
			$pair{RS256}->signature(join('.', (parts($pair_token{RS256}))[ 0, 1 ]), 'RS512')) ],
	[ 'ES256, a strange key',   'signature', $strange{ES256}->token(\%claims) ],
	[ 'ES256, r and s zero',    'signature', with_signature($pair_token{ES256}, "\0" x 64) ],
	[ 'ES256, r zero',          'signature', with_signature($pair_token{ES256}, "\0" x 32 . substr($pair_signature{ES256}, 32)) ],
	[ 'ES256, r and s above n', 'signature', with_signature($pair_token{ES256}, "\xff" x 64) ],
	[ 'ES256, a byte short',    'signature', with_signature($pair_token{ES256}, substr($pair_signature{ES256}, 0, 63)) ],
	[ 'ES256, a byte long',     'signature', with_signature($pair_token{ES256}, "\0$pair_signature{ES256}") ],
	[ 'ES256 in DER',           'signature', with_signature($pair_token{ES256},
			"\x30\x44\x02\x20" . substr($pair_signature{ES256}, 0, 32) . "\x02\x20" . substr($pair_signature{ES256}, 32)) ],
	[ 'an ES256 key for ES384', 'signer', $pair{ES256}->token(\%claims, alg => 'ES384') ],
	[ 'an ES384 key for ES256', 'signer', $pair{ES384}->token(\%claims, alg => 'ES256') ],
	[ 'ES384 signed by an ES256 key', 'signature', $pair{ES256}->sign_parts('{"alg":"ES384","kid":"ES384"}', $text) ],
	[ 'EdDSA, a strange key',   'signature', $strange{EdDSA}->token(\%claims) ],
	[ 'EdDSA, a bit',           'signature', with_signature($pair_token{EdDSA}, $flip->($pair_signature{EdDSA}, 5)) ],
	[ 'EdDSA, a byte short',    'signature', with_signature($pair_token{EdDSA}, substr($pair_signature{EdDSA}, 0, 63)) ],
	[ 'EdDSA, zeros',           'signature', with_signature($pair_token{EdDSA}, "\0" x 64) ],

	# C9: the form
	[ 'no token at all',        'malformed', 'anon' ],
	[ 'one dot',                'malformed', "$good_header.$good_claims" ],
	[ 'three dots',             'malformed', "$good." ],
	[ 'five parts',             'malformed', "$good.$good_header.$good_claims" ],
	[ 'dots alone',             'malformed', '..' ],
	[ 'no header',              'malformed', ".$good_claims.$good_signature" ],
	[ 'no claims',              'signature', "$good_header..$good_signature" ],
	[ 'no claims, signed',      'malformed', with_text('') ],
	[ 'padding',                'malformed', do { my $t = '{"alg":"HS256" }'; my $s = encode_base64($t, ''); my $b = "$s." . base64url($text); "$b." . base64url($hs->signature($b)) } ],
	[ 'a letter that is none of base64url', 'malformed', "$good_header.$good_claims!.$good_signature" ],
	[ 'base64 with + and /',    'malformed', do { my $b = base64url($header) . '.' . encode_base64('{"role":"anon","exp":4000000000,"a":"???>>>~~~"}', '') =~ s/=//gr; "$b." . base64url($hs->signature($b)) } ],
	[ 'Bearer in front',        'malformed', "Bearer.$good" ],
	[ 'header is no JSON',      'malformed', $hs->sign_parts('HS256', $text) ],
	[ 'header is an array',     'malformed', $hs->sign_parts('["HS256"]', $text) ],
	[ 'alg stands twice',       'malformed', $hs->sign_parts('{"alg":"HS256","alg":"none"}', $text) ],
	[ 'claims are no JSON',     'malformed', with_text('role=anon') ],
	[ 'claims are an array',    'malformed', with_text('[{"role":"anon","exp":4000000000}]') ],
	[ 'claims end early',       'malformed', with_text('{"role":"anon","exp":4000000000') ],
	[ 'something after the claims', 'malformed', with_text("$text {}") ],
	[ 'role stands twice',      'malformed', with_text('{"role":"anon","role":"service_role","exp":4000000000}') ],
	[ 'role stands twice, once escaped', 'malformed', with_text('{"role":"anon","r\u006fle":"service_role","exp":4000000000}') ],
	[ 'exp stands twice',       'malformed', with_text('{"role":"anon","exp":1,"exp":4000000000}') ],
	[ 'claims are no UTF-8',    'malformed', with_text(qq({"role":"anon","exp":4000000000,"a":"\xff"})) ],
	[ 'claims with a lone surrogate', 'malformed', with_text('{"role":"anon","exp":4000000000,"a":"\ud800"}') ],
	[ 'claims with a NUL',      'malformed', with_text('{"role":"anon","exp":4000000000,"a":"\u0000"}') ],
	[ 'claims nested 2,000 deep', 'malformed', with_text('{"role":"anon","exp":4000000000,"a":' . '[' x 2000 . ']' x 2000 . '}') ],
	[ 'longer than 8 KiB',      'malformed', with_claims(a => 'x' x 8192) ],
	[ 'a megabyte',             'malformed', with_claims(a => 'x' x 1_000_000) ])
{
	refused(@$_);
}

# Every bit of a token counts but those that base64url leaves unused.
{
	my $taken = 0;
	for my $at (0 .. length($good) - 1)
	{
		my $other = $good;
		substr($other, $at, 1) = substr($other, $at, 1) eq 'A' ? 'B' : 'A';
		$taken++ if $client->join_result('room', access_token => $other) eq 'ok';
	}
	is($taken, 0, 'a token with any one character changed');
}

# Where there is no token at all.
{
	my $peer = $server->client(upgrade => 0);
	my $answer = $peer->http(WebSocketClient::upgrade_request(WebSocketClient::target(vsn => '2.0.0')), 10);
	is_deeply([ @$answer[ 0, 2 ] ], [ 401, '{"error":"API key is missing"}' ], 'no apikey');
	like($answer->[1], qr{^content-type: application/json}mi, 'is answered in JSON');
	$peer->abandon;
	is(connect_with('')->[0], 401, 'an empty apikey');
	is(connect_with(undef, 'x-api-key' => $good)->[0], 101, 'x-api-key is as good as the query');
	is(connect_with($good, 'x-api-key' => 'nonsense')->[0], 401, 'and goes before it');
}

# What a channel ignores (supabase.md 3.8)
{
	is($client->join_result('room', access_token => $good), 'ok', 'joined');
	$client->access_token('room', $_) for undef, 'sb_publishable_abc', $good;
	$client->push('realtime:room', 'access_token', {});
	ok($client->heartbeat, 'null, sb_..., the same token and none are ignored');
	$client->access_token('room', '');
	is($client->channel_end('room'), 'The token provided is not a valid JWT', 'an empty token is not');
}

#
# C5: audience and issuer
#
$server->reconfigure('realtime.jwt_audience' => 'chat', 'realtime.jwt_issuer' => 'https://issuer.example');
wait_for(sub { connect_with($good)->[0] == 401 }, 'the audience to be asked for');
{
	my %right = (aud => 'chat', iss => 'https://issuer.example');
	my $apart = sub { with_claims(%right, @_) };

	$client = $server->client(apikey => $apart->());
	accepted('audience and issuer', $apart->());
	accepted('an audience among others', $apart->(aud => [ 'mail', 'chat' ]));
	refused('no audience', 'audience', $apart->(aud => undef));
	refused('another audience', 'audience', $apart->(aud => 'mail'));
	refused('an audience that begins like ours', 'audience', $apart->(aud => 'chatroom'));
	refused('other audiences', 'audience', $apart->(aud => [ 'mail', ['chat'], 7 ]));
	refused('no issuer', 'issuer', $apart->(iss => undef));
	refused('another issuer', 'issuer', $apart->(iss => 'https://issuer.example.evil'));
	refused('issuers in an array', 'issuer', $apart->(iss => ['https://issuer.example']));
}
$server->reconfigure('realtime.jwt_audience' => '', 'realtime.jwt_issuer' => '');
wait_for(sub { connect_with($good)->[0] == 101 }, 'any audience again');
$client = $server->client;

#
# C12: keys that change.  Clients stay; what they show from then on is judged
# by the new keys.
#
{
	my $file = $node->data_dir . '/keys.json';
	my %rotating = map { $_ => JwtKey->generate('ES256', kid => $_) } qw(one two three);
	my %token = map { $_ => $rotating{$_}->token(\%claims) } keys %rotating;
	push @seen, values %token;

	# Write the key set and have the server read it.
	my $write = sub {
		my ($content) = @_;
		open my $out, '>', "$file.new" or die "$file.new: $!";
		print $out $content;
		close $out;
		rename "$file.new", $file or die "$file: $!";
		$node->reload;
	};
	# Wait until exactly these keys are taken.
	my $wait_keys = sub {
		my (@wanted) = @_;
		return wait_for(
			sub { "@wanted" eq join ' ', grep { connect_with($token{$_})->[0] == 101 } sort keys %token },
			"keys @wanted");
	};

	$write->(JwtKey::jwks($rotating{one}));
	$server->reconfigure('realtime.jwt_jwks' => $file);
	$wait_keys->('one');
	pass('a key set from a file');
	refused('a key of the former set', 'signer', $pair_token{RS256});
	my $early = $server->client(apikey => $token{one});
	is($early->join_result('early'), 'ok', 'a client joins');

	$write->(JwtKey::jwks(@rotating{qw(one two)}));
	$wait_keys->('one', 'two');
	pass('a key is added');
	my $late = $server->client(apikey => $token{two});
	is($late->join_result('late'), 'ok', 'a client joins with it');
	$server->publish('early', 1);
	ok($early->broadcast, 'and who was there goes on hearing');
	$write->(JwtKey::jwks($rotating{two}));
	$wait_keys->('two');
	pass('the former key is taken away');
	my $told = $early->event('early', ['system']);
	is($told && $told->{payload}{message}, 'Server requested disconnect', 'who came with it is told');
	is($early->close_code, 1012, 'and closed, to come again with another');
	is($late->join_result('more'), 'ok', 'who came with the other key stays');
	$late->abandon;

	# what is no key set, and sets that hold a key that is none
	for (
		[ 'HTML', '<!DOCTYPE html><html><body>502 Bad Gateway</body></html>' ],
		[ 'nothing', '' ],
		[ 'an array', '[]' ],
		[ 'no keys', '{"kty":"RSA"}' ],
		[ 'half a set', substr(JwtKey::jwks($rotating{one}), 0, 60) ],
		[ 'ten megabytes', '{"keys":[' . ' ' x 10_000_000 . ']}' ])
	{
		my ($name, $content) = @$_;
		my $position = -s $node->logfile;
		$write->($content);
		ok($node->wait_for_log(qr/(?:LOG|WARNING): .*(?:jwt_jwks|key set|keys\.json)/i, $position), "$name for a key set: the log says so");
		$wait_keys->('two');
		pass("$name for a key set: the old keys stay");
	}
	{
		my $position = -s $node->logfile;
		unlink $file;
		$node->reload;
		ok($node->wait_for_log(qr/(?:LOG|WARNING): .*(?:jwt_jwks|key set|keys\.json)/i, $position), 'no file: the log says so');
		$wait_keys->('two');
		pass('no file: the old keys stay');
	}
	{
		my $position = -s $node->logfile;
		my $point = $rotating{one}->jwk;
		$point->{x} = base64url("\0" x 32);
		$write->(JwtKey::jwks(
			{ kty => 'RSA', kid => 'weak', n => base64url("\xff" x 64), e => 'AQAB' },
			$point, { kty => 'oct', kid => 'short', k => base64url('short') }, { kty => 'EC' }, $rotating{three}));
		$wait_keys->('three');
		ok($node->wait_for_log(qr/weak/, $position), 'keys that are none are skipped, with a line in the log');
	}
	$server->reconfigure('realtime.jwt_jwks' => '');
	wait_for(sub { connect_with($token{three})->[0] == 401 }, 'no key set');
	is(connect_with($good)->[0], 101, 'the secret goes on');
}

# Keys that change all the time while clients come
{
	my $other = JwtKey->secret('the secret of every second moment, long enough');
	my $other_token = $other->token(\%claims);
	my $stays = $server->member('stays');
	push @seen, $other_token;

	for my $round (1 .. 10)
	{
		$server->reconfigure('realtime.jwt_secret' => $round % 2 ? $other->{secret} : $secret);
		my ($right, $wrong) = $round % 2 ? ($other_token, $good) : ($good, $other_token);
		wait_for(sub { connect_with($right)->[0] == 101 }, 'the other secret');
		is(connect_with($wrong)->[0], 401, "secret $round: one token is good, the other is not");
	}
	$server->publish('stays', 1);
	ok($stays->broadcast, 'and who was there hears on');
	$stays->abandon;
}

is($server->gateway_pid, $gateway, 'all of this was one gateway');

#
# C7: roles that no token may have, whatever the list says
#
$server->sql(<<'SQL');
SELECT realtime.setup_api_roles();
CREATE ROLE boss SUPERUSER;
CREATE ROLE replicator REPLICATION;
CREATE ROLE rolemaker CREATEROLE;
CREATE ROLE keeper;
CREATE ROLE clerk;
GRANT keeper TO clerk;
CREATE ROLE plain;
CREATE ROLE outsider;
GRANT boss, replicator, rolemaker, keeper, clerk, plain, pg_read_all_data TO realtime_executor;
GRANT USAGE ON SCHEMA realtime TO PUBLIC;
GRANT SELECT, INSERT ON realtime.messages TO PUBLIC;
CREATE POLICY everybody ON realtime.messages FOR SELECT TO PUBLIC USING (true);
CREATE TABLE owners AS SELECT relowner FROM pg_class WHERE oid = 'realtime.messages'::regclass;
ALTER TABLE realtime.messages OWNER TO keeper;
SQL
{
	my $superuser = $server->sql('SELECT current_user');
	my @powerful = ('boss', 'replicator', 'rolemaker', 'keeper', 'clerk', 'pg_read_all_data',
		'pg_monitor', 'realtime_executor', $superuser, 'missing', 'outsider');
	my @unlisted = ('postgres', 'ANON', 'anon ', 'public', 'none', 'current_user', 'service_role');
	my $denied = 'Unauthorized: You do not have permissions to read from this Channel topic: secret';

	$node->append_conf('postgresql.conf',
		'realtime.jwt_roles = \'' . join(', ', 'anon', 'authenticated', 'plain', @powerful) . "'\n");
	$node->reload;
	$client = $server->client;
	wait_for(
		sub { $client->join_result('listed', private => 1, access_token => with_claims(role => 'plain')) eq 'ok' },
		'the list of roles');
	pass('an ordinary role that is on the list reads what policies allow');
	is($client->join_result('listed', private => 1), 'ok', 'and so does anon');
	for my $role (@powerful, grep { $_ ne $superuser } @unlisted)
	{
		my $listed = grep { $_ eq $role } @powerful;
		my $token = with_claims(role => $role);
		push @seen, $token;
		is($client->join_result('secret', private => 1, access_token => $token),
			$listed ? $denied : 'Unauthorized: The role of the token is not allowed', "role $role: reads nothing");
		is($client->join_result('secret', private => 1), 'ok', "role $role: and anon still does");
		$client->access_token('secret', $token);
		is($client->channel_end('secret'),
			$listed ? $denied =~ s/^Unauthorized: //r : 'The role of the token is not allowed',
			"role $role: nor by way of an open channel");
		is(connect_with($token)->[0], $listed ? 101 : 403, "role $role: " . ($listed ? 'connects' : 'does not connect'));
	}
	ok($node->log_contains(qr/role "boss".*superuser/), 'the log names a role, and why it may not be used');
}

# D5: the secret is for superusers' eyes
{
	my ($code, $out, $error) = $node->psql('postgres', 'SET ROLE anon; SHOW realtime.jwt_secret');
	isnt($code, 0, 'a client\'s role may not SHOW the secret');
	unlike($out . $error, qr/\Q$secret/, 'nor is told it');
	is($server->sql(q{SET ROLE anon; SELECT count(*) FROM pg_settings WHERE setting LIKE '%sign their tokens%'}),
		0, 'nor finds it in pg_settings');
}

#
# C13: none of these tokens, nor the secret, is anywhere to be found
#
{
	my $log = slurp_file($node->logfile);
	my $activity = $server->sql('SELECT string_agg(to_jsonb(a)::text, $$ $$) FROM pg_stat_activity AS a');
	my $status = $server->sql('SELECT to_jsonb(s) FROM realtime.status() AS s');
	my $processes = join ' ', map { eval { slurp_file($_) } // () } map { ("/proc/$_/cmdline", "/proc/$_/environ") }
	  ($server->programs, split ' ', $server->sql(q{SELECT string_agg(pid::text, ' ') FROM pg_stat_activity}));

	# a token is known by its signature, or without one by its claims
	my @marks = grep { length > 20 } map { my @p = split /\./; $p[2] && length $p[2] > 20 ? $p[2] : $p[1] // '' } @seen;
	cmp_ok(scalar @marks, '>', 120, scalar(@marks) . ' tokens were used');
	for ([ 'the log', $log ], [ 'pg_stat_activity', $activity ], [ 'realtime.status()', $status ],
		[ 'command lines and environments', $processes ])
	{
		my ($place, $content) = @$_;
		is(scalar(grep { index($content, $_) >= 0 } @marks), 0, "no token in $place");
		is(index($content, $secret), -1, "nor the secret") unless $place eq 'the log';
	}
}

$server->cluster_alive('after 120 tokens');
$node->stop;

#
# C11, D5: secrets that are too short, or that others can read
#
{
	my $short = RealtimeServer->new('short', conf => "realtime.jwt_secret = '" . 'x' x 31 . "'\n");
	is($short->node->start(fail_ok => 1), 0, 'with a secret of 31 bytes the server does not start');
	ok($short->node->log_contains(qr/invalid value for parameter "realtime\.jwt_secret"/), 'and the log says why');
	ok(!$short->node->log_contains('x' x 31), 'without showing it');
}

done_testing();
