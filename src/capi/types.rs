//! The types of proc_connector.h. The comments become the header's.
#![allow(missing_docs)]

use crate::protocol::event::{Event, kind, reason};
use core::ffi::c_char;
use core::mem::offset_of;

/// cbindgen:no-export
type pid_t = i32;
/// cbindgen:no-export
type uid_t = u32;
/// cbindgen:no-export
type gid_t = u32;

/// The version of this header; pc_version() is the library's.
pub const PC_VERSION_MAJOR: u32 = 0u32;
pub const PC_VERSION_MINOR: u32 = 1u32;
pub const PC_VERSION_PATCH: u32 = 0u32;
pub const PC_VERSION: u32 = (PC_VERSION_MAJOR << 16) | (PC_VERSION_MINOR << 8) | PC_VERSION_PATCH;

/// Events to receive: bits for pc_options.events. PC_EVENT_OVERRUN passes every mask.
pub const PC_MASK_FORK: u32 = 1u32 << 1;
pub const PC_MASK_EXEC: u32 = 1u32 << 2;
pub const PC_MASK_EXIT: u32 = 1u32 << 3;
pub const PC_MASK_UID: u32 = 1u32 << 4;
pub const PC_MASK_GID: u32 = 1u32 << 5;
pub const PC_MASK_SID: u32 = 1u32 << 6;
pub const PC_MASK_PTRACE: u32 = 1u32 << 7;
pub const PC_MASK_COMM: u32 = 1u32 << 8;
pub const PC_MASK_COREDUMP: u32 = 1u32 << 9;
/// Kernel events that this version does not know.
pub const PC_MASK_UNKNOWN: u32 = 1u32 << 11;
/// The nine kinds that kernels send today: bits 1 to 9.
pub const PC_MASK_ALL: u32 = (1u32 << 10) - 2u32;

/// Drop the events of tasks that are not thread-group leaders: those with pid != tgid; of FORK,
/// those with child_pid != child_tgid. The EXIT of a leader is not always the end of its process:
/// other threads may live on, or one of them may take its place by an exec. Before you believe it,
/// ask pc_process_alive(). Where that says 2, no event will tell of the end under this filter: ask
/// again from a timer, or do without the filter and ask at each EXIT with that tgid. Which exit
/// code counts is then unknowable from events. (drivers/connector/cn_proc.c reports tasks; measured
/// on Linux 5.10 to 7.3.)
pub const PC_FILTER_NO_THREADS: u32 = 1u32 << 0;
/// Of the EXIT events, deliver only those whose exit_code is not 0. This judges tasks, not
/// processes: a leader may exit with 0 before its process fails. See PC_FILTER_NO_THREADS.
pub const PC_FILTER_NONZERO_EXIT: u32 = 1u32 << 1;
/// For pc_open_fd(): whoever made the socket has subscribed it already. Send no LISTEN, but one
/// IGNORE at pc_close(). Queue, filter and subscription belong to the socket, not to a descriptor:
/// whoever else holds it must no longer receive from it, set filters or close a handle on it.
pub const PC_OPEN_SUBSCRIBED: u32 = 1u32 << 16;

/// What an event reports: values of pc_event.kind. A newer library may deliver newer ones.
#[repr(C)]
pub enum pc_event_kind {
    /// A task was created: a process, or a thread if child_pid != child_tgid.
    PC_EVENT_FORK = 1,
    /// A process runs a new program, which renames it without a COMM. If another thread than the
    /// leader did it, the leader's EXIT comes before, and that thread's own id has no EXIT.
    PC_EVENT_EXEC = 2,
    /// A task ended; see PC_FILTER_NO_THREADS.
    PC_EVENT_EXIT = 3,
    /// A task's real or effective user id changed.
    PC_EVENT_UID = 4,
    /// A task's real or effective group id changed.
    PC_EVENT_GID = 5,
    /// A process started a session.
    PC_EVENT_SID = 6,
    /// A tracer attached, or detached. (A tracer that exits gives no event.)
    PC_EVENT_PTRACE = 7,
    /// A task was renamed by prctl(PR_SET_NAME) or /proc/PID/comm, perhaps to the same name.
    PC_EVENT_COMM = 8,
    /// A process dumps core; its EXIT follows.
    PC_EVENT_COREDUMP = 9,
    /// Events were lost. Made by the library.
    PC_EVENT_OVERRUN = 10,
    /// A kernel event that this version does not know.
    PC_EVENT_UNKNOWN = 11,
}

/// Why events were lost: values of pc_event_overrun.reason.
#[repr(C)]
pub enum pc_lost_reason {
    /// The queue was full; the number is exact.
    PC_LOST_QUEUE = 1,
    /// Nothing was heard for a while: the kernel reported to nobody and pc_check() repaired it, or
    /// pc_unsubscribe() failed half-way. The number is unknown.
    PC_LOST_DEAF = 2,
}

