//! Kernel constants and layout offsets for programs that parse messages themselves. This library
//! needs none of them. From `include/uapi/linux/{netlink,connector,cn_proc}.h`.

use crate::protocol::wire::SIZE_NLMSGHDR;

/// The lowest netlink message type that is not reserved.
pub const NLMSG_MIN_TYPE: u16 = 16;
/// The alignment of netlink messages, in bytes.
pub const NLMSG_ALIGNTO: usize = 4;
/// Size of a `struct nlmsgerr` without the message that caused the error.
pub const SIZE_NLMSGERR: usize = 20;
/// The socket option that makes the kernel discard single messages instead of returning `ENOBUFS`.
/// This library sets the option.
pub const NETLINK_NO_ENOBUFS: i32 = 5;
/// The flag that marks a netlink message as a request.
pub const NLM_F_REQUEST: u16 = 1;
/// The most data that a connector message may carry.
pub const CONNECTOR_MAX_MSG_SIZE: usize = 16384;

/// `len` rounded up to [`NLMSG_ALIGNTO`].
#[inline]
#[must_use]
pub const fn nlmsg_align(len: usize) -> usize {
    len.saturating_add(NLMSG_ALIGNTO - 1) & !(NLMSG_ALIGNTO - 1)
}

/// Size of a `struct nlmsghdr`, aligned.
#[inline]
#[must_use]
pub const fn nlmsg_hdrlen() -> usize {
    nlmsg_align(SIZE_NLMSGHDR)
}

/// Size of a netlink message with `len` bytes of payload.
#[inline]
#[must_use]
pub const fn nlmsg_length(len: usize) -> usize {
    len.saturating_add(nlmsg_hdrlen())
}

// How much of the union in `struct proc_event` each kind takes. The union begins at byte 52 of the datagram, which is
// SIZE_NLMSGHDR + SIZE_CN_MSG + PROC_EVENT_HEADER_SIZE.

/// Size of a fork's data, which begins at byte 52 of the datagram.
pub const SIZE_FORK_EVENT: usize = 16;
/// Size of an exec's data, which begins at byte 52 of the datagram.
pub const SIZE_EXEC_EVENT: usize = 8;
/// Size of the data of a change of user or group id. The data begins at byte 52 of the datagram.
pub const SIZE_ID_EVENT: usize = 16;
/// Size of a new session's data, which begins at byte 52 of the datagram.
pub const SIZE_SID_EVENT: usize = 8;
/// Size of the data of an attached or detached tracer. The data begins at byte 52 of the datagram.
pub const SIZE_PTRACE_EVENT: usize = 16;
/// Size of a rename's data, which begins at byte 52 of the datagram.
pub const SIZE_COMM_EVENT: usize = 24;
/// Size of a core dump's data, which begins at byte 52 of the datagram.
pub const SIZE_COREDUMP_EVENT: usize = 16;
/// Size of an exit's data, which begins at byte 52 of the datagram.
pub const SIZE_EXIT_EVENT: usize = 24;

// Where the fields are in that union.

/// Fork: offset of the parent's task id (`i32`), counted from byte 52 of the datagram.
pub const FORK_PARENT_PID: usize = 0;
/// Fork: offset of the parent's process id (`i32`), counted from byte 52 of the datagram.
pub const FORK_PARENT_TGID: usize = 4;
/// Fork: offset of the child's task id (`i32`), counted from byte 52 of the datagram.
pub const FORK_CHILD_PID: usize = 8;
/// Fork: offset of the child's process id (`i32`), counted from byte 52 of the datagram.
pub const FORK_CHILD_TGID: usize = 12;

/// Exec: offset of the task id (`i32`), counted from byte 52 of the datagram.
pub const EXEC_PID: usize = 0;
/// Exec: offset of the process id (`i32`), counted from byte 52 of the datagram.
pub const EXEC_TGID: usize = 4;

/// User or group id: offset of the task id (`i32`), counted from byte 52 of the datagram.
pub const ID_PID: usize = 0;
/// User or group id: offset of the process id (`i32`), counted from byte 52 of the datagram.
pub const ID_TGID: usize = 4;
/// User or group id: offset of the real id (`u32`), counted from byte 52 of the datagram.
pub const ID_RUID_RGID: usize = 8;
/// User or group id: offset of the effective id (`u32`), counted from byte 52 of the datagram.
pub const ID_EUID_EGID: usize = 12;

/// Session: offset of the task id (`i32`), counted from byte 52 of the datagram.
pub const SID_PID: usize = 0;
/// Session: offset of the process id (`i32`), counted from byte 52 of the datagram.
pub const SID_TGID: usize = 4;

/// Tracer: offset of the traced task's id (`i32`), counted from byte 52 of the datagram.
pub const PTRACE_PID: usize = 0;
/// Tracer: offset of the traced process's id (`i32`), counted from byte 52 of the datagram.
pub const PTRACE_TGID: usize = 4;
/// Tracer: offset of the tracing task's id (`i32`), counted from byte 52 of the datagram. The value is
/// 0 when the tracer detached.
pub const PTRACE_TRACER_PID: usize = 8;
/// Tracer: offset of the tracing process's id (`i32`), counted from byte 52 of the datagram. The value is
/// 0 when the tracer detached.
pub const PTRACE_TRACER_TGID: usize = 12;

/// Rename: offset of the task id (`i32`), counted from byte 52 of the datagram.
pub const COMM_PID: usize = 0;
/// Rename: offset of the process id (`i32`), counted from byte 52 of the datagram.
pub const COMM_TGID: usize = 4;
/// Rename: offset of the new name (16 bytes), counted from byte 52 of the datagram.
pub const COMM_DATA: usize = 8;

/// Core dump: offset of the task id (`i32`), counted from byte 52 of the datagram.
pub const COREDUMP_PID: usize = 0;
/// Core dump: offset of the process id (`i32`), counted from byte 52 of the datagram.
pub const COREDUMP_TGID: usize = 4;
/// Core dump: offset of the parent's task id (`i32`), counted from byte 52 of the datagram.
pub const COREDUMP_PARENT_PID: usize = 8;
/// Core dump: offset of the parent's process id (`i32`), counted from byte 52 of the datagram.
pub const COREDUMP_PARENT_TGID: usize = 12;

/// Exit: offset of the task id (`i32`), counted from byte 52 of the datagram.
pub const EXIT_PID: usize = 0;
/// Exit: offset of the process id (`i32`), counted from byte 52 of the datagram.
pub const EXIT_TGID: usize = 4;
/// Exit: offset of the wait(2) status (`u32`), counted from byte 52 of the datagram.
pub const EXIT_CODE: usize = 8;
/// Exit: offset of the signal for the parent (`i32`), counted from byte 52 of the datagram. The value is
/// -1 for a thread.
pub const EXIT_SIGNAL: usize = 12;
/// Exit: offset of the parent's task id (`i32`), counted from byte 52 of the datagram.
pub const EXIT_PARENT_PID: usize = 16;
/// Exit: offset of the parent's process id (`i32`), counted from byte 52 of the datagram.
pub const EXIT_PARENT_TGID: usize = 20;
