# Static analysis; included by test.mk.
#
#	make static						all of it: many minutes, so no part of `make test`
#	make static FILES='src/hub/*.c'	clang-tidy of some files
#
# What is not looked at, and why: .clang-tidy for clang-tidy, CPPCHECK here, and
# comments at the place.  Signs are left out of -Wconversion, because lengths
# are size_t here and int in half of the functions of the system.

FILES ?= $(wildcard src/*.c src/*/*.c)
PROGRAM_ROOMS = src/gateway/% src/program/% src/courier/%
# (the version is any string, without quotes for two shells to take away)
STATIC_FLAGS = -std=gnu99 -D_GNU_SOURCE -DREALTIME_VERSION=__FILE__ -Isrc \
	-isystem $(includedir_server)

# ctuuninitvar: takes buffers that are handed over to be filled for input.
CPPCHECK = cppcheck --quiet --enable=warning,portability --inline-suppr --std=c99 \
	--error-exitcode=1 --include=test/cppcheck.h -D_GNU_SOURCE -Isrc \
	--suppress=missingInclude --suppress=ctuuninitvar \
	--template='{file}:{line}: {message} [{id}]'

.PHONY: static static-packages static-gcc static-cppcheck static-tidy
static: static-packages static-gcc static-cppcheck static-tidy

static-packages:
	@PG_CONFIG='$(PG_CONFIG)' test/install-packages packages static.packages

# Compilers know these without compiling.
static-gcc:
	@for file in $(wildcard src/proto/*.c); do \
		$(CC) -fsyntax-only $(STATIC_FLAGS) -DFRONTEND -Werror -Wall -Wextra \
			-Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers \
			-Wshadow -Wconversion -Wno-sign-conversion $$file || exit 1; \
	done
	@for file in $(filter-out src/proto/%,$(FILES)); do \
		case $$file in src/gateway/*|src/program/*|src/courier/*) side=-DFRONTEND;; *) side=;; esac; \
		$(CC) -fsyntax-only $(STATIC_FLAGS) $$side -Werror -Wshadow $$file || exit 1; \
	done

static-cppcheck:
	@$(CPPCHECK) -DFRONTEND src/proto src/program src/gateway src/courier
	@$(CPPCHECK) src/api src/exec src/hub $(wildcard src/*.c)

static-tidy:
	@for file in $(filter src/proto/% $(PROGRAM_ROOMS),$(FILES)); do echo "$$file -DFRONTEND"; done \
		| xargs -r -P$$(nproc) -L1 sh -c 'clang-tidy --quiet $$0 -- $(STATIC_FLAGS) $$1'
	@for file in $(filter-out src/proto/% $(PROGRAM_ROOMS),$(FILES)); do echo "$$file"; done \
		| xargs -r -P$$(nproc) -L1 sh -c 'clang-tidy --quiet $$0 -- $(STATIC_FLAGS)'
