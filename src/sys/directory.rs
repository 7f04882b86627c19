//! Listing a directory without libc's allocations.

use super::{Fd, check, granted};
use crate::errno::Errno;
use core::mem::MaybeUninit;

/// An open directory.
pub(crate) struct Directory(Fd);

impl Directory {
    pub(crate) fn open(path: &[u8]) -> Result<Self, Errno> {
        Self::open_at(libc::AT_FDCWD, path)
    }

    /// Opens the directory of a descriptor of the caller's once more, so that the caller may close it.
    pub(crate) fn reopen(directory: i32) -> Result<Self, Errno> {
        Self::open_at(directory, b".\0")
    }

    #[inline]
    fn open_at(directory: i32, path: &[u8]) -> Result<Self, Errno> {
        Ok(Self(super::file::open_at(directory, path, super::Mode::List)?))
    }

    pub(crate) const fn fd(&self) -> &Fd {
        &self.0
    }

    /// Whether the directory is in a file system of procfs(5).
    pub(crate) fn is_proc(&self) -> bool {
        let mut status = MaybeUninit::<libc::statfs>::uninit();
        // On a 32-bit machine the kernel writes a shorter struct than some libcs have: f_type comes
        // first in both.
        // SAFETY: `status` has room for what the system call writes.
        check(unsafe { libc::syscall(libc::SYS_fstatfs, self.0.raw(), status.as_mut_ptr()) })
            .is_ok_and(|_| {
                // SAFETY: the system call succeeded, so it has written the type.
                let kind = unsafe { (*status.as_ptr()).f_type };
                #[allow(clippy::unnecessary_cast)] // Its type differs from target to target.
                let is_proc = kind as i64 == libc::PROC_SUPER_MAGIC as i64;
                is_proc
            })
    }

    /// Makes the next [`read`](Self::read) return the first entries again.
    pub(crate) fn rewind(&self) -> Result<(), Errno> {
        let begin: libc::c_long = 0;
        // SAFETY: lseek() takes no pointer.
        granted(unsafe { libc::syscall(libc::SYS_lseek, self.0.raw(), begin, libc::SEEK_SET) })
            .map(drop)
    }

    /// Reads the next entries in the format of getdents64(2). Returns how many bytes they take, or
    /// 0 at the end of the directory.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> Result<u32, Errno> {
        // SAFETY: the buffer is writable for its length.
        granted(unsafe {
            libc::syscall(libc::SYS_getdents64, self.0.raw(), buffer.as_mut_ptr(), buffer.len())
        })
    }
}
