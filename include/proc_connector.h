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
 * Results    Functions that can fail return a negative errno value, which pc_strerror() explains.
 *            What they write, they write on success only. A NULL handle or output is -EINVAL, and
 *            so are unknown flags and event bits, timeouts below -1 and counts of 0.
 * Handles    pc_open() and pc_open_fd() make one, pc_close() or pc_release() ends it, exactly once.
 *            Nothing is allocated in between. No threads, no signals, no globals, no output.
 * Tables     A program that wants to know which processes exist, rather than every event, opens a
 *            table with pc_table_open(): it does everything that is said below under "Recovery".
 *            What is said of handles, threads and fork() holds for tables too (a child can still
 *            read its copy, and set values in it), but they allocate as they grow.
 * Ids        A pid is a task's id (what gettid() returns), a tgid its process's (what getpid()
 *            returns). They are equal for the first thread of a process, its leader. All are ids
 *            of the initial PID namespace. The caller's own events arrive too.
 * Times      Timeouts are in milliseconds: 0 does not wait, -1 waits without limit. Timestamps are
 *            CLOCK_MONOTONIC in nanoseconds. Those of neighbouring events may step back a little:
 *            each CPU reads its clock before it queues.
 * Loops      pc_fd() is the socket itself, non-blocking and close-on-exec. When it is readable,
 *            call pc_recv() until it returns 0. Edge-triggered loops must; a level-triggered loop
 *            may take one event per wake-up and still gets every event and hears of every loss.
 * Loss       When events are lost, the stream says so: PC_EVENT_OVERRUN carries the exact number.
 *            In a flood many come, each for a few: add the numbers up, and do not log each.
 * Recovery   A program that keeps a picture of the processes marks it as doubtful at each OVERRUN
 *            and takes a limited number of events per wake-up. When pc_recv() returns 0 and the
 *            picture is doubtful, it reads /proc anew, leaves out what pc_process_alive() says has
 *            ended, and takes the mark away. Since a flood may not let pc_recv() return 0, it also
 *            reads /proc some 100 ms after the mark was made, and every 100 ms from then on; but
 *            then the mark stays, because events from before the loss may still be queued. While it
 *            is there, the program does not wait without limit: no more events may come. /proc may
 *            be ahead of the queue: a FORK of a known process and an EXIT of an unknown one are
 *            normal.
 * Threads    One thread at a time per handle; but pc_fd(), pc_get_stats(), pc_check() and
 *            pc_interrupt() may be called by any thread at any time before pc_close() or
 *            pc_release(). Of a table: pc_table_fd(), pc_table_get_stats(), pc_table_check() and
 *            pc_table_interrupt(). Handles are independent of each other. pc_recv(),
 *            pc_recv_many() and pc_table_next() are cancellation points; of the others none is.
 *            pc_interrupt() and pc_table_interrupt() are the only async-signal-safe ones.
 * fork()     A handle belongs to the process that opened it. In a forked child, pc_close() closes
 *            the child's copy only, pc_fd() and pc_get_stats() work, and everything else returns
 *            -ECHILD. Children of vfork() or clone(CLONE_VM) must not call. A daemon opens after it
 *            has forked; or calls pc_release(), forks, and adopts the socket in the child with
 *            pc_open_fd() and PC_OPEN_SUBSCRIBED.
 * Growth     Kinds, flags and fields may be added. Ignore kinds you do not know. Start options from
 *            PC_OPTIONS_INIT. Reserved fields are zero.
 * Language   C99, C++11 or later.
 * Kernel     Linux 5.10 or later. Before 6.6, opening needs CAP_NET_ADMIN. Process events exist in
 *            the initial network, PID and user namespaces only.
 * System     This list is frozen, for seccomp filters. Receiving: recvfrom, recvmmsg, getsockopt,
 * calls      ppoll, read. pc_interrupt(), pc_table_interrupt(), pc_table_rescan(): write.
 *            pc_set_filter(), pc_subscribe(), pc_unsubscribe(), pc_check(), pc_table_check():
 *            socket, setsockopt, getsockopt, bind, sendto, recvfrom, close, write, futex,
 *            getrandom; and to explain a silent kernel: newfstatat (stat), openat, read. pc_open(),
 *            pc_open_fd(): those of pc_check(), mmap, munmap, madvise, eventfd2, fcntl, and what
 *            malloc() and free() call. pc_close(), pc_release(), pc_table_close(): sendto, close,
 *            munmap, and what free() calls. pc_process_alive(), pc_process_read(): openat, read,
 *            close, kill, tgkill. pc_table_next(): those of receiving and of pc_process_alive(),
 *            getdents64, lseek, epoll_ctl, epoll_pwait, pidfd_open, ioctl, capget, write, and what
 *            malloc() calls. pc_table_open(): those and those of pc_open(), epoll_create1, getpid.
 *            All but those that interrupt, close or look one process up: clock_gettime, where the
 *            vDSO does not have the clock.
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