/// PC_EVENT_FORK. The parent is the real one: for a thread, and with CLONE_PARENT, it is not the
/// caller but the caller's parent (kernel/fork.c, copy_process()).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pc_event_fork {
    pub parent_pid: pid_t,
    pub parent_tgid: pid_t,
    pub child_pid: pid_t,
    pub child_tgid: pid_t,
}

/// PC_EVENT_EXEC
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pc_event_exec {
    pub pid: pid_t,
    pub tgid: pid_t,
}

/// PC_EVENT_EXIT
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pc_event_exit {
    pub pid: pid_t,
    pub tgid: pid_t,
    /// A wait(2) status: use WIFEXITED() and the like.
    pub exit_code: i32,
    /// The signal that tells the parent, mostly SIGCHLD; -1 for a thread.
    pub exit_signal: i32,
    /// 0 when the kernel gives none.
    pub parent_pid: pid_t,
    pub parent_tgid: pid_t,
}

/// PC_EVENT_UID: the new ids, as the initial user namespace sees them.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pc_event_uid {
    pub pid: pid_t,
    pub tgid: pid_t,
    pub ruid: uid_t,
    pub euid: uid_t,
}

/// PC_EVENT_GID: the new ids, as the initial user namespace sees them.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pc_event_gid {
    pub pid: pid_t,
    pub tgid: pid_t,
    pub rgid: gid_t,
    pub egid: gid_t,
}

/// PC_EVENT_SID: the new session's id is the tgid.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pc_event_sid {
    pub pid: pid_t,
    pub tgid: pid_t,
}

/// PC_EVENT_PTRACE
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pc_event_ptrace {
    pub pid: pid_t,
    pub tgid: pid_t,
    /// Both 0: detached.
    pub tracer_pid: pid_t,
    pub tracer_tgid: pid_t,
}

/// PC_EVENT_COMM
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pc_event_comm {
    pub pid: pid_t,
    pub tgid: pid_t,
    /// The new name, always NUL-terminated; any bytes before the NUL.
    pub comm: [c_char; 16],
}

/// PC_EVENT_COREDUMP
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pc_event_coredump {
    pub pid: pid_t,
    pub tgid: pid_t,
    pub parent_pid: pid_t,
    pub parent_tgid: pid_t,
}

/// PC_EVENT_OVERRUN: events are missing from the time between since_ns and the event's
/// timestamp_ns.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pc_event_overrun {
    /// How many, exactly; 0 when the number is unknown (PC_LOST_DEAF).
    pub lost: u64,
    /// The last moment at which nothing was known to be missing.
    pub since_ns: u64,
    /// enum pc_lost_reason
    pub reason: u32,
    pub reserved: u32,
}

/// PC_EVENT_UNKNOWN
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pc_event_unknown {
    /// The kernel's own number for the kind.
    pub what: u32,
    /// How many bytes the kernel sent behind its header.
    pub size: u32,
    /// The first of them.
    pub raw: [u8; 32],
}

/// What an event's kind defines. Bytes that it does not define are zero.
#[repr(C)]
#[derive(Clone, Copy)]
pub union pc_event_data {
    pub fork: pc_event_fork,
    pub exec: pc_event_exec,
    pub exit: pc_event_exit,
    pub uid: pc_event_uid,
    pub gid: pc_event_gid,
    pub sid: pc_event_sid,
    pub ptrace: pc_event_ptrace,
    pub comm: pc_event_comm,
    pub coredump: pc_event_coredump,
    pub overrun: pc_event_overrun,
    pub unknown: pc_event_unknown,
}

/// One event: 64 bytes without padding or pointers, to be copied and kept at will.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pc_event {
    /// enum pc_event_kind: says which member of data is valid.
    pub kind: u32,
    /// The CPU that reported it.
    pub cpu: u32,
    /// CLOCK_MONOTONIC. (Mind: start times in /proc are CLOCK_BOOTTIME.)
    pub timestamp_ns: u64,
    /// The kernel's per-CPU sequence number. Filtered events and acknowledgements count too, so
    /// that a gap does not mean a loss.
    pub seq: u32,
    pub reserved: u32,
    pub data: pc_event_data,
}

/// How to open a connector. Start from PC_OPTIONS_INIT; NULL stands for it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pc_options {
    /// sizeof(struct pc_options). Smaller than that of version 0.1: -EINVAL. Longer than this
    /// library's, with something set that it does not know, or above 4096: -E2BIG.
    pub size: usize,
    /// PC_MASK_* bits; 0: everything, unknown kinds included.
    pub events: u32,
    /// PC_FILTER_* and PC_OPEN_* bits.
    pub flags: u32,
    /// Budget of the queue in bytes, as the kernel counts them: 768 to 960 per event, measured on
    /// Linux 5.10 to 7.3. At most INT_MAX. 0: 32 MiB, some 35,000 events. Without CAP_NET_ADMIN
    /// the kernel grants at most twice the sysctl net.core.rmem_max (stock: 440 events; raise it);
    /// what was granted is in pc_stats.rcvbuf_bytes. The memory is in use only while events wait,
    /// but a stalled reader can pin all of it. On AF_UNIX it has no effect.
    pub rcvbuf_bytes: u32,
    pub reserved: u32,
}

