/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * proc_connector: Linux process events that are never silently lost.
 *
 *     struct pc_connector *pc;
 *     struct pc_event event;
 *     int r = pc_open(&pc, NULL);
 *     if (r < 0) {
 *         fprintf(stderr, "pc_open: %s\n", pc_strerror(r));
 *         return 1;
 *     }
 *     while ((r = pc_recv(pc, &event, -1)) == 1)
 *         if (event.kind == PC_EVENT_EXEC)
 *             printf("process %d runs a new program\n", (int)event.data.exec.tgid);
 *     pc_close(pc);
 *
 * CONVENTIONS
 *
 * Results    A function that can fail returns a negative errno value, which pc_strerror() explains.
 *            pc_invalid_option() and pc_table_invalid_option() name the option that is wrong.
 *            Outputs are written on success only. A NULL handle or output, an unknown flag or event
 *            bit, a timeout below -1, and a count of 0 give -EINVAL. Where "an error of" a system
 *            call is listed, the library returns that error with three changes: EACCES becomes
 *            -EPERM (for a file of /proc, EPERM becomes -EACCES), ENOBUFS becomes -ENOMEM, and a
 *            number that has another meaning in this library, such as a sandbox's ENOSYS, becomes
 *            -EIO.
 * Handles    pc_open() and pc_open_fd() make a handle. End each handle exactly once, with
 *            pc_close() or pc_release(). In between, the library allocates nothing. The library has
 *            no threads, no signal handlers, no global state, and writes no output. A connector has
 *            three descriptors: its socket, a second socket through which it talks to the kernel,
 *            and an eventfd. On AF_UNIX it has no second socket.
 * Tables     To know which processes exist, rather than to receive every event, open a table with
 *            pc_table_open(). The table does everything that "Recovery" below describes. The rules
 *            for handles, threads and fork() apply to tables, too, with two exceptions: a table
 *            allocates as it grows, and a forked child can still read its copy of a table and set
 *            values in it.
 * Ids        A pid is the id of a task, as gettid() returns it. A tgid is the id of a process, as
 *            getpid() returns it. They are equal for the first thread of a process, its leader. All
 *            ids are those of the initial PID namespace. A process also receives the events about
 *            itself.
 * Times      Timeouts are in milliseconds: 0 does not wait; -1 waits without limit, so the function
 *            never returns 0. Timestamps are CLOCK_MONOTONIC in nanoseconds. They may step back a
 *            little from one event to the next, because each CPU reads its clock before it queues
 *            an event.
 * Loops      pc_fd() returns the socket itself, which is non-blocking and close-on-exec. When the
 *            socket is readable, call pc_recv() until that returns 0. An edge-triggered loop must
 *            do so. A level-triggered loop may take one event per wake-up: it still gets every
 *            event and every report of a loss. For a table, see pc_table_fd().
 * Loss       The kernel queues the events for each connector. When the queue is full, the kernel
 *            discards events, and a PC_EVENT_OVERRUN in the stream reports exactly how many. In a
 *            flood there are many overruns, each for a few events: add the numbers up, and do not
 *            log each. The kernel can also be deaf, which means that it reports to no listener: see
 *            pc_check().
 * Recovery   This is how a program without a table keeps its own picture of all processes:
 *            1. It takes a limited number of events per wake-up.
 *            2. At each PC_EVENT_OVERRUN, it marks the picture as doubtful.
 *            3. When pc_recv() returns 0 and the picture is doubtful, it reads /proc again, leaves
 *               out the processes for which pc_process_alive() returns 0, and removes the mark.
 *            4. In a flood, pc_recv() may not return 0 for a long time. So the program also reads
 *               /proc 100 ms after it set the mark, and every 100 ms from then on. These readings
 *               leave the mark in place: events from before the loss may still be queued.
 *            5. While the mark is set, the program does not wait without limit, because there may
 *               never be another event.
 *            6. /proc may be ahead of the queue. So a FORK of a known process and an EXIT of an
 *               unknown one are normal.
 * Waking     An event often wakes its reader late: Linux lets the new program run on first, for up to
 *            3 ms. If a program reads the command line of a process, or anything else that vanishes
 *            with the process, its receiving thread calls pc_wake_soon(PC_WAKE_SLICE) once. The
 *            program reads first, and formats and writes only when no event is pending.
 * Threads    One thread at a time may use a handle. Different handles are independent.
 *            Until the handle is closed or released, any thread may call pc_fd(), pc_get_stats(),
 *            pc_check(), pc_interrupt(), pc_table_fd(), pc_table_get_stats(), pc_table_check() and
 *            pc_table_interrupt() at any time.
 *            Only pc_interrupt() and pc_table_interrupt() are async-signal-safe.
 *            Only pc_recv(), pc_recv_many() and pc_table_next() are cancellation points.
 * fork()     A handle belongs to the process that opened it. In a forked child, pc_close() closes
 *            the child's copy only, pc_fd() and pc_get_stats() work, and every other function of
 *            the handle returns -ECHILD. A child of vfork() or clone(CLONE_VM) must not call the
 *            library. A daemon opens its handle after it has forked. A daemon without a table may
 *            instead call pc_release(), fork, and adopt the socket in the child with pc_open_fd()
 *            and PC_OPEN_SUBSCRIBED.
 * Growth     Later versions may add kinds, flags and fields. Ignore kinds that you do not know.
 *            Start options from PC_OPTIONS_INIT or PC_TABLE_OPTIONS_INIT. Leave reserved fields 0.
 * Language   C99, C++11, or later.
 * Kernel     Linux 5.10 or later. Before 6.6, opening needs CAP_NET_ADMIN. Process events exist in
 *            the initial network, PID and user namespaces only, and with correct times in the
 *            initial time namespace only. An open handle keeps working after a thread has moved to
 *            another network namespace. The process must stay in its time namespace.
 *
 * SYSTEM CALLS
 *
 * For seccomp filters: this list is frozen. "malloc" and "free" stand for the system calls that
 * libc makes in them. Functions that are not listed make no system calls.
 *
 *  Functions              System calls
 *  ---------              ------------
 *  pc_recv                recvfrom, recvmmsg, getsockopt, ppoll, read
 *  pc_recv_many
 *
 *  pc_set_filter          socket, setsockopt, getsockopt, bind, sendto, recvfrom, close, write,
 *  pc_subscribe           futex, getrandom; to explain a silent kernel: newfstatat (stat), openat,
 *  pc_unsubscribe         read
 *  pc_check
 *  pc_table_check
 *
 *  pc_interrupt           write
 *  pc_table_interrupt
 *  pc_table_rescan
 *
 *  pc_open                those of pc_check; mmap, munmap, madvise, eventfd2, fcntl; malloc, free
 *  pc_open_fd
 *
 *  pc_close               sendto, close, munmap; free
 *  pc_release
 *  pc_table_close
 *  pc_table_release
 *
 *  pc_process_alive       openat, read, close, kill, tgkill
 *  pc_process_read
 *
 *  pc_process_texts       those of pc_process_alive; readlinkat, sched_yield
 *
 *  pc_process_texts_of    those of pc_process_texts; pidfd_open, newfstatat
 *
 *  pc_wake_soon           sched_getattr, sched_setattr
 *
 *  pc_table_next          those of pc_recv and pc_process_alive; getdents64, lseek, epoll_ctl,
 *                         epoll_pwait, pidfd_open, ioctl, capget, write; malloc; with text_bytes:
 *                         readlinkat; with PC_TABLE_PIDFD_INODES: newfstatat
 *
 *  pc_table_open          those of pc_open and pc_table_next; epoll_create1, timerfd_create,
 *  pc_table_open_fd       timerfd_settime, getpid, fstatfs
 *
 * Where no seccomp filter is in force, pc_table_next also calls setsockopt.
 *
 * Where the vDSO lacks the clock, every listed function also calls clock_gettime, except
 * pc_interrupt, pc_table_interrupt, pc_close, pc_release, pc_table_close, pc_process_alive,
 * pc_process_read, pc_process_texts, pc_process_texts_of and pc_wake_soon.
 *
 * On some machines, the C library makes other calls instead. A filter must allow those, too:
 *
 *  Call                   Instead, or as well
 *  ----                   -------------------
 *  newfstatat             statx: on 32-bit machines; stat, fstat: with musl
 *  recvfrom               socketcall: on s390x and i386 (it stands for all socket calls)
 *  recvmmsg               recvmmsg_time64: on 32-bit machines
 *  ppoll                  ppoll_time64: on 32-bit machines
 *  clock_gettime          clock_gettime64: on 32-bit machines
 *  timerfd_settime        timerfd_settime64: on 32-bit machines
 *  mmap                   mmap2: on 32-bit machines
 *
 * Where madvise(2) does nothing or is refused (an emulator, a seccomp filter), every listed
 * function that takes a handle also calls getpid, to recognise a forked child.
 */

