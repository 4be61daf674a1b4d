#-------------------------------------------------------------------------
#
# TlsFiles.pm
#	  An authority and the certificates that it signs, made for one test.
#
# Everything is in a temporary directory that goes with the test, so that no key
# is kept anywhere.
#
#-------------------------------------------------------------------------
package TlsFiles;

use strict;
use warnings;

use Carp;
use IPC::Run ();
use PostgreSQL::Test::Utils;

# Make an authority.
sub new
{
	my ($class) = @_;
	my $self = bless { dir => PostgreSQL::Test::Utils::tempdir(), count => 0 }, $class;

	$self->openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-noenc',
		'-subj', '/CN=Authority of a test', '-days', 2, '-keyout', "$self->{dir}/ca.key", '-out', $self->ca);
	return $self;
}

# Run openssl with these arguments; dies where that fails.
sub openssl
{
	my ($self, @arguments) = @_;
	my ($out, $err) = ('', '');

	IPC::Run::run([ 'openssl', @arguments ], '<', \undef, '>', \$out, '2>', \$err)
	  or croak "openssl @arguments: $err";
	return $out;
}

# Path of the authority's certificate.
sub ca { return "$_[0]{dir}/ca.crt"; }

# Make a certificate, good for localhost, and its key; returns the paths of both.
#
#	name		its CN, localhost by default
#	key			how the key is made: arguments of openssl genpkey
sub certificate
{
	my ($self, %params) = @_;
	my $path = "$self->{dir}/" . ++$self->{count};
	my $name = $params{name} // 'localhost';

	$self->openssl('genpkey', @{ $params{key} // [ '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:prime256v1' ] },
		'-out', "$path.key");
	chmod 0600, "$path.key" or croak "chmod: $!";
	PostgreSQL::Test::Utils::append_to_file("$path.ext", "subjectAltName=DNS:localhost,IP:127.0.0.1\n");
	$self->openssl('req', '-new', '-key', "$path.key", '-subj', "/CN=$name", '-out', "$path.csr");
	$self->openssl('x509', '-req', '-in', "$path.csr", '-CA', $self->ca, '-CAkey', "$self->{dir}/ca.key",
		'-CAcreateserial', '-days', 2, '-extfile', "$path.ext", '-out', "$path.crt");
	return ("$path.crt", "$path.key");
}

# Lines of postgresql.conf that have a server use a certificate.
sub conf
{
	my (undef, $certificate, $key) = @_;
	return "realtime.ssl = on\nrealtime.ssl_cert_file = '$certificate'\nrealtime.ssl_key_file = '$key'\n";
}

# Options of IO::Socket::SSL for a client that trusts this authority alone.
sub client
{
	my ($self, %options) = @_;
	return (SSL_ca_file => $self->ca, SSL_verifycn_scheme => 'http', SSL_verifycn_name => 'localhost', %options);
}

1;
