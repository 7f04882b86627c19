/* pc_process_read: a process without a table. */
#include "follower.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void check_reading(pid_t pid, int result)
{
	struct pc_process process, expected;
	memset(&process, 0xaa, sizeof(process));
	CHECK(read_proc(pid, &expected));
	CHECK_EQ(pc_process_read(pid, &process), result);
	if (!(expected.valid & PC_FIELD_COMM)) /* it may be in use */
		memcpy(expected.comm, process.comm, sizeof(expected.comm));
	size_t length = strlen(expected.comm);
	memset(expected.comm + length, 0, sizeof(expected.comm) - length);
	CHECK(memcmp(&process, &expected, sizeof(process)) == 0);
}

PROMISE(fields, "pc_process_read writes what /proc says, and 0 in the fields that only a table knows")
{
	check_reading(getpid(), 1);
	check_reading(1, 1);
	check_reading(2, 1);
	rename_self(") Z 1 1 (\n");
	check_reading(getpid(), 1);
	rename_self("");
	check_reading(getpid(), 1);
	struct puppet puppet = start_puppet();
	order(&puppet, 's');
	order(&puppet, 'g');
	order(&puppet, 'u');
	check_reading(puppet.pid, 1);
	order(&puppet, 'x');
	check_reading(puppet.pid, 1);
	dismiss(&puppet, 'q');
}

PROMISE(leader_gone, "pc_process_read returns 2 while threads live on without their leader")
{
	struct puppet puppet = start_puppet();
	order(&puppet, 'l');
	check_reading(puppet.pid, 2);
	dismiss(&puppet, 'q');
}

static void *read_own_id(void *process)
{
	CHECK_EQ(pc_process_read((pid_t)syscall(SYS_gettid), process), -ESRCH);
	return NULL;
}

PROMISE(no_process, "pc_process_read leaves the output untouched when it returns 0, -ESRCH or -EINVAL")
{
	struct pc_process process, untouched;
	memset(&untouched, 0xaa, sizeof(untouched));
	process = untouched;
	pid_t child = fork();
	if (child == 0)
		_exit(0);
	siginfo_t info;
	CHECK_EQ(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
	CHECK_EQ(pc_process_read(child, &process), 0);
	end_child(child);
	CHECK_EQ(pc_process_read(child, &process), 0);
	CHECK_EQ(pc_process_read(INT_MAX, &process), 0);
	CHECK_EQ(pc_process_read(0, &process), -EINVAL);
	CHECK_EQ(pc_process_read(-1, &process), -EINVAL);
	CHECK_EQ(pc_process_read(INT_MIN, &process), -EINVAL);
	CHECK_EQ(pc_process_read(getpid(), NULL), -EINVAL);
	CHECK_EQ(pc_process_read(-1, NULL), -EINVAL);
	pthread_t thread;
	CHECK_EQ(pthread_create(&thread, NULL, read_own_id, &process), 0);
	pthread_join(thread, NULL);
	CHECK(memcmp(&process, &untouched, sizeof(process)) == 0);
}

PROMISE(no_cancellation, "pc_process_read is not a cancellation point")
{
	struct pc_process process;
	CHECK_EQ(pthread_cancel(pthread_self()), 0);
	CHECK_EQ(pc_process_read(getpid(), &process), 1);
	_exit(0);
}