#ifndef PROC_CONNECTOR_H
#define PROC_CONNECTOR_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif /* __cplusplus */

/* ------------------------------------- Version and errors ------------------------------------- */

/* The version of this header. pc_version() returns the version of the library. */
#define PC_VERSION_MAJOR 0u
#define PC_VERSION_MINOR 2u
#define PC_VERSION_PATCH 0u
#define PC_VERSION (((PC_VERSION_MAJOR << 16) | (PC_VERSION_MINOR << 8)) | PC_VERSION_PATCH)

/*
 * Returns the version of the library in the form of PC_VERSION: major << 16 | minor << 8 | patch.
 */
uint32_t pc_version(void);

/*
 * Returns a text that explains an error and what to do about it. The string is static.
 *
 * error:  the result of a function of this library; its sign does not matter.
 */
const char *pc_strerror(int error);

/* ------------------------------------------- Events ------------------------------------------- */

/* What an event reports: values of pc_event.kind. A newer library may deliver other kinds, too. */
enum pc_event_kind {
    /* A task was created: a process, or a thread if child_pid != child_tgid. */
    PC_EVENT_FORK = 1,
    /*
     * A process runs a new program, and takes the program's name without a COMM. If a thread other
     * than the leader called execve(2), the kernel reports the leader's EXIT first, and no EXIT
     * for the calling thread's own id.
     */
    PC_EVENT_EXEC = 2,
    /* A task exited. This is not always a process exit: see PC_FILTER_NO_THREADS. */
    PC_EVENT_EXIT = 3,
    /* A task's real or effective user id changed. */
    PC_EVENT_UID = 4,
    /* A task's real or effective group id changed. */
    PC_EVENT_GID = 5,
    /* A process started a session. */
    PC_EVENT_SID = 6,
    /* A tracer attached or detached. The exit of a tracer causes no PTRACE event. */
    PC_EVENT_PTRACE = 7,
    /* A task was renamed through prctl(PR_SET_NAME) or /proc/PID/comm, perhaps to its old name. */
    PC_EVENT_COMM = 8,
    /* A process dumps core; its EXIT follows. */
    PC_EVENT_COREDUMP = 9,
    /* Events were lost. The library generates this event. */
    PC_EVENT_OVERRUN = 10,
    /* A kernel event that this version does not know. */
    PC_EVENT_UNKNOWN = 11,
};

/* Why events were lost: values of pc_event_overrun.reason. */
enum pc_lost_reason {
    /* The queue was full. The number is exact. */
    PC_LOST_QUEUE = 1,
    /*
     * The kernel was deaf until pc_check() repaired it, or pc_unsubscribe() failed half-way. The
     * number is unknown.
     */
    PC_LOST_DEAF = 2,
};

/*
 * PC_EVENT_FORK. The parent is the child's real parent. For a thread, and with CLONE_PARENT, that
 * is the parent of the task that called clone(2) (kernel/fork.c, copy_process()).
 */
struct pc_event_fork {
    pid_t parent_pid;
    pid_t parent_tgid;
    pid_t child_pid;
    pid_t child_tgid;
};

/* PC_EVENT_EXEC */
struct pc_event_exec {
    pid_t pid;
    pid_t tgid;
};

/* PC_EVENT_EXIT */
struct pc_event_exit {
    pid_t pid;
    pid_t tgid;
    /* A wait(2) status, for WIFEXITED() and the like. */
    int32_t exit_code;
    /* The signal that the parent gets, mostly SIGCHLD; -1 for a thread. */
    int32_t exit_signal;
    /* Both are 0 when the kernel names no parent. */
    pid_t parent_pid;
    pid_t parent_tgid;
};

/* PC_EVENT_UID: the new ids, as the initial user namespace sees them. */
struct pc_event_uid {
    pid_t pid;
    pid_t tgid;
    uid_t ruid;
    uid_t euid;
};

/* PC_EVENT_GID: the new ids, as the initial user namespace sees them. */
struct pc_event_gid {
    pid_t pid;
    pid_t tgid;
    gid_t rgid;
    gid_t egid;
};

/* PC_EVENT_SID: the new session's id is the tgid. */
struct pc_event_sid {
    pid_t pid;
    pid_t tgid;
};

/* PC_EVENT_PTRACE */
struct pc_event_ptrace {
    pid_t pid;
    pid_t tgid;
    /* Both are 0 when the tracer detached. */
    pid_t tracer_pid;
    pid_t tracer_tgid;
};

/* PC_EVENT_COMM */
struct pc_event_comm {
    pid_t pid;
    pid_t tgid;
    /* The new name, always NUL-terminated. It may contain any other bytes. */
    char comm[16];
};

/* PC_EVENT_COREDUMP */
struct pc_event_coredump {
    pid_t pid;
    pid_t tgid;
    pid_t parent_pid;
    pid_t parent_tgid;
};

/* PC_EVENT_OVERRUN: events are missing between since_ns and the timestamp_ns of this event. */
struct pc_event_overrun {
    /* The exact number of lost events; 0 if it is unknown (PC_LOST_DEAF). */
    uint64_t lost;
    /* The earliest time at which an event may be missing. */
    uint64_t since_ns;
    /* A value of enum pc_lost_reason. */
    uint32_t reason;
    uint32_t reserved;
};

/* PC_EVENT_UNKNOWN */
struct pc_event_unknown {
    /* The kernel's number for this kind of event. */
    uint32_t what;
    /* How many bytes of data the kernel sent after the event's header. */
    uint32_t size;
    /* The first bytes of that data. */
    uint8_t raw[32];
};

/* The data of an event. pc_event.kind selects the member; bytes outside that member are zero. */
union pc_event_data {
    struct pc_event_fork fork;
    struct pc_event_exec exec;
    struct pc_event_exit exit;
    struct pc_event_uid uid;
    struct pc_event_gid gid;
    struct pc_event_sid sid;
    struct pc_event_ptrace ptrace;
    struct pc_event_comm comm;
    struct pc_event_coredump coredump;
    struct pc_event_overrun overrun;
    struct pc_event_unknown unknown;
};

/* An event: 64 bytes without padding or pointers, which may be copied and kept. */
struct pc_event {
    /* A value of enum pc_event_kind, which selects the valid member of data. */
    uint32_t kind;
    /* The CPU that reported the event. */
    uint32_t cpu;
    /* CLOCK_MONOTONIC in nanoseconds. (Start times in /proc are CLOCK_BOOTTIME.) */
    uint64_t timestamp_ns;
    /*
     * The kernel's per-CPU sequence number. Filtered events and acknowledgements are numbered too,
     * so a gap does not mean a loss.
     */
    uint32_t seq;
    uint32_t reserved;
    union pc_event_data data;
};

/*
 * Returns the tgid of the process that an event is about. For FORK, that is the child. For
 * PC_EVENT_OVERRUN, PC_EVENT_UNKNOWN and NULL, the result is 0.
 */
pid_t pc_event_tgid(const struct pc_event *event);

/*
 * Returns the name of a kind: "fork", "exec", … "overrun". For PC_EVENT_UNKNOWN and for kinds of
 * later versions, the name is "unknown". The string is static.
 */
const char *pc_event_name(uint32_t kind);

/*
 * Writes an event as one readable line without a line break, for logs. The wording may change.
 *
 * buffer:  room for size bytes, or NULL if size is 0. The text is always terminated if size > 0.
 *
 * Returns the length of the whole line, at most 255, even if it did not fit, as snprintf() does.
 * -EINVAL: event is NULL, or buffer is NULL and size is not 0.
 */
int pc_event_format(const struct pc_event *event, char *buffer, size_t size);

/*
 * Parses a datagram that the program has received by other means: through io_uring, or from a
 * recording.
 *
 * The caller must check the sender: only a datagram with nl_pid 0 is from the kernel. A datagram
 * has 76 bytes: a struct nlmsghdr (NLMSG_DONE), a struct cn_msg (CN_IDX_PROC, CN_VAL_PROC) and a
 * struct proc_event (linux/netlink.h, linux/connector.h, linux/cn_proc.h).
 *
 * datagram:  size bytes as they came from the socket, at any alignment.
 * event:     written only when 1 is returned.
 *
 * Returns
 * 1           an event
 * 0           a control message, which carries no event
 * -EBADMSG    the datagram is truncated or damaged
 * -EINVAL     a NULL pointer
 */
int pc_parse(const void *datagram, size_t size, struct pc_event *event);

/* --------------------------------------- The connector ---------------------------------------- */

/* A connector: a subscription, its queue and its statistics. */
struct pc_connector;

