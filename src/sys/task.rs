//! What the kernel reports about processes without /proc.

use super::{check, monotonic_ns};
use crate::errno::Errno;

/// Whether the leader of a process has this id. It may be a zombie.
pub(crate) fn leader_exists(tgid: i32) -> bool {
    // The C library has a wrapper since glibc 2.30 only.
    // SAFETY: tgkill() takes no pointer, and signal 0 only checks whether the task exists.
    check(unsafe { libc::syscall(libc::SYS_tgkill, tgid, tgid, 0) }) != Err(Errno(libc::ESRCH))
}

/// Lets other threads run on this CPU.
#[cfg(feature = "table")]
pub(crate) fn give_way() {
    // SAFETY: sched_yield() takes nothing. It cannot fail.
    unsafe { libc::syscall(libc::SYS_sched_yield) };
}

/// Whether this thread may read how any process exited: whether its effective capabilities include
/// CAP_SYS_PTRACE (`__ptrace_may_access` in `kernel/ptrace.c`).
#[cfg(feature = "table")]
pub(crate) fn may_trace() -> bool {
    const CAP_SYS_PTRACE: u32 = 19;
    // _LINUX_CAPABILITY_VERSION_3 and 0 for this thread. The sets are effective, permitted and
    // inheritable, twice.
    let (mut header, mut sets) = ([0x2008_0522_u32, 0], [0_u32; 6]);
    // SAFETY: capget() reads and writes the 8 bytes of its header, and writes two sets of 12 bytes.
    let got = unsafe { libc::syscall(libc::SYS_capget, header.as_mut_ptr(), sets.as_mut_ptr()) };
    got == 0 && sets[0] & 1 << CAP_SYS_PTRACE != 0
}

/// A number that no other process can guess. When the kernel has no random numbers, as shortly after
/// boot, this is the time.
pub(crate) fn random_number() -> u32 {
    let mut bytes = [0_u8; 4];
    let (buffer, flags) = (bytes.as_mut_ptr(), libc::GRND_NONBLOCK);
    // The C library has a wrapper since glibc 2.25 only.
    // SAFETY: the buffer is writable for its length.
    let got = unsafe { libc::syscall(libc::SYS_getrandom, buffer, bytes.len(), flags) };
    if got == 4 { u32::from_ne_bytes(bytes) } else { monotonic_ns() as u32 }
}
