//! Small files of /proc.

use super::{Fd, check, errno, plain};
use crate::errno::Errno;
use crate::memory::OutSlice;
use core::ffi::c_char;
use core::mem::MaybeUninit;

/// A pointer to a path, which must end with a zero.
fn terminated(path: &[u8]) -> Result<*const c_char, Errno> {
    match path {
        [.., 0] => Ok(path.as_ptr().cast()),
        _ => Err(Errno(libc::EINVAL)),
    }
}

/// fstatat(2). glibc's function would make the library need glibc 2.33.
///
/// # Safety
/// `path` is terminated, and `status` is writable.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[cfg(target_pointer_width = "64")]
unsafe fn fstatat(
    directory: i32,
    path: *const c_char,
    status: *mut libc::stat,
    flags: i32,
) -> libc::c_long {
    // SAFETY: the caller vouches for both. On these machines the kernel's struct is libc's.
    unsafe { libc::syscall(libc::SYS_newfstatat, directory, path, status, flags) }
}
#[cfg(not(all(
    any(target_arch = "x86_64", target_arch = "aarch64"),
    target_pointer_width = "64"
)))]
use libc::fstatat;

/// The inode that `path` leads to.
#[inline]
pub(crate) fn inode(path: &[u8]) -> Result<u64, Errno> {
    match inode_at(libc::AT_FDCWD, terminated(path)?, 0) {
        0 => Err(errno()),
        inode => Ok(inode),
    }
}

/// The inode of an open file; 0 if there is none.
#[cfg(feature = "table")]
#[inline]
pub(crate) fn inode_of(file: &Fd) -> u64 {
    inode_at(file.raw(), c"".as_ptr(), libc::AT_EMPTY_PATH)
}

/// The inode that `path`, which is terminated, leads to. On failure it returns 0, which is never an inode of a file,
/// and sets `errno`.
#[cfg_attr(feature = "table", inline(never))]
fn inode_at(directory: i32, path: *const c_char, flags: i32) -> u64 {
    let mut status = MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: the path is terminated, and `status` has room for what fstatat() writes.
    unsafe { fstatat(directory, path, status.as_mut_ptr(), flags) };
    // SAFETY: any bytes are a valid status. If fstatat() has failed, they are the zeros.
    let status = unsafe { status.assume_init() };
    #[allow(clippy::unnecessary_cast)] // 32 bits wide on some targets
    let inode = status.st_ino as u64;
    inode
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

/// What a file is opened for.
#[derive(Clone, Copy)]
#[repr(i32)]
pub(crate) enum Mode {
    Read = libc::O_RDONLY,
    /// To list a directory.
    #[cfg(feature = "table")]
    List = libc::O_RDONLY | libc::O_DIRECTORY,
    /// To look files up in a directory, and nothing else.
    #[cfg(feature = "table")]
    Search = libc::O_PATH | libc::O_DIRECTORY,
}

/// Opens a file that exists, close-on-exec. A relative path begins in `directory`.
pub(crate) fn open(directory: Option<&Fd>, path: &[u8], mode: Mode) -> Result<Fd, Errno> {
    open_at(directory.map_or(libc::AT_FDCWD, Fd::raw), path, mode)
}

/// Opens a file that exists, close-on-exec. A relative path begins in `directory`, a descriptor.
#[inline]
pub(super) fn open_at(directory: i32, path: &[u8], mode: Mode) -> Result<Fd, Errno> {
    let path = terminated(path)?;
    let flags = mode as i32 | libc::O_CLOEXEC;
    // SAFETY: the path is terminated. Without O_CREAT, openat() takes no mode.
    let raw = check(unsafe { libc::syscall(libc::SYS_openat, directory, path, flags) })
        .map_err(unreadable)?;
    // SAFETY: openat() has made this descriptor, and nothing else has its number.
    Ok(unsafe { Fd::from_raw(raw as i32) })
}

/// Reads from a file: what one read(2) returns, and no more than the buffer holds. Returns how many
/// bytes that is.
pub(crate) fn read(file: &Fd, mut buffer: OutSlice<'_, u8>) -> Result<u32, Errno> {
    let (to, room) = (buffer.as_mut_ptr(), buffer.len());
    // SAFETY: the buffer is writable for its length.
    check(unsafe { libc::syscall(libc::SYS_read, file.raw(), to, room) }).map_err(unreadable)
}

/// Reads the beginning of a file: what one read(2) returns, and no more than the buffer holds.
pub(crate) fn read_file<'a>(
    directory: Option<&Fd>,
    path: &[u8],
    buffer: &'a mut [u8],
) -> Result<&'a [u8], Errno> {
    let size = read(&open(directory, path, Mode::Read)?, OutSlice::over(buffer))?;
    Ok(buffer.get(..size as usize).unwrap_or_default())
}

/// Where a symbolic link of /proc leads. Returns how many bytes the path has. The kernel does not say
/// whether it was cut, so a path that fills the buffer is too long.
///
/// # Errors
/// `ENAMETOOLONG`: the path does not fit.
#[cfg(feature = "table")]
pub(crate) fn read_link(
    directory: Option<&Fd>,
    path: &[u8],
    buffer: &mut [u8],
) -> Result<u32, Errno> {
    let directory = directory.map_or(libc::AT_FDCWD, Fd::raw);
    let (path, to, room) = (terminated(path)?, buffer.as_mut_ptr(), buffer.len());
    // SAFETY: the path is terminated, and the buffer is writable for its length.
    let size = check(unsafe { libc::syscall(libc::SYS_readlinkat, directory, path, to, room) })
        .map_err(unreadable)?;
    if (size as usize) < room { Ok(size) } else { Err(Errno(libc::ENAMETOOLONG)) }
}