/* Events to receive: bits for pc_options.events. PC_EVENT_OVERRUN passes every mask. */
#define PC_MASK_FORK (1u << 1)
#define PC_MASK_EXEC (1u << 2)
#define PC_MASK_EXIT (1u << 3)
#define PC_MASK_UID (1u << 4)
#define PC_MASK_GID (1u << 5)
#define PC_MASK_SID (1u << 6)
#define PC_MASK_PTRACE (1u << 7)
#define PC_MASK_COMM (1u << 8)
#define PC_MASK_COREDUMP (1u << 9)

/* Kernel events that this version does not know. */
#define PC_MASK_UNKNOWN (1u << 11)

/* The nine kinds that kernels send today: bits 1 to 9. */
#define PC_MASK_ALL ((1u << 10) - 2u)

/*
 * pc_options.flags: discard the events of tasks that are not the leader of their process. These
 * are the events with pid != tgid, and FORKs with child_pid != child_tgid.
 *
 * The EXIT of a leader is not always the process exit: other threads may live on, or one of them
 * may take the leader's place by execve(2). So call pc_process_alive() at each EXIT. If it returns
 * 2, no event will report the process exit under this filter. Either call it again from a timer,
 * or receive without this filter and call it at each EXIT with that tgid. No event shows which
 * thread's exit code became the exit code of the process. (The kernel reports tasks:
 * drivers/connector/cn_proc.c; measured on Linux 5.10 to 7.3.)
 */
#define PC_FILTER_NO_THREADS (1u << 0)

/*
 * pc_options.flags: deliver an EXIT only if its exit_code is not 0. Other kinds of events pass.
 * The filter judges tasks, not processes: a leader may exit with 0 before its process fails. See
 * PC_FILTER_NO_THREADS.
 */
#define PC_FILTER_NONZERO_EXIT (1u << 1)

/*
 * pc_options.flags, for pc_open_fd(): the socket is subscribed already. pc_open_fd() does not
 * subscribe it again, but pc_close() unsubscribes it.
 *
 * Queue, filter and subscription belong to the socket, not to a descriptor. Any other program that
 * still holds the socket must not receive from it, set its filter, or close a handle on it.
 */
#define PC_OPEN_SUBSCRIBED (1u << 16)

/* How to open a connector. Start from PC_OPTIONS_INIT. NULL stands for PC_OPTIONS_INIT. */
struct pc_options {
    /*
     * sizeof(struct pc_options). A size smaller than in version 0.1 gives -EINVAL. A size above
     * 4096, or a field in use that this library does not know, gives -E2BIG.
     */
    size_t size;
    /* PC_MASK_* bits; 0: everything, unknown kinds included. */
    uint32_t events;
    /* PC_FILTER_* and PC_OPEN_* bits. */
    uint32_t flags;
    /*
     * The budget of the queue: how many bytes of kernel memory the pending events may take, at
     * most INT_MAX; 0: 36 MiB, room for at least 32,000 events.
     *
     * The kernel charges 704 to 1,152 bytes per event, depending on the machine: pc_options(3). Memory
     * is in use only while events are pending, but a stalled reader can pin the whole budget. Without
     * CAP_NET_ADMIN the kernel grants at most twice the sysctl net.core.rmem_max, which on a stock
     * system is room for some 440 events: raise the sysctl. pc_stats.rcvbuf_bytes shows what the
     * kernel granted. On AF_UNIX the budget has no effect.
     */
    uint32_t rcvbuf_bytes;
    /*
     * For how many microseconds a call with a timeout spins before it sleeps; 0, the default: it
     * sleeps at once.
     *
     * A thread that spins uses all of its CPU, and no event has to wake it. pc_wake_soon() is
     * usually the better choice: it costs nothing. A signal that arrives while the thread spins
     * does not end the call: use pc_interrupt().
     */
    uint32_t spin_us;
};

/* The initial value of a struct pc_options: everything, with the default queue. */
#define PC_OPTIONS_INIT { sizeof(struct pc_options), 0, 0, 0, 0 }

/*
 * Opens a connector and subscribes to process events.
 *
 * The call never blocks. It returns once the kernel has acknowledged this subscription. From then
 * on, every event is delivered or counted as lost.
 *
 * out:      receives the handle, which pc_close() ends.
 * options:  what to receive, and how much to queue; NULL: everything, 36 MiB.
 *
 * Returns 0 or an error, each with its own text in pc_strerror():
 * -EINVAL, -E2BIG     an option is wrong: see pc_invalid_option(); PC_OPEN_SUBSCRIBED is for
 *                     pc_open_fd() only
 * -EPROTONOSUPPORT    the kernel lacks CONFIG_CONNECTOR
 * -EAFNOSUPPORT       netlink is forbidden (systemd's RestrictAddressFamilies=)
 * -ENOSYS             the kernel lacks CONFIG_PROC_EVENTS
 * -ECONNREFUSED       not in the initial network namespace
 * -EOPNOTSUPP         not in the initial PID, user and time namespaces
 * -EPERM              before Linux 6.6: no CAP_NET_ADMIN; later: a seccomp filter or an LSM
 * -EIO                a system call failed unexpectedly: a seccomp filter or an emulator
 * -EMFILE, -ENFILE    out of descriptors
 * -ENOMEM             out of memory
 * -ETIMEDOUT          the kernel did not acknowledge, and no cause was found
 */
int pc_open(struct pc_connector **out, const struct pc_options *options);

/*
 * Opens a connector on a socket that exists already.
 *
 * Two kinds of sockets can be adopted:
 * - A NETLINK_CONNECTOR socket (DGRAM or RAW, a member of group 1) that a privileged parent or
 *   systemd has opened. The handle delivers the events that are pending. It does not count earlier
 *   losses.
 * - An AF_UNIX socket (DGRAM or SEQPACKET) through which a test sends events to a program, without
 *   privilege and without the kernel. Each datagram carries one event, as pc_parse() takes it.
 *   Prefer SEQPACKET: its stream ends when the peer closes it or sends an empty datagram. Masks
 *   and flags work here too, and nothing is lost. pc_subscribe(), pc_unsubscribe() and pc_check()
 *   return 0 and do nothing.
 *
 * The descriptor becomes non-blocking and close-on-exec. The queue becomes smaller only if options
 * ask for that. If rcvbuf_bytes is 0, a queue below 36 MiB grows to that, as far as the kernel
 * grants it. With PC_OPEN_SUBSCRIBED no privilege is needed on any kernel. But before Linux 6.6
 * an unprivileged pc_close() cannot remove its listener from the kernel's count.
 *
 * out:      receives the handle.
 * fd:       the socket. On success it belongs to the handle. On failure it stays open, belongs to
 *           the caller, and keeps its old settings, with two exceptions. A BPF filter that the
 *           caller had attached is lost. If options ask for a smaller queue, an old size above
 *           net.core.rmem_max is restored only with CAP_NET_ADMIN.
 * options:  as for pc_open().
 *
 * An unsubscribed socket is adopted only in the initial network namespace. A subscribed one is
 * adopted in any, but outside the initial one pc_check() and pc_subscribe() return -ECONNREFUSED.
 *
 * Returns 0, an error of pc_open(), or
 * -ECONNREFUSED       also: fd was made in another network namespace
 * -EBADF              fd is not an open descriptor
 * -EPROTOTYPE         fd is neither kind of socket
 * -EINVAL             fd is not a member of group 1
 */
int pc_open_fd(struct pc_connector **out, int fd, const struct pc_options *options);

/*
 * Names the option that makes pc_open() or pc_open_fd() return -EINVAL or -E2BIG.
 *
 * pc_open() also rejects PC_OPEN_SUBSCRIBED, and pc_set_filter() also rejects an rcvbuf_bytes or spin_us that is
 * not 0. This function names neither.
 *
 * options:  as for pc_open().
 *
 * Returns the name of the first invalid field, such as "rcvbuf_bytes", as a static string; or NULL
 * if all fields are valid. If a field is in use that this library does not know, the name is
 * "size".
 */
const char *pc_invalid_option(const struct pc_options *options);

/*
 * Returns the socket, for poll() and the like; -EINVAL if pc is NULL.
 *
 * When the socket is readable, call pc_recv() or pc_recv_many() until that returns 0. The first
 * call may already return 0, if everything pending was forged or filtered. Do not read, close or
 * configure the descriptor. If a runtime must own its descriptors, give it a dup().
 */
int pc_fd(const struct pc_connector *pc);

/*
 * Receives one event. If an event is pending, this costs one system call.
 *
 * event:       written only when 1 is returned.
 * timeout_ms:  how long to wait for the event; 0: not at all, -1: without limit. Discarded messages
 *              do not restart the timeout. Before the call returns 0, even with timeout 0, it
 *              discards the messages that are pending but not wanted: forged ones, and those that
 *              were queued under another filter.
 *
 * Returns 1: an event; 0: no event came in time; or
 * -EINTR       a signal arrived during the wait, even with SA_RESTART; nothing is lost: call again
 * -ECANCELED   pc_interrupt() was called
 * -EPIPE       the stream has ended (AF_UNIX SEQPACKET only); later calls return this too
 * -ECHILD      the handle belongs to the parent process
 * -EINVAL      a NULL pointer, or a timeout below -1
 * or an error of recvfrom(2), getsockopt(2) or ppoll(2).
 */
