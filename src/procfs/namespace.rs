//! The namespaces of this process, which explain why the kernel does not report to it.

#[cfg(feature = "table")]
use super::{sight::is_of_reader, stat};
#[cfg(feature = "table")]
use crate::errno::Errno;
use crate::sys::{inode, read_file};

/// Inodes of the initial namespaces (`PROC_PID_INIT_INO` and `PROC_USER_INIT_INO` in
/// `include/linux/proc_ns.h`).
const INITIAL_PID: u64 = 0xefff_fffc;
const INITIAL_USER: u64 = 0xefff_fffd;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Namespaces {
    /// The initial PID and user namespaces: the kernel accepts requests.
    Initial,
    /// Another PID or user namespace: the kernel ignores requests without an answer.
    Foreign,
    /// /proc does not show the namespaces of this process.
    Unknown,
}

pub(crate) fn namespaces() -> Namespaces {
    match (inode(b"/proc/self/ns/pid\0"), inode(b"/proc/self/ns/user\0")) {
        (Ok(INITIAL_PID), Ok(INITIAL_USER)) => Namespaces::Initial,
        (Ok(pid), _) if pid != INITIAL_PID => Namespaces::Foreign,
        (_, Ok(user)) if user != INITIAL_USER => Namespaces::Foreign,
        _ => Namespaces::Unknown,
    }
}

/// Whether the kernel is known to lack CONFIG_PROC_EVENTS: the connector lists its users, and the
/// one for process events is not among them.
pub(crate) fn lacks_process_events() -> bool {
    let mut buffer = [0; 1024];
    match read_file(b"/proc/net/connector\0", &mut buffer) {
        Ok(list) => list.len() < 1024 && !list.windows(7).any(|name| name == b"cn_proc"),
        Err(_) => false,
    }
}

/// Checks that /proc shows every process that events are about, with start times by the clock of
/// this process.
///
/// # Errors
/// `EOPNOTSUPP`: not the initial time namespace. `EACCES`: /proc is not mounted, hides processes or
/// belongs to another PID namespace. `EMFILE`, `ENFILE`, `ENOMEM`.
#[cfg(feature = "table")]
pub(crate) fn require_whole_proc() -> Result<(), Errno> {
    /// `PROC_TIME_INIT_INO` in `include/linux/proc_ns.h`
    const INITIAL_TIME: u64 = 0xefff_fffa;
    // A kernel without time namespaces does not have this file.
    if inode(b"/proc/self/ns/time\0").is_ok_and(|time| time != INITIAL_TIME) {
        return Err(Errno(libc::EOPNOTSUPP));
    }
    // If hidepid is in force, pid 1 is not visible. If /proc belongs to another PID namespace,
    // /proc/self does not resolve.
    match (stat::read(1), inode(b"/proc/self\0")) {
        (Ok(Some(_)), Ok(_)) => Ok(()),
        (Err(error), _) if is_of_reader(error) => Err(error),
        _ => Err(Errno(libc::EACCES)),
    }
}
