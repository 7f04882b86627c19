//! Several descriptors that can be waited for through one.

use super::{Fd, check, granted};
use crate::errno::Errno;

/// An epoll instance.
pub(crate) struct Epoll(Fd);

impl Epoll {
    pub(crate) fn new() -> Result<Self, Errno> {
        // SAFETY: epoll_create1() takes no pointer.
        let raw = granted(unsafe { libc::syscall(libc::SYS_epoll_create1, libc::EPOLL_CLOEXEC) })?;
        // SAFETY: epoll_create1() has made this descriptor, and nothing else has its number.
        Ok(Self(unsafe { Fd::from_raw(raw as i32) }))
    }

    pub(crate) const fn fd(&self) -> &Fd {
        &self.0
    }

    /// Watches a descriptor for input, level-triggered. [`ready`](Self::ready) returns its `token`.
    pub(crate) fn add(&self, fd: &Fd, token: u64) -> Result<(), Errno> {
        match self.control(libc::EPOLL_CTL_ADD, fd, token, libc::EPOLLIN) {
            // The sysctl fs.epoll.max_user_watches, which bounds the memory for watches.
            Err(Errno(libc::ENOSPC)) => Err(Errno(libc::ENOMEM)),
            result => result,
        }
    }

    /// Watches a descriptor that was added, or no longer until the next call. This needs no memory, so it
    /// does not fail.
    pub(crate) fn set(&self, fd: &Fd, is_watched: bool) {
        let events = if is_watched { libc::EPOLLIN } else { 0 };
        let _ = self.control(libc::EPOLL_CTL_MOD, fd, 0, events);
    }

    #[inline(never)]
    fn control(&self, operation: i32, fd: &Fd, token: u64, events: i32) -> Result<(), Errno> {
        let mut event = libc::epoll_event { events: events as u32, u64: token };
        // SAFETY: the event is readable, and lives as long as the call.
        granted(unsafe {
            libc::syscall(libc::SYS_epoll_ctl, self.0.raw(), operation, fd.raw(), &raw mut event)
        })
        .map(drop)
    }

    /// Stops watching a descriptor. Closing it is not enough: a forked child may hold a copy.
    pub(crate) fn remove(&self, fd: &Fd) {
        // EPOLL_CTL_DEL reads no event. It fails only if the descriptor is not watched.
        let _ = self.control(libc::EPOLL_CTL_DEL, fd, 0, 0);
    }

    /// The tokens of up to `N` descriptors that are readable now.
    pub(crate) fn ready<const N: usize>(&self) -> impl Iterator<Item = u64> + use<N> {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; N];
        // libc's epoll_wait() would be a cancellation point.
        // SAFETY: there is room for N events, and no signal mask.
        let count = check(unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait,
                self.0.raw(),
                events.as_mut_ptr(),
                N as i32,
                0,
                core::ptr::null::<libc::sigset_t>(),
                0,
            )
        });
        events.into_iter().take(count.unwrap_or(0) as usize).map(|event| event.u64)
    }
}