int pc_recv(struct pc_connector *pc, struct pc_event *event, int timeout_ms);

/*
 * Receives up to count events, at most 64, in one system call.
 *
 * After a short batch, more events may be pending. Only a result of 0 means that none are.
 *
 * events:      room for count events. Entries beyond the returned number are unspecified.
 * timeout_ms:  how long to wait for the first event, as for pc_recv().
 *
 * Returns the number of events received; 0: none came in time; or an error of pc_recv(), or
 * -EINVAL if count is 0.
 */
int pc_recv_many(struct pc_connector *pc, struct pc_event *events, size_t count, int timeout_ms);

/*
 * Replaces the filter, atomically.
 *
 * An event that is already queued is judged by the filter in force when it is received.
 * pc_stats.filtered counts the rejected events. A filter that is set during a pause takes effect
 * with pc_subscribe().
 *
 * filter:  events and PC_FILTER_* flags; all other fields are as in PC_OPTIONS_INIT. NULL:
 *          everything.
 *
 * Returns 0, -EINVAL, -E2BIG, -ECHILD, -ENOMEM, or -EPERM (a seccomp filter forbids it, or the
 * socket's filter is locked). On failure the old filter stays in force.
 */
int pc_set_filter(struct pc_connector *pc, const struct pc_options *filter);

/*
 * Resumes after pc_unsubscribe(). If the connector is not paused, this does nothing.
 *
 * If the kernel was found deaf before the pause and could not be repaired, a PC_EVENT_OVERRUN with
 * PC_LOST_DEAF follows in the stream. pc_fd() does not become readable for it: call pc_recv().
 *
 * Returns 0, -ECHILD, or an error of pc_open(). On failure the connector remains paused.
 */
int pc_subscribe(struct pc_connector *pc);

/*
 * Pauses: from now on no event is queued. If the connector is paused already, this does nothing.
 *
 * Pending events, and losses that have not been reported yet, can still be received.
 *
 * Returns 0, -EINVAL, -ECHILD, or an error of setsockopt(2) or sendto(2). On failure the connector
 * remains subscribed. If events may have been missed, a PC_EVENT_OVERRUN with PC_LOST_DEAF follows
 * in the stream.
 */
int pc_unsubscribe(struct pc_connector *pc);

/*
 * Checks that the kernel still reports events, and makes it report again if it has stopped.
 *
 * Any thread may call this; it costs microseconds. A daemon calls it from a timer, and calls
 * pc_recv() when it returns 1. A paused connector is not checked.
 *
 * The kernel counts its listeners for the whole machine. While the count is below one, the kernel
 * is deaf: it reports to no listener. From Linux 6.6 on, any unprivileged process can lower the
 * count so far (drivers/connector/cn_proc.c, cn_proc_mcast_ctl(); reproduced).
 *
 * From Linux 6.6 on, the call also renews this connector's own subscription, which another holder
 * of the socket may have ended. The kernel does not report whether the subscription had ended. So
 * the result is 0 either way, and missed events are not reported.
 *
 * Returns
 * 0           the kernel reports now. A deafness that another process repaired since the last
 *             check cannot be detected.
 * 1           the kernel was deaf and is repaired. A PC_EVENT_OVERRUN with PC_LOST_DEAF follows
 *             in the stream. pc_fd() does not become readable for it: call pc_recv().
 * -EPERM      before Linux 6.6: this process has dropped its privilege, and the kernel is deaf or
 *             the connector was adopted without privilege
 * -ECHILD, -EINVAL, or an error of pc_open().
 */
int pc_check(struct pc_connector *pc);

/*
 * Ends a wait: the current or the next call with a timeout other than 0 returns -ECANCELED, once.
 *
 * Any thread and any signal handler may call this, until pc_close() or pc_release() is called.
 * Several interrupts before that return count as one. Calls with timeout 0 neither see nor consume
 * an interrupt, and pc_fd() does not become readable: wake an event loop by other means, such as
 * eventfd(2).
 *
 * An interrupt that comes late cancels the next wait. So a program that interrupts a thread to
 * stop it sets a flag first. The thread reads the flag whenever it gets -ECANCELED.
 *
 * Returns 0, -EINVAL or -ECHILD. errno is unchanged.
 */
int pc_interrupt(struct pc_connector *pc);

/*
 * The statistics of a connector. Whenever pc_recv() has returned 0,
 * received + filtered + lost + foreign + malformed is exactly the number of messages that the
 * socket's filter in the kernel has admitted.
 */
struct pc_stats {
    /* Kernel events delivered to the caller. */
    uint64_t received;
    /*
     * Messages that the kernel admitted and the library rejected: events queued before a
     * pc_set_filter(), filtered events on AF_UNIX, and messages that carry no event.
     */
    uint64_t filtered;
    /* Events lost in a full queue: the sum over all PC_EVENT_OVERRUN. */
    uint64_t lost;
    /* Forged messages: the kernel did not send them. */
    uint64_t foreign;
    /* Damaged messages. */
    uint64_t malformed;
    /* How often a deaf kernel was repaired. */
    uint64_t repaired;
    /* The queue budget that the kernel granted. */
    uint32_t rcvbuf_bytes;
    /*
     * From pc_table_get_stats(): how many processes of the table are PC_PROCESS_HIDDEN; otherwise 0.
     */
    uint32_t hidden;
    uint64_t reserved2[2];
};

/*
 * Copies the statistics. Any thread may call this. Each field is exact by itself; other threads
 * may change the counters while this copies them.
 *
 * stats:  receives the statistics.
 * size:   sizeof(struct pc_stats). Bytes beyond the fields that this library knows become 0.
 *
 * Returns 0, or -EINVAL: a NULL pointer, or a size smaller than in version 0.1.
 */
int pc_get_stats(const struct pc_connector *pc, struct pc_stats *stats, size_t size);

/*
 * Unsubscribes, exactly once, and closes the connector. NULL is allowed. errno is unchanged.
 *
 * The subscription belongs to the socket: it ends for every dup() of pc_fd(), too.
 */
void pc_close(struct pc_connector *pc);

/*
 * Ends the handle but not the subscription, and returns the socket, which then belongs to the
 * caller.
 *
 * The socket is meant for a successor: a child, or this daemon after its restart, to which
 * systemd's FD store gives the socket. The successor calls pc_open_fd() with PC_OPEN_SUBSCRIBED
 * and misses nothing.
 *
 * First call pc_recv() until it returns 0, because the successor does not count a loss that has
 * not been reported yet. The socket of a paused connector is not subscribed: its successor adopts
 * it without PC_OPEN_SUBSCRIBED.
 *
 * The socket stays non-blocking and close-on-exec and keeps its filter. To pass it through
 * execve(2), first clear FD_CLOEXEC with fcntl(2).
 *
 * Returns the descriptor, -EINVAL or -ECHILD. On failure nothing has changed.
 */
int pc_release(struct pc_connector *pc);

/* ------------------------------------- The process table -------------------------------------- */

/* A table of all processes, and the connector that keeps it up to date. */
struct pc_table;

/* Fields of a struct pc_process: bits for pc_table_options.fields and pc_process.valid. */
#define PC_FIELD_PARENT (1u << 0)
#define PC_FIELD_START (1u << 1)
#define PC_FIELD_SESSION (1u << 2)
#define PC_FIELD_COMM (1u << 3)
#define PC_FIELD_CREDENTIALS (1u << 4)

/*
 * pc_table_options.flags: do not receive the FORKs of threads. Each costs about as much as any
 * other event. Set this flag only where threads start at a high rate.
 *
 * These FORKs show whether a process ever had a second thread. If it had none, its leader's exit
 * code is its own, however late the table handles the EXIT. Without these FORKs, an exit code that
 * the table does not read in time is only the leader's (PC_CHANGE_LEADER_CODE). Even without this
 * flag, the table makes the kernel leave out the threads of up to eight processes that have many,
 * unless a seccomp filter is in force.
 */
#define PC_TABLE_IGNORE_THREADS (1u << 0)

/*
 * pc_table_options.flags, for pc_table_open_fd() only: the previous owner of the socket has subscribed
 * it, as after pc_table_release().
 */
#define PC_TABLE_SUBSCRIBED (1u << 1)

/*
 * pc_table_options.flags: read the directory proc_fd instead of /proc: the host's /proc at another
 * path, or in a test a directory with made-up processes (see pc_table_open_fd()). A table of the
 * kernel's events refuses a directory that does not show pid 1 and this process (-EACCES). The
 * table opens the directory again, so the caller may close proc_fd afterwards.
 */
