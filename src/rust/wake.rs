//! Asking to be woken in time.

use super::Result;
use crate::errno::Errno;
use crate::sys::{self, wake};

/// How soon a thread runs after it is woken: what [`wake_soon`] takes and returns.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Wake {
    /// As before: [`wake_soon`] has changed nothing.
    Usual,
    /// `SCHED_OTHER` with the shortest slice, 100 µs. Needs no privilege, and Linux 6.12.
    Slice,
    /// `SCHED_FIFO`, priority 1. Needs `CAP_SYS_NICE` or an `RLIMIT_RTPRIO` of 1.
    Realtime,
}

/// Asks the kernel to run the calling thread soon after an event wakes it. Returns what is in force now,
/// as read back from the kernel.
///
/// This is for a program that reads more about a process than events carry, such as its command line. A
/// short process is gone a moment later, and Linux often lets it run on before it runs the reader, for up
/// to 3 ms. It costs nothing while the thread sleeps, and the thread gets no larger share of the CPUs.
///
/// Call this once, in the thread that receives. It affects no other thread. The nice value and the
/// utilization clamps stay. A thread that is `SCHED_BATCH` or `SCHED_IDLE` is left alone, unless
/// [`Wake::Realtime`] is asked for and granted.
///
/// Threads and processes that the thread makes later do not inherit this: the call sets
/// `SCHED_FLAG_RESET_ON_FORK`, which takes `CAP_SYS_NICE` to undo. There is one exception. If the nice
/// value is negative, a reset would take that from the children, too, so they inherit a
/// [`Wake::Slice`]. Children of a [`Wake::Realtime`] thread have nice value 0.
///
/// [`Wake::Realtime`] stands for the slice where it is not granted. A realtime thread preempts every
/// other program on its CPU as long as it works. Do not combine it with
/// [`Options::spin`](crate::Options::spin): the kernel stops realtime threads for 50 ms of each second in
/// which they use a CPU without a pause.
///
/// The result is [`Wake::Realtime`] also if the thread had a realtime policy before. It is
/// [`Wake::Usual`] before Linux 6.12, and for `SCHED_BATCH` and `SCHED_IDLE`.
///
/// # Errors
/// [`Error::Os`](crate::Error::Os) with
/// - `EINVAL`: `most` is [`Wake::Usual`].
/// - `EPERM` or `EIO`: a seccomp filter or an LSM forbids it. Nothing has changed.
///
/// ```no_run
/// use proc_connector::{ProcConnector, Wake, wake_soon};
///
/// std::thread::spawn(|| {
///     let woken = wake_soon(Wake::Slice)?;
///     eprintln!("the reader is woken by {woken:?}");
///     let connector = ProcConnector::new()?;
///     while let Some(event) = connector.recv_event(None)? {
///         println!("{event}");
///     }
///     Ok::<(), proc_connector::Error>(())
/// });
/// ```
pub fn wake_soon(most: Wake) -> Result<Wake> {
    let most = match most {
        Wake::Usual => return Err(Errno(libc::EINVAL).into()),
        Wake::Slice => wake::SLICE,
        Wake::Realtime => wake::REALTIME,
    };
    Ok(match sys::wake_soon(most)? {
        wake::REALTIME => Wake::Realtime,
        wake::SLICE => Wake::Slice,
        _ => Wake::Usual,
    })
}
