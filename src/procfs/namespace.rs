//! The namespaces of this process, which explain why the kernel does not report to it.

#[cfg(feature = "table")]
use super::file::Tree;
#[cfg(feature = "table")]
use super::stat::{self, Stat};
use crate::errno::Errno;
use crate::sys::{inode, read_file};

/// Inodes of the initial namespaces (`PROC_PID_INIT_INO` and `PROC_USER_INIT_INO` in
/// `include/linux/proc_ns.h`).
const INITIAL_PID: u64 = 0xefff_fffc;
const INITIAL_USER: u64 = 0xefff_fffd;

/// From what is best to what is worst.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Namespaces {
    /// The initial PID and user namespaces: the kernel accepts requests.
    Initial,
    /// /proc does not show the namespaces of this process.
    Unknown,
    /// Another PID or user namespace: the kernel ignores requests without an answer.
    Foreign,
}

pub(crate) fn namespaces() -> Namespaces {
    let pid = namespace(b"/proc/self/ns/pid\0", INITIAL_PID);
    pid.max(namespace(b"/proc/self/ns/user\0", INITIAL_USER))
}

/// Whether this process is in the initial namespace of a kind, whose file and inode these are.
#[inline(never)]
fn namespace(path: &[u8], initial: u64) -> Namespaces {
    match inode(path) {
        Ok(inode) if inode == initial => Namespaces::Initial,
        Ok(_) => Namespaces::Foreign,
        // A kernel without namespaces of this kind does not have the file.
        Err(Errno(libc::ENOENT)) if inode(b"/proc/self\0").is_ok() => Namespaces::Initial,
        Err(_) => Namespaces::Unknown,
    }
}

/// Checks that the clocks of this process are those of the kernel's events.
///
/// # Errors
/// `EOPNOTSUPP`: not the initial time namespace.
pub(crate) fn require_initial_time() -> Result<(), Errno> {
    /// `PROC_TIME_INIT_INO` in `include/linux/proc_ns.h`
    const INITIAL_TIME: u64 = 0xefff_fffa;
    match namespace(b"/proc/self/ns/time\0", INITIAL_TIME) {
        Namespaces::Foreign => Err(Errno(libc::EOPNOTSUPP)),
        _ => Ok(()),
    }
}

/// Whether the kernel is known to lack CONFIG_PROC_EVENTS: the connector lists its users, and the
/// one for process events is not among them.
pub(crate) fn lacks_process_events() -> bool {
    let mut buffer = [0; 1024];
    match read_file(None, b"/proc/net/connector\0", &mut buffer) {
        Ok(list) => list.len() < 1024 && !list.windows(7).any(|name| name == b"cn_proc"),
        Err(_) => false,
    }
}

/// Checks that a /proc shows every process that events are about.
///
/// # Errors
/// `EACCES`: /proc is not mounted, hides processes or belongs to another PID namespace. `EMFILE`,
/// `ENFILE`, `ENOMEM`.
#[cfg(feature = "table")]
pub(crate) fn require_whole_proc(tree: Tree<'_>) -> Result<(), Errno> {
    let mut buffer = [0; 16];
    // If hidepid is in force, pid 1 is not visible. If /proc belongs to another PID namespace, its
    // self does not resolve.
    let own = read_file(tree.directory, b"self/stat\0", &mut buffer).is_ok();
    let mut stat = Stat::NONE;
    match stat::read(tree, 1, &mut stat) {
        Ok(true) if own => Ok(()),
        Err(error) if error.is_shortage() => Err(error),
        _ => Err(Errno(libc::EACCES)),
    }
}