#define PC_TABLE_PROC_FD (1u << 2)

/*
 * pc_table_options.flags: identify each process by the inode of its pidfds (pc_process.pidfd_inode) rather
 * than by its start time, from Linux 6.9 on. Start times are exact to 10 ms. If two owners of a
 * pid start within the same 10 ms, only the inode tells them apart while the first one's exit is
 * still to be handled or its events were lost. A pid can be reused that fast if there are few pids
 * (kernel.pid_max), or if clone3(2) sets the pid.
 *
 * Reading a process takes 10 to 14 us. The flag adds 5 us if the table reads ids through a pidfd
 * anyway (Linux 6.15), and 8 us otherwise. Before Linux 6.9, the flag changes nothing.
 */
#define PC_TABLE_PIDFD_INODES (1u << 3)

/* How to open a table. Start from PC_TABLE_OPTIONS_INIT. NULL stands for PC_TABLE_OPTIONS_INIT. */
struct pc_table_options {
    /* sizeof(struct pc_table_options); the rules are those of pc_options.size. */
    size_t size;
    /*
     * PC_FIELD_* bits to keep up to date; 0: all. PARENT and START are always kept. Without
     * CREDENTIALS, each process costs one read of /proc less. Without COMM, programs that rename
     * themselves all the time cost nothing.
     */
    uint32_t fields;
    /* PC_TABLE_* bits, or 0. */
    uint32_t flags;
    /* The budget of the queue, as in pc_options. */
    uint32_t rcvbuf_bytes;
    /*
     * How many processes one call of pc_table_next() may read from /proc, at 10 to 30 us each;
     * 0: 64.
     */
    uint32_t max_work;
    /*
     * How many descriptors the table may use to wait for processes that live on without their
     * leaders, one for each process; 0: 64. The table looks at all other such processes ten times
     * a second, 32 at a time. Any user can make such processes.
     */
    uint32_t max_watches;
    /* With PC_TABLE_PROC_FD: an open directory that is read instead of /proc. Otherwise 0. */
    int proc_fd;
    /* For how many microseconds pc_table_next() spins before it sleeps, as in pc_options. */
    uint32_t spin_us;
    /*
     * The pid of an existing process, the root of a family. The table reports only the root and
     * its descendants by birth, whichever process is their parent now: see pc_table_open(). 0: the
     * table reports every process. 1 is not allowed, because pid 1 adopts all orphans.
     */
    pid_t family;
    /*
     * How many bytes of memory the table uses for the command line and the executable's path of
     * each process, terminators included, rounded up to a multiple of 8; 0: it keeps neither; at
     * most 8,388,608. See pc_table_command().
     */
    uint32_t text_bytes;
    /* 0 */
    uint32_t reserved;
};

/* The initial value of a struct pc_table_options: all fields, with the default queue. */
#define PC_TABLE_OPTIONS_INIT { sizeof(struct pc_table_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/*
 * Opens a table of all processes, and a connector that keeps it up to date.
 *
 * pc_table_next() first reports every process that exists (FOUND), then SYNCED, then every change.
 * If a process did several things before the table could read it, its STARTED or EXECED shows the
 * result of all of them. But a STARTED has the parent that forked the process: REPARENTED follows.
 *
 * The table has processes, not threads. It reports each process once as FOUND or STARTED, and
 * later once as EXITED or VANISHED, when the last thread is gone. The order of the kernel's events
 * does not matter.
 *
 * When the table notices a loss of events, it reports UNSYNCED. Then it reads /proc again, and
 * reports the differences (RECOVERED) and SYNCED with the number of lost events. From then on, the
 * table agrees with /proc.
 *
 * The table needs what pc_open() needs, and a /proc that shows all processes. Its memory grows
 * with the largest number of processes that existed at one time. Each of them uses 250 bytes
 * (adjacent pids) to 510 bytes (pids far apart), and the table allocates at most 1,200 bytes for
 * each. The table has five descriptors besides those of its connector, and one for each process
 * that lives on without its leader, up to max_watches.
 *
 * If /proc hides a process from this one (hidepid, a security module), the table knows only what
 * events carried (PC_PROCESS_HIDDEN). If the program drops privileges after it opened the table,
 * the table reads only what the program may still read.
 *
 * With a family, the table follows all processes but reports only the family: the root (the
 * process that pc_table_options.family names) and its descendants by birth. These include orphans,
 * daemons that forked twice, and children of subreapers. The root may exit before them. These
 * processes belong to the family:
 * - of the processes that exist when the table is opened, those whose parents lead to the root;
 * - of those that start later, each whose FORK names a parent in the family;
 * - of those whose FORK was lost, each whose parent is in the family. If the parent is not known,
 *   or may have adopted the process from the family (an ancestor of the root, or pid 1), the
 *   process is reported as PC_PROCESS_PERHAPS.
 *
 * pc_table_get(), pc_table_each(), pc_table_count() and the sequence numbers cover the family
 * only. So after SYNCED, a pc_table_count() of 0 means that everything that a job started is gone.
 * After a loss, the count may remain above 0, because processes of other programs may be
 * PC_PROCESS_PERHAPS. Then count the other processes with pc_table_each().
 *
 * out:      receives the table, which pc_table_close() ends.
 * options:  what to keep, and how much to queue; NULL: all fields, 36 MiB.
 *
 * Returns 0, an error of pc_open(), or
 * -EACCES             /proc, or proc_fd, does not show this machine's processes: it is not mounted,
 *                     hides processes, or belongs to another PID namespace
 * -EBADF, -ENOTDIR    proc_fd is not an open descriptor, or not a directory
 * -ESRCH              the process family does not exist, or has exited
 */
int pc_table_open(struct pc_table **out, const struct pc_table_options *options);

/*
 * Opens a table on a socket that exists already.
 *
 * The socket is one that pc_table_release() returned, or one that pc_open_fd() would take:
 * - A NETLINK_CONNECTOR socket. Use PC_TABLE_SUBSCRIBED. The table first handles the events that
 *   are queued. So a restarted daemon misses nothing, unless the queue became full meanwhile: the
 *   table reports STARTED for each process that started since the previous table was released, and
 *   EXITED for each that exited. If the EXIT is the only sign of a process, the table reports
 *   FOUND before EXITED, with nothing but the pid.
 * - An AF_UNIX socket through which a test sends events, without privilege. With PC_TABLE_PROC_FD,
 *   the test can also make up /proc: a directory with PID/stat and PID/status of each process
 *   (proc_pid_stat(5), proc_pid_status(5)). A process exists as long as its files do.
 *
 * On either socket, the table reads /proc once more after SYNCED (UNSYNCED, SYNCED, with 0 lost),
 * because the queue does not show what it lost before. The table counts losses from its adoption on.
 * For the number of earlier ones, compare SK_MEMINFO_DROPS of getsockopt(SO_MEMINFO) with the sum
 * of pc_stats.lost of the previous tables.
 *
 * Do not hand over a table with pc_table_options.family: the new table finds no member whose parent
 * exited before.
 *
 * fd:  on success it belongs to the table, otherwise to the caller.
 *
 * Returns 0, an error of pc_table_open(), or one of pc_open_fd().
 */
int pc_table_open_fd(struct pc_table **out,
                     int fd,
                     const struct pc_table_options *options);

/*
 * Ends the table but not its subscription, and returns the socket, which then belongs to the caller.
 *
 * The socket is meant for a successor: a child, or this daemon after its restart, to which systemd's
 * FD store gives the socket. The successor calls pc_table_open_fd() with PC_TABLE_SUBSCRIBED. The
 * rules for descriptors are those of pc_release().
 *
 * Returns the descriptor, or
 * -EBUSY              the table has something to report: call pc_table_next() until it returns 0 and
 *                     pc_table_release() succeeds. (After a 0, work may be left.) Before the first
 *                     pc_table_next() this error cannot occur, because all events are still queued.
 *                     After -EPIPE, this error may last: close the table instead.
 * -EINVAL, -ECHILD. On failure nothing has changed.
 */
int pc_table_release(struct pc_table *table);

/*
 * Names the option that makes pc_table_open() or pc_table_open_fd() return -EINVAL or -E2BIG.
 *
 * pc_table_open() also rejects PC_TABLE_SUBSCRIBED, which this function does not report.
 *
 * options:  as for pc_table_open().
 *
 * Returns the name of a field, or NULL, as pc_invalid_option() does.
 */
const char *pc_table_invalid_option(const struct pc_table_options *options);

/*
 * Returns a descriptor for poll() and the like; -EINVAL if table is NULL.
 *
 * The descriptor is readable while pc_table_next() has something to do. Call pc_table_next() with
 * timeout 0 until it returns 0; a level-triggered loop may also call it once per wake-up. The
 * descriptor is close-on-exec. Use it for nothing else.
 */
