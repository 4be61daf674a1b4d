# A private PostgreSQL server with realtime, for the scripts of the examples.
#
# Sourced by them after they have set
#
#	top			the top of the source tree
#	dir			where everything lives: data, log, ports, password
#	pg_config	the PostgreSQL to use
#	settings	more lines for postgresql.conf, if any
#
# open_server makes or starts it and leaves $realtime_url and $database_url;
# close_server stops it by its process id.  Nothing else on the machine is
# touched.  PostgreSQL refuses to run as root, so root's server runs as the user
# postgres (or DEMO_USER).

step()
{
	printf '  %-54s ' "$1 ..."
}

ok()
{
	echo "${1:-done}"
}

# fail message [hint]: say it and end.
fail()
{
	echo
	echo "demo: $1" >&2
	[ $# -lt 2 ] || echo "hint: $2" >&2
	exit 1
}

# Run a command as the user that owns the server.
as_owner()
{
	if [ -n "$owner" ]; then
		(cd / && runuser -u "$owner" -- "$@")
	else
		"$@"
	fi
}

# Who owns the server: nobody else than ourselves unless we are root.
choose_owner()
{
	owner=
	[ "$(id -u)" -eq 0 ] || return 0
	owner=${DEMO_USER:-postgres}
	if ! id "$owner" >/dev/null 2>&1; then
		useradd --system --no-create-home --shell /usr/sbin/nologin "$owner" ||
			fail "there is no user \"$owner\" to run the server" "name one that exists: DEMO_USER=nobody"
	fi
}

# Where the server's files are: ./.demo, or, where the owner cannot get there
# (a checkout below /root), a directory elsewhere that ./.demo/server names.
make_directory()
{
	mkdir -p "$dir"
	if [ ! -f "$dir/server" ]; then
		echo "$dir/pg" >"$dir/server"
		mkdir -p "$dir/pg"
		if [ -n "$owner" ]; then
			chown "$owner" "$dir/pg"
			if ! as_owner test -w "$dir/pg" 2>/dev/null; then
				rmdir "$dir/pg"
				mktemp -d /var/tmp/realtime-demo.XXXXXX >"$dir/server"
				chown "$owner" "$(cat "$dir/server")"
			fi
		fi
	fi
	server=$(cat "$dir/server")
	data=$server/data
	log=$server/server.log
}

# Is this TCP port free on loopback?
port_is_free()
{
	perl -MIO::Socket::INET -e \
		'exit(IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => $ARGV[0], Listen => 1, ReuseAddr => 1) ? 0 : 1)' "$1"
}

# The first free port from $1 upwards.
free_port()
{
	local port=$1
	until port_is_free "$port"; do
		port=$((port + 1))
		[ "$port" -lt $(($1 + 200)) ] || fail "no free port between $1 and $port"
	done
	echo "$port"
}

running()
{
	as_owner "$bindir/pg_ctl" status -D "$data" >/dev/null 2>&1
}

# Does the running server still have the library that is installed now?
current()
{
	[ "$data/postmaster.pid" -nt "$($pg_config --pkglibdir)/realtime.so" ]
}

make_password()
{
	head -c 18 /dev/urandom | base64 | tr '+/' '-_'
}

# Make the cluster, with ports and password to be remembered.
create()
{
	step 'Creating a PostgreSQL cluster'
	make_password >"$dir/password"
	chmod 600 "$dir/password"
	as_owner sh -c "umask 077; cat >'$server/password'" <"$dir/password"
	as_owner "$bindir/initdb" -D "$data" -U postgres -A scram-sha-256 -E UTF8 --locale=C.UTF-8 \
		--pwfile="$server/password" >"$dir/initdb.log" 2>&1 ||
		fail "initdb failed: $(tail -n 1 "$dir/initdb.log")" "its output is in $dir/initdb.log"
	as_owner rm -f "$server/password"
	as_owner sh -c "cat >>'$data/postgresql.conf'" <<-CONF
		listen_addresses = '127.0.0.1'
		unix_socket_directories = ''
		shared_preload_libraries = 'realtime'
		realtime.listen_addresses = '127.0.0.1'
		${settings:-}
	CONF
	ok
}

# The ports of last time, or new ones where somebody else has taken them.
choose_ports()
{
	pg_port=54329
	realtime_port=4000
	[ ! -f "$dir/ports" ] || read -r pg_port realtime_port <"$dir/ports"
	pg_port=$(free_port "$pg_port")
	realtime_port=$(free_port "$realtime_port")
	echo "$pg_port $realtime_port" >"$dir/ports"
	as_owner sh -c "cat >'$data/postgresql.auto.conf'" <<-CONF
		port = $pg_port
		realtime.port = $realtime_port
	CONF
}

start_server()
{
	step "Starting it on ports $pg_port and $realtime_port"
	as_owner "$bindir/pg_ctl" start -w -s -D "$data" -l "$log" >/dev/null ||
		fail "the server does not start: $(tail -n 1 "$log")" "its log is $log"
	ok
}

# Wait until the gateway takes connections.
wait_for_gateway()
{
	step 'Waiting for the gateway'
	for _ in $(seq 200); do
		if (exec 3<>"/dev/tcp/127.0.0.1/$realtime_port") 2>/dev/null; then
			ok
			return
		fi
		sleep 0.05
	done
	fail "nothing listens on port $realtime_port" "the server's log is $log"
}

psql()
{
	"$bindir/psql" -X -q -v ON_ERROR_STOP=1 "$database_url" "$@"
}

# sign claims: a token that is good for a day.
sign()
{
	psql -At -c "SELECT realtime.sign_jwt('$1', '1 day')"
}

# The npm packages of the directory $1.
install_modules()
{
	[ ! -f "$1/node_modules/.package-lock.json" ] || return 0
	step 'Installing npm packages'
	(cd "$1" && npm ci --no-audit --no-fund --loglevel=error >"$dir/npm.log" 2>&1) ||
		fail 'npm ci failed' "its output is in $dir/npm.log"
	ok
}

# Make the server unless it is there, start it unless it runs.
open_server()
{
	command -v "$pg_config" >/dev/null || fail "there is no $pg_config" 'make, run by root, installs what is missing'
	bindir=$($pg_config --bindir)
	[ -f "$($pg_config --pkglibdir)/realtime.so" ] || fail 'realtime is not installed' 'run: make && sudo make install'
	choose_owner
	make_directory

	echo "realtime demo in $dir"
	[ -f "$data/PG_VERSION" ] || create
	if running && ! current; then
		step 'Stopping the server, because there is a newer realtime'
		as_owner "$bindir/pg_ctl" stop -w -s -m fast -D "$data"
		ok
	fi
	if running; then
		read -r pg_port realtime_port <"$dir/ports"
		step "The server runs on ports $pg_port and $realtime_port"
		ok ok
	else
		choose_ports
		start_server
	fi
	realtime_url=http://127.0.0.1:$realtime_port
	database_url=postgresql://postgres:$(cat "$dir/password")@127.0.0.1:$pg_port/postgres
	wait_for_gateway
}

# Stop the server; fails when it does not run.
close_server()
{
	running && as_owner "$bindir/pg_ctl" stop -w -s -m fast -D "$data"
}
