#!/bin/sh
# The C promises with the library and the C code instrumented: by AddressSanitizer and
# UndefinedBehaviorSanitizer, and, where several threads are at work, by ThreadSanitizer. First it
# proves that they are active: each must report a misuse of the library. Prints TAP.
set -eu
cd "$(dirname "$0")/.."
work=$PWD/build/sanitizers
target=$(rustc -vV | sed -n 's/^host: //p')
mkdir -p "$work"
export ASAN_OPTIONS=detect_leaks=0 # valgrind looks for leaks; LeakSanitizer cannot do so traced
export INSTRUMENTED=1 PROMISES_SKIP='' PROMISES_FLOOD=20000 PROMISES_RUNS=2

# The compiler's own runtime, which fits what it instruments. -Z needs RUSTC_BOOTSTRAP.
instrument() { # instrument address|thread RUNTIME FLAG …
	sanitizer=$1 runtime=$(ls "$(rustc --print target-libdir)"/librustc-*_rt."$2".a)
	shift 2
	RUSTC_BOOTSTRAP=1 \
		RUSTFLAGS="-Zsanitizer=$sanitizer -Cunsafe-allow-abi-mismatch=sanitizer -Cdebug-assertions=on" \
		cargo rustc --quiet --locked --release --lib --no-default-features --features capi,table \
		--crate-type staticlib --target "$target" --target-dir "$work/$sanitizer"
	library=$work/$sanitizer/$target/release/libproc_connector.a
	build() { # build OUTPUT FILE …
		output=$1
		shift
		clang -std=c11 -D_GNU_SOURCE -g -O1 $flags -Iinclude -o "$output" "$@" -rdynamic \
			-fno-sanitize-link-runtime "$library" \
			-Wl,--whole-archive "$runtime" -Wl,--no-whole-archive -lpthread -ldl -lrt -lm
	}
	flags=$*
	build "$work/promises-$sanitizer" tests/c/*.c
	build "$work/misuse-$sanitizer" "$work/misuse.c"
}

cat >"$work/misuse.c" <<'END'
#include <proc_connector.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static struct pc_connector *pc;

static void *receive(void *unused)
{
	struct pc_event event;
	for (int i = 0; i < 100; i++)
		pc_recv(pc, &event, 1);
	return unused;
}

int main(int argc, char **argv)
{
	(void)argc;
	if (strcmp(argv[1], "address") == 0) {
		/* A buffer that is shorter than it is said to be. */
		struct pc_event event = { .kind = PC_EVENT_EXEC };
		pc_event_format(&event, malloc(10), 256);
		return 0;
	}
	/* Two threads that receive from one handle. */
	pthread_t threads[2];
	if (pc_open(&pc, NULL) < 0)
		return 0;
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, receive, NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
END

reports() { # reports address|thread WORD: whether the misuse is reported
	! "$work/misuse-$1" "$1" >"$work/misuse.log" 2>&1 && grep -q "$2" "$work/misuse.log"
}

instrument address asan -fsanitize=address,undefined -fsanitize-trap=undefined
instrument thread tsan -fsanitize=thread
{
	if reports address heap-buffer-overflow; then echo "ok address: AddressSanitizer reports a misuse"
	else echo "not ok address: AddressSanitizer reports a misuse"; fi
	if reports thread 'data race'; then echo "ok thread: ThreadSanitizer reports a data race"
	else echo "not ok thread: ThreadSanitizer reports a data race"; fi
	"$work/promises-address" | sed -n 's/^\(not \)\{0,1\}ok [0-9]* - /\1ok address: /p'
	"$work/promises-thread" waiting | sed -n 's/^\(not \)\{0,1\}ok [0-9]* - /\1ok thread: /p'
} >"$work/tap"
echo "1..$(wc -l <"$work/tap")"
sed 's/^\(not \)\{0,1\}ok /&- /' "$work/tap"
! grep -q '^not ok' "$work/tap"