int pc_table_fd(const struct pc_table *table);

/*
 * pc_process.state: a kernel thread. It can rename itself without an event, so PC_FIELD_COMM is
 * never valid: comm is the name that was read once.
 */
#define PC_PROCESS_KERNEL_THREAD (1u << 0)

/* pc_process.state: the leader has exited, but other threads live on. */
#define PC_PROCESS_LEADER_GONE (1u << 1)

/*
 * pc_process.state: /proc did not show the process when the table wanted to read it. Only what events
 * carried is valid.
 */
#define PC_PROCESS_HIDDEN (1u << 2)

/*
 * pc_process.state, with pc_table_options.family: the process may belong to the family. The event
 * that would decide this was lost.
 */
#define PC_PROCESS_PERHAPS (1u << 3)

/* A process: 112 bytes. */
struct pc_process {
    /*
     * The table's number for this process. Unlike a pid, it is not reused while the table is open.
     */
    uint64_t id;
    /*
     * The parent's id; 0: there is no parent, or it is not known yet. No change reports when it
     * becomes known.
     */
    uint64_t parent_id;
    /* When the process started: CLOCK_BOOTTIME in nanoseconds, rounded down to 10 ms. */
    uint64_t start_boottime_ns;
    /* What pc_table_set_user() has set; 0 in a new process. */
    uint64_t user;
    pid_t pid;
    pid_t parent_pid;
    pid_t session;
    /*
     * PC_FIELD_* bits of the fields that are known and kept up to date. Do not rely on the other
     * fields. They hold an old value, the parent's value (if the process exited before the table
     * could read it), or 0, which is also root's id. A start that is not valid is 0. A name that
     * is not valid is empty, except for a kernel thread.
     */
    uint32_t valid;
    uid_t ruid;
    uid_t euid;
    gid_t rgid;
    gid_t egid;
    /* The leader's name, always NUL-terminated. */
    char comm[16];
    /* PC_PROCESS_* bits at this moment. If only these bits change, the table reports nothing. */
    uint32_t state;
    uint32_t reserved;
    /*
     * pc_change.sequence of the last change reported before this struct was filled; 0 from
     * pc_process_read(). A program that combines a walk through the table with the changes
     * compares these numbers: a change with a higher number came later.
     */
    uint64_t sequence;
    /*
     * The inode of the process's pidfds (fs/pidfs.c), which no other process has had since the machine booted.
     * On 32-bit machines, this field has only the lower 32 bits, which may repeat after 2^31
     * processes and threads. If a process exits before the table handles its FORK, and another
     * process gets its pid within the same 10 ms, the STARTED of the first process has the inode
     * of the other one, and its EXITED has 0.
     *
     * 0: not known. The inode is not known without PC_TABLE_PIDFD_INODES, before Linux 6.9, from
     * pc_process_read(), if /proc hides the process, and if the process exited before the table had
     * read it.
     */
    uint64_t pidfd_inode;
    uint64_t reserved2;
};

/* What a change reports: values of pc_change.kind. */
enum pc_change_kind {
    /*
     * The process was running when the table read /proc for the first time: before the first SYNCED.
     */
    PC_CHANGE_FOUND = 1,
    /* The process started. */
    PC_CHANGE_STARTED = 2,
    /* The process runs a new program. */
    PC_CHANGE_EXECED = 3,
    /* The process's leader has a new name. */
    PC_CHANGE_RENAMED = 4,
    /* The process has other user or group ids. */
    PC_CHANGE_CREDENTIALS = 5,
    /* The process is in another session. */
    PC_CHANGE_SESSION = 6,
    /* The process's parent exited, and the process has another parent. */
    PC_CHANGE_REPARENTED = 7,
    /*
     * The process exited: its last thread is gone. It may still be a zombie; no event reports when
     * it is reaped.
     */
    PC_CHANGE_EXITED = 8,
    /*
     * The process exited, as a reading of /proc has shown. Its EXIT was lost or comes too late, so
     * exit_code is not known.
     */
    PC_CHANGE_VANISHED = 9,
    /*
     * The table agrees with /proc, and every difference has been reported. pc_change.process is
     * zero. If more events were lost while the table read /proc, UNSYNCED follows at once.
     */
    PC_CHANGE_SYNCED = 10,
    /*
     * The table may differ from /proc from here on, until the next SYNCED: events were lost,
     * pc_table_rescan() was called, or the table was opened on an adopted socket.
     * pc_change.process is zero.
     */
    PC_CHANGE_UNSYNCED = 11,
};

/*
 * pc_change.flags: found by reading /proc, after a loss of events or a pc_table_rescan(). The
 * timestamp is that of the reading. With SYNCED: this reading is complete. /proc shows a new
 * program shortly before the kernel sends the EXEC (fs/exec.c), so one EXECED may be reported
 * twice: with this flag, and then without.
 */
#define PC_CHANGE_RECOVERED (1u << 0)

/*
 * pc_change.flags, with EXITED: exit_code is known, however late the table is read. Without
 * PC_CHANGE_LEADER_CODE, it is the process's own. The flag is absent in these cases:
 * - The EXIT was lost.
 * - The pid had another owner before the table handled the EXIT.
 */
#define PC_CHANGE_EXIT_CODE (1u << 1)

/*
 * pc_change.flags, with SYNCED: the kernel was deaf until pc_table_check() repaired it. The field
 * lost does not count the events of that time.
 */
#define PC_CHANGE_DEAF (1u << 2)

/*
 * pc_change.flags, with PC_CHANGE_EXIT_CODE: exit_code is from the leader's EXIT. This is the
 * process's own exit code too, unless another thread outlived the leader and exited with a
 * different one. (In theory, the code may be that of an earlier owner of the pid: if the process
 * was reaped before its EXIT was generated, and less than a second after the table was SYNCED or
 * another process left the table without an EXIT.)
 *
 * The table knows the process's own exit code in these cases:
 * - The process had no second thread since it started or ran its program, no event was lost
 *   meanwhile, and the table does not ignore threads (PC_TABLE_IGNORE_THREADS).
 * - From Linux 6.15 on: the process is still a zombie when the table handles its EXIT, or the
 *   table saw that its leader was gone. But /proc shows 0 for each exit code that it hides, so the
 *   table trusts a 0 only if this process may trace all processes, pid 1 included (CAP_SYS_PTRACE).
 */
#define PC_CHANGE_LEADER_CODE (1u << 3)

/* A change of a process: 168 bytes. */
struct pc_change {
    /* A value of enum pc_change_kind. A newer library may report other kinds, too. */
    uint32_t kind;
    /* PC_CHANGE_RECOVERED, _EXIT_CODE, _DEAF and _LEADER_CODE bits. */
    uint32_t flags;
    /*
     * CLOCK_MONOTONIC in nanoseconds: when the event happened, or when /proc showed the change. It
     * may be earlier than that of the change before.
     */
    uint64_t timestamp_ns;
    /*
     * With SYNCED: how many events were lost since the last SYNCED. With UNSYNCED: how many were
     * lost so far.
     */
    uint64_t lost;
    /*
     * With SYNCED and UNSYNCED, if events were lost: the earliest time at which one may be missing,
     * CLOCK_MONOTONIC. Otherwise 0.
     */
    uint64_t since_ns;
    /* With EXITED and PC_CHANGE_EXIT_CODE: a wait(2) status. Otherwise 0. */
    int32_t exit_code;
    /*
     * With SYNCED: how many processes are PC_PROCESS_HIDDEN. If this is not 0, there may be others
     * that the table does not know.
     */
    uint32_t hidden;
    /* The number of this change. The first change has 1, each later one the next number. */
    uint64_t sequence;
    uint64_t reserved2;
    /*
     * The process after the change. With EXITED and VANISHED: as it last was. With SYNCED and
     * UNSYNCED: zero.
     */
    struct pc_process process;
};

/*
 * Returns the name of a kind: "found", "started", … "unsynced". For kinds of later versions, the name
 * is "unknown". The string is static.
 */
const char *pc_change_name(uint32_t kind);

/*
 * Writes a change as one readable line without a line break, for logs. The wording may change.
 *
 *     exited pid=4711 parent=4242 comm="sh" killed=9 ts=1234.000056789
 *
 * The line leaves out each field of the process that is not valid. If the exit code is from the
 * leader's EXIT, the line has "leader_status=" or "leader_killed="; if it is not known,
 * "status=unknown". With SYNCED, "lost=" is the number of lost events. With UNSYNCED it is the
 * number so far; the next SYNCED includes it.
 *
 * buffer:  room for size bytes, or NULL if size is 0. The text is always terminated if size > 0.
 *
 * Returns the length of the whole line, at most 255, even if it did not fit, as snprintf() does.
 * -EINVAL: change is NULL, or buffer is NULL and size is not 0.
 */
