//! The allocations of an open handle: C's, because the C library has no other.

use super::preserving_errno;
use crate::errno::Errno;
use core::ptr::{NonNull, null_mut};

/// Uninitialised memory for one `T`, to be given back with [`release`].
pub(crate) fn allocate<T>() -> Result<NonNull<T>, Errno> {
    let mut memory = null_mut();
    let alignment = align_of::<T>().max(size_of::<*const ()>());
    // SAFETY: the alignment is a power of two and a multiple of a pointer's size.
    let error = unsafe { libc::posix_memalign(&mut memory, alignment, size_of::<T>()) };
    if error != 0 {
        return Err(Errno(error));
    }
    NonNull::new(memory.cast()).ok_or(Errno(libc::ENOMEM))
}

/// Gives memory back without dropping what is in it.
///
/// # Safety
/// `memory` comes from [`allocate`] and is not used any more.
pub(crate) unsafe fn release<T>(memory: NonNull<T>) {
    // SAFETY: posix_memalign() memory may be freed, once, which the caller vouches for.
    preserving_errno(|| unsafe { libc::free(memory.as_ptr().cast()) });
}
