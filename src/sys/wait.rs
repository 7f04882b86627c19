//! Waiting for a socket, and waking the waiter.

use super::{Fd, check, granted, monotonic_ns, plain};
use crate::errno::Errno;
use core::ptr::null;

/// An eventfd that wakes a thread in [`wait_readable`].
pub(crate) struct Doorbell(Fd);

impl Doorbell {
    pub(crate) fn new() -> Result<Self, Errno> {
        let flags = libc::EFD_CLOEXEC | libc::EFD_NONBLOCK;
        // SAFETY: eventfd2() takes no pointer.
        let raw = granted(unsafe { libc::syscall(libc::SYS_eventfd2, 0, flags) })?;
        // SAFETY: eventfd2() has made this descriptor, and nothing else has its number.
        Ok(Self(unsafe { Fd::from_raw(raw as i32) }))
    }

    #[cfg(feature = "table")]
    pub(crate) const fn fd(&self) -> &Fd {
        &self.0
    }

    /// Wakes the waiter. Several calls before the waiter wakes count as one. Async-signal-safe.
    #[inline(never)]
    pub(crate) fn ring(&self) {
        let one = 1_u64.to_ne_bytes();
        // SAFETY: eight bytes are readable. write() fails only after 2^64 - 2 calls.
        unsafe { libc::syscall(libc::SYS_write, self.0.raw(), one.as_ptr(), one.len()) };
    }

    /// Takes back all calls of [`ring`](Self::ring).
    pub(crate) fn silence(&self) {
        let mut count = [0_u8; 8];
        // SAFETY: eight bytes are writable. read() fails only when the bell has not been rung.
        unsafe { libc::syscall(libc::SYS_read, self.0.raw(), count.as_mut_ptr(), count.len()) };
    }
}

/// Whether a descriptor is readable now.
#[cfg(feature = "table")]
pub(crate) fn is_readable(fd: &Fd) -> Result<bool, Errno> {
    let mut entry = libc::pollfd { fd: fd.raw(), events: libc::POLLIN, revents: 0 };
    // A timespec of zeros, however wide its fields are. libc's ppoll() would be a cancellation point.
    let now = [0_u64; 2];
    let (now, no_mask) = (now.as_ptr(), null::<libc::sigset_t>());
    // SAFETY: there is one entry. The timeout outlives the call. There is no signal mask.
    let mut ask =
        || check(unsafe { libc::syscall(libc::SYS_ppoll, &raw mut entry, 1, now, no_mask, 0) });
    loop {
        match ask() {
            Err(Errno(libc::EINTR)) => {}
            ready => return Ok(ready? > 0),
        }
    }
}

/// Waits until `socket` is readable or the doorbell rings, at most until `deadline` (a time of
/// [`monotonic_ns`]; `None`: for ever). False when the deadline has passed.
pub(crate) fn wait_readable(
    socket: &Fd,
    doorbell: &Doorbell,
    deadline: Option<u64>,
) -> Result<bool, Errno> {
    let remaining = match deadline {
        None => None,
        Some(deadline) => match deadline.saturating_sub(monotonic_ns()) {
            0 => return Ok(false),
            // The fields are as wide as this libc has them; 32 bits suffice for 68 years.
            ns => Some(libc::timespec {
                tv_sec: (ns / 1_000_000_000).try_into().unwrap_or(i32::MAX.into()),
                tv_nsec: (ns % 1_000_000_000) as _,
            }),
        },
    };
    let entry = |fd: &Fd| libc::pollfd { fd: fd.raw(), events: libc::POLLIN, revents: 0 };
    let mut set = [entry(socket), entry(&doorbell.0)];
    let timeout = remaining.as_ref().map_or(null(), |remaining| remaining as *const _);
    // SAFETY: the set has two entries. The timeout is null or outlives the call. There is no signal
    // mask.
    let ready =
        check(unsafe { libc::ppoll(set.as_mut_ptr(), 2, timeout, null()) }).map_err(plain)?;
    if set[1].revents != 0 {
        doorbell.silence();
    }
    Ok(ready > 0)
}