/* The version of this header; pc_version() is the library's. */
#define PC_VERSION_MAJOR 0u
#define PC_VERSION_MINOR 1u
#define PC_VERSION_PATCH 0u
#define PC_VERSION (((PC_VERSION_MAJOR << 16) | (PC_VERSION_MINOR << 8)) | PC_VERSION_PATCH)

/*
 * Returns the library's version, to be compared with PC_VERSION:
 * major << 16 | minor << 8 | patch.
 */
uint32_t pc_version(void);

/*
 * Returns what an error means here and what to do about it. A static string.
 *
 * error:  what a function of this library returned; the sign does not matter.
 */
const char *pc_strerror(int error);

/* ------------------------------------------- Events ------------------------------------------- */

/* What an event reports: values of pc_event.kind. A newer library may deliver newer ones. */
enum pc_event_kind {
    /* A task was created: a process, or a thread if child_pid != child_tgid. */
    PC_EVENT_FORK = 1,
    /*
     * A process runs a new program, which renames it without a COMM. If another thread than the
     * leader did it, the leader's EXIT comes before, and that thread's own id has no EXIT.
     */
    PC_EVENT_EXEC = 2,
    /* A task ended; see PC_FILTER_NO_THREADS. */
    PC_EVENT_EXIT = 3,
    /* A task's real or effective user id changed. */
    PC_EVENT_UID = 4,
    /* A task's real or effective group id changed. */
    PC_EVENT_GID = 5,
    /* A process started a session. */
    PC_EVENT_SID = 6,
    /* A tracer attached, or detached. (A tracer that exits gives no event.) */
    PC_EVENT_PTRACE = 7,
    /* A task was renamed by prctl(PR_SET_NAME) or /proc/PID/comm, perhaps to the same name. */
    PC_EVENT_COMM = 8,
    /* A process dumps core; its EXIT follows. */
    PC_EVENT_COREDUMP = 9,
    /* Events were lost. Made by the library. */
    PC_EVENT_OVERRUN = 10,
    /* A kernel event that this version does not know. */
    PC_EVENT_UNKNOWN = 11,
};

/* Why events were lost: values of pc_event_overrun.reason. */
enum pc_lost_reason {
    /* The queue was full; the number is exact. */
    PC_LOST_QUEUE = 1,
    /*
     * Nothing was heard for a while: the kernel reported to nobody and pc_check() repaired it, or
     * pc_unsubscribe() failed half-way. The number is unknown.
     */
    PC_LOST_DEAF = 2,
};

/*
 * PC_EVENT_FORK. The parent is the real one: for a thread, and with CLONE_PARENT, it is not the
 * caller but the caller's parent (kernel/fork.c, copy_process()).
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
    /* A wait(2) status: use WIFEXITED() and the like. */
    int32_t exit_code;
    /* The signal that tells the parent, mostly SIGCHLD; -1 for a thread. */
    int32_t exit_signal;
    /* 0 when the kernel gives none. */
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
    /* Both 0: detached. */
    pid_t tracer_pid;
    pid_t tracer_tgid;
};

/* PC_EVENT_COMM */
struct pc_event_comm {
    pid_t pid;
    pid_t tgid;
    /* The new name, always NUL-terminated; any bytes before the NUL. */
    char comm[16];
};

/* PC_EVENT_COREDUMP */
struct pc_event_coredump {
    pid_t pid;
    pid_t tgid;
    pid_t parent_pid;
    pid_t parent_tgid;
};

/*
 * PC_EVENT_OVERRUN: events are missing from the time between since_ns and the event's
 * timestamp_ns.
 */
struct pc_event_overrun {
    /* How many, exactly; 0 when the number is unknown (PC_LOST_DEAF). */
    uint64_t lost;
    /* The last moment at which nothing was known to be missing. */
    uint64_t since_ns;
    /* enum pc_lost_reason */
    uint32_t reason;
    uint32_t reserved;
};

/* PC_EVENT_UNKNOWN */
struct pc_event_unknown {
    /* The kernel's own number for the kind. */
    uint32_t what;
    /* How many bytes the kernel sent behind its header. */
    uint32_t size;
    /* The first of them. */
    uint8_t raw[32];
};

