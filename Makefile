# make              the C libraries, in build/
# make TARGET=…     for another machine, in build/TRIPLE/: docs/packaging.md
# make run          build all, then show this machine's process events (DURATION=5: for 5 seconds)
# make test         what shows in three minutes that all works here; it installs nothing
# make check        for packagers: the tests that need no privilege, no network and no process events
# make test-all     every test; as root on Debian it installs the tools that they need
# make test-kernels the same promises on stock Debian kernels, under QEMU
# make test-machines  the promises on other machines' kernels, under QEMU: the table in docs/machines.md
# make test-fleet  up to 50 nodes and two booted machines send to one server while parts fail: the tables in docs/fleet.md
# make test-distributions  the Debian packages, in new chroots of stable and sid
# make test-systems the Debian packages on a whole machine with systemd, under QEMU
# make test-free-threaded  the Python package on a CPython without GIL; builds one if there is none (PYTHON=…)
# make soak         readers of all sorts through storms of events (SECONDS=1800)
# make bench        measured side by side with bare loops and other libraries: docs/benchmarks.md
# make bench-race   only this: who catches the command lines of short programs?
# make bench-python the Python package beside pyroute2: the table in bindings/python/README.md (PYTHON=/usr/bin/python3)
# make fuzz         the fuzzers, each for FUZZ_SECONDS=60
# make install      honours PREFIX, LIBDIR, INCLUDEDIR, MANDIR (or prefix, …), DESTDIR; install-strip, uninstall too
# make docs         the documentation as a site that works offline: build/site/html/index.html
# make dist         the last commit as a release: build/dist/proc_connector-VERSION.tar.xz, its SBOM and checksums
# make header       include/proc_connector.h from src/capi
# make clean        remove all that was built
# make help         show this list

# GNU writes these names in lower case. On the command line, they come before those of the environment.
FOLDER = $(if $(findstring command,$(origin $(2))),$(eval $(1) = $$($(2))),$(eval $(1) ?= $$(or $$($(2)),$(3))))
$(call FOLDER,PREFIX,prefix,/usr/local)
$(call FOLDER,LIBDIR,libdir,$$(PREFIX)/lib)
$(call FOLDER,INCLUDEDIR,includedir,$$(PREFIX)/include)
$(call FOLDER,MANDIR,mandir,$$(PREFIX)/share/man)
LIB         = $(DESTDIR)$(LIBDIR)
INCLUDE     = $(DESTDIR)$(INCLUDEDIR)
MAN         = $(DESTDIR)$(MANDIR)
CARGO      ?= cargo
RUSTC      ?= rustc $(filter +%,$(CARGO))
PKG_CONFIG ?= pkg-config
CFLAGS     ?= -O2 -g
QUOTED      = '$(subst ','\'',$(1))'

# What is made for another machine goes to a folder of its own, so that both lie side by side.
BUILD  := build
TARGET ?= $(CARGO_BUILD_TARGET)
ifneq ($(TARGET),)
FOUND := $(shell CC=$(call QUOTED,$(if $(filter default,$(origin CC)),,$(CC))) CARGO='$(CARGO)' RUSTC='$(RUSTC)' \
    tools/target.sh $(call QUOTED,$(TARGET)))
ifeq ($(firstword $(FOUND)),error:)
$(error $(wordlist 2,99,$(FOUND)))
else ifeq ($(firstword $(FOUND)),cross)
BUILD := build/$(TARGET)
CC    := $(wordlist 2,99,$(FOUND))
RUNS  := $(filter run check test test-% fuzz soak bench bench-%,$(MAKECMDGOALS))
$(if $(RUNS),$(error make $(firstword $(RUNS)) runs what it builds, which is for $(TARGET): unset TARGET and CARGO_BUILD_TARGET))
endif
endif

MACHINE  = $(or $(TARGET),$(shell $(CC) -dumpmachine))

