//! An owned file descriptor.

use super::granted;
use crate::errno::Errno;
use core::mem::{forget, replace};

/// Closes its descriptor when dropped.
pub(crate) struct Fd(i32);

impl Fd {
    /// No descriptor. Its drop closes nothing.
    pub(crate) const NONE: Self = Self(-1);

    pub(crate) const fn is_none(&self) -> bool {
        self.0 < 0
    }

    /// Takes over the descriptor `raw`.
    ///
    /// # Safety
    /// `raw` is not negative. Nothing else closes it as long as the result exists. If it is not
    /// open, the result must end in [`into_raw`](Self::into_raw): a drop would close what another
    /// thread may have opened under this number.
    pub(crate) const unsafe fn from_raw(raw: i32) -> Self {
        Self(raw)
    }

    pub(crate) const fn raw(&self) -> i32 {
        self.0
    }

    /// Gives the descriptor away, open.
    pub(crate) const fn into_raw(self) -> i32 {
        let raw = self.0;
        forget(self);
        raw
    }

    pub(crate) fn modes(&self) -> Result<Modes, Errno> {
        let status = fcntl(self.0, libc::F_GETFL, 0)?;
        let descriptor = fcntl(self.0, libc::F_GETFD, 0)?;
        Ok(Modes { status: status as i32, descriptor: descriptor as i32 })
    }

    #[inline]
    pub(crate) fn set_modes(&self, modes: &Modes) -> Result<(), Errno> {
        fcntl(self.0, libc::F_SETFL, modes.status)?;
        fcntl(self.0, libc::F_SETFD, modes.descriptor)?;
        Ok(())
    }
}

/// One of the commands that get or set flags.
#[inline(never)]
fn fcntl(raw: i32, command: i32, flags: i32) -> Result<u32, Errno> {
    // SAFETY: these commands take an int or nothing, and no pointer.
    granted(unsafe { libc::syscall(libc::SYS_fcntl, raw, command, flags) })
}

/// `EBADF` unless `raw` is an open descriptor.
#[cfg(feature = "capi")]
pub(crate) fn require_open(raw: i32) -> Result<(), Errno> {
    fcntl(raw, libc::F_GETFD, 0).map(drop)
}

/// Takes the descriptor out of its owner, which is only to be dropped then. This is for a type with a
/// destructor, out of which Rust moves no field. The destructor must not use the descriptor.
pub(crate) const fn take(fd: &mut Fd) -> Fd {
    replace(fd, Fd::NONE)
}

#[cfg(feature = "std")]
impl From<std::os::fd::OwnedFd> for Fd {
    fn from(fd: std::os::fd::OwnedFd) -> Self {
        Self(std::os::fd::IntoRawFd::into_raw_fd(fd))
    }
}

#[cfg(feature = "std")]
impl From<Fd> for std::os::fd::OwnedFd {
    fn from(fd: Fd) -> Self {
        // SAFETY: an Fd owns its descriptor, which is open, and gives it away here.
        unsafe { std::os::fd::FromRawFd::from_raw_fd(fd.into_raw()) }
    }
}

#[cfg(feature = "std")]
impl std::os::fd::AsFd for Fd {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        // SAFETY: an Fd owns its descriptor, which stays open as long as the borrow lives.
        unsafe { std::os::fd::BorrowedFd::borrow_raw(self.0) }
    }
}

/// A descriptor's status flags and descriptor flags.
pub(crate) struct Modes {
    status: i32,
    descriptor: i32,
}

impl Modes {
    /// These flags, with O_NONBLOCK and FD_CLOEXEC set.
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
        if self.is_none() {
            return;
        }
        // SAFETY: this is the only owner of the descriptor, so that nothing else relies on its
        // number. Linux releases it even when close() fails.
        unsafe { libc::syscall(libc::SYS_close, self.0) };
    }
}