/* What an event's kind defines. Bytes that it does not define are zero. */
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

/* One event: 64 bytes without padding or pointers, to be copied and kept at will. */
struct pc_event {
    /* enum pc_event_kind: says which member of data is valid. */
    uint32_t kind;
    /* The CPU that reported it. */
    uint32_t cpu;
    /* CLOCK_MONOTONIC. (Mind: start times in /proc are CLOCK_BOOTTIME.) */
    uint64_t timestamp_ns;
    /*
     * The kernel's per-CPU sequence number. Filtered events and acknowledgements count too, so
     * that a gap does not mean a loss.
     */
    uint32_t seq;
    uint32_t reserved;
    union pc_event_data data;
};

/*
 * Returns the process that an event is about (of FORK: the child's); 0 for PC_EVENT_OVERRUN,
 * PC_EVENT_UNKNOWN and NULL.
 */
pid_t pc_event_tgid(const struct pc_event *event);

/*
 * Returns the name of a kind: "fork", "exec", … "overrun"; "unknown" for PC_EVENT_UNKNOWN and for
 * kinds of later versions. A static string.
 */
const char *pc_event_name(uint32_t kind);

/*
 * Writes an event as one readable line without a line break, for logs. Its wording may change.
 *
 * buffer:  room for size bytes; NULL if size is 0. Always terminated when size > 0.
 *
 * Returns the length of the whole line, even if it did not fit, as snprintf() does; no line is
 * longer than 255. -EINVAL: a NULL pointer.
 */
int pc_event_format(const struct pc_event *event, char *buffer, size_t size);

/*
 * Takes a datagram apart, for those who receive it by other means: io_uring, a recording. No
 * alignment is assumed. Who sent it is the caller's to check: the kernel's nl_pid is 0.
 *
 * A datagram is a struct nlmsghdr (NLMSG_DONE), a struct cn_msg (CN_IDX_PROC, CN_VAL_PROC) and a
 * struct proc_event (linux/netlink.h, connector.h, cn_proc.h): 76 bytes.
 *
 * datagram:  size bytes as they came from the socket.
 * event:     written only when 1 is returned.
 *
 * Returns 1: an event; 0: a control message that carries none; -EBADMSG: truncated or damaged;
 * -EINVAL: a NULL pointer.
 */
int pc_parse(const void *datagram, size_t size, struct pc_event *event);

/* --------------------------------------- The connector ---------------------------------------- */

/* A connector: a subscription, its queue and its books. */
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
 * Drop the events of tasks that are not thread-group leaders: those with pid != tgid; of FORK,
 * those with child_pid != child_tgid. The EXIT of a leader is not always the end of its process:
 * other threads may live on, or one of them may take its place by an exec. Before you believe it,
 * ask pc_process_alive(). Where that says 2, no event will tell of the end under this filter: ask
 * again from a timer, or do without the filter and ask at each EXIT with that tgid. Which exit
 * code counts is then unknowable from events. (drivers/connector/cn_proc.c reports tasks; measured
 * on Linux 5.10 to 7.3.)
 */
#define PC_FILTER_NO_THREADS (1u << 0)

/*
 * Of the EXIT events, deliver only those whose exit_code is not 0. This judges tasks, not
 * processes: a leader may exit with 0 before its process fails. See PC_FILTER_NO_THREADS.
 */
#define PC_FILTER_NONZERO_EXIT (1u << 1)

/*
 * For pc_open_fd(): whoever made the socket has subscribed it already. Send no LISTEN, but one
 * IGNORE at pc_close(). Queue, filter and subscription belong to the socket, not to a descriptor:
 * whoever else holds it must no longer receive from it, set filters or close a handle on it.
 */
#define PC_OPEN_SUBSCRIBED (1u << 16)

/* How to open a connector. Start from PC_OPTIONS_INIT; NULL stands for it. */
struct pc_options {
    /*
     * sizeof(struct pc_options). Smaller than that of version 0.1: -EINVAL. Longer than this
     * library's, with something set that it does not know, or above 4096: -E2BIG.
     */
    size_t size;
    /* PC_MASK_* bits; 0: everything, unknown kinds included. */
    uint32_t events;
    /* PC_FILTER_* and PC_OPEN_* bits. */
    uint32_t flags;
    /*
     * Budget of the queue in bytes, as the kernel counts them: 768 to 960 per event, measured on
     * Linux 5.10 to 7.3. At most INT_MAX. 0: 32 MiB, some 35,000 events. Without CAP_NET_ADMIN
     * the kernel grants at most twice the sysctl net.core.rmem_max (stock: 440 events; raise it);
     * what was granted is in pc_stats.rcvbuf_bytes. The memory is in use only while events wait,
     * but a stalled reader can pin all of it. On AF_UNIX it has no effect.
     */
    uint32_t rcvbuf_bytes;
    uint32_t reserved;
};

