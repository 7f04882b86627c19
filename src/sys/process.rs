//! What the kernel knows of processes without /proc.

use super::monotonic_ns;

/// Whether a task has this id: alive or zombie, leader or thread.
pub(crate) fn task_exists(pid: i32) -> bool {
    // SAFETY: signal 0 is only a check.
    unsafe { libc::kill(pid, 0) == 0 || super::errno().0 != libc::ESRCH }
}

/// Whether the leader of a process has this id: alive or zombie.
pub(crate) fn leader_exists(tgid: i32) -> bool {
    // SAFETY: signal 0 is only a check. The C library had no wrapper before glibc 2.30.
    let result = unsafe { libc::syscall(libc::SYS_tgkill, tgid, tgid, 0) };
    result == 0 || super::errno().0 != libc::ESRCH
}

/// A number that nobody can guess. (Where the kernel has none to give, the time must do.)
pub(crate) fn random_number() -> u32 {
    let mut bytes = [0_u8; 4];
    // SAFETY: four writable bytes.
    let got =
        unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), libc::GRND_NONBLOCK) };
    if got == 4 { u32::from_ne_bytes(bytes) } else { monotonic_ns() as u32 }
}
