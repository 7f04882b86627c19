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

/// A number that other processes cannot guess: the kernel's 16 random bytes for this process
/// (`AT_RANDOM` in getauxval(3)) and the time. No system call.
pub(crate) fn random_seed() -> u64 {
    // SAFETY: getauxval() takes a number; unknown ones give 0.
    let random = unsafe { libc::getauxval(25) } as *const [u8; 8];
    let bytes = if random.is_null() {
        [0; 8]
    } else {
        // SAFETY: AT_RANDOM is the address of 16 bytes that are never unmapped.
        unsafe { random.read() }
    };
    u64::from_ne_bytes(bytes) ^ monotonic_ns().wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
