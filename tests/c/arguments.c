/* Bad input: the documented error, nothing written, nothing leaked. */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

PROMISE(close_null, "pc_close(NULL) does nothing and keeps errno")
{
	errno = 123;
	pc_close(NULL);
	CHECK_EQ(errno, 123);
}

PROMISE(null_handles, "every function returns -EINVAL for a NULL handle or output")
{
	struct pc_event event = { 0 };
	struct pc_stats stats;
	struct pc_options options = PC_OPTIONS_INIT;
	CHECK_EQ(pc_open(NULL, NULL), -EINVAL);
	CHECK_EQ(pc_open_fd(NULL, 0, NULL), -EINVAL);
	CHECK_EQ(pc_fd(NULL), -EINVAL);
	CHECK_EQ(pc_recv(NULL, &event, 0), -EINVAL);
	CHECK_EQ(pc_recv_many(NULL, &event, 1, 0), -EINVAL);
	CHECK_EQ(pc_set_filter(NULL, &options), -EINVAL);
	CHECK_EQ(pc_subscribe(NULL), -EINVAL);
	CHECK_EQ(pc_unsubscribe(NULL), -EINVAL);
	CHECK_EQ(pc_check(NULL), -EINVAL);
	CHECK_EQ(pc_interrupt(NULL), -EINVAL);
	CHECK_EQ(pc_get_stats(NULL, &stats, sizeof(stats)), -EINVAL);
	CHECK_EQ(pc_parse(NULL, 76, &event), -EINVAL);
	CHECK_EQ(pc_parse(&event, 64, NULL), -EINVAL);
	CHECK_EQ(pc_event_format(NULL, (char *)&event, 10), -EINVAL);
	CHECK_EQ(pc_event_format(&event, NULL, 10), -EINVAL);
	CHECK_EQ(pc_event_tgid(NULL), 0);

	struct pc_connector *pc = open_connector(0, 0, 0);
	CHECK_EQ(pc_recv(pc, NULL, 0), -EINVAL);
	CHECK_EQ(pc_recv_many(pc, NULL, 1, 0), -EINVAL);
	CHECK_EQ(pc_get_stats(pc, NULL, sizeof(stats)), -EINVAL);
	pc_close(pc);
}

PROMISE(bad_timeouts, "a timeout below -1 and a count of 0 return -EINVAL and consume no event")
{
	struct pc_connector *pc = open_connector(PC_MASK_COMM, 0, 0);
	struct pc_event event;
	rename_self("kept");
	CHECK_EQ(pc_recv(pc, &event, -2), -EINVAL);
	CHECK_EQ(pc_recv(pc, &event, INT_MIN), -EINVAL);
	CHECK_EQ(pc_recv_many(pc, &event, 0, 0), -EINVAL);
	CHECK_EQ(pc_recv_many(pc, &event, 1, -2), -EINVAL);
	await_event(pc, PC_EVENT_COMM, getpid());
	pc_close(pc);
}

/* name: of the wrong option; NULL: all are right, elsewhere. */
static void check_refused(const struct pc_options *options, int error, const char *name)
{
	int before = open_descriptors();
	struct pc_connector *const untouched = (void *)&before, *pc = untouched;
	CHECK_EQ(pc_open(&pc, options), error);
	CHECK(pc == untouched);
	CHECK_TEXT(pc_invalid_option(options), name);
	CHECK_EQ(open_descriptors(), before);
}

