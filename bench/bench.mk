# Benchmarks: `make bench` builds the programs into build/bench and runs
# bench/run; BENCH="latency joins" runs a part, RUNS and SECONDS shorten it.

BENCH_PROGRAMS = $(addprefix build/bench/, load_client bare_broadcast \
	sender listen_client presence_client resume_client bare_presence \
	talker webhook_sink)
BENCH_COMMON = $(addprefix build/bench/, support.o histogram.o marker.o tally.o \
	ws_client.o dialect.o tls_end.o)
BENCH_CFLAGS = $(CFLAGS) -D_GNU_SOURCE -DFRONTEND -Ibench -I$(includedir) \
	-I$(includedir_server)

build/bench/%.o: bench/%.c $(wildcard bench/*.h) bench/bench.mk
	@mkdir -p $(@D)
	$(CC) $(BENCH_CFLAGS) -c -o $@ $<

$(BENCH_PROGRAMS): build/bench/%: build/bench/%.o $(BENCH_COMMON)
	$(CC) $(CFLAGS) -o $@ $^ $(LDFLAGS) -L$(libdir) -lpq $(FRONTEND_LIBS) -lssl -lcrypto

# The programs alone, without a run.
.PHONY: bench bench-programs
bench-programs: $(BENCH_PROGRAMS)

# The server loads what is installed, so that comes first.
bench: all bench-programs
	@if [ -w '$(pkglibdir)' ]; then $(MAKE) --no-print-directory -s install; fi
	PG_BINDIR='$(bindir)' RUNS='$(RUNS)' SECONDS='$(SECONDS)' bench/run $(BENCH)

# Sources stay when only the chain to a program made them.
.SECONDARY: $(BENCH_PROGRAMS:=.o) $(BENCH_COMMON)
