//! Every system call, and safe functions around each. Nothing here knows the protocol or a filter.
//!
//! Only receiving and waiting may be cancellation points. Everything else goes through libc's
//! `syscall()`, which is not one: a thread that is cancelled in it would leave locks held and
//! descriptors open.

#[cfg(feature = "table")]
mod directory;
#[cfg(feature = "table")]
mod epoll;
mod fd;
mod file;
mod fork;
mod lock;
#[cfg(feature = "table")]
mod pidfd;
mod recv;
#[cfg(feature = "table")]
mod sched;
mod socket;
mod task;
mod time;
#[cfg(feature = "table")]
mod timer;
mod wait;

#[cfg(feature = "table")]
pub(crate) use {directory::Directory, epoll::Epoll, pidfd::*, time::boottime_ns, timer::Timer};

#[cfg(feature = "capi")]
pub(crate) use fd::require_open;
pub(crate) use fd::{Fd, Modes, take};
#[cfg(feature = "table")]
pub(crate) use file::{Mode, inode_of, open, read, read_link};
pub(crate) use file::{inode, read_file};
pub(crate) use fork::ForkGuard;
pub(crate) use lock::Lock;
pub(crate) use recv::*;
#[cfg(feature = "table")]
pub(crate) use sched::{wake, wake_soon};
pub(crate) use socket::*;
#[cfg(feature = "table")]
pub(crate) use task::{give_way, may_trace};
pub(crate) use task::{leader_exists, random_number};
pub(crate) use time::monotonic_ns;
#[cfg(feature = "table")]
pub(crate) use wait::is_readable;
pub(crate) use wait::{Doorbell, wait_readable};

use crate::errno::Errno;

/// The calling thread's `errno`.
#[cold]
fn errno() -> Errno {
    // SAFETY: the pointer is to the calling thread's own errno, which lives as long as the thread.
    Errno(unsafe { *libc::__errno_location() })
}

/// The result of a system call that returns -1 on failure, and a number of 31 bits on success.
fn check(result: impl Into<i64>) -> Result<u32, Errno> {
    u32::try_from(result.into()).map_err(|_| errno())
}

/// The result of a system call, if the caller does not look at the number of an error.
#[inline(never)]
fn granted(result: libc::c_long) -> Result<u32, Errno> {
    check(result).map_err(plain)
}

/// An error of a system call as the library returns it, so that its
/// [`explanation`](Errno::explanation) is true. Seccomp filters and security modules return EACCES
/// for what is not permitted, and sockets ENOBUFS when memory is short. A number by which the library
/// says something else becomes EIO: a sandbox that answers ENOSYS to bind(2) does not mean that the
/// kernel lacks process events.
#[cold]
#[inline(never)]
pub(crate) const fn plain(error: Errno) -> Errno {
    Errno(match error.0 {
        libc::EACCES => libc::EPERM,
        libc::ENOBUFS => libc::ENOMEM,
        libc::E2BIG
        | libc::EAFNOSUPPORT
        | libc::EBADMSG
        | libc::ECANCELED
        | libc::ECHILD
        | libc::ECONNREFUSED
        | libc::EINVAL
        | libc::ENOSYS
        | libc::EOPNOTSUPP
        | libc::EPIPE
        | libc::EPROTONOSUPPORT
        | libc::EPROTOTYPE
        | libc::ESRCH
        | libc::ETIMEDOUT => libc::EIO,
        number => number,
    })
}

/// Runs `f`, and leaves the caller's `errno` as it was.
#[inline(always)]
pub(crate) fn preserving_errno<T>(f: impl FnOnce() -> T) -> T {
    let Errno(before) = errno();
    let result = f();
    // SAFETY: the pointer is to the calling thread's own errno, which lives as long as the thread.
    unsafe { *libc::__errno_location() = before };
    result
}
