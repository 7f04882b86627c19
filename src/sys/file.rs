//! Small files of /proc.

use super::{Fd, check};
use crate::errno::Errno;
use core::ffi::CStr;
use core::mem::MaybeUninit;

/// The inode that `path` leads to.
pub(crate) fn inode(path: &CStr) -> Result<u64, Errno> {
    let mut status = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: a terminated string, and room for what stat() writes.
    check(unsafe { libc::stat(path.as_ptr(), status.as_mut_ptr()) })?;
    // SAFETY: stat() succeeded, so it has written all of it.
    let status = unsafe { status.assume_init() };
    #[allow(clippy::unnecessary_cast)] // 32 bits wide on some targets
    Ok(status.st_ino as u64)
}

/// The beginning of the file, as much as one read gives and the buffer holds.
pub(crate) fn read_file<'a>(path: &CStr, buffer: &'a mut [u8]) -> Result<&'a [u8], Errno> {
    // SAFETY: a terminated string; no O_CREAT, hence no mode.
    let raw = check(unsafe { libc::open(path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) })?;
    let file = Fd::own(raw as i32);
    // SAFETY: the buffer is writable for its length.
    let size =
        check(unsafe { libc::read(file.raw(), buffer.as_mut_ptr().cast(), buffer.len()) } as i64)?;
    Ok(buffer.get(..size).unwrap_or_default())
}
