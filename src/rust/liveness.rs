//! Whether a process lives.

use super::Result;
use crate::procfs::{self, Liveness};

/// Looks a process up in /proc: whether an exit of its leader was its end.
///
/// `tgid` is an id of this PID namespace, as a `u32` or an `i32`.
///
/// # Errors
/// [`Error::Os`](crate::Error::Os): `ESRCH` for the id of a thread, which is no process although
/// /proc opens it; `EACCES` if /proc does not show a process that exists (not mounted, hidepid);
/// `EINVAL` for what can be no id; or what open(2) and read(2) say.
///
/// ```
/// use proc_connector::{Liveness, process_alive};
///
/// assert_eq!(process_alive(std::process::id())?, Liveness::Alive);
/// # Ok::<(), proc_connector::Error>(())
/// ```
pub fn process_alive(tgid: impl TryInto<i32>) -> Result<Liveness> {
    // 0 is no id either: what does not fit gets the same error.
    Ok(procfs::process_alive(tgid.try_into().unwrap_or(0))?)
}