int pc_change_format(const struct pc_change *change, char *buffer, size_t size);

/*
 * Reports the next change.
 *
 * One call does a limited amount of work (pc_table_options.max_work), so that it does not hold up
 * an event loop. With timeout 0 it may therefore return 0 with work left. Then pc_table_fd() is
 * readable, and an edge-triggered loop is woken again. With a timeout, it looks at the clock each
 * time it has done this amount of work.
 *
 * A call returns as soon as there is a change. A new table reports each process as soon as it has
 * read the process and its parent. With a family, a new table first reads all processes, because
 * an orphan may belong to the family.
 *
 * change:      written only when 1 is returned.
 * timeout_ms:  how long to wait, as for pc_recv().
 *
 * Returns 1: a change; 0: no change came in time, or work is left; or
 * -ENOMEM             out of memory
 * -EMFILE, -ENFILE    out of descriptors
 * or an error of pc_recv(), getdents64(2), lseek(2) or epoll_ctl(2). -EPIPE, -ECHILD and -EINVAL are
 * final. After any other error, no change is lost: call again. After -EMFILE and -ENFILE, a text may be
 * missing, and the exit code of a process with threads may be only the leader's. After an error that is
 * likely to last, the table rests for up to 100 ms: until then, pc_table_fd() is not readable, a call
 * with timeout 0 returns 0, and a call with another timeout waits. No error is about a single process: a
 * process that cannot be read is PC_PROCESS_HIDDEN.
 */
int pc_table_next(struct pc_table *table,
                  struct pc_change *change,
                  int timeout_ms);

/*
 * Looks a process up by its pid. The result includes the changes reported so far, and no later
 * ones.
 *
 * process:  written only when 1 is returned.
 *
 * Returns 1: a process; 0: there is none with this pid; -EINVAL: a NULL pointer.
 */
int pc_table_get(const struct pc_table *table, pid_t pid, struct pc_process *process);

/* pc_command.flags: the table keeps only the beginning of the command line. */
#define PC_COMMAND_CUT (1u << 0)

/*
 * pc_command.flags: events were lost after the command was read, so the process may run another
 * program now.
 */
#define PC_COMMAND_DOUBTFUL (1u << 1)

/*
 * The command of a process, as the table keeps it.
 *
 * The texts belong to the table. They are valid until the next call of pc_table_next() or
 * pc_table_close(). A text that could not be read is NULL, and its error says why:
 * -ESRCH         the process exited, or ran another program, before it was read; or its command line is empty
 * -ENODATA       there is none, as for a kernel thread
 * -EACCES        this process may not read it: hidepid, or the executable of another user's
 *                process without CAP_SYS_PTRACE
 * -ENAMETOOLONG  the path of the executable takes more than a quarter of
 *                pc_table_options.text_bytes, and more than the command line leaves free
 * or another error of open(2), read(2) or readlink(2).
 */
struct pc_command {
    /* The arguments, each with a NUL byte behind it, and one more NUL byte. */
    const char *command_line;
    /*
     * The path of the program, with a NUL byte behind it. If the file was deleted, the kernel appends
     * " (deleted)".
     */
    const char *executable;
    /*
     * The lengths, without the terminator. As in /proc/PID/cmdline, the command line has a NUL byte
     * after each argument, also after the last one: its length includes them.
     */
    uint32_t command_line_length;
    uint32_t executable_length;
    /* 0, or negative errno values. */
    int32_t command_line_error;
    int32_t executable_error;
    /* PC_COMMAND_* bits. */
    uint32_t flags;
    /* 0 */
    uint32_t reserved[3];
};

/*
 * Returns the command line and the executable of a process. A table that was opened with
 * pc_table_options.text_bytes keeps them.
 *
 *     struct pc_command command;
 *     if (change.kind == PC_CHANGE_EXITED &&
 *         pc_table_command(table, &change.process, &command) == 0 && command.command_line)
 *         printf("%s exited\n", command.command_line);
 *
 * When the table handles a FORK or an EXEC, it reads both texts before anything else, because a
 * short program is soon gone. It also reads them when it finds the process, and when it reads
 * /proc again after a loss of events. It keeps them until the process has left the table, so they
 * are still there with EXITED and VANISHED. Right after reading them, the table checks that the
 * pid still belongs to the same process, or to its zombie. Otherwise it returns no text.
 *
 * A process that has not called execve(2) shows the command of the process that forked it. If the
 * table handles an EXEC too late to read the new command, it no longer returns the old one.
 *
 * The table needs text_bytes of memory for each process that it holds at the same time. It reuses
 * that memory for other processes, and frees it when it is closed.
 *
 * process:  a process that the table has reported, such as pc_change.process. Only its pid and id
 *           are used.
 * command:  written only when 0 is returned.
 *
 * Returns 0, and each text has an error of its own, or 0; otherwise
 * -ESRCH    the process is not in the table, and did not leave it with the last change
 * -ENODATA  the table was opened without text_bytes
 * -EINVAL   a NULL pointer
 */
int pc_table_command(const struct pc_table *table,
                     const struct pc_process *process,
                     struct pc_command *command);

/*
 * Walks through the table in the order of pids. Changes may be reported during the walk: a process
 * that stays in the table throughout is visited exactly once.
 *
 * cursor:   points to 0 before the first call. Do not change the value between calls.
 * process:  written only when 1 is returned.
 *
 * Returns 1: a process; 0: there are no more; -EINVAL: a NULL pointer.
 */
int pc_table_each(const struct pc_table *table, uint64_t *cursor, struct pc_process *process);

/*
 * Stores a value for the caller with a process. From then on, pc_process.user has this value, also
 * in the change that reports the process exit. The value does not survive pc_table_release().
 *
 * Returns 0; -ESRCH: there is no such process in the table; -EINVAL: table is NULL.
 */
int pc_table_set_user(struct pc_table *table, pid_t pid, uint64_t user);

/*
 * Returns how many processes are in the table after the changes reported so far; 0 if table is
 * NULL. With pc_table_options.family, the count includes the living processes of the family, and
 * those that may belong to it (PC_PROCESS_PERHAPS).
 */
size_t pc_table_count(const struct pc_table *table);

/*
 * Returns whether the table agrees with /proc, apart from events that it has not handled yet. This
 * is true from each SYNCED to the next UNSYNCED. On an adopted socket, it is not yet true after the
 * first SYNCED, which UNSYNCED follows at once: see pc_table_open_fd().
 *
 * To list all processes once, call pc_table_next() with timeout -1 until this returns 1, then
 * pc_table_each(). A 0 from pc_table_next() does not mean that the list is complete, because work
 * may be left.
 *
 * Returns 1: it agrees; 0: not yet, or not now; -EINVAL: table is NULL.
 */
int pc_table_is_synced(const struct pc_table *table);

/*
 * Calls pc_check() for the table's connector. If the result is 1, pc_table_fd() becomes readable,
 * and pc_table_next() recovers the table.
 */
int pc_table_check(struct pc_table *table);

/*
 * Makes the table read /proc again, as if events had been lost. It reports UNSYNCED, the differences,
 * then SYNCED, all with 0 lost.
 *
 * This is for programs that must be sure: the library cannot detect a deafness that another
 * listener has repaired.
 *
 * Returns 0, -ECHILD, or -EINVAL if table is NULL.
 */
int pc_table_rescan(struct pc_table *table);

/* Calls pc_get_stats() for the table's connector. */
int pc_table_get_stats(const struct pc_table *table, struct pc_stats *stats, size_t size);

/* Ends a wait in pc_table_next(), as pc_interrupt() ends one in pc_recv(). */
int pc_table_interrupt(struct pc_table *table);

/* Closes the table and its connector. NULL is allowed. errno is unchanged. */
void pc_table_close(struct pc_table *table);

/* -------------------------------------- Single processes -------------------------------------- */

/*
 * Looks up in /proc whether a process is alive. The EXIT of a leader is not always the process
 * exit.
 *
 * tgid:  an id of this PID namespace, which should be the initial one.
 *
 * Returns
 * 1          the process is alive
 * 2          its leader has exited but other threads live on (or, for a moment, one of them is
 *            taking the leader's place by execve(2))
 * 0          the process has exited, is a zombie, or never existed
 * -ESRCH     tgid is the id of a thread, not of a process (/proc opens both)
 * -EACCES    the process exists but /proc does not show it: not mounted, or hidepid
 * -EINVAL    tgid is not positive
 * or an error of open(2) or read(2).
 */
int pc_process_alive(pid_t tgid);

/*
 * Reads one process from /proc, without a table and without allocation.
 *
 * pid:      an id of this PID namespace, as for pc_process_alive().
 * process:  written only when 1 or 2 is returned; its id, parent_id and user are 0.
 *
 * Returns what pc_process_alive() returns, or -EINVAL if process is NULL.
 */
