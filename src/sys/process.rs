//! What the kernel knows of processes without /proc.

use super::{check, monotonic_ns};
use crate::errno::Errno;

/// Whether a task has this id: alive or zombie, leader or thread.
pub(crate) fn task_exists(pid: i32) -> bool {
    // SAFETY: signal 0 is only a check.
    check(unsafe { libc::syscall(libc::SYS_kill, pid, 0) }) != Err(Errno(libc::ESRCH))
}

/// Whether the leader of a process has this id: alive or zombie.
pub(crate) fn leader_exists(tgid: i32) -> bool {
    // SAFETY: signal 0 is only a check. The C library had no wrapper before glibc 2.30.
    check(unsafe { libc::syscall(libc::SYS_tgkill, tgid, tgid, 0) }) != Err(Errno(libc::ESRCH))
}

/// A number that nobody can guess. (Where the kernel has none to give, the time must do.)
pub(crate) fn random_number() -> u32 {
    let mut bytes = [0_u8; 4];
    let (buffer, flags) = (bytes.as_mut_ptr(), libc::GRND_NONBLOCK);
    // SAFETY: four writable bytes. The C library had no wrapper before glibc 2.25.
    let got = unsafe { libc::syscall(libc::SYS_getrandom, buffer, bytes.len(), flags) };
    if got == 4 { u32::from_ne_bytes(bytes) } else { monotonic_ns() as u32 }
}
