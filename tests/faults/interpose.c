/* Stands before the C library's functions, for the shared library too, because the executable's
 * symbols come first: makes calls fail, or shows them to a test. */
#include "interpose.h"

#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

struct fault fault;
long (*instead)(long number, const long arguments[6]);

static bool fails(const char *function)
{
	if (!fault.armed || fault.countdown-- > 0)
		return false;
	fault.armed = false;
	fault.hit = true;
	fault.function = function;
	errno = fault.error;
	return true;
}

#define REAL(name) ((__typeof__(&name))(uintptr_t)dlsym(RTLD_NEXT, #name))

#define WRAP(type, failure, name, parameters, arguments)                                           \
	type name parameters                                                                       \
	{                                                                                          \
		static __typeof__(&name) real;                                                     \
		if (!real)                                                                         \
			real = REAL(name);                                                         \
		return fails(#name) ? (failure) : real arguments;                                  \
	}

/* In two places the C libraries have types of their own. */
#ifdef __GLIBC__
typedef __SOCKADDR_ARG address_argument;
typedef int recvmmsg_flags;
#else
typedef struct sockaddr *address_argument;
typedef unsigned recvmmsg_flags;
#endif

WRAP(ssize_t, -1, recvfrom,
     (int fd, void *data, size_t size, int flags, address_argument address,
      socklen_t *address_size),
     (fd, data, size, flags, address, address_size))
WRAP(int, -1, recvmmsg,
     (int fd, struct mmsghdr *headers, unsigned count, recvmmsg_flags flags, struct timespec *timeout),
     (fd, headers, count, flags, timeout))
WRAP(int, -1, ppoll,
     (struct pollfd *set, nfds_t count, const struct timespec *timeout, const sigset_t *mask),
     (set, count, timeout, mask))
WRAP(void *, MAP_FAILED, mmap,
     (void *address, size_t size, int protection, int flags, int fd, off_t offset),
     (address, size, protection, flags, fd, offset))
WRAP(int, fault.error, posix_memalign, (void **memory, size_t alignment, size_t size),
     (memory, alignment, size))

long really(long number, const long a[6])
{
	return REAL(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* The library makes most of its system calls through this. What only undoes must not fail. */
long syscall(long number, ...)
{
	static const struct {
		long number;
		const char *name;
	} calls[] = {
		{ SYS_socket, "socket" },	  { SYS_bind, "bind" },
		{ SYS_eventfd2, "eventfd2" },	  { SYS_madvise, "madvise" },
		{ SYS_getsockopt, "getsockopt" }, { SYS_setsockopt, "setsockopt" },
		{ SYS_sendto, "sendto" },	  { SYS_recvfrom, "recvfrom" },
		{ SYS_fcntl, "fcntl" },		  { SYS_getrandom, "getrandom" },
		{ SYS_openat, "openat" },	  { SYS_read, "read" },
		{ SYS_readlinkat, "readlinkat" },  { SYS_pidfd_open, "pidfd_open" },
		{ SYS_sched_getattr, "sched_getattr" }, { SYS_sched_setattr, "sched_setattr" },
	};
	va_list list;
	va_start(list, number);
	long a[6];
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(list, long);
	va_end(list);
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (calls[i].number == number && fails(calls[i].name))
			return -1;
	return instead ? instead(number, a) : really(number, a);
}
