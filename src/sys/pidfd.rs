//! Descriptors of processes.

use super::{Fd, check, errno, fork::own_pid, inode_of, is_readable, leader_exists, plain};
use crate::errno::Errno;

/// A descriptor that becomes readable when the process exits, with its last thread.
///
/// # Errors
/// The kernel's own: `ESRCH` if there is no process.
#[inline(never)]
pub(crate) fn pidfd(tgid: i32) -> Result<Fd, Errno> {
    // SAFETY: pidfd_open() takes no pointer. It makes its descriptor close-on-exec.
    let raw = check(unsafe { libc::syscall(libc::SYS_pidfd_open, tgid, 0) })?;
    // SAFETY: pidfd_open() has made this descriptor, and nothing else has its number.
    Ok(unsafe { Fd::from_raw(raw as i32) })
}

/// Whether the process `tgid` exists and has not exited, without /proc.
///
/// # Errors
/// `EMFILE`, `ENFILE`, `ENOMEM`.
pub(crate) fn is_alive(tgid: i32) -> Result<bool, Errno> {
    match pidfd(tgid) {
        Ok(pidfd) => is_readable(&pidfd).map(|has_exited| !has_exited),
        Err(error) if error.is_shortage() => Err(error),
        // No process has this id, or it is a thread's.
        Err(Errno(libc::ESRCH | libc::EINVAL | libc::ENOENT)) => Ok(false),
        // Before Linux 5.3, and in a sandbox. A zombie counts as alive.
        Err(_) => Ok(leader_exists(tgid)),
    }
}

/// `struct pidfd_info` (linux/pidfd.h), in its first form, that of Linux 6.13.
#[repr(C)]
struct Info {
    mask: u64,
    cgroup_id: u64,
    ids: [u32; 11],
    exit_code: i32,
}

/// `_IOWR(PIDFS_IOCTL_MAGIC, 11, struct pidfd_info)`
const PIDFD_GET_INFO: usize = 3 << 30 | size_of::<Info>() << 16 | 0xff << 8 | 11;
const PIDFD_INFO_CREDS: u64 = 1 << 1;
const PIDFD_INFO_EXIT: u64 = 1 << 3;

/// What the kernel reports about the process of a pidfd (`pidfd_info` in `fs/pidfs.c`). An error before Linux 6.13.
#[inline]
fn info_of(pidfd: &Fd) -> Result<Info, Errno> {
    let mut info = Info { mask: PIDFD_INFO_EXIT, cgroup_id: 0, ids: [0; 11], exit_code: 0 };
    // SAFETY: the kernel reads and writes a structure of the size that is encoded in the request.
    check(unsafe { libc::syscall(libc::SYS_ioctl, pidfd.raw(), PIDFD_GET_INFO, &raw mut info) })?;
    Ok(info)
}

/// The user and group ids of the process of a pidfd, without /proc: real and effective, in the order ruid,
/// rgid, euid, egid.
pub(crate) fn ids(pidfd: &Fd) -> Result<[u32; 4], Errno> {
    let info = info_of(pidfd)?;
    let [_pid, _tgid, _ppid, ruid, rgid, euid, egid, ..] = info.ids;
    if info.mask & PIDFD_INFO_CREDS == 0 {
        Err(Errno(libc::ENODATA))
    } else {
        Ok([ruid, rgid, euid, egid])
    }
}

/// Whether each process's pidfds have an inode of their own, from Linux 6.9 on. Before, every pidfd has the inode
/// of `other`, a descriptor without a file, such as an epoll instance.
pub(crate) fn has_pidfd_inodes(other: &Fd) -> bool {
    pidfd(own_pid()).is_ok_and(|pidfd| inode_of(&pidfd) != inode_of(other))
}

/// The inode of a process's pidfds. The kernel numbers each process and thread since it booted (`pidfs_add_pid` in
/// `fs/pidfs.c`), so no other process gets the number: not even the next owner of the pid.
///
/// # Errors
/// `ESRCH`: there is no process.
pub(crate) fn pidfd_inode(tgid: i32) -> Result<u64, Errno> {
    let inode = pidfd(tgid).and_then(|pidfd| match inode_of(&pidfd) {
        0 => Err(errno()),
        inode => Ok(inode),
    });
    inode.map_err(|error| if error == Errno(libc::ESRCH) { error } else { plain(error) })
}

/// How a process exited, as far as its pidfd knows.
pub(crate) enum PidfdExit {
    /// The wait(2) status (Linux 6.15).
    Status(i32),
    /// The process has not been reaped, and /proc on this kernel has its status.
    Unreaped,
    Unknown,
}

/// Whether pidfds on this kernel can be asked for a status. Then /proc, too, has the status of a
/// zombie process, even if its leader exited with another one (measured on Linux 6.18).
pub(crate) fn shows_exit_status() -> bool {
    pidfd(own_pid()).is_ok_and(|pidfd| !matches!(exit_of(&pidfd), PidfdExit::Unknown))
}

/// How the process of a pidfd exited.
pub(crate) fn exit_of(pidfd: &Fd) -> PidfdExit {
    match info_of(pidfd) {
        Ok(info) if info.mask & PIDFD_INFO_EXIT != 0 => PidfdExit::Status(info.exit_code),
        Ok(_) => PidfdExit::Unreaped,
        Err(_) => PidfdExit::Unknown,
    }
}
