//! The allocations of an open handle. They are C's, because the C library links no other allocator.

use crate::errno::Errno;
use core::ptr::{NonNull, null_mut};

const OUT_OF_MEMORY: Errno = Errno(libc::ENOMEM);

/// Uninitialised memory for one `T`, to be given back with [`release`].
pub(crate) fn allocate<T>() -> Result<NonNull<T>, Errno> {
    allocate_array(1)
}

/// Uninitialised memory for `count` values of type `T`, to be given back with [`release`].
pub(crate) fn allocate_array<T>(count: usize) -> Result<NonNull<T>, Errno> {
    let size = size_of::<T>().checked_mul(count).ok_or(OUT_OF_MEMORY)?;
    Ok(allocate_bytes(size, align_of::<T>())?.cast())
}

/// Uninitialised memory of `size` bytes, to be given back with [`release`]. `alignment` is a type's.
#[inline]
pub(super) fn allocate_bytes(size: usize, alignment: usize) -> Result<NonNull<u8>, Errno> {
    let mut memory = null_mut();
    let alignment = alignment.max(size_of::<*const ()>());
    // SAFETY: `memory` is writable, and the alignment is a power of two and a multiple of a
    // pointer's size.
    let error = unsafe { libc::posix_memalign(&mut memory, alignment, size) };
    NonNull::new(memory.cast()).filter(|_| error == 0).ok_or(OUT_OF_MEMORY)
}

/// Gives memory back without dropping the values in it. Before glibc 2.33 this may change `errno`.
///
/// # Safety
/// `memory` comes from [`allocate`] or [`allocate_array`] and is not used any more.
#[inline(never)]
pub(crate) unsafe fn release<T>(memory: NonNull<T>) {
    // SAFETY: the caller guarantees that posix_memalign() returned this memory, and that it is
    // freed once.
    unsafe { libc::free(memory.as_ptr().cast()) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_aligned_and_writable_and_can_be_given_back() {
        #[repr(align(64))]
        struct Wide([u8; 100]);
        let memory = allocate_array::<Wide>(3).expect("memory");
        assert!(memory.is_aligned());
        for i in 0..3 {
            // SAFETY: the memory has room for three values, of which `i` is one.
            unsafe { memory.add(i).write(Wide([i as u8; 100])) };
        }
        // SAFETY: the third value was written above.
        assert_eq!(unsafe { memory.add(2).as_ref() }.0, [2; 100]);
        // SAFETY: allocated above, and not used any more.
        unsafe { release(memory) };
    }

    #[test]
    fn an_array_too_large_for_the_address_space_is_out_of_memory() {
        assert_eq!(allocate_array::<u64>(usize::MAX / 4), Err(Errno(libc::ENOMEM)));
    }
}