/* The initial value of a struct pc_options: everything, with the default queue. */
#define PC_OPTIONS_INIT { sizeof(struct pc_options), 0, 0, 0, 0 }

/*
 * Opens a connector and subscribes to process events.
 *
 * It returns once the kernel has acknowledged this subscription, and never blocks. Every event
 * from then on is delivered or counted as lost.
 *
 * out:      receives the handle, to be given to pc_close().
 * options:  what to receive, and how much to queue; NULL: everything, 32 MiB.
 *
 * Returns 0 or, each with its own text in pc_strerror():
 * -EINVAL, -E2BIG     bad options, PC_OPEN_SUBSCRIBED among them
 * -EPROTONOSUPPORT    a kernel without CONFIG_CONNECTOR
 * -EAFNOSUPPORT       netlink is forbidden (systemd's RestrictAddressFamilies=)
 * -ENOSYS             a kernel without CONFIG_PROC_EVENTS
 * -ECONNREFUSED       not in the initial network namespace
 * -EOPNOTSUPP         not in the initial PID and user namespaces
 * -EPERM              before Linux 6.6: no CAP_NET_ADMIN; later: a seccomp filter or an LSM
 * -EMFILE, -ENFILE, -ENOMEM
 * -ETIMEDOUT          no acknowledgement although none of the above holds
 */
int pc_open(struct pc_connector **out, const struct pc_options *options);

/*
 * Adopts a socket that somebody else opened.
 *
 * A NETLINK_CONNECTOR socket, DGRAM or RAW and a member of group 1, as a privileged parent or
 * systemd passes it on; its pending events are kept, and what it lost before is not counted. Or an
 * AF_UNIX socket, DGRAM or SEQPACKET, to feed a program with events without privilege or kernel,
 * for its tests: a datagram for each, as pc_parse() takes them. Prefer SEQPACKET, which can end
 * (by the close of its peer, or by an empty datagram). There, masks and flags work as well,
 * nothing is lost, and pc_subscribe(), pc_unsubscribe() and pc_check() return 0 and do nothing.
 *
 * The descriptor becomes non-blocking and close-on-exec. Unless options ask for a budget, its
 * queue is never made smaller. With PC_OPEN_SUBSCRIBED no privilege is needed on any kernel; but
 * before Linux 6.6 the IGNORE of an unprivileged pc_close() has no effect.
 *
 * out:      receives the handle.
 * fd:       belongs to the handle on success; on failure it is still the caller's, open, with its
 *           old settings (but for a BPF filter of its own, which is lost, and if options ask for a
 *           smaller queue: without CAP_NET_ADMIN one above net.core.rmem_max is not given back).
 * options:  as for pc_open().
 *
 * Returns 0 or what pc_open() returns, or
 * -EBADF              not an open descriptor
 * -EPROTOTYPE         not such a socket
 * -EINVAL             not a member of group 1
 */
int pc_open_fd(struct pc_connector **out, int fd, const struct pc_options *options);

/*
 * Returns the socket, for poll() and the like; -EINVAL if pc is NULL.
 *
 * Readable means: call pc_recv() or pc_recv_many() until it returns 0. The first call may return 0
 * already, if what was there was forged or filtered. Do not read, close or configure the
 * descriptor. A runtime that insists on owning one gets a dup().
 */
int pc_fd(const struct pc_connector *pc);

/*
 * Receives one event. One that is ready costs one system call.
 *
 * event:       written only when 1 is returned.
 * timeout_ms:  how long to wait for it; 0: not at all, -1: without limit. It is a deadline: what
 *              is dropped on the way does not restart it. (What waits already and is to be
 *              dropped, because it was queued under another filter or forged, is dropped first.)
 *
 * Returns 1: an event; 0: none came in time; or
 * -EINTR       a signal arrived while waiting, SA_RESTART or not; nothing is lost, call again
 * -ECANCELED   pc_interrupt()
 * -EPIPE       the end of the stream (AF_UNIX SEQPACKET only), repeatedly
 * -ECHILD      the handle is the parent's
 * -EINVAL      and what recvfrom(2), getsockopt(2) and ppoll(2) return
 */
