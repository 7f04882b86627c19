# make              the C libraries, in build/
# make run          build all, then show this machine's process events (DURATION=5: for 5 seconds)
# make test         what shows in three minutes that all works here; it installs nothing
# make test-all     every test; as root on Debian it installs the tools that they need
# make test-kernels the same promises on stock Debian kernels, under QEMU
# make soak         readers of all sorts through storms of events (SECONDS=1800)
# make bench        measured side by side with bare loops and other libraries: docs/benchmarks.md
# make fuzz         the fuzzers, each for FUZZ_SECONDS=60
# make install      honours PREFIX, LIBDIR, INCLUDEDIR, MANDIR, DESTDIR; install-strip, uninstall too
# make header       include/proc_connector.h from src/capi
# make clean        remove all that was built
# make help         show this list

PREFIX     ?= /usr/local
LIBDIR     ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR     ?= $(PREFIX)/share/man
LIB         = $(DESTDIR)$(LIBDIR)
INCLUDE     = $(DESTDIR)$(INCLUDEDIR)
MAN         = $(DESTDIR)$(MANDIR)
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
FEATURES  := capi,table
CARGO_DIR := build/cargo
RUSTLIB    = $(CARGO_DIR)/release/libproc_connector.a
STAGE   := $(CURDIR)/build/stage
WARN    := -std=c11 -D_GNU_SOURCE -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Werror
EXAMPLES := $(patsubst %.c,build/%,$(wildcard examples-c/*.c))
PROGRAMS := $(addprefix build/,promises promises-static faults soak)
# "NAME PAGE" for each name that a page has in its NAME section: man pc_recv_many shows pc_recv(3).
MAN_NAMES := awk '/^\.Sh/ { naming = $$2 == "NAME" } naming && $$1 == ".Nm" { print $$2, FILENAME }' \
    $(wildcard man/*.3 man/*.7)

ifneq ($(words $(CURDIR)),1)
$(error make cannot build in a folder with a space in its name: $(CURDIR))
endif

all: $(SHARED) $(STATIC) build/proc_connector.pc
	tests/consistency.sh $(VERSION) $(SHARED) $(STATIC)

# One crate type at a time: built together they silently lose link-time optimisation.
$(RUSTLIB): Cargo.toml Cargo.lock $(shell find src -name '*.rs')
	$(CARGO) rustc --locked --release --lib --no-default-features --features $(FEATURES) \
	    --crate-type staticlib --target-dir $(CARGO_DIR)
	@touch $@

# Linked by cc: rustc passes a version script of its own, and ours would have no effect.
$(SHARED): $(RUSTLIB) $(MAP) | build
	$(CC) $(LDFLAGS) -shared -nostartfiles -o $@ -Wl,--whole-archive $(RUSTLIB) \
	    -Wl,--no-whole-archive,-soname,$(SONAME),--version-script=$(MAP),--no-undefined-version,--gc-sections \
	    -Wl,-z,relro,-z,now,-z,defs,-z,noseparate-code,--as-needed
	ln -sf $(@F) $(@D)/$(SONAME)
	ln -sf $(SONAME) $(@D)/libproc_connector.so

# One object in which only pc_* is global, so that it collides with no other Rust library.
$(STATIC): $(RUSTLIB) $(MAP) | build
	$(LD) -r --gc-sections $(KEEP) -o build/proc_connector.o $(RUSTLIB)
	$(OBJCOPY) -w --keep-global-symbol='pc_*' build/proc_connector.o
	rm -f $@
	$(AR) rcs $@ build/proc_connector.o

# What a program that does without the process table could have.
connector-only:
	@mkdir -p build/connector
	sed '/pc_table_/d; /pc_process_read/d' $(MAP) >build/connector/map
	$(MAKE) --no-print-directory build/connector/connector.so SHARED=build/connector/connector.so \
	    MAP=build/connector/map FEATURES=capi CARGO_DIR=build/cargo-connector

build/proc_connector.pc: src/capi/proc_connector.pc.in Makefile Cargo.toml FORCE | build
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' \
	    -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' -e 's|@VERSION@|$(VERSION)|' $< >$@

build:
	mkdir -p $@

install: all
	install -d "$(LIB)/pkgconfig" "$(INCLUDE)" "$(MAN)/man3" "$(MAN)/man7"
	install -m 755 $(STRIP_FLAG) $(SHARED) "$(LIB)"
	cp -P build/$(SONAME) build/libproc_connector.so "$(LIB)"
	install -m 644 $(STATIC) "$(LIB)"
	install -m 644 build/proc_connector.pc "$(LIB)/pkgconfig"
	install -m 644 include/proc_connector.h include/proc_connector.hpp "$(INCLUDE)"
	$(MAN_NAMES) | while read -r name page; do \
	    echo ".so man$${page##*.}/$${page##*/}" | \
	        install -m 644 /dev/stdin "$(MAN)/man$${page##*.}/$$name.$${page##*.}"; \
	done
	install -m 644 man/*.3 "$(MAN)/man3"
	install -m 644 man/*.7 "$(MAN)/man7"

install-strip:
	$(MAKE) install STRIP_FLAG=-s

uninstall:
	rm -f "$(LIB)"/libproc_connector.a "$(LIB)"/libproc_connector.so* \
	    "$(LIB)/pkgconfig/proc_connector.pc" "$(INCLUDE)"/proc_connector.h*
	$(MAN_NAMES) | while read -r name page; do \
	    rm -f "$(MAN)/man$${page##*.}/$$name.$${page##*.}"; \
	done

# The examples and pcwatch are built as any user's program is: against an installed library.
stage: $(SHARED) $(STATIC)
	@$(MAKE) --no-print-directory install PREFIX=$(STAGE) LIBDIR=$(STAGE)/lib \
	    INCLUDEDIR=$(STAGE)/include MANDIR=$(STAGE)/share/man DESTDIR= >build/stage.log || \
	    { cat build/stage.log; false; }

build/examples-c/%: examples-c/%.c stage
	$(COMPILE_EXAMPLE)
build/pcwatch: $(wildcard tools/pcwatch/*.c) stage
	$(COMPILE_EXAMPLE)

define COMPILE_EXAMPLE
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(WARN) $(filter %.c,$^) -o $@ -pthread -Wl,-rpath,$(STAGE)/lib \
	    $$(PKG_CONFIG_PATH=$(STAGE)/lib/pkgconfig $(PKG_CONFIG) --cflags --libs proc_connector $(PACKAGE))
endef

examples: $(EXAMPLES) build/examples-c/daemon/pcpolicyd

build/examples-c/daemon/pcpolicyd: $(wildcard examples-c/daemon/*.c examples-c/daemon/*.h)

build/examples-c/confined/confined: examples-c/confined/drop.c examples-c/confined/drop.h

# docs/testing.md
build/examples-c/testing/made-up: examples-c/testing/feed.c examples-c/testing/feed.h
build/examples-c/testing/record build/examples-c/testing/replay: PACKAGE = libpcap
build/examples-c/testing/record build/examples-c/testing/replay: examples-c/testing/cooked.h

run: build/pcwatch
	$< $(if $(DURATION),--duration $(DURATION))

test:
	tests/run.sh core

test-all:
	tests/run.sh core rest

help:
	@sed -n '/^#/!q; s/^# //p' Makefile

# What the tests run: tests/c against the shared and the static library, and by themselves.
build/promises build/promises-static: $(wildcard tests/c/*.c)
build/faults: $(wildcard tests/faults/*.c) \
    $(addprefix tests/c/,promise.c failure.c init.c support.c)
build/soak: tests/soak/soak.c $(addprefix tests/c/,failure.c support.c suspects.c witness.c)
build/promises-static: LINK = -static
build/faults: LINK = -rdynamic -ldl
$(PROGRAMS): $(wildcard tests/c/*.h tests/faults/*.h) stage
	$(CC) -g $(WARN) $(filter %.c,$^) -o $@ -pthread $(LINK) -Wl,-rpath,$(STAGE)/lib \
	    $$(PKG_CONFIG_PATH=$(STAGE)/lib/pkgconfig $(PKG_CONFIG) --cflags --libs proc_connector)

programs: examples build/pcwatch $(PROGRAMS)

test-kernels: build/promises-static
	tests/kernels.sh

fuzz:
	tests/fuzz.sh

soak: build/soak
	build/soak $(or $(SECONDS),60)

# What is measured: ours and the bare loops in C, and in benches/peers the same job in Rust.
PEERS := build/peers/release/libpeers.so
STD   := build/std/release/libproc_connector.so
TINY  := $(addprefix build/bench/tiny-,nothing ours libmnl std)
BENCHES := $(addprefix build/bench/,bench allocations) $(TINY)

$(PEERS): $(shell find src benches/peers -name '*.rs' -o -name 'Cargo.*') FORCE
	$(CARGO) build --locked --release --quiet --manifest-path benches/peers/Cargo.toml \
	    --target-dir build/peers

# As rustc makes one, to compare.
$(STD): $(RUSTLIB)
	$(CARGO) rustc --locked --release --quiet --lib --features capi --crate-type cdylib --target-dir build/std

build/bench/bench: $(filter-out %/tiny.c %/allocations.c,$(wildcard benches/*.c)) $(PEERS)
build/bench/bench build/bench/allocations: tests/c/support.c tests/c/failure.c $(wildcard benches/*.h)
build/bench/allocations: benches/allocations.c
$(TINY): benches/tiny.c
build/bench/bench: LINK = -Lbuild/peers/release -lpeers -Wl,-rpath,$(CURDIR)/build/peers/release
build/bench/tiny-ours: LINK = -DWITH_OURS
build/bench/tiny-std: LINK = -DWITH_OURS -L$(dir $(STD)) -lproc_connector -Wl,-rpath,$(CURDIR)/$(dir $(STD))
build/bench/tiny-std: $(STD)
build/bench/tiny-libmnl: LINK = -DWITH_MNL -lmnl
$(BENCHES): stage bench-needs
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(WARN) $(filter %.c,$^) -o $@ -pthread -Wl,--as-needed $(LINK) -Wl,-rpath,$(STAGE)/lib \
	    $$(PKG_CONFIG_PATH=$(STAGE)/lib/pkgconfig $(PKG_CONFIG) --cflags --libs proc_connector)

bench-needs:
	@tests/needs.sh python3 python3 valgrind valgrind \
	    /usr/include/libmnl/libmnl.h libmnl-dev /usr/lib/*/libnl-3.so.200 libnl-3-200

bench: $(BENCHES) connector-only
	python3 -B benches/report.py

header:
	WRITE_HEADER=1 $(CARGO) test --locked --quiet --test header

clean:
	rm -rf build
	$(CARGO) clean

.PHONY: all connector-only install install-strip uninstall stage examples programs run test test-all \
    test-kernels help fuzz soak bench bench-needs header clean FORCE
