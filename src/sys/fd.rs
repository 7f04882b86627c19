//! An owned file descriptor.

use super::{granted, preserving_errno};
use crate::errno::Errno;

/// Closes its descriptor when dropped, unless it was given away, and leaves `errno` alone.
pub(crate) struct Fd(i32);

impl Fd {
    /// No descriptor.
    pub(crate) const NONE: Self = Self(-1);

    /// Takes over a descriptor that the caller owns.
    pub(crate) const fn own(raw: i32) -> Self {
        Self(raw)
    }

    pub(crate) const fn raw(&self) -> i32 {
        self.0
    }

    /// Gives the descriptor away: it stays open.
    #[inline]
    pub(crate) const fn disown(&mut self) -> i32 {
        core::mem::replace(&mut self.0, -1)
    }

    pub(crate) fn modes(&self) -> Result<Modes, Errno> {
        Ok(Modes {
            // SAFETY: F_GETFL and F_GETFD take no pointer.
            status: granted(unsafe { libc::syscall(libc::SYS_fcntl, self.0, libc::F_GETFL) })?
                as i32,
            // SAFETY: as above.
            descriptor: granted(unsafe { libc::syscall(libc::SYS_fcntl, self.0, libc::F_GETFD) })?
                as i32,
        })
    }

    pub(crate) fn set_modes(&self, modes: &Modes) -> Result<(), Errno> {
        // SAFETY: F_SETFL and F_SETFD take an int.
        granted(unsafe { libc::syscall(libc::SYS_fcntl, self.0, libc::F_SETFL, modes.status) })?;
        // SAFETY: as above.
        granted(unsafe {
            libc::syscall(libc::SYS_fcntl, self.0, libc::F_SETFD, modes.descriptor)
        })?;
        Ok(())
    }
}

#[cfg(feature = "std")]
impl From<Fd> for std::os::fd::OwnedFd {
    fn from(mut fd: Fd) -> Self {
        // SAFETY: the descriptor is owned and open, and given away here.
        unsafe { std::os::fd::FromRawFd::from_raw_fd(fd.disown()) }
    }
}

#[cfg(feature = "std")]
impl std::os::fd::AsFd for Fd {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        // SAFETY: the descriptor is owned, and open as long as the borrow lives.
        unsafe { std::os::fd::BorrowedFd::borrow_raw(self.0) }
    }
}

/// A descriptor's status and descriptor flags.
pub(crate) struct Modes {
    status: i32,
    descriptor: i32,
}

impl Modes {
    /// The same, but non-blocking and close-on-exec.
    pub(crate) const fn of_a_handle(&self) -> Self {
        Self {
            status: self.status | libc::O_NONBLOCK,
            descriptor: self.descriptor | libc::FD_CLOEXEC,
        }
    }
}

impl Drop for Fd {
    #[inline(never)]
    fn drop(&mut self) {
        if self.0 < 0 {
            return;
        }
        // SAFETY: the descriptor is owned, so nobody else relies on its number. On Linux it is
        // released whatever close() returns.
        preserving_errno(|| unsafe { libc::syscall(libc::SYS_close, self.0) });
    }
}
