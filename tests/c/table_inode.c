/* PC_TABLE_PIDFD_INODES: owners of one pid that started within one tick of /proc's clock. */
#include "follower.h"

#include <errno.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/netlink.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PID_FS_MAGIC_NUMBER = 0x50494446 };

static void stop(pid_t pid)
{
	kill(pid, SIGKILL);
	end_child(pid);
}

/* The inode of a process's pidfd, read without the library. */
static uint64_t inode_of(pid_t pid)
{
	struct stat status;
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	CHECK(pidfd >= 0);
	CHECK_EQ(fstat(pidfd, &status), 0);
	close(pidfd);
	return status.st_ino;
}

static bool has_pidfs(void)
{
	struct statfs fs = { 0 };
	int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	bool has = pidfd >= 0 && fstatfs(pidfd, &fs) == 0 && fs.f_type == PID_FS_MAGIC_NUMBER;
	close(pidfd);
	return has;
}

struct owners {
	struct follower f;
	int feed;
	pid_t pid;
	struct pc_process first; /* as the table reported it */
};

static void send_fork(int feed, pid_t child)
{
	char datagram[NLMSG_SPACE(sizeof(struct cn_msg) + sizeof(struct proc_event))] = { 0 };
	struct nlmsghdr *header = (struct nlmsghdr *)(void *)datagram;
	struct cn_msg *message = NLMSG_DATA(header);
	struct proc_event event = { .what = PROC_EVENT_FORK, .timestamp_ns = now_ns() };
	event.event_data.fork.parent_pid = event.event_data.fork.parent_tgid = getpid();
	event.event_data.fork.child_pid = event.event_data.fork.child_tgid = child;
	header->nlmsg_len = NLMSG_LENGTH(sizeof(*message) + sizeof(event));
	header->nlmsg_type = NLMSG_DONE;
	message->id = (struct cb_id){ CN_IDX_PROC, CN_VAL_PROC };
	message->len = sizeof(event);
	memcpy(message->data, &event, sizeof(event));
	CHECK_EQ(send(feed, datagram, header->nlmsg_len, 0), header->nlmsg_len);
}

/*
 * Finds a pid whose first owner the table has reported, and whose second owner started in the same tick. The table
 * receives only the events of the feed, so it has missed the exit of the first and the start of the second.
 */
static void reuse(struct owners *owners, uint32_t flags)
{
	struct pc_table_options options = TABLE_OPTIONS(.flags = flags);
	int pair[2];
	memset(owners, 0, sizeof(*owners));
	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	CHECK_EQ(pc_table_open_fd(&owners->f.table, pair[0], &options), 0);
	owners->feed = pair[1];
	await_change(&owners->f, PC_CHANGE_SYNCED, 0);
	await_change(&owners->f, PC_CHANGE_UNSYNCED, 0); /* An adopted socket may have lost events. */
	await_change(&owners->f, PC_CHANGE_SYNCED, 0);
	for (long i = repetitions(1000); i > 0; i--) {
		pid_t pid = start_child(wait_for_ever, NULL);
		stop(pid);
		if (start_as(pid) < 0)
			continue;
		send_fork(owners->feed, pid);
		owners->pid = pid;
		owners->first = await_change(&owners->f, PC_CHANGE_STARTED, pid).process;
		stop(pid);
		if (start_as(pid) < 0)
			continue;
		struct pc_process second;
		CHECK_EQ(pc_process_read(pid, &second), 1);
		CHECK_EQ(second.pidfd_inode, 0);
		if (second.start_boottime_ns == owners->first.start_boottime_ns)
			return;
		stop(pid);
	}
	skip("this machine is too slow to give a pid to two processes within 10 ms");
}

static void end(struct owners *owners)
{
	stop(owners->pid);
	close_follower(&owners->f);
	close(owners->feed);
}

static int read_directory(const struct pc_process *process)
{
	char path[4096];
	struct pc_text text = { PC_TEXT_DIRECTORY, 77, path, sizeof(path), 77 };
	int result = pc_process_texts_of(process, &text, 1);
	CHECK_EQ(text.error, result);
	CHECK_EQ(text.length > 0, result == 0);
	return result;
}

PROMISE(by_start, "without inodes, two owners of a pid that started in one tick are one process when their events are lost")
{
	struct owners owners;
	reuse(&owners, 0);
	CHECK_EQ(owners.first.pidfd_inode, 0);
	CHECK_EQ(read_directory(&owners.first), 0);
	CHECK_EQ(pc_table_rescan(owners.f.table), 0);
	await_change(&owners.f, PC_CHANGE_SYNCED, 0);
	CHECK_HISTORY(&owners.f, owners.pid, "S");
	CHECK_EQ(look_up(&owners.f, owners.pid).id, owners.first.id);
	end(&owners);
}

PROMISE(by_inode, "with inodes, the owners of a pid are told apart although they started in one tick and their events are lost")
{
	struct owners owners;
	if (!has_pidfs())
		return; /* The promise about other kernels is below. */
	reuse(&owners, PC_TABLE_PIDFD_INODES);
	CHECK(owners.first.pidfd_inode != 0);
	CHECK_EQ(pc_table_rescan(owners.f.table), 0);
	await_change(&owners.f, PC_CHANGE_SYNCED, 0);
	CHECK_HISTORY(&owners.f, owners.pid, "SVS");
	struct pc_process second = look_up(&owners.f, owners.pid);
	CHECK(second.id != owners.first.id);
	CHECK_EQ(second.start_boottime_ns, owners.first.start_boottime_ns);
	CHECK_EQ(second.pidfd_inode, inode_of(owners.pid));
	CHECK_EQ(read_directory(&second), 0);
	end(&owners);
}