int pc_recv(struct pc_connector *pc, struct pc_event *event, int timeout_ms);

/*
 * Receives up to count events, at most 64, in one system call.
 *
 * A batch that is short does not mean that no more wait: only 0 does.
 *
 * events:      room for count events; what is behind the returned number is unspecified.
 * timeout_ms:  how long to wait for the first of them, as for pc_recv().
 *
 * Returns how many were received, 0: none came in time, or what pc_recv() returns.
 */
int pc_recv_many(struct pc_connector *pc, struct pc_event *events, size_t count, int timeout_ms);

/*
 * Chooses other events, atomically.
 *
 * Events that are queued already are judged by the filter in force when they are received; those
 * it rejects count as filtered. While paused, the filter takes effect with pc_subscribe().
 *
 * filter:  events and PC_FILTER_* flags; everything else must be 0. NULL: everything.
 *
 * Returns 0, -EINVAL, -E2BIG, -ECHILD, -ENOMEM, or -EPERM (a seccomp filter, or the socket's
 * filter is locked); on failure the old filter stays.
 */
int pc_set_filter(struct pc_connector *pc, const struct pc_options *filter);

/*
 * Resumes after pc_unsubscribe(); otherwise does nothing.
 *
 * If a deafness was found before the pause and could not be repaired, a PC_EVENT_OVERRUN with
 * PC_LOST_DEAF follows, for which pc_fd() does not become readable: call pc_recv().
 *
 * Returns 0, -ECHILD, or what pc_open() returns; then the connector is still paused.
 */
int pc_subscribe(struct pc_connector *pc);

/*
 * Pauses: no events from now on. If paused already, does nothing.
 *
 * What is queued, and losses that are not announced yet, can still be received.
 *
 * Returns 0, -EINVAL, -ECHILD, or what setsockopt(2) and sendto(2) return (but -EPERM for EACCES
 * and -ENOMEM for ENOBUFS): then events go on, behind a PC_EVENT_OVERRUN with PC_LOST_DEAF if some
 * may be missing.
 */
int pc_unsubscribe(struct pc_connector *pc);

/*
 * Proves that the kernel still reports. Any thread may call it; it costs microseconds: call it
 * from a daemon's timer, and receive if it returns 1.
 *
 * The kernel counts its listeners for the whole machine and reports to nobody while the count is
 * below one. From Linux 6.6 on any unprivileged process can bring it there
 * (drivers/connector/cn_proc.c, cn_proc_mcast_ctl(); tried). This function notices, and repairs
 * it. A paused connector is not checked.
 *
 * From Linux 6.6 on it also renews this connector's own subscription, which another holder of the
 * same socket may have ended. That cannot be told from a renewal that changes nothing: the result
 * is 0 and what was missed is not known.
 *
 * Returns 0: the kernel reports, now. (That somebody else made it deaf and a third one repaired it
 * since the last check cannot be known.) 1: the kernel was deaf and is repaired; a
 * PC_EVENT_OVERRUN with PC_LOST_DEAF follows in the stream. pc_fd() does not become readable for
 * it: call pc_recv(). -EPERM: the privilege has been dropped, before Linux 6.6. -ECHILD, -EINVAL,
 * or what pc_open() returns.
 */
int pc_check(struct pc_connector *pc);

/*
 * Ends a wait: the current or the next call with a timeout other than 0 returns -ECANCELED, once.
 *
 * Any thread and any signal handler may call it, until pc_close() or pc_release() is called.
 * Several interrupts before that return count as one. Calls with timeout 0 neither see nor consume
 * it. pc_fd() does not become readable. An interrupt that comes late cancels the next wait: a
 * program that uses one to say "stop" sets a flag of its own first, and looks at it whenever it
 * gets -ECANCELED.
 *
 * Returns 0, -EINVAL or -ECHILD; errno stays as it is.
 */
int pc_interrupt(struct pc_connector *pc);

/*
 * The counters of a connector. At any time when pc_recv() has returned 0,
 * received + filtered + lost + foreign + malformed is exactly the number of messages that the
 * socket's filter in the kernel has admitted.
 */