PROMISE(bad_options, "pc_open refuses bad options, and pc_invalid_option names them; nothing is written or left open")
{
	struct pc_options options;
#define REFUSED(field, value, error)                                                               \
	options = (struct pc_options)PC_OPTIONS_INIT;                                              \
	options.field = value;                                                                     \
	check_refused(&options, error, #field)
	REFUSED(size, 0, -EINVAL);
	REFUSED(size, sizeof(options) - 1, -EINVAL);
	REFUSED(events, 1u << 0, -EINVAL);
	REFUSED(events, 1u << PC_EVENT_OVERRUN, -EINVAL);
	REFUSED(events, 1u << 12, -EINVAL);
	REFUSED(events, 1u << 31, -EINVAL);
	REFUSED(flags, 1u << 2, -EINVAL);
	REFUSED(flags, 1u << 31, -EINVAL);
	REFUSED(rcvbuf_bytes, (uint32_t)INT_MAX + 1, -EINVAL);
	options = (struct pc_options)PC_OPTIONS_INIT;
	options.flags = PC_OPEN_SUBSCRIBED;
	check_refused(&options, -EINVAL, NULL);

	struct {
		struct pc_options options;
		unsigned char tail[16];
	} longer = { PC_OPTIONS_INIT, { 0 } };
	longer.options.size = sizeof(longer);
	longer.tail[15] = 1;
	check_refused(&longer.options, -E2BIG, "size");
	longer.tail[15] = 0;
	/* Not even looked at: what says so is not initialised. */
	options = (struct pc_options)PC_OPTIONS_INIT;
	options.size = SIZE_MAX;
	check_refused(&options, -E2BIG, "size");
	struct pc_connector *pc;
	CHECK_EQ(pc_open(&pc, &longer.options), 0);
	CHECK_TEXT(pc_invalid_option(&longer.options), NULL);
	CHECK_TEXT(pc_invalid_option(NULL), NULL);
	pc_close(pc);
}

PROMISE(bad_filters, "pc_set_filter refuses options that are not a filter, and keeps the old filter")
{
	struct pc_connector *pc = open_connector(PC_MASK_EXEC, 0, 0);
	struct pc_options options;
#define NO_FILTER(field, value)                                                                    \
	options = (struct pc_options)PC_OPTIONS_INIT;                                              \
	options.field = value;                                                                     \
	CHECK_EQ(pc_set_filter(pc, &options), -EINVAL)
	NO_FILTER(size, 3);
	NO_FILTER(events, 1u << 10);
	NO_FILTER(flags, PC_OPEN_SUBSCRIBED);
	NO_FILTER(rcvbuf_bytes, 4096);
	NO_FILTER(spin_us, 1);
	rename_self("unwanted");
	struct pc_event event;
	while (pc_recv(pc, &event, 0) == 1)
		CHECK_EQ(event.kind, PC_EVENT_EXEC);
	pc_close(pc);
}

PROMISE(stats_sizes, "pc_get_stats refuses a short struct and zeroes the tail of a long one")
{
	struct pc_connector *pc = open_connector(0, 0, 0);
	unsigned char room[sizeof(struct pc_stats) + 16];
	memset(room, 0xaa, sizeof(room));
	CHECK_EQ(pc_get_stats(pc, (struct pc_stats *)(void *)room, sizeof(struct pc_stats) - 1),
		 -EINVAL);
	CHECK_EQ(room[0], 0xaa);
	CHECK_EQ(pc_get_stats(pc, (struct pc_stats *)(void *)room, sizeof(room) - 1), 0);
	CHECK_EQ(room[sizeof(room) - 2], 0);
	CHECK_EQ(room[sizeof(room) - 1], 0xaa);
	pc_close(pc);
}

PROMISE(texts, "pc_strerror has a text of its own for every documented error, whatever its sign")
{
	static const int errors[] = { EPROTONOSUPPORT, EAFNOSUPPORT, ENOSYS, ECONNREFUSED,
				      EOPNOTSUPP, EPERM, EMFILE, ENFILE, ENOMEM, ETIMEDOUT,
				      EINVAL, E2BIG, EBADF, ENOTDIR, EPROTOTYPE, ECHILD, EPIPE, ECANCELED,
				      EINTR, EBADMSG, ESRCH, EACCES, EIO, EAGAIN, EBUSY, ENODATA,
				      ENAMETOOLONG, 0 };
	const int count = sizeof(errors) / sizeof(errors[0]);
	const char *unknown = pc_strerror(-9999);
	for (int i = 0; i < count; i++) {
		CHECK(strcmp(pc_strerror(errors[i]), unknown) != 0);
		CHECK(pc_strerror(errors[i]) == pc_strerror(-errors[i]));
		for (int j = 0; j < i; j++)
			CHECK(strcmp(pc_strerror(errors[i]), pc_strerror(errors[j])) != 0);
	}
	CHECK(pc_strerror(INT_MIN) && pc_strerror(INT_MAX));
}

PROMISE(version, "the library's version is the header's")
{
	CHECK_EQ(pc_version(), PC_VERSION);
	CHECK_EQ(PC_VERSION, PC_VERSION_MAJOR << 16 | PC_VERSION_MINOR << 8 | PC_VERSION_PATCH);
}

PROMISE(descriptor, "a connector has three descriptors, each of them close-on-exec, and that of pc_fd is non-blocking")
{
	bool before[64];
	for (int fd = 0; fd < 64; fd++)
		before[fd] = fcntl(fd, F_GETFD) >= 0;
	struct pc_connector *pc = open_connector(0, 0, 0);
	CHECK(fcntl(pc_fd(pc), F_GETFL) & O_NONBLOCK);
	int own = 0;
	for (int fd = 0; fd < 64; fd++)
		if (!before[fd] && fcntl(fd, F_GETFD) >= 0) {
			CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
			own++;
		}
	CHECK_EQ(own, 3); /* the socket, the helper socket, the bell */
	pc_close(pc);
}

PROMISE(no_leaks, "opening and closing a connector leaves no descriptor open")
{
	pc_close(open_connector(0, 0, 0));
	int before = open_descriptors();
	for (int i = 0; i < 50; i++)
		pc_close(open_connector(0, 0, 0));
	CHECK_EQ(open_descriptors(), before);
}
