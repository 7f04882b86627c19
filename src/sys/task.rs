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

/// Whether this thread may read of any process how it ended: CAP_SYS_PTRACE, in force
/// (`__ptrace_may_access` in `kernel/ptrace.c`).
#[cfg(feature = "table")]
pub(crate) fn may_trace() -> bool {
    const CAP_SYS_PTRACE: u32 = 19;
    // _LINUX_CAPABILITY_VERSION_3 and this thread; then effective, permitted, inheritable, twice.
    let (mut header, mut sets) = ([0x2008_0522_u32, 0], [0_u32; 6]);
    // SAFETY: eight and 24 writable bytes.
    let got = unsafe { libc::syscall(libc::SYS_capget, header.as_mut_ptr(), sets.as_mut_ptr()) };
    got == 0 && sets[0] & 1 << CAP_SYS_PTRACE != 0
}

/// A number that nobody can guess. (Where the kernel has none to give, the time must do.)
pub(crate) fn random_number() -> u32 {
    let mut bytes = [0_u8; 4];
    let (buffer, flags) = (bytes.as_mut_ptr(), libc::GRND_NONBLOCK);
    // SAFETY: four writable bytes. The C library had no wrapper before glibc 2.25.
    let got = unsafe { libc::syscall(libc::SYS_getrandom, buffer, bytes.len(), flags) };
    if got == 4 { u32::from_ne_bytes(bytes) } else { monotonic_ns() as u32 }
}