struct pc_stats {
    /* Kernel events delivered to the caller. */
    uint64_t received;
    /*
     * Admitted by the kernel, but rejected when they were received: queued before a
     * pc_set_filter(), on AF_UNIX, or no event.
     */
    uint64_t filtered;
    /* Lost in a full queue: the sum of all that PC_EVENT_OVERRUN announced. */
    uint64_t lost;
    /* Not sent by the kernel: forged. */
    uint64_t foreign;
    /* Damaged. */
    uint64_t malformed;
    /* How often a deaf kernel was repaired. */
    uint64_t repaired;
    /* The queue budget that the kernel granted. */
    uint32_t rcvbuf_bytes;
    uint32_t reserved;
    uint64_t reserved2[2];
};

/*
 * Copies the books. Any thread may call it; each field by itself is exact.
 *
 * stats:  receives them.
 * size:   sizeof(struct pc_stats). Smaller than that of version 0.1: -EINVAL. What is behind this
 *         library's own fields is zeroed.
 *
 * Returns 0 or -EINVAL.
 */
int pc_get_stats(const struct pc_connector *pc, struct pc_stats *stats, size_t size);

/*
 * Unsubscribes, exactly once, and closes. NULL is allowed. errno stays as it is.
 *
 * The subscription belongs to the socket: this ends it for every dup() of pc_fd() too.
 */
void pc_close(struct pc_connector *pc);

/*
 * Ends the handle but not the subscription, and returns the socket, which is the caller's now: for
 * a successor (a child, or the same daemon after its restart, through systemd's FD store), who
 * gives it to pc_open_fd() with PC_OPEN_SUBSCRIBED and misses nothing.
 *
 * It is still non-blocking and close-on-exec, and has its filter: who hands it on through
 * execve(2) takes FD_CLOEXEC away first (fcntl(2)).
 *
 * Receive until 0 before: a loss that is not announced yet is not counted by the successor. Of a
 * paused connector the socket is not subscribed: the successor goes without PC_OPEN_SUBSCRIBED.
 *
 * Returns the descriptor, or -EINVAL or -ECHILD, and then nothing has changed.
 */
int pc_release(struct pc_connector *pc);

/* ------------------------------------- The process table -------------------------------------- */

/* A table of all processes, and the connector that keeps it true. */
struct pc_table;

/* Fields of a struct pc_process: bits for pc_table_options.fields and pc_process.valid. */
#define PC_FIELD_PARENT (1u << 0)
#define PC_FIELD_START (1u << 1)
#define PC_FIELD_SESSION (1u << 2)
#define PC_FIELD_COMM (1u << 3)
#define PC_FIELD_CREDENTIALS (1u << 4)

/* How to open a table. Start from PC_TABLE_OPTIONS_INIT. */
struct pc_table_options {
    /* sizeof(struct pc_table_options); the rules are those of pc_options. */
    size_t size;
    /*
     * PC_FIELD_* to keep up to date; 0: all. PARENT and START always are. Without CREDENTIALS
     * each process costs one reading less; without COMM, programs that rename themselves all the
     * time cost nothing.
     */
    uint32_t fields;
    /* Must be 0. */
    uint32_t flags;
    /* As in pc_options. */
    uint32_t rcvbuf_bytes;
    /*
     * How many processes one call of pc_table_next() may read from /proc, at 10 to 30 us each;
     * 0: 64.
     */
    uint32_t max_work;
};

/* The initial value of a struct pc_table_options: all fields, with the default queue. */
#define PC_TABLE_OPTIONS_INIT { sizeof(struct pc_table_options), 0, 0, 0, 0 }

/*
 * Opens a connector, and a table of all processes that is kept true through it.
 *
 * List, then follow, then heal: pc_table_next() tells every process that is there (FOUND), then
 * SYNCED, then every change. (What a process did before it could be read is not told one by one:
 * its STARTED, or EXECED, has it all.) Processes, not threads: each begins once (FOUND or STARTED)
 * and ends once (EXITED or VANISHED), when its last thread has, whatever the order of the kernel's
 * events. When events were lost, the table reads /proc anew, tells what is different (RECOVERED),
 * and then SYNCED with the number of events lost: after that nothing is in doubt.
 *
 * It needs what pc_open() needs, and a /proc that shows all processes. Its memory grows with the
 * most processes that there have been at a time: for each, 210 bytes (pids side by side) to 470
 * (far apart) are in use, and at most 1,100 allocated. A descriptor is held for each process that
 * lives on without its leader.
 *
 * out:      receives the table, to be given to pc_table_close().
 * options:  NULL: all fields, 32 MiB.
 *
 * Returns 0, what pc_open() returns, or
 * -EACCES             /proc is not mounted, hides processes, or is another PID namespace's
 * -EOPNOTSUPP         not in the initial time namespace either
 */
