//! Events in proc_connector.h. The comments become the header's.
#![allow(missing_docs, clippy::missing_safety_doc)]

use crate::memory::Place;
use crate::protocol::event::{self, Event, kind, reason};
use crate::protocol::filter::Filter;
use crate::protocol::format::format;
use crate::protocol::wire;
use core::ffi::{c_char, c_int, c_void};
use core::mem::offset_of;
use core::slice;

/// cbindgen:no-export
type pid_t = i32;
/// cbindgen:no-export
type uid_t = u32;
/// cbindgen:no-export
type gid_t = u32;

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

/// Returns the process that an event is about (of FORK: the child's); 0 for PC_EVENT_OVERRUN,
/// PC_EVENT_UNKNOWN and NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_event_tgid(event: *const pc_event) -> pid_t {
    // SAFETY: NULL or a valid event, which is laid out as Event.
    unsafe { event.cast::<Event>().as_ref() }.map_or(0, Event::tgid)
}

/// Returns the name of a kind: "fork", "exec", … "overrun"; "unknown" for PC_EVENT_UNKNOWN and for
/// kinds of later versions. A static string.
#[unsafe(no_mangle)]
pub extern "C" fn pc_event_name(kind: u32) -> *const c_char {
    event::name(kind).as_ptr().cast()
}

/// Writes an event as one readable line without a line break, for logs. Its wording may change.
///
/// buffer:  room for size bytes; NULL if size is 0. Always terminated when size > 0.
///
/// Returns the length of the whole line, even if it did not fit, as snprintf() does; no line is
/// longer than 255. -EINVAL: a NULL pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_event_format(
    event: *const pc_event,
    buffer: *mut c_char,
    size: usize,
) -> c_int {
    // SAFETY: NULL or a valid event, which is laid out as Event.
    let event = unsafe { event.cast::<Event>().as_ref() };
    let Some(event) = event.filter(|_| size == 0 || !buffer.is_null()) else {
        return -libc::EINVAL;
    };
    let line = format(event);
    let text = line.as_bytes();
    if let Some(room) = size.checked_sub(1) {
        let fitting = text.len().min(room);
        // SAFETY: writable for `size` bytes, of which `fitting` and a terminator are written.
        unsafe {
            buffer.cast::<u8>().copy_from_nonoverlapping(text.as_ptr(), fitting);
            buffer.add(fitting).write(0);
        }
    }
    text.len() as c_int
}

/// Takes a datagram apart, for those who receive it by other means: io_uring, a recording. No
/// alignment is assumed. Who sent it is the caller's to check: the kernel's nl_pid is 0.
///
/// A datagram is a struct nlmsghdr (NLMSG_DONE), a struct cn_msg (CN_IDX_PROC, CN_VAL_PROC) and a
/// struct proc_event (linux/netlink.h, connector.h, cn_proc.h): 76 bytes.
///
/// datagram:  size bytes as they came from the socket.
/// event:     written only when 1 is returned.
///
/// Returns 1: an event; 0: a control message that carries none; -EBADMSG: truncated or damaged;
/// -EINVAL: a NULL pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_parse(
    datagram: *const c_void,
    size: usize,
    event: *mut pc_event,
) -> c_int {
    if datagram.is_null() || event.is_null() {
        return -libc::EINVAL;
    }
    // SAFETY: readable for `size` bytes; no object is larger than isize::MAX.
    let datagram = unsafe { slice::from_raw_parts(datagram.cast::<u8>(), size) };
    // SAFETY: writable, and laid out as Event.
    let place = Place::new(unsafe { &mut *event.cast() });
    if let Some(event) = wire::parse_usual(datagram) {
        place.put(event);
        return 1;
    }
    match wire::parse_unusual(datagram, &Filter::EVERYTHING, place) {
        Ok(Some(_)) => 1,
        Ok(None) => 0,
        Err(wire::Malformed) => -libc::EBADMSG,
    }
}

// The kinds and reasons of the header are those of the core.
const _: () = {
    use pc_event_kind::*;
    assert!(PC_EVENT_FORK as u32 == kind::FORK && PC_EVENT_EXEC as u32 == kind::EXEC);
    assert!(PC_EVENT_EXIT as u32 == kind::EXIT && PC_EVENT_UID as u32 == kind::UID);
    assert!(PC_EVENT_GID as u32 == kind::GID && PC_EVENT_SID as u32 == kind::SID);
    assert!(PC_EVENT_PTRACE as u32 == kind::PTRACE && PC_EVENT_COMM as u32 == kind::COMM);
    assert!(PC_EVENT_COREDUMP as u32 == kind::COREDUMP);
    assert!(PC_EVENT_OVERRUN as u32 == kind::OVERRUN && PC_EVENT_UNKNOWN as u32 == kind::UNKNOWN);
    assert!(pc_lost_reason::PC_LOST_QUEUE as u32 == reason::QUEUE);
    assert!(pc_lost_reason::PC_LOST_DEAF as u32 == reason::DEAF);
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
