#-------------------------------------------------------------------------
#
# JwtKey.pm
#	  Keys that sign JSON Web Tokens, rightly and in every wrong way.
#
# A key is a shared secret (HS256, HS384, HS512) or a pair made by openssl(1)
# (RS, ES, EdDSA).  What it signs is up to the test: header and claims may be
# any text, so that a token can lie about its algorithm, its key or its parts.
#
# Needs nothing but Perl's own modules and, for pairs, the program openssl.
#
#-------------------------------------------------------------------------
package JwtKey;

use strict;
use warnings;

use Carp;
use Digest::SHA qw(hmac_sha256 hmac_sha384 hmac_sha512);
use Exporter 'import';
use File::Temp qw(tempfile);
use IPC::Open2;
use JSON::PP;
use MIME::Base64 qw(decode_base64 encode_base64);

our @EXPORT_OK = qw(base64url compose);

my $json = JSON::PP->new->utf8->canonical;
my %hmac = (HS256 => \&hmac_sha256, HS384 => \&hmac_sha384, HS512 => \&hmac_sha512);

# What a pair is made of: how openssl generates it, its JWK members, and for
# ECDSA the bytes of each half of a signature.
my %kinds = (
	(map { $_ => { make => [qw(RSA -pkeyopt rsa_keygen_bits:2048)], kty => 'RSA' } } qw(RS256 RS384 RS512)),
	ES256   => { make => [qw(EC -pkeyopt ec_paramgen_curve:P-256)], kty => 'EC', crv => 'P-256', half => 32 },
	ES384   => { make => [qw(EC -pkeyopt ec_paramgen_curve:P-384)], kty => 'EC', crv => 'P-384', half => 48 },
	ES512   => { make => [qw(EC -pkeyopt ec_paramgen_curve:P-521)], kty => 'EC', crv => 'P-521', half => 66 },
	EdDSA   => { make => ['ED25519'], kty => 'OKP', crv => 'Ed25519', bytes => 32 },
	Ed25519 => { make => ['ED25519'], kty => 'OKP', crv => 'Ed25519', bytes => 32 },
	Ed448   => { make => ['ED448'], kty => 'OKP', crv => 'Ed448', bytes => 57 },
);

# Base64url without padding, RFC 7515 2.
sub base64url
{
	my ($bytes) = @_;
	my $text = encode_base64($bytes, '');

	$text =~ tr{+/=}{-_}d;
	return $text;
}

# A token of three parts, as they are given.
sub compose
{
	my ($header, $claims, $signature) = @_;
	return join '.', map { base64url($_) } $header, $claims, $signature;
}

# A shared secret.
#
#	kid		key id for the header, none by default
#	alg		HS256 unless said
sub secret
{
	my ($class, $secret, %params) = @_;
	return bless { alg => 'HS256', secret => $secret, %params }, $class;
}

