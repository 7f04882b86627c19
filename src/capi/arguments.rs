//! Between C's arguments and the core's.

use crate::errno::Errno;
use core::ffi::c_int;

pub(super) const INVALID: Errno = Errno(libc::EINVAL);

/// 0 or a negative errno.
pub(super) fn status(result: Result<(), Errno>) -> c_int {
    count(result.map(|()| 0))
}

/// A number that fits, or a negative errno.
pub(super) fn count(result: Result<u32, Errno>) -> c_int {
    match result {
        Ok(count) => count as c_int,
        Err(Errno(error)) => -error,
    }
}

/// Nanoseconds from milliseconds; -1, no limit, is `None`.
pub(super) fn timeout(timeout_ms: c_int) -> Result<Option<u64>, Errno> {
    match timeout_ms {
        -1 => Ok(None),
        0.. => Ok(Some(u64::from(timeout_ms.unsigned_abs()) * 1_000_000)),
        _ => Err(INVALID),
    }
}

/// The size of options in version 0.1. Callers of later versions have longer ones.
const SIZE_MIN: usize = size_of::<usize>() + 16;

/// No version's options will be longer: what says so is not initialised.
const SIZE_MAX: usize = 4096;

/// The caller's options, checked for their size only; `defaults` where the caller has none.
///
/// # Safety
/// `T` begins with its size, a `usize`. `options` is NULL, or readable for as many bytes as its size
/// says.
pub(super) unsafe fn options_of<T>(options: *const T, defaults: T) -> Result<T, Errno> {
    let mut result = defaults;
    if options.is_null() {
        return Ok(result);
    }
    // SAFETY: options begin with their size.
    let size = unsafe { options.cast::<usize>().read() };
    if size < SIZE_MIN {
        return Err(INVALID);
    }
    if size > SIZE_MAX {
        return Err(Errno(libc::E2BIG));
    }
    for offset in size_of::<T>()..size {
        // SAFETY: within the size that the caller states.
        if unsafe { options.cast::<u8>().add(offset).read() } != 0 {
            return Err(Errno(libc::E2BIG));
        }
    }
    let known = size.min(size_of::<T>());
    // SAFETY: within both.
    unsafe { options.cast::<u8>().copy_to_nonoverlapping((&raw mut result).cast(), known) };
    Ok(result)
}
