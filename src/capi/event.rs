//! Events. The comments become the header's.
#![allow(missing_docs, clippy::missing_safety_doc)]

use super::arguments::{output, write_line};
use crate::errno::Errno;
use crate::protocol::event::{self, Event, kind, reason};
use crate::protocol::format::format;
use crate::protocol::wire::{self, Malformed};
use core::ffi::{c_char, c_int, c_void};
use core::mem::{MaybeUninit, offset_of};
use core::slice;

/// cbindgen:no-export
type pid_t = i32;
/// cbindgen:no-export
type uid_t = u32;
/// cbindgen:no-export
type gid_t = u32;

/// What an event reports: values of pc_event.kind. A newer library may deliver other kinds, too.
#[repr(C)]
pub enum pc_event_kind {
    /// A task was created: a process, or a thread if child_pid != child_tgid.
    PC_EVENT_FORK = 1,
    /// A process runs a new program, and takes the program's name without a COMM. If a thread other
    /// than the leader called execve(2), the kernel reports the leader's EXIT first, and no EXIT
    /// for the calling thread's own id.
    PC_EVENT_EXEC = 2,
    /// A task exited. This is not always a process exit: see PC_FILTER_NO_THREADS.
    PC_EVENT_EXIT = 3,
    /// A task's real or effective user id changed.
    PC_EVENT_UID = 4,
    /// A task's real or effective group id changed.
    PC_EVENT_GID = 5,
    /// A process started a session.
    PC_EVENT_SID = 6,
    /// A tracer attached or detached. The exit of a tracer causes no PTRACE event.
    PC_EVENT_PTRACE = 7,
    /// A task was renamed through prctl(PR_SET_NAME) or /proc/PID/comm, perhaps to its old name.
    PC_EVENT_COMM = 8,
    /// A process dumps core; its EXIT follows.
    PC_EVENT_COREDUMP = 9,
    /// Events were lost. The library generates this event.
    PC_EVENT_OVERRUN = 10,
    /// A kernel event that this version does not know.
    PC_EVENT_UNKNOWN = 11,
}

/// Why events were lost: values of pc_event_overrun.reason.
#[repr(C)]
pub enum pc_lost_reason {
    /// The queue was full. The number is exact.
    PC_LOST_QUEUE = 1,
    /// The kernel was deaf until pc_check() repaired it, or pc_unsubscribe() failed half-way. The
    /// number is unknown.
    PC_LOST_DEAF = 2,
}

/// PC_EVENT_FORK. The parent is the child's real parent. For a thread, and with CLONE_PARENT, that
/// is the parent of the task that called clone(2) (kernel/fork.c, copy_process()).
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
    /// A wait(2) status, for WIFEXITED() and the like.
    pub exit_code: i32,
    /// The signal that the parent gets, mostly SIGCHLD; -1 for a thread.
    pub exit_signal: i32,
    /// Both are 0 when the kernel names no parent.
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
    /// Both are 0 when the tracer detached.
    pub tracer_pid: pid_t,
    pub tracer_tgid: pid_t,
}

/// PC_EVENT_COMM
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pc_event_comm {
    pub pid: pid_t,
    pub tgid: pid_t,
    /// The new name, always NUL-terminated. It may contain any other bytes.
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

/// PC_EVENT_OVERRUN: events are missing between since_ns and the timestamp_ns of this event.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pc_event_overrun {
    /// The exact number of lost events; 0 if it is unknown (PC_LOST_DEAF).
    pub lost: u64,
    /// The earliest time at which an event may be missing.
    pub since_ns: u64,
    /// A value of enum pc_lost_reason.
    pub reason: u32,
    pub reserved: u32,
}

/// PC_EVENT_UNKNOWN
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pc_event_unknown {
    /// The kernel's number for this kind of event.
    pub what: u32,
    /// How many bytes of data the kernel sent after the event's header.
    pub size: u32,
    /// The first bytes of that data.
    pub raw: [u8; 32],
}

/// The data of an event. pc_event.kind selects the member; bytes outside that member are zero.
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

/// An event: 64 bytes without padding or pointers, which may be copied and kept.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct pc_event {
    /// A value of enum pc_event_kind, which selects the valid member of data.
    pub kind: u32,
    /// The CPU that reported the event.
    pub cpu: u32,
    /// CLOCK_MONOTONIC in nanoseconds. (Start times in /proc are CLOCK_BOOTTIME.)
    pub timestamp_ns: u64,
    /// The kernel's per-CPU sequence number. Filtered events and acknowledgements are numbered too,
    /// so a gap does not mean a loss.
    pub seq: u32,
    pub reserved: u32,
    pub data: pc_event_data,
}

