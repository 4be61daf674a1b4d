# Parts of the tests in C: libraries to be preloaded, and the server module once
# more with allocations that can be made to fail.

WRAPPED = palloc palloc0 palloc_extended repalloc repalloc_huge pstrdup pnstrdup \
	MemoryContextAlloc MemoryContextAllocZero MemoryContextAllocHuge MemoryContextAllocExtended \
	MemoryContextStrdup AllocSetContextCreateInternal cstring_to_text cstring_to_text_with_len \
	text_to_cstring initStringInfo enlargeStringInfo appendStringInfoChar appendStringInfoString \
	lappend lappend_oid hash_create hash_search malloc calloc realloc


# Minor versions since then have them.
ifneq ($(shell grep -ls palloc_mul $(includedir_server)/utils/palloc.h),)
WRAPPED += palloc_mul palloc0_mul repalloc_mul
PALLOC_MUL = -DHAVE_PALLOC_MUL
endif

PRELOADS = build/preload/clock_shift.so build/preload/malloc_fault.so \
	build/preload/old_kernel.so build/preload/realtime.so build/preload/slow_bus.so

build/preload/%.so: test/preload/%.c test/preload/fault_page.h
	@mkdir -p $(@D)
	$(CC) -O2 -g -Wall -Wextra -Wno-unused-parameter -Werror -fPIC -shared -o $@ $< -ldl

build/preload/realtime.so: $(OBJS) test/preload/palloc_fault.c test/preload/fault_page.h
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(CPPFLAGS) $(PALLOC_MUL) -c -o build/preload/palloc_fault.o test/preload/palloc_fault.c
	$(CC) $(CFLAGS) -shared -o $@ $(OBJS) build/preload/palloc_fault.o $(LDFLAGS) $(SHLIB_LINK) \
		$(WRAPPED:%=-Wl,--wrap=%)

.PHONY: preloads
preloads: $(PRELOADS)
