# realtime: the server module with PGXS, the programs with rules of our own.

EXTENSION = realtime
EXTVERSION = 0.1
MODULE_big = realtime

HDRS = $(wildcard src/*.h src/*/*.h)
PROTO_SRC = $(wildcard src/proto/*.c)
MODULE_SRC = $(wildcard src/*.c src/api/*.c src/hub/*.c src/exec/*.c) $(PROTO_SRC)
PROGRAM_SRC = $(wildcard src/program/*.c) $(PROTO_SRC)
GATEWAY_SRC = $(wildcard src/gateway/*.c) $(PROGRAM_SRC)
COURIER_SRC = $(wildcard src/courier/*.c) $(PROGRAM_SRC)
SQL_PARTS = $(sort $(wildcard sql/*.sql))

OBJS = $(MODULE_SRC:.c=.o)
GATEWAY_OBJS = $(GATEWAY_SRC:src/%.c=build/frontend/%.o)
COURIER_OBJS = $(COURIER_SRC:src/%.c=build/frontend/%.o)
PROGRAMS = build/realtime_gateway build/realtime_courier

# From one version to the next: sql/updates/README.md.
DATA = $(wildcard sql/updates/realtime--*--*.sql)
DATA_built = realtime--$(EXTVERSION).sql
EXTRA_CLEAN = build realtime--$(EXTVERSION).sql

PG_CONFIG ?= pg_config

# Bitcode for inlining is of no use here and costs a clang at install time.
override with_llvm := no

# Warnings of PostgreSQL's own headers, which -Wextra brings up, are not ours.
WARNINGS = -Wall -Wextra -Werror -Wno-unused-parameter -Wno-sign-compare \
	-Wno-missing-field-initializers -Wno-cast-function-type

# What makes an error of ours harder to use, whatever PostgreSQL was built with.
HARDENING = -fstack-protector-strong \
	$(if $(filter x86_64-% i%86-%,$(shell $(CC) -dumpmachine)),-fcf-protection)
HARDENING_LINK = -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack

PG_CPPFLAGS = -Isrc -D'REALTIME_VERSION="$(EXTVERSION)"'
# Nothing of ours may clash with a name of the server's or another module's.
# PostgreSQL 15 does not mark its exports by itself yet.
PG_CFLAGS = $(WARNINGS) $(HARDENING) -fvisibility=hidden \
	-D'PGDLLEXPORT=__attribute__((visibility("default")))'
SHLIB_LINK = -lssl -lcrypto $(HARDENING_LINK)

PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)

ifneq ($(wildcard $(PGXS)),)

include $(PGXS)
include bench/bench.mk
include test/preload/preload.mk

# Checks of buffers by the C library; they need an optimizer.
FORTIFY := $(if $(filter -O0,$(lastword $(filter -O%,$(CFLAGS)))),,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
override CPPFLAGS := $(filter-out -D_FORTIFY_SOURCE=%,$(CPPFLAGS)) $(FORTIFY)

# PGXS knows no header dependencies on this platform.
$(OBJS) $(GATEWAY_OBJS) $(COURIER_OBJS): $(HDRS) Makefile

FRONTEND_CFLAGS = $(CFLAGS) $(FORTIFY) -D_GNU_SOURCE -DFRONTEND -Isrc \
	-D'REALTIME_VERSION="$(EXTVERSION)"' \
	-fPIE -I$(includedir_server)
FRONTEND_LDFLAGS = -pie $(LDFLAGS) $(HARDENING_LINK)
# Debian keeps the static libraries in pkglibdir, a source build in libdir.
FRONTEND_LIBS = $(foreach lib,libpgcommon.a libpgport.a, \
	$(firstword $(wildcard $(pkglibdir)/$(lib) $(libdir)/$(lib)))) -lssl -lcrypto -lm

build/frontend/%.o: src/%.c
	@mkdir -p $(@D)
	$(CC) $(FRONTEND_CFLAGS) -c -o $@ $<

build/realtime_gateway: $(GATEWAY_OBJS)
	$(CC) $(CFLAGS) -o $@ $^ $(FRONTEND_LDFLAGS) $(FRONTEND_LIBS)

build/realtime_courier: $(COURIER_OBJS)
	$(CC) $(CFLAGS) -o $@ $^ $(FRONTEND_LDFLAGS) $(FRONTEND_LIBS) -lcurl

all: $(PROGRAMS)

realtime--$(EXTVERSION).sql: $(SQL_PARTS)
	cat $^ > $@

install: install-programs
uninstall: uninstall-programs

.PHONY: install-programs uninstall-programs
install-programs: $(PROGRAMS)
	$(MKDIR_P) '$(DESTDIR)$(bindir)'
	$(INSTALL_PROGRAM) $(PROGRAMS) '$(DESTDIR)$(bindir)'

uninstall-programs:
	rm -f $(PROGRAMS:build/%=$(DESTDIR)$(bindir)/%)

else
all install:
	@echo 'PostgreSQL is not installed here: $(PG_CONFIG) --pgxs names no file.' >&2
	@echo 'On Debian: apt-get install postgresql-15 postgresql-server-dev-15 libssl-dev libcurl4-openssl-dev libicu-dev' >&2
	@exit 1
endif

# These bring the packages they need themselves.
include test/test.mk
include examples/demo.mk
