//! Small files of /proc.

use super::{Fd, check, plain};
use crate::errno::Errno;
use core::ffi::c_char;
use core::mem::MaybeUninit;

/// A pointer to a path, which must end with a zero.
fn terminated(path: &[u8]) -> Result<*const c_char, Errno> {
    match path {
        [.., 0] => Ok(path.as_ptr().cast()),
        _ => Err(Errno(libc::EINVAL)),
    }
}

/// The inode that `path` leads to.
#[inline]
pub(crate) fn inode(path: &[u8]) -> Result<u64, Errno> {
    let path = terminated(path)?;
    let mut status = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the path is terminated, and `status` has room for what stat() writes.
    check(unsafe { libc::stat(path, status.as_mut_ptr()) })?;
    // SAFETY: stat() succeeded, so it has written all of the status.
    let status = unsafe { status.assume_init() };
    #[allow(clippy::unnecessary_cast)] // 32 bits wide on some targets
    Ok(status.st_ino as u64)
}

/// An error of opening or reading a file of /proc as the library returns it: EACCES if the file may
/// not be read. ENOENT and ESRCH, after which the process is gone, are for the caller to look at.
#[cold]
const fn unreadable(error: Errno) -> Errno {
    match error {
        Errno(libc::ENOENT | libc::ESRCH | libc::EACCES) => error,
        Errno(libc::EPERM) => Errno(libc::EACCES),
        _ => plain(error),
    }
}

/// Opens a file that exists, close-on-exec. A relative path begins in `directory`, a descriptor.
#[inline]
pub(crate) fn open(directory: i32, path: &[u8], flags: i32) -> Result<Fd, Errno> {
    let path = terminated(path)?;
    // SAFETY: the path is terminated. Without O_CREAT, openat() takes no mode.
    let raw =
        check(unsafe { libc::syscall(libc::SYS_openat, directory, path, flags | libc::O_CLOEXEC) })
            .map_err(unreadable)?;
    // SAFETY: openat() has made this descriptor, and nothing else has its number.
    Ok(unsafe { Fd::from_raw(raw as i32) })
}

/// Reads the beginning of a file: what one read(2) returns, and no more than the buffer holds.
pub(crate) fn read_file<'a>(
    directory: Option<&Fd>,
    path: &[u8],
    buffer: &'a mut [u8],
) -> Result<&'a [u8], Errno> {
    let file = open(directory.map_or(libc::AT_FDCWD, Fd::raw), path, libc::O_RDONLY)?;
    // SAFETY: the buffer is writable for its length.
    let size = check(unsafe {
        libc::syscall(libc::SYS_read, file.raw(), buffer.as_mut_ptr(), buffer.len())
    })
    .map_err(unreadable)?;
    Ok(buffer.get(..size as usize).unwrap_or_default())
}
