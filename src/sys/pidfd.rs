//! Descriptors of processes.

use super::{Fd, check};
use crate::errno::Errno;

/// A descriptor that becomes readable when all threads of the process have ended.
pub(crate) fn pidfd(tgid: i32) -> Result<Fd, Errno> {
    // SAFETY: pidfd_open() takes no pointer. Its descriptor is close-on-exec.
    let raw = check(unsafe { libc::syscall(libc::SYS_pidfd_open, tgid, 0) })?;
    Ok(Fd::own(raw as i32))
}

/// `struct pidfd_info` (linux/pidfd.h), as long as Linux 6.13 had it first.
#[repr(C)]
struct Info {
    mask: u64,
    cgroup_id: u64,
    ids: [u32; 11],
    exit_code: i32,
}

/// `_IOWR(PIDFS_IOCTL_MAGIC, 11, struct pidfd_info)`
const PIDFD_GET_INFO: libc::Ioctl = (3 << 30 | size_of::<Info>() << 16 | 0xff << 8 | 11) as _;
const PIDFD_INFO_EXIT: u64 = 1 << 3;

/// How a process that has ended did so, as far as its pidfd knows.
pub(crate) enum PidfdExit {
    /// The wait(2) status (Linux 6.15).
    Status(i32),
    /// It has not been reaped, and this kernel's /proc knows the status.
    Unreaped,
    Unknown,
}

/// Whether this kernel's pidfds can be asked. (Then its /proc knows the status of zombies too,
/// even if their leader ended otherwise: measured on Linux 6.18.)
pub(crate) fn shows_exit_status() -> bool {
    // SAFETY: getpid() takes nothing and cannot fail.
    let own = unsafe { libc::getpid() };
    pidfd(own).is_ok_and(|pidfd| !matches!(exit_of(&pidfd), PidfdExit::Unknown))
}

pub(crate) fn exit_of(pidfd: &Fd) -> PidfdExit {
    let mut info = Info { mask: PIDFD_INFO_EXIT, cgroup_id: 0, ids: [0; 11], exit_code: 0 };
    // SAFETY: the request says how large the structure is that it reads and writes.
    match check(unsafe { libc::ioctl(pidfd.raw(), PIDFD_GET_INFO, &raw mut info) }) {
        Ok(_) if info.mask & PIDFD_INFO_EXIT != 0 => PidfdExit::Status(info.exit_code),
        Ok(_) => PidfdExit::Unreaped,
        Err(_) => PidfdExit::Unknown,
    }
}
