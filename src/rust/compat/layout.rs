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

// How much of the union in `struct proc_event` each kind takes.

/// Size of a fork's data.
pub const SIZE_FORK_EVENT: usize = 16;
/// Size of an exec's data.
pub const SIZE_EXEC_EVENT: usize = 8;
/// Size of the data of a change of user or group id.
pub const SIZE_ID_EVENT: usize = 16;
/// Size of a new session's data.
pub const SIZE_SID_EVENT: usize = 8;
/// Size of the data of an attached or detached tracer.
pub const SIZE_PTRACE_EVENT: usize = 16;
/// Size of a rename's data.
pub const SIZE_COMM_EVENT: usize = 24;
/// Size of a core dump's data.
pub const SIZE_COREDUMP_EVENT: usize = 16;
/// Size of an exit's data.
pub const SIZE_EXIT_EVENT: usize = 24;

// Where the fields are in that union.

/// Fork: the parent's task id (`i32`).
pub const FORK_PARENT_PID: usize = 0;
/// Fork: the parent's process id (`i32`).
pub const FORK_PARENT_TGID: usize = 4;
/// Fork: the child's task id (`i32`).
pub const FORK_CHILD_PID: usize = 8;
/// Fork: the child's process id (`i32`).
pub const FORK_CHILD_TGID: usize = 12;

/// Exec: the task id (`i32`).
pub const EXEC_PID: usize = 0;
/// Exec: the process id (`i32`).
pub const EXEC_TGID: usize = 4;

/// User or group id: the task id (`i32`).
pub const ID_PID: usize = 0;
/// User or group id: the process id (`i32`).
pub const ID_TGID: usize = 4;
/// User or group id: the real id (`u32`).
pub const ID_RUID_RGID: usize = 8;
/// User or group id: the effective id (`u32`).
pub const ID_EUID_EGID: usize = 12;

/// Session: the task id (`i32`).
pub const SID_PID: usize = 0;
/// Session: the process id (`i32`).
pub const SID_TGID: usize = 4;

/// Tracer: the traced task's id (`i32`).
pub const PTRACE_PID: usize = 0;
/// Tracer: the traced process's id (`i32`).
pub const PTRACE_TGID: usize = 4;
/// Tracer: the tracing task's id (`i32`); 0 when the tracer detached.
pub const PTRACE_TRACER_PID: usize = 8;
/// Tracer: the tracing process's id (`i32`); 0 when the tracer detached.
pub const PTRACE_TRACER_TGID: usize = 12;

/// Rename: the task id (`i32`).
pub const COMM_PID: usize = 0;
/// Rename: the process id (`i32`).
pub const COMM_TGID: usize = 4;
/// Rename: the new name (16 bytes).
pub const COMM_DATA: usize = 8;

/// Core dump: the task id (`i32`).
pub const COREDUMP_PID: usize = 0;
/// Core dump: the process id (`i32`).
pub const COREDUMP_TGID: usize = 4;
/// Core dump: the parent's task id (`i32`).
pub const COREDUMP_PARENT_PID: usize = 8;
/// Core dump: the parent's process id (`i32`).
pub const COREDUMP_PARENT_TGID: usize = 12;

/// Exit: the task id (`i32`).
pub const EXIT_PID: usize = 0;
/// Exit: the process id (`i32`).
pub const EXIT_TGID: usize = 4;
/// Exit: the wait(2) status (`u32`).
pub const EXIT_CODE: usize = 8;
/// Exit: the signal for the parent (`i32`); -1 for a thread.
pub const EXIT_SIGNAL: usize = 12;
/// Exit: the parent's task id (`i32`).
pub const EXIT_PARENT_PID: usize = 16;
/// Exit: the parent's process id (`i32`).
pub const EXIT_PARENT_TGID: usize = 20;
