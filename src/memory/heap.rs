//! The allocations of an open handle: C's, because the C library has no other.

use crate::errno::Errno;
use crate::sys::preserving_errno;
use core::ptr::{NonNull, null_mut};

/// Uninitialised memory for one `T`, to be given back with [`release`].
pub(crate) fn allocate<T>() -> Result<NonNull<T>, Errno> {
    allocate_array(1)
}

/// The same for `count` of them.
pub(crate) fn allocate_array<T>(count: usize) -> Result<NonNull<T>, Errno> {
    const OUT_OF_MEMORY: Errno = Errno(libc::ENOMEM);
    let size = size_of::<T>().checked_mul(count).ok_or(OUT_OF_MEMORY)?;
    let alignment = align_of::<T>().max(size_of::<*const ()>());
    let mut memory = null_mut();
    // SAFETY: the alignment is a power of two and a multiple of a pointer's size.
    let error = unsafe { libc::posix_memalign(&mut memory, alignment, size) };
    NonNull::new(memory.cast()).filter(|_| error == 0).ok_or(OUT_OF_MEMORY)
}

/// Gives memory back without dropping what is in it.
///
/// # Safety
/// `memory` comes from [`allocate`] or [`allocate_array`] and is not used any more.
pub(crate) unsafe fn release<T>(memory: NonNull<T>) {
    // SAFETY: posix_memalign() memory may be freed, once, which the caller vouches for.
    preserving_errno(|| unsafe { libc::free(memory.as_ptr().cast()) });
}
