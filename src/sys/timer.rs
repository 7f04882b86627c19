//! A timer that can be waited for through a descriptor.

use super::{Fd, check, granted};
use crate::errno::Errno;

/// timerfd_settime(2), which is no cancellation point. A libc for 32 bits may have a timespec that its
/// kernel's first system call of this name does not take.
///
/// # Safety
/// `new` is readable. `old` is null or writable.
unsafe fn settime(
    timer: i32,
    flags: i32,
    new: *const libc::itimerspec,
    old: *mut libc::itimerspec,
) -> libc::c_long {
    // SAFETY: the caller vouches for both.
    #[cfg(target_pointer_width = "64")]
    let result = unsafe { libc::syscall(libc::SYS_timerfd_settime, timer, flags, new, old) };
    // SAFETY: the caller vouches for both.
    #[cfg(not(target_pointer_width = "64"))]
    let result = unsafe { libc::timerfd_settime(timer, flags, new, old) }.into();
    result
}

/// A timerfd that [`restart`](Self::restart) makes readable some time later, within an interval.
pub(crate) struct Timer(Fd);

impl Timer {
    /// A timer with this interval, in milliseconds below 1000.
    pub(crate) fn new(interval_ms: u32) -> Result<Self, Errno> {
        let (clock, flags) = (libc::CLOCK_MONOTONIC, libc::TFD_CLOEXEC | libc::TFD_NONBLOCK);
        // SAFETY: timerfd_create() takes no pointer.
        let raw = granted(unsafe { libc::syscall(libc::SYS_timerfd_create, clock, flags) })?;
        // SAFETY: timerfd_create() has made this descriptor, and nothing else has its number.
        let timer = Self(unsafe { Fd::from_raw(raw as i32) });
        let interval = libc::timespec { tv_sec: 0, tv_nsec: (interval_ms * 1_000_000) as _ };
        let setting = libc::itimerspec { it_interval: interval, it_value: interval };
        let none = core::ptr::null_mut::<libc::itimerspec>();
        // SAFETY: the setting is readable, and the previous one is not asked for.
        granted(unsafe { settime(timer.0.raw(), 0, &raw const setting, none) })?;
        Ok(timer)
    }

    pub(crate) const fn fd(&self) -> &Fd {
        &self.0
    }

    /// Whether the interval has passed. If so, starts the next one.
    ///
    /// The kernel stops a timerfd when it expires, and starts it again when the expiration is read
    /// (`timerfd_read_iter` in `fs/timerfd.c`). So a timer that nobody reads wakes nobody.
    pub(crate) fn restart(&self) -> bool {
        let mut expirations = [0_u8; 8];
        let (buffer, size) = (expirations.as_mut_ptr(), expirations.len());
        // SAFETY: eight bytes are writable. read() fails if the interval has not passed.
        check(unsafe { libc::syscall(libc::SYS_read, self.0.raw(), buffer, size) }).is_ok()
    }
}