int pc_table_open(struct pc_table **out, const struct pc_table_options *options);

/*
 * Returns a descriptor for poll() and the like; -EINVAL if table is NULL.
 *
 * It is readable while pc_table_next() has something to do: call that until it returns 0, or once
 * per wake-up in a level-triggered loop. Do nothing else with it.
 */
int pc_table_fd(const struct pc_table *table);

/*
 * pc_process.state: a thread of the kernel. It renames itself without an event, so that
 * PC_FIELD_COMM is never valid: comm is what it was when it was read.
 */
#define PC_PROCESS_KERNEL_THREAD (1u << 0)

/* pc_process.state: its leader has ended, but other threads live on. */
#define PC_PROCESS_LEADER_GONE (1u << 1)

/* A process. 112 bytes. */
struct pc_process {
    /* Given by the table, and never again as long as that is open: pids are reused, ids are not. */
    uint64_t id;
    /*
     * The parent's id; 0: it has none, or it is not known yet. (No change tells when it becomes
     * known.)
     */
    uint64_t parent_id;
    /* When it began: CLOCK_BOOTTIME in nanoseconds, rounded down to 10 ms. */
    uint64_t start_boottime_ns;
    /* What pc_table_set_user() has set; 0 in a new process. */
    uint64_t user;
    pid_t pid;
    pid_t parent_pid;
    pid_t session;
    /*
     * PC_FIELD_* that are known and kept up to date. Do not use the others: they hold what was
     * read once, what the parent had (if the process ended before it could be read), or 0, which
     * is also root's id.
     */
    uint32_t valid;
    uid_t ruid;
    uid_t euid;
    gid_t rgid;
    gid_t egid;
    /* The leader's name, always terminated. */
    char comm[16];
    /* PC_PROCESS_*, as of now: no change tells of them alone. */
    uint32_t state;
    uint32_t reserved;
    uint64_t reserved2[3];
};

/* What a change is: values of pc_change.kind. */
enum pc_change_kind {
    /* It was running when the table was opened. */
    PC_CHANGE_FOUND = 1,
    /* It began. */
    PC_CHANGE_STARTED = 2,
    /* It runs a new program. */
    PC_CHANGE_EXECED = 3,
    /* Its leader has another name. */
    PC_CHANGE_RENAMED = 4,
    /* It has other user or group ids. */
    PC_CHANGE_CREDENTIALS = 5,
    /* It is in another session. */
    PC_CHANGE_SESSION = 6,
    /* Its parent has ended, and it has another one. */
    PC_CHANGE_REPARENTED = 7,
    /*
     * It has ended: all its threads have. (It may still be a zombie: of its reaping nobody tells.)
     */
    PC_CHANGE_EXITED = 8,
    /*
     * It has ended: a reading of /proc has noticed. The event that would have told is lost, or
     * comes too late.
     */
    PC_CHANGE_VANISHED = 9,
    /* The table is what /proc is, and all that was found has been told. About no process. */
    PC_CHANGE_SYNCED = 10,
};

/*
 * pc_change.flags: found by reading /proc, after events were lost or pc_table_rescan() was called;
 * the timestamp is that of the reading. Of SYNCED: this is the end of such a reading.
 */
#define PC_CHANGE_RECOVERED (1u << 0)

/*
 * pc_change.flags, of EXITED: exit_code is known. It is not where the kernel's events leave it
 * open: the process outlived its leader (but Linux 6.15 tells whoever may trace it), it was reaped
 * before its EXIT was made, its pid was reused at once, or the table lagged by more than 10 ms, so
 * that the process may have outlived its leader unseen.
 */
#define PC_CHANGE_EXIT_CODE (1u << 1)

/*
 * pc_change.flags, of SYNCED: the kernel had reported to nobody for a while (pc_table_check() has
 * repaired it), so that lost is not the whole number.
 */
#define PC_CHANGE_DEAF (1u << 2)

/*
 * pc_change.flags, beside PC_CHANGE_EXIT_CODE: exit_code is what the leader's EXIT said. The
 * process itself could not be asked (before Linux 6.15, because it had been reaped, or because
 * this process may not trace it, ptrace(2)). Its last thread has ended with the same, unless it
 * outlived the leader, by less than 10 ms, and had a code of its own.
 */
#define PC_CHANGE_LEADER_CODE (1u << 3)

