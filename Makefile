# make              the C libraries, in build/
# make run          build all, then show this machine's process events (DURATION=5: for 5 seconds)
# make test         everything that is tested
# make test-kernels the same promises on stock Debian kernels, under QEMU
# make soak         readers of all sorts through storms of events (SECONDS=1800)
# make fuzz         the fuzzers, each for FUZZ_SECONDS=60
# make install      honours PREFIX, LIBDIR, INCLUDEDIR, DESTDIR; install-strip, uninstall too
# make header       include/proc_connector.h from src/capi

PREFIX     ?= /usr/local
LIBDIR     ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
LIB         = $(DESTDIR)$(LIBDIR)
INCLUDE     = $(DESTDIR)$(INCLUDEDIR)
CARGO      ?= cargo
OBJCOPY    ?= objcopy
PKG_CONFIG ?= pkg-config
CFLAGS     ?= -O2 -g

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
SONAME  := libproc_connector.so.$(firstword $(subst ., ,$(VERSION)))
SHARED  := build/libproc_connector.so.$(VERSION)
STATIC  := build/libproc_connector.a
MAP     := src/capi/proc_connector.map
KEEP    := $(addprefix -u,$(shell sed -n 's/^\t\(pc_.*\);/\1/p' $(MAP)))
RUSTLIB := build/cargo/release/libproc_connector.a
STAGE   := $(CURDIR)/build/stage
WARN    := -std=c11 -D_GNU_SOURCE -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Werror
EXAMPLES := $(patsubst %.c,build/%,$(wildcard examples-c/*.c))
PROGRAMS := $(addprefix build/,promises promises-static faults soak)

ifneq ($(words $(CURDIR)),1)
$(error make cannot build in a folder with a space in its name: $(CURDIR))
endif

all: $(SHARED) $(STATIC) build/proc_connector.pc
	tests/consistency.sh $(VERSION) $(SHARED) $(STATIC)

# One crate type at a time: built together they silently lose link-time optimisation.
$(RUSTLIB): Cargo.toml Cargo.lock $(shell find src -name '*.rs')
	$(CARGO) rustc --locked --release --lib --no-default-features --features capi \
	    --crate-type staticlib --target-dir build/cargo
	@touch $@

# Linked by cc: rustc passes a version script of its own, and ours would have no effect.
$(SHARED): $(RUSTLIB) $(MAP) | build
	$(CC) $(LDFLAGS) -shared -nostartfiles -o $@ -Wl,--whole-archive $(RUSTLIB) \
	    -Wl,--no-whole-archive,-soname,$(SONAME),--version-script=$(MAP),--no-undefined-version,--gc-sections \
	    -Wl,-z,relro,-z,now,-z,defs,-z,noseparate-code,--as-needed
	ln -sf $(@F) build/$(SONAME)
	ln -sf $(SONAME) build/libproc_connector.so

# One object in which only pc_* is global, so that it collides with no other Rust library.
$(STATIC): $(RUSTLIB) $(MAP) | build
	$(LD) -r --gc-sections $(KEEP) -o build/proc_connector.o $(RUSTLIB)
	$(OBJCOPY) -w --keep-global-symbol='pc_*' build/proc_connector.o
	rm -f $@
	$(AR) rcs $@ build/proc_connector.o

build/proc_connector.pc: src/capi/proc_connector.pc.in Makefile Cargo.toml FORCE | build
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' \
	    -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' -e 's|@VERSION@|$(VERSION)|' $< >$@

build:
	mkdir -p $@

install: all
	install -d "$(LIB)/pkgconfig" "$(INCLUDE)"
	install -m 755 $(STRIP_FLAG) $(SHARED) "$(LIB)"
	cp -P build/$(SONAME) build/libproc_connector.so "$(LIB)"
	install -m 644 $(STATIC) "$(LIB)"
	install -m 644 build/proc_connector.pc "$(LIB)/pkgconfig"
	install -m 644 include/proc_connector.h "$(INCLUDE)"

install-strip:
	$(MAKE) install STRIP_FLAG=-s

uninstall:
	rm -f "$(LIB)"/libproc_connector.a "$(LIB)"/libproc_connector.so* \
	    "$(LIB)/pkgconfig/proc_connector.pc" "$(INCLUDE)/proc_connector.h"

# The examples are built as any user's program is: against an installed library.
stage: | build
	@$(MAKE) --no-print-directory install PREFIX=$(STAGE) LIBDIR=$(STAGE)/lib \
	    INCLUDEDIR=$(STAGE)/include DESTDIR= >build/stage.log || { cat build/stage.log; false; }

build/examples-c/%: examples-c/%.c stage
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(WARN) $< -o $@ -Wl,-rpath,$(STAGE)/lib \
	    $$(PKG_CONFIG_PATH=$(STAGE)/lib/pkgconfig $(PKG_CONFIG) --cflags --libs proc_connector)

examples: $(EXAMPLES)

run: build/examples-c/watch
	$< $(if $(DURATION),--duration $(DURATION))

test:
	tests/run.sh

# What the tests run: tests/c against the shared and the static library, and by themselves.
build/promises build/promises-static: $(wildcard tests/c/*.c)
build/faults: tests/faults/faults.c $(addprefix tests/c/,promise.c failure.c init.c support.c)
build/soak: tests/soak/soak.c $(addprefix tests/c/,failure.c support.c witness.c)
build/promises-static: LINK = -static
build/faults: LINK = -rdynamic -ldl
$(PROGRAMS): $(wildcard tests/c/*.h) stage
	$(CC) -g $(WARN) $(filter %.c,$^) -o $@ -pthread $(LINK) -Wl,-rpath,$(STAGE)/lib \
	    $$(PKG_CONFIG_PATH=$(STAGE)/lib/pkgconfig $(PKG_CONFIG) --cflags --libs proc_connector)

programs: examples $(PROGRAMS)

test-kernels: build/promises-static
	tests/kernels.sh

fuzz:
	tests/fuzz.sh

soak: build/soak
	build/soak $(or $(SECONDS),60)

header:
	WRITE_HEADER=1 $(CARGO) test --locked --quiet --test header

clean:
	rm -rf build
	$(CARGO) clean

.PHONY: all install install-strip uninstall stage examples programs run test test-kernels fuzz soak header \
    clean FORCE
