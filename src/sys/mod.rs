//! Every system call and every `unsafe` of the core; safe functions around them, nothing else.
//!
//! What would be a cancellation point in libc goes through its `syscall()`, unless it receives or
//! waits: a thread that is cancelled in between would leave locks held and descriptors open.

#[cfg(feature = "table")]
mod directory;
#[cfg(feature = "table")]
mod epoll;
mod fd;
mod file;
mod fork;
mod inbox;
mod lock;
#[cfg(feature = "table")]
mod pidfd;
mod socket;
mod task;
mod time;
mod wait;

#[cfg(feature = "table")]
pub(crate) use {directory::Directory, epoll::Epoll, pidfd::*, time::boottime_ns};

pub(crate) use fd::{Fd, Modes};
pub(crate) use file::{inode, read_file};
pub(crate) use fork::ForkGuard;
#[cfg(feature = "capi")]
pub(crate) use inbox::BATCH;
pub(crate) use inbox::Inbox;
pub(crate) use lock::Lock;
pub(crate) use socket::*;
#[cfg(feature = "table")]
pub(crate) use task::may_trace;
pub(crate) use task::{leader_exists, random_number, task_exists};
pub(crate) use time::monotonic_ns;
pub(crate) use wait::{Doorbell, wait_readable};

use crate::errno::Errno;

/// The calling thread's `errno`.
#[cold]
#[inline(never)]
fn errno() -> Errno {
    // SAFETY: the pointer is the calling thread's own errno, valid as long as the thread lives.
    Errno(unsafe { *libc::__errno_location() })
}

/// The result of a system call that returns -1 on failure, and else a number of 31 bits.
fn check(result: impl Into<i64>) -> Result<u32, Errno> {
    u32::try_from(result.into()).map_err(|_| errno())
}

/// The same for calls that make or configure something. Seccomp filters and security modules say
/// EACCES for what is not permitted, and sockets ENOBUFS for lack of memory.
#[inline(never)]
fn granted(result: libc::c_long) -> Result<u32, Errno> {
    check(result).map_err(|error| match error {
        Errno(libc::EACCES) => Errno(libc::EPERM),
        Errno(libc::ENOBUFS) => Errno(libc::ENOMEM),
        error => error,
    })
}

/// Runs `f` and leaves the caller's `errno` as it was.
pub(crate) fn preserving_errno<T>(f: impl FnOnce() -> T) -> T {
    let Errno(before) = errno();
    let result = f();
    // SAFETY: as in errno().
    unsafe { *libc::__errno_location() = before };
    result
}
