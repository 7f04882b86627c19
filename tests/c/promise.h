/*
 * A test is a promise: a sentence and a body that proves it.
 *
 *     PROMISE(closing_null, "pc_close(NULL) does nothing")
 *     {
 *         pc_close(NULL);
 *     }
 *
 * Each runs in a process of its own, under a time limit, and the results are printed as TAP.
 */
#ifndef PROMISE_H
#define PROMISE_H

#include <errno.h>
#include <stdbool.h>
#include <string.h>

struct promise {
	const char *file, *sentence;
	void (*prove)(void);
	struct promise *next;
};

void promise_register(struct promise *promise);

/* Does not return: prepares the system, runs, says how it went and switches the machine off. */
void run_as_init(int (*run)(void));

#define PROMISE(name, text)                                                                        \
	static void prove_##name(void);                                                            \
	__attribute__((constructor)) static void register_##name(void)                             \
	{                                                                                          \
		static struct promise promise = { __FILE__, text, prove_##name, 0 };               \
		promise_register(&promise);                                                        \
	}                                                                                          \
	static void prove_##name(void)

/* Ends the test as failed, with a message. */
__attribute__((noreturn, format(printf, 3, 4))) void fail(const char *file, int line,
							  const char *format, ...);

enum { SKIPPED = 77 }; /* exit status */

/* Ends the test: this machine cannot run it. Where PROMISES_SKIP=no, that is a failure. */
__attribute__((noreturn)) void skip(const char *why);

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			fail(__FILE__, __LINE__, "%s", #condition);                                \
	} while (0)

/* Compares integers, and shows both when they differ. */
#define CHECK_EQ(actual, expected)                                                                 \
	do {                                                                                       \
		long long actual_ = (long long)(actual), expected_ = (long long)(expected);        \
		if (actual_ != expected_)                                                          \
			fail(__FILE__, __LINE__, "%s is %lld, not %s (%lld)", #actual, actual_,    \
			     #expected, expected_);                                                \
	} while (0)

/* Compares texts, and shows both when they differ. NULL equals NULL alone. */
#define CHECK_TEXT(actual, expected) check_text(__FILE__, __LINE__, #actual, actual, expected)
void check_text(const char *file, int line, const char *what, const char *actual, const char *expected);

/* For a call that needs a privilege: a user without it cannot prove this promise. */
#define CHECK_PERMITTED(call)                                                                      \
	do {                                                                                       \
		if ((call) != 0) {                                                                 \
			if (errno == EPERM)                                                        \
				skip("not permitted: " #call);                                     \
			fail(__FILE__, __LINE__, "%s: %s", #call, strerror(errno));                \
		}                                                                                  \
	} while (0)

#endif