/// The counters of a connector. At any time when pc_recv() has returned 0,
/// received + filtered + lost + foreign + malformed is exactly the number of messages that the
/// socket's filter in the kernel has admitted.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pc_stats {
    /// Kernel events delivered to the caller.
    pub received: u64,
    /// Admitted by the kernel, but rejected when they were received: queued before a
    /// pc_set_filter(), on AF_UNIX, or no event.
    pub filtered: u64,
    /// Lost in a full queue: the sum of all that PC_EVENT_OVERRUN announced.
    pub lost: u64,
    /// Not sent by the kernel: forged.
    pub foreign: u64,
    /// Damaged.
    pub malformed: u64,
    /// How often a deaf kernel was repaired.
    pub repaired: u64,
    /// The queue budget that the kernel granted.
    pub rcvbuf_bytes: u32,
    pub reserved: u32,
    pub reserved2: [u64; 2],
}

// The kinds, masks and flags of the header are those of the core.
const _: () = {
    use crate::protocol::filter::{MASK_ALL, MASK_UNKNOWN, NO_THREADS, NONZERO_EXIT};
    use pc_event_kind::*;
    assert!(PC_EVENT_FORK as u32 == kind::FORK && PC_MASK_FORK == 1 << kind::FORK);
    assert!(PC_EVENT_EXEC as u32 == kind::EXEC && PC_MASK_EXEC == 1 << kind::EXEC);
    assert!(PC_EVENT_EXIT as u32 == kind::EXIT && PC_MASK_EXIT == 1 << kind::EXIT);
    assert!(PC_EVENT_UID as u32 == kind::UID && PC_MASK_UID == 1 << kind::UID);
    assert!(PC_EVENT_GID as u32 == kind::GID && PC_MASK_GID == 1 << kind::GID);
    assert!(PC_EVENT_SID as u32 == kind::SID && PC_MASK_SID == 1 << kind::SID);
    assert!(PC_EVENT_PTRACE as u32 == kind::PTRACE && PC_MASK_PTRACE == 1 << kind::PTRACE);
    assert!(PC_EVENT_COMM as u32 == kind::COMM && PC_MASK_COMM == 1 << kind::COMM);
    assert!(PC_EVENT_COREDUMP as u32 == kind::COREDUMP && PC_MASK_COREDUMP == 1 << kind::COREDUMP);
    assert!(PC_EVENT_OVERRUN as u32 == kind::OVERRUN);
    assert!(PC_EVENT_UNKNOWN as u32 == kind::UNKNOWN && PC_MASK_UNKNOWN == MASK_UNKNOWN);
    assert!(pc_lost_reason::PC_LOST_QUEUE as u32 == reason::QUEUE);
    assert!(pc_lost_reason::PC_LOST_DEAF as u32 == reason::DEAF);
    assert!(PC_MASK_ALL == MASK_ALL);
    assert!(PC_FILTER_NO_THREADS == NO_THREADS && PC_FILTER_NONZERO_EXIT == NONZERO_EXIT);
};

// A pc_event is an Event.
const _: () = {
    assert!(size_of::<pc_event>() == 64 && size_of::<Event>() == 64);
    assert!(align_of::<pc_event>() == align_of::<Event>());
    assert!(offset_of!(pc_event, kind) == offset_of!(Event, kind));
    assert!(offset_of!(pc_event, cpu) == offset_of!(Event, cpu));
    assert!(offset_of!(pc_event, timestamp_ns) == offset_of!(Event, timestamp_ns));
    assert!(offset_of!(pc_event, seq) == offset_of!(Event, seq));
    assert!(offset_of!(pc_event, data) == offset_of!(Event, data));
    assert!(size_of::<pc_event_data>() == crate::protocol::event::DATA_SIZE);
};

/// The decimal number that a part of the package's version is.
const fn parsed(text: &str) -> u32 {
    let mut value = 0;
    let mut i = 0;
    while i < text.len() {
        value = value * 10 + (text.as_bytes()[i] - b'0') as u32;
        i += 1;
    }
    value
}

// The header's version is the package's.
const _: () = {
    assert!(PC_VERSION_MAJOR == parsed(env!("CARGO_PKG_VERSION_MAJOR")));
    assert!(PC_VERSION_MINOR == parsed(env!("CARGO_PKG_VERSION_MINOR")));
    assert!(PC_VERSION_PATCH == parsed(env!("CARGO_PKG_VERSION_PATCH")));
};
