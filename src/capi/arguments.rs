//! C's arguments and results, turned into the core's and back.

use crate::errno::Errno;
use crate::memory::Room;
use crate::protocol::format::Destination;
use core::ffi::{c_char, c_int};
use core::mem::MaybeUninit;

pub(super) const INVALID: Errno = Errno(libc::EINVAL);

/// The result of a function that returns 0 on success.
pub(super) fn status(result: Result<(), Errno>) -> c_int {
    count(result.map(|()| 0))
}

/// The result of a function that returns a number on success, at most `INT_MAX`.
pub(super) fn count(result: Result<u32, Errno>) -> c_int {
    match result {
        Ok(count) => count as c_int,
        Err(Errno(error)) => -error,
    }
}

/// A timeout in nanoseconds; `None` for -1, which waits without limit.
pub(super) fn timeout(timeout_ms: c_int) -> Result<Option<u64>, Errno> {
    match timeout_ms {
        -1 => Ok(None),
        0.. => Ok(Some(u64::from(timeout_ms.unsigned_abs()) * 1_000_000)),
        _ => Err(INVALID),
    }
}

/// The place behind an output parameter. The caller may have left it uninitialised.
///
/// # Safety
/// `out` is NULL or valid for writes of a `T`, and nothing else uses that place during `'a`.
#[inline]
pub(super) unsafe fn output<'a, T>(out: *mut T) -> Result<&'a mut MaybeUninit<T>, Errno> {
    // SAFETY: a MaybeUninit<T> has T's layout, needs no value, and as_mut() checks for NULL.
    unsafe { out.cast::<MaybeUninit<T>>().as_mut() }.ok_or(INVALID)
}

/// Writes a line as snprintf() does: as much as fits, and a terminator if there is room for one.
/// Returns the length of the whole line, or `-EINVAL` if `buffer` is NULL and `size` is not 0.
///
/// # Safety
/// `buffer` is NULL, or writable for `size` bytes, which `write` uses in no other way.
pub(super) unsafe fn write_line(
    buffer: *mut c_char,
    size: usize,
    write: impl FnOnce(&mut Room<'_>),
) -> c_int {
    // SAFETY: the caller vouches for the buffer.
    let Some(mut room) = (unsafe { Room::of_c(buffer.cast(), size) }) else { return -libc::EINVAL };
    write(&mut room);
    room.terminate(true);
    room.length() as c_int
}

impl Destination for Room<'_> {
    #[inline]
    fn put(&mut self, byte: u8) {
        Room::put(self, byte);
    }
}

/// The size of every options struct in version 0.1. Programs for later versions pass longer ones.
const SIZE_MIN: usize = size_of::<usize>() + 16;

/// No version's options will be longer. A greater size was never initialised.
const SIZE_MAX: usize = 4096;

/// The caller's options. Only their size has been checked. Fields beyond the caller's size are 0.
/// If `options` is NULL, every field is 0, even the size.
///
/// # Safety
/// `T` is a struct of integers that begins with its size, a `usize`. `options` is NULL, or readable
/// for as many bytes as its size says.
#[inline]
pub(super) unsafe fn options_of<T: Copy>(options: *const T) -> Result<T, Errno> {
    let mut result = MaybeUninit::<T>::uninit();
    // SAFETY: `result` has room for a T, and the caller vouches for `options`.
    match unsafe { copy_options(options.cast(), result.as_mut_ptr().cast(), size_of::<T>()) } {
        // SAFETY: all bytes have been written, and integers may have any.
        0 => Ok(unsafe { result.assume_init() }),
        error => Err(Errno(error)),
    }
}

/// Copies the caller's options, and sets the rest of `known` bytes to 0. Returns 0 or an errno value.
///
/// # Safety
/// `options` is NULL, or begins with its size, a `usize`, and is readable for that many bytes. `out` is writable
/// for `known` bytes.
#[inline(never)]
unsafe fn copy_options(options: *const u8, out: *mut u8, known: usize) -> c_int {
    // SAFETY: there are `known` bytes.
    unsafe { out.write_bytes(0, known) };
    if options.is_null() {
        return 0;
    }
    // SAFETY: every options struct begins with its size.
    let size = unsafe { options.cast::<usize>().read() };
    if size < SIZE_MIN {
        return libc::EINVAL;
    }
    if size > SIZE_MAX {
        return libc::E2BIG;
    }
    for offset in known..size {
        // SAFETY: the offset is below the size that the caller vouches for.
        if unsafe { options.add(offset).read() } != 0 {
            return libc::E2BIG;
        }
    }
    // SAFETY: neither struct is shorter than the smaller of the sizes.
    unsafe { options.copy_to_nonoverlapping(out, size.min(known)) };
    0
}
