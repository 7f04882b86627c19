# make              the C libraries, in build/
# make run          build all, then show this machine's process events (DURATION=5: for 5 seconds)
# make test         what shows in three minutes that all works here; it installs nothing
# make test-all     every test; as root on Debian it installs the tools that they need
# make test-kernels the same promises on stock Debian kernels, under QEMU
# make soak         readers of all sorts through storms of events (SECONDS=1800)
# make bench        measured side by side with bare loops and other libraries: docs/benchmarks.md
# make bench-race   only this: who catches the command lines of short programs?
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
STRIP      ?= strip
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
RUSTLIB    = $(CARGO_DIR)/libproc_connector.a
# Paths are relative, because the name of this folder may contain characters that are special to make, the
# shell or pkg-config.
STAGE   := build/stage
WARN    := -std=c11 -D_GNU_SOURCE -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Werror
EXAMPLES := $(patsubst %.c,build/%,$(wildcard examples-c/*.c))
PROGRAMS := $(addprefix build/,promises promises-static faults soak)

NOT_UTF_8 := $(shell pwd | iconv -f UTF-8 -t UTF-8 >/dev/null 2>&1; [ $$? != 1 ] || echo yes)
ifneq ($(findstring :,$(CURDIR))$(findstring %,$(CURDIR))$(NOT_UTF_8),)
$(error cargo cannot build in a folder whose path has a colon or a percent sign, or is not UTF-8: $(CURDIR))
endif

# A file that was made only in part would look finished the next time.
.DELETE_ON_ERROR:

all: $(SHARED) $(STATIC) build/proc_connector.pc
	@target=$$(cat $(CARGO_DIR)/target) && [ "$${CARGO_BUILD_TARGET:-$$target}" = "$$target" ] || \
	    { echo "CARGO_BUILD_TARGET is $$CARGO_BUILD_TARGET, but build/ is for $$target: unset it." >&2; false; }
	tests/consistency.sh $(VERSION) $(SHARED) $(STATIC)

# One crate type at a time: built together they silently lose link-time optimisation.
$(RUSTLIB): Cargo.toml Cargo.lock $(shell find src -name '*.rs') tools/cargo.sh
	CARGO='$(CARGO)' tools/cargo.sh $@ $(CARGO_DIR) rustc --locked --release --lib --no-default-features \
	    --features $(FEATURES) --crate-type staticlib -- -C llvm-args='$(KNOWN)'

# They make the library 5 % smaller, and not slower. The first threshold is half of what LLVM has for opt-level
# "s", and the second is a third: less inlining (#[inline] overrules it), and fewer copies of a block that several
# jumps lead to. Then: blocks in an order that needs few jumps (LLVM 20), no code moved out of loops or copied to
# other paths for speed, registers saved in one place, and memcpy() for more than 32 bytes.
SMALLER = -inline-threshold=25 -jump-threading-threshold=2 -apply-ext-tsp-for-size \
    -disable-machine-licm -enable-pre=false -enable-shrink-wrap=false -max-store-memcpy=2
# Without those that the compiler does not know: it would refuse them.
KNOWN = $(foreach option,$(SMALLER),$(shell $(RUSTC) -C llvm-args=$(option) --print sysroot >/dev/null 2>&1 && \
    echo $(option)))
RUSTC ?= rustc $(filter +%,$(CARGO))

# Linked by cc: rustc passes a version script of its own, and ours would have no effect.
$(SHARED): $(RUSTLIB) $(MAP) src/capi/compact.ld | build
	$(CC) $(LDFLAGS) -shared -nostartfiles -o $@ $(KEEP) $(RUSTLIB) \
	    -Wl,-soname,$(SONAME),--version-script=$(MAP),--no-undefined-version,--gc-sections \
	    -Wl,-z,relro,-z,now,-z,defs,--as-needed $(COMPACT)
	ln -sf $(@F) $(@D)/$(SONAME)
	ln -sf $(SONAME) $(@D)/libproc_connector.so

# What makes the file smaller, as far as this linker has it and this machine's sections allow it.
COMPACT = $$(case "$$($(CC) -dumpmachine) $$(LC_ALL=C $(CC) $(LDFLAGS) -Wl,--version 2>/dev/null)" in \
    (*' GNU gold'*) ;; (x86_64-*' GNU ld ('* | i?86-*' GNU ld ('* | aarch64-*' GNU ld ('* | arm*' GNU ld ('* | s390x-*' GNU ld ('*) \
    echo -Wl,-z,noseparate-code,-T,src/capi/compact.ld ;; (*) echo -Wl,-z,noseparate-code ;; esac)

# One object in which only pc_* is global, so that it collides with no other Rust library.
$(STATIC): $(RUSTLIB) $(MAP) | build
	$(CC) $(filter -fuse-ld=%,$(LDFLAGS)) -nostdlib -r $(KEEP) -o build/proc_connector.o $(RUSTLIB)
	$(OBJCOPY) -w --keep-global-symbol='pc_*' build/proc_connector.o
	rm -f $@
	$(AR) rcs $@ build/proc_connector.o

# What a program that does without the process table could have.
connector-only:
	@mkdir -p build/connector
	sed '/pc_table_/d; /pc_change_/d; /pc_process_read/d; /pc_process_texts/d; /pc_wake_/d' $(MAP) | \
	    sed '/^PROC_CONNECTOR_/{N;N;/global:\n}/d;}' >build/connector/map # without an empty node
	$(MAKE) --no-print-directory build/connector/connector.so SHARED=build/connector/connector.so \
	    MAP=build/connector/map FEATURES=capi CARGO_DIR=build/cargo-connector

build/proc_connector.pc build/stage.pc: src/capi/proc_connector.pc.in Makefile Cargo.toml FORCE | build
	sed -e $(call PLACE,PREFIX) -e $(call PLACE,LIBDIR) -e $(call PLACE,INCLUDEDIR) -e $(call PLACE,VERSION) $< >$@
# $(call PLACE,NAME): for sed, which puts the variable's value in the place of @NAME@. "#" begins a comment.
PLACE = $(call QUOTED,s|@$(1)@|$(subst |,\|,$(subst &,\&,$(subst \,\\,$(subst $(HASH),\$(HASH),$($(1))))))|)
HASH := \#

# In a .pc, "pcfiledir" is the folder of the file itself.
build/stage.pc: override PREFIX = $${pcfiledir}/../..
build/stage.pc: override LIBDIR = $${prefix}/lib
build/stage.pc: override INCLUDEDIR = $${prefix}/include

build:
	mkdir -p $@

# $(call INSTALL,PC,LIB,INCLUDE,MAN)
INSTALL = SHARED=$(SHARED) SONAME=$(SONAME) STATIC=$(STATIC) PC=$(1) LIB=$(call QUOTED,$(2)) \
    INCLUDE=$(call QUOTED,$(3)) MAN=$(call QUOTED,$(4)) STRIP_WITH='$(STRIP_WITH)' tools/install.sh
QUOTED = '$(subst ','\'',$(1))'

install: all
	$(call INSTALL,build/proc_connector.pc,$(LIB),$(INCLUDE),$(MAN))

install-strip:
	$(MAKE) install STRIP_WITH='$(STRIP)'

uninstall:
	$(call INSTALL,,$(LIB),$(INCLUDE),$(MAN)) --remove

# The examples and pcwatch are built as any user's program is: against an installed library.
stage: all build/stage.pc
	@$(call INSTALL,build/stage.pc,$(STAGE)/lib,$(STAGE)/include,$(STAGE)/share/man)

build/examples-c/%: examples-c/%.c stage
	$(COMPILE_EXAMPLE)
build/pcwatch: $(wildcard tools/pcwatch/*.c) stage
	$(COMPILE_EXAMPLE)

define COMPILE_EXAMPLE
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(WARN) $(filter %.c,$^) -o $@ -pthread $(RPATH) \
	    $$(PKG_CONFIG_PATH=$(STAGE)/lib/pkgconfig $(PKG_CONFIG) --cflags --libs proc_connector $(PACKAGE))
endef
# From the folder of the program, which may be build/ or up to two folders below. The absolute path is for
# programs that execve(2) gave privileges, as after setcap(8): for them the dynamic linker ignores $$ORIGIN.
RPATH = -Wl,-rpath,'$$ORIGIN/$(subst ../ ,../,$(patsubst %,../,$(wordlist 2,3,$(subst /, ,$(@D)))))stage/lib' \
    -Xlinker -rpath -Xlinker $(call QUOTED,$(CURDIR)/$(STAGE)/lib)

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
	$(CC) -g $(WARN) $(filter %.c,$^) -o $@ -pthread $(LINK) $(RPATH) \
	    $$(PKG_CONFIG_PATH=$(STAGE)/lib/pkgconfig $(PKG_CONFIG) --cflags --libs proc_connector)

programs: examples build/pcwatch $(PROGRAMS)

test-kernels: build/promises-static
	tests/kernels.sh

fuzz:
	tests/fuzz.sh

soak: build/soak
	build/soak $(or $(SECONDS),60)

# What is measured: ours and the bare loops in C, and in benches/peers the same job in Rust.
PEERS := build/peers/libpeers.so
STD   := build/std/libproc_connector.so
TINY  := $(addprefix build/bench/tiny-,nothing ours libmnl std)
BENCHES := $(addprefix build/bench/,bench allocations) $(TINY)
RACERS  := $(addprefix build/bench/,load brief smallest)

$(PEERS): $(shell find src benches/peers -name '*.rs' -o -name 'Cargo.*') FORCE
	CARGO='$(CARGO)' tools/cargo.sh $@ $(@D) build --locked --release --quiet \
	    --manifest-path benches/peers/Cargo.toml

# As rustc makes one, to compare.
$(STD): $(RUSTLIB)
	CARGO='$(CARGO)' tools/cargo.sh $@ $(@D) rustc --locked --release --quiet --lib --features capi \
	    --crate-type cdylib

build/bench/bench: $(filter-out %/tiny.c %/allocations.c,$(wildcard benches/*.c)) $(PEERS)
build/bench/bench build/bench/allocations: tests/c/support.c tests/c/failure.c $(wildcard benches/*.h)
build/bench/allocations: benches/allocations.c
$(TINY): benches/tiny.c
build/bench/bench: LINK = -Lbuild/peers -lpeers -Wl,-rpath,'$$ORIGIN/../peers'
build/bench/tiny-ours: LINK = -DWITH_OURS
build/bench/tiny-std: LINK = -DWITH_OURS -L$(dir $(STD)) -lproc_connector -Wl,-rpath,'$$ORIGIN/../std'
build/bench/tiny-std: $(STD)
build/bench/tiny-libmnl: LINK = -DWITH_MNL -lmnl
$(BENCHES): stage bench-needs
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(WARN) $(filter %.c,$^) -o $@ -pthread -Wl,--as-needed $(LINK) $(RPATH) \
	    $$(PKG_CONFIG_PATH=$(STAGE)/lib/pkgconfig $(PKG_CONFIG) --cflags --libs proc_connector)

# Programs whose command lines are to be read in time, and the smallest reader.
build/bench/load build/bench/brief build/bench/smallest: build/bench/%: benches/race/%.c stage bench-needs
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(WARN) $< -o $@ -Wl,--as-needed $(LINK) $(RPATH) \
	    $$(PKG_CONFIG_PATH=$(STAGE)/lib/pkgconfig $(PKG_CONFIG) --cflags --libs proc_connector)
build/bench/brief: LINK = -static

bench-needs:
	@tests/needs.sh python3 python3 valgrind valgrind \
	    /usr/include/libmnl/libmnl.h libmnl-dev /usr/lib/*/libnl-3.so.200 libnl-3-200

# Its peers, if they can be had.
	-@tests/needs.sh forkstat forkstat extrace extrace /usr/sbin/execsnoop libbpf-tools

bench: $(BENCHES) $(RACERS) build/pcwatch connector-only
	python3 -B benches/report.py

bench-race: $(RACERS) build/pcwatch
	python3 -B benches/report.py race

header:
	WRITE_HEADER=1 $(CARGO) test --locked --quiet --test header

# "cargo clean" would remove all of a CARGO_TARGET_DIR that other projects share.
clean:
	rm -rf build target

.PHONY: all connector-only install install-strip uninstall stage examples programs run test test-all \
    test-kernels help fuzz soak bench bench-race bench-needs header clean FORCE
