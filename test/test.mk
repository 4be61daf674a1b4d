# Targets test, fuzz and format; included by the Makefile at the top.
#
#	make test							everything
#	make test TESTS='test/t/010*.pl'	some of it
#	make chaos SECONDS=3600 SEED=7		the chaos test for longer
#	make test-asan						everything, with every gateway and courier
#										under ASan and UBSan
#	make valgrind						a choice, with every server under Valgrind

TESTS ?=
CLIENT_MODULES = test/clients/node_modules/.package-lock.json
DEMO_MODULES = examples/demo/node_modules/.package-lock.json
CHAT_MODULES = examples/live-chat/node_modules/.package-lock.json
BROWSER_MODULES = test/browser/node_modules/.package-lock.json

# Debian packages; a browser and a proxy are only for those who test.
PACKAGE_LISTS = packages
test-ready: PACKAGE_LISTS += browser/packages proxy.packages
valgrind: PACKAGE_LISTS += valgrind.packages

.PHONY: test test-asan test-ready test-packages test-build format valgrind

test: test-ready
	PG_CONFIG='$(PG_CONFIG)' test/run $(TESTS)

test-asan: test-ready
	PG_CONFIG='$(PG_CONFIG)' TEST_WITH=SanitizedPrograms test/run $(TESTS)

# What runs SQL, reads the WAL, decides on rights and keeps order.
VALGRIND_TESTS ?= $(addprefix test/t/,001_regress.pl 010_order.pl 011_transactions.pl \
	033_partitions.pl 061_commits.pl 062_jobs.pl 063_authorization.pl \
	071_private_channels.pl 084_resume.pl \
	113_rest_api.pl 115_rest_paging.pl 123_webhooks.pl)

# Everything takes 20 times as long.
valgrind: test-ready
	PG_CONFIG='$(PG_CONFIG)' TEST_WITH=ValgrindServer PG_TEST_TIMEOUT_DEFAULT=900 \
		test/run $(or $(TESTS),$(VALGRIND_TESTS))

# All that has to be there before tests run.
test-ready: test-build $(CLIENT_MODULES) $(DEMO_MODULES) $(CHAT_MODULES) $(BROWSER_MODULES)

# As many compilers as there are processors, unless make was told a number.
BUILD_JOBS = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc))

# An hour by default; without SEED another one each time.  What it prints of a
# round that fails is enough to repeat it as far as chance is the test's own.
.PHONY: chaos
chaos: test-build
	@PG_CONFIG='$(PG_CONFIG)' CHAOS_SECONDS='$(or $(SECONDS),3600)' $(if $(SEED),CHAOS_SEED='$(SEED)') \
		PROVE_FLAGS=-v test/run test/t/099_chaos.pl

# Makes of their own, because pg_config, which a Makefile asks while it is
# being read, may have come with the packages.
test-build: test-packages
	@echo 'Building ...'
	@$(MAKE) --no-print-directory -s $(BUILD_JOBS) all
	@$(MAKE) --no-print-directory -s installed
	@$(MAKE) --no-print-directory -s $(BUILD_JOBS) -C test/unit PG_CONFIG='$(PG_CONFIG)' all programs
	@$(MAKE) --no-print-directory -s -j2 -C test/fuzz PG_CONFIG='$(PG_CONFIG)'
	@$(MAKE) --no-print-directory -s preloads

# Install what differs from what is installed; those who may not write there
# are told the command.
.PHONY: installed
installed:
	@if cmp -s realtime.so '$(DESTDIR)$(pkglibdir)/realtime.so' \
		&& cmp -s build/realtime_gateway '$(DESTDIR)$(bindir)/realtime_gateway' \
		&& cmp -s build/realtime_courier '$(DESTDIR)$(bindir)/realtime_courier' \
		&& cmp -s realtime.control '$(DESTDIR)$(datadir)/extension/realtime.control' \
		&& (for script in realtime--$(EXTVERSION).sql $(DATA); do \
			cmp -s $$script '$(DESTDIR)$(datadir)/extension/'$${script##*/} || exit 1; done); then :; \
	elif [ -w '$(DESTDIR)$(pkglibdir)' ]; then \
		echo 'Installing realtime ...'; \
		$(MAKE) --no-print-directory install >build/install.log 2>&1 || { cat build/install.log >&2; exit 1; }; \
	else \
		echo 'Installing realtime into PostgreSQL needs root; run this and try again:' >&2; \
		echo '    sudo make install' >&2; exit 1; \
	fi

test-packages:
	@PG_CONFIG='$(PG_CONFIG)' test/install-packages $(PACKAGE_LISTS)

# Fuzzing by hand (test/fuzz/README.md):
#
#	make fuzz SECONDS=600 TARGETS='json http' JOBS=2
#	make fuzz-coverage
SECONDS ?= 30
TARGETS ?=
JOBS ?= $(shell nproc)

.PHONY: fuzz fuzz-coverage
fuzz fuzz-coverage: PACKAGE_LISTS += fuzz/packages
fuzz: test-packages
	@$(MAKE) --no-print-directory -s -j$(JOBS) -C test/fuzz PG_CONFIG='$(PG_CONFIG)'
	@test/fuzz/run -s '$(SECONDS)' -j '$(JOBS)' $(TARGETS)

fuzz-coverage: test-packages
	@$(MAKE) --no-print-directory -s -j$(JOBS) -C test/fuzz PG_CONFIG='$(PG_CONFIG)' coverage

%/node_modules/.package-lock.json: %/package-lock.json %/package.json | test-packages
	@echo 'Installing the npm packages of $* ...'
	@cd $* && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

include test/static.mk

# pgindent's own options, with the type names of the server's headers and ours.
INDENT = pg_bsd_indent -bad -bap -bbb -bc -bl -cli1 -cp33 -cdb -nce -d0 -di12 \
	-nfc1 -i4 -l79 -lp -lpl -nip -npro -sac -tpg -ts4
INDENT_FILES = $(wildcard src/*.[ch] src/*/*.[ch] test/unit/*.[ch] test/fuzz/*.[ch] bench/*.[ch])

build/typedefs.list: $(INDENT_FILES)
	@mkdir -p $(@D)
	@{ printf '%s;\n' size_t ssize_t pid_t time_t bool BIGNUM BIO SSL SSL_CTX X509 X509_STORE EVP_PKEY OSSL_PARAM CURL CURLM CURLcode CURLINFO; grep -rhoE '^\}[[:space:]]*[A-Za-z_]\w*;' $(includedir_server) src test bench; \
		grep -rhoE '^typedef [^(){};]*[^A-Za-z_(){};]\w+;' $(includedir_server) src test bench; } \
		| sed -E 's/.*[^A-Za-z0-9_]([A-Za-z_][A-Za-z0-9_]*);/\1/; s/^\}//; s/;$$//' | sort -u >$@

format: build/typedefs.list
	@command -v pg_bsd_indent >/dev/null || { \
		echo 'pg_bsd_indent is missing; install it: apt-get install pg-bsd-indent' >&2; exit 1; }
	@for file in $(INDENT_FILES); do \
		$(INDENT) $$file build/indented -Ubuild/typedefs.list || exit 1; \
		cmp -s build/indented $$file || { cat build/indented >$$file; echo "formatted $$file"; }; \
	done; rm -f build/indented