# The compiler knows the tools of the machine that it compiles for.
TOOL     = $(or $(shell $(CC) -print-prog-name=$(1) 2>/dev/null),$(1))
NM      ?= $(call TOOL,nm)
OBJCOPY ?= $(call TOOL,objcopy)
READELF ?= $(call TOOL,readelf)
STRIP   ?= $(call TOOL,strip)
ifeq ($(origin AR),default)
AR       = $(call TOOL,ar)
endif

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
SONAME  := libproc_connector.so.$(firstword $(subst ., ,$(VERSION)))
SHARED  := $(BUILD)/libproc_connector.so.$(VERSION)
STATIC  := $(BUILD)/libproc_connector.a
MAP     := src/capi/proc_connector.map
KEEP    := $(addprefix -u,$(shell sed -n 's/^\t\(pc_.*\);/\1/p' $(MAP)))
FEATURES  := capi,table
CARGO_DIR := $(BUILD)/cargo
RUSTLIB    = $(CARGO_DIR)/libproc_connector.a
# Paths are relative, because the name of this folder may contain characters that are special to make, the
# shell or pkg-config.
STAGE   := $(BUILD)/stage
WARN    := -std=c11 -D_GNU_SOURCE -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Werror
EXAMPLES := $(patsubst %.c,$(BUILD)/%,$(wildcard examples-c/*.c))
PROGRAMS := $(addprefix $(BUILD)/,promises promises-static faults soak)

NOT_UTF_8 := $(shell pwd | iconv -f UTF-8 -t UTF-8 >/dev/null 2>&1; [ $$? != 1 ] || echo yes)
ifneq ($(findstring :,$(CURDIR))$(findstring %,$(CURDIR))$(NOT_UTF_8),)
$(error cargo cannot build in a folder whose path has a colon or a percent sign, or is not UTF-8: $(CURDIR))
endif

# A file that was made only in part would look finished the next time.
.DELETE_ON_ERROR:

all: $(SHARED) $(STATIC) $(BUILD)/proc_connector.pc
	NM='$(NM)' READELF='$(READELF)' tests/consistency.sh $(VERSION) $(SHARED) $(STATIC)
	CC='$(CC)' tests/layouts.sh $(BUILD)/layouts

# One crate type at a time: built together they silently lose link-time optimisation.
$(RUSTLIB): Makefile Cargo.toml Cargo.lock $(shell find src -name '*.rs') tools/cargo.sh
	@mkdir -p $(@D)
	@CC='$(CC)' OBJCOPY='$(OBJCOPY)' tools/linker.sh '$(MACHINE)' '$(CHOICE)' $(CC) $(LDFLAGS)
	TARGET='$(TARGET)' CARGO='$(CARGO)' tools/cargo.sh $@ $(CARGO_DIR) rustc --locked --release --lib \
	    --no-default-features --features $(FEATURES) --crate-type staticlib -- --cfg layouts \
	    -C llvm-args='$(KNOWN)' $(INLINE)

# These options make the library 6 % smaller, and not slower. The first threshold is half of what LLVM has for opt-level
# "s", and the second is a third: less inlining (#[inline] overrules it), and fewer copies of a block that several
# jumps lead to. Then: blocks in an order that needs few jumps (LLVM 20), no code moved out of loops or copied to
# other paths for speed, no value kept in a register only for a later use, equal ends of blocks joined, jump tables
# only for five cases or more, registers saved in one place and spilled where that needs the least code, memcpy()
# or memset() for more than 32 bytes, instructions in an order that needs few registers, copies of values where paths
# join rather than before, and no analysis whose results are used for speed alone.
SMALLER = -inline-threshold=26 -jump-threading-threshold=2 -apply-ext-tsp-for-size \
    -disable-machine-licm -disable-machine-cse -enable-pre=false -enable-load-pre=false \
    -tail-merge-size=2 -min-jump-table-entries=5 -enable-shrink-wrap=false \
    -split-spill-mode=size -max-store-memcpy=2 -max-store-memset=2 -pre-RA-sched=list-burr \
    -phi-elim-split-all-critical-edges -enable-constraint-elimination=0 -enable-gvn-memdep=0 \
    -instcombine-max-sink-users=0 -mul-constant-optimization=0 -simplifycfg-max-small-block-size=0
# Without those that the compiler does not know: it would refuse them.
KNOWN = $(foreach option,$(SMALLER),$(shell $(RUSTC) -C llvm-args=$(option) --print sysroot >/dev/null 2>&1 && \
    echo $(option)))

# On arm64, functions that choose between kinds of atomic instructions would bring a constructor, which asks the
# dynamic linker.
INLINE = $(if $(filter aarch64%,$(MACHINE)),-C target-feature=-outline-atomics)

# Linked by cc: rustc passes a version script of its own, and ours would have no effect.
$(SHARED): $(RUSTLIB) $(MAP) $(wildcard src/capi/*.ld) | $(BUILD)
	$(CC) $(LDFLAGS) -shared -nostdlib -o $@ $(KEEP) $(RUSTLIB) -lc \
	    -Wl,-soname,$(SONAME),--version-script=$(MAP),--no-undefined-version,--gc-sections \
	    -Wl,-z,relro,-z,now,-z,defs,--as-needed $(ALONE) $(COMPACT)
	ln -sf $(@F) $(@D)/$(SONAME)
	ln -sf $(SONAME) $(@D)/libproc_connector.so

CHOICE = $(filter -fuse-ld=% -B%,$(LDFLAGS))

# What makes the file smaller, as far as this linker has it and the machine's sections allow it.
COMPACT = $$(case "$$($(CC) -dumpmachine) $$(LC_ALL=C $(CC) $(LDFLAGS) -Wl,--version 2>/dev/null)" in \
    (*' GNU gold'*) ;; \
    (x86_64-*' GNU ld ('* | i?86-*' GNU ld ('* | aarch64-*' GNU ld ('* | arm*' GNU ld ('* | s390x-*' GNU ld ('* | \
    powerpc64le-*' GNU ld ('* | ppc64le-*' GNU ld ('*) echo -Wl,-z,noseparate-code,-T,src/capi/compact.ld ;; \
    (riscv*' GNU ld ('*) echo -Wl,-z,noseparate-code,-T,src/capi/compact-riscv.ld ;; \
    (*) echo -Wl,-z,noseparate-code ;; esac)

# On 32-bit ARM and PowerPC, the tables for unwinding name functions that only panics and exceptions call. Nothing
# here panics, and without these names nothing needs libgcc_s.
ALONE = $(if $(filter arm% thumb% powerpc-%,$(MACHINE)),$(addprefix -Wl$(COMMA)--defsym=, \
    rust_eh_personality=pc_version __aeabi_unwind_cpp_pr0=0 __aeabi_unwind_cpp_pr1=0))
COMMA := ,

# One object in which only pc_* is global, so that it collides with no other Rust library. It has no LLVM bitcode,
# which linker plugins would read. The structs' layouts are for tests/layouts.sh alone. (lld takes the machine from
# the first object, so that one is an empty object of the C compiler.)
$(STATIC): $(RUSTLIB) $(MAP) | $(BUILD)
	$(CC) $(CHOICE) -nostdlib -r $(ALONE) $(KEEP) -o $(BUILD)/proc_connector.o \
	    -x c /dev/null -x none $(RUSTLIB)
	$(READELF) -sW $(BUILD)/proc_connector.o | awk '$$6 == "HIDDEN" { print $$8, "pc." $$8 }' >$(BUILD)/hidden
	$(OBJCOPY) -w $(KEPT) -R .llvmbc -R .llvmcmd -W rust_eh_personality \
	    --dump-section .pc_layouts=$(BUILD)/layouts -R .pc_layouts $(BUILD)/proc_connector.o
	rm -f $@
	$(AR) rcs $@ $(BUILD)/proc_connector.o

# On MIPS, relocations for local symbols differ from those for global ones, and objcopy would make the symbols local
# without changing their relocations. So the symbols stay global and hidden, with names that nothing else has.
KEPT = $(if $(filter mips%,$(MACHINE)),--redefine-syms=$(BUILD)/hidden,--keep-global-symbol='pc_*')

# What a program that does without the process table could have.
connector-only:
	@mkdir -p $(BUILD)/connector
	sed '/pc_table_/d; /pc_change_/d; /pc_process_read/d; /pc_process_texts/d; /pc_wake_/d' $(MAP) | \
	    sed '/^PROC_CONNECTOR_/{N;N;/global:\n}/d;}' >$(BUILD)/connector/map # without an empty node
	$(MAKE) --no-print-directory $(BUILD)/connector/connector.so SHARED=$(BUILD)/connector/connector.so \
	    MAP=$(BUILD)/connector/map FEATURES=capi CARGO_DIR=$(BUILD)/cargo-connector

$(BUILD)/proc_connector.pc $(BUILD)/stage.pc: src/capi/proc_connector.pc.in Makefile Cargo.toml FORCE | $(BUILD)
	sed -e $(call PLACE,PREFIX) -e $(call PLACE,LIBDIR) -e $(call PLACE,INCLUDEDIR) -e $(call PLACE,VERSION) $< >$@
# $(call PLACE,NAME): for sed, which puts the variable's value in the place of @NAME@. "#" begins a comment.
PLACE = $(call QUOTED,s|@$(1)@|$(subst |,\|,$(subst &,\&,$(subst \,\\,$(subst $(HASH),\$(HASH),$($(1))))))|)
HASH := \#

# In a .pc, "pcfiledir" is the folder of the file itself.
$(BUILD)/stage.pc: override PREFIX = $${pcfiledir}/../..
$(BUILD)/stage.pc: override LIBDIR = $${prefix}/lib
$(BUILD)/stage.pc: override INCLUDEDIR = $${prefix}/include

$(BUILD):
	mkdir -p $@

# $(call PUT,PC,LIB,INCLUDE,MAN). (Not INSTALL: rpm's macro %make_install gives make a variable of that name.)
PUT = SHARED=$(SHARED) SONAME=$(SONAME) STATIC=$(STATIC) PC=$(1) LIB=$(call QUOTED,$(2)) \
    INCLUDE=$(call QUOTED,$(3)) MAN=$(call QUOTED,$(4)) STRIP_WITH='$(STRIP_WITH)' tools/install.sh

install: all
	$(call PUT,$(BUILD)/proc_connector.pc,$(LIB),$(INCLUDE),$(MAN))

install-strip:
	$(MAKE) install STRIP_WITH='$(STRIP)'

uninstall:
	$(call PUT,,$(LIB),$(INCLUDE),$(MAN)) --remove

# The examples and pcwatch are built as any user's program is: against an installed library.
stage: all $(BUILD)/stage.pc
	@$(call PUT,$(BUILD)/stage.pc,$(STAGE)/lib,$(STAGE)/include,$(STAGE)/share/man)

$(BUILD)/examples-c/%: examples-c/%.c stage
	$(COMPILE_EXAMPLE)
$(BUILD)/pcwatch: $(wildcard tools/pcwatch/*.c) stage
	$(COMPILE_EXAMPLE)

define COMPILE_EXAMPLE
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(WARN) $(filter %.c,$^) -o $@ -pthread $(RPATH) \
	    $$(PKG_CONFIG_PATH=$(STAGE)/lib/pkgconfig $(PKG_CONFIG) --cflags --libs proc_connector $(PACKAGE))
endef
# From the folder of the program, which may be $(BUILD) or up to two folders below. The absolute path is for
# programs that execve(2) gave privileges, as after setcap(8): for them the dynamic linker ignores $$ORIGIN.
RPATH = -Wl,-rpath,'$$ORIGIN/$(subst ../ ,../,$(patsubst %,../,$(wordlist 2,3,$(subst /, ,$(@:$(BUILD)/%=%)))))stage/lib' \
    -Xlinker -rpath -Xlinker $(call QUOTED,$(CURDIR)/$(STAGE)/lib)

examples: $(EXAMPLES) $(BUILD)/examples-c/daemon/pcpolicyd

$(BUILD)/examples-c/daemon/pcpolicyd: $(wildcard examples-c/daemon/*.c examples-c/daemon/*.h)

$(BUILD)/examples-c/confined/confined: examples-c/confined/drop.c examples-c/confined/drop.h

# docs/testing.md
$(BUILD)/examples-c/testing/made-up $(BUILD)/examples-c/testing/made-up-table: examples-c/testing/feed.c examples-c/testing/feed.h
$(BUILD)/examples-c/testing/record $(BUILD)/examples-c/testing/replay: PACKAGE = libpcap
$(BUILD)/examples-c/testing/record $(BUILD)/examples-c/testing/replay: examples-c/testing/cooked.h

# pcwatch-nats needs the client library of NATS, so "make examples" leaves it out.
$(BUILD)/pcwatch-nats: PACKAGE = libnats
$(BUILD)/pcwatch-nats: examples-fleet/nats/pcwatch-nats.c stage
	$(COMPILE_EXAMPLE)

run: $(BUILD)/pcwatch
	$< $(if $(DURATION),--duration $(DURATION))

check:
	tests/run.sh check

test:
	tests/run.sh core

test-all:
	tests/run.sh core rest

help:
	@sed -n '/^#/!q; s/^# //p' Makefile

# What the tests run: tests/c against the shared and the static library, and by themselves.
$(BUILD)/promises $(BUILD)/promises-static: $(wildcard tests/c/*.c)
$(BUILD)/faults: $(wildcard tests/faults/*.c) \
    $(addprefix tests/c/,promise.c failure.c init.c support.c)
$(BUILD)/soak: tests/soak/soak.c $(addprefix tests/c/,failure.c support.c suspects.c witness.c)
$(BUILD)/promises-static: LINK = -static -Wl,--fatal-warnings
$(BUILD)/faults: LINK = -rdynamic -ldl
$(PROGRAMS): $(wildcard tests/c/*.h tests/faults/*.h) stage
	$(CC) -g $(WARN) $(filter %.c,$^) -o $@ -pthread $(LINK) $(RPATH) \
	    $$(PKG_CONFIG_PATH=$(STAGE)/lib/pkgconfig $(PKG_CONFIG) --cflags --libs proc_connector)

programs: examples $(BUILD)/pcwatch $(PROGRAMS)

test-kernels: build/promises-static
	tests/kernels.sh

test-machines:
	tests/kernels.sh --machines && tests/machines-table.sh

test-fleet: $(BUILD)/pcwatch
	tests/fleet.py --nodes 1,10,50 --rate 1000 --steady 20 --outage 30 --machines 2 --tables docs/fleet.md

test-distributions:
	tests/distributions.sh

test-systems:
	tests/systems.sh --table docs/testing.md

test-free-threaded:
	tests/free-threaded.sh

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

# From Markdown, the header's comments, docstrings and the man pages: tools/site/gather.py. tests/docs.py checks the site.
SPHINXBUILD ?= sphinx-build
docs:
	@command -v $(SPHINXBUILD) >/dev/null || { echo "make docs needs Sphinx, the MyST parser and Furo (Debian:" \
	    "python3-sphinx python3-myst-parser furo)" >&2; exit 1; }
	rm -rf build/site
	CARGO='$(CARGO)' PYTHON='$(PYTHON)' python3 -B tools/site/gather.py build/site/source
	$(SPHINXBUILD) -q -W --keep-going -n -b html -d build/site/doctrees build/site/source build/site/html

dist:
	CARGO='$(CARGO)' tools/dist.sh

# The package index has a newer pyroute2 than Debian: install it in a virtual environment, and set PYTHON to that.
PYTHON ?= /usr/bin/python3
bench-python: $(RACERS)
	[ '$(PYTHON)' != /usr/bin/python3 ] || tests/needs.sh $(foreach name,cffi setuptools pyroute2, \
	    /usr/lib/python3/dist-packages/$(name) python3-$(name)) /usr/include/python3*/Python.h python3-dev
	cd bindings/python && $(PYTHON) setup.py --quiet build --build-base ../../build/python-bench
	PYTHONPATH=$$(echo build/python-bench/lib*) $(PYTHON) benches/python_peers.py --write bindings/python/README.md

header:
	WRITE_HEADER=1 $(CARGO) test --locked --quiet --test header

# "cargo clean" would remove all of a CARGO_TARGET_DIR that other projects share.
clean:
	rm -rf build target bindings/python/build bindings/python/src/*.egg-info

.PHONY: all connector-only install install-strip uninstall stage examples programs run check test test-all \
    test-kernels test-machines test-fleet test-distributions test-systems test-free-threaded help fuzz soak bench \
    bench-race bench-python bench-needs dist docs header clean FORCE