/* A change of a process. 168 bytes. */
struct pc_change {
    /* enum pc_change_kind; a newer library may tell newer ones. */
    uint32_t kind;
    /* PC_CHANGE_RECOVERED and the like. */
    uint32_t flags;
    /* CLOCK_MONOTONIC in nanoseconds. */
    uint64_t timestamp_ns;
    /* Of SYNCED: how many events were lost since the last one. */
    uint64_t lost;
    /* Of SYNCED, if events were lost: since when, CLOCK_MONOTONIC; else 0. */
    uint64_t since_ns;
    /* Of EXITED with PC_CHANGE_EXIT_CODE: a wait(2) status; else 0. */
    int32_t exit_code;
    uint32_t reserved;
    uint64_t reserved2[2];
    /* After the change; of EXITED and VANISHED, as it last was; of SYNCED, zero. */
    struct pc_process process;
};

/*
 * Tells the next change.
 *
 * One call does a limited amount of work (pc_table_options.max_work), so that a loop is not held
 * up. With timeout 0 it may therefore return 0 with work left; then pc_table_fd() is readable,
 * and edge-triggered loops hear of it anew.
 *
 * change:      room for one.
 * timeout_ms:  as for pc_recv().
 *
 * Returns 1: a change; 0: none yet; what pc_recv() returns; -ENOMEM; or -EMFILE, -ENFILE and what
 * else open(2), read(2), getdents64(2), lseek(2), epoll_ctl(2) and pidfd_open(2) return. After an
 * error nothing is lost: call again. That a process without its leader cannot be watched is said
 * once; its end is then noticed by one of the later calls.
 */
int pc_table_next(struct pc_table *table, struct pc_change *change, int timeout_ms);

/*
 * Looks a process up, as the changes told so far have left it.
 *
 * Returns 1: process is written; 0: there is no such process; -EINVAL: a NULL pointer.
 */
int pc_table_get(const struct pc_table *table, pid_t pid, struct pc_process *process);

/*
 * Walks through the table in the order of pids. Changes may be told in between: what is there all
 * the time is met once.
 *
 * cursor:  0 at first; then what the last call has left there.
 *
 * Returns 1: process is written; 0: no more; -EINVAL: a NULL pointer.
 */
int pc_table_each(const struct pc_table *table, uint64_t *cursor, struct pc_process *process);

/*
 * Keeps a value of the caller's with a process: it is in pc_process.user from then on, also in the
 * change that tells its end.
 *
 * Returns 0; -ESRCH: there is no such process in the table; -EINVAL: table is NULL.
 */
int pc_table_set_user(struct pc_table *table, pid_t pid, uint64_t user);

/* Returns how many processes the changes told so far have left in the table; 0 if it is NULL. */
size_t pc_table_count(const struct pc_table *table);

/* pc_check() for the table's connector; if it returns 1, the table heals itself. */
int pc_table_check(struct pc_table *table);

/*
 * Has the table read /proc anew, as if events had been lost: differences are told, then SYNCED
 * (RECOVERED both, with 0 lost). For programs that must be sure although a deafness that another
 * listener has repaired leaves no trace.
 *
 * Returns 0, -ECHILD, or -EINVAL if table is NULL.
 */
int pc_table_rescan(struct pc_table *table);

/* pc_get_stats() for the table's connector. */
int pc_table_get_stats(const struct pc_table *table, struct pc_stats *stats, size_t size);

/* Ends a wait in pc_table_next(), as pc_interrupt() does in pc_recv(). */
int pc_table_interrupt(struct pc_table *table);

/* Closes the table and its connector. NULL is allowed. errno stays as it is. */
void pc_table_close(struct pc_table *table);

/* -------------------------------------- Single processes -------------------------------------- */

/*
 * Looks a process up in /proc: whether an EXIT of its leader was its end.
 *
 * tgid:  an id of this PID namespace, which should be the initial one.
 *
 * Returns 1: it lives; 2: its leader has ended but other threads live on (or, for a moment, one of
 * them takes its place by an exec); 0: it has ended, is a zombie, or never was; -ESRCH: this is a
 * thread's id, not a process's, although /proc opens it; -EACCES: /proc does not show it although
 * it exists (not mounted, hidepid); -EINVAL: not positive; or what open(2) and read(2) return.
 */
int pc_process_alive(pid_t tgid);

/*
 * Reads one process from /proc, without a table, and without allocation. Its id, parent_id and
 * user are 0.
 *
 * Returns what pc_process_alive() returns; process is written if that is 1 or 2.
 */
int pc_process_read(pid_t pid, struct pc_process *process);

#ifdef __cplusplus
}  // extern "C"
#endif  /* __cplusplus */

#endif  /* PROC_CONNECTOR_H */