PROMISE(texts, "pc_process_texts_of gives no text of a later owner of the pid that started in the same tick")
{
	struct owners owners;
	if (!has_pidfs())
		return; /* The promise about other kernels is below. */
	reuse(&owners, PC_TABLE_PIDFD_INODES);
	CHECK_EQ(read_directory(&owners.first), -ESRCH);
	char path[4096];
	struct pc_text text = { PC_TEXT_DIRECTORY, 77, path, sizeof(path), 77 };
	CHECK_EQ(pc_process_texts(owners.pid, owners.first.start_boottime_ns, &text, 1), 0);
	end(&owners);
}

PROMISE(zombie, "a zombie has the inode that it had, and its pid's next owner has another")
{
	struct owners owners;
	if (!has_pidfs())
		return; /* The promise about other kernels is below. */
	reuse(&owners, PC_TABLE_PIDFD_INODES);
	siginfo_t info;
	kill(owners.pid, SIGKILL);
	CHECK_EQ(waitid(P_PID, (id_t)owners.pid, &info, WEXITED | WNOWAIT), 0);
	char pid[16];
	struct pc_text text = { PC_TEXT_NSPID, 77, pid, sizeof(pid), 77 };
	CHECK_EQ(pc_process_texts_of(&owners.first, &text, 1), -ESRCH);
	owners.first.pidfd_inode = inode_of(owners.pid);
	CHECK_EQ(pc_process_texts_of(&owners.first, &text, 1), 0);
	CHECK_EQ(text.error, 0);
	end(&owners);
}

PROMISE(lasting, "a process keeps its inode, also when it runs another program from a thread")
{
	if (!has_pidfs())
		return; /* The promise about other kernels is below. */
	struct puppet puppet = start_puppet();
	uint64_t inode = inode_of(puppet.pid);
	struct follower f = open_follower(TABLE_OPTIONS(.flags = PC_TABLE_PIDFD_INODES));
	CHECK_EQ(look_up(&f, puppet.pid).pidfd_inode, inode);
	for (const char *orders = "xXl"; *orders; orders++) {
		order(&puppet, *orders);
		hear_all(&f);
		CHECK_EQ(inode_of(puppet.pid), inode);
		CHECK_EQ(look_up(&f, puppet.pid).pidfd_inode, inode);
	}
	dismiss(&puppet, 'Q');
	CHECK_EQ(await_change(&f, PC_CHANGE_EXITED, puppet.pid).process.pidfd_inode, inode);
	close_follower(&f);
}

PROMISE(knows_pidfs, "a table reports inodes where pidfds have inodes of their own; elsewhere it goes by the start times")
{
	struct puppet puppet = start_puppet();
	struct follower f = open_follower(TABLE_OPTIONS(.flags = PC_TABLE_PIDFD_INODES));
	struct pc_process process = look_up(&f, puppet.pid);
	CHECK_EQ(process.pidfd_inode, has_pidfs() ? inode_of(puppet.pid) : 0);
	CHECK_EQ(read_directory(&process), 0);
	dismiss(&puppet, 'q');
	await_change(&f, PC_CHANGE_EXITED, puppet.pid);
	CHECK_EQ(read_directory(&process), -ESRCH);
	close_follower(&f);
}

PROMISE(surest, "pc_process_texts_of goes by the inode if that is known, else by the start, else by the pid")
{
	struct pc_process self, other;
	CHECK_EQ(pc_process_read(getpid(), &self), 1);
	CHECK_EQ(read_directory(&self), 0);
	other = self;
	other.start_boottime_ns += 10000000;
	CHECK_EQ(read_directory(&other), -ESRCH);
	if (has_pidfs()) {
		other.pidfd_inode = inode_of(getpid());
		CHECK_EQ(read_directory(&other), 0);
		self.pidfd_inode = inode_of(getppid());
		CHECK_EQ(read_directory(&self), -ESRCH);
	}
	other = (struct pc_process){ .pid = getpid() };
	CHECK_EQ(read_directory(&other), 0);
}

PROMISE(bad_arguments, "pc_process_texts_of returns -EINVAL for bad arguments, and changes nothing")
{
	char buffer[16] = "as it is";
	struct pc_text text = { PC_TEXT_DIRECTORY, 77, buffer, sizeof(buffer), 78 };
	struct pc_process self = { .pid = getpid() }, none = { 0 }, group = { .pid = -getpid() };
	CHECK_EQ(pc_process_texts_of(NULL, &text, 1), -EINVAL);
	CHECK_EQ(pc_process_texts_of(&none, &text, 1), -EINVAL);
	CHECK_EQ(pc_process_texts_of(&group, &text, 1), -EINVAL);
	CHECK_EQ(pc_process_texts_of(&self, NULL, 1), -EINVAL);
	CHECK_EQ(pc_process_texts_of(&self, &text, 0), -EINVAL);
	CHECK_EQ(text.error, 77);
	CHECK_EQ(text.length, 78);
	CHECK(strcmp(buffer, "as it is") == 0);
}