int pc_process_read(pid_t pid, struct pc_process *process);

/* ------------------------------------- Texts of a process ------------------------------------- */

/* The texts of a process: values of pc_text.what. */
enum pc_text_kind {
    /*
     * The command line, byte by byte as in /proc/PID/cmdline: a NUL byte follows each argument.
     * The length includes these NUL bytes. If the process has rewritten its command line, the last
     * NUL byte may be missing, or others may follow.
     */
    PC_TEXT_COMMAND_LINE = 1,
    /* The path of the executable. If that was deleted, the kernel appends " (deleted)". */
    PC_TEXT_EXECUTABLE = 2,
    /* The path of the working directory. If that was deleted, the kernel appends " (deleted)". */
    PC_TEXT_DIRECTORY = 3,
    /*
     * The path of the process's cgroup of version 2, without "0::". If there is none, the path in
     * systemd's hierarchy of version 1. If there is no such hierarchy either, the path in the
     * first hierarchy of /proc/PID/cgroup.
     */
    PC_TEXT_CGROUP = 4,
    /*
     * The pid in the process's own PID namespace, in decimal digits: in a container, the pid that the
     * process itself sees. A kernel without CONFIG_PID_NS does not show it: -ENODATA.
     */
    PC_TEXT_NSPID = 5,
};

/* A text of a process: what to read, where to write it, and the result. */
struct pc_text {
    /* The caller sets this: a value of enum pc_text_kind. */
    uint32_t what;
    /*
     * 0: the text was read. Otherwise a negative errno value, about this text only:
     * -ENODATA          there is none: a kernel thread has no command line and no executable, and without
     *                   CONFIG_PID_NS no process has a PC_TEXT_NSPID
     * -EACCES           this process may not read it. For the executable and the directory of another
     *                   user's process, it needs CAP_SYS_PTRACE
     * -ESRCH            the process exited before this text was read
     * -EAGAIN           none at this moment: the process is inside execve(2), or its leader is
     *                   gone
     * -ENAMETOOLONG     the kernel shows no path that is longer than PATH_MAX (4096)
     * -EINVAL           this version does not know the value of what
     * or another error of open(2), read(2) or readlink(2).
     */
    int32_t error;
    /* The caller sets this: room for size bytes. NULL if size is 0. */
    char *buffer;
    /* The caller sets this. If it is not 0, the buffer always gets a terminator. */
    size_t size;
    /*
     * The length of the whole text, without the terminator, even if it did not fit (length >=
     * size), as snprintf() returns it. 0 if error is not 0. A length that did not fit may change
     * until the next call.
     */
    size_t length;
};

/*
 * Reads texts of a process, such as its command line, without allocation.
 *
 *     char path[4096];
 *     struct pc_text text = { PC_TEXT_EXECUTABLE, 0, path, sizeof(path), 0 };
 *     if (pc_process_texts(pid, process.start_boottime_ns, &text, 1) == 0 && text.error == 0)
 *         printf("%s\n", path);
 *
 * All texts are those of one process. The library opens /proc/PID once, and the kernel binds that
 * descriptor to the process. The library reads the texts in the order of the array. Then it checks
 * that the pid belongs to the process that started at start_boottime_ns. The start time identifies
 * a process on every kernel, unless one pid has two owners within 10 ms.
 *
 * A text that fits is complete. If the process runs another program meanwhile, one text may be of
 * the old program and the next one of the new program. The kernel then reports an EXEC.
 *
 * While a process is inside execve(2), it has no texts. A child may still be inside when
 * posix_spawn() returns. The function then lets other threads run and looks again, up to 20 times.
 * Before Linux 6.6, a kernel without preemption (CONFIG_PREEMPT_NONE) may not run the other
 * threads: then the texts have -EAGAIN.
 *
 * A zombie no longer has a command line, an executable or a directory. The function returns texts
 * that it read before the process exited.
 *
 * pid:                an id of this PID namespace, as for pc_process_alive().
 * start_boottime_ns:  as in pc_process. 0 stands for any process that has the pid. pc_process has
 *                     0 if PC_FIELD_START is not valid.
 * texts:              count texts. On an error other than -EINVAL, each text is empty and has that
 *                     error.
 *
 * Returns 0: each text was read, or has an error of its own; or
 * -ESRCH     the process exited before the library could identify it, the pid has another owner,
 *            or it is the id of a thread
 * -EACCES    the process exists but /proc does not show it: not mounted, or hidepid
 * -EINVAL    pid is not positive, texts is NULL, count is 0, or a buffer is NULL and its size is not 0
 * or an error of open(2) or read(2).
 */
int pc_process_texts(pid_t pid,
                     uint64_t start_boottime_ns,
                     struct pc_text *texts,
                     size_t count);

/*
 * Reads texts of a process, as pc_process_texts() does. It identifies the process by the inode of
 * its pidfds if that is known, and otherwise by its start time.
 *
 *     if (pc_process_texts_of(&change.process, &text, 1) == 0 && text.error == 0)
 *
 * If pidfd_inode is not 0, the library reads the texts, then opens a pidfd and compares its inode.
 * If the inode is the same, the process had its pid all the time, because a pid never returns to
 * an earlier owner. So the texts are never those of another process, even if the other one started
 * in the same 10 ms. If pidfd_inode is 0, the library compares the start time. If the start time
 * is 0, too, the texts are those of any process that has the pid.
 *
 * process:  a process of a table or of pc_process_read(). Only its pid, pidfd_inode and
 *           start_boottime_ns are used.
 * texts:    count texts, as for pc_process_texts().
 *
 * Returns what pc_process_texts() returns; -EINVAL if process is NULL; or, if pidfd_inode is not 0, an error of
 * pidfd_open(2).
 */
int pc_process_texts_of(const struct pc_process *process,
                        struct pc_text *texts,
                        size_t count);

/* ------------------------------------- Waking up in time -------------------------------------- */

/* How soon a thread runs after it is woken: the argument and the result of pc_wake_soon(). */
enum pc_wake {
    /* As before: pc_wake_soon() has changed nothing. */
    PC_WAKE_USUAL = 0,
    /* SCHED_OTHER with the shortest slice, 100 us. Needs Linux 6.12, but no privilege. */
    PC_WAKE_SLICE = 1,
    /* SCHED_FIFO, priority 1. Needs CAP_SYS_NICE or an RLIMIT_RTPRIO of 1. */
    PC_WAKE_REALTIME = 2,
};

/*
 * Asks the kernel to run the calling thread soon after an event wakes it.
 *
 * Use this in a program that reads more about a process than events carry, such as its command
 * line. A short process is gone a moment after its event, and Linux often lets the process run on
 * for up to 3 ms before it runs the reader. docs/benchmarks.md compares how many command lines are
 * caught with and without this call. The call costs nothing while the thread sleeps, and the
 * thread gets no larger share of the CPUs.
 *
 * Call it once, in the thread that receives. It affects no other thread. The nice value and the
 * utilization clamps stay. The call does not change a thread that is SCHED_BATCH or SCHED_IDLE,
 * unless the caller asks for PC_WAKE_REALTIME and the kernel grants it.
 *
 * Threads and processes that the thread makes later do not inherit this: the call sets
 * SCHED_FLAG_RESET_ON_FORK, and only a thread with CAP_SYS_NICE can clear that flag. There is one
 * exception: if the nice value is negative, the flag would also reset the children's nice value,
 * so they inherit PC_WAKE_SLICE instead. Children of a PC_WAKE_REALTIME thread have nice value 0.
 *
 * most:  PC_WAKE_SLICE or PC_WAKE_REALTIME. If the kernel does not grant the latter, the thread
 *        gets PC_WAKE_SLICE. A realtime thread preempts every other program on its CPU as long as
 *        it works. If realtime threads use a CPU without a pause, the kernel stops them for 50 ms
 *        of each second (sysctl kernel.sched_rt_runtime_us). So do not combine PC_WAKE_REALTIME
 *        with spinning (pc_options.spin_us).
 *
 * Returns the mode now in force, as read back from the kernel:
 * PC_WAKE_REALTIME    also if the thread was SCHED_FIFO, SCHED_RR or SCHED_DEADLINE before
 * PC_WAKE_SLICE       (a sched_ext scheduler may ignore it)
 * PC_WAKE_USUAL       before Linux 6.12, and for SCHED_BATCH and SCHED_IDLE
 * or
 * -EINVAL             most is neither of the two
 * -EPERM, -EIO        a seccomp filter or an LSM forbids it: nothing has changed
 */
int pc_wake_soon(uint32_t most);

#ifdef __cplusplus
}  // extern "C"
#endif  /* __cplusplus */

#endif  /* PROC_CONNECTOR_H */
