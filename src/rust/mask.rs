//! Sets of event kinds.

use crate::protocol::wire::{
    PROC_EVENT_COMM, PROC_EVENT_COREDUMP, PROC_EVENT_EXEC, PROC_EVENT_EXIT, PROC_EVENT_FORK,
    PROC_EVENT_GID, PROC_EVENT_PTRACE, PROC_EVENT_SID, PROC_EVENT_UID,
};
use std::ops::BitOr;

/// A set of event kinds: the kernel's `PROC_EVENT_*` bits.
///
/// ```
/// use proc_connector::EventMask;
///
/// let mask = EventMask::EXEC | EventMask::EXIT;
/// assert_eq!(mask.0, 0x8000_0002);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventMask(pub u32);

impl EventMask {
    /// A task was created: a process or a thread.
    pub const FORK: Self = Self(PROC_EVENT_FORK);
    /// A process runs a new program.
    pub const EXEC: Self = Self(PROC_EVENT_EXEC);
    /// A user id changed.
    pub const UID: Self = Self(PROC_EVENT_UID);
    /// A group id changed.
    pub const GID: Self = Self(PROC_EVENT_GID);
    /// A session was started.
    pub const SID: Self = Self(PROC_EVENT_SID);
    /// A tracer attached or detached.
    pub const PTRACE: Self = Self(PROC_EVENT_PTRACE);
    /// A task was renamed.
    pub const COMM: Self = Self(PROC_EVENT_COMM);
    /// A process dumps core.
    pub const COREDUMP: Self = Self(PROC_EVENT_COREDUMP);
    /// A task exited.
    pub const EXIT: Self = Self(PROC_EVENT_EXIT);
    /// The nine kinds above.
    pub const ALL: Self = Self(
        PROC_EVENT_FORK
            | PROC_EVENT_EXEC
            | PROC_EVENT_UID
            | PROC_EVENT_GID
            | PROC_EVENT_SID
            | PROC_EVENT_PTRACE
            | PROC_EVENT_COMM
            | PROC_EVENT_COREDUMP
            | PROC_EVENT_EXIT,
    );
}

impl BitOr for EventMask {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