/// Returns the tgid of the process that an event is about. For FORK, that is the child. For
/// PC_EVENT_OVERRUN, PC_EVENT_UNKNOWN and NULL, the result is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_event_tgid(event: *const pc_event) -> pid_t {
    // SAFETY: `event` is NULL or readable.
    unsafe { event_of(event) }.map_or(0, Event::tgid)
}

/// # Safety
/// `event` is NULL, or readable during `'a`.
unsafe fn event_of<'a>(event: *const pc_event) -> Option<&'a Event> {
    // SAFETY: a pc_event is laid out as an Event, and as_ref() checks for NULL.
    unsafe { event.cast::<Event>().as_ref() }
}

/// The place for an event that C asks for.
///
/// # Safety
/// `event` is NULL or writable, and nothing else uses it during `'a`.
#[inline]
pub(super) unsafe fn place<'a>(event: *mut pc_event) -> Result<&'a mut MaybeUninit<Event>, Errno> {
    // SAFETY: the caller vouches for `event`, and a pc_event is laid out as an Event.
    unsafe { output(event.cast::<Event>()) }
}

/// Returns the name of a kind: "fork", "exec", … "overrun". For PC_EVENT_UNKNOWN and for kinds of
/// later versions, the name is "unknown". The string is static.
#[unsafe(no_mangle)]
pub extern "C" fn pc_event_name(kind: u32) -> *const c_char {
    event::name(kind).as_ptr().cast()
}

/// Writes an event as one readable line without a line break, for logs. The wording may change.
///
/// buffer:  room for size bytes, or NULL if size is 0. The text is always terminated if size > 0.
///
/// Returns the length of the whole line, at most 255, even if it did not fit, as snprintf() does.
/// -EINVAL: event is NULL, or buffer is NULL and size is not 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_event_format(
    event: *const pc_event,
    buffer: *mut c_char,
    size: usize,
) -> c_int {
    // SAFETY: `event` is NULL or readable.
    let Some(event) = (unsafe { event_of(event) }) else { return -libc::EINVAL };
    // SAFETY: `buffer` is NULL, or writable for `size` bytes.
    unsafe { write_line(buffer, size, |room| format(event, room)) }
}

/// Parses a datagram that the program has received by other means: through io_uring, or from a
/// recording.
///
/// The caller must check the sender: only a datagram with nl_pid 0 is from the kernel. A datagram
/// has 76 bytes: a struct nlmsghdr (NLMSG_DONE), a struct cn_msg (CN_IDX_PROC, CN_VAL_PROC) and a
/// struct proc_event (linux/netlink.h, linux/connector.h, linux/cn_proc.h).
///
/// datagram:  size bytes as they came from the socket, at any alignment.
/// event:     written only when 1 is returned.
///
/// Returns
/// 1           an event
/// 0           a control message, which carries no event
/// -EBADMSG    the datagram is truncated or damaged
/// -EINVAL     a NULL pointer
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pc_parse(
    datagram: *const c_void,
    size: usize,
    event: *mut pc_event,
) -> c_int {
    // SAFETY: `event` is NULL or writable.
    let place = unsafe { place(event) };
    let Some(place) = place.ok().filter(|_| !datagram.is_null()) else { return -libc::EINVAL };
    // SAFETY: `datagram` is readable for `size` bytes; no object is larger than isize::MAX.
    let datagram = unsafe { slice::from_raw_parts(datagram.cast::<u8>(), size) };
    if let Some(event) = wire::parse_usual(datagram) {
        place.write(event);
        return 1;
    }
    parse_unusual(place, datagram)
}

// This places pc_parse() where it is fastest, 16 bytes into a cache line. Elsewhere it would be up to 20 %
// slower, as it happens, whenever the size of the code before it changes. On some of the other machines,
// Rust 1.85 has no assembly.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
core::arch::global_asm!(".section .text.pc_parse, \"ax\"", ".balign 64", ".skip 16");

/// Kept out of pc_parse(), which then needs no stack. The arguments are in another order than those
/// of pc_parse(), so that pc_parse() calls this in one place. Several jumps would make it slower.
#[cold]
#[inline(never)]
fn parse_unusual(place: &mut MaybeUninit<Event>, datagram: &[u8]) -> c_int {
    match wire::parse(datagram) {
        Ok(Some(event)) => {
            place.write(event);
            1
        }
        Ok(None) => 0,
        Err(Malformed) => -libc::EBADMSG,
    }
}

// The header numbers kinds and reasons as the core does.
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

// A pc_event is laid out as an Event, so that a pointer to one may be cast.
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