# A new pair of keys for an algorithm.
#
#	kid		key id, the algorithm's name by default
#	make	other arguments for openssl genpkey -algorithm
sub generate
{
	my ($class, $alg, %params) = @_;
	my $kind = $kinds{$alg} or croak "no keys for $alg";
	my $pem = _openssl('', 'genpkey', '-algorithm', @{ $params{make} // $kind->{make} });

	delete $params{make};
	my ($file, $name) = tempfile('jwtkeyXXXXXX', TMPDIR => 1, UNLINK => 1);
	print $file $pem;
	close $file;
	return bless { alg => $alg, kid => $alg, %$kind, file => $name, %params }, $class;
}

# A token of these claims, a hash or a text.  %header replaces members of the
# header; undef leaves one out.
sub token
{
	my ($self, $claims, %header) = @_;
	my %all = (alg => $self->{alg}, typ => 'JWT', kid => $self->{kid}, %header);

	delete @all{ grep { !defined $all{$_} } keys %all };
	return $self->sign_parts($json->encode(\%all),
		ref $claims ? $json->encode($claims) : $claims, $all{alg});
}

# A token of this very header and these claims, both texts; $alg as below.
sub sign_parts
{
	my ($self, $header, $claims, $alg) = @_;
	my $signed = base64url($header) . '.' . base64url($claims);
	return "$signed." . base64url($self->signature($signed, $alg));
}

# The signature of some bytes by an algorithm, or by the key's own where it
# cannot do that one.
sub signature
{
	my ($self, $bytes, $alg) = @_;

	$alg = $self->{alg} unless defined $alg && $self->_does($alg);
	return $hmac{$alg}->($bytes, $self->{secret}) if defined $self->{secret};
	if ($self->{kty} eq 'OKP')
	{
		# openssl wants to know the length of what it signs in one go
		my ($file, $name) = tempfile('jwtdataXXXXXX', TMPDIR => 1, UNLINK => 1);
		print $file $bytes;
		close $file;
		return _openssl('', 'pkeyutl', '-sign', '-rawin', '-inkey', $self->{file}, '-in', $name);
	}
	my ($bits) = $alg =~ /(\d+)$/;
	my $signature = _openssl($bytes, 'dgst', "-sha$bits", '-sign', $self->{file});
	return $self->{kty} eq 'EC' ? _halves($signature, $self->{half}) : $signature;
}

# Can the key do another algorithm than its own?
sub _does
{
	my ($self, $alg) = @_;
	return exists $hmac{$alg} if defined $self->{secret};
	return $self->{kty} eq 'RSA' && $alg =~ /^RS(?:256|384|512)$/;
}

# The public key as a PEM text.
sub public_pem
{
	my ($self) = @_;
	return _openssl('', 'pkey', '-in', $self->{file}, '-pubout');
}

# The key as a JSON Web Key (RFC 7517), of a pair the public half.
sub jwk
{
	my ($self, %more) = @_;
	my %jwk = (kty => $self->{kty} // 'oct', defined $self->{kid} ? (kid => $self->{kid}) : ());

	if (defined $self->{secret}) { $jwk{k} = base64url($self->{secret}); }
	elsif ($self->{kty} eq 'RSA')
	{
		my ($modulus) = _openssl('', 'rsa', '-in', $self->{file}, '-noout', '-modulus') =~ /=([0-9A-F]+)/;
		@jwk{qw(n e)} = (base64url(pack 'H*', $modulus), 'AQAB');
	}
	else
	{
		# the raw key is what the structure around it ends with
		my $der = _openssl('', 'pkey', '-in', $self->{file}, '-pubout', '-outform', 'DER');
		my $half = $self->{half};
		$jwk{crv} = $self->{crv};
		if ($half)
		{
			@jwk{qw(x y)} = map { base64url($_) } substr($der, -2 * $half, $half), substr($der, -$half);
		}
		else { $jwk{x} = base64url(substr $der, -$self->{bytes}); }
	}
	return { %jwk, %more };
}

# A key set of these keys, JwtKeys or hashes, as a JSON text.
sub jwks
{
	my (@keys) = @_;
	return $json->encode({ keys => [ map { ref $_ eq 'HASH' ? $_ : $_->jwk } @keys ] });
}

# Both halves of an ECDSA signature, $bytes each, out of the DER that openssl
# makes: SEQUENCE { INTEGER r, INTEGER s }.
sub _halves
{
	my ($der, $bytes) = @_;
	my $at = ord(substr $der, 1, 1) & 0x80 ? 3 : 2;
	my $out = '';

	for (1, 2)
	{
		my $length = ord(substr $der, $at + 1, 1);
		my $number = substr $der, $at + 2, $length;
		$number =~ s/^\0+//;
		$out .= "\0" x ($bytes - length $number) . $number;
		$at += 2 + $length;
	}
	return $out;
}

# Run openssl over some input and return what it prints.
sub _openssl
{
	my ($input, @arguments) = @_;
	my $pid = open2(my $out, my $in, 'sh', '-c', 'exec openssl "$@" 2>/dev/null', 'sh', @arguments);

	binmode $_ for $in, $out;
	print $in $input;
	close $in;
	my $result = do { local $/; <$out> };
	waitpid $pid, 0;
	croak "openssl $arguments[0] failed" if $? != 0;
	return $result // '';
}

1;
