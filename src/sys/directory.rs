//! Listing a directory without libc's allocations.

use super::{Fd, granted};
use crate::errno::Errno;

/// An open directory.
pub(crate) struct Directory(Fd);

impl Directory {
    pub(crate) fn open(path: &[u8]) -> Result<Self, Errno> {
        Ok(Self(super::file::open(path, libc::O_RDONLY | libc::O_DIRECTORY)?))
    }

    /// Makes the next [`read`](Self::read) return the first entries again.
    pub(crate) fn rewind(&self) -> Result<(), Errno> {
        // SAFETY: lseek() takes no pointer.
        granted(unsafe { libc::lseek(self.0.raw(), 0, libc::SEEK_SET) } as libc::c_long)?;
        Ok(())
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
