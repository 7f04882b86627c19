//! Whether a process is alive.

use super::Result;
use crate::procfs::{self, Liveness};

/// Looks in /proc whether a process is alive. The exit of a leader is not always the process exit.
///
/// `tgid` is an id of this PID namespace, as a `u32` or an `i32`.
///
/// # Errors
/// [`Error::Os`](crate::Error::Os) with an error of open(2) or read(2), or with
/// - `ESRCH`: `tgid` is the id of a thread, not of a process, although /proc opens it.
/// - `EACCES`: the process exists but /proc does not show it (not mounted, or hidepid).
/// - `EINVAL`: `tgid` is not positive, or above `i32::MAX`.
///
/// ```
/// use proc_connector::{Liveness, process_alive};
///
/// assert_eq!(process_alive(std::process::id())?, Liveness::Alive);
/// # Ok::<(), proc_connector::Error>(())
/// ```
pub fn process_alive(tgid: impl TryInto<i32>) -> Result<Liveness> {
    // 0 stands for a number that does not fit: neither can be an id, so both give EINVAL.
    Ok(procfs::process_alive(tgid.try_into().unwrap_or(0))?)
}
